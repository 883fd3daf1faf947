/**
 * Kind: integration (one node between hands).
 *
 * Invariant: a read that this server answers from its own state is as fresh as was asked for: a linearizable one waits for an index that the
 * leader confirmed after it was asked, and for the log up to there; one that may be stale is answered only while the state is known to be
 * young enough; else it is refused, for certain. A read never overtakes a write of its own client.
 *
 * Learnt: reads that come while a question is under way may not share its answer: it may be older than they are (R3).
 */
import { assertEquals } from "@std/assert";
import type { ReadMode } from "../../internal/clients/backend.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import { defaultLimits } from "../../internal/node/limits.ts";
import { batchOf, command, NodeStage } from "./node_stage.ts";

const FOLLOWER: ReadMode = { kind: "follower" };

class Reader {
  readonly stage = new NodeStage();
  readonly order = this.stage.node.newOrder();
  /** What was answered, as texts. */
  readonly answers: string[] = [];
  /** The leader's log: entries of term 1 by n2. */
  #last = 0;

  constructor() {
    this.#append([], 0);
  }

  read(reads: ReadMode, key = "k"): void {
    this.stage.node.submit(this.order, "read", batchOf(command("get", key), 1), this.#slot, reads);
    this.stage.pass(0);
  }

  write(value: string): void {
    this.stage.node.submit(this.order, "write", batchOf(command("set", "k", value), 1), this.#slot);
    this.stage.pass(0);
  }

  readonly #slot = {
    answer: (reply: Reply) =>
      this.answers.push(
        reply.type === "bulk"
          ? new TextDecoder().decode(reply.bytes)
          : reply.type === "error"
          ? reply.text.split(" ")[0] ?? ""
          : reply.type,
      ),
  };

  /** The leader appends writes of k, and commits up to there. */
  replicate(values: readonly string[], commit: number): void {
    this.#append(values, commit);
  }

  #append(values: readonly string[], commit: number): void {
    const first = this.#last + 1;
    this.stage.hears("n2", {
      kind: "appendEntriesRequest",
      term: 1,
      prevLogIndex: this.#last,
      prevLogTerm: this.#last === 0 ? 0 : 1,
      entries: values.map((value, i) => ({
        index: first + i,
        term: 1,
        kind: "command",
        payload: command("set", "k", value),
        configuration: null,
        record: null,
      })),
      leaderCommit: commit,
      health: { diskMs: 0, loopMs: 0 },
      epoch: 0,
      round: 0,
    });
    this.#last += values.length;
    this.stage.sync();
  }

  /** The numbers of the questions for an index that were sent since the last look. */
  questions(): { readonly requestId: number; readonly life: number }[] {
    return this.stage.take("readIndexRequest").map(({ requestId, life }) => ({ requestId, life }));
  }

  confirm(question: { readonly requestId: number; readonly life: number } | undefined, index: number): void {
    this.stage.hears("n2", { kind: "readIndexResponse", life: 0, requestId: 0, index, ...question });
  }
}

Deno.test("a linearizable read here asks the leader for an index, and waits until that is applied", () => {
  const reader = new Reader();
  reader.replicate(["a", "b"], 1);
  reader.read(FOLLOWER);
  const [question, ...more] = reader.questions();
  assertEquals([reader.answers, more], [[], []]);
  reader.confirm(question, 2);
  assertEquals(reader.answers, [], "index 2 is not applied yet");
  reader.replicate([], 2);
  assertEquals(reader.answers, ["b"]);
});

Deno.test("a read that was refused meanwhile costs nothing when its index is applied after all", () => {
  const reader = new Reader();
  reader.replicate(["a", "b"], 1);
  let looked = 0;
  const { machine } = reader.stage;
  const readAt = machine.readAt.bind(machine);
  machine.readAt = (...place) => {
    looked++;
    return readAt(...place);
  };
  for (let i = 0; i < 3; i++) {
    reader.read(FOLLOWER);
    reader.confirm(reader.questions()[0], 2);
  }
  reader.stage.pass(defaultLimits.requestTimeoutMs + 100);
  assertEquals(reader.answers, ["NOLEADER", "NOLEADER", "NOLEADER"]);
  reader.replicate([], 1);
  reader.read(FOLLOWER);
  reader.confirm(reader.questions()[0], 2);
  reader.replicate([], 2);
  assertEquals([reader.answers.slice(3), looked], [["b"], 1]);
});

Deno.test("reads share a question; those that come while it is under way wait for the next one", () => {
  const reader = new Reader();
  reader.replicate(["a"], 1);
  reader.read(FOLLOWER);
  const [first] = reader.questions();
  reader.read(FOLLOWER);
  reader.read(FOLLOWER);
  assertEquals(reader.questions(), []);
  reader.confirm(first, 1);
  assertEquals(reader.answers, ["a"]);
  const [second, ...more] = reader.questions();
  assertEquals(more, []);
  reader.confirm(second, 1);
  assertEquals(reader.answers, ["a", "a", "a"]);
});

Deno.test("an answer to an earlier question, or to another life's, confirms nothing", () => {
  const reader = new Reader();
  reader.replicate(["a"], 1);
  reader.read(FOLLOWER);
  const [question] = reader.questions();
  reader.confirm({ requestId: (question?.requestId ?? 0) + 1, life: question?.life ?? 0 }, 1);
  reader.confirm({ requestId: question?.requestId ?? 0, life: (question?.life ?? 0) + 1 }, 1);
  assertEquals(reader.answers, []);
});

Deno.test("where the leader cannot say, or is gone, the read is refused for certain", () => {
  const reader = new Reader();
  reader.replicate(["a"], 1);
  reader.read(FOLLOWER);
  reader.confirm(reader.questions()[0], 0);
  assertEquals(reader.answers, ["NOLEADER"]);
  reader.read(FOLLOWER);
  reader.stage.disconnect("n2");
  assertEquals(reader.answers, ["NOLEADER", "NOLEADER"]);
  reader.stage.connected = false;
  reader.read(FOLLOWER);
  reader.stage.pass(6000);
  assertEquals(reader.answers, ["NOLEADER", "NOLEADER", "NOLEADER"]);
});

Deno.test("a read that may be stale is answered at once while the state is young enough, and asks when it is not", () => {
  const reader = new Reader();
  reader.replicate(["a"], 1);
  reader.read({ kind: "stale", ms: 100 });
  assertEquals(reader.answers, [], "nothing is known yet of how old the state is");
  reader.stage.pass(30);
  reader.confirm(reader.questions()[0], 1);
  assertEquals([reader.answers, reader.stage.node.ageMs()], [["a"], 30]);
  reader.stage.pass(50);
  reader.read({ kind: "stale", ms: 100 });
  assertEquals([reader.answers, reader.questions()], [["a", "a"], []]);
  reader.stage.pass(40);
  reader.read({ kind: "stale", ms: 100 });
  assertEquals([reader.answers.length, reader.questions().length], [2, 1]);
});

Deno.test("an age counts from when it was asked, and only once what was named is applied", () => {
  const reader = new Reader();
  reader.replicate(["a"], 1);
  reader.read(FOLLOWER);
  reader.stage.pass(10);
  reader.confirm(reader.questions()[0], 1);
  reader.replicate(["b"], 1);
  reader.stage.pass(20);
  reader.read(FOLLOWER);
  reader.confirm(reader.questions()[0], 2);
  assertEquals(reader.stage.node.ageMs(), 30, "index 2 is not applied: what is here is as old as before");
  reader.stage.pass(5);
  reader.replicate([], 2);
  assertEquals(reader.stage.node.ageMs(), 5);
});

Deno.test("a stale read whose leader is gone is answered within its bound and refused beyond it", () => {
  const reader = new Reader();
  reader.replicate(["a"], 1);
  reader.read(FOLLOWER);
  reader.confirm(reader.questions()[0], 1);
  reader.stage.connected = false;
  reader.stage.disconnect("n2");
  reader.stage.pass(200);
  reader.read({ kind: "stale", ms: 1000 });
  assertEquals(reader.answers, ["a", "a"]);
  reader.read({ kind: "stale", ms: 100 });
  reader.stage.pass(6000);
  assertEquals(reader.answers, ["a", "a", "NOLEADER"]);
});

Deno.test("a read here waits for the writes of its own client that are with the leader", () => {
  const reader = new Reader();
  reader.replicate(["a"], 1);
  reader.write("b");
  reader.read(FOLLOWER);
  reader.read({ kind: "stale", ms: 1_000_000 });
  // They go to the leader behind the write: there they cannot overtake it.
  const forwarded = reader.stage.take("forwardRequest").flatMap(({ requests }) => requests);
  assertEquals(forwarded.map(({ access }) => access), ["write", "read", "read"]);
  assertEquals([reader.answers, forwarded[1]?.afterRequestId], [[], forwarded[0]?.requestId]);
});

Deno.test("on the leader every read is confirmed by a round, except on a lease that it may not have", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  const answers: string[] = [];
  const modes: readonly ReadMode[] = [FOLLOWER, { kind: "lease" }, { kind: "leader" }, {
    kind: "stale",
    ms: 0,
  }];
  for (const reads of modes) {
    stage.node.submit(stage.node.newOrder(), "read", batchOf(command("get", "k"), 1), {
      answer: (reply) => answers.push(`${reads.kind} ${reply.type}`),
    }, reads);
  }
  stage.pass(0);
  assertEquals(answers, []);
});
