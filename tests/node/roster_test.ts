/**
 * Kind: unit (one node, its disk and its peers played by hand).
 *
 * Invariant: the leader writes down which birth a member first showed, and never another one after it (M11).
 *
 * Learnt: that a server with a new disk is refused at the door has tests of its own; that the door is not opened from inside had none.
 */
import { assertEquals } from "@std/assert";
import type { Entry } from "../../internal/raft/types.ts";
import { birth } from "../scenarios/stage.ts";
import { NodeStage } from "./node_stage.ts";

function birthOf(stage: NodeStage, id: string): string | undefined {
  return stage.node.raft.view().configuration.members.find((member) => member.id === id)?.incarnation;
}

Deno.test("M11: the birth that a member shows first is written down, and another one is not", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  stage.introduce("n2", "first");
  stage.pass(100);
  stage.sync();
  stage.acknowledge();
  assertEquals(birthOf(stage, "n2"), "first");
  const live = (ms: number) => {
    for (let i = 0; i < ms; i += 100) {
      stage.pass(100);
      stage.sync();
      stage.acknowledge();
    }
  };
  // Long after, so that nothing of the first time is in the way.
  live(2000);
  stage.introduce("n2", "second");
  live(3000);
  assertEquals([stage.node.status().role, birthOf(stage, "n2")], ["leader", "first"]);
});

Deno.test("M11: all births that are known are written down together, so that none is unknown for longer than it must be", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.introduce("n2", "of n2");
  stage.introduce("n3", "of n3");
  stage.acknowledge();
  stage.pass(100);
  stage.sync();
  stage.acknowledge();
  assertEquals([birthOf(stage, "n2"), birthOf(stage, "n3")], ["of n2", "of n3"]);
  assertEquals(stage.node.raft.view().lastIndex, 2, "the first entry of the term, and one configuration");
});

Deno.test("M11: a birth that is shown long after there was nothing more to write down is written down all the same", () => {
  const stage = new NodeStage({}, "late", { peerAddress: "n1:1" });
  const live = (ms: number) => {
    for (let i = 0; i < ms; i += 100) {
      stage.pass(100);
      stage.sync();
      stage.acknowledge();
    }
  };
  stage.lead();
  stage.acknowledge();
  live(2000);
  // Every write is a look at what there is to write down.
  stage.ask("set", "k", "v");
  live(2000);
  stage.introduce("n2", "late");
  live(2000);
  assertEquals(birthOf(stage, "n2"), "late");
});

Deno.test("whoever stands as a member in what is left of a lost log is dialled", () => {
  const { configuration } = birth(["n1", "n2", "n3", "n4"]);
  const entry: Entry = {
    index: 9,
    term: 1,
    kind: "configuration",
    payload: new Uint8Array(),
    configuration,
    record: null,
  };
  const lost = [{ after: null, entries: [entry] }];
  const floor = { index: 9, term: 1 };
  const hardState = { currentTerm: 1, votedFor: null };
  const stage = new NodeStage({}, "n1", { recovered: { floor, hardState, epoch: 1 }, remnants: lost });
  assertEquals([...stage.members].sort(), ["n2", "n3", "n4"]);
});
