/**
 * A stale read is not staler than said: it lacks nothing that had been acknowledged longer ago than its bound when it was asked (6.4; I28, R7).
 *
 * Servers count milliseconds on clocks of their own, so a bound is as much longer as their clocks may run slow. A clock that stops with its
 * machine is beyond what any bound can promise.
 *
 * @module
 */
import { Violation } from "./ghost.ts";

/** When somebody was first told of a position of a key. */
interface Told {
  readonly position: number;
  readonly at: number;
}

const ROUNDING_MS = 0.01;

export class BoundedStaleness {
  readonly #clocksWithin: number;
  /** Of each key, positions and times rising. */
  readonly #told = new Map<string, Told[]>();

  /** `clocksWithinPermille`: how much slower than time a clock may run. */
  constructor(clocksWithinPermille: number) {
    this.#clocksWithin = 1 - clocksWithinPermille / 1000;
  }

  /** Somebody is told that the order of the key has got as far as that. */
  told(key: string, position: number, at: number): void {
    const told = this.#told.get(key) ?? [];
    this.#told.set(key, told);
    if (position > (told.at(-1)?.position ?? 0)) told.push({ position, at });
  }

  /** A read that may be stale is answered from that position. */
  read(who: string, key: string, position: number, askedAt: number, staleMs: number): void {
    const since = askedAt - staleMs / this.#clocksWithin - ROUNDING_MS;
    const told = this.#told.get(key)?.findLast(({ at }) => at <= since);
    if (told === undefined || position >= told.position) return;
    throw new Violation(
      `${who} reads ${key} at position ${position}, at most ${staleMs} ms old; position ${told.position} had been told ${
        Math.ceil(askedAt - told.at)
      } ms before it asked`,
    );
  }
}
