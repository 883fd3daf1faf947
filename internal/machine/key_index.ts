/**
 * Finds positions by hash: many small hash tables, chosen by the first bits of the hash (extendible hashing; Fagin, Nievergelt,
 * Pippenger and Strong 1979).
 *
 * A table that is full is divided by one more bit of the hash. So growing costs little at a time, however many keys there are, and
 * walking over the tables is walking in the order of hashes.
 *
 * A picture of the whole costs a list of tables: whoever changes a table that a picture shows, changes a copy.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";

const CAPACITY = 1024;
/** A table is divided when it has more than this share of its slots in use, in quarters. */
const FULL_QUARTERS = 3;
/** Tables of keys whose hashes agree in so many bits grow instead. */
const DEPTH_MAX = 22;

/** One hash table: slots of a hash and a position, 0 for none; the next free slot is taken where one is in use. */
export interface Table {
  /** How many first bits the hashes in it share. */
  readonly depth: number;
  readonly slots: Int32Array;
  count: number;
  /** Counts its changes, so that what was derived from it can be told to be old. */
  version: number;
  /** The age in which it was made or copied. */
  age: number;
}

function newTable(depth: number, capacity: number, age: number): Table {
  return { depth, slots: new Int32Array(2 * capacity), count: 0, version: 0, age };
}

/** What stands at positions. */
export interface Pairs {
  /** Whether the pair at a position has the key that stands in these bytes. */
  hasKey(position: number, key: Uint8Array, from: number, to: number): boolean;
}

export class KeyIndex {
  #tables: Table[] = [newTable(0, CAPACITY, 0)];
  /** 2^depth is the number of places in `#tables`. */
  #depth = 0;
  #size = 0;
  /** Tables of an earlier age are shown by a picture. */
  #age = 0;

  get size(): number {
    return this.#size;
  }

  /** The tables as they are now, in the order of hashes, each once. They change no more until `forget`. */
  picture(): readonly Table[] {
    this.#age++;
    return [...this.tablesFrom(0)];
  }

  /** Nobody looks at pictures any more. */
  forget(): void {
    for (const table of this.#tables) table.age = this.#age;
  }

  /** The tables from that of a hash on, in the order of hashes, each once; nothing may change meanwhile. */
  *tablesFrom(hash: number): Generator<Table> {
    for (let place = this.#placeOf(hash); place < this.#tables.length;) {
      const table = must(this.#tables[place], "Every hash has its table");
      yield table;
      place = (place | (1 << this.#depth - table.depth) - 1) + 1;
    }
  }

  /** The position that was put there for the key; 0 for none. */
  find(hash: number, pairs: Pairs, key: Uint8Array, from: number, to: number): number {
    const { slots } = this.#tableOf(hash);
    const mask = slots.length - 2;
    for (let at = hash << 1 & mask;; at = at + 2 & mask) {
      const position = slots[at + 1] ?? 0;
      if (position === 0 || (slots[at] === hash && pairs.hasKey(position, key, from, to))) return position;
    }
  }

  /** Whether the position is there. */
  has(hash: number, position: number): boolean {
    const { slots } = this.#tableOf(hash);
    const mask = slots.length - 2;
    let at = hash << 1 & mask;
    while (slots[at + 1] !== 0 && slots[at + 1] !== position) at = at + 2 & mask;
    return slots[at + 1] === position;
  }

  /** Adds a position that is not there. */
  add(hash: number, position: number): void {
    assert(position !== 0, "Position 0 stands for nothing");
    let table = this.#writable(hash);
    while (4 * table.count >= FULL_QUARTERS * (table.slots.length >> 1)) {
      this.#enlarge(hash, table);
      table = this.#tableOf(hash);
    }
    insert(table.slots, hash, position);
    table.count++;
    table.version++;
    this.#size++;
  }

  /** Puts another position into the place of one that is there. */
  replace(hash: number, old: number, position: number): void {
    const table = this.#writable(hash);
    table.slots[this.#slotOf(table.slots, hash, old) + 1] = position;
    table.version++;
  }

  /** Removes a position that is there. */
  remove(hash: number, position: number): void {
    const table = this.#writable(hash);
    const { slots } = table;
    const mask = slots.length - 2;
    let gap = this.#slotOf(slots, hash, position);
    // What stands behind the gap moves up, if it would not be found any more.
    for (let at = gap + 2 & mask; slots[at + 1] !== 0; at = at + 2 & mask) {
      const home = (slots[at] ?? 0) << 1 & mask;
      if ((at - home & mask) < (at - gap & mask)) continue;
      slots[gap] = slots[at] ?? 0;
      slots[gap + 1] = slots[at + 1] ?? 0;
      gap = at;
    }
    slots[gap] = slots[gap + 1] = 0;
    table.count--;
    table.version++;
    this.#size--;
  }

  #tableOf(hash: number): Table {
    return must(this.#tables[this.#placeOf(hash)], "Every hash has its table");
  }

  #placeOf(hash: number): number {
    // In two steps, since a shift by 32 is one by 0.
    return hash >>> 1 >>> 31 - this.#depth;
  }

  #slotOf(slots: Int32Array, hash: number, position: number): number {
    const mask = slots.length - 2;
    let at = hash << 1 & mask;
    while (slots[at + 1] !== position) {
      assert(slots[at + 1] !== 0, "What is changed is there");
      at = at + 2 & mask;
    }
    return at;
  }

  /** The table for a hash, or a copy of it where a picture shows it. */
  #writable(hash: number): Table {
    const table = this.#tableOf(hash);
    if (table.age === this.#age) return table;
    const copy: Table = { ...table, slots: table.slots.slice(), age: this.#age };
    this.#put(hash, table.depth, copy);
    return copy;
  }

  /** Puts a table into all places that its hashes lead to. */
  #put(hash: number, depth: number, table: Table): void {
    const width = 1 << this.#depth - depth;
    const first = this.#placeOf(hash) & -width;
    this.#tables.fill(table, first, first + width);
  }

  /** Divides a table in two, or makes it larger where its hashes are too much alike. */
  #enlarge(hash: number, table: Table): void {
    const { depth, slots } = table;
    if (depth >= DEPTH_MAX) {
      const larger = newTable(depth, slots.length, this.#age);
      for (let at = 0; at < slots.length; at += 2) insertFrom(larger, slots, at);
      return this.#put(hash, depth, larger);
    }
    if (depth === this.#depth) {
      this.#tables = this.#tables.flatMap((one) => [one, one]);
      this.#depth++;
    }
    const low = newTable(depth + 1, slots.length >> 1, this.#age);
    const high = newTable(depth + 1, slots.length >> 1, this.#age);
    const bit = 31 - depth;
    for (let at = 0; at < slots.length; at += 2) {
      insertFrom((slots[at] ?? 0) >>> bit & 1 ? high : low, slots, at);
    }
    const mask = 1 << bit;
    this.#put(hash & ~mask, depth + 1, low);
    this.#put(hash | mask, depth + 1, high);
  }
}

function insertFrom(table: Table, slots: Int32Array, at: number): void {
  const position = slots[at + 1] ?? 0;
  if (position === 0) return;
  insert(table.slots, slots[at] ?? 0, position);
  table.count++;
}

function insert(slots: Int32Array, hash: number, position: number): void {
  const mask = slots.length - 2;
  let at = hash << 1 & mask;
  while (slots[at + 1] !== 0) at = at + 2 & mask;
  slots[at] = hash;
  slots[at + 1] = position;
}
