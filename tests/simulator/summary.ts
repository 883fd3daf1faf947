/**
 * What is left of a seed once it was run, and of many of them: plain data, so that it can travel between processes.
 *
 * @module
 */
import { Coverage, type FaultClass, faultClasses, firedIn } from "./coverage.ts";
import type { SeedResult, Verdict } from "./run_seed.ts";

export interface SeedSummary {
  readonly seed: number;
  readonly verdict: Verdict;
  /** What was false, on one line; empty where everything held. */
  readonly reason: string;
  readonly simulatedMs: number;
  readonly events: number;
  /** Operations that were answered with what they asked for, and all that were asked. */
  readonly served: number;
  readonly asked: number;
  /** How long the core took from the end of the faults until each of its servers served. */
  readonly servedMs: number;
  readonly fired: readonly (readonly [FaultClass, number])[];
}

export function summaryOf({ seed, verdict, reason, world }: SeedResult): SeedSummary {
  return {
    seed,
    verdict,
    reason,
    simulatedMs: world.time.now,
    events: world.counts.events,
    served: world.history.counts.ok,
    asked: world.history.operations.length,
    servedMs: verdict === "held" ? world.recovery.servedMs : 0,
    fired: [...firedIn(world)],
  };
}

/** A summary that came as text from another process; `null` where it is none. */
export function readSummary(line: string): SeedSummary | null {
  const value: unknown = JSON.parse(line);
  return isSummary(value) ? value : null;
}

const NUMBERS = ["seed", "simulatedMs", "events", "served", "asked", "servedMs"] as const;
const VERDICTS: readonly unknown[] = ["held", "correctness", "liveness", "crash"] satisfies Verdict[];

function isSummary(value: unknown): value is SeedSummary {
  if (value === null || typeof value !== "object") return false;
  const names: readonly unknown[] = faultClasses;
  const member = (name: string): unknown => Reflect.get(value, name);
  const fired = member("fired");
  return NUMBERS.every((name) => typeof member(name) === "number") && VERDICTS.includes(member("verdict")) &&
    typeof member("reason") === "string" && Array.isArray(fired) &&
    fired.every((pair) =>
      Array.isArray(pair) && pair.length === 2 && names.includes(pair[0]) && typeof pair[1] === "number"
    );
}

/** What many seeds came to. */
export class Tally {
  readonly coverage = new Coverage();
  seeds = 0;
  simulatedMs = 0;
  events = 0;
  served = 0;
  asked = 0;
  readonly #servedMs: number[] = [];
  /** Those that did not hold, in the order in which they ended. */
  readonly broken: SeedSummary[] = [];

  add(summary: SeedSummary): void {
    this.seeds++;
    this.simulatedMs += summary.simulatedMs;
    this.events += summary.events;
    this.served += summary.served;
    this.asked += summary.asked;
    this.coverage.add(new Map(summary.fired));
    if (summary.verdict === "held") this.#servedMs.push(summary.servedMs);
    else this.broken.push(summary);
  }

  /** Faults of all classes. */
  get faults(): number {
    return [...this.coverage.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** From the end of the faults until every server of the core served: the median, and the longest. */
  get recoveryMs(): readonly [median: number, longest: number] {
    const sorted = this.#servedMs.toSorted((a, b) => a - b);
    return [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
  }
}
