/**
 * Kind: unit (a simulated disk).
 *
 * Invariant: a log whose oldest segments are gone starts wherever its first segment left begins, also where that is behind entries that were
 * replaced since; but never without a snapshot that covers what is gone.
 *
 * Learnt: world seed 38: uncommitted entries 65 to 68 ended a segment, the next one replaced them from 65 on, and snapshots covered the
 * first; when it was gone, the log was taken for damaged: it was cut in front of its own beginning.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { ExitCode, Refusal } from "../../internal/base/errors.ts";
import { entryOf, Machine, OWNER, pathOf, takeSnapshot, Writer } from "./lab.ts";

/** Eight of them fill a segment. */
const ENTRY_BYTES = 16 * 1024 / 12;

const SNAPSHOTS = "data/snapshots/";

/** Eight entries of term 1 fill a segment; from 7 on they are replaced in term 2, up to 12, in the next one; the first one is gone. */
async function begunBehindReplaced(machine: Machine): Promise<void> {
  const opened = await machine.open();
  const writer = new Writer(new SeededRandom("replaced"));
  for (let i = 1; i <= 8; i++) opened.store.write(writer.entry(ENTRY_BYTES));
  await opened.until(8);
  opened.store.write({
    kind: "write",
    number: 9,
    hardState: { currentTerm: 2, votedFor: null },
    reset: null,
    truncateFrom: 7,
    append: [7, 8, 9, 10, 11, 12].map((index) => entryOf(index, 2, new Uint8Array(ENTRY_BYTES))),
    commitIndex: 12,
  });
  await opened.until(9);
  for (const index of [9, 10]) await takeSnapshot(opened, { index, term: 2 });
  opened.store.discard(opened.snapshots.coveredIndex);
  while (machine.disk.paths().includes(pathOf(1))) await machine.files.readDirectory("data/log");
  await opened.close();
}

Deno.test("a log whose first segment begins behind entries that were replaced goes on behind its snapshot", async () => {
  await loadCrc32c();
  const machine = new Machine("compaction");
  await machine.run(async () => {
    await begunBehindReplaced(machine);
    const { recovered, close } = await machine.open();
    assertEquals(recovered.snapshotIndex, 10);
    assertEquals(recovered.entries.map(({ index, term }) => `${index}:${term}`), ["11:2", "12:2"]);
    assertEquals(recovered.hardState.currentTerm, 2);
    await close();
  });
});

Deno.test("without the snapshots that cover what is gone the same log is damaged", async () => {
  await loadCrc32c();
  const machine = new Machine("compaction");
  await machine.run(async () => {
    await begunBehindReplaced(machine);
    for (const path of machine.disk.paths()) if (path.startsWith(SNAPSHOTS)) machine.disk.replace(path, null);
  });
  // Who cannot know what it promised must not go on; who does lets others repair it.
  const unknowing = machine.copy();
  unknowing.disk.replace("data/promises", null);
  await unknowing.run(async () => {
    const refusal = await assertRejects(() => unknowing.open(), Refusal, "the log begins behind index 6");
    assertEquals(refusal.exitCode, ExitCode.damagedData);
  });
  const knowing = machine.copy();
  await knowing.run(async () => {
    const { recovered: { entries, epoch, floor, hardState } } = await knowing.open();
    assertEquals([entries, epoch, floor, hardState.currentTerm], [[], 1, { index: 12, term: 2 }, 2]);
  });
});

Deno.test("segments up to one that rotted go once a snapshot covers what was appended there, and not before; the next start is whole", async () => {
  await loadCrc32c();
  const machine = new Machine("covered");
  await machine.run(async () => {
    const opened = await machine.open({ members: OWNER.members.slice(0, 1) });
    const writer = new Writer(new SeededRandom("covered"));
    for (let i = 1; i <= 40; i++) {
      opened.store.write(writer.entry(ENTRY_BYTES));
      await opened.until(i);
    }
    const segments = () => machine.disk.paths().filter((path) => path.endsWith(".seg"));
    const before = segments();
    const { store } = opened;
    const rotten = 2;
    const end = 8 * rotten;
    assertEquals(store.discardThrough(rotten, end - 1), false, "an entry of it is not covered");
    assertEquals(store.discardThrough(before.length, 40), false, "it is being written");
    await machine.files.readDirectory("data/log");
    assertEquals(segments(), before);
    machine.damage(pathOf(rotten), (bytes) => bytes.fill(7, 6000, 6100));
    await takeSnapshot(opened, { index: 40, term: 1 });
    assertEquals(store.discardThrough(rotten, 40), true);
    while (machine.disk.paths().includes(pathOf(rotten))) await machine.files.readDirectory("data/log");
    assertEquals(segments(), before.slice(rotten), "no other one goes");
    assertEquals(store.discardThrough(rotten, 40), true, "it is gone already");
    await opened.close();
    machine.restart("crash");
    const { recovered } = await machine.open();
    assertEquals([recovered.snapshotIndex, recovered.entries.length, recovered.epoch], [40, 0, 0]);
  });
});
