/**
 * The nouns of the algorithm, named as in the dissertation and in raft.tla.
 *
 * @module
 */

/** Who a server is; stays when its address changes. */
export type ServerId = string;

/** A leader's reign. 0 before the first election; only grows. At most 2^53 - 1. */
export type Term = number;

/** A place in the log. The first entry has index 1; 0 is the place before it. At most 2^53 - 1. */
export type LogIndex = number;

/** Milliseconds on the shell's monotonic clock; the core only compares and adds. */
export type Millis = number;

/** Counts the writes that the core asked for, from 1. A higher number is written and synced later. */
export type WriteNumber = number;

/** Counts the rounds of one leader in one term by which it confirms that it still leads (dissertation 6.4). */
export type Round = number;

/**
 * What an entry is for: `noop` opens a term (6.4), `command` is for the state machine, `configuration` says who the
 * members are (chapter 4).
 */
export type EntryKind = "noop" | "command" | "configuration";

/** One place of the log, filled. Never changed once made. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** Bytes that the core carries and never reads. */
  readonly payload: Uint8Array;
  /**
   * The entry as it stands on disk and on the wire, once somebody encoded it: the codec's memo, so that an entry is
   * encoded once in the whole cluster. The core neither reads nor writes it, save that it sets `null` at birth.
   */
  record: Uint8Array | null;
}

/** What must be on disk before a vote or an acknowledgement leaves, besides the log (Figure 3.1). */
export interface HardState {
  readonly currentTerm: Term;
  readonly votedFor: ServerId | null;
}

/** What the disk gave back at start. */
export interface Recovered {
  readonly hardState: HardState;
  /** The index and term of the last entry that a snapshot covers; 0 and 0 without one. */
  readonly snapshotIndex: LogIndex;
  readonly snapshotTerm: Term;
  /** Every entry after the snapshot, contiguous. */
  readonly entries: readonly Entry[];
}

/** What a server is at the moment. */
export type Role = "follower" | "candidate" | "leader";
