/**
 * The keys with their values: an index of hashes over an arena of bytes.
 *
 * Keeps true:
 *  1. The value that `get` hands out is the one that was put there, else the process stops; it stays as it is: one that may be overwritten
 *     is copied. What is walked over is seen, not owned.
 *  2. While somebody looks at a picture, no pair is moved, and none overwritten but those that he says he has passed: of what is still to come
 *     the picture stays as it was taken.
 *  3. The digest is the sum over what is there (digest.ts): each pair carries its checksum, so that to remove it needs no look at its bytes.
 *  4. The order in which keys are walked over depends on the keys alone (key_hash.ts).
 *
 * @module
 */
import { Arena, type ArenaView } from "./arena.ts";
import { Digest } from "./digest.ts";
import { compareKeys, hashOf } from "./key_hash.ts";
import { KeyIndex } from "./key_index.ts";
import type { Table } from "./table.ts";

/** The pairs of one moment. */
export interface Picture {
  readonly pairs: ArenaView;
  readonly tables: readonly Table[];
  /** Says that pairs with a lower hash than this one will not be looked at any more: they may change. */
  readonly passed: (hash: number) => void;
}

/** Higher than any hash. */
const NOTHING_SHOWN = 2 ** 32;
/** After so many bytes were written, a chunk may be emptied: the work is spread, and more is given back than was written. */
const TIDY_BYTES = 64 * 1024;
/** What a pair may take besides its key and its value. */
const PAIR_BYTES = 32;

export class KeyTable {
  readonly #arena = new Arena();
  readonly #index = new KeyIndex(this.#arena);
  readonly #digest = new Digest();
  /** Pairs with this hash or a higher one are looked at by whoever has the picture. */
  #shownFrom = NOTHING_SHOWN;
  /** Bytes that were written or removed since a chunk was emptied. */
  #untidied = 0;
  /** The positions of one table in their order, for whoever walks over it page by page. */
  #sorted: { readonly table: Table; readonly version: number; readonly positions: readonly number[] } | null =
    null;

  get size(): number {
    return this.#index.size;
  }

  /** Memory that keys and values take, waste included. */
  get bytesAllocated(): number {
    return this.#arena.bytesAllocated;
  }

  get digest(): number {
    return this.#digest.value;
  }

  /** The value of the key that stands in these bytes, in bytes that nobody changes; `undefined` where there is none. */
  get(key: Uint8Array, from: number, to: number): Uint8Array | undefined {
    const position = this.#index.find(hashOf(key, from, to), key, from, to);
    return position === 0 ? undefined : this.#arena.readValue(position);
  }

  /** The position of the first key with this hash, most often that of the key meant; 0 for none. */
  guess(hash: number): number {
    return this.#index.guess(hash);
  }

  /** Brings the pair at a position near, if one is there. */
  touch(position: number): number {
    return this.#arena.touch(position);
  }

  has(key: Uint8Array, from: number, to: number): boolean {
    return this.#index.find(hashOf(key, from, to), key, from, to) !== 0;
  }

  /** How long the value is; 0 where there is none. */
  lengthOf(key: Uint8Array, from: number, to: number): number {
    const position = this.#index.find(hashOf(key, from, to), key, from, to);
    return position === 0 ? 0 : this.#arena.valueLengthAt(position);
  }

  /** Gives a key a value; both are copied. */
  set(
    key: Uint8Array,
    keyFrom: number,
    keyTo: number,
    value: Uint8Array,
    valueFrom: number,
    valueTo: number,
  ): void {
    const hash = hashOf(key, keyFrom, keyTo);
    const old = this.#index.find(hash, key, keyFrom, keyTo);
    const arena = this.#arena;
    const bytes = PAIR_BYTES + keyTo - keyFrom + valueTo - valueFrom;
    if (old !== 0) {
      this.#digest.remove(arena.checksumAt(old));
      if (hash >>> 0 < this.#shownFrom && arena.overwrite(old, value, valueFrom, valueTo)) {
        this.#digest.add(arena.checksumAt(old));
        return this.#changed(bytes);
      }
    }
    const position = arena.append(hash, key, keyFrom, keyTo, value, valueFrom, valueTo);
    this.#digest.add(arena.checksumAt(position));
    if (old === 0) return this.#index.add(hash, position);
    this.#index.replace(hash, old, position);
    arena.remove(old);
    this.#changed(bytes);
  }

  /** Tells whether it was there. */
  delete(key: Uint8Array, from: number, to: number): boolean {
    const hash = hashOf(key, from, to);
    const position = this.#index.find(hash, key, from, to);
    if (position === 0) return false;
    const bytes = PAIR_BYTES + to - from + this.#arena.valueLengthAt(position);
    this.#digest.remove(this.#arena.checksumAt(position));
    this.#index.remove(hash, position);
    this.#arena.remove(position);
    this.#changed(bytes);
    return true;
  }

  /** Every key, in no order that means anything; as views, until something changes. */
  *keys(): Generator<Uint8Array> {
    for (const { slots } of this.#index.tablesFrom(0)) {
      for (let at = 1; at < slots.length; at += 2) {
        const position = slots[at] ?? 0;
        if (position !== 0) yield this.#arena.keyAt(position);
      }
    }
  }

  /** The keys behind `after`, or all, in their order; as views, until something changes. */
  *keysAfter(after: Uint8Array | null): Generator<Uint8Array> {
    const hash = after === null ? 0 : hashOf(after, 0, after.length);
    const isAfter = (position: number) =>
      after === null ||
      compareKeys(this.#arena.hashAt(position), this.#arena.keyAt(position), hash, after) > 0;
    for (const table of this.#index.tablesFrom(hash)) {
      // Of a crowd, what is before the key is passed over piece by piece.
      if (table.isOrdered && !isAfter(table.slots[2 * table.count - 1] ?? 0)) continue;
      for (const position of this.#sortedPositions(table)) {
        if (isAfter(position)) yield this.#arena.keyAt(position);
      }
    }
  }

  /** The pairs as they are now. They stay so until `hide`; one picture at a time. */
  show(): Picture {
    this.#shownFrom = 0;
    const passed = (hash: number) => {
      this.#shownFrom = hash >>> 0;
    };
    return { pairs: this.#arena.view(), tables: this.#index.picture(), passed };
  }

  /** Nobody looks at the picture any more. */
  hide(): void {
    this.#shownFrom = NOTHING_SHOWN;
    this.#index.forget();
  }

  /** Of so many bytes something else is there now, or nothing. */
  #changed(bytes: number): void {
    this.#untidied += bytes;
    if (this.#untidied >= TIDY_BYTES && this.#shownFrom === NOTHING_SHOWN) this.#tidy();
  }

  /** Empties the chunk that has most waste, if there is too much of it: what is still needed moves to the end. */
  #tidy(): void {
    this.#untidied = 0;
    const victim = this.#arena.victim();
    if (victim < 0) return;
    const arena = this.#arena;
    const needed = arena.positionsIn(victim).filter((position) =>
      this.#index.has(arena.hashAt(position), position)
    );
    for (const position of needed) {
      this.#index.replace(arena.hashAt(position), position, arena.move(position));
      arena.remove(position);
    }
  }

  #sortedPositions(table: Table): readonly number[] {
    const { version } = table;
    if (this.#sorted?.table === table && this.#sorted.version === version) return this.#sorted.positions;
    const positions = positionsInOrder(table, this.#arena);
    this.#sorted = { table, version, positions };
    return positions;
  }
}

/** A slot's place goes into a number behind the hash. */
const SLOT_FACTOR = 2 ** 20;

/** The positions in a table, in the order of keys. */
export function positionsInOrder(
  { slots, count, isOrdered: isPiece }: Table,
  pairs: ArenaView,
): readonly number[] {
  if (isPiece) return Array.from({ length: count }, (_, i) => slots[2 * i + 1] ?? 0);
  const compare = (a: number, b: number) =>
    compareKeys(pairs.hashAt(a), pairs.keyAt(a), pairs.hashAt(b), pairs.keyAt(b));
  // Hash and slot in one number, so that numbers are sorted, and keys are looked at only where hashes are equal.
  const order = new Float64Array(count);
  for (let at = 0, found = 0; at < slots.length; at += 2) {
    if (slots[at + 1] !== 0) order[found++] = ((slots[at] ?? 0) >>> 0) * SLOT_FACTOR + at;
  }
  const positions: number[] = [];
  let isOrdered = true;
  let last = -1;
  for (const number of order.sort()) {
    const hash = number / SLOT_FACTOR >>> 0;
    if (hash === last) isOrdered = false;
    last = hash;
    positions.push(slots[number - hash * SLOT_FACTOR + 1] ?? 0);
  }
  return isOrdered ? positions : positions.sort(compare);
}
