/**
 * Kind: property (random damage to logs of random lives, from a seed, on the simulated disk).
 *
 * Invariant: one or two damages anywhere in a log with segments that were written again, its end apart: a start finds all that was said to be
 * stable, or is repaired with a floor that is no lower than the last of it.
 *
 * Learnt: sectors of zeros in the midst of batches were taken for the end of a reused segment; with a segment missing before them, the floor was too low.
 */
import { assert, assertGreater } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import type { Recovered } from "../../internal/raft/types.ts";
import { footerPlace } from "../../internal/storage/footer.ts";
import {
  decodeBatchHeader,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from "../../internal/storage/segment.ts";
import { appending, entryOf, Machine, takeSnapshot } from "./lab.ts";

await loadCrc32c();

const SEEDS = Number(Deno.env.get("RAFTLINE_STORAGE_SEEDS") ?? 40);
const FIRST = Number(Deno.env.get("RAFTLINE_FIRST_SEED") ?? 1);
const SECTOR = 512;
const ROUNDS = 16;

const total = { ofReused: 0, whole: 0, repaired: 0 };

/** A machine whose power failed in the midst of a batch, on whose disk everything up to that index is stable. */
async function afterPower(random: Random): Promise<{ readonly machine: Machine; readonly stable: number }> {
  const machine = new Machine(`reuse damage/${random.uint32()}`);
  machine.segmentBytes = random.chance(1, 2) ? 40 * 1024 : random.between(10 * 1024, 16 * 1024);
  let stable = 0;
  await machine.run(async () => {
    const { store, snapshots, recovered, until } = await machine.open();
    const last = random.between(100, 160);
    for (let number = 1; number <= last; number++) {
      const payload = new Uint8Array(random.between(1, random.chance(1, 4) ? 1800 : 600)).fill(number);
      store.write(appending(number, [entryOf(number, 1, payload)], stable));
      if (number === last) return;
      await until(number);
      stable = number;
      if (number % 12 !== 0 || number > last - 20) continue;
      await takeSnapshot({ snapshots, recovered }, { index: number, term: 1 });
      store.discard(snapshots.coveredIndex);
    }
  });
  machine.restart("crash");
  return { machine, stable };
}

const segmentsOf = (machine: Machine) => machine.disk.durablePaths().filter((path) => path.endsWith(".seg"));

/** Where the last batch but one of a segment begins. */
function lastButOneOf(bytes: Uint8Array): number {
  const header = decodeSegmentHeader(bytes);
  let [last, before] = [SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES];
  if (typeof header === "string") return before;
  for (let at = SEGMENT_HEADER_BYTES; at < footerPlace(bytes.length); at += 8) {
    if (typeof decodeBatchHeader(bytes, at, header.nonce) !== "string") [last, before] = [at, last];
  }
  return before;
}

/** Damages one of the segments, but not the last batches of the log; tells how. */
function damage(machine: Machine, random: Random): string {
  const { disk } = machine;
  const paths = segmentsOf(machine);
  const number = random.chance(1, 2) ? paths.length - 1 : random.below(paths.length);
  const path = must(paths[number], "There is one");
  const bytes = must(disk.durableBytes(path), "It is there").slice();
  // The last two: one may be torn.
  const spared = path === paths.at(-1) ? lastButOneOf(bytes) : bytes.length;
  if (spared === SEGMENT_HEADER_BYTES) return `${path} has nothing to damage`;
  const from = random.chance(1, 8)
    ? random.below(SEGMENT_HEADER_BYTES)
    : random.between(SEGMENT_HEADER_BYTES, spared - 1);
  const sector = from - from % SECTOR;
  const footerAt = footerPlace(bytes.length);
  switch (random.below(path === paths.at(-1) ? 4 : 7)) {
    case 0:
      bytes[from] = (bytes[from] ?? 0) ^ (1 << random.below(8));
      break;
    case 1:
    case 2:
      bytes.fill(0, sector, Math.min(spared, sector + SECTOR * random.between(1, 16)));
      break;
    case 3:
      bytes.fill(0, 0, SECTOR);
      break;
    case 4:
      bytes.fill(9, footerAt, footerAt + SECTOR);
      break;
    case 5:
      disk.replace(path, null);
      return `${path} is gone`;
    case 6: {
      const other = must(paths[random.below(paths.length)], "There is one");
      disk.replace(path, must(disk.durableBytes(other), "It is there").slice());
      return `${path} is ${other}`;
    }
  }
  disk.replace(path, bytes);
  return `${path} from ${from} on`;
}

function check({ floor, snapshotIndex, entries }: Recovered, stable: number, what: string): void {
  const last = snapshotIndex + entries.length;
  if (floor === null) {
    assert(last >= stable, `${what}: ${last} of ${stable} are there, and nothing is said`);
    total.whole++;
  } else {
    assert(floor.term > 1 || floor.index >= stable, `${what}: the floor is ${floor.index} of ${stable}`);
    total.repaired++;
  }
}

async function run(random: Random): Promise<void> {
  const { machine, stable } = await afterPower(random);
  const image = machine.disk.image();
  const reused = segmentsOf(machine).filter((path) => {
    const header = decodeSegmentHeader(must(image.get(path), "It is there"));
    return typeof header !== "string" && Number.isFinite(header.zeros);
  });
  if (reused.length > 0) total.ofReused++;
  for (let round = 0; round < ROUNDS; round++) {
    machine.disk.restore(image);
    const what = [damage(machine, random)];
    if (random.chance(1, 2) && segmentsOf(machine).length > 0) what.push(damage(machine, random));
    const copy = machine.copy();
    const found = await copy.run(async () => (await copy.open()).recovered);
    check(found, stable, what.join(", "));
  }
}

Deno.test("damage among reused segments is noticed, and the floor is no lower than what was stable", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      await run(new SeededRandom(`reuse damage ${seed}`));
    } catch (error) {
      throw new Error(`seed ${seed} (RAFTLINE_FIRST_SEED=${seed} RAFTLINE_STORAGE_SEEDS=1)`, {
        cause: error,
      });
    }
  }
  console.log(total);
  for (const [what, count] of Object.entries(total)) assertGreater(count, SEEDS / 4, what);
});
