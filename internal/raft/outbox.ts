/**
 * What one step wants done, put into the order that makes it safe.
 *
 * Keeps true:
 *  1. One step asks for at most one write, and it comes first: everything the step changed in term, vote and log is in it.
 *  2. A promise carries the number of the latest write asked for so far, this step's included; it may leave when that is
 *     stable. Promises are votes, requests for votes (a candidate's own vote, E3) and every response to AppendEntries, refusals
 *     too: nobody proved that they need not wait.
 *  3. `readable` comes before `apply`: a read that was asked for before a later write of the same client is released
 *     before that write is applied.
 *  4. `changed` comes last, so that whoever waits for an entry that this very step commits is told the truth.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Effect, ReadableEffect } from "./effect.ts";
import type { RequestId } from "./input.ts";
import type { Message } from "./message.ts";
import { hardStateOf, type State } from "./state.ts";
import type { Entry, HardState, LogIndex, ServerId } from "./types.ts";

export class Outbox {
  readonly #state: State;
  readonly #hardState: HardState;
  readonly #role: State["role"];
  readonly #leaderId: ServerId | null;
  readonly #commitIndex: LogIndex;
  #truncateFrom: LogIndex | null = null;
  readonly #append: Entry[] = [];
  readonly #messages: { readonly to: ServerId; readonly message: Message; readonly promise: boolean }[] = [];
  readonly #answers: Effect[] = [];
  readonly #readable: ReadableEffect[] = [];
  #ownVote = false;

  /** Remembers how things stood before the step. */
  constructor(state: State) {
    this.#state = state;
    this.#hardState = hardStateOf(state);
    this.#role = state.role;
    this.#leaderId = state.leaderId;
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

  /** Removes the log from `index` on, in memory now and on disk with this step's write. */
  truncateFrom(index: LogIndex): void {
    assert(this.#append.length === 0, "A step removes before it appends");
    assert(this.#truncateFrom === null, "A step removes once");
    const state = this.#state;
    state.log.truncateFrom(index);
    state.durableIndex = Math.min(state.durableIndex, index - 1);
    for (const write of state.pendingWrites) write.lastIndex = Math.min(write.lastIndex, index - 1);
    this.#truncateFrom = index;
  }

  /** Appends an entry, in memory now and on disk with this step's write. */
  append(entry: Entry): void {
    this.#state.log.append(entry);
    this.#append.push(entry);
  }

  accepted(requestId: RequestId, firstIndex: LogIndex, count: number): void {
    this.#answers.push({ kind: "accepted", requestId, term: this.#state.currentTerm, firstIndex, count });
  }

  refused(requestId: RequestId, reason: "notLeader" | "busy"): void {
    this.#answers.push({ kind: "refused", requestId, reason });
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
    if (hardStateChanged || this.#truncateFrom !== null || this.#append.length > 0) {
      const number = ++state.lastWrite;
      state.pendingWrites.push({ number, lastIndex: state.log.lastIndex });
      effects.push({
        kind: "write",
        number,
        hardState: hardStateChanged ? hardStateOf(state) : null,
        truncateFrom: this.#truncateFrom,
        append: this.#append,
      });
    }
    if (this.#ownVote) state.ownVoteWrite = state.lastWrite;
    for (const { to, message, promise } of this.#messages) {
      const after = promise && state.lastWrite > state.stableWrite ? state.lastWrite : null;
      effects.push({ kind: "send", to, message, after });
    }
    for (const answer of this.#answers) effects.push(answer);
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
