/**
 * Linearizable reads that do not touch the log (dissertation 6.4; ReadIndex).
 *
 * Keeps true:
 *  1. A read is released only after a quorum answered a message that left after the read was asked for, in the same
 *     term: rounds are counted up, never reused, and every answer names its round (R3, R7).
 *  2. Its index is at least the commit index at the time it was asked, and never below the no-op of our term, so
 *     that it covers whatever an earlier leader acknowledged (R2, R8).
 *  3. The quorum is that of the commit index (R9); a server alone is its own quorum.
 *  4. A read is released before any write that was asked for after it is committed: the messages that carry the write
 *     carry the read's round.
 *
 * One round is under way at a time, shared by all reads that waited when it began; writes start the next one early, since
 * their messages carry it for nothing.
 *
 * @module
 */
import { speakToAll } from "./append_entries.ts";
import type { RequestId } from "./input.ts";
import type { Outbox } from "./outbox.ts";
import type { State } from "./state.ts";

export function readRequest(state: State, requestId: RequestId, outbox: Outbox): void {
  if (state.role !== "leader") return outbox.refused(requestId, "notLeader");
  state.readsWaiting.push({ requestId, index: Math.max(state.commitIndex, state.termStartIndex) });
  if (state.readRounds.length === 0) startReadRound(state, outbox);
}

/** Begins a round for the reads that wait. */
export function startReadRound(state: State, outbox: Outbox): void {
  if (state.readsWaiting.length === 0) return;
  state.round += 1;
  state.readRounds.push({ round: state.round, reads: state.readsWaiting });
  state.readsWaiting = [];
  speakToAll(state, outbox);
  confirmReads(state, outbox);
}

/** Releases the reads whose round a quorum has answered, and begins the next round if none is left under way. */
export function confirmReads(state: State, outbox: Outbox): void {
  if (state.readRounds.length === 0) return;
  const confirmed = state.configuration.quorumReached((id) =>
    id === state.id ? state.round : state.progress.get(id)?.round ?? 0
  );
  let released = 0;
  for (const { round, reads } of state.readRounds) {
    if (round > confirmed) break;
    for (const { requestId, index } of reads) outbox.readable(requestId, index);
    released++;
  }
  state.readRounds.splice(0, released);
  if (state.readRounds.length === 0) startReadRound(state, outbox);
}
