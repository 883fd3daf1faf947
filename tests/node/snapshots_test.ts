/**
 * Kind: unit (one node, its disk and its peers played by hand).
 *
 * Invariant: one snapshot is taken at a time; what a follower that fetches a snapshot needs next stays in the log's memory (S20), within
 * a bound.
 *
 * Learnt: in whole clusters a follower that is left behind by compaction only fetches again, and in the end is there: no check of
 * states finds that it took ten times as long (mutant compaction-outruns-follower).
 */
import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { NodeStage } from "./node_stage.ts";

/** So many more writes are committed by n1 and n2. */
function write(stage: NodeStage, count: number): void {
  for (let i = 0; i < count; i++) {
    stage.ask("set", `k${i}`, "v");
    stage.sync();
    stage.acknowledge();
  }
  stage.pass(1);
}

Deno.test("S19: who asks for a snapshot while one is taken waits for it", () => {
  const stage = new NodeStage();
  stage.lead();
  stage.acknowledge();
  write(stage, 2);
  for (let i = 0; i < 3; i++) stage.node.takeSnapshot(() => {});
  assertEquals([stage.snapshots.taken, stage.fatal], [1, null]);
});

Deno.test("S20: the log waits for a follower that fetches a snapshot, four times as long as for others and no longer", () => {
  const stage = new NodeStage({ logMemoryEntries: 8 });
  const term = stage.lead();
  stage.acknowledge();
  write(stage, 20);
  const first = stage.node.raft.view().snapshotIndex;
  assertGreater(first, 1);
  // n3 has nothing, and hears that it needs a snapshot.
  const refuses = () =>
    stage.hears("n3", {
      kind: "appendEntriesResponse",
      term,
      requestTerm: term,
      success: false,
      prevLogIndex: stage.node.raft.progress.get("n3")?.nextIndex === undefined
        ? 0
        : (stage.node.raft.progress.get("n3")?.nextIndex ?? 1) - 1,
      round: 0,
      matchIndex: 0,
      hintIndex: 0,
      hintTerm: 0,
      epoch: 0,
    });
  refuses();
  stage.pass(60);
  assertEquals(stage.node.raft.progress.get("n3")?.mood, "snapshot");
  write(stage, 8);
  assertEquals(stage.node.raft.view().snapshotIndex, first, "what comes behind the snapshot is still here");
  write(stage, 60);
  const { snapshotIndex, lastIndex } = stage.node.raft.view();
  assertGreater(snapshotIndex, first);
  assertLessOrEqual(lastIndex - snapshotIndex, 4 * 8 + 2);
});
