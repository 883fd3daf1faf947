/**
 * Kind: unit (directed scenarios).
 *
 * Invariant: the elections part of the bug catalogue (E1 to E23, as far as the feature exists): each test is one known way in
 * which a Raft implementation elected two leaders, or none.
 *
 * Learnt: chance alone hardly finds "own vote counted early" (the bag ran 27,000 schedules without finding it, since the request for
 * votes itself waits for the disk); so it has its tests here.
 */
import { assert, assertEquals } from "@std/assert";
import { defaultSettings } from "../../internal/raft/state.ts";
import { agreed, append, askVote, refused, Stage, vote } from "./stage.ts";

Deno.test("E1: a vote that was granted in an earlier term does not count in this one", () => {
  const a = new Stage({ servers: "A B C D E" });
  a.timeout().stable();
  a.timeout().stable();
  assertEquals(a.view.currentTerm, 2);
  a.hears("B", vote(1, true)).hears("C", vote(1, true));
  assertEquals(a.view.role, "candidate");
  a.hears("B", vote(2, true)).hears("C", vote(2, true));
  assertEquals(a.view.role, "leader");
});

Deno.test("E1: one voter counts once, however often its answer arrives", () => {
  const a = new Stage({ servers: "A B C D E" }).timeout().stable();
  a.hears("B", vote(1, true)).hears("B", vote(1, true)).hears("B", vote(1, true));
  assertEquals(a.view.role, "candidate");
});

Deno.test("E2: a vote waits for the write that holds it, and is given to one candidate", () => {
  const a = new Stage({});
  a.hears("B", askVote(1, 0, 0));
  const [granted] = a.said();
  assertEquals(granted?.message, vote(1, true));
  assertEquals(granted?.after, a.lastWrite);
  a.hears("C", askVote(1, 0, 0));
  assertEquals(a.said()[0]?.message, vote(1, false));
});

Deno.test("E2: a server that voted, crashed and came back does not vote for another", () => {
  const a = new Stage({ term: 3, votedFor: "B" });
  a.hears("C", askVote(3, 9, 2));
  assertEquals(a.said()[0]?.message, vote(3, false));
  a.hears("B", askVote(3, 9, 2));
  assertEquals(a.said()[0]?.message, vote(3, true));
});

Deno.test("E3: a request for votes and the own vote wait for the disk", () => {
  const a = new Stage({}).timeout();
  const requests = a.said();
  assertEquals(requests.length, 2);
  for (const { after } of requests) assertEquals(after, a.lastWrite);
  a.hears("B", vote(1, true));
  assertEquals(
    a.view.role,
    "candidate",
    "one vote of three and an own one that is not on disk are no quorum",
  );
  a.stable();
  assertEquals(a.view.role, "leader");
});

Deno.test("E3: a write of an earlier candidacy does not make the vote of this one count", () => {
  // With evidence, a server whose disk stands still would not campaign again (E20).
  const a = new Stage({ settings: { checkQuorum: false } }).timeout();
  const first = a.lastWrite;
  a.timeout();
  a.hears("B", vote(2, true));
  a.stable(first);
  assertEquals(a.view.role, "candidate");
  a.stable();
  assertEquals(a.view.role, "leader");
});

Deno.test("E4: stepping down within a term keeps the vote", () => {
  const a = new Stage({}).timeout().stable();
  a.hears("B", append(1, "0:0", ""));
  assertEquals([a.view.role, a.view.votedFor], ["follower", "A"]);
  a.heard();
  a.hears("C", askVote(1, 9, 1));
  assertEquals(a.said()[0]?.message, vote(1, false));
});

for (
  const { candidate, grant } of [
    { candidate: [5, 3], grant: true },
    { candidate: [9, 2], grant: true },
    { candidate: [8, 2], grant: false },
    { candidate: [99, 1], grant: false },
    { candidate: [10, 2], grant: true },
  ] as const
) {
  Deno.test(`E5: a voter whose log ends at 9:2 ${grant ? "votes" : "does not vote"} for one that ends at ${candidate.join(":")}`, () => {
    const a = new Stage({ term: 2, log: "1:1 2:1 3:1 4:1 5:1 6:2 7:2 8:2 9:2" });
    a.hears("B", askVote(4, candidate[0], candidate[1]));
    assertEquals(a.said()[0]?.message, vote(4, grant));
  });
}

Deno.test("E7: only giving a vote resets the timer, refusing one does not", () => {
  const a = new Stage({ term: 2, log: "1:2" });
  const before = a.raft.wakeAt;
  a.now = 1500;
  a.hears("C", askVote(3, 0, 0));
  assertEquals(a.raft.wakeAt, before);
  a.hears("B", askVote(3, 1, 2));
  assert(a.raft.wakeAt > before);
});

Deno.test("E8: an answer carries the term after the question was handled", () => {
  const a = new Stage({ term: 2, log: "1:2" });
  a.hears("C", askVote(7, 0, 0));
  assertEquals(a.said()[0]?.message, vote(7, false));
});

Deno.test("E9: a candidate refuses an older leader and follows one of its own term", () => {
  const a = new Stage({ term: 3 }).timeout().stable();
  assertEquals(a.view.currentTerm, 4);
  a.heard();
  a.hears("B", append(3, "0:0", "1:3"));
  assertEquals([a.view.role, a.view.currentTerm], ["candidate", 4]);
  assertEquals(a.said()[0]?.message, refused(4, 0, "0:0", { requestTerm: 3 }));
  a.hears("C", append(4, "0:0", ""));
  assertEquals([a.view.role, a.view.leaderId], ["follower", "C"]);
});

Deno.test("E17: a server that is no voter never campaigns", () => {
  const a = new Stage({ servers: "B C D" });
  assertEquals(a.raft.wakeAt, Infinity);
  a.now = 1e9;
  a.timeout();
  assertEquals([a.view.role, a.view.currentTerm], ["follower", 0]);
});

Deno.test("E19: two servers with the same seed and different streams draw different timeouts", async () => {
  const { SeededRandom } = await import("../../internal/base/random.ts");
  const draws = ["n1", "n2", "n3"].map((id) => {
    const random = new SeededRandom("seed").fork(`election/${id}`);
    return Array.from({ length: 8 }, () => random.between(1000, 2000)).join();
  });
  assertEquals(new Set(draws).size, 3);
});

Deno.test("E21: a leader votes for nobody in its term", () => {
  const a = new Stage({}).elected(["B"]);
  a.heard();
  a.hears("C", askVote(1, 99, 1));
  assertEquals(a.said()[0]?.message, vote(1, false));
});

Deno.test("E23: a lone server leads in a new durable term and commits through an entry of its own", () => {
  const a = new Stage({ servers: "A", term: 4, votedFor: "A", log: "1:3 2:4" });
  a.timeout();
  assertEquals([a.view.role, a.view.currentTerm], ["candidate", 5]);
  a.stable();
  assertEquals([a.view.role, a.view.commitIndex], ["leader", 0], "the no-op is not on disk yet");
  a.stable();
  assertEquals([a.log, a.view.commitIndex], ["1:3 2:4 3:5", 3]);
});

Deno.test("a server that is the only voter waits for nobody before it campaigns; one of several does", () => {
  assertEquals(new Stage({ servers: "A" }).raft.wakeAt, 0);
  const several = new Stage({ servers: "A B" }).raft.wakeAt;
  assert(several >= defaultSettings.electionTimeoutMinMs, String(several));
});

Deno.test("X14: one late tick is one action", () => {
  const a = new Stage({ settings: { checkQuorum: false } }).elected(["B"]);
  a.hears("B", agreed(1, 1)).hears("C", agreed(1, 1));
  a.heard();
  a.now += 100_000;
  a.timeout();
  assertEquals(a.said().length, 2, "one heartbeat to each follower, not a thousand");
});

Deno.test("I1: who claims to lead a term that another leads is not followed", () => {
  const a = new Stage({}).elected(["B"]);
  a.heard();
  a.hears("C", append(1, "0:0", "1:1"));
  assertEquals(a.heard().map(({ kind }) => kind), ["objection"]);
  assertEquals(a.view.role, "leader");
});
