/**
 * Random numbers from a seed.
 *
 * The same generator in life and in the simulator; only the seed differs. A fork has a stream of its own that depends
 * on the seed and the label alone, so a draw added in one place moves no other place's numbers (E19 of the bug
 * catalogue: servers that start in the same millisecond still draw different timeouts, since their labels differ).
 *
 * Integer arithmetic only, so V8 and JavaScriptCore agree to the last bit. Not for secrets.
 *
 * Source: sfc32, by Chris Doty-Humphrey (PractRand); FNV-1a and a murmur3 finalizer spread the seed.
 *
 * @module
 */

/** A stream of random numbers. */
export interface Random {
  /** A whole number in [0, 2^32). */
  uint32(): number;
  /** A whole number in [0, limit); `limit` is at least 1 and at most 2^32. */
  below(limit: number): number;
  /** A whole number in [low, high], both included. */
  between(low: number, high: number): number;
  /** True in `numerator` of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean;
  /** A stream of its own for that purpose. */
  fork(label: string): Random;
}

/** The generator behind {@link Random}. */
export class SeededRandom implements Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    this.#seed = seed;
    this.#a = spread(seed, 0x9e3779b9);
    this.#b = spread(seed, 0x85ebca6b);
    this.#c = spread(seed, 0xc2b2ae35);
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result | 0;
    return result >>> 0;
  }

  below(limit: number): number {
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= 2 ** 32)) {
      throw new RangeError(`Cannot draw below ${limit}: it is not a whole number from 1 to 2^32`);
    }
    return Math.floor(this.uint32() / 2 ** 32 * limit);
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  fork(label: string): Random {
    return new SeededRandom(`${this.#seed}/${label}`);
  }
}

function spread(text: string, salt: number): number {
  let h = (0x811c9dc5 ^ salt) >>> 0;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
