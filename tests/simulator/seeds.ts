/**
 * Runs a range of seeds of the world under the test runner, and says how to run a failing one again.
 *
 * `RAFTLINE_SEEDS` is how many seeds all test files run together, `RAFTLINE_FIRST_SEED` where they begin. `RAFTLINE_HISTORY` is a
 * file that each seed's history is written to, for `raftline check`; `{seed}` in it stands for the seed's number.
 *
 * @module
 */
import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import process from "node:process";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { Coverage, firedIn } from "./coverage.ts";
import { writeHistory } from "./linearizability.ts";
import { runSeed } from "./run_seed.ts";

/** So many seeds that every pair of faults meets in each half of them. */
const SEEDS = 5000;
/** Fewer are for whoever works on something, and need not show everything. */
const SEEDS_THAT_COVER = 2000;

/** One in so many seeds is long: at least 30 simulated seconds, the end of the faults and what follows it included. */
const LONG_ONE_IN = 5;
const LONG_FAULTY_SECONDS = 28;
/** Enough for several elections, snapshots and changes of members. */
const FAULTY_SECONDS = 12;

/** The seeds of one of several test files. */
export function seedsOf(part: number, parts: number): readonly number[] {
  const count = Number(process.env["RAFTLINE_SEEDS"] ?? SEEDS);
  const first = Number(process.env["RAFTLINE_FIRST_SEED"] ?? 1);
  return Array.from({ length: count }, (_, i) => first + i).filter((seed) => seed % parts === part);
}

/** Runs the seeds; throws at the first that breaks a promise. */
export async function runSeeds(seeds: readonly number[]): Promise<void> {
  await loadCrc32c();
  const coverage = new Coverage();
  const startedAt = performance.now();
  let simulatedMs = 0;
  let served = 0;
  for (const seed of seeds) {
    const faultySeconds = seed % LONG_ONE_IN === 0 ? LONG_FAULTY_SECONDS : FAULTY_SECONDS;
    const { verdict, reason, error, world } = await runSeed(seed, { faultyMs: faultySeconds * 1000 });
    const path = process.env["RAFTLINE_HISTORY"];
    if (path !== undefined) writeHistory(world.history, path, seed);
    if (verdict !== "held") {
      throw new Error(
        `seed ${seed}: ${verdict} at ${world.time.now.toFixed(3)} ms: ${reason}; odds ${
          JSON.stringify(world.odds)
        }; again: deno task simulate --seed ${seed} --faulty-seconds ${faultySeconds}`,
        { cause: error },
      );
    }
    coverage.add(firedIn(world));
    simulatedMs += world.time.now;
    served += world.history.counts.ok;
    // A run in which nothing is served tests nothing: its core served at least its probes.
    assertGreaterOrEqual(world.history.counts.ok, 4, `seed ${seed}`);
  }
  const speed = simulatedMs / (performance.now() - startedAt);
  console.log(`${coverage.table}\n    ${served} operations served, ${speed.toFixed(0)} x real time`);
  if (seeds.length < SEEDS_THAT_COVER) return;
  assertEquals(coverage.missing, []);
  assertGreaterOrEqual(served, seeds.length * 200);
}
