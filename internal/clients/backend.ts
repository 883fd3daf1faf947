/**
 * What the clients' room asks of the node: the one way by which a command reaches the cluster.
 *
 * Keeps true: a slot is answered exactly once for each command. Commands of one order keep their order: each takes effect, and each read
 * looks, after the commands that were submitted before it in the same order and before those submitted after it,
 * as far as they take effect at all. Commands that are submitted together, all reads or all writes, share their fate: none of them is
 * refused for certain while another one happens.
 *
 * @module
 */
import type { Reply } from "../codec/reply.ts";

/** Where the answers to commands that were submitted together go. */
export interface ReplySlot {
  /** Takes the answer to the next command; called exactly once for each, in their order, maybe before `submit` returns. */
  answer(reply: Reply): void;
}

/** Ties the commands of one connection together; opaque to its holder. */
export interface CommandOrder {
  readonly tag: "CommandOrder";
}

/** What an operator may see of this server and, if it leads, of its followers. */
export interface NodeStatus {
  readonly id: string;
  readonly clusterId: string;
  readonly role: string;
  readonly term: number;
  readonly leaderId: string | null;
  /** Where the leader serves clients, as far as known. */
  readonly leaderClientAddress: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly firstIndex: number;
  readonly members: readonly MemberStatus[];
  readonly keys: number;
}

/** One member as this server sees it. */
export interface MemberStatus {
  readonly id: string;
  readonly peerAddress: string;
  readonly clientAddress: string | null;
  /** Whether our connection to it stands; true for ourselves. */
  readonly connected: boolean;
  /** Only on the leader: how far its log agrees with ours, on its disk. */
  readonly matchIndex: number | null;
}

export interface Backend {
  /** A new order, for a new connection. */
  newOrder(): CommandOrder;
  /**
   * Hands over commands for the state machine, at least one, in the encoding of codec/command_batch.ts; they were checked before.
   * A write that is answered normally is durable on a majority; a read is linearizable.
   */
  submit(
    order: CommandOrder,
    access: "read" | "write",
    commands: Uint8Array,
    count: number,
    slot: ReplySlot,
  ): void;
  status(): NodeStatus;
}
