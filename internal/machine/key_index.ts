/**
 * Finds positions by hash: many small hash tables, chosen by the first bits of the hash (extendible hashing; Fagin, Nievergelt,
 * Pippenger and Strong 1979).
 *
 * A table that is full is divided by one more bit of the hash. So growing costs little at a time, however many keys there are, and
 * walking over the tables is walking in the order of hashes.
 *
 * A picture of the whole costs a list of tables: whoever changes a table that a picture shows, changes a copy.
 *
 * The hash is known to everybody, so whoever wants can make keys with the same hash. Where hashes are too much alike to tell keys
 * apart, a table becomes a crowd (crowd.ts), which is as fast as it is ordered, whatever the keys are.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import { Crowd } from "./crowd.ts";
import { CAPACITY, FULL_QUARTERS, newTable, type Pairs, type Table } from "./table.ts";

/** Tables are not divided by more bits of the hash than these. */
const DEPTH_MAX = 22;
/** Nor where more than so many eighths of what is in them would stay together. */
const TOGETHER_EIGHTHS = 7;
/** Keys that are so many slots from where they should be did not come there by chance. */
const PROBES_MAX = 256;

export class KeyIndex {
  readonly #pairs: Pairs;
  #tables: Table[] = [newTable(0, CAPACITY, 0)];
  /** 2^depth is the number of places in `#tables`. */
  #depth = 0;
  #size = 0;
  /** Tables of an earlier age are shown by a picture. */
  #age = 0;

  constructor(pairs: Pairs) {
    this.#pairs = pairs;
  }

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
    for (const table of this.#tables) {
      table.age = this.#age;
      table.crowd?.forget(this.#age);
    }
  }

  /** The tables from that of a hash on, in the order of hashes, each once; nothing may change meanwhile. */
  *tablesFrom(hash: number): Generator<Table> {
    for (let place = this.#placeOf(hash); place < this.#tables.length;) {
      const table = must(this.#tables[place], "Every hash has its table");
      if (table.crowd === null) yield table;
      else yield* table.crowd.tables;
      place = (place | (1 << this.#depth - table.depth) - 1) + 1;
    }
  }

  /** The position that was put there for the key; 0 for none. */
  find(hash: number, key: Uint8Array, from: number, to: number): number {
    const { slots, crowd } = this.#tableOf(hash);
    if (crowd !== null) return crowd.find(hash, key, from, to);
    const pairs = this.#pairs;
    const mask = slots.length - 2;
    for (let at = hash << 1 & mask;; at = at + 2 & mask) {
      const position = slots[at + 1] ?? 0;
      if (position === 0 || (slots[at] === hash && pairs.hasKey(position, key, from, to))) return position;
    }
  }

  /** The first position with this hash, most often that of the key; 0 for none. No pair is looked at. */
  guess(hash: number): number {
    const { slots, crowd } = this.#tableOf(hash);
    if (crowd !== null) return 0;
    const mask = slots.length - 2;
    for (let at = hash << 1 & mask;; at = at + 2 & mask) {
      const position = slots[at + 1] ?? 0;
      if (position === 0 || slots[at] === hash) return position;
    }
  }

  /** Whether the position is there. */
  has(hash: number, position: number): boolean {
    const { slots, crowd } = this.#tableOf(hash);
    if (crowd !== null) return crowd.has(hash, position);
    const mask = slots.length - 2;
    let at = hash << 1 & mask;
    while (slots[at + 1] !== 0 && slots[at + 1] !== position) at = at + 2 & mask;
    return slots[at + 1] === position;
  }

  /** Adds a position that is not there, nor another one with its key. */
  add(hash: number, position: number): void {
    assert(position !== 0, "Position 0 stands for nothing");
    let table = this.#writable(hash);
    while (table.crowd === null && 4 * table.count >= FULL_QUARTERS * (table.slots.length >> 1)) {
      this.#divide(hash, table);
      table = this.#tableOf(hash);
    }
    this.#size++;
    if (table.crowd !== null) return table.crowd.add(hash, position, this.#age);
    const probes = insert(table.slots, hash, position);
    table.count++;
    table.version++;
    if (probes > PROBES_MAX) this.#crowd(hash, table);
  }

  /** Puts another position with the same key into the place of one that is there. */
  replace(hash: number, old: number, position: number): void {
    const table = this.#writable(hash);
    if (table.crowd !== null) return table.crowd.replace(hash, old, position, this.#age);
    table.slots[this.#slotOf(table.slots, hash, old) + 1] = position;
    table.version++;
  }

  /** Removes a position that is there. */
  remove(hash: number, position: number): void {
    const table = this.#writable(hash);
    this.#size--;
    if (table.crowd !== null) return table.crowd.remove(hash, position, this.#age);
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
    // A crowd copies what it changes.
    if (table.crowd !== null) return table;
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

  /** Divides a table in two, or makes a crowd of it where its hashes are too much alike. */
  #divide(hash: number, table: Table): void {
    const { depth, slots } = table;
    if (depth >= DEPTH_MAX) return this.#crowd(hash, table);
    const low = newTable(depth + 1, CAPACITY, this.#age);
    const high = newTable(depth + 1, CAPACITY, this.#age);
    const bit = 31 - depth;
    for (let at = 0; at < slots.length; at += 2) {
      insertFrom((slots[at] ?? 0) >>> bit & 1 ? high : low, slots, at);
    }
    if (8 * Math.max(low.count, high.count) > TOGETHER_EIGHTHS * table.count) return this.#crowd(hash, table);
    if (depth === this.#depth) {
      this.#tables = this.#tables.flatMap((one) => [one, one]);
      this.#depth++;
    }
    const mask = 1 << bit;
    this.#put(hash & ~mask, depth + 1, low);
    this.#put(hash | mask, depth + 1, high);
  }

  #crowd(hash: number, table: Table): void {
    const crowd = new Crowd(table, this.#pairs, this.#age);
    this.#put(hash, table.depth, { ...newTable(table.depth, 1, this.#age), crowd });
  }
}

function insertFrom(table: Table, slots: Int32Array, at: number): void {
  const position = slots[at + 1] ?? 0;
  if (position === 0) return;
  insert(table.slots, slots[at] ?? 0, position);
  table.count++;
}

/** Tells how many slots it passed. */
function insert(slots: Int32Array, hash: number, position: number): number {
  const mask = slots.length - 2;
  const home = hash << 1 & mask;
  let at = home;
  while (slots[at + 1] !== 0) at = at + 2 & mask;
  slots[at] = hash;
  slots[at + 1] = position;
  return (at - home & mask) >> 1;
}
