/**
 * What a server can ask for: the only way out. Effects are performed in the order in which they are given.
 *
 * @module
 */
import type { Message } from "./message.ts";
import type { RequestId } from "./input.ts";
import type {
  ConfigurationValue,
  Entry,
  HardState,
  LogIndex,
  LogPosition,
  Role,
  ServerId,
  Term,
  WriteNumber,
} from "./types.ts";

/** Put this on disk, after every write with a lower number; say `stable` when it is synced. */
export interface WriteEffect {
  readonly kind: "write";
  readonly number: WriteNumber;
  /** The new hard state, or `null` where it stays. */
  readonly hardState: HardState | null;
  /** First forget the whole log and begin anew behind this place, which a durable snapshot covers; `null` where it goes on. */
  readonly reset: LogPosition | null;
  /** Then remove every entry from this index on, or `null` where none is removed. */
  readonly truncateFrom: LogIndex | null;
  /** Then append these, contiguous with what is left. */
  readonly append: readonly Entry[];
  /** What was known to be committed when this was asked for; a hint for the next start. */
  readonly commitIndex: LogIndex;
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

/** That request was not taken, certainly: ask the leader, or later, or whoever leads when the transfer is over. */
export interface RefusedEffect {
  readonly kind: "refused";
  readonly requestId: RequestId;
  readonly reason: RefusalReason;
}

export type RefusalReason = "notLeader" | "busy" | "transferring";

/** The members stay as they are: `reason` says which rule wants it so. */
export interface ChangeRefusedEffect {
  readonly kind: "changeRefused";
  readonly requestId: RequestId;
  readonly reason: string;
}

/** A transfer is over: this server does not lead any more, or, with a reason, it does. */
export interface TransferEndedEffect {
  readonly kind: "transferEnded";
  readonly requestId: RequestId;
  readonly reason: string | null;
}

/** The configuration in force is another one than before the step. */
export interface ConfigurationEffect {
  readonly kind: "configuration";
  readonly index: LogIndex;
  readonly configuration: ConfigurationValue;
}

/** Our log cannot go on from what the leader has: get a snapshot that covers at least `index`, from anybody. Said again and again. */
export interface NeedSnapshotEffect {
  readonly kind: "needSnapshot";
  readonly leaderId: ServerId;
  readonly index: LogIndex;
}

/** The state machine goes on from the snapshot that ends there, in place of what it had. Entries behind it follow. */
export interface InstallSnapshotEffect {
  readonly kind: "installSnapshot";
  readonly index: LogIndex;
  readonly term: Term;
}

/** This server cannot go on: what is committed here and what a peer holds for committed contradict each other (S5). */
export interface HaltEffect {
  readonly kind: "halt";
  readonly reason: string;
}

/**
 * What is on our disk is less than what we acknowledged to the leader of our term, though nobody told us of a loss: an old copy, or a disk
 * that lost what it had synced. The shell notes a loss of that number durably, and stops: the next start is that of a server that lost
 * a part of its log.
 */
export interface RolledBackEffect {
  readonly kind: "rolledBack";
  readonly epoch: number;
}

/** All that this server may have acknowledged before it lost a part of its log is on its disk again: the mark of the loss may go. */
export interface RepairedEffect {
  readonly kind: "repaired";
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
  | ChangeRefusedEffect
  | TransferEndedEffect
  | ConfigurationEffect
  | NeedSnapshotEffect
  | InstallSnapshotEffect
  | HaltEffect
  | RepairedEffect
  | RolledBackEffect
  | ChangedEffect
  | ObjectionEffect;
