/**
 * Leader completeness: if an entry is committed in a given term, it is present in the logs of the leaders of all
 * higher-numbered terms (Figure 3.2, 3.6.3; I4).
 *
 * Checked when a server begins to lead: its log must contain everything that anybody knew to be committed in an earlier term. Later terms
 * do not count: a server that slept may win its old term when the votes at last reach it, while a newer term already commits.
 *
 * @module
 */
import { type Ghost, type Observation, type Property, Violation } from "./ghost.ts";

export class LeaderCompleteness implements Property {
  readonly name = "leader completeness";

  check({ server, was, is }: Observation, ghost: Ghost): void {
    if (is.role !== "leader" || (was?.role === "leader" && was.currentTerm === is.currentTerm)) return;
    const prefix = ghost.prefixOf(server);
    const index = ghost.committedBefore(is.currentTerm);
    if (prefix[index] !== ghost.committedHash(index)) {
      throw new Violation(
        `${server} leads term ${is.currentTerm} without the entries up to ${index}, committed before`,
      );
    }
  }
}
