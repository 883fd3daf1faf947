/**
 * Everything that waits for an answer, oldest first; counted in commands and in bytes.
 *
 * Keeps true: what was added and not removed is listed, in the order in which it was added; the counts are the sums over the list.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Waiter } from "./waiter.ts";

export class Pending {
  #oldest: Waiter | null = null;
  #newest: Waiter | null = null;
  #commands = 0;
  #bytes = 0;

  get commands(): number {
    return this.#commands;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Who waits longest. */
  get oldest(): Waiter | null {
    return this.#oldest;
  }

  add(waiter: Waiter): void {
    assert(!waiter.isPending, "Whoever waits is added once");
    waiter.isPending = true;
    waiter.older = this.#newest;
    if (this.#newest === null) this.#oldest = waiter;
    else this.#newest.newer = waiter;
    this.#newest = waiter;
    this.#commands += waiter.count;
    this.#bytes += waiter.byteLength;
  }

  /** Harmless where it is not there any more. */
  remove(waiter: Waiter): void {
    if (!waiter.isPending) return;
    const { older, newer } = waiter;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    waiter.older = waiter.newer = null;
    waiter.isPending = false;
    this.#commands -= waiter.count;
    this.#bytes -= waiter.byteLength;
  }

  /** All of them now, oldest first. */
  list(): readonly Waiter[] {
    const waiters: Waiter[] = [];
    for (let next = this.#oldest; next !== null; next = next.newer) waiters.push(next);
    return waiters;
  }
}
