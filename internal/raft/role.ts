/**
 * What changes when the role changes, and nothing else (3.3, 3.4).
 *
 * Keeps true: the term never falls; a vote is cleared only by a new term (E4, E6); whatever a leader kept for its reign
 * is gone when the reign is over, and reads and transfers that were waiting are told; who once gave up the lead of a term
 * never has it again.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { mayStand } from "./membership.ts";
import type { Outbox } from "./outbox.ts";
import { Progress } from "./progress.ts";
import type { State } from "./state.ts";
import type { ServerId, Term } from "./types.ts";

/** Draws the next moment to campaign (3.4: drawn anew for each election). */
export function resetElectionTimer(state: State): void {
  const { electionTimeoutMinMs, electionTimeoutMaxMs } = state.settings;
  state.timerWasLate = false;
  state.electionDeadline = state.now + state.random.between(electionTimeoutMinMs, electionTimeoutMaxMs);
}

/** Follows in that term, which is ours or a newer one. */
export function becomeFollower(state: State, term: Term, leaderId: ServerId | null, outbox: Outbox): void {
  assert(term >= state.currentTerm, "The term never falls");
  if (term > state.currentTerm) {
    state.currentTerm = term;
    state.votedFor = null;
    state.leaderId = null;
    state.termLeaderId = null;
  }
  if (state.role === "leader") endReign(state, outbox);
  state.role = "follower";
  state.votesGranted.clear();
  if (leaderId === null) return;
  state.leaderId = leaderId;
  state.termLeaderId = leaderId;
}

/** Gives up the lead within its term, and falls silent (6.2). */
export function stepDown(state: State, outbox: Outbox): void {
  assert(state.role === "leader", "Only a leader steps down");
  endReign(state, outbox);
  state.role = "follower";
  state.leaderId = null;
}

/** Asks whether it would be elected; knows no leader any more. */
export function becomePreCandidate(state: State): void {
  assert(state.role !== "leader", "A leader does not campaign");
  assert(mayStand(state), "Only voters campaign (E17)");
  state.role = "preCandidate";
  state.leaderId = null;
  state.preVoteRound += 1;
  state.votesGranted = new Set([state.id]);
}

/** Opens a new term and votes for itself in it. */
export function becomeCandidate(state: State, outbox: Outbox): void {
  assert(state.role !== "leader", "A leader does not campaign");
  assert(mayStand(state), "Only voters campaign (E17)");
  state.currentTerm += 1;
  state.votedFor = state.id;
  state.role = "candidate";
  state.leaderId = null;
  state.termLeaderId = null;
  state.votesGranted = new Set();
  outbox.promiseOwnVote();
}

/** Leads the term for which a quorum voted. The caller appends the no-op. */
export function becomeLeader(state: State): void {
  assert(state.role === "candidate", "Only a candidate becomes leader");
  assert(state.configuration.isQuorum(state.votesGranted), "A leader has the votes of a quorum");
  state.role = "leader";
  state.leaderId = state.id;
  state.termLeaderId = state.id;
  state.votesGranted = new Set();
  state.progress = new Map();
  followMembers(state);
  state.round = 0;
  state.openRounds = [];
  state.leaseFrom = -Infinity;
  state.ledSince = state.now;
  state.transfer = null;
  state.transferTried = false;
  state.heartbeatDeadline = state.now + state.settings.heartbeatMs;
  state.uncommittedBytes = 0;
  for (let index = state.commitIndex + 1; index <= state.log.lastIndex; index++) {
    state.uncommittedBytes += state.log.entryAt(index).payload.length;
  }
}

/** A leader has a progress for every other member, and for nobody else (M8). */
export function followMembers(state: State): void {
  const { configuration, progress } = state;
  for (const id of progress.keys()) if (!configuration.isMember(id)) progress.delete(id);
  for (const { id } of configuration.members) {
    if (id === state.id || progress.has(id)) continue;
    progress.set(id, new Progress(state.log.lastIndex + 1, state.now));
  }
}

/** The other voters, in a fixed order. */
export function otherVotersOf(state: State): readonly ServerId[] {
  return state.configuration.voters.filter((id) => id !== state.id);
}

function endReign(state: State, outbox: Outbox): void {
  for (const { reads } of state.readRounds) {
    for (const { requestId } of reads) outbox.refused(requestId, "notLeader");
  }
  for (const { requestId } of state.readsWaiting) outbox.refused(requestId, "notLeader");
  state.readRounds = [];
  state.readsWaiting = [];
  state.openRounds = [];
  state.leaseFrom = -Infinity;
  if (state.transfer !== null && state.transfer.requestId !== null) {
    outbox.transferEnded(state.transfer.requestId, null);
  }
  state.transfer = null;
  state.progress = new Map();
  state.uncommittedBytes = 0;
  resetElectionTimer(state);
}
