/**
 * Kind: unit (one node, its disk and its peers played by hand).
 *
 * Invariant: a server whose state is not that of a majority stops with 70 and a line that says so, whichever role it has, once the
 * digests of an index were agreed upon; a majority is not stopped by one that differs, nor by one that says nothing.
 *
 * Learnt: the state is corrupted behind the log's back here, as a flipped bit that a command was misread by would: the checksum of the pair is sound, so
 * only a comparison can tell.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { encodeCommandBatch } from "../../internal/codec/command_batch.ts";
import { Refusal } from "../../internal/base/errors.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { defaultLimits } from "../../internal/node/limits.ts";
import { Replay } from "../../internal/node/replay.ts";
import { NodeStage } from "./node_stage.ts";

const EVERY = 4;

/** A leader that applied entries up to a digest; gives that digest and its index. */
function leaderWithDigest(corrupt: (stage: NodeStage) => void) {
  const stage = new NodeStage({ divergenceEntries: EVERY });
  stage.lead();
  stage.acknowledge();
  corrupt(stage);
  for (let at = stage.node.status().lastIndex; at < EVERY; at++) {
    stage.ask("set", "key", "value");
    stage.sync();
    stage.acknowledge();
  }
  return stage;
}

/** What the state of a server is that applied the same and is sound. */
function digestOfOthers(): number {
  return leaderWithDigest(() => {}).machine.digest();
}

function set(key: string, value: string): Uint8Array {
  return encodeCommand(Operation.set, [key, value, ""].map(bytesOfLatin1));
}

function flip({ machine }: NodeStage): void {
  machine.apply(set("other", "value that nobody wrote"));
}

function settle(stage: NodeStage): void {
  stage.sync();
  stage.acknowledge();
}

Deno.test("a leader whose memory changed stops once two followers agree on another state", () => {
  const stage = leaderWithDigest(flip);
  const digest = digestOfOthers();
  for (const from of ["n2", "n3"]) {
    assertEquals(stage.fatal, null);
    stage.hears(from, { kind: "digestReport", index: EVERY, digest });
  }
  settle(stage);
  assertMatch(stage.fatal?.message ?? "", /not what it must be: behind index 4 /);
  assertEquals(stage.fatal instanceof Refusal && stage.fatal.exitCode, 70);
});

Deno.test("one follower that differs stops nobody else", () => {
  const stage = leaderWithDigest(() => {});
  const digest = digestOfOthers();
  stage.hears("n2", { kind: "digestReport", index: EVERY, digest: digest + 1 });
  settle(stage);
  const { lastIndex } = stage.node.status();
  stage.hears("n3", { kind: "digestReport", index: EVERY, digest });
  settle(stage);
  assertEquals(stage.node.status().lastIndex, lastIndex + 1);
  assertEquals(stage.fatal, null);
});

for (const [name, isSound] of [["sound", true], ["corrupted", false]] as const) {
  Deno.test(`a follower that is ${name} learns from the log what a majority has`, () => {
    const stage = new NodeStage({ divergenceEntries: EVERY });
    stage.follow("n2", 1);
    if (!isSound) flip(stage);
    const entry = (index: number, bytes: Uint8Array): Entry => ({
      index,
      term: 1,
      kind: "command",
      configuration: null,
      payload: encodeCommandBatch([bytes]),
      record: null,
    });
    const append = (from: number, entries: readonly Entry[], leaderCommit: number) => {
      stage.hears("n2", {
        kind: "appendEntriesRequest",
        term: 1,
        prevLogIndex: from,
        prevLogTerm: from === 0 ? 0 : 1,
        entries,
        leaderCommit,
        health: { diskMs: 0, loopMs: 0 },
        epoch: 0,
        round: 0,
      });
      stage.sync();
    };
    const { lastIndex } = stage.node.status();
    const entries: Entry[] = [];
    for (let index = lastIndex + 1; index <= EVERY; index++) {
      entries.push(entry(index, set("key", "value")));
    }
    append(lastIndex, entries, EVERY);
    const [told] = stage.take("digestReport");
    assertEquals(told?.index, EVERY);
    const agreed = isSound ? told?.digest ?? 0 : digestOfOthers();
    const args = [EVERY, agreed].map((number) => bytesOfLatin1(String(number)));
    append(EVERY, [entry(EVERY + 1, encodeCommand(Operation.check, args))], EVERY + 1);
    assertEquals(stage.fatal === null, isSound, String(stage.fatal));
  });
}

Deno.test("a replay that begins again at nothing begins with the state of nothing", () => {
  const machine = new KeyValueMachine();
  const replay = new Replay(machine, defaultLimits);
  const payload = encodeCommandBatch([set("key", "value")]);
  const nothing = machine.digest();
  replay.begins(0);
  replay.take({ index: 1, term: 1, kind: "command", payload, configuration: null, record: null });
  assertEquals([machine.size(), replay.appliedIndex, replay.applied.entries], [1, 1, 1]);
  replay.begins(0);
  assertEquals([machine.size(), machine.digest()], [0, nothing]);
  assertEquals([replay.appliedIndex, replay.applied], [0, { entries: 0, bytes: 0 }]);
});

for (const [what, isSame] of [["stops", false], ["goes on", true]] as const) {
  Deno.test(`a server that applied its log at the start ${what} where the digest in it is ${isSame ? "its" : "not its"} own`, () => {
    const machine = new KeyValueMachine();
    const replay = new Replay(machine, { ...defaultLimits, divergenceEntries: EVERY });
    const entries: Entry[] = [];
    const take = (command: Uint8Array) => {
      const entry: Entry = {
        index: entries.length + 1,
        term: 1,
        kind: "command",
        payload: encodeCommandBatch([command]),
        configuration: null,
        record: null,
      };
      entries.push(entry);
      replay.take(entry);
    };
    replay.begins(0);
    for (let at = 1; at <= EVERY; at++) take(set("key", `value ${at}`));
    const digest = machine.digest() + (isSame ? 0 : 1);
    take(encodeCommand(Operation.check, [String(EVERY), String(digest)].map(bytesOfLatin1)));
    take(set("key", "later"));
    const hardState = { currentTerm: 1, votedFor: null };
    const recovered = { hardState, commitIndex: entries.length, entries };
    const { fatal, node } = new NodeStage({ divergenceEntries: EVERY }, "node", {
      recovered,
      machine,
      replay,
    });
    assertEquals(node.status().appliedIndex, entries.length);
    if (isSame) assertEquals(fatal, null);
    else assertMatch(fatal?.message ?? "", /not what it must be: behind index 4 /);
  });
}
