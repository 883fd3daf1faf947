/**
 * Kind: property (random logs with commits, cuts, configurations and snapshots; read with a state machine beside, and without one).
 *
 * Invariant: what is committed behind the snapshot is handed on while the log is read, once and in order; what is held of it afterwards is
 * no more than may be; and what is recovered is what is recovered without anybody to hand it to.
 *
 * Learnt: a log was held whole in memory until all of it was read, which took one and a half times its length.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertRejects } from "@std/assert";
import { Refusal } from "../../internal/base/errors.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import type { WriteEffect } from "../../internal/raft/effect.ts";
import type { ConfigurationValue, Entry, Recovered } from "../../internal/raft/types.ts";
import type { Replay } from "../../internal/storage/settling.ts";
import { entryOf, Machine, type Opened, pathOf } from "./lab.ts";

const SEEDS = 60;

class Hands implements Replay {
  readonly taken: Entry[] = [];
  began = -1;
  times = 0;

  constructor(readonly memory: Replay["memory"]) {}

  begins(index: number): void {
    this.began = index;
    this.times++;
    this.taken.length = 0;
  }

  take(entry: Entry): void {
    assertEquals(entry.index, this.began + this.taken.length + 1, "in order");
    this.taken.push(entry);
  }
}

function configurationOf(priority: number): ConfigurationValue {
  const voters = ["n1", "n2", "n3"];
  const rest = { incarnation: "", priority, promote: false, replaces: null };
  return {
    voters,
    outgoing: [],
    learners: [],
    members: voters.map((id) => ({ id, address: `${id}:1`, ...rest })),
  };
}

/** Draws writes with commits: what is committed is not cut any more. */
class Author {
  readonly terms: number[] = [0];
  /** Where configurations stand. */
  configurations: number[] = [];
  commit = 0;
  #term = 0;
  #number = 0;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  write(): WriteEffect {
    const random = this.#random;
    const isNewTerm = this.#term === 0 || random.chance(1, 8);
    if (isNewTerm) this.#term++;
    const end = this.terms.length - 1;
    const truncateFrom = end > this.commit && random.chance(1, 3)
      ? random.between(this.commit + 1, end)
      : null;
    if (truncateFrom !== null) {
      this.terms.length = truncateFrom;
      this.configurations = this.configurations.filter((at) => at < truncateFrom);
    }
    const append: Entry[] = [];
    for (let i = random.between(1, 5); i > 0; i--) append.push(this.#entry());
    if (random.chance(2, 3)) this.commit = random.between(this.commit, this.terms.length - 1);
    return {
      kind: "write",
      number: ++this.#number,
      hardState: isNewTerm ? { currentTerm: this.#term, votedFor: "n1" } : null,
      reset: null,
      truncateFrom,
      append,
      commitIndex: this.commit,
    };
  }

  #entry(): Entry {
    const index = this.terms.length;
    this.terms.push(this.#term);
    if (this.#random.chance(1, 9)) {
      this.configurations.push(index);
      const entry = entryOf(index, this.#term, new Uint8Array(0));
      return { ...entry, kind: "configuration", configuration: configurationOf(index) };
    }
    return entryOf(index, this.#term, new Uint8Array(this.#random.between(0, 900)).fill(index));
  }
}

async function snapshot({ snapshots, recovered }: Opened, author: Author, index: number): Promise<void> {
  const configurationIndex = author.configurations.findLast((at) => at <= index) ?? 0;
  const configuration = configurationIndex === 0
    ? recovered.configuration
    : configurationOf(configurationIndex);
  const term = author.terms[index] ?? 100;
  const meta = { clusterId: "lab", index, term, configurationIndex, configuration, digest: 0 };
  await snapshots.take(meta, () => null);
}

const textOf = ({ index, term, payload }: Entry) => `${index}:${term}:${payload.length}`;

async function run(
  seed: number,
  counts: { dropped: number; snapshots: number; beyond: number },
): Promise<void> {
  const random = new SeededRandom(`replay/${seed}`);
  const machine = new Machine(`replay/${seed}`);
  await machine.run(async () => {
    const author = new Author(random);
    const opened = await machine.open();
    let covered = 0;
    for (let i = random.between(1, 90); i > 0; i--) {
      const write = author.write();
      opened.store.write(write);
      await opened.until(write.number);
      if (author.commit > covered && random.chance(1, 30)) {
        covered = author.commit;
        await snapshot(opened, author, covered);
        opened.store.discard(opened.snapshots.coveredIndex);
        counts.snapshots++;
      }
    }
    // A snapshot of what others committed, that is ahead of what this server knows to be committed, or of all that it has.
    if (random.chance(1, 4)) {
      const index = author.commit + random.between(1, 8);
      await snapshot(opened, author, index);
      counts.beyond++;
    }
    await opened.close();
  });
  const memory = { bytes: random.between(0, 3000), entries: random.between(0, 20) };
  const replay = new Hands(memory);
  const plain = await recoveredBy(machine);
  const recovered = await recoveredBy(machine, replay);
  assertEquals([replay.began, replay.times], [plain.snapshotIndex, 1]);
  const committed = plain.entries.filter(({ index }) => index <= plain.commitIndex);
  assertEquals(replay.taken.map(textOf), committed.map(textOf));
  for (const what of ["hardState", "commitIndex", "epoch", "floor"] as const) {
    assertEquals(recovered[what], plain[what], what);
  }
  const dropped = plain.entries.filter(({ index }) => index <= recovered.snapshotIndex);
  counts.dropped += dropped.length;
  assertEquals(recovered.entries.map(textOf), plain.entries.slice(dropped.length).map(textOf));
  assertEquals(recovered.snapshotTerm, dropped.at(-1)?.term ?? plain.snapshotTerm);
  const newest = dropped.findLast(({ configuration }) => configuration !== null);
  assertEquals(recovered.configuration, newest?.configuration ?? plain.configuration);
  assertEquals(recovered.configurationIndex, newest?.index ?? plain.configurationIndex);
  const held = recovered.entries.filter(({ index }) => index <= recovered.commitIndex);
  assertLessOrEqual(held.length, memory.entries);
  assertLessOrEqual(held.reduce((sum, { payload }) => sum + payload.length, 0), memory.bytes);
}

/** By a copy of the machine, since a start may write. */
async function recoveredBy(machine: Machine, replay: Replay | null = null): Promise<Recovered> {
  const copy = machine.copy();
  return await copy.run(async () => {
    const { recovered, close } = await copy.open({}, replay);
    await close();
    return recovered;
  });
}

Deno.test(`what is committed is handed on while the log is read, in ${SEEDS} logs`, async () => {
  await loadCrc32c();
  const counts = { dropped: 0, snapshots: 0, beyond: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      await run(seed, counts);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  assertGreaterOrEqual(counts.dropped, 1000, "much was let go of");
  assertGreaterOrEqual(counts.snapshots, 20);
  assert(counts.beyond > 5);
});

Deno.test("nothing is handed on behind a snapshot that the log contradicts", async () => {
  await loadCrc32c();
  const machine = new Machine("contradiction");
  const replay = new Hands({ bytes: 0, entries: 0 });
  await machine.run(async () => {
    const author = new Author(new SeededRandom("contradiction"));
    const opened = await machine.open();
    while (author.commit < 10) {
      const write = author.write();
      opened.store.write(write);
      await opened.until(write.number);
    }
    author.terms[5] = 100;
    await snapshot(opened, author, 5);
    await opened.close();
    await assertRejects(() => machine.open({}, replay), Refusal, "index 5 is committed with term");
  });
  assertEquals([replay.began, replay.taken.length], [5, 0]);
});

Deno.test("where the log is damaged further on, what was handed on is taken back, and the log is mended as without a replay", async () => {
  await loadCrc32c();
  const machine = new Machine("mended");
  await machine.run(async () => {
    const author = new Author(new SeededRandom("mended"));
    const opened = await machine.open();
    for (let i = 0; i < 80; i++) {
      const write = author.write();
      opened.store.write(write);
      await opened.until(write.number);
    }
    await opened.close();
  });
  machine.damage(pathOf(3), (bytes) => bytes.fill(7, 4200, 4300));
  const replay = new Hands({ bytes: 0, entries: 0 });
  const [plain, replayed] = [await recoveredBy(machine), await recoveredBy(machine, replay)];
  assertEquals(replayed, plain);
  assertEquals([replay.times, replay.began, replay.taken.length], [2, 0, 0]);
  assertGreaterOrEqual(plain.entries.length, 20);
  assertEquals(plain.epoch, 1);
});

Deno.test("how far a long log is read is said", async () => {
  await loadCrc32c();
  const machine = new Machine("progress");
  machine.segmentBytes = 16 * 1024 * 1024;
  await machine.run(async () => {
    const opened = await machine.open();
    for (let i = 1; i <= 6; i++) {
      opened.store.write({
        kind: "write",
        number: i,
        hardState: i === 1 ? { currentTerm: 1, votedFor: "n1" } : null,
        reset: null,
        truncateFrom: null,
        append: [entryOf(i, 1, new Uint8Array(15 * 1024 * 1024))],
        commitIndex: i,
      });
      await opened.until(i);
    }
    await opened.close();
    const [said, ...more] = (await machine.open().then(() => machine.log)).all("recovering the log");
    assertEquals(more, []);
    assertEquals(said?.fields, { segments: "4 of 6", megabytes: 67, index: 4 });
  });
});
