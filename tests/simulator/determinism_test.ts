/**
 * Kind: property (simulation of whole servers).
 *
 * Invariant: the same seed gives the same run, event for event, and another seed another (I37).
 *
 * Learnt: whatever asks the runtime for time, chance or order breaks this first; nothing in the house does. That two engines agree is asked of
 * the programs themselves (tests/process/simulate_test.ts).
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { runSeed } from "./run_seed.ts";

Deno.test("the same seed gives the same run, another seed another", async () => {
  await loadCrc32c();
  const hashes = new Set<string>();
  for (let seed = 1; seed <= 12; seed++) {
    const [first, second] = [
      await runSeed(seed, { faultyMs: 5000, decaying: seed % 2 === 0 ? "always" : "drawn" }),
      await runSeed(seed, { faultyMs: 5000, decaying: seed % 2 === 0 ? "always" : "drawn" }),
    ];
    const { traceHash, counts, time } = first.world;
    assert(counts.steps > 100);
    assertEquals([second.world.traceHash, second.world.counts, second.world.time.now], [
      traceHash,
      counts,
      time.now,
    ]);
    hashes.add(traceHash);
  }
  assertEquals(hashes.size, 12);
  const other = await runSeed(1, { faultyMs: 5000, odds: { clients: 7 } });
  assertNotEquals(other.world.traceHash, (await runSeed(1, { faultyMs: 5000 })).world.traceHash);
});
