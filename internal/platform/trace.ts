/**
 * The seam to the operator's log: structured events out, never read back.
 *
 * @module
 */

export type TraceValue = string | number | boolean | null;
export type TraceLevel = "debug" | "info" | "warn" | "error";

export interface Trace {
  /** Says that something happened. Never throws, never blocks. `event` is a few plain words. */
  event(level: TraceLevel, event: string, fields?: Readonly<Record<string, TraceValue>>): void;
}
