/**
 * One seed: a world made of it and run, with what came of it.
 *
 * @module
 */
import { describeError } from "../../internal/base/errors.ts";
import { Stalled } from "../invariants/convergence.ts";
import { Violation } from "../invariants/ghost.ts";
import type { Observer } from "./observer.ts";
import type { Decaying, Odds } from "./odds.ts";
import { World } from "./world.ts";

/** How long a seed's safety phase lasts, and its clients go on afterwards. */
const FAULTY_MS = 20_000;
const CALM_MS = 2000;

/** What can be false: a promise, progress, or a belief of our own code. */
export type Verdict = "held" | "correctness" | "liveness" | "crash";

export interface SeedOptions {
  readonly faultyMs?: number;
  readonly decaying?: Decaying;
  readonly odds?: Partial<Odds>;
  readonly observer?: Observer;
}

export interface SeedResult {
  readonly seed: number;
  readonly verdict: Verdict;
  /** What was false, as one line; empty where everything held. */
  readonly reason: string;
  /** What was thrown. */
  readonly error: unknown;
  readonly world: World;
}

export function worldOf(seed: number, options: SeedOptions = {}): World {
  return new World({
    seed: `world/${seed}`,
    faultyMs: options.faultyMs ?? FAULTY_MS,
    calmMs: CALM_MS,
    ...(options.decaying === undefined ? {} : { decaying: options.decaying }),
    ...(options.odds === undefined ? {} : { odds: options.odds }),
    ...(options.observer === undefined ? {} : { observer: options.observer }),
  });
}

export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const world = worldOf(seed, options);
  try {
    await world.run();
    return { seed, verdict: "held", reason: "", error: null, world };
  } catch (error) {
    return { seed, verdict: verdictOf(error), reason: describeError(error), error, world };
  }
}

/** The first thing in the chain of causes that says which kind of failure it was. */
function verdictOf(error: unknown): Verdict {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof Violation) return "correctness";
    if (at instanceof Stalled) return "liveness";
  }
  return "crash";
}
