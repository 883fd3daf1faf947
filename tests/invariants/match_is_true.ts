/**
 * Match is true: what a leader believes a follower to have, the follower has on its disk (5.3 of the paper; I16).
 *
 * Looked at when the belief rises. A follower that is in a later term on its disk has left this leader, and may rightly have another log; what
 * it had before its disk was damaged counts until this leader hears of the loss (lost_logs.ts).
 *
 * @module
 */
import type { Disks } from "./disk.ts";
import { type Ghost, type Observation, type Property, Violation } from "./ghost.ts";
import { LostLogs } from "./lost_logs.ts";

export class MatchIsTrue implements Property {
  readonly name = "match is true";
  readonly #disks: Disks;
  readonly #lost: LostLogs;

  constructor(disks: Disks, lost = new LostLogs()) {
    this.#disks = disks;
    this.#lost = lost;
  }

  check({ server, was, is }: Observation, ghost: Ghost): void {
    if (is.role !== "leader") return;
    const same = was !== null && was.role === "leader" && was.currentTerm === is.currentTerm;
    if (same && was.matchIndexes === is.matchIndexes) return;
    const prefix = ghost.prefixOf(server);
    for (const [follower, matchIndex] of is.matchIndexes) {
      if (matchIndex === (same ? was.matchIndexes.get(follower) ?? 0 : 0)) continue;
      const disk = this.#disks(follower);
      if (disk.hardState.currentTerm > is.currentTerm) continue;
      if (disk.prefixAt(matchIndex) === prefix[matchIndex]) continue;
      if (this.#lost.mayCount(server, is.currentTerm, follower, matchIndex, prefix[matchIndex])) continue;
      throw new Violation(
        `${server} believes that ${follower} has its log up to ${matchIndex}; on its disk it has not`,
      );
    }
  }
}
