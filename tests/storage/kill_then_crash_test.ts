/**
 * Kind: property (simulated disk).
 *
 * Invariant: a server that was killed at any operation of its birth or of a roll, started again and then wrote, has that write after a
 * power failure, even one that forgets every name and byte that was not synced.
 *
 * Learnt: a process that dies leaves names in the operating system's cache that the next process sees and trusts. The identity's name was
 * one: without a directory sync at every start, a power failure took it away from a log that held acknowledged entries.
 */
import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { NO_MACHINE, OWNER } from "./lab.ts";
import type { DataDirectory } from "../../internal/storage/data_directory.ts";
import { openDataDirectory } from "../../internal/storage/data_directory.ts";
import { SimDisk } from "../simulator/sim_file_system.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";

const wanted = { serverId: "n1", clusterId: "test", members: OWNER.members };
const silent = { event: () => {} };

/** Steps the time until the promise is settled, or the life is over. */
async function drive<T>(time: VirtualTime, promise: Promise<T>, isOver: () => boolean): Promise<T | null> {
  let settled: { value: T } | { error: unknown } | null = null;
  promise.then((value) => settled = { value }, (error) => settled = { error });
  while (!isOver()) {
    for (let i = 0; i < 20; i++) await null;
    const found = settled as { value: T } | { error: unknown } | null;
    if (found !== null) {
      if ("error" in found) throw found.error;
      return found.value;
    }
    if (!time.step(Infinity)) throw new Error("nothing is left to happen");
  }
  return null;
}

interface Life {
  readonly clock: LifeClock;
  readonly time: VirtualTime;
}

function open(disk: SimDisk, { clock }: Life): Promise<DataDirectory> {
  return openDataDirectory({
    fileSystem: disk.mount(clock),
    directory: "data",
    random: new SeededRandom("storage"),
    trace: silent,
    segmentBytes: 16 * 1024,
    wanted,
    restore: NO_MACHINE,
  });
}

/** Writes one entry after another; each promise is settled when the entry is durable. */
async function append(directory: DataDirectory, from: number, to: number): Promise<void> {
  for (let index = from; index <= to; index++) {
    await new Promise<void>((resolve, reject) => {
      stable = resolve;
      failed = reject;
      directory.store.write({
        kind: "write",
        reset: null,
        commitIndex: 0,
        number: index,
        hardState: index === 1 ? { currentTerm: 1, votedFor: "n1" } : null,
        truncateFrom: null,
        append: [{
          index,
          term: 1,
          kind: "command",
          payload: new Uint8Array(1500).fill(index),
          configuration: null,
          record: null,
        }],
      });
    });
  }
}
let stable = () => {};
let failed: (error: unknown) => void = () => {};

function listen(directory: DataDirectory): void {
  directory.store.listen({ onStable: () => stable(), onFailure: (refusal) => failed(refusal) });
}

Deno.test("a kill at any operation, a start, a write and a power failure: the write is there", async () => {
  await loadCrc32c();
  let kills = 0;
  for (let killAt = 0; killAt < 90; killAt++) {
    for (let round = 0; round < 4; round++) {
      const disk = new SimDisk(new SeededRandom(`${killAt}/${round}`));
      const time = new VirtualTime();
      const first = { clock: new LifeClock(time), time };
      const isOver = () => disk.operations > killAt;
      const directory = await drive(time, open(disk, first), isOver);
      if (directory !== null) {
        listen(directory);
        await drive(time, append(directory, 1, 20), isOver);
      }
      if (isOver()) kills++;
      first.clock.die();
      disk.kill();
      const second = { clock: new LifeClock(time), time };
      const again = await drive(time, open(disk, second), () => false);
      if (again === null) throw new Error("unreachable: nobody ends this life");
      listen(again);
      const last = again.recovered.entries.length;
      await drive(time, append(again, last + 1, last + 1), () => false);
      second.clock.die();
      disk.crash();
      const third = { clock: new LifeClock(time), time };
      const found = await drive(time, open(disk, third), () => false);
      assertEquals(
        found?.recovered.entries.length,
        last + 1,
        `killed at operation ${killAt}, round ${round}`,
      );
    }
  }
  assertGreaterOrEqual(kills, 300);
});
