/**
 * What a picture of a run is made of: plain data that goes into the page as JSON. Times are simulated milliseconds; an entry of a log
 * is named by its place in `entries`.
 *
 * @module
 */
import type { Role } from "../../../internal/raft/types.ts";
import type { Verdict } from "../run_seed.ts";

/** What a server was, from `at` on until its next state. */
export interface ServerState {
  readonly at: number;
  readonly role: Role;
  readonly term: number;
  readonly votedFor: string | null;
  readonly leaderId: string | null;
  readonly snapshotIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly commitIndex: number;
  readonly durableIndex: number;
}

/** One life of a process; the picture ends with `to` where it lives on. */
export interface LifeSpan {
  readonly from: number;
  readonly to: number | null;
  readonly why: string;
}

/** A log changed: everything from `from` on is gone, and these entries stand there instead. */
export interface LogChange {
  readonly at: number;
  readonly from: number;
  readonly entries: readonly number[];
  /** Whether the log in front of `from` is gone too. */
  readonly reset: boolean;
}

/** A write of hard state or entries, from when it was asked for until it was durable. */
export interface DiskWrite {
  readonly at: number;
  stableAt: number | null;
  readonly number: number;
  readonly text: string;
}

export interface RecordedServer {
  readonly id: string;
  readonly states: readonly ServerState[];
  readonly lives: readonly LifeSpan[];
  readonly log: readonly LogChange[];
  readonly writes: readonly DiskWrite[];
}

/** What a message is about; the picture has a colour for each. */
export type MessageClass = "election" | "append" | "heartbeat" | "response" | "snapshot" | "shell";

export interface RecordedMessage {
  readonly at: number;
  /** `null` where it never arrived, as far as the run went. */
  receivedAt: number | null;
  readonly from: string;
  readonly to: string;
  readonly class: MessageClass;
  readonly text: string;
  /** It arrived more than once, or late after its like: what it copies was sent at `at`. */
  readonly isCopy: boolean;
}

export interface RecordedStrike {
  readonly at: number;
  readonly name: string;
  /** What it does, in words. */
  readonly what: string;
  readonly rows: string;
  readonly whom: string;
  readonly forMs: number;
}

export type Outcome = "pending" | "ok" | "refused" | "unknown";

export interface RecordedOperation {
  readonly client: number;
  readonly server: string;
  readonly text: string;
  readonly at: number;
  answeredAt: number | null;
  outcome: Outcome;
  reply: string;
}

/** Something that a server said or decided that is no message and no state. */
export interface RecordedNote {
  readonly at: number;
  readonly server: string;
  readonly text: string;
}

export interface RecordedEntry {
  readonly index: number;
  readonly term: number;
  readonly text: string;
}

export interface Recording {
  readonly seed: number;
  /** How to run it again. */
  readonly command: string;
  readonly verdict: Verdict;
  /** Line by line, the first cause first; empty where everything held. */
  readonly reason: readonly string[];
  readonly endedAt: number;
  /** When the faults ended, `null` where they did not. */
  readonly healedAt: number | null;
  readonly core: readonly string[];
  readonly traceHash: string;
  readonly odds: readonly (readonly [name: string, value: string])[];
  /** Fault classes that fired, with counts. */
  readonly faults: readonly (readonly [name: string, count: number])[];
  readonly servers: readonly RecordedServer[];
  readonly clients: readonly number[];
  readonly entries: readonly RecordedEntry[];
  readonly messages: readonly RecordedMessage[];
  readonly strikes: readonly RecordedStrike[];
  readonly operations: readonly RecordedOperation[];
  readonly notes: readonly RecordedNote[];
}
