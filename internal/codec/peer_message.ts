/**
 * Everything that one server says to another once they have greeted each other: the messages of the algorithm, and those by
 * which a follower hands its clients' commands to the leader.
 *
 * @module
 */
import type { Message } from "../raft/message.ts";
import type { LogIndex, Term } from "../raft/types.ts";

/** Commands of one client on their way to the leader, all reads or all writes. */
export interface ForwardedBatch {
  /** Names the batch between these two servers; the answer carries it. At least 1, and counts up in one life. */
  readonly requestId: number;
  readonly access: "read" | "write";
  /** An earlier batch of writes of the same client, sent before, that these reads must see; 0 for none. */
  readonly afterRequestId: number;
  /** How many commands there are; counted on arrival, not sent. */
  readonly count: number;
  /** In the encoding of codec/command_batch.ts. */
  readonly commands: Uint8Array;
}

/** A follower hands over what its clients asked; taken only by the leader of `term`. */
export interface ForwardRequest {
  readonly kind: "forwardRequest";
  readonly term: Term;
  /** Drawn by the sender at its start: its request ids count up within it. */
  readonly life: number;
  readonly requests: readonly ForwardedBatch[];
}

export interface ForwardedReplies {
  readonly requestId: number;
  /** One for each command of the batch, in the encoding of codec/reply.ts. */
  readonly replies: Uint8Array;
}

/** The leader's answers. */
export interface ForwardResponse {
  readonly kind: "forwardResponse";
  /** The life of the requests: another life of the same server counts its requests from 1 again. */
  readonly life: number;
  readonly responses: readonly ForwardedReplies[];
}

/** A server tells the leader the digest of its state behind an entry; see node/divergence.ts. */
export interface DigestReport {
  readonly kind: "digestReport";
  readonly index: LogIndex;
  readonly digest: number;
}

/** A server hands over what an operator asked; taken only by the leader of `term`. */
export interface AdminRequest {
  readonly kind: "adminRequest";
  readonly term: Term;
  /** As in {@link ForwardRequest}. */
  readonly life: number;
  readonly requestId: number;
  readonly words: readonly string[];
}

export interface AdminResponse {
  readonly kind: "adminResponse";
  readonly life: number;
  readonly requestId: number;
  /** A reply in the encoding of codec/reply.ts. */
  readonly reply: Uint8Array;
}

/** A server asks up to where a linearizable read of its own must have applied the log (6.4). */
export interface ReadIndexRequest {
  readonly kind: "readIndexRequest";
  readonly term: Term;
  readonly life: number;
  readonly requestId: number;
}

export interface ReadIndexResponse {
  readonly kind: "readIndexResponse";
  readonly life: number;
  readonly requestId: number;
  /** 0 where the leader cannot say. */
  readonly index: LogIndex;
}

/** What the shells of two servers say to each other, beside what the core says. */
export type ShellMessage =
  | ForwardRequest
  | ForwardResponse
  | DigestReport
  | AdminRequest
  | AdminResponse
  | ReadIndexRequest
  | ReadIndexResponse;

export type PeerMessage = Message | ShellMessage;
