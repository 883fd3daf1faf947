/**
 * What is true of a server's state, and what is true of a step; checked after every step, in production too.
 *
 * Only control fields are looked at, so the cost does not grow with the log. The numbers are those of the invariant list:
 * I2 leader append-only, I9 term and vote monotone, I13 commit monotone, I14 ordering, I16 match and next, I22 roles,
 * I30 counters.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { State } from "./state.ts";
import type { LogIndex, Role, ServerId, Term, WriteNumber } from "./types.ts";

/** What a step is compared against. */
export interface Before {
  readonly currentTerm: Term;
  readonly votedFor: ServerId | null;
  readonly role: Role;
  readonly leaderId: ServerId | null;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly commitIndex: LogIndex;
  readonly stableWrite: WriteNumber;
}

export function before(state: State): Before {
  return {
    currentTerm: state.currentTerm,
    votedFor: state.votedFor,
    role: state.role,
    leaderId: state.leaderId,
    lastIndex: state.log.lastIndex,
    lastTerm: state.log.lastTerm,
    commitIndex: state.commitIndex,
    stableWrite: state.stableWrite,
  };
}

/** @throws {AssertionError} if the state cannot be */
export function checkState(state: State): void {
  const { log } = state;
  assert(log.snapshotIndex <= state.commitIndex, "I14: what a snapshot covers is committed");
  assert(state.commitIndex <= log.lastIndex, "I14: what is committed is in the log");
  assert(state.durableIndex <= log.lastIndex, "I14: what is durable is in the log");
  assert(log.lastTerm <= state.currentTerm, "I17: no entry is of a term that has not begun");
  assert(state.stableWrite <= state.lastWrite, "Only writes that were asked for become stable");
  const pending = state.pendingWrites;
  assert(pending.length <= state.lastWrite - state.stableWrite, "A write is pending until it is stable");
  if (pending.length === 0) {
    assert(state.durableIndex === log.lastIndex, "With no write pending all of the log is durable");
  }
  switch (state.role) {
    case "follower":
      assert(state.leaderId !== state.id, "A follower is not its own leader");
      break;
    case "candidate":
      assert(state.votedFor === state.id, "A candidate votes for itself");
      assert(state.leaderId === null, "A candidate knows no leader of its term");
      break;
    case "leader":
      assert(state.leaderId === state.id, "A leader knows that it leads");
      assert(state.configuration.isVoter(state.id), "I22: only voters lead");
      assert(state.termStartIndex <= log.lastIndex, "A leader has its no-op");
      assert(state.uncommittedBytes >= 0, "I30: uncommitted bytes are never negative");
      assert(
        state.commitIndex < log.lastIndex || state.uncommittedBytes === 0,
        "I30: nothing uncommitted weighs nothing",
      );
      for (const progress of state.progress.values()) progress.check(log.lastIndex);
  }
  if (state.role !== "leader") {
    assert(state.progress.size === 0, "Only a leader follows its followers");
    assert(state.readRounds.length === 0 && state.readsWaiting.length === 0, "Only a leader holds reads");
  }
}

/** @throws {AssertionError} if no step leads from there to here */
export function checkTransition(was: Before, state: State): void {
  assert(state.currentTerm >= was.currentTerm, "I9: the term never falls");
  assert(state.commitIndex >= was.commitIndex, "I13: the commit index never falls");
  assert(state.stableWrite >= was.stableWrite, "What is stable stays stable");
  if (state.currentTerm !== was.currentTerm) return;
  assert(was.votedFor === null || state.votedFor === was.votedFor, "I9: a vote changes only with the term");
  assert(was.leaderId === null || state.leaderId === was.leaderId, "I1: one leader a term");
  assert(was.role !== "leader" || state.role === "leader", "A leader of a term stays it until the term ends");
  if (was.role === "leader") {
    assert(state.log.lastIndex >= was.lastIndex, "I2: a leader only appends");
    assert(state.log.termAt(was.lastIndex) === was.lastTerm, "I2: a leader rewrites nothing");
  }
}
