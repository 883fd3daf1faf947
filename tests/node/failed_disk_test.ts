/**
 * Kind: unit (one node, its disk and its peers played by hand).
 *
 * Invariant: a server whose disk failed ends its life; a leader hands the lead over first, for as long as an election may take and no longer,
 * takes nothing new meanwhile, and promises nothing that would need its disk.
 *
 * Learnt: what followers have on their disks is committed without ours, so a leader that parts still answers for it.
 */
import { assert, assertEquals } from "@std/assert";
import { birth } from "../scenarios/stage.ts";
import { NodeStage } from "./node_stage.ts";

function leading(): NodeStage {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  stage.sent.length = 0;
  return stage;
}

Deno.test("a leader whose disk failed asks a follower to take over, and ends when it did", () => {
  const stage = leading();
  stage.failDisk();
  const asked = stage.sent.filter(({ message }) => message.kind === "timeoutNowRequest");
  assertEquals([asked.length, stage.fatal], [1, null]);
  const to = asked[0]?.to ?? "";
  const { term } = stage.node.status();
  stage.hears(to, {
    kind: "requestVoteRequest",
    term: term + 1,
    lastLogIndex: stage.node.status().lastIndex,
    lastLogTerm: term,
    transfer: true,
  });
  assertEquals(stage.fatal?.message, "the disk failed");
  // The vote would have to be written.
  assertEquals(stage.take("requestVoteResponse"), []);
});

Deno.test("a leader whose disk failed ends without a successor too, and is not long about it", () => {
  const stage = leading();
  stage.failDisk();
  const answers = stage.ask("set", "a", "1");
  stage.pass(250);
  assertEquals(stage.fatal, null);
  stage.pass(200);
  assertEquals(stage.fatal?.message, "the disk failed");
  assert(answers.every(({ type }) => type === "error"), "nothing is taken any more");
});

Deno.test("a follower, and a server that is alone, end at once when the disk failed", () => {
  const follower = new NodeStage();
  follower.follow("n2", 3);
  const alone = new NodeStage({}, "alone", { recovered: birth(["n1"]) });
  alone.pass(2000);
  alone.sync();
  assertEquals(alone.node.status().role, "leader");
  for (const stage of [follower, alone]) {
    stage.failDisk();
    assertEquals(stage.fatal?.message, "the disk failed");
  }
});

Deno.test("what a majority of the others has on its disks is committed and answered while the lead is handed over", () => {
  const stage = leading();
  const answers = stage.ask("set", "a", "1");
  stage.failDisk();
  stage.acknowledge(0, "n2");
  assertEquals(answers, [], "our own disk does not have it");
  stage.acknowledge(0, "n3");
  assertEquals(answers.map(({ type }) => type), ["simple"]);
});
