/**
 * The hash of a key, and the order that it gives.
 *
 * Part of the format of snapshots and of what a cursor of SCAN means: keys stand in the order of their hashes, and of their bytes where
 * hashes are equal, the same on every server. So the function never changes.
 *
 * Source: MurmurHash3_x86_32 by Austin Appleby (public domain), with seed 0.
 *
 * @module
 */

/** A whole number of 32 bits, with a sign. */
export function hashOf(key: Uint8Array, from: number, to: number): number {
  let hash = 0;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    const word = (key[at] ?? 0) | (key[at + 1] ?? 0) << 8 | (key[at + 2] ?? 0) << 16 |
      (key[at + 3] ?? 0) << 24;
    hash ^= mixed(word);
    hash = Math.imul(hash << 13 | hash >>> 19, 5) + 0xe6546b64 | 0;
  }
  if (at < to) {
    let word = 0;
    for (let shift = 0; at < to; at++, shift += 8) word |= (key[at] ?? 0) << shift;
    hash ^= mixed(word);
  }
  hash ^= to - from;
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return hash ^ hash >>> 16;
}

function mixed(word: number): number {
  const first = Math.imul(word, 0xcc9e2d51);
  return Math.imul(first << 15 | first >>> 17, 0x1b873593);
}

/** Orders keys by their bytes. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length);
  for (let at = 0; at < end; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Orders keys by their hashes, and by their bytes where these are equal. */
export function compareKeys(hashOfA: number, a: Uint8Array, hashOfB: number, b: Uint8Array): number {
  if (hashOfA !== hashOfB) return (hashOfA >>> 0) - (hashOfB >>> 0);
  return compareBytes(a, b);
}
