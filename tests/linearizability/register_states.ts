/**
 * States of a register, a key with nothing but exact reads and blind writes: the number of a value that some read wants, or `UNWANTED`.
 *
 * Keeps true: a value is spent when no read that is not placed wants it. What is remembered of a set is not its value: at a choice no candidate reads the
 * value (rule 1 of search.ts would have placed it), so every completion begins with a blind write, and would do so at any other value.
 *
 * @module
 */
import type { Problem } from "./problem.ts";
import { IMPOSSIBLE_STATE, type States } from "./states.ts";
import { UNWANTED, Wanted } from "./wanted.ts";

export class RegisterStates implements States {
  readonly initial: number;
  readonly #wanted: Wanted;
  /** By operation: what a write leaves. */
  readonly leaves: Int32Array;

  /** Whether the key is of that kind. */
  static fits({ steps, definite }: Problem): boolean {
    return steps.every(({ isReadOnly, isBlind, finds }, i) =>
      isBlind || (i < definite && isReadOnly && finds !== undefined)
    );
  }

  constructor(problem: Problem) {
    this.#wanted = new Wanted(problem);
    this.initial = this.#wanted.idOf(null);
    this.leaves = Int32Array.from(
      problem.steps,
      ({ leaves }) => leaves === undefined ? UNWANTED : this.#wanted.idOf(leaves),
    );
  }

  /** What a read wants; `UNWANTED` for a write. */
  wantedBy(operation: number): number {
    return this.#wanted.by[operation] ?? UNWANTED;
  }

  /** How many reads that are not placed want that value. */
  readsLeft(state: number): number {
    return this.#wanted.count(state);
  }

  after(operation: number, state: number): number {
    const wanted = this.wantedBy(operation);
    if (wanted === UNWANTED) return this.leaves[operation] ?? UNWANTED;
    return wanted === state ? state : IMPOSSIBLE_STATE;
  }

  took(operation: number): void {
    this.#wanted.took(operation);
  }

  undid(operation: number): void {
    this.#wanted.undid(operation);
  }

  isHopelessAtFirst(): boolean {
    return this.#wanted.isHopelessAt(this.initial);
  }

  isHopeless(operation: number, before: number, now: number): boolean {
    return this.#wanted.isHopeless(operation, before, now);
  }

  remembered(_: number): number {
    return UNWANTED;
  }
}
