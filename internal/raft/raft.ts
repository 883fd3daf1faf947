/**
 * The door to the algorithm: values in, values out (raft.tla `Receive`, `UpdateTerm`, `DropStaleResponse`, `Next`).
 *
 * All branching on the kind of an input and of a message is here; the handlers are in election.ts, replication.ts and
 * reads.ts, one action of the specification each. No promise, no clock, no bytes: time arrives with every input, randomness
 * is handed in, durability is told.
 *
 * Keeps true: the same recovered state, the same random stream and the same inputs give the same effects, on every engine;
 * after every step the state is one that can be, reached by a step that can be taken (invariants.ts).
 *
 * @module
 */
import { assertNever } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { discardPrefix, handleInstallSnapshotRequest, snapshotReceived } from "./compaction.ts";
import type { Effect } from "./effect.ts";
import {
  countOwnVote,
  handlePreVoteRequest,
  handlePreVoteResponse,
  handleRequestVoteRequest,
  handleRequestVoteResponse,
  handleTimeoutNowRequest,
  isLoyalAgainst,
  timeout,
} from "./election.ts";
import type { Input } from "./input.ts";
import { before, checkState, checkTransition } from "./invariants.ts";
import type { Message } from "./message.ts";
import { broadcastAppendEntries } from "./append_entries.ts";
import { Outbox } from "./outbox.ts";
import { heartbeat } from "./leadership.ts";
import { changeConfiguration, configurationAt, mayStand } from "./membership.ts";
import type { Progress } from "./progress.ts";
import { readRequest } from "./reads.ts";
import { endRepairWhereProved, takeFoundEntries } from "./repair.ts";
import {
  advanceCommitIndex,
  clientRequest,
  handleAppendEntriesRequest,
  handleAppendEntriesResponse,
  handleInstallSnapshotResponse,
} from "./replication.ts";
import { becomeFollower, resetElectionTimer } from "./role.ts";
import { initialState, type Settings, type State } from "./state.ts";
import { transferLeadership } from "./transfer.ts";
import type {
  ConfigurationValue,
  LogIndex,
  LogPosition,
  Millis,
  Recovered,
  Role,
  ServerId,
  Term,
  WriteNumber,
} from "./types.ts";

export interface RaftOptions {
  readonly id: ServerId;
  readonly settings: Settings;
  readonly recovered: Recovered;
  /** The stream from which election timeouts are drawn. */
  readonly random: Random;
  readonly now: Millis;
}

/** A picture of a server for status, invariants and tests. */
export interface StateView {
  readonly id: ServerId;
  readonly role: Role;
  readonly currentTerm: Term;
  readonly votedFor: ServerId | null;
  readonly leaderId: ServerId | null;
  readonly snapshotIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly commitIndex: LogIndex;
  readonly durableIndex: LogIndex;
  /** The configuration in force, and where it stands. */
  readonly configuration: ConfigurationValue;
  readonly configurationIndex: LogIndex;
  /** Where the log must reach before this server campaigns again; `null` for a log that lacks nothing. */
  readonly floor: LogPosition | null;
  /** Whether a leader takes no new work, since it hands over. */
  readonly isTransferring: boolean;
  /** On a leader: how far each follower's log agrees, on its disk. */
  readonly matchIndexes: ReadonlyMap<ServerId, LogIndex>;
}

const NO_MATCHES: ReadonlyMap<ServerId, LogIndex> = new Map();

export class Raft {
  readonly #state: State;
  /** What the latest picture said of the followers; given out again as long as it is so. */
  #matchIndexes = NO_MATCHES;

  constructor(options: RaftOptions) {
    this.#state = initialState(
      options.id,
      options.settings,
      options.recovered,
      options.random,
      options.now,
    );
    resetElectionTimer(this.#state);
    // Nobody else can lead, so nothing is waited for.
    if (this.#state.configuration.isSoleVoter(options.id)) this.#state.electionDeadline = options.now;
    checkState(this.#state);
  }

  /**
   * Takes one input and says what is to be done, in order. Total: whatever a peer or a client says has an answer.
   *
   * @throws {AssertionError} if our own code is wrong; the process must stop before it answers anybody
   */
  step(now: Millis, input: Input): readonly Effect[] {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    const was = before(state);
    const outbox = new Outbox(state);
    this.#dispatch(input, outbox);
    endRepairWhereProved(state, outbox);
    const effects = outbox.finish();
    checkState(state);
    checkTransition(was, state);
    return effects;
  }

  /** The earliest moment at which time alone matters. */
  get wakeAt(): Millis {
    const state = this.#state;
    if (state.role === "leader") return state.heartbeatDeadline;
    return mayStand(state) ? state.electionDeadline : Infinity;
  }

  view(): StateView {
    const state = this.#state;
    return {
      id: state.id,
      role: state.role,
      currentTerm: state.currentTerm,
      votedFor: state.votedFor,
      leaderId: state.leaderId,
      snapshotIndex: state.log.snapshotIndex,
      lastIndex: state.log.lastIndex,
      lastTerm: state.log.lastTerm,
      commitIndex: state.commitIndex,
      durableIndex: state.durableIndex,
      configuration: state.configuration.value,
      configurationIndex: state.configurationIndex,
      floor: state.floor,
      isTransferring: state.transfer !== null,
      matchIndexes: this.#matches(),
    };
  }

  #matches(): ReadonlyMap<ServerId, LogIndex> {
    const { progress } = this.#state;
    let isSame = this.#matchIndexes.size === progress.size;
    for (const [id, { matchIndex }] of progress) isSame &&= this.#matchIndexes.get(id) === matchIndex;
    if (isSame) return this.#matchIndexes;
    const matches = new Map<ServerId, LogIndex>();
    for (const [id, { matchIndex }] of progress) matches.set(id, matchIndex);
    this.#matchIndexes = matches;
    return matches;
  }

  /** The configuration in force at an index of the log, and where it stands: what a snapshot that ends there has to say. */
  configurationAt(
    index: LogIndex,
  ): { readonly index: LogIndex; readonly configuration: ConfigurationValue } {
    const placed = configurationAt(this.#state, index);
    return { index: placed.index, configuration: placed.configuration.value };
  }

  /** What a leader believes about its followers, for the shell's own decisions and for checkers. */
  get progress(): ReadonlyMap<ServerId, Pick<Progress, "matchIndex" | "nextIndex" | "mood" | "lastHeardAt">> {
    return this.#state.progress;
  }

  /** All variables, for checkers that enumerate states; never changed through this. */
  get variables(): Readonly<State> {
    return this.#state;
  }

  /** The log, for checkers; never changed through this. */
  get log(): Pick<State["log"], "snapshotIndex" | "lastIndex" | "termAt" | "entryAt"> {
    return this.#state.log;
  }

  #dispatch(input: Input, outbox: Outbox): void {
    const state = this.#state;
    switch (input.kind) {
      case "tick":
        return this.#tick(outbox);
      case "message":
        return this.#receive(input.from, input.message, outbox);
      case "clientRequest":
        return clientRequest(state, input.requestId, input.payloads, outbox);
      case "readRequest":
        return readRequest(state, input.requestId, input.lease, outbox);
      case "changeConfiguration":
        return this.#changeConfiguration(input, outbox);
      case "transferLeadership":
        return transferLeadership(state, input.requestId, input.to, outbox);
      case "discardPrefix":
        return discardPrefix(state, input.index);
      case "snapshotReceived":
        return snapshotReceived(state, input, outbox);
      case "entriesFound":
        return takeFoundEntries(state, input.after, input.entries, outbox);
      case "room":
        state.takesEntries = input.takesEntries;
        return;
      case "stable":
        return this.#stable(input.upTo, outbox);
      default:
        return assertNever(input, "An input has a known kind");
    }
  }

  /** At most one action per tick, however late it comes (X14). */
  #tick(outbox: Outbox): void {
    const state = this.#state;
    const wakeAt = this.wakeAt;
    if (state.now < wakeAt) return;
    state.loopDelayMs = state.now - wakeAt;
    if (state.role === "leader") heartbeat(state, outbox);
    else timeout(state, outbox);
    advanceCommitIndex(state, outbox);
  }

  #changeConfiguration(input: Extract<Input, { kind: "changeConfiguration" }>, outbox: Outbox): void {
    const state = this.#state;
    changeConfiguration(state, input.requestId, input.change, input.ifIndex, outbox);
    broadcastAppendEntries(state, outbox);
    // The quorum may have become smaller (M17).
    advanceCommitIndex(state, outbox);
  }

  /** Everything up to this write is on our disk: our own copies and our own vote count from now on. */
  #stable(upTo: WriteNumber, outbox: Outbox): void {
    const state = this.#state;
    if (upTo <= state.stableWrite) return;
    state.stableWrite = Math.min(upTo, state.lastWrite);
    state.stableAt = state.now;
    let done = 0;
    for (const write of state.pendingWrites) {
      if (write.number > upTo) break;
      state.durableIndex = write.lastIndex;
      done++;
    }
    state.pendingWrites.splice(0, done);
    countOwnVote(state, outbox);
    advanceCommitIndex(state, outbox);
  }

  #receive(from: ServerId, message: Message, outbox: Outbox): void {
    const state = this.#state;
    // UpdateTerm: whoever hears of a newer term follows in it (3.3), save from a candidate while the leader lives (4.2.3).
    if (message.term > state.currentTerm && !this.#isLoyalAgainst(from, message)) {
      becomeFollower(state, message.term, null, outbox);
    }
    switch (message.kind) {
      case "preVoteRequest":
        return handlePreVoteRequest(state, from, message, outbox);
      case "preVoteResponse":
        if (message.term < state.currentTerm) return;
        return handlePreVoteResponse(state, from, message, outbox);
      case "requestVoteRequest":
        return handleRequestVoteRequest(state, from, message, outbox);
      case "requestVoteResponse":
        // DropStaleResponse: an answer from an earlier term answers nothing we ask now (E1).
        if (message.term < state.currentTerm) return;
        return handleRequestVoteResponse(state, from, message, outbox);
      case "appendEntriesRequest":
        return handleAppendEntriesRequest(state, from, message, outbox);
      case "appendEntriesResponse":
        if (message.term < state.currentTerm) return;
        return handleAppendEntriesResponse(state, from, message, outbox);
      case "installSnapshotRequest":
        return handleInstallSnapshotRequest(state, from, message, outbox);
      case "installSnapshotResponse":
        if (message.term < state.currentTerm) return;
        return handleInstallSnapshotResponse(state, from, message, outbox);
      case "timeoutNowRequest":
        if (message.term < state.currentTerm) return;
        return handleTimeoutNowRequest(state, from, message, outbox);
      default:
        return assertNever(message, "A message has a known kind");
    }
  }

  #isLoyalAgainst(from: ServerId, message: Message): boolean {
    const asks = message.kind === "preVoteRequest" || message.kind === "requestVoteRequest";
    return asks && isLoyalAgainst(this.#state, from, message);
  }
}
