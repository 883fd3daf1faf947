/**
 * A server that lost a part of its log: what it must not do, and until when (docs/repair.md has the proof).
 *
 * The disk says where the lost log ended (`floor`), or a place that is certainly no earlier. What this server acknowledged may have been
 * committed with its help, so it behaves in elections as if it had the lost log still: it votes for nobody whose log is older than
 * the floor, and does not campaign itself. It follows, appends, and acknowledges what it has.
 *
 * It is over when one of two things is true of what is on its disk:
 *  1. The log reaches the floor. In the floor's term that log has the lost one for its beginning; in a later term its leader was
 *     elected with all that the lost one helped to commit.
 *  2. The log has everything up to a commit index that the leader announced after it had heard of the loss, where that is an entry of
 *     the leader's own term. From then on no old acknowledgement counts, and what the old ones brought about is committed by then.
 *
 * What was lost may turn up again, behind the damage and on other servers. Such entries are put at the end of the log as they are: a log
 * that was a leader's once may be anybody's, as long as nothing is removed for it and nothing is acknowledged by it. A snapshot of what is
 * committed is such a log too (compaction.ts); the floor is judged by it once the log on the disk begins there.
 *
 * A server whose disk was put back to an earlier state does not know that it lost anything. The leader to which it acknowledged more does,
 * and says so by the number of a loss that the server has not had (D20).
 *
 * Keeps true: a floor goes only by one of these two; entries that were found follow our last one, and
 * take nobody's place.
 *
 * @module
 */
import type { AppendEntriesRequest } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import type { State } from "./state.ts";
import { BEYOND_THE_TERM, type Entry, type LogPosition, type ServerId } from "./types.ts";

/** Compares the last terms first, then the last indexes (3.6.1; E5). */
export function isOlder(a: LogPosition, b: LogPosition): boolean {
  return a.term !== b.term ? a.term < b.term : a.index < b.index;
}

/** Whether a log that ends there may lack what we acknowledged and lost. */
export function isBelowFloor({ floor }: State, last: LogPosition): boolean {
  return floor !== null && isOlder(last, floor);
}

/** Takes entries that were lost and found, where they follow the end of our log. The floor is judged by what is on the disk, as ever. */
export function takeFoundEntries(
  state: State,
  after: LogPosition,
  entries: readonly Entry[],
  outbox: Outbox,
): void {
  const { log, floor, role, currentTerm, takesEntries } = state;
  // Without a floor nothing is missing; who campaigns has reached it, and asked for votes with the log as it was.
  if (floor === null || role !== "follower" || !takesEntries) return;
  if (after.index !== log.lastIndex || after.term !== log.lastTerm) return;
  let last = after;
  for (const { index, term } of entries) {
    if (index !== last.index + 1 || term < last.term || term > currentTerm) return;
    last = { index, term };
  }
  for (const entry of entries) outbox.append(entry);
}

/** The leader of our term told how far it committed; what of it agrees is in our log. */
export function noteProofOfRepair(state: State, { term, leaderCommit, epoch }: AppendEntriesRequest): void {
  if (state.floor === null || state.repairedAt !== null) return;
  // Said before the leader heard of the loss: old acknowledgements may count yet.
  if (epoch !== state.epoch) return;
  if (state.commitIndex < leaderCommit || !state.log.knowsTermAt(leaderCommit)) return;
  // Until a leader has committed in its own term, it does not know of all that is committed (3.6.2).
  if (state.log.termAt(leaderCommit) !== term) return;
  state.repairedAt = leaderCommit;
}

/**
 * The leader of our term knows of a loss that we do not know of: our data is older than what we acknowledged. Whatever we may have
 * promised in older terms is void by now; in this one our vote can only have been for whom it elected, or for nobody.
 */
export function noteRollback(state: State, leader: ServerId, epoch: number, outbox: Outbox): void {
  state.votedFor ??= leader;
  state.floor = { term: state.currentTerm, index: BEYOND_THE_TERM };
  outbox.rolledBack(epoch);
}

/** Lets go of the floor, once what proves that it may go is on our disk. */
export function endRepairWhereProved(state: State, outbox: Outbox): void {
  const { floor, repairedAt, durableIndex, log, stableWrite, resetWrite } = state;
  if (floor === null) return;
  // A snapshot is on our disk, and the log does not begin behind it yet: were the file lost now, nobody would miss what it covers.
  if (stableWrite < resetWrite) return;
  const isProved = repairedAt !== null && durableIndex >= repairedAt;
  if (!isProved && isOlder({ term: log.termAt(durableIndex), index: durableIndex }, floor)) return;
  state.floor = null;
  outbox.repaired();
}
