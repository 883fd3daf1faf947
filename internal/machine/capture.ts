/**
 * The state as it was at one moment, read at leisure while writes go on.
 *
 * Taking it costs nothing that grows with the state: the tree of keys is shared until somebody changes it, and of a value that is
 * overwritten before the capture came by, the old one is kept aside. What is kept aside is bounded by what is written meanwhile.
 *
 * Keeps true: what comes out is the state of that moment, in the order of keys, whatever happened since. At its end it tells whether
 * the values still add up to the digest they had: memory that changed by itself shows here.
 *
 * @module
 */
import type { SortedTree } from "../../deps/sorted_btree.ts";
import { bytesOfLatin1 } from "../base/latin1.ts";
import { Digest } from "./digest.ts";
import { ImageWriter } from "./image.ts";
import type { Capture } from "./machine.ts";

export class KeyValueCapture implements Capture {
  readonly digest: number;
  readonly #values: ReadonlyMap<string, Uint8Array>;
  #keys: Iterator<string> | null;
  /** Values that were overwritten or removed before we came by. */
  readonly #kept = new Map<string, Uint8Array>();
  /** The last key that was written out. */
  #last: string | null = null;
  readonly #found = new Digest();
  readonly #writer = new ImageWriter();
  readonly #released: () => void;

  constructor(
    values: ReadonlyMap<string, Uint8Array>,
    keys: SortedTree<string, null>,
    digest: number,
    released: () => void,
  ) {
    this.#values = values;
    this.#keys = keys.keys();
    this.digest = digest;
    this.#released = released;
  }

  /** A key is about to lose this value. */
  keep(key: string, value: Uint8Array): void {
    if ((this.#last !== null && key <= this.#last) || this.#kept.has(key)) return;
    this.#kept.set(key, value);
  }

  next(): Uint8Array | null {
    while (this.#keys !== null) {
      const { done, value: key } = this.#keys.next();
      if (done === true) break;
      const value = this.#kept.get(key) ?? this.#values.get(key);
      this.#kept.delete(key);
      this.#last = key;
      // A key without a value is one that memory lost; the digest will say so.
      if (value === undefined) continue;
      const bytes = bytesOfLatin1(key);
      this.#found.add(bytes, value);
      if (this.#writer.add(bytes, value)) return this.#writer.take();
    }
    this.release();
    return this.#writer.take();
  }

  get isSound(): boolean {
    return this.#found.value === this.digest;
  }

  release(): void {
    if (this.#keys === null) return;
    this.#keys = null;
    this.#kept.clear();
    this.#released();
  }
}
