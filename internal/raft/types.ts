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

/** A place in the log and the term of what stands there. Two logs that share one share everything before it (log matching). */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

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

/** One server as the configuration knows it. The core reads `id`, `priority`, `promote` and `replaces`; the rest it carries. */
export interface Member {
  readonly id: ServerId;
  /** Where other servers reach it, as `host:port`; a hint that may change, not an identity. */
  readonly address: string;
  /** Tells this life of the id from another that came after it on a new disk; empty while nobody knows (M11). */
  readonly incarnation: string;
  /** A voter with a higher one campaigns earlier; 0 never campaigns. At most 1000. */
  readonly priority: number;
  /** A learner that becomes a voter by itself once it has caught up. */
  readonly promote: boolean;
  /** The voter whose place it takes then; `null` for none. */
  readonly replaces: ServerId | null;
}

/**
 * Who the members are, as a value (dissertation chapter 4). In a joint configuration `outgoing` are the voters of the old one,
 * and both count; otherwise it is empty. A learner gets the log and does not count. `members` has everybody that the other
 * lists name, and nobody else. All lists are in the order of ids.
 */
export interface ConfigurationValue {
  readonly voters: readonly ServerId[];
  readonly outgoing: readonly ServerId[];
  readonly learners: readonly ServerId[];
  readonly members: readonly Member[];
}

/** One place of the log, filled. Never changed once made. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** Bytes that the core carries and never reads; empty for a configuration until the codec puts it into bytes. */
  readonly payload: Uint8Array;
  /** What a configuration entry says; `null` for the other kinds. */
  readonly configuration: ConfigurationValue | null;
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

/** What is left of a log that was lost: entries that stood one after another, and where the log ended before them, if that is known. */
export interface Remnant {
  readonly after: LogPosition | null;
  readonly entries: readonly Entry[];
}

/** What the disk gave back at start. */
export interface Recovered {
  readonly hardState: HardState;
  /** The index and term of the last entry that a snapshot covers; 0 and 0 without one. */
  readonly snapshotIndex: LogIndex;
  readonly snapshotTerm: Term;
  /** The configuration at `snapshotIndex`, at 0 that of the birth; and where in the log it stood. */
  readonly configuration: ConfigurationValue;
  readonly configurationIndex: LogIndex;
  /** An index that is known to be committed, from `snapshotIndex` to the last one. */
  readonly commitIndex: LogIndex;
  /** Every entry after the snapshot, contiguous. */
  readonly entries: readonly Entry[];
  /** Counts how often this server lost a part of its log (reliability, repair). */
  readonly epoch: number;
  /**
   * Where the log ended that was lost, or a place that is certainly no earlier; `null` where none was lost, or all of it is here again.
   * Until then this server neither campaigns nor votes for anybody whose log is older than that (repair.ts).
   */
  readonly floor: LogPosition | null;
}

/** The index of a floor of which no more is known than its term: no entry of that term reaches it. */
export const BEYOND_THE_TERM: LogIndex = Number.MAX_SAFE_INTEGER;

/**
 * What a server is at the moment. A pre-candidate asks whether it would be elected, in the term it has, and changes
 * nobody's state by asking (9.6).
 */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";
