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
import { mayStand } from "./membership.ts";
import type { State } from "./state.ts";
import type { LogIndex, Role, ServerId, Term, WriteNumber } from "./types.ts";

/** What a step is compared against. */
export interface Before {
  readonly currentTerm: Term;
  readonly votedFor: ServerId | null;
  readonly role: Role;
  readonly termLeaderId: ServerId | null;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly commitIndex: LogIndex;
  readonly snapshotIndex: LogIndex;
  readonly configurationIndex: LogIndex;
  readonly stableWrite: WriteNumber;
}

export function before(state: State): Before {
  return {
    currentTerm: state.currentTerm,
    votedFor: state.votedFor,
    role: state.role,
    termLeaderId: state.termLeaderId,
    lastIndex: state.log.lastIndex,
    lastTerm: state.log.lastTerm,
    commitIndex: state.commitIndex,
    snapshotIndex: state.log.snapshotIndex,
    configurationIndex: state.configurationIndex,
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
  assert(state.durableIndex >= log.snapshotIndex, "I14: what left the log is on our disk");
  const [base] = state.configurations;
  assert(
    base !== undefined && base.index <= log.snapshotIndex && state.configurationIndex <= log.lastIndex,
    "I20: the log knows its configuration everywhere",
  );
  const pending = state.pendingWrites;
  assert(pending.length <= state.lastWrite - state.stableWrite, "A write is pending until it is stable");
  if (pending.length === 0) {
    assert(state.durableIndex === log.lastIndex, "With no write pending all of the log is durable");
  }
  switch (state.role) {
    case "follower":
      assert(state.leaderId !== state.id, "A follower is not its own leader");
      break;
    case "preCandidate":
      assert(state.leaderId === null, "A pre-candidate knows no leader that lives");
      assert(mayStand(state), "I22: only voters campaign");
      break;
    case "candidate":
      assert(state.votedFor === state.id, "A candidate votes for itself");
      assert(state.termLeaderId === null, "A candidate knows no leader of its term");
      assert(mayStand(state), "I22: only voters campaign");
      break;
    case "leader":
      assert(state.leaderId === state.id, "A leader knows that it leads");
      assert(
        state.configuration.isVoter(state.id) || state.configurationIndex > state.commitIndex ||
          state.transfer !== null,
        "I22: only voters lead, until it is settled that they are none",
      );
      assert(state.termStartIndex <= log.lastIndex, "A leader has its no-op");
      assert(state.uncommittedBytes >= 0, "I30: uncommitted bytes are never negative");
      assert(
        state.commitIndex < log.lastIndex || state.uncommittedBytes === 0,
        "I30: nothing uncommitted weighs nothing",
      );
      for (const progress of state.progress.values()) progress.check(log.lastIndex);
  }
  assert(
    state.leaderId === null || state.leaderId === state.termLeaderId,
    "Who leads now is who ever led this term",
  );
  if (state.role !== "leader") {
    assert(state.transfer === null, "Only a leader hands over");
    assert(state.progress.size === 0, "Only a leader follows its followers");
    assert(state.readRounds.length === 0 && state.readsWaiting.length === 0, "Only a leader holds reads");
  }
}

/** @throws {AssertionError} if no step leads from there to here */
export function checkTransition(was: Before, state: State): void {
  assert(state.currentTerm >= was.currentTerm, "I9: the term never falls");
  assert(state.commitIndex >= was.commitIndex, "I13: the commit index never falls");
  assert(state.log.snapshotIndex >= was.snapshotIndex, "I13: what left the log does not come back");
  assert(
    state.configurationIndex >= was.configurationIndex || was.configurationIndex > was.commitIndex,
    "I20: a committed configuration stays",
  );
  assert(state.stableWrite >= was.stableWrite, "What is stable stays stable");
  if (state.currentTerm !== was.currentTerm) return;
  assert(was.votedFor === null || state.votedFor === was.votedFor, "I9: a vote changes only with the term");
  assert(
    was.termLeaderId === null || state.termLeaderId === was.termLeaderId,
    "I1: one leader a term",
  );
  assert(
    state.role !== "leader" || was.role === "leader" || was.role === "candidate",
    "Only a candidate of the term begins to lead it",
  );
  if (was.role === "leader" && state.role === "leader") {
    assert(state.log.lastIndex >= was.lastIndex, "I2: a leader only appends");
    assert(
      state.log.snapshotIndex > was.lastIndex || state.log.termAt(was.lastIndex) === was.lastTerm,
      "I2: a leader rewrites nothing",
    );
  }
}
