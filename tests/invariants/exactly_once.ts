/**
 * Exactly once: the effect of a client's write happens at most once (I26). That an acknowledged one happens at all is
 * acknowledged_is_kept.ts.
 *
 * @module
 */
import { Violation } from "./ghost.ts";

export class ExactlyOnce {
  readonly #applied = new Set<string>();

  /** A write, by its unique value, takes its place in the common order. */
  applied(value: string, who: string): void {
    if (this.#applied.has(value)) throw new Violation(`${who} applies ${value} twice`);
    this.#applied.add(value);
  }
}
