/**
 * One table of the index of keys: slots of a hash and a position, 0 for none.
 *
 * @module
 */
import type { Crowd } from "./crowd.ts";

/** How many slots a table has; all it takes are in use at most three quarters. */
export const CAPACITY = 1024;
export const FULL_QUARTERS = 3;

/** A hash table, in which the next free slot is taken where one is in use; or a piece of a crowd, in order and without gaps. */
export interface Table {
  /** How many first bits the hashes in it share. */
  readonly depth: number;
  readonly slots: Int32Array;
  count: number;
  /** Counts its changes, so that what was derived from it can be told to be old. */
  version: number;
  /** The age in which it was made or copied. */
  age: number;
  /** Whether the slots stand in the order of their keys. */
  readonly isOrdered: boolean;
  /** What holds the positions instead, where hashes do not tell keys apart. */
  readonly crowd: Crowd | null;
}

export function newTable(depth: number, capacity: number, age: number, isOrdered = false): Table {
  return { depth, slots: new Int32Array(2 * capacity), count: 0, version: 0, age, isOrdered, crowd: null };
}

/** What stands at positions. */
export interface Pairs {
  /** Whether the pair at a position has the key that stands in these bytes. */
  hasKey(position: number, key: Uint8Array, from: number, to: number): boolean;
  /** Orders the key at a position and the one that stands in these bytes by their bytes. */
  compareKey(position: number, key: Uint8Array, from: number, to: number): number;
  /** The key of the pair at a position, as a view. */
  keyAt(position: number): Uint8Array;
}
