/**
 * The bounds of the node's own queues.
 *
 * @module
 */
import type { GatheringLimits } from "./gathering.ts";

export interface NodeLimits extends GatheringLimits {
  /** A command that has no answer after this long is told so: not done, or unknown. */
  readonly requestTimeoutMs: number;
  /** Commands that wait for anything: a leader, a quorum, an answer. More are refused with BUSY. */
  readonly pendingCommandsMax: number;
  /** Their bytes; may be passed by one command. */
  readonly pendingBytesMax: number;
  /** Commands and bytes that share one log entry; may be passed by what one client asked at once. */
  readonly entryCommandsMax: number;
  readonly entryBytesMax: number;
  /** Commands and bytes in one message to the leader; may be passed by what one client asked at once. */
  readonly forwardCommandsMax: number;
  readonly forwardBytesMax: number;
  /** Answers to what one client asked at once that travel between servers; more are told to be too long. Below the limit of a frame. */
  readonly forwardAnswerBytesMax: number;
  /** About so many bytes of answers may be under way from the leader to this server; may be passed by one batch. */
  readonly forwardExpectedBytesMax: number;
  /** A snapshot is taken when so many entries were applied since the last one, */
  readonly snapshotEntries: number;
  /**
   * or so many bytes of them, if they are also so many times as many as the last snapshot has; a quarter less or more, drawn anew for each.
   */
  readonly snapshotBytes: number;
  readonly snapshotRatio: number;
  /** Applied entries that stay in memory for followers that lag. */
  readonly logMemoryBytes: number;
  readonly logMemoryEntries: number;
  /** A snapshot travels in pieces of this size, so many of which may be under way; it ends after so long without progress. */
  readonly snapshotPieceBytes: number;
  readonly snapshotPiecesMax: number;
  readonly snapshotProgressMs: number;
  /** Servers compare the digests of their states every so many entries. */
  readonly divergenceEntries: number;
}

export const defaultLimits: NodeLimits = {
  requestTimeoutMs: 5000,
  pendingCommandsMax: 262_144,
  pendingBytesMax: 128 * 1024 * 1024,
  entryCommandsMax: 2048,
  entryBytesMax: 256 * 1024,
  forwardCommandsMax: 2048,
  forwardBytesMax: 512 * 1024,
  forwardAnswerBytesMax: 15 * 1024 * 1024,
  forwardExpectedBytesMax: 8 * 1024 * 1024,
  snapshotEntries: 100_000,
  snapshotBytes: 64 * 1024 * 1024,
  snapshotRatio: 4,
  logMemoryBytes: 64 * 1024 * 1024,
  logMemoryEntries: 100_000,
  snapshotPieceBytes: 256 * 1024,
  snapshotPiecesMax: 8,
  snapshotProgressMs: 30_000,
  divergenceEntries: 4096,
  gatherCommandsMin: 8,
  gatherMs: 4,
};
