/**
 * Kind: unit (one node, its disk and its peers played by hand).
 *
 * Invariant: a leader whose disk is full refuses writes for certain, before they are in its log, and goes on with reads and everything else;
 * it offers the lead to somebody else, and not again and again. A follower with a full disk hands writes on as ever.
 *
 * Learnt: with every disk full the lead would go round in circles with each write that is asked for.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Reply } from "../../internal/codec/reply.ts";
import { NodeStage } from "./node_stage.ts";

function text(answers: readonly Reply[]): string {
  const [answer] = answers;
  return answers.length === 1 && answer?.type === "error" ? answer.text : JSON.stringify(answers);
}

Deno.test("a leader with a full disk refuses writes before they are in its log, and takes them again", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  const { lastIndex } = stage.node.status();
  stage.isFull = true;
  stage.sent.length = 0;
  assertStringIncludes(text(stage.ask("set", "a", "1")), "BUSY disk full");
  assertEquals(stage.node.status().lastIndex, lastIndex);
  stage.isFull = false;
  // What it offered came to nothing.
  stage.pass(320);
  stage.acknowledge();
  const answers = stage.ask("set", "a", "1");
  stage.sync();
  stage.acknowledge();
  assertEquals(answers.map(({ type }) => type), ["simple"]);
});

Deno.test("a leader with a full disk answers reads", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  stage.isFull = true;
  const answers = stage.ask("get", "a");
  const [request] = stage.take("appendEntriesRequest").slice(-1);
  stage.acknowledge(request?.round ?? 0);
  assertEquals(answers.map(({ type }) => type), ["null"]);
});

Deno.test("a leader with a full disk offers the lead, and not again at once", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  stage.isFull = true;
  const offers = () => stage.take("timeoutNowRequest").length;
  offers();
  stage.ask("set", "a", "1");
  assertEquals(offers() > 0, true);
  let offered = 0;
  for (let ms = 0; ms < 9000; ms += 100) {
    stage.acknowledge();
    stage.pass(100);
    stage.ask("set", "a", "1");
    // For as long as a transfer may take it asks again.
    if (ms > 1000) offered += offers();
    else offers();
  }
  assertEquals([stage.node.status().role, offered], ["leader", 0]);
});

Deno.test("a follower with a full disk hands writes on, and says truly what it has", () => {
  const stage = new NodeStage();
  stage.follow("n2", 3);
  stage.isFull = true;
  stage.ask("set", "a", "1");
  assertEquals(stage.take("forwardRequest").length, 1);
  stage.hears("n2", {
    kind: "appendEntriesRequest",
    term: 3,
    prevLogIndex: 0,
    prevLogTerm: 0,
    entries: [{
      index: 1,
      term: 3,
      kind: "noop",
      payload: new Uint8Array(0),
      configuration: null,
      record: null,
    }],
    leaderCommit: 1,
    health: { diskMs: 0, loopMs: 0 },
    epoch: 0,
    round: 0,
  });
  stage.sync();
  const answers = stage.take("appendEntriesResponse");
  assertEquals(answers.map(({ success, matchIndex }) => [success, matchIndex]), [[true, 0]]);
  assertEquals(stage.node.status().lastIndex, 0);
});
