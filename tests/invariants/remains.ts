/**
 * What remains: whatever was committed is somewhere on the disks, whole, as long as not every copy of it was damaged: in a log, in a snapshot, or in
 * what a repair put aside (docs/repair.md). Nothing that was acknowledged is silently gone, even where nobody can lead any more.
 *
 * @module
 */
import type { Entry, LogIndex } from "../../internal/raft/types.ts";
import { chain, type PrefixHash, Violation } from "./ghost.ts";

/** What is whole on one disk, whatever became of the files that hold it. */
export interface Remains {
  readonly entries: readonly Entry[];
  /** What its newest whole snapshot covers. */
  readonly snapshotIndex: LogIndex;
}

/** Looks for everything that was committed; `hashAt` tells the hash of what was committed up to an index. */
export function checkRemains(
  disks: readonly Remains[],
  committedIndex: LogIndex,
  hashAt: (index: LogIndex) => PrefixHash | undefined,
): void {
  const covered = Math.max(0, ...disks.map(({ snapshotIndex }) => snapshotIndex));
  const found = new Set<LogIndex>();
  for (const { entries } of disks) {
    for (const entry of entries) {
      const { index } = entry;
      if (index <= covered || index > committedIndex || found.has(index)) continue;
      if (chain(hashAt(index - 1) ?? 0, entry) === hashAt(index)) found.add(index);
    }
  }
  for (let index = covered + 1; index <= committedIndex; index++) {
    if (!found.has(index)) throw new Violation(`what was committed at ${index} is on no disk any more`);
  }
}
