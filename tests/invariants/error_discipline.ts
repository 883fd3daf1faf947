/**
 * Error discipline: what was refused for certain never happened, a read is never in doubt, everybody is answered, and a process that stops
 * says why with a code of the list (I38).
 *
 * @module
 */
import { ExitCode, Refusal } from "../../internal/base/errors.ts";
import type { Outcome } from "./acknowledged_is_kept.ts";
import { Violation } from "./ghost.ts";

/** An answer of which nobody knows what it means. */
export function checkOutcome({ kind, outcome }: Outcome): void {
  if (kind === "read" && outcome === "unknown") throw new Violation("a read has an unknown outcome");
}

/** At the end, when everybody who could answer did. */
export function checkAnswers(operations: readonly Outcome[], isApplied: (value: string) => boolean): void {
  for (const { kind, value, outcome } of operations) {
    const what = kind === "read" ? "a read" : value;
    if (outcome === "pending") throw new Violation(`${what} was never answered`);
    if (kind === "write" && outcome === "refused" && isApplied(value)) {
      throw new Violation(`${value} was refused and is applied`);
    }
  }
}

const CODES: ReadonlySet<number> = new Set(Object.values(ExitCode));

/** A process stopped by itself, for that reason. */
export function checkStop(server: string, error: unknown): void {
  if (!(error instanceof Refusal)) {
    throw new Violation(`${server} stopped without a refusal`, { cause: error });
  }
  if (!CODES.has(error.exitCode) || error.message === "" || /[\r\n]/.test(error.message)) {
    throw new Violation(`${server} stopped with code ${error.exitCode} and a text that is not one line`, {
      cause: error,
    });
  }
}
