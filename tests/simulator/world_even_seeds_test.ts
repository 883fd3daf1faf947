/**
 * Kind: property (simulation of whole servers), the even seeds; two files, so that two cores share the work.
 *
 * Invariant: under every fault that the coverage matrix names, alone and in pairs, the properties of tests/invariants hold after
 * every step; clients see one store, used by one at a time; nothing acknowledged is lost; and a healed cluster converges.
 *
 * Learnt: see the ledger in TODO.md for what it found.
 */
import { runSeeds, seedsOf } from "./seeds.ts";

const seeds = seedsOf(0, 2);

Deno.test(`a cluster under faults keeps its promises in ${seeds.length} even seeds of 15 simulated seconds, and of 30 every fifth`, () =>
  runSeeds(seeds));
