/**
 * What the search found to lead nowhere: sets of linearized operations, each with the state reached (Lowe's memoisation).
 *
 * Keeps true: a set is compared word by word and never by a hash alone, since two sets taken for one would be a wrong verdict. Only
 * what was explored in vain is remembered, and not what is on the way: a search that never turns back remembers nothing.
 *
 * An entry is the words of one key in one long array; a table of places finds it (open addressing, linear probing).
 *
 * @module
 */

const FIRST_SLOTS = 1024;
const FIRST_WORDS = 8192;
/** A place in the table that holds no entry. */
const EMPTY = -1;

export class DeadEnds {
  #slots = new Int32Array(FIRST_SLOTS).fill(EMPTY);
  /** For each entry: how many words, then the words. */
  #words = new Int32Array(FIRST_WORDS);
  #length = 0;
  #count = 0;

  /** How many are remembered. */
  get count(): number {
    return this.#count;
  }

  /** How much memory they take, in bytes. */
  get bytes(): number {
    return 4 * (this.#length + this.#slots.length);
  }

  /** The first `length` words of `key` are one set with its state. */
  has(key: Int32Array, length: number): boolean {
    return this.#count > 0 && this.#slots[this.#find(key, length)] !== EMPTY;
  }

  add(key: Int32Array, length: number): void {
    const slot = this.#find(key, length);
    if (this.#slots[slot] !== EMPTY) return;
    this.#slots[slot] = this.#length;
    if (this.#length + length + 1 > this.#words.length) {
      const grown = new Int32Array(Math.max(2 * this.#words.length, this.#length + length + 1));
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#words[this.#length] = length;
    this.#words.set(key.subarray(0, length), this.#length + 1);
    this.#length += length + 1;
    this.#count++;
    if (2 * this.#count > this.#slots.length) this.#rehash();
  }

  /** The slot of that entry, or the empty one where it would go. */
  #find(key: Int32Array, length: number): number {
    const slots = this.#slots;
    const words = this.#words;
    const mask = slots.length - 1;
    let slot = hashOf(key, 0, length) & mask;
    while (true) {
      const at = slots[slot] ?? EMPTY;
      if (at === EMPTY) return slot;
      if (words[at] === length) {
        let i = 0;
        while (i < length && words[at + 1 + i] === key[i]) i++;
        if (i === length) return slot;
      }
      slot = (slot + 1) & mask;
    }
  }

  #rehash(): void {
    const slots = new Int32Array(2 * this.#slots.length).fill(EMPTY);
    const mask = slots.length - 1;
    for (let at = 0; at < this.#length; at += 1 + (this.#words[at] ?? 0)) {
      let slot = hashOf(this.#words, at + 1, this.#words[at] ?? 0) & mask;
      while (slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      slots[slot] = at;
    }
    this.#slots = slots;
  }
}

function hashOf(words: Int32Array, from: number, length: number): number {
  let hash = length;
  for (let i = from; i < from + length; i++) {
    hash = Math.imul(hash ^ (words[i] ?? 0), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0x85ebca6b);
  return hash ^ (hash >>> 16);
}
