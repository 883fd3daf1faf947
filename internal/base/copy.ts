/**
 * Bytes from one array into another, without a view of them.
 *
 * A view is an object, and to some runtimes more than that: of what a socket gave, a view makes another copy. The language has no
 * other way to copy a part of an array, so the host may bring one.
 *
 * Keeps true: whoever copies, the same bytes come to the same place and no others are touched; places outside of either array are refused.
 *
 * @module
 */
import { assert } from "./assert.ts";

/** Copies the bytes in [from, to), which are there, to a place in other memory that has room for them. */
export type Copy = (source: Uint8Array, from: number, to: number, target: Uint8Array, at: number) => void;

/** What is copied one byte after another; a call costs as much. */
const SHORT_BYTES = 24;

let copyLong: Copy = (source, from, to, target, at) => target.set(source.subarray(from, to), at);

/** From now on long pieces are copied so; said once, at the start of the process. */
export function copyLongBy(copy: Copy): void {
  copyLong = copy;
}

/** Copies the bytes in [from, to) to a place in other memory. */
export function copyBytes(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): void {
  assert(from >= 0 && to <= source.length, "What is copied lies within the bytes");
  assert(at >= 0 && at + to - from <= target.length, "There is room for what is copied");
  if (to - from > SHORT_BYTES) copyLong(source, from, to, target, at);
  else for (let next = from; next < to; next++) target[at++] = source[next] ?? 0;
}
