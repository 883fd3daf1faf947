/**
 * Kind: unit (one node, its disk and its peers played by hand).
 *
 * Invariant: a server that was removed says so once, when others turn it away, whether it knew it from its own log or hears of it from them.
 *
 * Learnt: a leader that removed itself knows it before anybody tells it, and said nothing (one run in ten of tests/process/operate_test.ts).
 */
import { assertEquals } from "@std/assert";
import { birth } from "../scenarios/stage.ts";
import { NodeStage } from "./node_stage.ts";

const SAYS = "this server is no member of the cluster any more: it may be stopped";

const CASES = [
  { what: "knows it from its own log", members: ["n2", "n3"], saidAfterOne: 1 },
  { what: "hears of it from two of three, itself the third", members: ["n1", "n2", "n3"], saidAfterOne: 0 },
];

for (const { what, members, saidAfterOne } of CASES) {
  Deno.test(`a server that was removed and ${what} says so once`, () => {
    const stage = new NodeStage({}, what, { recovered: birth(members) });
    const said = () => stage.said.filter((event) => event === SAYS).length;
    assertEquals(said(), 0);
    stage.turnedAwayBy("n2");
    assertEquals(said(), saidAfterOne);
    for (const id of ["n3", "n2", "n3"]) stage.turnedAwayBy(id);
    assertEquals(said(), 1);
  });
}
