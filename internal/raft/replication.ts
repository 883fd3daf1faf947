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
 *  6. What a follower acknowledged before it lost a part of its log counts no more (L10), whether it says so or shows it (D20): that
 *     is the only case in which `matchIndex` falls.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { broadcastAppendEntries, sendAppendEntries } from "./append_entries.ts";
import type { RequestId } from "./input.ts";
import type { AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotResponse } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { followLeader } from "./follower.ts";
import { isHandingOver, isRemovedLeader, leaveJoint } from "./membership.ts";
import { confirmReads, startReadRound } from "./reads.ts";
import { noteProofOfRepair, noteRollback } from "./repair.ts";
import { stepDown } from "./role.ts";
import type { State } from "./state.ts";
import { askToCampaign, handOver } from "./transfer.ts";
import type { Progress } from "./progress.ts";
import type { EntryKind, LogIndex, Round, ServerId } from "./types.ts";

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
  if (isHandingOver(state)) return outbox.refused(requestId, "transferring");
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
  outbox.append({
    index: state.log.lastIndex + 1,
    term: state.currentTerm,
    kind,
    payload,
    configuration: null,
    record: null,
  });
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
  if (!progress.isOfEpoch(message.epoch)) return;
  heard(state, progress, message.round, outbox);
  if (message.success) {
    if (progress.matched(message.matchIndex, state.round)) advanceCommitIndex(state, outbox);
    if (state.transfer?.to === from) askToCampaign(state, outbox);
  } else if (progress.isRolledBack(message.prevLogIndex, message.round)) {
    outbox.objected(
      from,
      `lacks index ${message.prevLogIndex}, though it acknowledged ${progress.matchIndex}: its data is an old copy, or its disk lost what ` +
        `it had synced; what it acknowledged counts no more`,
    );
    progress.rolledBack();
  } else {
    const { hintIndex, hintTerm } = message;
    // Where the hint lies before our log, nothing in it can be compared any more.
    const agreeAtMost = hintIndex < state.log.snapshotIndex
      ? hintIndex
      : state.log.lastIndexWithTermAtMost(hintTerm, hintIndex);
    if (!progress.refused(message.prevLogIndex, agreeAtMost)) return;
  }
  goOn(state, from, outbox);
}

/** Sends what is next; nothing if the lead was given up meanwhile, or if what was settled by this answer leaves the follower out. */
function goOn(state: State, to: ServerId, outbox: Outbox): void {
  if (state.role === "leader" && state.progress.has(to)) sendAppendEntries(state, to, outbox);
}

/** A follower that lacked what is gone from our log answers: it is on the way, or has what it needs. */
export function handleInstallSnapshotResponse(
  state: State,
  from: ServerId,
  message: InstallSnapshotResponse,
  outbox: Outbox,
): void {
  if (state.role !== "leader" || message.requestTerm !== state.currentTerm) return;
  const progress = state.progress.get(from);
  if (progress === undefined || !progress.isOfEpoch(message.epoch)) return;
  if (message.round > state.round) {
    return outbox.objected(from, `answers round ${message.round}, we only began ${state.round}`);
  }
  if (message.matchIndex > state.log.lastIndex) {
    return outbox.objected(
      from,
      `acknowledges index ${message.matchIndex}, our log ends at ${state.log.lastIndex}`,
    );
  }
  heard(state, progress, message.round, outbox);
  if (message.matchIndex === 0) return;
  if (progress.matched(message.matchIndex, state.round)) advanceCommitIndex(state, outbox);
  goOn(state, from, outbox);
}

function heard(state: State, progress: Progress, round: Round, outbox: Outbox): void {
  progress.heardAt(state.now, state.log.lastIndex, state.settings.electionTimeoutMinMs);
  if (round > progress.round) progress.round = round;
  confirmReads(state, outbox);
}

/** Commits what a quorum has on disk, if the newest of it is of our term; goes on with a change of members that is settled by it. */
export function advanceCommitIndex(state: State, outbox: Outbox): void {
  if (state.role !== "leader") return;
  const reached = state.configuration.quorumReached((id) =>
    id === state.id ? state.durableIndex : state.progress.get(id)?.matchIndex ?? 0
  );
  if (reached <= state.commitIndex) return;
  if (state.log.termAt(reached) !== state.currentTerm) return;
  // The members may be others than when a round was last counted: whoever commits the writes has answered the reads before them too.
  confirmReads(state, outbox);
  for (let index = state.commitIndex + 1; index <= reached; index++) {
    state.uncommittedBytes -= state.log.entryAt(index).payload.length;
  }
  state.commitIndex = reached;
  // A leader that is settled to be no voter has led for the last time (4.2.2).
  if (isRemovedLeader(state) && !handOver(state, outbox)) return stepDown(state, outbox);
  if (leaveJoint(state, outbox)) {
    // A lone new voter commits at once; the others hear of it.
    broadcastAppendEntries(state, outbox);
    advanceCommitIndex(state, outbox);
  }
}

/* ---- the follower's side ---- */

export function handleAppendEntriesRequest(
  state: State,
  from: ServerId,
  message: AppendEntriesRequest,
  outbox: Outbox,
): void {
  if (message.term < state.currentTerm) return refuse(state, from, message, outbox);
  if (!followLeader(state, from, message, outbox)) return;
  if (message.epoch > state.epoch) return noteRollback(state, from, message.epoch, outbox);

  const { prevLogIndex, prevLogTerm, entries } = message;
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
  // A server without room for entries follows all the same.
  const isTaken = firstNew < 0 || state.takesEntries;
  const matchIndex = prevLogIndex + (isTaken ? entries.length : firstNew);
  if (firstNew >= 0) {
    const index = prevLogIndex + 1 + firstNew;
    if (index <= state.commitIndex) return objectToRewriting(state, from, index, outbox);
    if (isTaken && index <= state.log.lastIndex) outbox.truncateFrom(index);
    for (const entry of isTaken ? entries.slice(firstNew) : []) outbox.append(entry);
  }
  state.commitIndex = Math.max(state.commitIndex, Math.min(message.leaderCommit, matchIndex));
  noteProofOfRepair(state, message);
  acknowledge(state, from, message, matchIndex, outbox);
}

function acknowledge(
  state: State,
  to: ServerId,
  message: AppendEntriesRequest,
  matchIndex: LogIndex,
  outbox: Outbox,
): void {
  outbox.promise(to, {
    kind: "appendEntriesResponse",
    term: state.currentTerm,
    requestTerm: message.term,
    success: true,
    prevLogIndex: Math.min(message.prevLogIndex, matchIndex),
    round: message.round,
    matchIndex,
    hintIndex: 0,
    hintTerm: 0,
    epoch: state.epoch,
  });
}

/** Says no, and the latest place at which the logs may still agree (5.3, skipping whole terms). */
function refuse(state: State, to: ServerId, message: AppendEntriesRequest, outbox: Outbox): void {
  // No place for what would come of it: what is committed agrees with every leader, and the leader has no reason to send more.
  if (!state.takesEntries && message.term === state.currentTerm) {
    return acknowledge(state, to, message, state.commitIndex, outbox);
  }
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
    epoch: state.epoch,
  });
}

function objectToRewriting(state: State, from: ServerId, index: LogIndex, outbox: Outbox): void {
  outbox.objected(
    from,
    `would replace index ${index}, which is committed (commit index ${state.commitIndex})`,
  );
}
