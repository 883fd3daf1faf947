/**
 * Honest messages: nobody speaks of a term that is not its own, and a leader's log contains what its AppendEntries says it does; it announces
 * no commit index beyond its own (3.3, 3.5; I17).
 *
 * @module
 */
import type { AppendEntriesRequest } from "../../internal/raft/message.ts";
import { type Observation, type Property, Violation } from "./ghost.ts";

export class HonestMessages implements Property {
  readonly name = "honest messages";

  check(observation: Observation): void {
    const { server, is, effects } = observation;
    for (const effect of effects) {
      if (effect.kind !== "send") continue;
      const { message, to } = effect;
      if (message.term > is.currentTerm) {
        throw new Violation(
          `${server} tells ${to} of term ${message.term} and is itself in term ${is.currentTerm}`,
        );
      }
      if (message.kind === "appendEntriesRequest") checkAppend(observation, to, message);
    }
  }
}

function checkAppend({ server, is, log }: Observation, to: string, message: AppendEntriesRequest): void {
  const lie = (what: string) => new Violation(`${server} sends AppendEntries to ${to} ${what}`);
  const { prevLogIndex, prevLogTerm, entries, leaderCommit } = message;
  if (is.role !== "leader" || message.term !== is.currentTerm) {
    throw lie(`for term ${message.term}, in which it does not lead`);
  }
  if (leaderCommit > is.commitIndex) {
    throw lie(`with commit index ${leaderCommit}, its own is ${is.commitIndex}`);
  }
  if (
    prevLogIndex > is.lastIndex ||
    (prevLogIndex >= is.snapshotIndex && log.termAt(prevLogIndex) !== prevLogTerm)
  ) {
    throw lie(`after ${prevLogIndex}:${prevLogTerm}, which its log does not have`);
  }
  let index = prevLogIndex;
  for (const entry of entries) {
    index++;
    if (entry.index !== index) throw lie(`with entry ${entry.index} in the place of ${index}`);
    if (index > is.lastIndex || log.entryAt(index) !== entry) {
      throw lie(`with an entry ${index}:${entry.term} that is not its own`);
    }
  }
}
