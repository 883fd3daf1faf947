/**
 * Reads that this server answers from its own state, whoever leads (dissertation 6.4.1, 6.4).
 *
 * A linearizable one asks the leader up to where the log must be applied, which costs the leader no more than a number, and waits for
 * that. One that may be stale is answered at once, if this server knew within the bound that it was not behind.
 *
 * Keeps true:
 *  1. An index that the leader names was confirmed by a round of its own that began after we asked. So at the moment of asking, nothing
 *     was acknowledged that the state at that index lacks: the age of our state counts from there.
 *  2. Reads that wait share one question; those that come meanwhile wait for the next one (R3).
 *  3. A read is refused, for certain, rather than answered from a state that is older than was asked for.
 *
 * @module
 */
import type { Clock, Millis } from "../platform/clock.ts";
import type { LogIndex } from "../raft/types.ts";
import type { Waiter } from "./waiter.ts";

export interface LocalReadsOptions {
  readonly clock: Clock;
  readonly appliedIndex: () => LogIndex;
  /** Asks the leader up to where a read must have applied the log; a text where nobody can say. */
  readonly askIndex: (done: (index: LogIndex | string) => void) => void;
  /** Answers a read as soon as that index is applied. */
  readonly answerAt: (index: LogIndex, waiter: Waiter) => void;
  readonly refuse: (waiter: Waiter, text: string) => void;
}

/** Our state has everything that was acknowledged at that moment, once the index is applied. */
interface Confirmed {
  readonly index: LogIndex;
  readonly at: Millis;
}

export class LocalReads {
  readonly #options: LocalReadsOptions;
  /** Whose question is under way, and who waits for the next one. */
  #asking: Waiter[] | null = null;
  #waiting: Waiter[] = [];
  #confirmed: Confirmed | null = null;
  /** The newest confirmation whose index may not be applied yet. */
  #newest: Confirmed | null = null;

  constructor(options: LocalReadsOptions) {
    this.#options = options;
  }

  /** For how many milliseconds our state may lack what was acknowledged; `null` where it was never confirmed. */
  get ageMs(): Millis | null {
    const confirmed = this.#applied();
    return confirmed === null ? null : this.#options.clock.now() - confirmed.at;
  }

  take(waiter: Waiter, staleMs: Millis | null): void {
    const { ageMs } = this;
    if (staleMs !== null && ageMs !== null && ageMs <= staleMs) {
      return this.#options.answerAt(this.#options.appliedIndex(), waiter);
    }
    this.#waiting.push(waiter);
    if (this.#asking === null) this.#ask();
  }

  #ask(): void {
    const { clock, askIndex, answerAt, refuse } = this.#options;
    const asking = this.#waiting;
    if (asking.length === 0) return;
    this.#waiting = [];
    this.#asking = asking;
    const at = clock.now();
    askIndex((index) => {
      this.#asking = null;
      if (typeof index === "string") {
        const age = this.ageMs;
        const known = age === null ? "of an unknown age" : `${Math.ceil(age)} ms old`;
        for (const waiter of asking) refuse(waiter, `NOLEADER ${index}; the state here is ${known}`);
      } else {
        this.#newest = { index, at };
        for (const waiter of asking) answerAt(index, waiter);
      }
      this.#ask();
    });
  }

  /** The newest confirmation whose index is applied. */
  #applied(): Confirmed | null {
    if (this.#newest !== null && this.#newest.index <= this.#options.appliedIndex()) {
      this.#confirmed = this.#newest;
    }
    return this.#confirmed;
  }
}
