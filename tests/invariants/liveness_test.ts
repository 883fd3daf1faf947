/**
 * Kind: unit (table-driven).
 *
 * Invariant: the properties of progress and of resources (I30, I31, I34, I35) catch a hand-made violation and let the legal neighbour pass.
 *
 * Learnt: nothing yet.
 */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Message } from "../../internal/raft/message.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import { checkHoldings, checkMessage, checkQueue } from "./bounds.ts";
import { missingToConverge, Stalled, type Standing } from "./convergence.ts";
import { Violation } from "./ghost.ts";
import { StableLeader } from "./stable_leader.ts";
import { entriesOf } from "./story.ts";

const standing = (id: string, change: Partial<Standing> = {}): Standing => ({
  id,
  role: id === "n1" ? "leader" : "follower",
  term: 3,
  lastIndex: 7,
  commitIndex: 7,
  appliedIndex: 7,
  ...change,
});

Deno.test("convergence: one leader, and everybody has the same log, committed and applied", () => {
  assertEquals(missingToConverge([standing("n1"), standing("n2"), standing("n3")]), null);
});

const ALL = { lastIndex: 8, commitIndex: 7, appliedIndex: 7 };
const NOT_CONVERGED: readonly (readonly [Parameters<typeof missingToConverge>[0], string])[] = [
  [[standing("n1"), { id: "n2", role: null }], "n2 is not up"],
  [[standing("n1", { role: "follower" }), standing("n2")], "0 servers of the core lead"],
  [[standing("n1"), standing("n2", { role: "leader" })], "2 servers of the core lead"],
  [[standing("n1"), standing("n2", { term: 4 })], "n2: term 4"],
  [[standing("n1"), standing("n2", { lastIndex: 6 })], "n2: term 3, last 6"],
  [[standing("n1"), standing("n2", { commitIndex: 6 })], "commit 6"],
  [[standing("n1"), standing("n2", { appliedIndex: 6 })], "applied 6"],
  [[standing("n1", ALL), standing("n2", ALL)], "the log ends at 8, commit 7, applied 7"],
];

for (const [core, says] of NOT_CONVERGED) {
  Deno.test(`convergence: not yet: ${says}`, () =>
    assertStringIncludes(missingToConverge(core) ?? "nothing", says));
}

Deno.test("leader stability: a few changes and terms are allowed, counted from the end of the faults", () => {
  const stable = new StableLeader(2, 3);
  for (let term = 1; term < 20; term++) stable.leads(term);
  stable.healed(20);
  stable.leads(21);
  stable.leads(23);
  assertEquals(stable.seen, { changes: 2, terms: 3 });
  assertThrows(() => stable.leads(23), Stalled, "leadership changed 3 times since the faults ended");
  const wild = new StableLeader(2, 3);
  wild.healed(20);
  assertThrows(() => wild.leads(24), Stalled, "terms grew from 20 to 24 since the faults ended");
});

const append = (entries: string): Message => ({
  kind: "appendEntriesRequest",
  term: 1,
  prevLogIndex: 0,
  prevLogTerm: 0,
  entries: entriesOf(entries),
  leaderCommit: 0,
  round: 0,
  health: { diskMs: 0, loopMs: 0 },
  epoch: 0,
});

Deno.test("bounds: a message carries no more entries and bytes than it may, save one entry alone", () => {
  const few = { ...defaultSettings, appendEntriesMax: 2 };
  checkMessage("n1", append("1:1 2:1"), few);
  assertThrows(() => checkMessage("n1", append("1:1 2:1 3:1"), few), Violation, "n1 sends 3 entries");
  const small = { ...defaultSettings, appendBytesMax: 1 };
  checkMessage("n1", append("1:1a 2:1"), small);
  assertThrows(() => checkMessage("n1", append("1:1a 2:1b"), small), Violation, "2 entries with 2 bytes");
  checkMessage("n1", append("1:1a"), { ...defaultSettings, appendBytesMax: 0 });
});

Deno.test("bounds: an alarm is there in time, and connections are closed again", () => {
  const holdings = { server: "n1", lateMs: 0, connections: [["n2", 2], ["n3", 12]] } as const;
  checkHoldings(holdings);
  assertThrows(() => checkHoldings({ ...holdings, lateMs: 1 }), Violation, "n1 has no alarm for a moment");
  assertThrows(
    () => checkHoldings({ ...holdings, connections: [["n2", 13]] }),
    Violation,
    "n1 and n2 have 13 connections",
  );
  checkQueue(1000, 3, 2);
  assertThrows(() => checkQueue(100_000, 3, 2), Violation, "100000 events wait: timers are left over");
});
