/**
 * What servers say to each other on a bulk connection: whoever needs a snapshot, or entries that its log lost, asks, and whoever has them
 * answers.
 *
 * Keeps true: the asker decides how fast it goes: it asks for pieces, a few at a time, and goes on where it was, with the same
 * server or with another one that has the same snapshot.
 *
 * @module
 */
import type { Entry, LogIndex, LogPosition, Term } from "../raft/types.ts";

/** Names a snapshot by its content; see storage/snapshot_file.ts. */
export interface SnapshotName {
  readonly index: LogIndex;
  readonly term: Term;
  readonly bytes: number;
  readonly checksum: number;
}

/** Asks for a snapshot that reaches at least that far; one is taken where there is none yet. */
export interface SnapshotQuestion {
  readonly kind: "snapshotQuestion";
  readonly index: LogIndex;
}

/** There is one. */
export interface SnapshotOffer {
  readonly kind: "snapshotOffer";
  readonly name: SnapshotName;
}

/** There is none, or it cannot be had now; ask somebody else. */
export interface SnapshotRefusal {
  readonly kind: "snapshotRefusal";
  readonly reason: string;
}

/** Asks for a piece of it. */
export interface SnapshotPieceQuestion {
  readonly kind: "snapshotPieceQuestion";
  readonly name: SnapshotName;
  readonly offset: number;
  readonly length: number;
}

/** The piece; shorter than asked for only where the snapshot ends. */
export interface SnapshotPiece {
  readonly kind: "snapshotPiece";
  readonly name: SnapshotName;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Asks for what stands behind `after` in a log that has both: what is there and what is at `to`. Then all between is the asker's too. */
export interface EntriesQuestion {
  readonly kind: "entriesQuestion";
  readonly after: LogPosition;
  readonly to: LogPosition;
}

/** Those entries from the first one on, as many as go into a message, none behind `to`. */
export interface EntriesPiece {
  readonly kind: "entriesPiece";
  readonly entries: readonly Entry[];
}

/** This log has not both, or no longer. */
export interface EntriesRefusal {
  readonly kind: "entriesRefusal";
  readonly reason: string;
}

export type BulkMessage =
  | EntriesQuestion
  | EntriesPiece
  | EntriesRefusal
  | SnapshotQuestion
  | SnapshotOffer
  | SnapshotRefusal
  | SnapshotPieceQuestion
  | SnapshotPiece;
