/**
 * The state as bytes, for snapshots: keys with their values, in the order of key_hash.ts.
 *
 * A chunk is a row of pairs; each pair is the key's length, the key, the value's length, the value, the lengths as in a command (7 bits a
 * byte, lowest first). Pairs are never cut, so a chunk is about `CHUNK_BYTES` long, or as long as its one pair.
 *
 * Keeps true: a state has one image, the same on every server: the same pairs, in the same order, cut at the same places.
 *
 * @module
 */
import { copyBytes } from "../base/copy.ts";

/** A chunk is closed when it has at least so many bytes. */
const CHUNK_BYTES = 128 * 1024;

/** A length takes at most so many bytes. */
const LENGTH_BYTES_MAX = 5;

/** Puts pairs into chunks. */
export class ImageWriter {
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** Adds the pair whose key and value stand at these places, which are copied; tells whether the chunk is full. */
  add(pairs: Uint8Array, keyFrom: number, keyTo: number, valueFrom: number, valueTo: number): boolean {
    this.#room(2 * LENGTH_BYTES_MAX + keyTo - keyFrom + valueTo - valueFrom);
    this.#put(pairs, keyFrom, keyTo);
    this.#put(pairs, valueFrom, valueTo);
    return this.#length >= CHUNK_BYTES;
  }

  /** The chunk so far, as a view until the next pair is added; `null` where it is empty. */
  take(): Uint8Array | null {
    if (this.#length === 0) return null;
    const chunk = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return chunk;
  }

  #put(bytes: Uint8Array, from: number, to: number): void {
    const target = this.#bytes;
    let at = this.#length;
    let left = to - from;
    while (left > 127) {
      target[at++] = (left & 127) | 128;
      left >>>= 7;
    }
    target[at++] = left;
    copyBytes(bytes, from, to, target, at);
    this.#length = at + to - from;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(CHUNK_BYTES + CHUNK_BYTES / 8, this.#length + bytes));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Hands the pairs of a chunk on, as views; or says why it is none. */
export function readImage(
  chunk: Uint8Array,
  pair: (key: Uint8Array, value: Uint8Array) => string | null,
): string | null {
  let at = 0;
  const next = (): Uint8Array | null => {
    let length = 0;
    for (let shift = 0;; shift += 7) {
      const byte = chunk[at++];
      if (byte === undefined || shift > 28) return null;
      length += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    if (length > chunk.length - at) return null;
    const part = chunk.subarray(at, at + length);
    at += length;
    return part;
  };
  while (at < chunk.length) {
    const key = next();
    const value = key === null ? null : next();
    if (key === null || value === null) return `a pair of the image is cut short at ${at}`;
    const objection = pair(key, value);
    if (objection !== null) return objection;
  }
  return null;
}
