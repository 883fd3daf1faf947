/**
 * Kind: unit.
 *
 * Invariant: a file that is written in steps has the bytes that were handed over, whatever becomes of their memory since, and has them
 * after a power failure once it is finished; no write is longer than a step, and no more than a few steps wait for a sync.
 *
 * Learnt: nothing yet.
 */
import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import type { FileHandle } from "../../internal/platform/file_system.ts";
import { StepWriter } from "../../internal/storage/step_writer.ts";
import { Machine } from "./lab.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Notes what is done to a file. */
function noted(file: FileHandle) {
  const notes = { writes: [] as number[], unsyncedMax: 0, unsynced: 0 };
  const handle: FileHandle = {
    path: file.path,
    size: () => file.size(),
    links: () => file.links(),
    readAt: (offset, length, memory) => file.readAt(offset, length, memory),
    writeAt: (offset, bytes) => {
      notes.writes.push(bytes.length);
      notes.unsynced += bytes.length;
      notes.unsyncedMax = Math.max(notes.unsyncedMax, notes.unsynced);
      return file.writeAt(offset, bytes);
    },
    writeSynced: (offset, bytes) => file.writeSynced(offset, bytes),
    sync: async () => {
      await file.sync();
      notes.unsynced = 0;
    },
    close: () => file.close(),
  };
  return { handle, notes };
}

const LENGTHS: readonly (readonly [what: string, parts: readonly number[]])[] = [
  ["nothing", []],
  ["a byte", [1]],
  ["less than a step, in parts", [100, 8, 131_072, 28]],
  ["a step", [256 * KIB]],
  ["a step and a byte", [256 * KIB - 1, 2]],
  ["several steps in one part", [3, MIB + 5, 4]],
  ["what is synced at once", [4 * MIB]],
  ["more than that, in parts of many lengths", Array.from({ length: 80 }, (_, i) => 131_072 + 7 * i)],
];

for (const [what, parts] of LENGTHS) {
  Deno.test(`a file of ${what} is written in steps, and durable`, async () => {
    const random = new SeededRandom(`steps/${what}`);
    const machine = new Machine(`steps/${what}`);
    const given = parts.map((length) => new Uint8Array(length).fill(1 + random.below(255)));
    const notes = await machine.run(async () => {
      const files = machine.files;
      await files.makeDirectory("d");
      const file = await files.create("d/f");
      await files.syncDirectory("d");
      const { handle, notes } = noted(file);
      const writer = new StepWriter(handle);
      for (const part of given) {
        const memory = part.slice();
        await writer.add(memory);
        memory.fill(0);
      }
      await writer.finish();
      assertEquals(notes.unsynced, 0);
      return notes;
    });
    assert(notes.writes.every((bytes) => bytes > 0 && bytes <= 256 * KIB), notes.writes.join());
    assert(notes.writes.slice(0, -1).every((bytes) => bytes === 256 * KIB), notes.writes.join());
    assert(notes.unsyncedMax <= 4 * MIB, String(notes.unsyncedMax));
    machine.restart("crash");
    const found = await machine.run(async () => {
      const file = await machine.files.openForReading("d/f");
      return await file.readAt(0, await file.size());
    });
    let at = 0;
    for (const part of given) {
      const end = at + part.length;
      assert(found.subarray(at, end).every((byte) => byte === part[0]), `from ${at} to ${end}`);
      at = end;
    }
    assertEquals(found.length, at);
  });
}
