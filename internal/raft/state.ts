/**
 * All variables of one server, grouped as in raft.tla, with their values at birth.
 *
 * Plain data: the handlers in election.ts, replication.ts and reads.ts change it, raft.ts decides which of them runs,
 * invariants.ts says what must be true of it.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { Configuration } from "./configuration.ts";
import type { RequestId } from "./input.ts";
import { Log } from "./log.ts";
import type { Progress } from "./progress.ts";
import type {
  HardState,
  LogIndex,
  Millis,
  Recovered,
  Role,
  Round,
  ServerId,
  Term,
  WriteNumber,
} from "./types.ts";

/** What an operator may choose. Every bound has its unit in its name. */
export interface Settings {
  /** How often a leader speaks to a follower that it has nothing else to say to. */
  readonly heartbeatMs: number;
  /** A server without a leader campaigns after a time drawn from [min, max] (3.4). */
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  /** Payload bytes in one AppendEntries, unless one entry alone has more. */
  readonly appendBytesMax: number;
  /** Entries in one AppendEntries. */
  readonly appendEntriesMax: number;
  /** Messages and payload bytes under way to one follower; the bytes may be passed by one message. */
  readonly inFlightMessagesMax: number;
  readonly inFlightBytesMax: number;
  /** Payload bytes and entries that a leader holds uncommitted before it refuses more; the bytes may be passed by one request. */
  readonly uncommittedBytesMax: number;
  readonly uncommittedEntriesMax: number;
}

export const defaultSettings: Settings = {
  heartbeatMs: 100,
  electionTimeoutMinMs: 1000,
  electionTimeoutMaxMs: 2000,
  appendBytesMax: 1024 * 1024,
  appendEntriesMax: 1024,
  inFlightMessagesMax: 64,
  inFlightBytesMax: 8 * 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
  uncommittedEntriesMax: 8192,
};

/** Says which rule a set of settings breaks, or `null` if it is sound. */
export function objectionToSettings(s: Settings): string | null {
  const positive: (keyof Settings)[] = [
    "heartbeatMs",
    "electionTimeoutMinMs",
    "appendBytesMax",
    "appendEntriesMax",
    "inFlightMessagesMax",
    "inFlightBytesMax",
    "uncommittedBytesMax",
    "uncommittedEntriesMax",
  ];
  for (const name of positive) {
    if (!(Number.isInteger(s[name]) && s[name] >= 1)) {
      return `${name} is ${s[name]}, it must be a whole number of at least 1`;
    }
  }
  if (s.heartbeatMs * 2 > s.electionTimeoutMinMs) {
    return `electionTimeoutMinMs is ${s.electionTimeoutMinMs}, it must be at least twice heartbeatMs, which is ${s.heartbeatMs}`;
  }
  if (!(Number.isInteger(s.electionTimeoutMaxMs) && s.electionTimeoutMaxMs > s.electionTimeoutMinMs)) {
    return `electionTimeoutMaxMs is ${s.electionTimeoutMaxMs}, it must be a whole number above electionTimeoutMinMs, ` +
      `which is ${s.electionTimeoutMinMs}`;
  }
  return null;
}

/** A read that waits for its round. */
export interface PendingRead {
  readonly requestId: RequestId;
  /** The state machine must have applied this much before it answers. */
  readonly index: LogIndex;
}

/** Reads that one round will confirm. */
export interface ReadRound {
  readonly round: Round;
  readonly reads: readonly PendingRead[];
}

/** A write that was asked for and is not stable yet. */
export interface PendingWrite {
  readonly number: WriteNumber;
  /** The end of the log that it makes durable; lowered if a later write removes some of it (L11). */
  lastIndex: LogIndex;
}

export interface State {
  readonly id: ServerId;
  readonly settings: Settings;
  readonly random: Random;
  readonly configuration: Configuration;

  /* serverVars */
  currentTerm: Term;
  votedFor: ServerId | null;
  role: Role;
  /** Who leads in `currentTerm`, as far as we know. */
  leaderId: ServerId | null;

  /* logVars */
  readonly log: Log;
  commitIndex: LogIndex;

  /* candidateVars */
  votesGranted: Set<ServerId>;
  /** The write that holds our own vote; the vote counts when it is stable (E3). */
  ownVoteWrite: WriteNumber;

  /* leaderVars */
  progress: Map<ServerId, Progress>;
  /** Where our term begins: the index of the no-op that we appended when we became leader. */
  termStartIndex: LogIndex;
  /** The newest round; 0 before the first. */
  round: Round;
  /** Reads whose round is under way, oldest first. */
  readRounds: ReadRound[];
  /** Reads that wait for the next round. */
  readsWaiting: PendingRead[];
  /** Payload bytes of the entries behind `commitIndex`. Kept by a leader only. */
  uncommittedBytes: number;

  /* time */
  now: Millis;
  /** When a follower or candidate campaigns. */
  electionDeadline: Millis;
  /** When a leader speaks next. */
  heartbeatDeadline: Millis;

  /* the disk, as far as the shell told */
  lastWrite: WriteNumber;
  stableWrite: WriteNumber;
  pendingWrites: PendingWrite[];
  /** The entries up to here are on our disk as they stand in `log`. */
  durableIndex: LogIndex;
}

/** `Init`, or `Restart` where the disk remembers something (raft.tla). */
export function initialState(
  id: ServerId,
  settings: Settings,
  configuration: Configuration,
  recovered: Recovered,
  random: Random,
  now: Millis,
): State {
  const objection = objectionToSettings(settings);
  assert(objection === null, `The settings were checked: ${objection}`);
  const log = new Log(recovered);
  assert(recovered.hardState.currentTerm >= log.lastTerm, "The term on disk is not behind the log");
  return {
    id,
    settings,
    random,
    configuration,
    currentTerm: recovered.hardState.currentTerm,
    votedFor: recovered.hardState.votedFor,
    role: "follower",
    leaderId: null,
    log,
    commitIndex: log.snapshotIndex,
    votesGranted: new Set(),
    ownVoteWrite: 0,
    progress: new Map(),
    termStartIndex: 0,
    round: 0,
    readRounds: [],
    readsWaiting: [],
    uncommittedBytes: 0,
    now,
    electionDeadline: now,
    heartbeatDeadline: now,
    lastWrite: 0,
    stableWrite: 0,
    pendingWrites: [],
    durableIndex: log.lastIndex,
  };
}

/** The hard state as it stands in memory. */
export function hardStateOf(state: State): HardState {
  return { currentTerm: state.currentTerm, votedFor: state.votedFor };
}
