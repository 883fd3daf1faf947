/**
 * A set of hashes of 64 bits, each with where it was first come from. Flat arrays: tens of bytes for each, no objects.
 *
 * @module
 */
import { grown } from "./lives.ts";

export class Seen {
  #size = 0;
  /** Open addressing: numbers of entries, from 1; 0 is free. */
  #slots = new Uint32Array(2 ** 16);
  #high = new Uint32Array(2 ** 15);
  #low = new Uint32Array(2 ** 15);
  #parents = new Uint32Array(2 ** 15);
  #labels = new Uint32Array(2 ** 15);

  get size(): number {
    return this.#size;
  }

  /** Adds a hash with where it came from. Gives its number, counted from 0, or -1 if it was there already. */
  add(high: number, low: number, parent: number, label: number): number {
    let slot = this.#slotOf(high, low);
    if (this.#slots[slot] !== 0) return -1;
    if (this.#size === this.#high.length) {
      this.#grow();
      slot = this.#slotOf(high, low);
    }
    const number = this.#size++;
    this.#high[number] = high;
    this.#low[number] = low;
    this.#parents[number] = parent;
    this.#labels[number] = label;
    this.#slots[slot] = number + 1;
    return number;
  }

  origin(number: number): { readonly parent: number; readonly label: number } {
    return { parent: this.#parents[number] ?? 0, label: this.#labels[number] ?? 0 };
  }

  /** Where this hash is, or would be. */
  #slotOf(high: number, low: number): number {
    const mask = this.#slots.length - 1;
    let slot = low & mask;
    while (true) {
      const number = this.#slots[slot] ?? 0;
      if (number === 0 || (this.#high[number - 1] === high && this.#low[number - 1] === low)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    this.#high = grown(this.#high);
    this.#low = grown(this.#low);
    this.#parents = grown(this.#parents);
    this.#labels = grown(this.#labels);
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let number = 0; number < this.#size; number++) {
      this.#slots[this.#slotOf(this.#high[number] ?? 0, this.#low[number] ?? 0)] = number + 1;
    }
  }
}
