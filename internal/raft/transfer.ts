/**
 * Handing the lead to another server (dissertation 3.10).
 *
 * The leader takes no new work, brings the target up to date, and then asks it to campaign at once, with a request for votes
 * that says so. The target wins as any candidate does: by votes, with a log that is at least as new as its voters'.
 *
 * Keeps true:
 *  1. While a transfer is under way nothing new is taken, neither writes nor reads nor changes (T1, T2), and it has a deadline,
 *     after which service goes on (T4).
 *  2. The target is asked only when its log is all of ours, and on its disk (T3); the request is good for this term alone (T6).
 *  3. From the moment a transfer begins there is no lease in this term: its election may come at any time (R5).
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { sendAppendEntries } from "./append_entries.ts";
import type { RequestId } from "./input.ts";
import type { Outbox } from "./outbox.ts";
import type { State } from "./state.ts";
import type { ServerId } from "./types.ts";

/** Somebody wants the lead to go to another server: `to`, or whoever is fit. */
export function transferLeadership(
  state: State,
  requestId: RequestId,
  to: ServerId | null,
  outbox: Outbox,
): void {
  if (state.role !== "leader") return outbox.refused(requestId, "notLeader");
  if (state.transfer !== null) {
    return outbox.transferEnded(requestId, `the lead is being handed to ${state.transfer.to} already`);
  }
  if (to === state.id) return outbox.transferEnded(requestId, `${to} leads already`);
  if (to !== null && !state.configuration.isVoter(to)) {
    return outbox.transferEnded(requestId, `${to} is no voter`);
  }
  const target = to ?? fittest(state);
  if (target === null) return outbox.transferEnded(requestId, "no other voter is fit to lead");
  begin(state, target, requestId, outbox);
}

/** The leader itself wants to be replaced. Tells whether somebody is fit. */
export function handOver(state: State, outbox: Outbox): boolean {
  assert(state.role === "leader", "Only a leader hands over");
  if (state.transfer !== null) return true;
  const target = fittest(state);
  if (target === null) return false;
  begin(state, target, null, outbox);
  return true;
}

/** The lead goes to that server if it can. */
export function preferLeader(state: State, to: ServerId, outbox: Outbox): void {
  if (state.transfer === null) begin(state, to, null, outbox);
}

function begin(state: State, to: ServerId, requestId: RequestId | null, outbox: Outbox): void {
  state.transfer = { to, deadline: state.now + state.settings.electionTimeoutMinMs, requestId };
  state.transferTried = true;
  state.leaseFrom = -Infinity;
  if (!askToCampaign(state, outbox)) sendAppendEntries(state, to, outbox);
}

/** Asks the target to campaign if its log is all of ours. Tells whether it was. */
export function askToCampaign(state: State, outbox: Outbox): boolean {
  const { transfer } = state;
  if (transfer === null) return false;
  if (state.progress.get(transfer.to)?.matchIndex !== state.log.lastIndex) return false;
  outbox.send(transfer.to, {
    kind: "timeoutNowRequest",
    term: state.currentTerm,
    lastLogIndex: state.log.lastIndex,
  });
  return true;
}

/** Gives a transfer up that came to nothing; asks once more otherwise. Tells whether it was given up. */
export function tendTransfer(state: State, outbox: Outbox): boolean {
  const { transfer } = state;
  if (transfer === null) return false;
  const reason = !state.configuration.isVoter(transfer.to)
    ? `${transfer.to} is no voter any more`
    : state.now >= transfer.deadline
    ? `${transfer.to} did not take over in time`
    : null;
  if (reason === null) {
    askToCampaign(state, outbox);
    return false;
  }
  state.transfer = null;
  if (transfer.requestId !== null) outbox.transferEnded(transfer.requestId, reason);
  return true;
}

/** The voter that lacks least of those that were heard lately and may lead; of equals, the one that is preferred. */
function fittest(state: State): ServerId | null {
  let best: { readonly id: ServerId; readonly matchIndex: number; readonly priority: number } | null = null;
  for (const { id, priority } of state.configuration.members) {
    const progress = state.progress.get(id);
    if (progress === undefined || priority === 0 || !state.configuration.value.voters.includes(id)) continue;
    if (!progress.wasHeard || state.now - progress.lastHeardAt > state.settings.electionTimeoutMinMs) {
      continue;
    }
    const { matchIndex } = progress;
    const isBetter = best === null || matchIndex > best.matchIndex ||
      (matchIndex === best.matchIndex && priority > best.priority);
    if (isBetter) best = { id, matchIndex, priority };
  }
  return best?.id ?? null;
}
