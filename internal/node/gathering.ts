/**
 * Whether a leader's writes wait a moment for others to share an entry with (group commit).
 *
 * A batch costs the same on each server however few commands it has: a message, a write, an answer. Clients that each wait for an answer
 * before they ask again fall into two halves by themselves: while the writes of one half are under way, the other half asks. So each batch
 * has half of the clients, and where the processors are what everybody waits for, that is twice as many batches as need be. So a
 * leader may hold back what it gathered until what is under way was applied, and until as many are there as waited together lately.
 *
 * Where processors are idle this only costs time. So it is done only where a trial shows that more is served with it (trial.ts).
 *
 * Keeps true: nothing is held for longer than so many milliseconds; where others do not come within that, it is tried less and less
 * often; few commands are never held.
 *
 * @module
 */
import type { Millis } from "../platform/clock.ts";
import { Trial } from "./trial.ts";

export interface GatheringLimits {
  /** Where fewer commands waited together lately nothing is held; Infinity for never. */
  readonly gatherCommandsMin: number;
  /** Nothing is held for longer. */
  readonly gatherMs: number;
}

/** The most that waited together is that of so many batches at least, and of twice as many at most. */
const PEAK_BATCHES = 32;
/** One in so many of those that are expected may be missing. */
const MISSING_SHARE = 32;
/** After a hold that nobody came to, so many batches are not held; twice as many each time. */
const UNHELD_MIN = 2;
const UNHELD_MAX = 1024;
/** Whoever waited together so long ago is not expected any more. */
const FORGET_MS = 200;
/** The load is another one when so many times as many, or as few, wait together. */
const OTHER_LOAD = 1.75;

/** What waits, in commands. */
export interface Waiting {
  readonly gathered: number;
  /** Those, and what is under way. */
  readonly all: number;
  readonly isUnderWay: boolean;
}

export class Gathering {
  readonly #limits: GatheringLimits;
  readonly #trial = new Trial();
  /** The most that waited together in the present batches, and in those before. */
  #peak = 0;
  #peakBefore = 0;
  #batches = 0;
  #lastBatch: Millis = -Infinity;
  /** The peak for which the trial is. */
  #tried = 0;
  #heldSince: Millis | null = null;
  #unheld = 0;
  #unheldNext = UNHELD_MIN;

  constructor(limits: GatheringLimits) {
    this.#limits = limits;
  }

  /** Until when what was gathered waits for others, at most; `null` where it is handed on now. */
  holdsUntil(now: Millis, { gathered, all, isUnderWay }: Waiting): Millis | null {
    if (now - this.#lastBatch > FORGET_MS && this.#heldSince === null) this.#peak = this.#peakBefore = 0;
    this.#peak = Math.max(this.#peak, all);
    const expected = Math.max(this.#peak, this.#peakBefore);
    if (expected < this.#limits.gatherCommandsMin) return this.#release(now);
    if (expected > this.#tried * OTHER_LOAD || expected < this.#tried / OTHER_LOAD) {
      this.#tried = expected;
      this.#trial.restart();
    }
    if (!this.#trial.isSecond || this.#unheld > 0) return this.#release(now);
    if (!isUnderWay && gathered >= expected - Math.floor(expected / MISSING_SHARE)) {
      this.#unheldNext = Math.max(UNHELD_MIN, this.#unheldNext >> 1);
      return this.#release(now);
    }
    this.#heldSince ??= now;
    const until = this.#heldSince + this.#limits.gatherMs;
    if (now < until) return until;
    // They did not come: whoever is there is all that can be expected.
    this.#peak = all;
    this.#peakBefore = 0;
    this.#unheld = this.#unheldNext;
    this.#unheldNext = Math.min(UNHELD_MAX, this.#unheldNext * 2);
    return this.#release(now);
  }

  /** A batch of so many commands was applied. */
  served(commands: number, now: Millis): void {
    if (Math.max(this.#peak, this.#peakBefore) >= this.#limits.gatherCommandsMin) {
      this.#trial.served(commands, now);
    }
  }

  #release(now: Millis): null {
    this.#heldSince = null;
    this.#lastBatch = now;
    if (this.#unheld > 0) this.#unheld--;
    if (++this.#batches % PEAK_BATCHES === 0) {
      this.#peakBefore = this.#peak;
      this.#peak = 0;
    }
    return null;
  }
}
