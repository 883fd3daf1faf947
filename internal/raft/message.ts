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

/** Asks for a vote. */
export interface RequestVoteRequest {
  readonly kind: "requestVoteRequest";
  readonly term: Term;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
}

export interface RequestVoteResponse {
  readonly kind: "requestVoteResponse";
  /** The voter's term after it handled the request (E8). */
  readonly term: Term;
  readonly voteGranted: boolean;
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
}

export type Message =
  | RequestVoteRequest
  | RequestVoteResponse
  | AppendEntriesRequest
  | AppendEntriesResponse;
