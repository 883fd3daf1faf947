/**
 * What a server can ask for: the only way out. Effects are performed in the order in which they are given.
 *
 * @module
 */
import type { Message } from "./message.ts";
import type { RequestId } from "./input.ts";
import type { Entry, HardState, LogIndex, Role, ServerId, Term, WriteNumber } from "./types.ts";

/** Put this on disk, after every write with a lower number; say `stable` when it is synced. */
export interface WriteEffect {
  readonly kind: "write";
  readonly number: WriteNumber;
  /** The new hard state, or `null` where it stays. */
  readonly hardState: HardState | null;
  /** First remove every entry from this index on, or `null` where none is removed. */
  readonly truncateFrom: LogIndex | null;
  /** Then append these, contiguous with what is left. */
  readonly append: readonly Entry[];
}

/** Send this message now, or, where it is a promise, once the write with that number is stable. */
export interface SendEffect {
  readonly kind: "send";
  readonly to: ServerId;
  readonly message: Message;
  /** `null` for what promises nothing. */
  readonly after: WriteNumber | null;
}

/** These entries are committed: give them to the state machine, in this order, once. */
export interface ApplyEffect {
  readonly kind: "apply";
  readonly entries: readonly Entry[];
}

/** The payloads of that request stand in the log from `firstIndex` on, in `term`; they may yet be lost. */
export interface AcceptedEffect {
  readonly kind: "accepted";
  readonly requestId: RequestId;
  readonly term: Term;
  readonly firstIndex: LogIndex;
  readonly count: number;
}

/** That request was not taken, certainly: ask the leader, or later. */
export interface RefusedEffect {
  readonly kind: "refused";
  readonly requestId: RequestId;
  readonly reason: "notLeader" | "busy";
}

/** A read may be answered from any state that has applied `index`. */
export interface ReadableEffect {
  readonly kind: "readable";
  readonly requestId: RequestId;
  readonly index: LogIndex;
}

/** Role, term or known leader are no longer what they were. */
export interface ChangedEffect {
  readonly kind: "changed";
  readonly role: Role;
  readonly term: Term;
  readonly leaderId: ServerId | null;
}

/** A peer's message contradicts what the protocol allows; it was ignored. A bug or a lie on the other side. */
export interface ObjectionEffect {
  readonly kind: "objection";
  readonly from: ServerId;
  readonly reason: string;
}

export type Effect =
  | WriteEffect
  | SendEffect
  | ApplyEffect
  | AcceptedEffect
  | RefusedEffect
  | ReadableEffect
  | ChangedEffect
  | ObjectionEffect;
