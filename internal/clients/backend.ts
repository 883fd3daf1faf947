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
import type { SnapshotName } from "../codec/bulk_message.ts";
import type { CommandBatch } from "../codec/command_batch.ts";
import type { Reply } from "../codec/reply.ts";

/** Where the answers to commands that were submitted together go. */
export interface ReplySlot {
  /** Takes the answer to the next command; called exactly once for each, in their order, maybe before `submit` returns. */
  answer(reply: Reply): void;
}

/**
 * How fresh a read has to be. `leader`: linearizable, confirmed by a quorum. `lease`: linearizable as long as clocks drift no further
 * apart than the leader was told; confirmed by a quorum where leases are off. `follower`: linearizable, answered from this server's own
 * state. `stale`: from this server's own state, if that lacks nothing that was acknowledged more than so many milliseconds ago.
 */
export type ReadMode =
  | { readonly kind: "leader" | "lease" | "follower" }
  | { readonly kind: "stale"; readonly ms: number };

/** Ties the commands of one connection together; opaque to its holder. */
export interface CommandOrder {
  readonly tag: "CommandOrder";
  /** How fresh the reads of this connection have to be, unless one says otherwise. */
  reads: ReadMode;
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
  /** The newest snapshot on this server's disk; 0 for none. */
  readonly snapshotIndex: number;
  /** Where the newest configuration stands, and whether it is committed and settled. */
  readonly configurationIndex: number;
  readonly isConfigurationSettled: boolean;
  /** Members told this server that it is none. */
  readonly isRemoved: boolean;
  readonly members: readonly MemberStatus[];
  readonly keys: number;
}

/** One member as this server sees it. */
export interface MemberStatus {
  readonly id: string;
  readonly peerAddress: string;
  /** `voter`, `learner`, or on its way from one to the other: `joining` votes in the new half only, `leaving` in the old one only. */
  readonly standing: "voter" | "learner" | "joining" | "leaving";
  readonly priority: number;
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
   * Hands over commands for the state machine, at least one; they were checked before, and their bytes change no more.
   * A write that is answered normally is durable on a majority; a read is linearizable.
   */
  submit(
    order: CommandOrder,
    access: "read" | "write",
    batch: CommandBatch,
    slot: ReplySlot,
    reads?: ReadMode,
  ): void;
  /** About how long the answer to a command would be now, as far as this server's state tells; 0 for what is short. */
  answerBytes(bytes: Uint8Array, from: number, to: number): number;
  /** Does what an operator asks; the words are those behind RAFT. */
  admin(words: readonly string[], answer: (reply: Reply) => void): void;
  /** Takes a snapshot on this server now. */
  takeSnapshot(answer: (reply: Reply) => void): void;
  /**
   * Makes a snapshot for a backup: of a state that has everything that was acknowledged by now, or, where it may be stale, of the state that
   * this server has. Answers with index, term, bytes and checksum of it.
   */
  prepareBackup(mayBeStale: boolean, answer: (reply: Reply) => void): void;
  /** Answers with bytes of that snapshot. */
  readBackup(name: SnapshotName, offset: number, length: number, answer: (reply: Reply) => void): void;
  /** For how long this server's state may lack what was acknowledged, in milliseconds; `null` where nobody knows. */
  ageMs(): number | null;
  status(): NodeStatus;
}
