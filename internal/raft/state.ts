/**
 * All variables of one server, grouped as in raft.tla, with their values at birth.
 *
 * Plain data: the handlers in election.ts, replication.ts and reads.ts change it, raft.ts decides which of them runs,
 * invariants.ts says what must be true of it.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { Configuration } from "./configuration.ts";
import type { RequestId } from "./input.ts";
import { Log } from "./log.ts";
import type { Progress } from "./progress.ts";
import type {
  HardState,
  LogIndex,
  LogPosition,
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
  /**
   * A server without a leader campaigns after a time drawn from [min, max] (3.4). Whoever heard its leader within the
   * shorter one stays loyal to it (9.6), and a leader that heard no quorum within it steps down (6.2).
   */
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  /** Whether a server asks first whether it would be elected (9.6). */
  readonly preVote: boolean;
  /**
   * Whether leadership follows evidence: a leader that hears no quorum steps down, a follower of a live leader refuses votes (6.2,
   * 4.2.3), and nobody leads whose disk stands still.
   */
  readonly checkQuorum: boolean;
  /**
   * `null`: reads are never answered on the strength of a lease (6.4.1). A number: clocks drift apart by at most so many
   * thousandths, the machine's sleep included, and whoever asks for it may read so.
   */
  readonly leaseDriftPermille: number | null;
  /** A learner that lacks at most so many entries, and caught up with the last ones within an election timeout, is ready (4.2.1). */
  readonly learnerGapMax: number;
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
  preVote: true,
  checkQuorum: true,
  leaseDriftPermille: null,
  learnerGapMax: 1000,
  appendBytesMax: 1024 * 1024,
  appendEntriesMax: 1024,
  inFlightMessagesMax: 64,
  inFlightBytesMax: 8 * 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
  uncommittedEntriesMax: 8192,
};

/** Says which rule a set of settings breaks, or `null` if it is sound. */
export function objectionToSettings(s: Settings): string | null {
  const positive = [
    "heartbeatMs",
    "electionTimeoutMinMs",
    "appendBytesMax",
    "appendEntriesMax",
    "inFlightMessagesMax",
    "inFlightBytesMax",
    "uncommittedBytesMax",
    "uncommittedEntriesMax",
    "learnerGapMax",
  ] as const;
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
  const drift = s.leaseDriftPermille;
  if (drift !== null && !(Number.isInteger(drift) && drift >= 1 && drift <= 500)) {
    return `leaseDriftPermille is ${drift}, it must be a whole number from 1 to 500`;
  }
  if (drift !== null && !s.checkQuorum) return "leaseDriftPermille is set, so checkQuorum must be (R6)";
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

/** A round that no quorum has answered yet, and when it began. */
export interface OpenRound {
  readonly round: Round;
  readonly startedAt: Millis;
}

/** The configuration from an index on, until the next one. */
export interface PlacedConfiguration {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/** A leadership transfer under way (3.10). */
export interface Transfer {
  readonly to: ServerId;
  /** Where the service goes on if nothing came of it. */
  readonly deadline: Millis;
  /** Who asked; `null` where the leader itself wants it. */
  readonly requestId: RequestId | null;
}

/** A write that was asked for and is not stable yet. */
export interface PendingWrite {
  readonly number: WriteNumber;
  readonly askedAt: Millis;
  /** The end of the log that it makes durable; lowered if a later write removes some of it (L11). */
  lastIndex: LogIndex;
}

export interface State {
  readonly id: ServerId;
  readonly settings: Settings;
  readonly random: Random;
  /** The newest configuration in the log, committed or not: in force from when it is appended (4.1). */
  configuration: Configuration;
  /** Where it stands; 0 for that of the birth. */
  configurationIndex: LogIndex;
  /** All that the log holds, oldest first; the first one is in force where the log begins. */
  configurations: PlacedConfiguration[];
  /** Counts how often we lost a part of our log; see AppendEntriesResponse. */
  readonly epoch: number;
  /** See {@link Recovered}; gone once the log is repaired (repair.ts). */
  floor: LogPosition | null;
  /** When everything up to here is on our disk, the log is repaired; `null` while nobody proved that. */
  repairedAt: LogIndex | null;

  /* serverVars */
  currentTerm: Term;
  votedFor: ServerId | null;
  role: Role;
  /** Who leads in `currentTerm` and was heard lately, as far as we know. */
  leaderId: ServerId | null;
  /** Whom we heard lead last, in whatever term; we are loyal to it for a while. */
  loyalTo: ServerId | null;
  /** Who was ever known to lead in `currentTerm`; nobody else can (I1). */
  termLeaderId: ServerId | null;

  /* logVars */
  readonly log: Log;
  commitIndex: LogIndex;
  /** Whether our disk has room for entries that a leader sends. */
  takesEntries: boolean;

  /* candidateVars */
  /** Who granted a vote in `currentTerm`, or, of a pre-candidate, who would in the next. */
  votesGranted: Set<ServerId>;
  /** Counts the times that we asked whether we would be elected. */
  preVoteRound: Round;
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
  /** Rounds that no quorum has answered, oldest first; for the lease. */
  openRounds: OpenRound[];
  /** When the newest round began that a quorum has answered (6.4.1: measured from when it was sent). */
  leaseFrom: Millis;
  /** Since when we lead. */
  ledSince: Millis;
  transfer: Transfer | null;
  /** A transfer was tried in this term: its election may come yet, so there is no lease any more (R5). */
  transferTried: boolean;
  /** Payload bytes of the entries behind `commitIndex`. Kept by a leader only. */
  uncommittedBytes: number;

  /* time */
  now: Millis;
  /** When a follower or candidate campaigns. */
  electionDeadline: Millis;
  /** The priority from which on a server may campaign now; decays while there is no leader. */
  targetPriority: number;
  /** When the leader was last heard. */
  leaderHeardAt: Millis;
  /** The timer was read much too late, and was set anew once for that. */
  timerWasLate: boolean;
  /** When a leader speaks next. */
  heartbeatDeadline: Millis;
  /** By how much the latest alarm was late. */
  loopDelayMs: Millis;

  /* the disk, as far as the shell told */
  lastWrite: WriteNumber;
  stableWrite: WriteNumber;
  /** When a write became stable last. */
  stableAt: Millis;
  pendingWrites: PendingWrite[];
  /** The newest write with which the log begins anew behind a snapshot; 0 if there was none in this life. */
  resetWrite: WriteNumber;
  /** The entries up to here are on our disk as they stand in `log`. */
  durableIndex: LogIndex;
}

/** `Init`, or `Restart` where the disk remembers something (raft.tla). */
export function initialState(
  id: ServerId,
  settings: Settings,
  recovered: Recovered,
  random: Random,
  now: Millis,
): State {
  const objection = objectionToSettings(settings);
  assert(objection === null, `The settings were checked: ${objection}`);
  const log = new Log(recovered);
  assert(recovered.hardState.currentTerm >= log.lastTerm, "The term on disk is not behind the log");
  assert(
    recovered.commitIndex >= log.snapshotIndex && recovered.commitIndex <= log.lastIndex,
    "What the disk knows to be committed is in the log",
  );
  assert(recovered.floor === null || recovered.epoch > 0, "Only a server that lost something has a floor");
  const configurations = configurationsOf(recovered);
  const newest = must(configurations.at(-1), "There is a configuration");
  return {
    id,
    settings,
    random,
    configuration: newest.configuration,
    configurationIndex: newest.index,
    configurations,
    epoch: recovered.epoch,
    floor: recovered.floor,
    repairedAt: null,
    currentTerm: recovered.hardState.currentTerm,
    votedFor: recovered.hardState.votedFor,
    role: "follower",
    leaderId: null,
    loyalTo: null,
    termLeaderId: null,
    log,
    commitIndex: recovered.commitIndex,
    takesEntries: true,
    votesGranted: new Set(),
    preVoteRound: 0,
    ownVoteWrite: 0,
    progress: new Map(),
    termStartIndex: 0,
    round: 0,
    readRounds: [],
    readsWaiting: [],
    openRounds: [],
    leaseFrom: -Infinity,
    ledSince: now,
    transfer: null,
    transferTried: false,
    uncommittedBytes: 0,
    now,
    electionDeadline: now,
    targetPriority: Infinity,
    // Whoever forgot how lately it heard a leader that may hold a lease behaves as if it had heard it right now (R6).
    leaderHeardAt: settings.leaseDriftPermille === null ? -Infinity : now,
    timerWasLate: false,
    heartbeatDeadline: now,
    loopDelayMs: 0,
    lastWrite: 0,
    stableWrite: 0,
    stableAt: now,
    pendingWrites: [],
    resetWrite: 0,
    durableIndex: log.lastIndex,
  };
}

/** The configuration at the beginning of the log, and those in it. */
function configurationsOf({ configurationIndex, configuration, entries }: Recovered): PlacedConfiguration[] {
  const placed = [{ index: configurationIndex, configuration: new Configuration(configuration) }];
  for (const entry of entries) {
    if (entry.configuration === null) continue;
    placed.push({ index: entry.index, configuration: new Configuration(entry.configuration) });
  }
  return placed;
}

/** The hard state as it stands in memory. */
export function hardStateOf(state: State): HardState {
  return { currentTerm: state.currentTerm, votedFor: state.votedFor };
}

/**
 * For how long our disk has made no write stable while one waits: a disk that is behind and goes on does not stand still, however long a
 * write waits for its turn.
 */
export function diskSilenceOf(state: State): Millis {
  const oldest = state.pendingWrites[0];
  return oldest === undefined ? 0 : state.now - Math.max(oldest.askedAt, state.stableAt);
}
