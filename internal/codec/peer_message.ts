/**
 * Everything that one server says to another once they have greeted each other: the messages of the algorithm, and those by
 * which a follower hands its clients' commands to the leader.
 *
 * @module
 */
import type { Message } from "../raft/message.ts";
import type { Term } from "../raft/types.ts";

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

export type PeerMessage = Message | ForwardRequest | ForwardResponse;
