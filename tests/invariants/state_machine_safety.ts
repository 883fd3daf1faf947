/**
 * State machine safety: if a server has applied an entry at a given index, no other server ever applies a different entry
 * for the same index (Figure 3.2, 3.6.3; I5); and what is committed is so for ever (I6), in order and without gaps (I15).
 *
 * This property also writes down, for all others, what was committed.
 *
 * @module
 */
import type { LogIndex, ServerId } from "../../internal/raft/types.ts";
import { chain, type Ghost, type Observation, type Property, Violation } from "./ghost.ts";

export class StateMachineSafety implements Property {
  readonly name = "state machine safety";
  readonly #applied = new Map<ServerId, LogIndex>();

  check({ server, was, is, effects }: Observation, ghost: Ghost): void {
    // What was known to be committed at the start is the shell's to apply, without being told.
    if (was === null) this.#applied.set(server, is.commitIndex);
    const prefix = ghost.prefixOf(server);
    for (let index = (was?.commitIndex ?? 0) + 1; index <= is.commitIndex; index++) {
      const hash = prefix[index];
      if (hash === undefined) {
        throw new Violation(`${server} commits ${index}, and its log ends at ${prefix.length - 1}`);
      }
      const known = ghost.committedHash(index);
      if (known === undefined) ghost.commit(index, hash, is.currentTerm);
      else if (known !== hash) {
        throw new Violation(
          `${server} takes another entry at ${index} for committed than was committed before`,
        );
      }
    }
    for (const effect of effects) {
      if (effect.kind === "installSnapshot") this.#applied.set(server, effect.index);
      if (effect.kind !== "apply") continue;
      for (const entry of effect.entries) {
        const applied = this.#applied.get(server) ?? 0;
        if (entry.index !== applied + 1) {
          throw new Violation(`${server} applies ${entry.index} after ${applied}`);
        }
        if (entry.index > is.commitIndex) {
          throw new Violation(`${server} applies ${entry.index}, which is not committed`);
        }
        // The content, once more: what is applied may be another entry than the log holds there, or bytes that changed since.
        if (chain(ghost.committedHash(entry.index - 1) ?? 0, entry) !== ghost.committedHash(entry.index)) {
          throw new Violation(`${server} applies another entry at ${entry.index} than was committed`);
        }
        this.#applied.set(server, entry.index);
      }
    }
  }
}
