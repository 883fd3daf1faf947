/**
 * The positions of keys whose hashes are so much alike that they do not tell the keys apart: in the order of the keys (key_hash.ts), in pieces
 * of bounded length.
 *
 * Nothing about it can be made slow by a choice of keys: a search halves what is left with each comparison, and a change moves no more than
 * one piece. So a crowd of n keys costs the logarithm of n for each, where a hash table would cost n.
 *
 * Keeps true: there is a piece; none but the only one is empty; within a piece and from piece to piece keys come in their order, each once.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import { CAPACITY, newTable, type Pairs, type Table } from "./table.ts";

export class Crowd {
  readonly #pairs: Pairs;
  readonly #pieces: Table[];

  /** Takes over what is in a table. */
  constructor(table: Table, pairs: Pairs, age: number) {
    this.#pairs = pairs;
    this.#pieces = [newTable(table.depth, CAPACITY, age, true)];
    const { slots } = table;
    for (let at = 0; at < slots.length; at += 2) {
      const position = slots[at + 1] ?? 0;
      if (position !== 0) this.add(slots[at] ?? 0, position, age);
    }
  }

  /** The pieces, in order. */
  get tables(): readonly Table[] {
    return this.#pieces;
  }

  /** Nobody looks at pictures any more. */
  forget(age: number): void {
    for (const piece of this.#pieces) piece.age = age;
  }

  /** The position that was put there for the key; 0 for none. */
  find(hash: number, key: Uint8Array, from: number, to: number): number {
    const piece = this.#piece(this.#pieceOf(hash, key, from, to));
    const { slots } = piece;
    const at = 2 * this.#placeIn(piece, hash, key, from, to);
    const position = at < 2 * piece.count ? slots[at + 1] ?? 0 : 0;
    if (position === 0 || slots[at] !== hash || !this.#pairs.hasKey(position, key, from, to)) return 0;
    return position;
  }

  /** Whether the position is there. */
  has(hash: number, position: number): boolean {
    const key = this.#pairs.keyAt(position);
    return this.find(hash, key, 0, key.length) === position;
  }

  /** Adds a position that is not there, nor another one with its key. */
  add(hash: number, position: number, age: number): void {
    const key = this.#pairs.keyAt(position);
    let number = this.#pieceOf(hash, key, 0, key.length);
    if (this.#piece(number).count === CAPACITY) {
      this.#halve(number, age);
      number = this.#pieceOf(hash, key, 0, key.length);
    }
    const piece = this.#writable(number, age);
    const { slots, count } = piece;
    const at = 2 * this.#placeIn(piece, hash, key, 0, key.length);
    slots.copyWithin(at + 2, at, 2 * count);
    slots[at] = hash;
    slots[at + 1] = position;
    piece.count++;
    piece.version++;
  }

  /** Puts another position with the same key into the place of one that is there. */
  replace(hash: number, old: number, position: number, age: number): void {
    const { piece, at } = this.#slotOf(hash, old, age);
    piece.slots[at + 1] = position;
    piece.version++;
  }

  /** Removes a position that is there. */
  remove(hash: number, position: number, age: number): void {
    const { number, piece, at } = this.#slotOf(hash, position, age);
    const { slots, count } = piece;
    slots.copyWithin(at, at + 2, 2 * count);
    slots[2 * count - 2] = slots[2 * count - 1] = 0;
    piece.count--;
    piece.version++;
    if (piece.count === 0 && this.#pieces.length > 1) this.#pieces.splice(number, 1);
  }

  #slotOf(hash: number, position: number, age: number) {
    const key = this.#pairs.keyAt(position);
    const number = this.#pieceOf(hash, key, 0, key.length);
    const piece = this.#writable(number, age);
    const at = 2 * this.#placeIn(piece, hash, key, 0, key.length);
    assert(piece.slots[at + 1] === position, "What is changed is there");
    return { number, piece, at };
  }

  #piece(number: number): Table {
    return must(this.#pieces[number], "Every key has its piece");
  }

  /** The piece, or a copy of it where a picture shows it. */
  #writable(number: number, age: number): Table {
    const piece = this.#piece(number);
    if (piece.age === age) return piece;
    const copy: Table = { ...piece, slots: piece.slots.slice(), age };
    this.#pieces[number] = copy;
    return copy;
  }

  /** Puts the second half of a full piece into one of its own. */
  #halve(number: number, age: number): void {
    const low = this.#writable(number, age);
    const high = newTable(low.depth, CAPACITY, age, true);
    const half = low.count >> 1;
    high.slots.set(low.slots.subarray(2 * half, 2 * low.count));
    high.count = low.count - half;
    low.slots.fill(0, 2 * half);
    low.count = half;
    low.version++;
    this.#pieces.splice(number + 1, 0, high);
  }

  /** The last piece that does not begin behind the key; the first where all do. */
  #pieceOf(hash: number, key: Uint8Array, from: number, to: number): number {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#compareAt(this.#piece(middle).slots, 0, hash, key, from, to) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The place of the first key in a piece that is not before this one. */
  #placeIn({ slots, count }: Table, hash: number, key: Uint8Array, from: number, to: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compareAt(slots, 2 * middle, hash, key, from, to) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Orders the key in a slot and another one. */
  #compareAt(slots: Int32Array, at: number, hash: number, key: Uint8Array, from: number, to: number): number {
    const own = slots[at] ?? 0;
    if (own !== hash) return (own >>> 0) - (hash >>> 0);
    return this.#pairs.compareKey(slots[at + 1] ?? 0, key, from, to);
  }
}
