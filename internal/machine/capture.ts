/**
 * The state as it was at one moment, read at leisure while writes go on.
 *
 * Taking it costs a list of tables and chunks, not of keys: both are shared with the store until it changes them, and then it changes a
 * copy, but for pairs that came out already. What is kept aside so is bounded by what is written meanwhile.
 *
 * Keeps true: what comes out is the state of that moment, in the order of the store, whatever happened since. At its end it tells whether
 * the values still add up to the digest they had: memory that changed by itself shows here.
 *
 * @module
 */
import { Digest } from "./digest.ts";
import type { ArenaView } from "./arena.ts";
import { ImageWriter } from "./image.ts";
import { type Picture, positionsInOrder } from "./key_table.ts";
import type { Capture } from "./machine.ts";

/** How many pairs are looked ahead to. */
const EXPECTED = 16;

export class KeyValueCapture implements Capture {
  readonly digest: number;
  #picture: Picture | null;
  /** The table that comes next, and the positions of the last one that did not come out yet. */
  #next = 0;
  #positions: readonly number[] = [];
  #at = 0;
  readonly #found = new Digest();
  readonly #writer = new ImageWriter();
  readonly #released: () => void;
  /** What was read only to have it near; kept, so that no compiler finds that nobody needs it. */
  readonly #touched = new Int32Array(1);

  constructor(picture: Picture, digest: number, released: () => void) {
    this.#picture = picture;
    this.digest = digest;
    this.#released = released;
  }

  next(): Uint8Array | null {
    const picture = this.#picture;
    if (picture === null) return null;
    const { pairs, tables } = picture;
    while (true) {
      if (this.#at % EXPECTED === 0) this.#touch(pairs);
      const position = this.#positions[this.#at++];
      if (position === undefined) {
        const table = tables[this.#next++];
        if (table === undefined) break;
        this.#positions = positionsInOrder(table, pairs);
        this.#at = 0;
        continue;
      }
      this.#found.add(pairs.checksumNow(position));
      if (!pairs.writeTo(this.#writer, position)) continue;
      picture.passed(pairs.hashAt(position));
      return this.#writer.take();
    }
    const last = this.#writer.take();
    this.release();
    return last;
  }

  /** Brings the pairs that come next near, all at once: they lie all over memory. */
  #touch(pairs: ArenaView): void {
    const end = Math.min(this.#at + EXPECTED, this.#positions.length);
    let sum = 0;
    for (let i = this.#at; i < end; i++) sum ^= pairs.touch(this.#positions[i] ?? 0);
    this.#touched[0] = sum;
  }

  get isSound(): boolean {
    return this.#found.value === this.digest;
  }

  release(): void {
    if (this.#picture === null) return;
    this.#picture = null;
    this.#positions = [];
    this.#released();
  }
}
