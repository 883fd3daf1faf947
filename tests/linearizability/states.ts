/**
 * The states of a key as the search sees them: numbers, which each kind of key makes from its values in its own way.
 *
 * @module
 */

export interface States {
  /** The state of a missing key. */
  readonly initial: number;
  /** The state after an operation, or `IMPOSSIBLE_STATE` where it is not possible. */
  after(operation: number, state: number): number;
  /** An operation was placed; and was taken back. */
  took(operation: number): void;
  undid(operation: number): void;
  /** Before anything is placed: whether nothing can come of it. */
  isHopelessAtFirst(): boolean;
  /** An operation that found `before` was just placed and left `now`: whether nothing can come of it. Errs on the side of no. */
  isHopeless(operation: number, before: number, now: number): boolean;
  /** What to remember of a state at which there is a choice: states that allow the same from there on may be remembered as one. */
  remembered(state: number): number;
}

export const IMPOSSIBLE_STATE = -2;
