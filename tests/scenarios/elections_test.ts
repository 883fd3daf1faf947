/**
 * Kind: unit (directed scenarios).
 *
 * Invariant: the elections part of the bug catalogue (E1 to E23, as far as the feature exists): each test is one known way in
 * which a Raft implementation elected two leaders, or none.
 *
 * Learnt: chance alone hardly finds "own vote counted early" (the bag ran 27,000 schedules without finding it, since the request for
 * votes itself waits for the disk); so it has its tests here.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
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

Deno.test("E6: no older message, entry or snapshot takes a server back to an earlier term", () => {
  const a = new Stage({ term: 5, log: "1:1 2:1 3:4" });
  for (
    const message of [
      append(3, "3:3", "4:3"),
      append(5, "2:1", "3:5"),
      append(5, "9:9", ""),
      askVote(1, 9, 1),
      vote(2, true),
    ]
  ) {
    a.hears("B", message).stable();
    assertEquals(a.view.currentTerm, 5);
  }
  assertEquals(a.log, "1:1 2:1 3:5");
  a.hears("B", append(5, "3:5", "", 0));
  assertEquals(a.view.currentTerm, 5);
});

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

Deno.test("M8: the vote of a server that does not vote counts for nothing", () => {
  const a = new Stage({}).elected(["X"]);
  assertEquals(a.view.role, "candidate");
  assertEquals(a.hears("C", vote(1, true)).view.role, "leader");
});

Deno.test("E12: a follower votes for the leader that it heard a moment ago, and for nobody else", () => {
  const asked = (asker: string) => {
    const a = new Stage({ term: 1 });
    a.hears("B", append(1, "0:0", "1:1")).stable();
    a.heard();
    a.hears(asker, { kind: "preVoteRequest", term: 1, lastLogIndex: 1, lastLogTerm: 1, round: 7 });
    const [answer] = a.said();
    return answer?.message.kind === "preVoteResponse" && answer.message.voteGranted;
  };
  assertEquals([asked("B"), asked("C")], [true, false]);
});

Deno.test("E17: a server that is no voter does not take over when it is asked to", () => {
  const a = new Stage({ servers: "B C D", term: 1 });
  a.hears("B", append(1, "0:0", "1:1")).stable();
  a.hears("B", { kind: "timeoutNowRequest", term: 1, lastLogIndex: 1 });
  assertEquals([a.view.role, a.view.currentTerm], ["follower", 1]);
});

Deno.test("E20, D16: a leader that says that its disk stands still keeps nobody loyal, and resets no timer", () => {
  const a = new Stage({ term: 1 });
  const beat = append(1, "0:0", "1:1");
  a.hears("B", beat).stable();
  const wakeAt = a.raft.wakeAt;
  a.now = 500;
  a.hears("B", { ...beat, health: { diskMs: 1500, loopMs: 0 } });
  assertEquals(a.raft.wakeAt, wakeAt);
  a.now = 1200;
  a.heard();
  a.hears("C", askVote(2, 1, 1));
  assertEquals(a.said()[0]?.message, vote(2, true), "what it was told 1200 ms ago counts no more");
});

Deno.test("E20, D16: a disk that is behind and goes on does not stand still, however long a write waits its turn", () => {
  const a = new Stage({}).elected(["B", "C"]).stable();
  a.now = Math.ceil(a.now / 100) * 100;
  // A write every 100 ms, each durable 1500 ms later, once the disk has fallen behind: fifteen wait then.
  const waiting: { readonly number: number; readonly due: number }[] = [];
  let count = 0;
  const goOn = (ms: number, answers: boolean) => {
    const diskMs: number[] = [];
    for (const until = a.now + ms; a.now < until; a.now += 10) {
      if (a.now >= a.raft.wakeAt) a.timeout();
      if (a.now % 100 === 0) {
        a.write(++count);
        waiting.push({ number: a.lastWrite, due: a.now + Math.min(1500, 150 * count) });
      }
      for (let next = waiting[0]; answers && next !== undefined && next.due <= a.now; next = waiting[0]) {
        a.stable(next.number);
        waiting.shift();
      }
      for (const { message } of a.said()) {
        if (message.kind === "appendEntriesRequest") diskMs.push(message.health.diskMs);
      }
      for (const id of ["B", "C"]) a.hears(id, agreed(1, a.view.lastIndex));
    }
    return Math.max(...diskMs);
  };
  assertLessOrEqual(goOn(6000, true), 250);
  assertEquals(waiting.length, 15);
  assertEquals([a.view.role, a.view.isTransferring], ["leader", false]);
  // From now on it answers nothing.
  assertGreaterOrEqual(goOn(450, false), 300);
  assertEquals([a.view.role, a.view.isTransferring], ["leader", false]);
  goOn(250, false);
  assert(
    a.view.isTransferring || a.view.role === "follower",
    "it has stood still for half an election timeout",
  );
});

Deno.test("E22: a server that lost what it may have acknowledged neither campaigns nor votes for a log without it", () => {
  const floor = { index: 3, term: 1 };
  const a = new Stage({ term: 1, log: "1:1", floor }).timeout();
  assertEquals([a.view.role, a.view.currentTerm], ["follower", 1]);
  a.hears("B", askVote(2, 2, 1)).stable();
  assertEquals(a.said().at(-1)?.message, vote(2, false));
  a.hears("C", askVote(2, 3, 1));
  assertEquals(a.said()[0]?.message, vote(2, true));
  // Once it has as much again it is like any other.
  const b = new Stage({ term: 1, log: "1:1 2:1 3:1", floor }).timeout();
  assertEquals([b.view.role, b.view.currentTerm], ["candidate", 2]);
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

Deno.test("E21: a leader that is heard takes no newer term from a candidate", () => {
  const a = new Stage({}).elected(["B"]);
  a.now += 1500;
  a.heard();
  a.hears("C", askVote(2, 99, 1));
  assertEquals([a.view.role, a.view.currentTerm], ["leader", 1]);
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

Deno.test("I1: a follower does not follow a second leader of its term", () => {
  const a = new Stage({ term: 1 });
  a.hears("B", append(1, "0:0", "1:1"));
  a.heard();
  a.hears("C", append(1, "0:0", "1:1"));
  assertEquals(a.heard().map(({ kind }) => kind), ["objection"]);
  assertEquals(a.view.leaderId, "B");
});

for (
  const { what, from, last, synced, takesOver } of [
    { what: "its leader, and has everything on its disk", from: "B", last: 2, synced: true, takesOver: true },
    { what: "its leader, and lacks an entry", from: "B", last: 3, synced: true, takesOver: false },
    { what: "its leader, and has not synced", from: "B", last: 2, synced: false, takesOver: false },
    { what: "somebody who does not lead", from: "C", last: 2, synced: true, takesOver: false },
  ]
) {
  Deno.test(`T3, T6: who is asked to take over by ${what} ${takesOver ? "campaigns" : "does nothing"}`, () => {
    const a = new Stage({ term: 1 });
    a.hears("B", append(1, "0:0", "1:1 2:1"));
    if (synced) a.stable();
    a.hears(from, { kind: "timeoutNowRequest", term: 1, lastLogIndex: last });
    assertEquals(a.view.role, takesOver ? "candidate" : "follower");
  });
}
