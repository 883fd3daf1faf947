/**
 * Kind: unit (directed scenarios).
 *
 * Invariant: the reads part of the bug catalogue (R1 to R10, as far as the feature exists): each test is one known way to a stale read.
 *
 * Learnt: a read that was asked for before a write of the same client is always released before that write is applied, if every
 * message that carries the write carries the read's round; the last two tests hold that.
 */
import { assertEquals } from "@std/assert";
import { defaultSettings, objectionToSettings } from "../../internal/raft/state.ts";
import { agreed, append, askVote, Stage } from "./stage.ts";

const released = (a: Stage) =>
  a.heard().filter((effect) => effect.kind === "readable" || effect.kind === "apply").map((effect) =>
    effect.kind === "readable"
      ? `read ${effect.requestId} at ${effect.index}`
      : `apply ${effect.entries.map(({ index }) => index)}`
  );

/** A leader in term 2 whose no-op at 2 is committed. */
function leader(): Stage {
  const a = new Stage({ term: 1, log: "1:1" }).elected(["B"]).stable().hears("B", agreed(2, 2)).hears(
    "C",
    agreed(2, 2),
  );
  a.heard();
  return a;
}

Deno.test("R1: a read waits for a quorum that answers after it was asked", () => {
  const a = leader();
  a.read(1);
  assertEquals(released(a), []);
  a.hears("C", agreed(2, 2, 0));
  assertEquals(released(a), [], "that answer is to an older message");
  a.hears("C", agreed(2, 2, 1));
  assertEquals(released(a), ["read 1 at 2"]);
});

Deno.test("R2: a new leader's read waits for its no-op, whatever its commit index is", () => {
  const a = new Stage({ term: 1, log: "1:1" }).elected(["B"]).stable();
  a.read(1);
  a.hears("C", agreed(2, 0, 1, 0));
  assertEquals(released(a), ["read 1 at 2"], "confirmed, but to be answered only when index 2 is applied");
});

Deno.test("R3: the round of an earlier reign confirms nothing in this one", () => {
  const a = leader();
  a.read(1);
  a.hears("C", { ...askVote(3, 9, 2), transfer: true });
  a.stable();
  assertEquals(a.view.role, "follower");
  a.elected(["B"]).stable();
  a.heard();
  a.read(2);
  a.hears("B", agreed(2, 2, 1)).hears("C", agreed(2, 2, 1));
  assertEquals(released(a), []);
});

Deno.test("R3: an answer that names a round which was never begun confirms nothing", () => {
  const a = leader();
  a.read(1);
  a.heard();
  a.hears("B", agreed(2, 2, 99));
  assertEquals(a.heard().map(({ kind }) => kind), ["objection"]);
});

Deno.test("R5: a lease runs from when its round was sent, and is shorter than an election timeout by the drift", () => {
  const a = new Stage({
    settings: { leaseDriftPermille: 100, electionTimeoutMinMs: 1000, electionTimeoutMaxMs: 2000 },
  });
  a.now = 1000;
  a.elected(["B"]).stable().hears("B", agreed(1, 1));
  a.timeout();
  const sentAt = a.now;
  const round = a.said().flatMap(({ message }) =>
    message.kind === "appendEntriesRequest" ? [message.round] : []
  ).at(-1);
  a.now = sentAt + 400;
  a.hears("B", agreed(1, 1, round));
  const readAt = (ms: number) => {
    a.now = sentAt + ms;
    a.heard();
    a.read(ms, true);
    return a.heard().some(({ kind }) => kind === "readable");
  };
  // 1000 ms, less a tenth by our clock and a tenth by theirs: 818 ms.
  assertEquals([readAt(450), readAt(800), readAt(830)], [true, true, false]);
});

Deno.test("R6: settings with leases, and without what leases rest on, are refused", () => {
  const settings = { ...defaultSettings, leaseDriftPermille: 50 };
  assertEquals(objectionToSettings(settings), null);
  assertEquals(typeof objectionToSettings({ ...settings, checkQuorum: false }), "string");
  for (const drift of [0, -1, 501, 0.5]) {
    assertEquals(typeof objectionToSettings({ ...settings, leaseDriftPermille: drift }), "string");
  }
});

Deno.test("R3: reads that arrive while a round is under way wait for the next", () => {
  const a = leader();
  a.read(1);
  a.read(2);
  a.hears("B", agreed(2, 2, 1));
  assertEquals(released(a), ["read 1 at 2"]);
  a.hears("B", agreed(2, 2, 2));
  assertEquals(released(a), ["read 2 at 2"]);
});

Deno.test("R7: losing the lead refuses the reads that wait", () => {
  const a = leader();
  a.read(1);
  a.read(2);
  a.heard();
  a.hears("B", append(3, "2:2", ""));
  assertEquals(a.heard().filter(({ kind }) => kind === "refused"), [
    { kind: "refused", requestId: 1, reason: "notLeader" },
    { kind: "refused", requestId: 2, reason: "notLeader" },
  ]);
});

Deno.test("R8: a lone server reads at once, but at its no-op", () => {
  const a = new Stage({ servers: "A", term: 1, log: "1:1" }).elected([]);
  a.heard();
  a.read(1);
  assertEquals(released(a), ["read 1 at 2"]);
  a.stable();
  assertEquals(released(a), ["apply 1,2"]);
});

Deno.test("a read is released before a later write is applied, when one answer does both", () => {
  const a = leader();
  a.read(1);
  a.write(2);
  a.stable();
  a.hears("B", agreed(2, 3, 1, 2));
  assertEquals(released(a), ["read 1 at 2", "apply 3"]);
});

Deno.test("a read that waits for the next round gets it with the messages of a later write", () => {
  const a = leader();
  a.read(1);
  a.read(2);
  a.write(3);
  const rounds = a.said().flatMap(({ message }) =>
    message.kind === "appendEntriesRequest" ? [message.round] : []
  );
  assertEquals(rounds, [1, 1, 2, 2]);
  a.stable();
  a.hears("B", agreed(2, 3, 2, 2));
  assertEquals(released(a), ["read 1 at 2", "read 2 at 2", "apply 3"]);
});
