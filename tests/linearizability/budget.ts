/**
 * How much a check may cost, and the count of what it has cost.
 *
 * Keeps true: what is spent is counted in steps and not in time, so that the same history with the same limits always has the same verdict.
 * Whoever wants a limit in time has `onProgress` end the check.
 *
 * @module
 */

/** How far a check has come. */
export interface Progress {
  /** The key that is being checked, how many were checked before it, and how many there are. */
  readonly key: string;
  readonly keysDone: number;
  readonly keys: number;
  /** Operations of this key that are placed, of how many. */
  readonly placed: number;
  readonly operations: number;
  /** Since the check began. */
  readonly steps: number;
}

export interface Limits {
  /** Operations placed, over all attempts. */
  readonly stepsMax: number;
  /** Memory for what was tried in vain on one key. */
  readonly memoryBytesMax: number;
  /** Called now and then; `false` ends the check without a verdict. */
  readonly onProgress?: (progress: Progress) => boolean;
}

/** Far beyond what a history of a test needs. */
export const defaultLimits: Limits = { stepsMax: 1_000_000_000, memoryBytesMax: 1024 * 1024 * 1024 };

/** A power of two: `onProgress` is called once in so many steps. */
const PROGRESS_STEPS = 65_536;

export class Budget {
  readonly limits: Limits;
  readonly keys: number;
  keysDone = 0;
  key = "";
  steps = 0;
  #stepsMax: number;

  constructor(limits: Limits, keys: number) {
    this.limits = limits;
    this.keys = keys;
    this.#stepsMax = limits.stepsMax;
  }

  /** Gives what comes next so many steps and no more. */
  allow(steps: number): void {
    this.#stepsMax = Math.min(this.limits.stepsMax, this.steps + steps);
  }

  /** Counts one step; why the search has to end, or `null`. */
  spend(placed: number, operations: number, memoryBytes: number): string | null {
    const { memoryBytesMax, onProgress } = this.limits;
    if (++this.steps > this.#stepsMax) return `the search took more than ${this.#stepsMax} steps`;
    if (memoryBytes > memoryBytesMax) {
      return `what was tried in vain takes more than ${memoryBytesMax} bytes`;
    }
    if (onProgress === undefined || this.steps % PROGRESS_STEPS !== 0) return null;
    const { key, keys, keysDone, steps } = this;
    return onProgress({ key, keys, keysDone, placed, operations, steps }) ? null : "the time is up";
  }
}
