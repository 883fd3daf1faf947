/**
 * Kind: unit.
 *
 * Invariant: a digest is agreed upon when a quorum told the same one for the same place, once a reign; whoever had another one there is
 * told so, and whoever had none is not.
 *
 * Learnt: the fault that corrupts memory on purpose needs whole servers and minutes; which of the rules here is broken it
 * cannot tell.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { Divergence } from "../../internal/node/divergence.ts";

const isQuorum = (servers: ReadonlySet<string>) => servers.size >= 2;

Deno.test("one voice is none, two that differ are none, two that agree are one, and said once", () => {
  const one = new Divergence(4);
  assertEquals(one.told("a", 4, 7, isQuorum), null);
  assertEquals(one.told("a", 4, 7, isQuorum), null, "the same voice again");
  assertEquals(one.told("b", 4, 8, isQuorum), null, "another digest");
  assertEquals(one.told("c", 8, 7, isQuorum), null, "another place");
  assertEquals(one.told("c", 4, 7, isQuorum), { index: 4, digest: 7 });
  assertEquals(one.told("b", 4, 7, isQuorum), null, "it is on its way already");
  one.reset();
  assertEquals([one.told("a", 4, 7, isQuorum), one.told("b", 4, 7, isQuorum)], [null, {
    index: 4,
    digest: 7,
  }]);
});

Deno.test("who differs is told, who agrees or has no digest of that place is not", () => {
  const one = new Divergence(4);
  one.note(4, 7);
  assertEquals(one.agreed(4, 7), null);
  assertEquals(one.agreed(8, 9), null);
  assertMatch(one.agreed(4, 9) ?? "", /index 4 .* 7, .* 9/);
});

Deno.test("a digest is due every so many entries, and old ones are forgotten", () => {
  const one = new Divergence(4);
  assertEquals([1, 4, 6, 8].map((index) => one.isDue(index)), [false, true, false, true]);
  for (let i = 1; i <= 40; i++) one.note(4 * i, i);
  assertEquals(one.agreed(4, 99), null);
  assertMatch(one.agreed(160, 99) ?? "", /160/);
});
