/**
 * Kind: unit (directed scenarios), and one property.
 *
 * Invariant: the replication part of the bug catalogue (L1 to L29, as far as the feature exists): each test is one known way in which a Raft
 * implementation lost what it had acknowledged, or stopped for ever.
 *
 * Learnt: L1 (Figure 3.7) was found by the bag only after 1,276 schedules, so it has its test here.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { agreed, append, entriesOf, refused, Stage, vote } from "./stage.ts";
import { Bag } from "../raft/bag.ts";
import { Configuration, configurationOfVoters, majorityOf } from "../../internal/raft/configuration.ts";

Deno.test("L1: an entry of an earlier term is not committed by counting copies (Figure 3.7)", () => {
  const a = new Stage({ servers: "A B C D E", term: 2, log: "1:1 2:2" }).elected(["B", "C"]);
  assertEquals(a.log, "1:1 2:2 3:3");
  a.hears("B", agreed(3, 2)).hears("C", agreed(3, 2));
  assertEquals(a.view.commitIndex, 0, "2:2 is on three of five and still not committed");
  a.stable();
  a.hears("B", agreed(3, 3)).hears("C", agreed(3, 3));
  assertEquals(a.view.commitIndex, 3, "L2: with an entry of the own term everything before it is");
});

Deno.test("L2: what earlier terms left uncommitted keeps nothing behind it from being committed", () => {
  const a = new Stage({ term: 3, log: "1:1 2:1 3:2 4:3" }).elected(["B"]).stable();
  a.hears("B", agreed(4, 4));
  assertEquals(a.view.commitIndex, 0);
  a.hears("B", agreed(4, 5));
  assertEquals(a.view.commitIndex, 5, "all of it at once");
});

Deno.test("L3: the commit index does not fall when a leader knows of less", () => {
  const a = new Stage({ term: 1 });
  a.hears("B", append(1, "0:0", "1:1 2:1", 2));
  assertEquals(a.view.commitIndex, 2);
  a.hears("B", append(1, "2:1", "", 1)).hears("B", append(1, "0:0", "", 2));
  assertEquals(a.view.commitIndex, 2);
});

Deno.test("L4: a follower commits no further than what this message showed to agree", () => {
  const a = new Stage({ term: 2, log: "1:1 2:1 3:1 4:2 5:2" });
  a.hears("B", append(3, "3:1", "", 5));
  assertEquals(a.view.commitIndex, 3);
});

Deno.test("L5: an old, shorter message removes nothing that agrees", () => {
  const a = new Stage({ term: 1 });
  a.hears("B", append(1, "0:0", "1:1 2:1 3:1"));
  a.hears("B", append(1, "0:0", "1:1")).hears("B", append(1, "0:0", "")).hears("B", append(1, "1:1", "2:1"));
  assertEquals(a.log, "1:1 2:1 3:1");
});

Deno.test("L5: what conflicts is removed from the first conflict on, in the same write as what replaces it", () => {
  const a = new Stage({ term: 2, log: "1:1 2:1 3:2 4:2" });
  a.hears("B", append(3, "1:1", "2:1 3:3"));
  assertEquals(a.log, "1:1 2:1 3:3");
  const writes = a.heard().filter((effect) => effect.kind === "write");
  assertEquals(writes.length, 1);
  assertEquals([writes[0]?.truncateFrom, writes[0]?.append.length, writes[0]?.hardState?.currentTerm], [
    3,
    1,
    3,
  ]);
});

Deno.test("L6: an acknowledgement covers what its message carried, not what happens to be behind it", () => {
  const a = new Stage({ term: 2, log: "1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1" });
  a.hears("B", append(2, "3:1", "4:1 5:1"));
  const [{ message } = { message: null }] = a.said();
  assertEquals(message, agreed(2, 5, 0, 3));
});

Deno.test("L7: acknowledgements that arrive in the wrong order do not lower what is known", () => {
  const a = new Stage({}).elected(["B"]).stable();
  for (let i = 0; i < 7; i++) a.write(i + 1);
  a.hears("B", agreed(1, 8)).hears("B", agreed(1, 7));
  assertEquals(a.view.matchIndexes.get("B"), 8);
});

Deno.test("L8: a refusal that answers an older question changes nothing", () => {
  const a = new Stage({ term: 1, log: "1:1 2:1 3:1" }).elected(["B"]).stable();
  a.hears("B", agreed(2, 4));
  a.write();
  a.heard();
  a.hears("B", refused(2, 3, "1:1"));
  assertEquals(a.said(), [], "prev 3 is below what is known to agree; what is under way is not sent again");
  a.hears("B", refused(2, 5, "1:1"));
  const [again] = a.said();
  assertEquals(
    again?.message.kind === "appendEntriesRequest" && again.message.prevLogIndex,
    4,
    "never behind it",
  );
  a.hears("C", refused(2, 2, "1:1"));
  assertEquals(a.said(), [], "C was asked about 3, not about 2");
  a.hears("C", refused(2, 3, "1:1"));
  assertEquals(a.said().length, 1);
});

Deno.test("L8: a refusal of what an earlier leader asked is no answer to what we ask now", () => {
  const a = new Stage({ term: 1, log: "1:1" }).elected(["B"]).stable();
  a.hears("B", agreed(2, 2));
  a.read(7);
  a.heard();
  a.hears("B", refused(2, 9, "0:0", { requestTerm: 1, round: 5 }));
  a.hears("C", refused(2, 9, "0:0", { requestTerm: 1, round: 1 }));
  assertEquals(a.heard(), [], "neither an objection, nor a confirmed read, nor a message");
});

Deno.test("L9: any two logs find where they agree in about as many rounds as they have terms", () => {
  const random = new SeededRandom("L9");
  for (let run = 0; run < 300; run++) {
    const common = random.below(6);
    // Two logs that differ have no term in common from there on, or log matching would be broken already.
    const logOf = (length: number, prefix: string, parity: number) => {
      let text = prefix;
      let term = 2 + parity;
      for (let index = common + 1; index <= common + length; index++) {
        term = Math.min(18 + parity, term + (random.chance(1, 5) ? 2 * random.between(1, 2) : 0));
        text += ` ${index}:${term}`;
      }
      return text;
    };
    const prefix = Array.from({ length: common }, (_, i) => `${i + 1}:1`).join(" ");
    const leaderLog = logOf(random.below(80), prefix, 1);
    const followerLog = logOf(random.below(80), prefix, 0);
    const terms = new Set(entriesOf(`${leaderLog} ${followerLog}`).map(({ term }) => term)).size;
    const leader = new Stage({
      servers: "A B",
      term: 20,
      log: leaderLog,
      settings: { appendEntriesMax: 1000 },
    });
    leader.timeout().stable().hears("B", { kind: "requestVoteResponse", term: 21, voteGranted: true })
      .stable();
    const follower = new Stage({ servers: "A B", term: 20, log: followerLog });
    let rounds = 0;
    let said = leader.said();
    while (follower.log !== leader.log) {
      rounds++;
      assertLessOrEqual(rounds, 2 * terms + 4, `leader ${leaderLog} follower ${followerLog}`);
      for (const { message } of said) follower.hears("A2", message);
      const answers = follower.stable().said();
      for (const { message } of answers) leader.hears("B", message);
      said = leader.said();
      if (said.length === 0) said = leader.timeout().said();
    }
  }
});

Deno.test("L11: the sync of an entry that was replaced meanwhile does not make its successor durable", () => {
  const a = new Stage({ term: 1 });
  a.hears("B", append(1, "0:0", "1:1 2:1"));
  const old = a.lastWrite;
  a.hears("C", append(2, "1:1", "2:2"));
  a.stable(old);
  assertEquals(a.view.durableIndex, 1);
  a.stable();
  assertEquals(a.view.durableIndex, 2);
});

Deno.test("L12: a leader's own copy counts when it is on its disk", () => {
  const a = new Stage({ servers: "A B C" }).elected(["B"]);
  a.hears("B", agreed(1, 1));
  assertEquals(a.view.commitIndex, 0);
  a.stable();
  assertEquals(a.view.commitIndex, 1);
});

Deno.test("L13: an acknowledgement waits for its write, also when the entries were there already but are not on disk", () => {
  const a = new Stage({ term: 1 });
  a.hears("B", append(1, "0:0", "1:1"));
  a.hears("B", append(1, "0:0", "1:1"));
  assertEquals(a.said().map(({ after }) => after), [a.lastWrite, a.lastWrite]);
  a.stable().hears("B", append(1, "0:0", "1:1"));
  assertEquals(a.said().map(({ after }) => after), [null]);
});

Deno.test("L14: term and entries of a message are one write", () => {
  const a = new Stage({ term: 1 });
  a.hears("B", append(5, "0:0", "1:5"));
  const [write] = a.heard();
  assert(write?.kind === "write");
  assertEquals([write.hardState, write.append.length], [{ currentTerm: 5, votedFor: null }, 1]);
});

Deno.test("L18: however a batch is cut, the next one goes on where it ended", () => {
  const a = new Stage({ settings: { appendEntriesMax: 3 } }).elected(["B"]).stable();
  for (let i = 1; i <= 7; i++) a.write(i);
  a.heard();
  a.hears("B", agreed(1, 1));
  const sent = a.said().map(({ message }) =>
    message.kind === "appendEntriesRequest"
      ? [message.prevLogIndex, message.entries.map(({ index }) => index)]
      : message.kind
  );
  assertEquals(sent, [[1, [2, 3, 4]], [4, [5, 6, 7]], [7, [8]]]);
});

Deno.test("L19: what is committed is never replaced, whoever asks for it", () => {
  const a = new Stage({ term: 1 });
  a.hears("B", append(1, "0:0", "1:1 2:1", 2));
  a.heard();
  a.hears("C", append(9, "0:0", "1:9"));
  assertEquals(a.log, "1:1 2:1");
  assertEquals(a.heard().map(({ kind }) => kind), ["write", "objection", "changed"]);
});

Deno.test("L20: a window that was full when the connection broke is empty when it stands again", () => {
  const a = new Stage({ settings: { inFlightMessagesMax: 2, appendEntriesMax: 1 } }).elected(["B"]).stable();
  a.hears("B", agreed(1, 1));
  for (let i = 0; i < 5; i++) a.write(i + 1);
  a.heard();
  a.hears("B", refused(1, 3, "1:1"));
  assertEquals(
    a.said().map(({ message }) => message.kind === "appendEntriesRequest" && message.prevLogIndex),
    [1],
  );
  a.hears("B", agreed(1, 2, 0, 1));
  assertEquals(a.said().length, 2, "the window has room for two again");
});

Deno.test("L21: uncommitted bytes are counted off as they commit, and more than the bound is refused", () => {
  const a = new Stage({ servers: "A", settings: { uncommittedBytesMax: 2 } }).elected([]).stable();
  a.heard();
  for (let i = 1; i <= 3; i++) a.write(i);
  const answers = a.heard().filter(({ kind }) => kind === "accepted" || kind === "refused");
  assertEquals(answers.map(({ kind }) => kind), ["accepted", "accepted", "refused"]);
  a.stable();
  a.heard();
  a.write(4);
  assertEquals(a.heard().some(({ kind }) => kind === "accepted"), true);
});

Deno.test("L25: a quorum is more than half, of even numbers too", () => {
  const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const quorums = sizes.map((n) => majorityOf(n));
  assertEquals(quorums, [1, 2, 2, 3, 3, 4, 4, 5, 5]);
  const four = new Configuration(configurationOfVoters(["a", "b", "c", "d"]));
  const reached = new Map([["a", 9], ["b", 7], ["c", 3], ["d", 1]]);
  assertEquals(four.quorumReached((id) => reached.get(id) ?? 0), 3);
});

Deno.test("L25: what a quorum has reached is what stands in that place of the order, in every half", () => {
  const random = new SeededRandom("L25");
  for (let i = 0; i < 3000; i++) {
    const ids = ["a", "b", "c", "d", "e", "f", "g"];
    const [voters, outgoing] = [ids.slice(0, random.between(1, 7)), ids.slice(random.between(0, 7))];
    const reached = new Map(ids.map((id) => [id, random.chance(1, 8) ? -Infinity : random.below(5)]));
    const configuration = new Configuration({ ...configurationOfVoters(ids), voters, outgoing });
    const ofHalf = (half: readonly string[]) =>
      half.map((id) => reached.get(id) ?? 0).sort((a, b) => b - a)[majorityOf(half.length) - 1];
    const halves = [voters, outgoing].filter(({ length }) => length > 0).map((half) => ofHalf(half) ?? NaN);
    assertEquals(configuration.quorumReached((id) => reached.get(id) ?? NaN), Math.min(...halves));
  }
});

Deno.test("L25: two of four elect nobody and commit nothing", () => {
  const a = new Stage({ servers: "A B C D" }).elected(["B"]);
  assertEquals(a.view.role, "candidate");
  a.hears("C", vote(1, true)).stable().hears("B", agreed(1, 1));
  assertEquals([a.view.role, a.view.commitIndex], ["leader", 0]);
  a.hears("C", agreed(1, 1));
  assertEquals(a.view.commitIndex, 1);
});

Deno.test("L26: who does not lead takes nothing, and says so", () => {
  const a = new Stage({});
  a.write(5).read(6);
  assertEquals(a.heard(), [
    { kind: "refused", requestId: 5, reason: "notLeader" },
    { kind: "refused", requestId: 6, reason: "notLeader" },
  ]);
});

Deno.test("L29: a follower that is caught up and was only probed is replicated to again", () => {
  const a = new Stage({ term: 1, log: "1:1" }).elected(["B"]).stable();
  a.hears("B", agreed(2, 2)).hears("C", refused(2, 1, "1:1"));
  a.heard();
  a.timeout();
  a.hears("C", agreed(2, 2));
  a.heard();
  for (let i = 1; i <= 3; i++) a.write(i);
  assertEquals(a.said().filter(({ to }) => to === "C").length, 3, "without waiting for an answer in between");
});

Deno.test("the bag's servers agree once everything is delivered and synced", () => {
  const bag = new Bag(3, "converge");
  for (let step = 0; step < 3000; step++) bag.randomStep();
  const settle = () => {
    for (
      let i = 0;
      i < 3000 && (bag.envelopes.length > 0 || bag.ids.some((id) => bag.server(id).pending.length > 0));
      i++
    ) {
      for (const id of bag.ids) bag.sync(id, Infinity);
      if (bag.envelopes.length > 0) bag.deliver(0, false);
    }
  };
  settle();
  for (let i = 0; i < 40; i++) {
    bag.timeout("n1");
    settle();
  }
  const views = bag.ids.map((id) => bag.server(id).raft.view());
  assertGreaterOrEqual(views[0]?.commitIndex ?? 0, 1);
  assertEquals(new Set(views.map(({ commitIndex }) => commitIndex)).size, 1);
  assertEquals(new Set(views.map(({ lastIndex }) => lastIndex)).size, 1);
});

Deno.test("L10: what a follower acknowledged before it lost a part of its log counts no more, and a late answer of the old log nothing", () => {
  const a = new Stage({ servers: "A B C" }).elected(["B"]);
  a.stable();
  a.hears("B", agreed(1, 1));
  assertEquals(a.view.commitIndex, 1);
  a.write(1);
  a.hears("C", agreed(1, 1));
  a.heard();
  // B acknowledges index 2 before A's own copy is on disk: not enough. Then B loses it, and says so.
  a.hears("B", agreed(1, 2));
  a.hears("B", { ...refused(1, 2, "1:1"), epoch: 1 });
  assertEquals(a.view.matchIndexes.get("B"), 0);
  a.stable();
  assertEquals(a.view.commitIndex, 1, "A alone has index 2");
  a.hears("B", agreed(1, 2));
  assertEquals(a.view.commitIndex, 1, "an answer of the log that B does not have any more");
  a.hears("B", { ...agreed(1, 2), epoch: 1 });
  assertEquals(a.view.commitIndex, 2);
});
