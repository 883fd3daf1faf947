/**
 * Kind: property (simulation of whole servers).
 *
 * Invariant: the same seed gives the same run, event for event, and another seed another.
 *
 * Learnt: whatever asks the runtime for time, chance or order breaks this first; nothing in the house does.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { worldOf } from "./seeds.ts";

Deno.test("the same seed gives the same run, another seed another", async () => {
  await loadCrc32c();
  for (const seed of [7, 12, 33]) {
    const [first, second, other] = [worldOf(seed, 10_000), worldOf(seed, 10_000), worldOf(seed + 1, 10_000)];
    await first.run();
    await second.run();
    await other.run();
    assert(first.counts.steps > 100);
    assertEquals([second.traceHash, second.counts.events], [first.traceHash, first.counts.events]);
    assertNotEquals(other.traceHash, first.traceHash);
  }
});
