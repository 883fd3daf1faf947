/**
 * Linearizability in the order of the log: nothing is answered from before what had been answered when it was asked (I28).
 *
 * Every written value is unique and the order in which writes were applied is known, so no search is needed: each answer stands somewhere in
 * the order of its key, and time must agree with that order. Within a pipeline each command comes after the one before it.
 *
 * @module
 */
import { Violation } from "./ghost.ts";

/** An answer at its place: for a write its own, for a read that of the write it saw; 0 where there was none. */
export interface Placed {
  readonly kind: "read" | "write";
  readonly position: number;
}

export class ClientOrder {
  /** The highest position of each key that anybody was told of. */
  readonly #told = new Map<string, number>();

  /** How far the order of a key had got, as far as anybody knows: what is asked now must be answered from there or later. */
  floorOf(key: string): number {
    return this.#told.get(key) ?? 0;
  }

  answered(who: string, key: string, position: number, floor: number): void {
    if (position < floor) {
      throw new Violation(
        `${who} is answered with ${key} at position ${position}; position ${floor} had been told when it asked`,
      );
    }
    if (position > this.floorOf(key)) this.#told.set(key, position);
  }
}

/** What was answered of one pipeline on one key, in the order in which it was asked. */
export function checkPipeline(key: string, answered: readonly Placed[]): void {
  let before: Placed | null = null;
  for (const placed of answered) {
    if (before !== null) {
      const inOrder = placed.kind === "write"
        ? before.position < placed.position
        : before.position <= placed.position;
      if (!inOrder) {
        throw new Violation(
          `a pipeline on ${key}: ${before.kind} at ${before.position}, then ${placed.kind} at ${placed.position}`,
        );
      }
    }
    before = placed;
  }
}
