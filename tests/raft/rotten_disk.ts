/**
 * A disk that can be damaged: it goes back to what it was some writes ago, and its snapshot can be lost.
 *
 * What storage promises is kept: the newest hard state, a new epoch for every loss, and a floor that is not before the end of what was lost
 * (docs/repair.md). A log that begins behind a snapshot which is lost too is of no use, and all of it is lost.
 *
 * `entries` and `prefix` are those from index 1 on, whatever covers them: what a snapshot covers is committed, so it is known.
 *
 * @module
 */
import { must } from "../../internal/base/assert.ts";
import type { WriteEffect } from "../../internal/raft/effect.ts";
import {
  BEYOND_THE_TERM,
  type Entry,
  type LogIndex,
  type LogPosition,
  type Recovered,
} from "../../internal/raft/types.ts";
import { chain, type PrefixHash } from "../invariants/ghost.ts";
import { applyWrite as applyToSound, type Disk, emptyDisk } from "./disk.ts";

interface LogOnDisk {
  readonly entries: readonly Entry[];
  /** Behind which place it begins: a snapshot covers what is before. */
  readonly base: LogIndex;
}

export interface RottenDisk extends Disk {
  epoch: number;
  floor: LogPosition | null;
  base: LogIndex;
  /** What the newest snapshot covers; nothing where there is none. */
  snapshot: readonly Entry[];
  /** The log as it was after each write, oldest first, the last one as it is now. */
  history: LogOnDisk[];
  /** What was lost to damage, and may have been acknowledged: the prefixes of the logs that were. */
  lost: PrefixHash[][];
  /** Those logs themselves: a part of each may be readable behind the damage. */
  lostLogs: (readonly Entry[])[];
}

export function newDisk(): RottenDisk {
  return {
    ...emptyDisk(),
    epoch: 0,
    floor: null,
    base: 0,
    snapshot: [],
    history: [{ entries: [], base: 0 }],
    lost: [],
    lostLogs: [],
  };
}

export function applyWrite(disk: RottenDisk, write: WriteEffect): void {
  if (write.reset !== null) beginBehind(disk, write.reset.index);
  applyToSound(disk, write);
  disk.history.push({ entries: disk.entries.slice(), base: disk.base });
}

/** A snapshot is whole on the disk; the log does not know of it yet. */
export function publish(disk: RottenDisk, snapshot: readonly Entry[]): void {
  if (snapshot.length > disk.snapshot.length) disk.snapshot = snapshot;
}

/** A snapshot that rots before the log begins behind it is missed by nobody. */
export function rotUnnoticed(disk: RottenDisk): void {
  disk.snapshot = disk.snapshot.slice(0, disk.base);
}

/**
 * Takes the log back to what it was so many writes before, without its snapshot if that is lost too. Of what was lost its end is known, or, as
 * `isKnown` says, no more than its term.
 */
export function lose(disk: RottenDisk, writes: number, isKnown: boolean, losesSnapshot: boolean): void {
  const place = Math.max(0, disk.history.length - 1 - writes);
  const last = disk.entries.at(-1);
  const end = isKnown
    ? { index: last?.index ?? 0, term: last?.term ?? 0 }
    : { index: BEYOND_THE_TERM, term: disk.hardState.currentTerm };
  const isOlder = disk.floor === null || disk.floor.term < end.term ||
    (disk.floor.term === end.term && disk.floor.index <= end.index);
  disk.lost.push(disk.prefix);
  disk.lostLogs.push(disk.entries);
  disk.floor = isOlder && end.index > 0 ? end : disk.floor;
  disk.epoch++;
  if (losesSnapshot) disk.snapshot = [];
  const left = must(disk.history[place], "There is a log at that place");
  const { entries, base } = left.base > disk.snapshot.length ? { entries: [], base: 0 } : left;
  setLog(disk, entries, base);
  disk.history = [...disk.history.slice(0, place), { entries, base }];
}

/** What a server starts with: log and snapshot put together, as storage does it. */
export function recoveredFrom(
  disk: RottenDisk,
  birth: Omit<Recovered, "hardState">,
): Recovered {
  const { snapshot } = disk;
  const index = snapshot.length;
  const term = snapshot.at(-1)?.term ?? 0;
  if (index > 0 && disk.entries[index - 1]?.term !== term) {
    beginBehind(disk, index);
    if (term > disk.hardState.currentTerm) disk.hardState = { currentTerm: term, votedFor: null };
    disk.history.push({ entries: disk.entries.slice(), base: disk.base });
  }
  return {
    hardState: disk.hardState,
    ...birth,
    snapshotIndex: index,
    snapshotTerm: term,
    commitIndex: index,
    entries: disk.entries.slice(index),
    epoch: disk.epoch,
    floor: disk.floor,
  };
}

function beginBehind(disk: RottenDisk, index: LogIndex): void {
  setLog(disk, disk.snapshot.slice(0, index), index);
}

function setLog(disk: RottenDisk, entries: readonly Entry[], base: LogIndex): void {
  disk.entries = [...entries];
  disk.prefix = [0];
  for (const entry of entries) disk.prefix.push(chain(disk.prefix[entry.index - 1] ?? 0, entry));
  disk.base = base;
}
