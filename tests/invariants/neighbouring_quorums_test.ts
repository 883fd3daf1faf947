/**
 * Kind: unit (tables of two configurations).
 *
 * Invariant: the property of neighbouring configurations (I20, I21) catches two of which quorums do not meet, and a change that begins
 * before the one before it is committed; and lets every legal step pass.
 *
 * Learnt: a real core refuses to make such steps, but not to start on a disk that holds one.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import { Raft } from "../../internal/raft/raft.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import type { ConfigurationValue, Entry } from "../../internal/raft/types.ts";
import { birth } from "../scenarios/stage.ts";
import { Ghost, Violation } from "./ghost.ts";
import { NeighbouringQuorums } from "./neighbouring_quorums.ts";

/** `A B C` of voters, or `A B D/A B C` of a joint one. */
function configurationOf(text: string): ConfigurationValue {
  const [voters = "", outgoing = ""] = text.split("/");
  const all = new Set(`${voters} ${outgoing}`.trim().split(" "));
  const { members } = configurationOfVoters([...all]);
  return {
    voters: voters.split(" "),
    outgoing: outgoing === "" ? [] : outgoing.split(" "),
    learners: [],
    members,
  };
}

function startedOn(configurations: readonly string[]) {
  const [first = "", ...later] = configurations;
  const entries: Entry[] = later.map((text, place) => ({
    index: place + 1,
    term: 1,
    kind: "configuration",
    payload: new Uint8Array(0),
    configuration: configurationOf(text),
    record: null,
  }));
  return new Raft({
    id: "A",
    settings: defaultSettings,
    recovered: { hardState: { currentTerm: 1, votedFor: null }, ...birth(first.split(" ")), entries },
    random: new SeededRandom("quorums"),
    now: 0,
  });
}

for (
  const { configurations, says } of [
    { configurations: ["A B C", "A B D/A B C", "A B D"], says: null },
    { configurations: ["A", "A B C D/A", "A B C D"], says: null },
    { configurations: ["A B C", "A B C D"], says: null },
    { configurations: ["A B C", "A B D"], says: "at 1 of which B,D is a quorum, before which A,C was one" },
    { configurations: ["A B C", "C D/A B C", "E"], says: "at 2" },
    { configurations: ["A B C", "A D E/A B C", "A B C/A D E", "B C D"], says: "at 3 of which C,D" },
    { configurations: ["A", "B"], says: "at 1" },
  ]
) {
  Deno.test(`neighbouring quorums: ${configurations.join(", then ")}: ${says === null ? "pass" : "caught"}`, () => {
    const ghost = new Ghost([new NeighbouringQuorums()]);
    ghost.started("A", startedOn(configurations.slice(0, 1)));
    const start = () => ghost.started("A", startedOn(configurations));
    if (says === null) start();
    else assertThrows(start, Violation, says);
  });
}

Deno.test("neighbouring quorums: a leader that changes the members twice before the first change is committed is caught", () => {
  const raft = startedOn(["A B C", "A B/A B C", "A B"]);
  const ghost = new Ghost([]);
  const is = { ...ghost.started("A", raft), role: "leader" as const };
  const [, first, second] = ghost.prefixOf("A");
  const entered = [{ index: 1, term: 1, hash: first ?? -1 }, { index: 2, term: 1, hash: second ?? -1 }];
  const observation = { server: "A", was: is, is, effects: [], entered, removed: null, log: raft.log };
  assertEquals(is.commitIndex, 0);
  assertThrows(
    () => new NeighbouringQuorums().check(observation, ghost),
    Violation,
    "at 2, before the change at 1",
  );
  new NeighbouringQuorums().check({ ...observation, is: { ...is, commitIndex: 1 } }, ghost);
});
