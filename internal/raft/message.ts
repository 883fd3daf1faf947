/**
 * What servers say to each other (dissertation Figure 3.1), a union told apart by `kind`.
 *
 * Who sent a message is known from the connection, never from the message.
 *
 * Where this differs from the book: a response to AppendEntries says how far the logs agree, so a leader needs no memory of
 * the request; it echoes the request's term, so that the refusal of an old leader's message is no answer to what the same
 * server asks as a new leader; `prevLogIndex`, so that a refusal can be told from an older one (bug L8 of the catalogue); and
 * `round`, so that a read is confirmed by this round and no older one (R3).
 *
 * @module
 */
import type { Entry, LogIndex, Round, Term } from "./types.ts";

/**
 * Asks whether a vote would be given in the term after this one (9.6). `term` is the sender's own, so that whoever is ahead of
 * it says so and whoever is behind catches up (E10).
 */
export interface PreVoteRequest {
  readonly kind: "preVoteRequest";
  readonly term: Term;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  /** Counts the times that this server asked; answers to an earlier time are no answers (E11). */
  readonly round: Round;
}

export interface PreVoteResponse {
  readonly kind: "preVoteResponse";
  readonly term: Term;
  readonly voteGranted: boolean;
  /** Echoed from the request. */
  readonly round: Round;
}

/** Asks for a vote. */
export interface RequestVoteRequest {
  readonly kind: "requestVoteRequest";
  readonly term: Term;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  /** The leader asked for this election (3.10): its followers need not stay loyal to it (T5). */
  readonly transfer: boolean;
}

export interface RequestVoteResponse {
  readonly kind: "requestVoteResponse";
  /** The voter's term after it handled the request (E8). */
  readonly term: Term;
  readonly voteGranted: boolean;
}

/** What a leader says of itself, so that nobody stays loyal to one that cannot work. */
export interface Health {
  /** For how many whole milliseconds its disk has made no write stable while one waits; 0 if none waits. */
  readonly diskMs: number;
  /** By how many whole milliseconds its latest alarm was late. */
  readonly loopMs: number;
}

/** Copies entries, announces the commit index, keeps followers loyal. */
export interface AppendEntriesRequest {
  readonly kind: "appendEntriesRequest";
  readonly term: Term;
  readonly prevLogIndex: LogIndex;
  readonly prevLogTerm: Term;
  /** Contiguous, the first at `prevLogIndex + 1`; empty for a heartbeat. */
  readonly entries: readonly Entry[];
  readonly leaderCommit: LogIndex;
  /** The leader's latest round when it sent this. */
  readonly round: Round;
  /** How well the leader is; see {@link Health}. */
  readonly health: Health;
  /**
   * The newest epoch of the receiver's log that the leader heard of in this term, 0 before the first: a receiver that repairs its log knows
   * by it what was said with its loss in mind (repair.ts).
   */
  readonly epoch: number;
}

export interface AppendEntriesResponse {
  readonly kind: "appendEntriesResponse";
  readonly term: Term;
  /** Echoed: the term of the request; lower than `term` where an old leader was refused. */
  readonly requestTerm: Term;
  readonly success: boolean;
  /** Echoed from the request. */
  readonly prevLogIndex: LogIndex;
  /** Echoed from the request. */
  readonly round: Round;
  /** On success: the logs agree up to here, the end of what the request carried, and it is on the follower's disk. */
  readonly matchIndex: LogIndex;
  /**
   * On refusal: the follower's last index whose term is at most `prevLogTerm`, and at most `prevLogIndex`; with its
   * term. The logs cannot agree beyond it (5.3, skipping whole terms).
   */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
  /** Counts how often this follower lost a part of its log; what an earlier log acknowledged says nothing of this one (L10). */
  readonly epoch: number;
}

/**
 * Says that the entries that a follower lacks are gone from the leader's log: it needs a snapshot that covers at least
 * `snapshotIndex`, from whoever has one. Repeated in place of heartbeats until the follower has what it needs (chapter 5).
 */
export interface InstallSnapshotRequest {
  readonly kind: "installSnapshotRequest";
  readonly term: Term;
  /** Where the leader's log begins: the last index and term that are gone from it. */
  readonly snapshotIndex: LogIndex;
  readonly snapshotTerm: Term;
  readonly round: Round;
  readonly health: Health;
}

export interface InstallSnapshotResponse {
  readonly kind: "installSnapshotResponse";
  readonly term: Term;
  /** Echoed, as in {@link AppendEntriesResponse}. */
  readonly requestTerm: Term;
  /** Echoed from the request. */
  readonly round: Round;
  /** What the follower knows to be committed and has on its disk, if that is at least `snapshotIndex`; else 0. */
  readonly matchIndex: LogIndex;
  readonly epoch: number;
}

/** The leader asks the receiver to campaign at once (3.10). Good for the term it names, and only if the log is complete (T3, T6). */
export interface TimeoutNowRequest {
  readonly kind: "timeoutNowRequest";
  readonly term: Term;
  /** Where the leader's log ends. */
  readonly lastLogIndex: LogIndex;
}

export type Message =
  | PreVoteRequest
  | PreVoteResponse
  | RequestVoteRequest
  | RequestVoteResponse
  | AppendEntriesRequest
  | AppendEntriesResponse
  | InstallSnapshotRequest
  | InstallSnapshotResponse
  | TimeoutNowRequest;
