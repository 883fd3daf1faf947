/**
 * No phantom: whatever is applied was asked for, and whatever is read was applied (I29).
 *
 * @module
 */
import { Violation } from "./ghost.ts";

export class NoPhantom {
  readonly #asked = new Set<string>();
  readonly #applied = new Set<string>();

  /** A client asks for a write of that unique value. */
  asked(value: string): void {
    this.#asked.add(value);
  }

  applied(value: string, who: string): void {
    if (!this.#asked.has(value)) throw new Violation(`${who} applies what nobody asked: ${value}`);
    this.#applied.add(value);
  }

  /** A client is told of that value: as read, or as written. */
  told(value: string, what: string): void {
    if (!this.#applied.has(value)) {
      throw new Violation(`${what} is answered with ${value}, which was never applied`);
    }
  }
}
