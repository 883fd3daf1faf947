/**
 * What a leader does when time passes: speaks to everybody, and asks itself whether it should lead at all.
 *
 * Keeps true:
 *  1. Every member hears from its leader once per heartbeat.
 *  2. A leader that no quorum answers steps down (6.2). One whose disk or loop stands still for about half an election timeout hands
 *     the lead over; if nobody takes it, it steps down while its disk stands still.
 *  3. A leader that is no voter any more leads until that is settled, and then hands over (4.2.2; M7).
 *  4. Where another voter is preferred, is up to date and was heard for a while, it leads in the end.
 *
 * @module
 */
import { sendAppendEntries, sendHeartbeat } from "./append_entries.ts";
import { isDiskStalled, stepDownIfAlone } from "./election.ts";
import { isRemovedLeader, leaveJoint, promoteLearner } from "./membership.ts";
import type { Outbox } from "./outbox.ts";
import { noteRound } from "./reads.ts";
import { stepDown } from "./role.ts";
import type { State } from "./state.ts";
import { handOver, preferLeader, tendTransfer } from "./transfer.ts";
import type { ServerId } from "./types.ts";

/** For so many of the longer election timeouts a leader stays before it gives way to a preferred one. */
const PREFERENCE_WAITS = 5;

/** The leader's alarm rang. */
export function heartbeat(state: State, outbox: Outbox): void {
  if (stepDownIfAlone(state, outbox)) return;
  const gaveUp = tendTransfer(state, outbox);
  if (isRemovedLeader(state) && gaveUp) return stepDown(state, outbox);
  if (shouldNotLead(state)) {
    const isHandedOver = !gaveUp && handOver(state, outbox);
    if (!isHandedOver && isDiskStalled(state)) return stepDown(state, outbox);
  }
  if (!leaveJoint(state, outbox) && !promoteLearner(state, outbox)) giveWay(state, outbox);
  state.heartbeatDeadline = state.now + state.settings.heartbeatMs;
  if (state.settings.leaseDriftPermille !== null) noteRound(state);
  for (const peer of state.progress.keys()) {
    sendHeartbeat(state, peer, outbox);
    sendAppendEntries(state, peer, outbox);
  }
}

/** Whether our disk or our loop stands still, where somebody else could lead. */
function shouldNotLead(state: State): boolean {
  if (!state.settings.checkQuorum || state.configuration.voters.length < 2) return false;
  return isDiskStalled(state) || state.loopDelayMs > state.settings.electionTimeoutMinMs / 2;
}

/** Hands the lead to a preferred voter that keeps up, once we led for a while. */
function giveWay(state: State, outbox: Outbox): void {
  const { configuration, settings } = state;
  if (
    state.transfer !== null || state.now - state.ledSince < PREFERENCE_WAITS * settings.electionTimeoutMaxMs
  ) return;
  const own = configuration.member(state.id)?.priority ?? 0;
  const preferred = configuration.members.find(({ id, priority }) => priority > own && keepsUp(state, id));
  if (preferred === undefined) return;
  // Should it come to nothing, we wait as long again.
  state.ledSince = state.now;
  preferLeader(state, preferred.id, outbox);
}

function keepsUp(state: State, id: ServerId): boolean {
  const progress = state.progress.get(id);
  if (progress === undefined || !state.configuration.isVoter(id)) return false;
  return progress.wasHeard && state.now - progress.lastHeardAt <= state.settings.electionTimeoutMinMs &&
    state.log.lastIndex - progress.matchIndex <= state.settings.learnerGapMax;
}
