/**
 * Log matching: if two logs contain an entry with the same index and term, then the logs are identical in all entries up
 * through that index (Figure 3.2, 3.5; I3).
 *
 * @module
 */
import type { LogIndex, ServerId, Term } from "../../internal/raft/types.ts";
import { type Observation, type PrefixHash, type Property, Violation } from "./ghost.ts";

export class LogMatching implements Property {
  readonly name = "log matching";
  readonly #seen = new Map<LogIndex, Map<Term, { readonly hash: PrefixHash; readonly server: ServerId }>>();

  check({ server, entered }: Observation): void {
    for (const { index, term, hash } of entered) {
      const terms = this.#seen.get(index) ?? new Map();
      this.#seen.set(index, terms);
      const seen = terms.get(term);
      if (seen === undefined) terms.set(term, { hash, server });
      else if (seen.hash !== hash) {
        throw new Violation(
          `${seen.server} and ${server} both have ${index}:${term}, with different prefixes`,
        );
      }
    }
  }
}
