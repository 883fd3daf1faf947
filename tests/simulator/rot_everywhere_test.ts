/**
 * Kind: property (simulation of whole servers whose disks are all damaged at once).
 *
 * Invariant: where every disk is damaged in places of its own, in the log or in all snapshots, and each entry that is committed stays whole on the
 * disks of a quorum, nothing that was acknowledged is lost: no property is broken, no two answers differ, and all that is committed is whole on some
 * disk. The servers give each other what they lost, as entries or as snapshots, and go on (docs/repair.md). Where no quorum knows where its logs
 * ended, and nowhere else, a cluster may stand still, and says nothing that is not so.
 *
 * Learnt: without snapshots from each other one cluster of a hundred stands still; some of those are among the seeds that were found
 * (found_seeds_test.ts).
 */
import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { runSeed } from "./run_seed.ts";

const SEEDS = 60;

Deno.test(`nothing is lost in ${SEEDS} clusters of which every disk is damaged at once, each in a place of its own`, async () => {
  await loadCrc32c();
  let damaged = 0;
  let lost = 0;
  let goOn = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { verdict, reason, world } = await runSeed(seed, { faultyMs: 4000, decaying: "everywhere" });
    assertEquals([verdict, reason], ["held", ""], `seed ${seed}`);
    damaged += world.counts.apart;
    lost += world.counts.losses;
    if (!world.standsStill) goOn++;
  }
  // Most servers of most clusters, or it tests nothing.
  assertGreaterOrEqual(damaged, 2 * SEEDS);
  assertGreaterOrEqual(lost, 2 * SEEDS);
  assertGreaterOrEqual(goOn, SEEDS - 1);
});
