/**
 * The state in one number: the sum of a checksum of every key with its value.
 *
 * Keeps true: equal states have equal digests, in whatever order they came about, so that servers can be compared; a write changes it in
 * constant time. States that differ have the same one with a chance of 2^-32; if they differ in four bytes side by side of one
 * key or value, as after a memory error, they never have.
 *
 * @module
 */

/** Sums stay below this, so that they are exact. */
const MODULUS = 2 ** 52;

export class Digest {
  #sum = 0;

  get value(): number {
    return this.#sum;
  }

  /** A pair of this checksum is there now. */
  add(checksum: number): void {
    // Never 0, so that every pair counts.
    this.#sum = (this.#sum + (checksum >>> 0) + 1) % MODULUS;
  }

  /** A pair of this checksum is there no more. */
  remove(checksum: number): void {
    this.#sum = (this.#sum - (checksum >>> 0) - 1 + MODULUS) % MODULUS;
  }
}

/**
 * A checksum of the words in [from, to), an even number of them: 32 bits, with a sign. Two sums side by side, each of which tells any two words
 * apart at any place: a multiplication by an odd number and a rotation lose nothing.
 */
export function checksumOfWords(words: Int32Array, from: number, to: number): number {
  let even = 0x243f6a88;
  let odd = 0x13198a2e;
  for (let at = from; at < to; at += 2) {
    even = Math.imul(even ^ (words[at] ?? 0), 0x9e3779b1);
    even = even << 13 | even >>> 19;
    odd = Math.imul(odd ^ (words[at + 1] ?? 0), 0x85ebca77);
    odd = odd << 17 | odd >>> 15;
  }
  odd = Math.imul(odd ^ odd >>> 15, 0xc2b2ae3d);
  return even ^ odd ^ odd >>> 13;
}
