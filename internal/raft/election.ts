/**
 * Elections (dissertation 3.4, 3.6.1, 4.2.3, 6.2, 9.6; raft.tla `Timeout`, `RequestVote`, `HandleRequestVoteRequest`,
 * `HandleRequestVoteResponse`, `BecomeLeader`).
 *
 * Keeps true:
 *  1. One vote a term, on disk before it is given or counted; a vote goes only to a candidate whose log is at least as new
 *     as the voter's. The timer is reset by giving a vote, never by refusing one (E7).
 *  2. Asking whether one would be elected changes nothing on the other side: no term, no vote, no timer (9.6). So a server that
 *     was away comes back in the term it left, and deposes nobody (E13).
 *  3. Who heard a live leader lately votes for nobody else and takes no newer term from a candidate (4.2.3), unless the leader
 *     itself asked for the election (T5). Who asks may be that leader, started again (E12).
 *  4. A leader that no quorum answers steps down within one election timeout, and falls silent (6.2; E15): nobody stays loyal to
 *     a leader that cannot commit.
 *  5. A timer that is read much too late has slept, not waited: it is set anew once before it starts an election (P4).
 *  6. Nobody campaigns who could not lead: a server that does not vote (one that left by a change that may not be committed does, since
 *     it may be the only one who has it), one whose log misses what it may have acknowledged, one whose
 *     disk does not answer (E17, E20), and, for a while, one with a lower priority than another.
 *
 * Points 2 to 4 together give the liveness under partial partitions that none of them gives alone (E14).
 *
 * @module
 */
import { broadcastAppendEntries } from "./append_entries.ts";
import { mayStand, standingOf } from "./membership.ts";
import type {
  PreVoteRequest,
  PreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  TimeoutNowRequest,
} from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { isBelowFloor, isOlder } from "./repair.ts";
import { appendNoop } from "./replication.ts";
import {
  becomeCandidate,
  becomeLeader,
  becomePreCandidate,
  otherVotersOf,
  resetElectionTimer,
  stepDown,
} from "./role.ts";
import { diskSilenceOf, type State } from "./state.ts";
import type { ServerId } from "./types.ts";

/** The election timer ran out. */
export function timeout(state: State, outbox: Outbox): void {
  const lateMs = state.now - state.electionDeadline;
  const wasLate = state.timerWasLate;
  resetElectionTimer(state);
  // Where all who are left wait below their floors, no newer term tells any of them that nobody leads: silence has to.
  if (state.floor !== null) state.leaderId = null;
  if (!mayCampaign(state)) return;
  if (lateMs > state.settings.electionTimeoutMinMs / 2 && !wasLate) {
    state.timerWasLate = true;
    return;
  }
  if (!isWantedByPriority(state)) return;
  if (state.settings.preVote) askForPreVotes(state, outbox);
  else campaign(state, false, outbox);
}

/** Whether we could lead at all. */
function mayCampaign(state: State): boolean {
  if (isBelowFloor(state, { term: state.log.lastTerm, index: state.log.lastIndex })) return false;
  return mayStand(state) && state.currentTerm < Number.MAX_SAFE_INTEGER &&
    !isDiskStalled(state);
}

/** Whether our disk has not answered for so long that we should not lead (E20, D16). */
export function isDiskStalled(state: State): boolean {
  return state.settings.checkQuorum && diskSilenceOf(state) > state.settings.electionTimeoutMinMs / 2;
}

/** A server with a lower priority lets others go first, but not for ever: what is wanted decays with every timeout. */
function isWantedByPriority(state: State): boolean {
  const { configuration } = state;
  const priority = standingOf(state)?.priority ?? 0;
  if (priority === 0) return false;
  const highest = configuration.members
    .filter(({ id }) => configuration.isVoter(id))
    .reduce((most, member) => Math.max(most, member.priority), 0);
  const wanted = Math.min(state.targetPriority, highest);
  if (priority >= wanted) return true;
  state.targetPriority = Math.floor(wanted / 2);
  return false;
}

function askForPreVotes(state: State, outbox: Outbox): void {
  becomePreCandidate(state);
  for (const peer of otherVotersOf(state)) {
    outbox.promise(peer, {
      kind: "preVoteRequest",
      term: state.currentTerm,
      lastLogIndex: state.log.lastIndex,
      lastLogTerm: state.log.lastTerm,
      round: state.preVoteRound,
    });
  }
  campaignIfWanted(state, outbox);
}

/** Asks for votes in a new term. */
function campaign(state: State, transfer: boolean, outbox: Outbox): void {
  becomeCandidate(state, outbox);
  for (const peer of otherVotersOf(state)) {
    outbox.promise(peer, {
      kind: "requestVoteRequest",
      term: state.currentTerm,
      lastLogIndex: state.log.lastIndex,
      lastLogTerm: state.log.lastTerm,
      transfer,
    });
  }
}

/**
 * Whether a request for a vote is left alone, and a newer term that comes with it, because a leader was heard lately (4.2.3).
 * A leader's own lease rests on this, so it depends on time alone, not on what became of the term since (R6).
 */
export function isLoyalAgainst(
  state: State,
  from: ServerId,
  message: PreVoteRequest | RequestVoteRequest,
): boolean {
  if (!state.settings.checkQuorum) return false;
  if (message.kind === "requestVoteRequest" && message.transfer) return false;
  if (state.role === "leader") return true;
  if (from === state.loyalTo) return false;
  return state.now - state.leaderHeardAt < state.settings.electionTimeoutMinMs;
}

export function handlePreVoteRequest(
  state: State,
  from: ServerId,
  message: PreVoteRequest,
  outbox: Outbox,
): void {
  const voteGranted = message.term === state.currentTerm && !isLoyalAgainst(state, from, message) &&
    isAtLeastAsNew(message, state);
  outbox.promise(from, {
    kind: "preVoteResponse",
    term: state.currentTerm,
    voteGranted,
    round: message.round,
  });
}

export function handlePreVoteResponse(
  state: State,
  from: ServerId,
  message: PreVoteResponse,
  outbox: Outbox,
): void {
  if (state.role !== "preCandidate" || message.round !== state.preVoteRound || !message.voteGranted) return;
  state.votesGranted.add(from);
  campaignIfWanted(state, outbox);
}

function campaignIfWanted(state: State, outbox: Outbox): void {
  if (!state.configuration.isQuorum(state.votesGranted)) return;
  resetElectionTimer(state);
  campaign(state, false, outbox);
}

/** The leader asks us to take over: we do, if it still leads our term and our log is all of its (3.10; T3, T6). */
export function handleTimeoutNowRequest(
  state: State,
  from: ServerId,
  message: TimeoutNowRequest,
  outbox: Outbox,
): void {
  if (state.role !== "follower" || state.leaderId !== from || !mayCampaign(state)) return;
  const isComplete = state.log.lastIndex === message.lastLogIndex &&
    state.durableIndex === state.log.lastIndex && state.log.lastTerm <= message.term;
  if (!isComplete) return;
  resetElectionTimer(state);
  campaign(state, true, outbox);
}

export function handleRequestVoteRequest(
  state: State,
  from: ServerId,
  message: RequestVoteRequest,
  outbox: Outbox,
): void {
  const grant = message.term === state.currentTerm &&
    (state.votedFor === null || state.votedFor === from) &&
    !isLoyalAgainst(state, from, message) &&
    isAtLeastAsNew(message, state);
  if (grant) {
    state.votedFor = from;
    resetElectionTimer(state);
  }
  outbox.promise(from, { kind: "requestVoteResponse", term: state.currentTerm, voteGranted: grant });
}

export function handleRequestVoteResponse(
  state: State,
  from: ServerId,
  message: RequestVoteResponse,
  outbox: Outbox,
): void {
  if (state.role !== "candidate" || !message.voteGranted) return;
  state.votesGranted.add(from);
  leadIfElected(state, outbox);
}

/** Our own vote may count from now on: the write that holds it is stable. */
export function countOwnVote(state: State, outbox: Outbox): void {
  if (state.role !== "candidate" || state.votesGranted.has(state.id)) return;
  if (state.stableWrite < state.ownVoteWrite) return;
  state.votesGranted.add(state.id);
  leadIfElected(state, outbox);
}

function leadIfElected(state: State, outbox: Outbox): void {
  if (!state.configuration.isQuorum(state.votesGranted)) return;
  becomeLeader(state);
  appendNoop(state, outbox);
  broadcastAppendEntries(state, outbox);
}

/** Steps down if no quorum answered within the shorter election timeout. Tells whether it did. */
export function stepDownIfAlone(state: State, outbox: Outbox): boolean {
  if (!state.settings.checkQuorum) return false;
  const heardAt = state.configuration.quorumReached((id) =>
    id === state.id ? state.now : state.progress.get(id)?.lastHeardAt ?? -Infinity
  );
  if (state.now - heardAt <= state.settings.electionTimeoutMinMs) return false;
  stepDown(state, outbox);
  return true;
}

/** Whether a candidate has all that we have, and all that we had and may have acknowledged before we lost it. */
function isAtLeastAsNew(
  { lastLogTerm, lastLogIndex }: PreVoteRequest | RequestVoteRequest,
  state: State,
): boolean {
  const last = { term: lastLogTerm, index: lastLogIndex };
  return !isBelowFloor(state, last) &&
    !isOlder(last, { term: state.log.lastTerm, index: state.log.lastIndex });
}
