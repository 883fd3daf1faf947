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
 *  5. With a lease (6.4.1), off unless the clocks' drift is bounded by the operator, a read is released at once while no other server
 *     can have been elected: a quorum answered a round that began less than the shorter election timeout ago, less the drift. Those that
 *     answered refuse votes for that long. Never before an entry of our term is committed, nor after a transfer was begun (R5, R6).
 *
 * One round is under way at a time, shared by all reads that waited when it began; writes start the next one early, since
 * their messages carry it for nothing.
 *
 * @module
 */
import { speakToAll } from "./append_entries.ts";
import type { RequestId } from "./input.ts";
import { isHandingOver } from "./membership.ts";
import type { Outbox } from "./outbox.ts";
import type { State } from "./state.ts";

export function readRequest(state: State, requestId: RequestId, lease: boolean, outbox: Outbox): void {
  if (state.role !== "leader") return outbox.refused(requestId, "notLeader");
  if (isHandingOver(state)) return outbox.refused(requestId, "transferring");
  if (lease && holdsLease(state)) return outbox.readable(requestId, state.commitIndex);
  state.readsWaiting.push({ requestId, index: Math.max(state.commitIndex, state.termStartIndex) });
  if (state.readRounds.length === 0) startReadRound(state, outbox);
}

/** Whether nobody else can have been elected yet. */
function holdsLease(state: State): boolean {
  const { leaseDriftPermille: drift, electionTimeoutMinMs } = state.settings;
  if (drift === null || state.transferTried || state.commitIndex < state.termStartIndex) return false;
  // Our clock may be slow by the drift and theirs fast by it.
  const leaseMs = electionTimeoutMinMs * (1000 - drift) / (1000 + drift);
  return state.now < state.leaseFrom + leaseMs;
}

/** Begins a round; whatever is sent from now on carries it. */
export function noteRound(state: State): void {
  state.round += 1;
  if (state.settings.leaseDriftPermille !== null) {
    state.openRounds.push({ round: state.round, startedAt: state.now });
  }
}

/** Begins a round for the reads that wait. */
export function startReadRound(state: State, outbox: Outbox): void {
  if (state.readsWaiting.length === 0) return;
  noteRound(state);
  state.readRounds.push({ round: state.round, reads: state.readsWaiting });
  state.readsWaiting = [];
  speakToAll(state, outbox);
  confirmReads(state, outbox);
}

/** Releases the reads whose round a quorum has answered, and begins the next round if none is left under way. */
export function confirmReads(state: State, outbox: Outbox): void {
  if (state.readRounds.length === 0 && state.openRounds.length === 0) return;
  const confirmed = state.configuration.quorumReached((id) =>
    id === state.id ? state.round : state.progress.get(id)?.round ?? 0
  );
  renewLease(state, confirmed);
  let released = 0;
  for (const { round, reads } of state.readRounds) {
    if (round > confirmed) break;
    for (const { requestId, index } of reads) outbox.readable(requestId, index);
    released++;
  }
  if (released > 0) state.readRounds.splice(0, released);
  if (state.readRounds.length === 0) startReadRound(state, outbox);
}

/** The lease runs from when the newest round began that a quorum has answered. */
function renewLease(state: State, confirmed: number): void {
  let done = 0;
  for (const { round, startedAt } of state.openRounds) {
    if (round > confirmed) break;
    state.leaseFrom = startedAt;
    done++;
  }
  if (done > 0) state.openRounds.splice(0, done);
}
