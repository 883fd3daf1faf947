/**
 * The checksum of a pair: two sums of words side by side, each of which tells any two words apart at any place, as a multiplication by an
 * odd number and a rotation lose nothing.
 *
 * A value is summed up on the way to its place: what was just written is not read again, and the copy costs nothing beside the sum,
 * which waits for its own last step.
 *
 * Keeps true: part of the format of snapshots, so it never changes (digest.ts); by whichever way a pair was written, its bytes and its
 * checksum are the same.
 *
 * @module
 */
import { assert } from "../base/assert.ts";

const SUM_OF_EVEN = 0x243f6a88;
const SUM_OF_ODD = 0x13198a2e;

// Where many words are summed up the two steps stand in the loop itself: on JavaScriptCore a function that was put into its caller still
// takes registers there, and the loop a third more time.

/** The sum of the words at even places, with one more. */
function mixedEven(sum: number, word: number): number {
  const mixed = Math.imul(sum ^ word, 0x9e3779b1);
  return mixed << 13 | mixed >>> 19;
}

/** The sum of the words at odd places, with one more. */
function mixedOdd(sum: number, word: number): number {
  const mixed = Math.imul(sum ^ word, 0x85ebca77);
  return mixed << 17 | mixed >>> 15;
}

/** Both sums in one: 32 bits, with a sign. */
function sumOf(even: number, odd: number): number {
  const mixed = Math.imul(odd ^ odd >>> 15, 0xc2b2ae3d);
  return even ^ mixed ^ mixed >>> 13;
}

/** The checksum of the words in [from, to), an even number of them. */
export function checksumOfWords(words: Int32Array, from: number, to: number): number {
  let even = SUM_OF_EVEN;
  let odd = SUM_OF_ODD;
  for (let at = from; at < to; at += 2) {
    even = Math.imul(even ^ (words[at] ?? 0), 0x9e3779b1);
    even = even << 13 | even >>> 19;
    odd = Math.imul(odd ^ (words[at + 1] ?? 0), 0x85ebca77);
    odd = odd << 17 | odd >>> 15;
  }
  return sumOf(even, odd);
}

/** The same memory, as bytes and as words with the lowest byte first. */
export interface Memory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
}

/** A shorter piece may have no two words of its own. */
export const SUMMED_BYTES_MIN = 15;

/**
 * Copies the bytes in [from, to), at least `SUMMED_BYTES_MIN`, to `target`, with zeros behind them up to the word `end`; gives the
 * checksum of the words in [first, end). Both are even, and `target` lies between them.
 */
export function copySummed(
  source: DataView,
  from: number,
  to: number,
  { bytes, words }: Memory,
  target: number,
  first: number,
  end: number,
): number {
  assert(to - from >= SUMMED_BYTES_MIN, "There is a middle");
  // Up to where two words begin, byte by byte.
  let at = target;
  while ((at & 7) !== 0) bytes[at++] = source.getUint8(from++);
  let even = SUM_OF_EVEN;
  let odd = SUM_OF_ODD;
  let word = first;
  for (const middle = at >> 2; word < middle; word += 2) {
    even = mixedEven(even, words[word] ?? 0);
    odd = mixedOdd(odd, words[word + 1] ?? 0);
  }
  for (const last = to - 8; from <= last; from += 8, word += 2) {
    const next = source.getInt32(from, true);
    const afterNext = source.getInt32(from + 4, true);
    words[word] = next;
    words[word + 1] = afterNext;
    even = Math.imul(even ^ next, 0x9e3779b1);
    even = even << 13 | even >>> 19;
    odd = Math.imul(odd ^ afterNext, 0x85ebca77);
    odd = odd << 17 | odd >>> 15;
  }
  at = word << 2;
  while (from < to) bytes[at++] = source.getUint8(from++);
  while (at < end << 2) bytes[at++] = 0;
  for (; word < end; word += 2) {
    even = mixedEven(even, words[word] ?? 0);
    odd = mixedOdd(odd, words[word + 1] ?? 0);
  }
  return sumOf(even, odd);
}
