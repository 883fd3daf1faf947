/**
 * The cursors of SCAN.
 *
 * Clients know a cursor as a number; the store goes on behind a key. So each server remembers, for the cursors it gave out, the
 * last key it saw; it forgets the one used least recently when there are too many. The iteration itself goes in key order, so a key
 * that is there from beginning to end is returned, whatever else comes and goes, and whoever leads.
 *
 * @module
 */
export class Cursors {
  readonly #max: number;
  readonly #keys = new Map<string, Uint8Array>();
  #next = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** A cursor that goes on behind this key. */
  remember(key: Uint8Array): string {
    const cursor = String(++this.#next);
    this.#keys.set(cursor, key);
    if (this.#keys.size > this.#max) {
      const oldest = this.#keys.keys().next();
      if (oldest.done !== true) this.#keys.delete(oldest.value);
    }
    return cursor;
  }

  /** The key behind which a cursor goes on. Stays valid: a client may ask for the same page again. */
  keyOf(cursor: string): Uint8Array | undefined {
    const key = this.#keys.get(cursor);
    if (key !== undefined) {
      this.#keys.delete(cursor);
      this.#keys.set(cursor, key);
    }
    return key;
  }
}
