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
