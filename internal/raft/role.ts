/**
 * What changes when the role changes, and nothing else (3.3, 3.4).
 *
 * Keeps true: the term never falls; a vote is cleared only by a new term (E4, E6); whatever a leader kept for its reign
 * is gone when the reign is over, and reads that were waiting are told.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Outbox } from "./outbox.ts";
import { Progress } from "./progress.ts";
import type { State } from "./state.ts";
import type { ServerId, Term } from "./types.ts";

/** Draws the next moment to campaign (3.4: drawn anew for each election). */
export function resetElectionTimer(state: State): void {
  const { electionTimeoutMinMs, electionTimeoutMaxMs } = state.settings;
  state.electionDeadline = state.now + state.random.between(electionTimeoutMinMs, electionTimeoutMaxMs);
}

/** Follows in that term, which is ours or a newer one. */
export function becomeFollower(state: State, term: Term, leaderId: ServerId | null, outbox: Outbox): void {
  assert(term >= state.currentTerm, "The term never falls");
  if (term > state.currentTerm) {
    state.currentTerm = term;
    state.votedFor = null;
    state.leaderId = null;
  }
  if (state.role === "leader") endReign(state, outbox);
  state.role = "follower";
  state.votesGranted = new Set();
  if (leaderId !== null) state.leaderId = leaderId;
}

/** Opens a new term and votes for itself in it. */
export function becomeCandidate(state: State, outbox: Outbox): void {
  assert(state.role !== "leader", "A leader does not campaign");
  assert(state.configuration.isVoter(state.id), "Only voters campaign (E17)");
  state.currentTerm += 1;
  state.votedFor = state.id;
  state.role = "candidate";
  state.leaderId = null;
  state.votesGranted = new Set();
  outbox.promiseOwnVote();
}

/** Leads the term for which a quorum voted. The caller appends the no-op. */
export function becomeLeader(state: State): void {
  assert(state.role === "candidate", "Only a candidate becomes leader");
  assert(state.configuration.isQuorum(state.votesGranted), "A leader has the votes of a quorum");
  state.role = "leader";
  state.leaderId = state.id;
  state.votesGranted = new Set();
  state.progress = new Map();
  for (const peer of peersOf(state)) {
    state.progress.set(peer, new Progress(state.log.lastIndex + 1, state.now));
  }
  state.round = 0;
  state.heartbeatDeadline = state.now + state.settings.heartbeatMs;
  state.uncommittedBytes = 0;
  for (let index = state.commitIndex + 1; index <= state.log.lastIndex; index++) {
    state.uncommittedBytes += state.log.entryAt(index).payload.length;
  }
}

/** The other voters, in a fixed order. */
export function peersOf(state: State): readonly ServerId[] {
  return state.configuration.voters.filter((id) => id !== state.id);
}

function endReign(state: State, outbox: Outbox): void {
  for (const { reads } of state.readRounds) {
    for (const { requestId } of reads) outbox.refused(requestId, "notLeader");
  }
  for (const { requestId } of state.readsWaiting) outbox.refused(requestId, "notLeader");
  state.readRounds = [];
  state.readsWaiting = [];
  state.progress = new Map();
  state.uncommittedBytes = 0;
  resetElectionTimer(state);
}
