/**
 * Everything that one server says to another once they have greeted each other: the messages of the algorithm, and those by
 * which a follower hands its clients' commands to the leader.
 *
 * @module
 */
import type { Message } from "../raft/message.ts";
import type { Term } from "../raft/types.ts";

/** One client command on its way to the leader. */
export interface ForwardedCommand {
  /** Names the command between these two servers; the answer carries it. At least 1, and counts up in one life. */
  readonly requestId: number;
  readonly access: "read" | "write";
  /** An earlier write of the same client, sent before, that this read must see; 0 for none. */
  readonly afterRequestId: number;
  readonly command: Uint8Array;
}

/** A follower hands over what its clients asked; taken only by the leader of `term`. */
export interface ForwardRequest {
  readonly kind: "forwardRequest";
  readonly term: Term;
  /** Drawn by the sender at its start: its request ids count up within it. */
  readonly life: number;
  readonly requests: readonly ForwardedCommand[];
}

export interface ForwardedReply {
  readonly requestId: number;
  /** A reply in the encoding of codec/reply.ts. */
  readonly reply: Uint8Array;
}

/** The leader's answers. */
export interface ForwardResponse {
  readonly kind: "forwardResponse";
  /** The life of the requests: another life of the same server counts its requests from 1 again. */
  readonly life: number;
  readonly responses: readonly ForwardedReply[];
}

export type PeerMessage = Message | ForwardRequest | ForwardResponse;
