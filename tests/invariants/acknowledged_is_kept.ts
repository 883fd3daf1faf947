/**
 * Acknowledged is kept: at the end every write that a client was told happened is in the common order (I36), and what everybody has applied
 * by then is that order (convergence.ts).
 *
 * @module
 */
import { Violation } from "./ghost.ts";

/** A write, and what its client was told of it. */
export interface Outcome {
  readonly kind: "read" | "write";
  readonly value: string;
  readonly outcome: "pending" | "ok" | "refused" | "unknown";
}

export function checkKept(operations: readonly Outcome[], isApplied: (value: string) => boolean): void {
  for (const { kind, value, outcome } of operations) {
    if (kind === "write" && outcome === "ok" && !isApplied(value)) {
      throw new Violation(`${value} was acknowledged and is lost`);
    }
  }
}
