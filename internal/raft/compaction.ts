/**
 * Leaving the beginning of the log behind (dissertation chapter 5).
 *
 * A snapshot covers only what is committed, and what is committed is the same everywhere: so a snapshot of any server, at any place,
 * is right for any other. The leader therefore does not send its own: it says that the entries are gone, and the follower gets
 * a snapshot from whoever has one; the shell does that, and says here when it is whole and on the disk.
 *
 * Keeps true:
 *  1. What is left behind is committed and on our disk; its configuration is kept (S6).
 *  2. A snapshot that reaches no further than what we know to be committed changes nothing (S4). One that contradicts it stops
 *     the server (S5).
 *  3. Where our log agrees with the snapshot's last entry, the log goes on as it is; otherwise it begins anew, in one write with
 *     whatever follows (S3).
 *  4. What is acknowledged to the leader is committed and on our disk (S9).
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { followLeader } from "./follower.ts";
import { forgetConfigurations, replaceConfigurations } from "./membership.ts";
import type { InstallSnapshotRequest } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { becomeFollower, resetElectionTimer } from "./role.ts";
import type { State } from "./state.ts";
import type { ConfigurationValue, LogIndex, ServerId, Term } from "./types.ts";

/** Everything up to `index` may leave the log. */
export function discardPrefix(state: State, index: LogIndex): void {
  if (index <= state.log.snapshotIndex) return;
  assert(index <= state.commitIndex, "What is left behind is committed");
  assert(index <= state.durableIndex, "What is left behind is on our disk");
  state.log.discardPrefix(index);
  forgetConfigurations(state, index);
}

export function handleInstallSnapshotRequest(
  state: State,
  from: ServerId,
  message: InstallSnapshotRequest,
  outbox: Outbox,
): void {
  const follows = message.term === state.currentTerm && followLeader(state, from, message, outbox);
  if (message.term === state.currentTerm && !follows) return;
  const isCovered = state.commitIndex >= message.snapshotIndex;
  if (follows && !isCovered) outbox.needSnapshot(from, message.snapshotIndex);
  outbox.promise(from, {
    kind: "installSnapshotResponse",
    term: state.currentTerm,
    requestTerm: message.term,
    round: message.round,
    matchIndex: follows && isCovered ? state.commitIndex : 0,
    epoch: state.epoch,
  });
}

/** A snapshot from another server is whole and on our disk. */
export function snapshotReceived(
  state: State,
  snapshot: {
    readonly index: LogIndex;
    readonly term: Term;
    readonly configuration: ConfigurationValue;
    readonly configurationIndex: LogIndex;
  },
  outbox: Outbox,
): void {
  const { index, term } = snapshot;
  const { log } = state;
  // Whoever has the snapshot may know of a newer term than we.
  if (term > state.currentTerm) becomeFollower(state, term, null, outbox);
  const isHere = log.knowsTermAt(index) && log.termAt(index) === term;
  if (index <= state.commitIndex) {
    if (log.knowsTermAt(index) && !isHere) {
      outbox.halt(
        `index ${index} is committed with term ${
          log.termAt(index)
        } here, and with term ${term} in a snapshot`,
      );
    }
    return;
  }
  if (state.role === "leader") {
    // We became leader while it came. What was committed before our term is in our log, or something is very wrong.
    if (!isHere) {
      outbox.halt(`index ${index} of term ${term} is in a snapshot, and not in the log of its leader`);
    }
    return;
  }
  becomeFollower(state, state.currentTerm, state.leaderId, outbox);
  resetElectionTimer(state);
  if (isHere) {
    // All that was missing is to know that it is committed.
    state.commitIndex = index;
    return;
  }
  outbox.installSnapshot(index, term);
  replaceConfigurations(state, snapshot.configurationIndex, snapshot.configuration);
}
