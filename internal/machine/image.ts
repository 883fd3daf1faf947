/**
 * The state as bytes, for snapshots: keys with their values, in the order of keys.
 *
 * A chunk is a row of pairs; each pair is the key's length, the key, the value's length, the value, the lengths as in a command (7 bits a
 * byte, lowest first). Pairs are never cut, so a chunk is about `CHUNK_BYTES` long, or as long as its one pair.
 *
 * Keeps true: a state has one image, the same on every server: the same pairs, in the same order, cut at the same places.
 *
 * @module
 */

/** A chunk is closed when it has at least so many bytes. */
export const CHUNK_BYTES = 128 * 1024;

/** Puts pairs into chunks. */
export class ImageWriter {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** Adds a pair; tells whether the chunk is full. */
  add(key: Uint8Array, value: Uint8Array): boolean {
    for (const part of [lengthBytes(key.length), key, lengthBytes(value.length), value]) {
      this.#parts.push(part);
      this.#bytes += part.length;
    }
    return this.#bytes >= CHUNK_BYTES;
  }

  /** The chunk so far; `null` where it is empty. */
  take(): Uint8Array | null {
    if (this.#bytes === 0) return null;
    const chunk = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      chunk.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#bytes = 0;
    return chunk;
  }
}

function lengthBytes(length: number): Uint8Array {
  const bytes: number[] = [];
  let left = length;
  while (left > 127) {
    bytes.push((left & 127) | 128);
    left = Math.floor(left / 128);
  }
  bytes.push(left);
  return Uint8Array.from(bytes);
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
