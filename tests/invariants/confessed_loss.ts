/**
 * Confessed loss: a server that comes back with less than it had on its disk says so: in a new epoch, and with a floor that is no earlier than
 * the end of the log that it had. What it comes back with was its log at some time, or a snapshot covers it (docs/repair.md).
 *
 * @module
 */
import type { LogIndex, LogPosition } from "../../internal/raft/types.ts";
import { type PrefixHash, Violation } from "./ghost.ts";

/** What was on the disk before it was damaged. */
export interface Before {
  readonly epoch: number;
  /** Where what it may have acknowledged ended: no term is acknowledged before the promises have it. */
  readonly last: LogPosition;
  /** The hashes of the log, by index. */
  readonly prefix: readonly PrefixHash[];
  /** The hashes of all logs that were ever there: what replaced a part of one may be lost. */
  readonly held: ReadonlySet<PrefixHash>;
}

/** What a server comes back with. */
export interface Back {
  readonly epoch: number;
  readonly floor: LogPosition | null;
  readonly snapshotIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly prefix: readonly PrefixHash[];
}

/** Tells whether something is lost. */
export function checkLoss(server: string, before: Before, back: Back): boolean {
  const { last, prefix, held } = before;
  const had = prefix.length - 1;
  const { epoch, floor, lastIndex, snapshotIndex } = back;
  const end = back.prefix[lastIndex];
  if (lastIndex > snapshotIndex && (end === undefined || !held.has(end))) {
    throw new Violation(`${server} comes back with a log up to ${lastIndex} that it never had`);
  }
  const isLost = snapshotIndex < had && back.prefix[had] !== prefix[had];
  if (epoch < before.epoch || (isLost && epoch === before.epoch)) {
    throw new Violation(
      `${server} lost a part of its log up to ${had}, and comes back in epoch ${epoch} after ${before.epoch}`,
    );
  }
  if (!isLost) return false;
  const reaches = floor !== null &&
    (floor.term > last.term || (floor.term === last.term && floor.index >= last.index));
  if (reaches) return true;
  throw new Violation(
    `${server} lost its log up to ${last.index}:${last.term}, and comes back with ${
      floor === null ? "no floor" : `a floor of ${floor.index}:${floor.term}`
    }`,
  );
}
