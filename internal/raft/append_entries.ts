/**
 * What a leader sends, to whom, and when (raft.tla `AppendEntries`; dissertation 10.2.1 on pipelining).
 *
 * Keeps true: what is sent to one follower is contiguous with what was sent before (L18); every message carries the newest
 * round; a follower that has nothing to get still hears from us once per heartbeat; one whose next entries are gone from our log
 * is told so, in place of entries and heartbeats (L16, L17).
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import type { Health } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { diskSilenceOf, type State } from "./state.ts";
import type { Entry, LogIndex, ServerId } from "./types.ts";

/** Sends every follower what its window allows. */
export function broadcastAppendEntries(state: State, outbox: Outbox): void {
  for (const peer of state.progress.keys()) sendAppendEntries(state, peer, outbox);
}

/** Says to every follower that we lead, with the newest round: entries where there are some to send, else a heartbeat. */
export function speakToAll(state: State, outbox: Outbox): void {
  for (const peer of state.progress.keys()) {
    if (!sendAppendEntries(state, peer, outbox)) sendHeartbeat(state, peer, outbox);
  }
}

/** Sends what the follower's window allows. Tells whether that was anything. */
export function sendAppendEntries(state: State, to: ServerId, outbox: Outbox): boolean {
  const { appendBytesMax, appendEntriesMax, inFlightMessagesMax, inFlightBytesMax } = state.settings;
  const progress = must(state.progress.get(to), "A leader has a progress for every follower");
  if (needsSnapshot(state, to)) return false;
  let sent = false;
  while (
    progress.nextIndex <= state.log.lastIndex && progress.maySend(inFlightMessagesMax, inFlightBytesMax)
  ) {
    const entries = state.log.sliceBytes(progress.nextIndex, appendBytesMax, appendEntriesMax);
    const last = must(entries.at(-1), "There is an entry to send");
    send(state, to, progress.nextIndex - 1, entries, outbox);
    progress.sent(last.index, entries.reduce((sum, entry) => sum + entry.payload.length, 0));
    sent = true;
  }
  return sent;
}

/** Sends an empty message: keeps the follower loyal, carries commit index and round, and shows what got lost. */
export function sendHeartbeat(state: State, to: ServerId, outbox: Outbox): void {
  const progress = must(state.progress.get(to), "A leader has a progress for every follower");
  // Whoever has to note a loss hears of it by any such message, whatever it needs afterwards.
  if (progress.isInDoubt) {
    return send(state, to, Math.max(progress.nextIndex - 1, state.log.snapshotIndex), [], outbox);
  }
  if (!needsSnapshot(state, to)) return send(state, to, progress.nextIndex - 1, [], outbox);
  outbox.send(to, {
    kind: "installSnapshotRequest",
    term: state.currentTerm,
    snapshotIndex: state.log.snapshotIndex,
    snapshotTerm: state.log.termAt(state.log.snapshotIndex),
    round: state.round,
    health: confessHealth(state),
  });
}

/** Whether what comes next for this follower is gone from our log; remembers it. */
function needsSnapshot(state: State, to: ServerId): boolean {
  const progress = must(state.progress.get(to), "A leader has a progress for every follower");
  if (progress.nextIndex > state.log.snapshotIndex) return false;
  progress.lacks();
  return true;
}

/**
 * Puts in words how our disk and our loop are. Nobody stays loyal to whoever says that its disk stands still, so it ends the rounds that
 * could renew a lease (R6).
 */
function confessHealth(state: State): Health {
  const diskMs = Math.floor(diskSilenceOf(state));
  if (diskMs > state.settings.electionTimeoutMinMs) state.openRounds = [];
  return { diskMs, loopMs: Math.floor(state.loopDelayMs) };
}

function send(
  state: State,
  to: ServerId,
  prevLogIndex: LogIndex,
  entries: readonly Entry[],
  outbox: Outbox,
): void {
  assert(state.role === "leader", "Only a leader sends AppendEntries");
  outbox.send(to, {
    kind: "appendEntriesRequest",
    term: state.currentTerm,
    prevLogIndex,
    prevLogTerm: state.log.termAt(prevLogIndex),
    entries,
    leaderCommit: state.commitIndex,
    round: state.round,
    health: confessHealth(state),
    epoch: must(state.progress.get(to), "A leader has a progress for every follower").epoch,
  });
}
