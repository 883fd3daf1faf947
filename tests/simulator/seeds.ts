/**
 * Runs a range of seeds of the world, and says how to run a failing one again.
 *
 * `RAFTLINE_SEEDS` is how many seeds all test files run together (default 1,000), `RAFTLINE_FIRST_SEED` where they begin. `RAFTLINE_HISTORY` is a
 * file that each seed's history is written to, for `raftline check`; `{seed}` in it stands for the seed's number.
 *
 * @module
 */
import { assertGreaterOrEqual } from "@std/assert";
import process from "node:process";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { writeHistory } from "./linearizability.ts";
import { strikes } from "./odds.ts";
import { ANSWERS_MS, World } from "./world.ts";

const CALM_MS = 5000;
const FAULTY_MS = 30_000;

export function worldOf(seed: number, faultyMs = FAULTY_MS): World {
  return new World({ seed: `world/${seed}`, faultyMs, calmMs: CALM_MS });
}

/** The seeds of one of several test files. */
export function seedsOf(part: number, parts: number): readonly number[] {
  const count = Number(process.env["RAFTLINE_SEEDS"] ?? 1000);
  const first = Number(process.env["RAFTLINE_FIRST_SEED"] ?? 1);
  return Array.from({ length: count }, (_, i) => first + i).filter((seed) => seed % parts === part);
}

/** Runs the seeds; throws at the first that breaks a promise. */
export async function runSeeds(seeds: readonly number[]): Promise<void> {
  await loadCrc32c();
  const total = new Map<string, number>();
  const startedAt = performance.now();
  for (const seed of seeds) {
    const world = worldOf(seed);
    try {
      await world.run();
    } catch (cause) {
      throw new Error(
        `seed ${seed} at ${world.time.now.toFixed(3)} ms, odds ${
          JSON.stringify(world.odds)
        }; again: RAFTLINE_SEEDS=1 RAFTLINE_FIRST_SEED=${seed} deno test -A --no-check tests/simulator`,
        { cause },
      );
    } finally {
      const path = process.env["RAFTLINE_HISTORY"];
      if (path !== undefined) writeHistory(world.history, path, seed);
    }
    const parts = [world.counts, world.network.counts, world.history.counts].flatMap((counts) =>
      Object.entries(counts)
    );
    for (const [name, count] of [...parts, ...world.strikes]) total.set(name, (total.get(name) ?? 0) + count);
  }
  const speed = seeds.length * (FAULTY_MS + CALM_MS + ANSWERS_MS) / (performance.now() - startedAt);
  console.log(`    ${JSON.stringify(Object.fromEntries(total))}, ${speed.toFixed(0)} x real time`);
  // A few seeds alone may lack a kind of fault; many that lack it test less than they claim.
  if (seeds.length < 100) return;
  assertGreaterOrEqual(total.get("ok") ?? 0, seeds.length * 50);
  const fired = [
    ...strikes,
    "lost",
    "duplicated",
    "broken",
    "replayed",
    "corrupted",
    "split",
    "damaged",
    "unknown",
  ];
  for (const name of fired) assertGreaterOrEqual(total.get(name) ?? 0, seeds.length / 20, name);
}
