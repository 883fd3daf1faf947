/**
 * The state in one number: the sum of a checksum of every key with its value.
 *
 * Keeps true: equal states have equal digests, in whatever order they came about, so that servers can be compared; a write changes it in
 * constant time. A state that differs in one key has another digest for certain, one that differs in more with a chance of 2^-32 of
 * looking the same.
 *
 * @module
 */
import { crc32c } from "../codec/crc32c.ts";

/** Sums stay below this, so that they are exact. */
const MODULUS = 2 ** 52;
const LENGTH = new Uint8Array(4);

export class Digest {
  #sum = 0;

  get value(): number {
    return this.#sum;
  }

  /** A key has this value now; it had none before. */
  add(key: Uint8Array, value: Uint8Array): void {
    this.#sum = (this.#sum + checksumOf(key, value)) % MODULUS;
  }

  /** A key has this value no more. */
  remove(key: Uint8Array, value: Uint8Array): void {
    this.#sum = (this.#sum - checksumOf(key, value) + MODULUS) % MODULUS;
  }
}

/** Never 0, so that an empty value counts. The key's length goes in, so that no key and value run into each other. */
function checksumOf(key: Uint8Array, value: Uint8Array): number {
  LENGTH[0] = key.length;
  LENGTH[1] = key.length >>> 8;
  LENGTH[2] = key.length >>> 16;
  LENGTH[3] = key.length >>> 24;
  return crc32c(LENGTH, key, value) + 1;
}
