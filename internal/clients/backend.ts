/**
 * What the clients' room asks of the node: the one way by which a command reaches the cluster.
 *
 * Keeps true: a slot is answered exactly once. Commands of one order keep their order: each takes effect, and each read
 * looks, after the commands that were submitted before it in the same order and before those submitted after it,
 * as far as they take effect at all.
 *
 * @module
 */
import type { Reply } from "../codec/reply.ts";

/** Where the answer to one command goes. */
export interface ReplySlot {
  /** Takes the answer; called exactly once, maybe before `submit` returns. */
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
   * Hands over one command for the state machine, in the encoding of codec/command.ts; it was checked there before.
   * A write that is answered normally is durable on a majority; a read is linearizable.
   */
  submit(order: CommandOrder, access: "read" | "write", command: Uint8Array, slot: ReplySlot): void;
  status(): NodeStatus;
}
