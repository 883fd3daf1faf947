/**
 * What servers say to each other on a bulk connection: whoever needs a snapshot asks, whoever has one answers.
 *
 * Keeps true: the asker decides how fast it goes: it asks for pieces, a few at a time, and goes on where it was, with the same
 * server or with another one that has the same snapshot.
 *
 * @module
 */
import type { LogIndex, Term } from "../raft/types.ts";

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

export type BulkMessage =
  | SnapshotQuestion
  | SnapshotOffer
  | SnapshotRefusal
  | SnapshotPieceQuestion
  | SnapshotPiece;
