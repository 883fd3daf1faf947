/**
 * Log replication (dissertation 3.5, 3.6.2; raft.tla `ClientRequest`, `HandleAppendEntriesRequest`,
 * `HandleAppendEntriesResponse`, `AdvanceCommitIndex`).
 *
 * Keeps true:
 *  1. A leader only appends to its log.
 *  2. A follower removes entries only from the first one that conflicts, and never one that is committed (L5, L19).
 *  3. An acknowledgement covers what its message carried and nothing beyond (L6); commit on a follower is bounded
 *     likewise (L4).
 *  4. By counting copies a leader commits only entries of its own term (3.6.2, Figure 3.7; L1); its own copy counts when
 *     it is on its disk (L12).
 *  5. `commitIndex` only rises (L3).
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { broadcastAppendEntries, sendAppendEntries } from "./append_entries.ts";
import type { RequestId } from "./input.ts";
import type { AppendEntriesRequest, AppendEntriesResponse } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { confirmReads, startReadRound } from "./reads.ts";
import { becomeFollower, resetElectionTimer } from "./role.ts";
import type { State } from "./state.ts";
import type { EntryKind, LogIndex, ServerId } from "./types.ts";

/* ---- the leader's side ---- */

/** Opens our term in the log, so that what earlier terms left can be committed (6.4). */
export function appendNoop(state: State, outbox: Outbox): void {
  appendOwn(state, "noop", new Uint8Array(0), outbox);
  state.termStartIndex = state.log.lastIndex;
}

/** Clients asked for changes. All payloads are taken, or none. */
export function clientRequest(
  state: State,
  requestId: RequestId,
  payloads: readonly Uint8Array[],
  outbox: Outbox,
): void {
  assert(payloads.length > 0, "A request has at least one payload");
  if (state.role !== "leader") return outbox.refused(requestId, "notLeader");
  const { uncommittedBytesMax, uncommittedEntriesMax } = state.settings;
  const uncommittedEntries = state.log.lastIndex - state.commitIndex;
  if (
    state.uncommittedBytes >= uncommittedBytesMax ||
    uncommittedEntries + payloads.length > uncommittedEntriesMax
  ) {
    return outbox.refused(requestId, "busy");
  }
  const firstIndex = state.log.lastIndex + 1;
  for (const payload of payloads) appendOwn(state, "command", payload, outbox);
  outbox.accepted(requestId, firstIndex, payloads.length);
  // Reads that were asked for before these writes get a round that the very messages with the writes carry, so that no
  // write is committed before an earlier read is confirmed.
  if (state.readsWaiting.length > 0) startReadRound(state, outbox);
  else broadcastAppendEntries(state, outbox);
}

function appendOwn(state: State, kind: EntryKind, payload: Uint8Array, outbox: Outbox): void {
  assert(state.role === "leader", "Only a leader makes entries");
  outbox.append({ index: state.log.lastIndex + 1, term: state.currentTerm, kind, payload, record: null });
  state.uncommittedBytes += payload.length;
}

export function handleAppendEntriesResponse(
  state: State,
  from: ServerId,
  message: AppendEntriesResponse,
  outbox: Outbox,
): void {
  if (state.role !== "leader") return;
  // A follower refused what we, or somebody else, sent in an earlier term: its numbers belong to that term, not to ours.
  if (message.requestTerm !== state.currentTerm) return;
  const progress = state.progress.get(from);
  if (progress === undefined) return;
  if (message.round > state.round) {
    return outbox.objected(from, `answers round ${message.round}, we only began ${state.round}`);
  }
  if (message.success && message.matchIndex > state.log.lastIndex) {
    return outbox.objected(
      from,
      `acknowledges index ${message.matchIndex}, our log ends at ${state.log.lastIndex}`,
    );
  }
  progress.lastHeardAt = state.now;
  if (message.round > progress.round) progress.round = message.round;
  confirmReads(state, outbox);
  if (message.success) {
    if (progress.matched(message.matchIndex)) advanceCommitIndex(state);
  } else {
    const agreeAtMost = state.log.lastIndexWithTermAtMost(message.hintTerm, message.hintIndex);
    if (!progress.refused(message.prevLogIndex, agreeAtMost)) return;
  }
  sendAppendEntries(state, from, outbox);
}

/** Commits what a quorum has on disk, if the newest of it is of our term. */
export function advanceCommitIndex(state: State): void {
  if (state.role !== "leader") return;
  const reached = state.configuration.quorumReached((id) =>
    id === state.id ? state.durableIndex : state.progress.get(id)?.matchIndex ?? 0
  );
  if (reached <= state.commitIndex) return;
  if (state.log.termAt(reached) !== state.currentTerm) return;
  for (let index = state.commitIndex + 1; index <= reached; index++) {
    state.uncommittedBytes -= state.log.entryAt(index).payload.length;
  }
  state.commitIndex = reached;
}

/* ---- the follower's side ---- */

export function handleAppendEntriesRequest(
  state: State,
  from: ServerId,
  message: AppendEntriesRequest,
  outbox: Outbox,
): void {
  if (message.term < state.currentTerm) return refuse(state, from, message, outbox);
  if (state.role === "leader" || (state.leaderId !== null && state.leaderId !== from)) {
    return outbox.objected(from, `claims to lead term ${message.term}, in which ${state.leaderId} leads`);
  }
  becomeFollower(state, message.term, from, outbox);
  resetElectionTimer(state);

  const { prevLogIndex, prevLogTerm, entries } = message;
  const matchIndex = prevLogIndex + entries.length;
  if (prevLogIndex >= state.log.snapshotIndex) {
    if (prevLogIndex > state.log.lastIndex) return refuse(state, from, message, outbox);
    if (state.log.termAt(prevLogIndex) !== prevLogTerm) {
      if (prevLogIndex <= state.commitIndex) return objectToRewriting(state, from, prevLogIndex, outbox);
      return refuse(state, from, message, outbox);
    }
  }
  // What a snapshot of ours covers is committed, so it agrees without a look (L15).
  const firstNew = entries.findIndex(({ index, term }) =>
    index > state.log.lastIndex || (index > state.log.snapshotIndex && state.log.termAt(index) !== term)
  );
  if (firstNew >= 0) {
    const index = prevLogIndex + 1 + firstNew;
    if (index <= state.commitIndex) return objectToRewriting(state, from, index, outbox);
    if (index <= state.log.lastIndex) outbox.truncateFrom(index);
    for (const entry of entries.slice(firstNew)) outbox.append(entry);
  }
  state.commitIndex = Math.max(state.commitIndex, Math.min(message.leaderCommit, matchIndex));
  outbox.promise(from, {
    kind: "appendEntriesResponse",
    term: state.currentTerm,
    requestTerm: message.term,
    success: true,
    prevLogIndex,
    round: message.round,
    matchIndex,
    hintIndex: 0,
    hintTerm: 0,
  });
}

/** Says no, and the latest place at which the logs may still agree (5.3, skipping whole terms). */
function refuse(state: State, to: ServerId, message: AppendEntriesRequest, outbox: Outbox): void {
  const hintIndex = state.log.lastIndexWithTermAtMost(message.prevLogTerm, message.prevLogIndex);
  outbox.promise(to, {
    kind: "appendEntriesResponse",
    term: state.currentTerm,
    requestTerm: message.term,
    success: false,
    prevLogIndex: message.prevLogIndex,
    round: message.round,
    matchIndex: 0,
    hintIndex,
    hintTerm: state.log.termAt(hintIndex),
  });
}

function objectToRewriting(state: State, from: ServerId, index: LogIndex, outbox: Outbox): void {
  outbox.objected(
    from,
    `would replace index ${index}, which is committed (commit index ${state.commitIndex})`,
  );
}
