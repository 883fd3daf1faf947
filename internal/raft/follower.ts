/**
 * Following a leader (3.4): whom we follow, and what counts as having heard it.
 *
 * Keeps true: at most one server is followed in a term (I1); a leader that says that its disk stands still keeps nobody loyal.
 *
 * @module
 */
import type { AppendEntriesRequest, InstallSnapshotRequest } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { becomeFollower, resetElectionTimer } from "./role.ts";
import type { State } from "./state.ts";
import type { ServerId } from "./types.ts";

/** Follows the sender of a message of our term. Tells whether it can be the leader. */
export function followLeader(
  state: State,
  from: ServerId,
  message: AppendEntriesRequest | InstallSnapshotRequest,
  outbox: Outbox,
): boolean {
  if (state.termLeaderId !== null && state.termLeaderId !== from) {
    outbox.objected(from, `claims to lead term ${message.term}, which is ${state.termLeaderId}'s`);
    return false;
  }
  becomeFollower(state, message.term, from, outbox);
  if (state.settings.checkQuorum && message.health.diskMs > state.settings.electionTimeoutMinMs) return true;
  state.leaderHeardAt = state.now;
  state.loyalTo = from;
  state.targetPriority = Infinity;
  resetElectionTimer(state);
  return true;
}
