/**
 * Elections (dissertation 3.4, 3.6.1; raft.tla `Timeout`, `RequestVote`, `HandleRequestVoteRequest`,
 * `HandleRequestVoteResponse`, `BecomeLeader`).
 *
 * Keeps true: one vote a term, on disk before it is given or counted; a vote goes only to a candidate whose log is at
 * least as new as the voter's; the timer is reset by giving a vote, never by refusing one (E7).
 *
 * @module
 */
import { broadcastAppendEntries } from "./append_entries.ts";
import type { RequestVoteRequest, RequestVoteResponse } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { appendNoop } from "./replication.ts";
import { becomeCandidate, becomeLeader, peersOf, resetElectionTimer } from "./role.ts";
import type { State } from "./state.ts";
import type { ServerId } from "./types.ts";

/** The election timer ran out: campaign in a new term. */
export function timeout(state: State, outbox: Outbox): void {
  resetElectionTimer(state);
  if (!state.configuration.isVoter(state.id)) return;
  if (state.currentTerm >= Number.MAX_SAFE_INTEGER) return;
  becomeCandidate(state, outbox);
  for (const peer of peersOf(state)) {
    outbox.promise(peer, {
      kind: "requestVoteRequest",
      term: state.currentTerm,
      lastLogIndex: state.log.lastIndex,
      lastLogTerm: state.log.lastTerm,
    });
  }
}

export function handleRequestVoteRequest(
  state: State,
  from: ServerId,
  message: RequestVoteRequest,
  outbox: Outbox,
): void {
  const grant = message.term === state.currentTerm &&
    (state.votedFor === null || state.votedFor === from) &&
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

/** Compares the last terms first, then the last indexes (3.6.1; E5). */
function isAtLeastAsNew(message: RequestVoteRequest, state: State): boolean {
  if (message.lastLogTerm !== state.log.lastTerm) return message.lastLogTerm > state.log.lastTerm;
  return message.lastLogIndex >= state.log.lastIndex;
}
