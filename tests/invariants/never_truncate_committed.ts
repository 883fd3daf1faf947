/**
 * Never truncate committed: no server removes an entry from its log that anybody knows to be committed (5.3 of the paper; L5, L19; I18).
 *
 * An entry at a committed place that is not the committed one may go, and must. With a chained hash one comparison is enough: if the first
 * place that is removed does not hold what is committed there, none behind it does.
 *
 * @module
 */
import { type Ghost, type Observation, type Property, Violation } from "./ghost.ts";

export class NeverTruncateCommitted implements Property {
  readonly name = "never truncate committed";

  check({ server, removed }: Observation, ghost: Ghost): void {
    if (removed === null || ghost.committedHash(removed.index) !== removed.hash) return;
    throw new Violation(`${server} removes its log from ${removed.index} on, which is committed`);
  }
}
