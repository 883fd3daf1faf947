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
import { must } from "../../internal/base/assert.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import type { BulkMessage } from "../../internal/codec/bulk_message.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { defaultLimits } from "../../internal/node/limits.ts";
import type { BulkLineEvents } from "../../internal/node/ports.ts";
import { SnapshotKeeper } from "../../internal/node/snapshot_keeper.ts";
import { NO_MEMBERS } from "../../internal/raft/configuration.ts";
import { Raft } from "../../internal/raft/raft.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { birth } from "../scenarios/stage.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";
import { entryOf } from "../storage/lab.ts";
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

/** The core of n1 with these entries, all of them committed. */
function coreWith(entries: readonly Entry[]): Raft {
  const hardState = { currentTerm: 1, votedFor: null };
  return new Raft({
    id: "n1",
    settings: defaultSettings,
    recovered: { hardState, ...birth(["n1", "n2", "n3"]), entries, commitIndex: entries.length },
    random: new SeededRandom("keeper"),
    now: 0,
  });
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

Deno.test("a snapshot that was being taken when another one took the place of the state counts nothing of what comes behind", () => {
  const entries = Array.from({ length: 40 }, (_, i) => entryOf(i + 1, 1, Uint8Array.of(i)));
  const raft = coreWith(entries);
  const machine = new KeyValueMachine();
  const digest = machine.digest();
  const meta = {
    clusterId: "test",
    index: 20,
    term: 1,
    configurationIndex: 0,
    configuration: NO_MEMBERS,
    digest,
  };
  const kept = (index: number) => ({
    meta: { ...meta, index },
    id: { index, term: 1, bytes: 10, checksum: 1 },
  });
  const taken: (() => void)[] = [];
  let applied = 10;
  let line: BulkLineEvents | null = null;
  const keeper: SnapshotKeeper = new SnapshotKeeper({
    clusterId: "test",
    limits: { ...defaultLimits, snapshotEntries: 10 },
    clock: new LifeClock(new VirtualTime()),
    random: new SeededRandom("due"),
    trace: { event: () => {} },
    machine,
    room: {
      newest: null,
      coveredIndex: 0,
      take: (place, _, done) => void taken.push(() => done(kept(place.index))),
      read: () => {},
      receive: (_, done) => done(0),
      received: (_, __, ___, begin, done) => {
        begin(meta);
        done(kept(20));
      },
    },
    peers: {
      isConnected: () => true,
      openBulk: (_, events) => {
        line = events;
        return { send: () => {}, close: () => {} };
      },
    },
    raft,
    discardOnDisk: () => {},
    appliedIndex: () => applied,
    deliver: () => keeper.install(),
    damaged: () => {},
  });
  const hears = (message: BulkMessage) => must(line, "A line was opened").onMessage(message);
  keeper.replayed({ entries: 10, bytes: 10 }, 10);
  keeper.tend();
  keeper.need("n2", 20);
  hears({ kind: "snapshotOffer", name: kept(20).id });
  hears({ kind: "snapshotPiece", name: kept(20).id, offset: 0, bytes: new Uint8Array(10) });
  applied = 20;
  must(taken[0], "The first snapshot was begun")();
  for (const entry of entries.slice(20, 30)) keeper.applied(entry);
  applied = 30;
  keeper.tend();
  assertEquals(taken.length, 2, "ten entries came behind the state that was installed");
});

/** After how many bytes of entries a server takes its first snapshot, and its second one behind that, by the same rule. */
function dueBytes(seed: string): readonly number[] {
  const payload = new Uint8Array(1000);
  const due: number[] = [];
  let bytes = 0;
  const keeper = new SnapshotKeeper({
    clusterId: "test",
    limits: { ...defaultLimits, snapshotBytes: 100_000 },
    clock: new LifeClock(new VirtualTime()),
    random: new SeededRandom(seed),
    trace: { event: () => {} },
    machine: new KeyValueMachine(),
    room: {
      newest: null,
      coveredIndex: 0,
      take: (meta, _, done) => {
        due.push(bytes);
        bytes = 0;
        done({ meta, id: { index: meta.index, term: meta.term, bytes: 10, checksum: 1 } });
      },
      read: () => {},
      receive: (_, done) => done(0),
      received: () => {},
    },
    peers: { isConnected: () => true, openBulk: () => null },
    raft: coreWith([entryOf(1, 1, payload)]),
    discardOnDisk: () => {},
    appliedIndex: () => 1,
    deliver: () => {},
    damaged: () => {},
  });
  while (due.length < 2) {
    bytes += payload.length;
    keeper.applied(entryOf(1, 1, payload));
    keeper.tend();
  }
  return due;
}

Deno.test("servers that apply the same entries are due at different times, each within a quarter of what the limits say", () => {
  const due = Array.from({ length: 20 }, (_, i) => dueBytes(`seed ${i}`));
  for (const bytes of due.flat()) {
    assertGreater(bytes, 74_000);
    assertLessOrEqual(bytes, 125_000);
  }
  for (const place of [0, 1]) assertGreater(new Set(due.map((one) => one[place])).size, 10);
  assertGreater(due.filter(([first, second]) => first !== second).length, 10, "each is drawn anew");
});
