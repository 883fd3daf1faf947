/**
 * Which of two ways serves more: both are tried in turn, and the second one is taken where it is better by more than chance.
 *
 * A period is so many batches and so many milliseconds at least; periods come in pairs, one of each way, the first of a pair in turn, so
 * that what changes slowly (a machine that warms up) favours nobody. What counts is the median of the ratios of the pairs: one long stall of a
 * disk spoils one pair. A period in which nothing was asked for a while is begun anew, as it tells nothing.
 *
 * Keeps true: the first way is taken unless the second served more; what was settled is tried again after a time under load, which is short for
 * a verdict that is new and twice as long each time that it is the same again: one in fifty is chance's, and is soon put right.
 *
 * @module
 */
import type { Millis } from "../platform/clock.ts";

const PAIRS = 9;
const PERIOD_MS = 20;
const PERIOD_BATCHES = 16;
/** So much more has the second way to serve. */
const GAIN_MIN = 1.04;
/** After so long without a batch a period begins anew. */
const PAUSE_MS = 100;
/** For so long nothing is tried again after a verdict that is another one than before, and at most; pauses do not count. */
const SETTLED_MS_MIN = 1250;
const SETTLED_MS_MAX = 20_000;

export class Trial {
  #isSecond = false;
  /** The rates of whole periods of this trial, the first way's and the second's. */
  #rates: { first: number[]; second: number[] } = { first: [], second: [] };
  #began: Millis | null = null;
  #lastServed: Millis = 0;
  #commands = 0;
  #batches = 0;
  /** Milliseconds under load until the next trial; 0 while one is under way. */
  #settledMs = 0;
  /** The verdict of the last trial for this load, and for how long it was settled. */
  #verdict: { readonly isSecond: boolean; readonly settledMs: number } | null = null;

  /** Whether the second way is to be gone now. */
  get isSecond(): boolean {
    return this.#isSecond;
  }

  /** What was settled is not so any more: the load is another one. */
  restart(): void {
    this.#verdict = null;
    this.#begin();
  }

  #begin(): void {
    this.#settledMs = 0;
    this.#rates = { first: [], second: [] };
    this.#isSecond = false;
    this.#beginPeriod(null);
  }

  /** A batch of so many commands was served. */
  served(commands: number, now: Millis): void {
    const sinceLast = now - this.#lastServed;
    this.#lastServed = now;
    if (this.#settledMs > 0) {
      this.#settledMs -= Math.min(sinceLast, PAUSE_MS);
      if (this.#settledMs <= 0) this.#begin();
    } else if (this.#began === null || sinceLast > PAUSE_MS) this.#beginPeriod(now);
    else {
      this.#commands += commands;
      this.#batches++;
      const elapsed = now - this.#began;
      if (this.#batches >= PERIOD_BATCHES && elapsed >= PERIOD_MS) this.#endPeriod(elapsed, now);
    }
  }

  #beginPeriod(now: Millis | null): void {
    this.#began = now;
    this.#commands = 0;
    this.#batches = 0;
  }

  #endPeriod(elapsed: number, now: Millis): void {
    const { first, second } = this.#rates;
    (this.#isSecond ? second : first).push(this.#commands / elapsed);
    this.#beginPeriod(now);
    if (first.length !== second.length) this.#isSecond = !this.#isSecond;
    else if (first.length === PAIRS) this.#settle();
  }

  #settle(): void {
    const { first, second } = this.#rates;
    const ratios = second.map((rate, i) => rate / (first[i] ?? rate)).sort((a, b) => a - b);
    const isSecond = (ratios[PAIRS >> 1] ?? 0) >= GAIN_MIN;
    const settledMs = this.#verdict?.isSecond === isSecond
      ? Math.min(2 * this.#verdict.settledMs, SETTLED_MS_MAX)
      : SETTLED_MS_MIN;
    this.#verdict = { isSecond, settledMs };
    this.#isSecond = isSecond;
    this.#rates = { first: [], second: [] };
    this.#settledMs = settledMs;
  }
}
