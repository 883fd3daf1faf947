/**
 * Leader stability: after the last fault leadership changes only a few times, and terms grow only a little (I34).
 *
 * With pre-vote a server that campaigns in vain moves nobody's term, and a leader that lives is not unseated (9.6, 4.2.3).
 *
 * @module
 */
import type { Term } from "../../internal/raft/types.ts";
import { Stalled } from "./convergence.ts";

export class StableLeader {
  readonly #changesMax: number;
  readonly #termsMax: number;
  #changes = 0;
  #term: Term | null = null;
  #highest: Term = 0;

  constructor(changesMax: number, termsMax: number) {
    this.#changesMax = changesMax;
    this.#termsMax = termsMax;
  }

  /** The faults are over; the core's highest term is this. */
  healed(term: Term): void {
    this.#term = term;
    this.#highest = term;
  }

  /** A server of the core leads. */
  leads(term: Term): void {
    if (this.#term === null) return;
    this.#changes++;
    this.#highest = Math.max(this.#highest, term);
    if (this.#changes > this.#changesMax) {
      throw new Stalled(`leadership changed ${this.#changes} times since the faults ended`);
    }
    if (this.#highest - this.#term > this.#termsMax) {
      throw new Stalled(`terms grew from ${this.#term} to ${this.#highest} since the faults ended`);
    }
  }

  /** What was needed. */
  get seen(): { readonly changes: number; readonly terms: number } {
    return { changes: this.#changes, terms: this.#highest - (this.#term ?? 0) };
  }
}
