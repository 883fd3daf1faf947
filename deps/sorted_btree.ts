/**
 * `sorted-btree`, the same on every runtime.
 *
 * The package is CommonJS with its class under `default`. Bun hands out the class; Deno hands out the module object that
 * holds it. This file finds it in either, once.
 *
 * @module
 */
import * as module from "sorted-btree";

/** What this project uses of the tree: an ordered map whose clone costs nothing until one of the two changes. */
export interface SortedTree<K, V> {
  readonly size: number;
  get(key: K): V | undefined;
  has(key: K): boolean;
  /** Tells whether the key is new. */
  set(key: K, value: V): boolean;
  /** Tells whether the key was there. */
  delete(key: K): boolean;
  clone(): SortedTree<K, V>;
  keys(firstKey?: K): IterableIterator<K>;
  /** In order, from `lowestKey` on. */
  entries(lowestKey?: K): IterableIterator<[K, V]>;
}

type TreeClass = new <K, V>(entries: undefined, compare: (a: K, b: K) => number) => SortedTree<K, V>;

function findClass(): TreeClass {
  let found: unknown = module;
  for (let depth = 0; depth < 3 && typeof found !== "function"; depth++) {
    found = typeof found === "object" && found !== null && "default" in found ? found.default : undefined;
  }
  if (typeof found !== "function") throw new Error("sorted-btree does not export its class");
  // Checked to be a class just above; that it is this one is what the package promises.
  return found as TreeClass;
}

/** The tree. */
export const BTree: TreeClass = findClass();
