/**
 * What one segment holds, counted as it is written and as it is read, so that both come to the same.
 *
 * @module
 */
import type { LogIndex, LogPosition } from "../raft/types.ts";

export interface Tally {
  /** The highest index that was appended, or behind which the log began anew. */
  highestIndex: LogIndex;
  /** So many entries were appended, those that were replaced later among them. */
  entries: number;
  /** The first of them. */
  first: LogPosition | null;
}

export function emptyTally(): Tally {
  return { highestIndex: 0, entries: 0, first: null };
}

/** These were appended. */
export function countEntries(tally: Tally, entries: readonly LogPosition[]): void {
  for (const { index, term } of entries) {
    tally.first ??= { index, term };
    tally.entries++;
    tally.highestIndex = Math.max(tally.highestIndex, index);
  }
}

/** The log began anew behind that place. */
export function countReset(tally: Tally, { index }: LogPosition): void {
  tally.highestIndex = Math.max(tally.highestIndex, index);
}
