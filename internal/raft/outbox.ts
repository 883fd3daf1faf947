/**
 * What one step wants done, put into the order that makes it safe.
 *
 * Keeps true:
 *  1. One step asks for at most one write, and it comes first: everything the step changed in term, vote and log is in it.
 *  2. A promise carries the number of the latest write asked for so far, this step's included; it may leave when that is
 *     stable. Promises are votes, requests for votes (a candidate's own vote, E3) and every response, refusals too: nobody
 *     proved that they need not wait.
 *  3. `readable` comes before `apply`: a read that was asked for before a later write of the same client is released
 *     before that write is applied. `installSnapshot` comes before both.
 *  4. `configuration` comes before the messages, so that the shell knows whom they go to.
 *  5. `changed` comes last, so that whoever waits for an entry that this very step commits is told the truth.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Effect, InstallSnapshotEffect, ReadableEffect, RefusalReason } from "./effect.ts";
import type { RequestId } from "./input.ts";
import { adoptConfiguration, rollBackConfiguration } from "./membership.ts";
import type { Message } from "./message.ts";
import { hardStateOf, type State } from "./state.ts";
import type { Entry, HardState, LogIndex, LogPosition, ServerId, Term } from "./types.ts";

export class Outbox {
  readonly #state: State;
  readonly #hardState: HardState;
  readonly #role: State["role"];
  readonly #leaderId: ServerId | null;
  readonly #configuration: State["configuration"];
  #commitIndex: LogIndex;
  #reset: LogPosition | null = null;
  #truncateFrom: LogIndex | null = null;
  readonly #append: Entry[] = [];
  readonly #messages: { readonly to: ServerId; readonly message: Message; readonly promise: boolean }[] = [];
  readonly #answers: Effect[] = [];
  readonly #readable: ReadableEffect[] = [];
  #install: InstallSnapshotEffect | null = null;
  #ownVote = false;

  /** Remembers how things stood before the step. */
  constructor(state: State) {
    this.#state = state;
    this.#hardState = hardStateOf(state);
    this.#role = state.role;
    this.#leaderId = state.leaderId;
    this.#configuration = state.configuration;
    this.#commitIndex = state.commitIndex;
  }

  /** Sends what promises nothing: a leader's requests. They leave at once, beside the leader's own disk write. */
  send(to: ServerId, message: Message): void {
    this.#messages.push({ to, message, promise: false });
  }

  /** Sends what must not be known before it is on our disk. */
  promise(to: ServerId, message: Message): void {
    this.#messages.push({ to, message, promise: true });
  }

  /** Our own vote counts once this step's write is stable. */
  promiseOwnVote(): void {
    this.#ownVote = true;
  }

  /** Forgets the log and begins anew behind a snapshot, in memory now and on disk with this step's write. */
  installSnapshot(index: LogIndex, term: Term): void {
    assert(
      this.#append.length === 0 && this.#truncateFrom === null,
      "A step that begins anew does only that",
    );
    const state = this.#state;
    state.log.reset(index, term);
    state.commitIndex = index;
    state.durableIndex = index;
    for (const write of state.pendingWrites) write.lastIndex = index;
    this.#commitIndex = index;
    this.#reset = { index, term };
    this.#install = { kind: "installSnapshot", index, term };
    // The write of this very step.
    state.resetWrite = state.lastWrite + 1;
  }

  /** Removes the log from `index` on, in memory now and on disk with this step's write. */
  truncateFrom(index: LogIndex): void {
    assert(this.#append.length === 0, "A step removes before it appends");
    assert(this.#truncateFrom === null, "A step removes once");
    const state = this.#state;
    state.log.truncateFrom(index);
    state.durableIndex = Math.min(state.durableIndex, index - 1);
    for (const write of state.pendingWrites) write.lastIndex = Math.min(write.lastIndex, index - 1);
    rollBackConfiguration(state, index);
    this.#truncateFrom = index;
  }

  /** Appends an entry, in memory now and on disk with this step's write. A configuration is in force from now on (4.1). */
  append(entry: Entry): void {
    this.#state.log.append(entry);
    this.#append.push(entry);
    if (entry.configuration !== null) adoptConfiguration(this.#state, entry.index, entry.configuration);
  }

  accepted(requestId: RequestId, firstIndex: LogIndex, count: number): void {
    this.#answers.push({ kind: "accepted", requestId, term: this.#state.currentTerm, firstIndex, count });
  }

  refused(requestId: RequestId, reason: RefusalReason): void {
    this.#answers.push({ kind: "refused", requestId, reason });
  }

  changeRefused(requestId: RequestId, reason: string): void {
    this.#answers.push({ kind: "changeRefused", requestId, reason });
  }

  transferEnded(requestId: RequestId, reason: string | null): void {
    this.#answers.push({ kind: "transferEnded", requestId, reason });
  }

  needSnapshot(leaderId: ServerId, index: LogIndex): void {
    this.#answers.push({ kind: "needSnapshot", leaderId, index });
  }

  repaired(): void {
    this.#answers.push({ kind: "repaired" });
  }

  rolledBack(epoch: number): void {
    this.#answers.push({ kind: "rolledBack", epoch });
  }

  halt(reason: string): void {
    this.#answers.push({ kind: "halt", reason });
  }

  readable(requestId: RequestId, index: LogIndex): void {
    this.#readable.push({ kind: "readable", requestId, index });
  }

  /** A message contradicts the protocol; it was ignored. */
  objected(from: ServerId, reason: string): void {
    this.#answers.push({ kind: "objection", from, reason });
  }

  /** The effects of the step, in order. Called once. */
  finish(): readonly Effect[] {
    const state = this.#state;
    const effects: Effect[] = [];
    const hardStateChanged = state.currentTerm !== this.#hardState.currentTerm ||
      state.votedFor !== this.#hardState.votedFor;
    const logChanged = this.#reset !== null || this.#truncateFrom !== null || this.#append.length > 0;
    if (hardStateChanged || logChanged) {
      const number = ++state.lastWrite;
      state.pendingWrites.push({ number, askedAt: state.now, lastIndex: state.log.lastIndex });
      effects.push({
        kind: "write",
        number,
        hardState: hardStateChanged ? hardStateOf(state) : null,
        reset: this.#reset,
        truncateFrom: this.#truncateFrom,
        append: this.#append,
        commitIndex: state.commitIndex,
      });
    }
    if (this.#ownVote) state.ownVoteWrite = state.lastWrite;
    if (state.configuration !== this.#configuration) {
      const { configurationIndex: index, configuration } = state;
      effects.push({ kind: "configuration", index, configuration: configuration.value });
    }
    for (const { to, message, promise } of this.#messages) {
      const after = promise && state.lastWrite > state.stableWrite ? state.lastWrite : null;
      effects.push({ kind: "send", to, message, after });
    }
    for (const answer of this.#answers) effects.push(answer);
    if (this.#install !== null) effects.push(this.#install);
    for (const readable of this.#readable) effects.push(readable);
    if (state.commitIndex > this.#commitIndex) {
      effects.push({ kind: "apply", entries: state.log.slice(this.#commitIndex + 1, state.commitIndex) });
    }
    if (
      state.role !== this.#role || state.leaderId !== this.#leaderId ||
      state.currentTerm !== this.#hardState.currentTerm
    ) {
      effects.push({ kind: "changed", role: state.role, term: state.currentTerm, leaderId: state.leaderId });
    }
    return effects;
  }
}
