/**
 * Kind: unit.
 *
 * Invariant: what records come to is a log that can be; a record that contradicts the ones before it is an objection, and changes
 * nothing.
 *
 * Learnt: no damage of a disk leads here, since a checksum is in between: what contradicts itself under checksums that hold was
 * written by a program that is wrong. So these objections had no test, and each of them could be taken out unnoticed (mutants
 * term-falls-in-recovery, committed-is-cut-in-recovery).
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Fold } from "../../internal/storage/fold.ts";
import { EMPTY_LOG } from "../../internal/storage/segment.ts";
import { entryOf } from "./lab.ts";

type LogRecord = Parameters<Fold["take"]>[0];

const entry = (index: number, term: number): LogRecord => ({
  kind: "entry",
  entry: entryOf(index, term, Uint8Array.of(index)),
});
const promise = (currentTerm: number): LogRecord => ({
  kind: "hardState",
  hardState: { currentTerm, votedFor: "n1" },
});

/** In term 3, with 1:1 2:2 3:2, of which two are committed. */
function begun(): Fold {
  const fold = new Fold(EMPTY_LOG);
  const records: readonly LogRecord[] = [
    promise(3),
    entry(1, 1),
    entry(2, 2),
    entry(3, 2),
    { kind: "commit", index: 2 },
  ];
  for (const record of records) assertEquals(fold.take(record), null);
  return fold;
}

for (
  const [what, record, objection] of [
    ["a term that falls", promise(2), "term 2 follows term 3"],
    ["a hole", entry(5, 3), "entry 5 follows entry 3"],
    ["an entry that is there", entry(3, 3), "entry 3 follows entry 3"],
    ["an entry of an older term than the one before", entry(4, 1), "entry 4 has term 1"],
    ["an entry of a term that has not begun", entry(4, 4), "entry 4 has term 4"],
    ["a cut of what is committed", { kind: "truncate", from: 2 }, "index 2 is committed"],
    ["a cut behind the end", { kind: "truncate", from: 4 }, "its last entry is 3"],
    [
      "a beginning before what is committed",
      { kind: "reset", position: { index: 1, term: 1 } },
      "index 2 is committed",
    ],
    [
      "a beginning in a term that has not begun",
      { kind: "reset", position: { index: 9, term: 4 } },
      "begins anew in term 4",
    ],
    ["a commit index behind the end", { kind: "commit", index: 4 }, "the last entry is 3"],
  ] satisfies readonly (readonly [string, LogRecord, string])[]
) {
  Deno.test(`${what} is an objection, and changes nothing`, () => {
    const fold = begun();
    const before = JSON.stringify([fold.state, fold.entries.map(({ index, term }) => [index, term])]);
    assertStringIncludes(fold.take(record) ?? "no objection", objection);
    assertEquals(
      JSON.stringify([fold.state, fold.entries.map(({ index, term }) => [index, term])]),
      before,
    );
  });
}

Deno.test("what may be is taken: a vote in the same term, a cut behind what is committed, a beginning further on", () => {
  const fold = begun();
  assertEquals(fold.take({ kind: "truncate", from: 3 }), null);
  assertEquals(fold.take(entry(3, 3)), null);
  assertEquals(fold.take(promise(3)), null);
  assertEquals(fold.take({ kind: "reset", position: { index: 9, term: 3 } }), null);
  assertEquals([fold.last, fold.state.commitIndex], [{ index: 9, term: 3 }, 9]);
  // A commit index that was written late does not lower what is known.
  assertEquals(fold.take({ kind: "commit", index: 4 }), null);
  assertEquals(fold.state.commitIndex, 9);
});
