/**
 * Commit rule: by counting copies a leader commits only entries of its own term (3.6.2, Figure 3.7; I8). What is before such an entry is
 * committed with it.
 *
 * @module
 */
import { type Observation, type Property, Violation } from "./ghost.ts";

export class CommitRule implements Property {
  readonly name = "commit rule";

  check({ server, was, is, log }: Observation): void {
    if (is.role !== "leader" || is.commitIndex === (was?.commitIndex ?? 0)) return;
    // What it learned as a follower, in the very step that made it leader, is no commit of its own.
    if (was?.role !== "leader" || was.currentTerm !== is.currentTerm) return;
    const term = log.termAt(is.commitIndex);
    if (term !== is.currentTerm) {
      throw new Violation(
        `${server} leads term ${is.currentTerm} and commits up to ${is.commitIndex}, which is of term ${term}`,
      );
    }
  }
}
