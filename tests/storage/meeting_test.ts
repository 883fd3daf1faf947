/**
 * Kind: integration (a data directory on a simulated disk).
 *
 * Invariant: where log and snapshot meet, a start goes on with exactly the entries behind the snapshot if they agree, begins anew if
 * they do not and nothing of that was committed, and is refused if something was, or if entries between them are missing.
 *
 * Learnt: the four ways were written with care and tested by chance alone: in the simulated clusters a log hardly ever disagrees
 * with a snapshot of its own disk. Mutants found it (conflicting-log-survives-restart, log-overlaps-snapshot, gap-behind-snapshot).
 */
import { assertEquals, assertRejects } from "@std/assert";
import { CorruptLogError } from "../../internal/base/errors.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import type { Recovered } from "../../internal/raft/types.ts";
import { entryOf, Machine, type Opened, pathOf } from "./lab.ts";

await loadCrc32c();

/** Writes entries of term 1 up to that index, of so many bytes each. */
async function fill(opened: Opened, last: number, commitIndex: number, bytes = 20): Promise<void> {
  for (let index = 1; index <= last; index++) {
    opened.store.write({
      kind: "write",
      number: index,
      hardState: index === 1 ? { currentTerm: 1, votedFor: "n2" } : null,
      reset: null,
      truncateFrom: null,
      append: [entryOf(index, 1, new Uint8Array(bytes).fill(index))],
      commitIndex: Math.min(commitIndex, index),
    });
    await opened.until(index);
  }
}

async function takeSnapshot({ snapshots }: Opened, index: number, term: number): Promise<void> {
  const meta = {
    clusterId: "lab",
    index,
    term,
    configurationIndex: 0,
    configuration: configurationOfVoters(["n1", "n2", "n3"]),
    digest: 0,
  };
  let left = 1;
  await snapshots.take(meta, () => left-- > 0 ? Uint8Array.of(index) : null);
}

function shown({ snapshotIndex, snapshotTerm, hardState, commitIndex, entries }: Recovered): string {
  const log = entries.map(({ index, term }) => `${index}:${term}`).join(" ");
  return `behind ${snapshotIndex}:${snapshotTerm}, term ${hardState.currentTerm}, commit ${commitIndex}: ${log}`;
}

for (
  const { what, commitIndex, index, term, found } of [
    {
      what: "a log that agrees goes on behind the snapshot",
      commitIndex: 7,
      index: 6,
      term: 1,
      found: "behind 6:1, term 1, commit 7: 7:1 8:1 9:1",
    },
    {
      what: "what a snapshot covers is committed",
      commitIndex: 0,
      index: 6,
      term: 1,
      found: "behind 6:1, term 1, commit 6: 7:1 8:1 9:1",
    },
    {
      what: "S3: a log that disagrees begins anew behind the snapshot",
      commitIndex: 4,
      index: 6,
      term: 2,
      found: "behind 6:2, term 2, commit 6: ",
    },
    {
      what: "a log that ends before the snapshot begins anew behind it",
      commitIndex: 9,
      index: 20,
      term: 3,
      found: "behind 20:3, term 3, commit 20: ",
    },
  ]
) {
  Deno.test(`${what}, now and at every later start`, async () => {
    const machine = new Machine("meeting");
    await machine.run(async () => {
      const opened = await machine.open();
      await fill(opened, 9, commitIndex);
      await takeSnapshot(opened, index, term);
      for (const end of ["crash", "crash", "kill"] as const) {
        machine.restart(end);
        const { recovered } = await machine.open();
        assertEquals(shown(recovered), found);
      }
    });
  });
}

Deno.test("S5: a snapshot that contradicts what is committed is damage", async () => {
  const machine = new Machine("contradiction");
  await machine.run(async () => {
    const opened = await machine.open();
    await fill(opened, 9, 7);
    await takeSnapshot(opened, 6, 2);
    machine.restart("crash");
    await assertRejects(() => machine.open(), CorruptLogError, "index 6 is committed with term 1 in the log");
  });
});

for (
  const { what, snapshot, found } of [
    { what: "no snapshot", snapshot: null, found: "no snapshot covers what is before it" },
    { what: "only an older snapshot", snapshot: 1, found: "only a snapshot of index 1 covers" },
  ]
) {
  Deno.test(`S15: a log whose beginning is missing, with ${what}, is damage where the promises are gone too, and nothing is changed`, async () => {
    const machine = new Machine("gap");
    machine.segmentBytes = 12 * 1024;
    await machine.run(async () => {
      const opened = await machine.open();
      await fill(opened, 9, 9, 1500);
      if (snapshot !== null) await takeSnapshot(opened, snapshot, 1);
      machine.restart("crash");
      machine.damage(pathOf(1), () => null);
      machine.damage("data/promises", () => null);
      const before = machine.durable();
      await assertRejects(() => machine.open(), CorruptLogError, found);
      assertEquals(machine.durable(), before);
    });
  });
}
