/**
 * Kind: property (exhaustive: all schedules within bounds, breadth-first, states that differ by names merged).
 *
 * Invariant: in every state that three servers can come to within the bounds, all that the bag checks holds; and the enumeration finds a
 * core with a mistake, by the shortest way.
 *
 * Learnt: the same message twice among those that wait for a write makes no other state; counted as one it made the states of one server
 * infinite. Two writes in two terms with two messages under way are more states than minutes have: every configuration below gives
 * up something, and says what. Six mistakes are found within 1 to 11 steps; the way is printed.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Violation } from "../invariants/ghost.ts";
import { mutant } from "./mutant.ts";
import { type Bounds, Schedules } from "./schedules.ts";

const BASE: Bounds = {
  servers: 3,
  terms: 2,
  writes: 2,
  reads: 0,
  crashes: 0,
  campaigns: 2,
  duplicates: 0,
  unsynced: 0,
  messages: 1,
};

for (
  const { name, bounds, preVote = false } of [
    { name: "two terms, two writes, one message under way", bounds: BASE },
    { name: "the same with a crash", bounds: { ...BASE, crashes: 1 } },
    { name: "two terms, a write, a slow disk", bounds: { ...BASE, writes: 1, unsynced: 1 } },
    { name: "two terms, a write and a read", bounds: { ...BASE, writes: 1, reads: 1 } },
    {
      name: "two terms, nothing written, two messages under way",
      bounds: { ...BASE, writes: 0, messages: 2 },
    },
    { name: "the same with pre-votes", bounds: { ...BASE, writes: 0, messages: 2 }, preVote: true },
    {
      name: "one term, all campaign, a slow disk, three messages under way",
      bounds: { ...BASE, terms: 1, writes: 0, campaigns: 3, unsynced: 1, messages: 3 },
    },
    {
      name: "everything at once, ten steps",
      bounds: {
        servers: 3,
        terms: 2,
        writes: 2,
        reads: 1,
        crashes: 1,
        campaigns: 3,
        duplicates: 1,
        unsynced: 2,
        messages: 4,
        depth: 10,
      },
    },
  ]
) {
  Deno.test(`All schedules: ${name}`, () => {
    const startedAt = performance.now();
    const { states, transitions, depth, isComplete, lives, messages } = new Schedules(bounds, { preVote })
      .run();
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(
      `${JSON.stringify(bounds)}${
        preVote ? ", pre-votes" : ""
      }: ${states} states, ${transitions} transitions, depth ${depth}, ` +
        `${
          isComplete ? "all of them" : "no further"
        }, ${seconds} s; ${lives} states of one server, ${messages} messages`,
    );
    assertEquals(isComplete, bounds.depth === undefined);
  });
}

for (
  const { name, mutation, bounds, says } of [
    {
      name: "commits what is of an earlier term by counting copies",
      mutation: {
        file: "replication.ts",
        text: "if (state.log.termAt(reached) !== state.currentTerm) return;",
        becomes: "",
      },
      bounds: { ...BASE, unsynced: 1, messages: 2 },
      says: "commits up to",
    },
    {
      name: "gives a vote that is not on its disk",
      mutation: {
        file: "outbox.ts",
        text: "state.votedFor !== this.#hardState.votedFor",
        becomes: "false",
      },
      bounds: { ...BASE, terms: 1, writes: 0, messages: 3 },
      says: "before its vote is durable",
    },
    {
      name: "sends what it promises before the disk has it",
      mutation: {
        file: "outbox.ts",
        text: "promise && state.lastWrite > state.stableWrite",
        becomes: "false",
      },
      bounds: { ...BASE, unsynced: 1 },
      says: "before its own vote is durable",
    },
    {
      name: "counts votes of an earlier term",
      mutation: {
        file: "raft.ts",
        text: `      case "requestVoteResponse":
        // DropStaleResponse: an answer from an earlier term answers nothing we ask now (E1).
        if (message.term < state.currentTerm) return;`,
        becomes: `      case "requestVoteResponse":`,
      },
      bounds: { ...BASE, messages: 3, writes: 0, campaigns: 3 },
      says: "Two leaders in term",
    },
    {
      name: "votes for whoever asks",
      mutation: {
        file: "election.ts",
        text: "    isAtLeastAsNew(message, state);\n  if (grant)",
        becomes: "    true;\n  if (grant)",
      },
      bounds: { ...BASE, writes: 0, messages: 2 },
      says: "lacks what is committed",
    },
    {
      name: "votes twice in a term",
      mutation: {
        file: "election.ts",
        text: "(state.votedFor === null || state.votedFor === from)",
        becomes: "true",
      },
      bounds: { ...BASE, terms: 1, messages: 2 },
      says: "",
    },
  ]
) {
  Deno.test(`All schedules find a core that ${name}`, async () => {
    const makeRaft = await mutant(mutation);
    const startedAt = performance.now();
    const error = assertThrows(() => new Schedules(bounds, {}, makeRaft).run(), Violation, says);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const way = error.message.split("\n");
    console.log(
      `a core that ${name}: found after ${way.length - 1} steps, in ${seconds} s:\n${error.message}`,
    );
    assert(way.length > 1);
  });
}

Deno.test("A mutation that is not in the source is refused", async () => {
  await assertRejects(
    () => mutant({ file: "raft.ts", text: "no such text", becomes: "" }),
    Error,
    "Cannot mutate",
  );
});
