/**
 * What can happen to a server: the only way in.
 *
 * @module
 */
import type { Message } from "./message.ts";
import type {
  ConfigurationValue,
  Entry,
  LogIndex,
  LogPosition,
  Member,
  ServerId,
  Term,
  WriteNumber,
} from "./types.ts";

/** Names a request of the shell's towards the core; the answer carries it. Never reused in one life of the process. */
export type RequestId = number;

/** What an operator, or the leader itself, wants changed about the members (chapter 4). */
export type ConfigurationChange =
  /** A new member: a learner, which becomes a voter by itself if `member.promote` says so. */
  | { readonly kind: "add"; readonly member: Member }
  | { readonly kind: "remove"; readonly id: ServerId }
  /** A learner becomes a voter now. */
  | { readonly kind: "promote"; readonly id: ServerId }
  /** A voter becomes a learner. */
  | { readonly kind: "demote"; readonly id: ServerId }
  /** What is known of a member changes: its address, incarnation, priority. Its id and its vote stay. */
  | { readonly kind: "update"; readonly members: readonly Member[] };

export type Input =
  /** Time passed; said when `wakeAt` is reached. */
  | { readonly kind: "tick" }
  /** A peer's frame was decoded and found well formed. */
  | { readonly kind: "message"; readonly from: ServerId; readonly message: Message }
  /** Clients asked for changes: each payload becomes one entry, in this order. Answered by `accepted` or `refused`. */
  | {
    readonly kind: "clientRequest";
    readonly requestId: RequestId;
    readonly payloads: readonly Uint8Array[];
  }
  /**
   * Clients asked for linearizable reads. Answered by `readable` or `refused`. With `lease`, a lease will do where leases are
   * on (6.4.1); without one, and everywhere else, a quorum confirms.
   */
  | { readonly kind: "readRequest"; readonly requestId: RequestId; readonly lease: boolean }
  /**
   * The members are to change; with `ifIndex`, only if the newest configuration stands there. Answered by `accepted`, by
   * `changeRefused` with the rule that refused it, or by `refused`.
   */
  | {
    readonly kind: "changeConfiguration";
    readonly requestId: RequestId;
    readonly change: ConfigurationChange;
    readonly ifIndex: LogIndex | null;
  }
  /** Somebody else is to lead: `to`, or whoever is fit. Answered by `transferEnded` or `refused`. */
  | { readonly kind: "transferLeadership"; readonly requestId: RequestId; readonly to: ServerId | null }
  /** Whether our disk has room for entries that a leader sends. It has, unless something else is said. */
  | { readonly kind: "room"; readonly takesEntries: boolean }
  /** Every write up to this number is synced. */
  | { readonly kind: "stable"; readonly upTo: WriteNumber }
  /**
   * Everything up to `index` may leave the log in memory: it is applied and on our disk, and whoever lacks it can get a snapshot
   * that covers it (chapter 5).
   */
  | { readonly kind: "discardPrefix"; readonly index: LogIndex }
  /**
   * Entries of what our log lost are here again: they follow `after`, and all of it together was the log of a leader once, or its
   * beginning. Taken only where our log ends there and has a floor (repair.ts).
   */
  | { readonly kind: "entriesFound"; readonly after: LogPosition; readonly entries: readonly Entry[] }
  /** A snapshot that `needSnapshot` asked for is whole and on our disk. */
  | {
    readonly kind: "snapshotReceived";
    readonly index: LogIndex;
    readonly term: Term;
    readonly configuration: ConfigurationValue;
    /** Where that configuration stood. */
    readonly configurationIndex: LogIndex;
  };
