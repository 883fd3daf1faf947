/**
 * Committed is durable: what a leader commits is on the disks of a quorum, as they would be found if all power failed now (3.6.2; I7). What
 * clients are told rests on nothing else, so a reply is looked at too (I12).
 *
 * @module
 */
import type { ConfigurationValue, LogIndex, ServerId } from "../../internal/raft/types.ts";
import type { Disks } from "./disk.ts";
import { type Ghost, type Observation, type Property, Violation } from "./ghost.ts";
import { LostLogs } from "./lost_logs.ts";

export class CommittedIsDurable implements Property {
  readonly name = "committed is durable";
  readonly #disks: Disks;
  readonly #lost: LostLogs;
  /** Up to here a quorum was seen to have it. */
  #durableUpTo: LogIndex = 0;

  constructor(disks: Disks, lost = new LostLogs()) {
    this.#disks = disks;
    this.#lost = lost;
  }

  check({ server, was, is }: Observation, ghost: Ghost): void {
    if (is.role !== "leader" || is.commitIndex === (was?.commitIndex ?? 0)) return;
    const index = is.commitIndex;
    const hash = ghost.committedHash(index);
    // A leader may change the members in the very step in which it commits: it counted by the configuration that was in force.
    const before = was?.configuration ?? is.configuration;
    const has = (voter: ServerId) =>
      this.#disks(voter).prefixAt(index) === hash ||
      this.#lost.mayCount(server, is.currentTerm, voter, index, hash);
    const objection = objectionOf(before, has);
    if (objection !== null && objectionOf(is.configuration, has) !== null) {
      throw new Violation(`${server} takes ${index} for committed in term ${is.currentTerm}; ${objection}`);
    }
    this.#durableUpTo = Math.max(this.#durableUpTo, index);
  }

  /** A client is told that what stands at that index happened. */
  replied(index: LogIndex, what: string): void {
    if (index > this.#durableUpTo) {
      throw new Violation(
        `${what} is acknowledged at index ${index}; no quorum was seen to have more than ${this.#durableUpTo}`,
      );
    }
  }
}

/** In a joint configuration both halves count (chapter 4). */
function objectionOf(
  { voters, outgoing }: ConfigurationValue,
  has: (voter: ServerId) => boolean,
): string | null {
  for (const half of [voters, outgoing]) {
    if (half.length === 0) continue;
    let count = 0;
    for (const voter of half) if (has(voter)) count++;
    if (2 * count <= half.length) return `it is durable on ${count} of ${half.length} servers`;
  }
  return null;
}
