/**
 * Damage to single bytes of a stream.
 *
 * Keeps true: which bytes are hit, and how, depends on the random stream alone, not on how the bytes were cut into chunks; a byte that is hit
 * is another byte afterwards; the chunk that was given is not written to.
 *
 * @module
 */
import type { Random } from "../../../internal/base/random.ts";

export class Flipper {
  readonly #random: Random;
  readonly #chance: number;
  /** Bytes to let pass before the next one that is hit. */
  #left: number;

  constructor(chance: number, random: Random) {
    this.#chance = chance;
    this.#random = random;
    this.#left = this.#draw();
  }

  /** The bytes with the damage done, and how many were hit. */
  pass(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly flipped: number } {
    if (this.#left >= bytes.length) {
      this.#left -= bytes.length;
      return { bytes, flipped: 0 };
    }
    const damaged = bytes.slice();
    let flipped = 0;
    let at = this.#left;
    for (; at < damaged.length; at += 1 + this.#draw()) {
      damaged[at] = (damaged[at] ?? 0) ^ (1 << this.#random.below(8));
      flipped++;
    }
    this.#left = at - damaged.length;
    return { bytes: damaged, flipped };
  }

  /** How many bytes pass before one is hit; one draw for each that is hit, not for each that passes. */
  #draw(): number {
    if (this.#chance >= 1) return 0;
    const uniform = (this.#random.uint32() + 0.5) / 2 ** 32;
    return Math.floor(Math.log(uniform) / Math.log1p(-this.#chance));
  }
}
