/**
 * The small part of CBOR (RFC 8949) that servers use with each other and on disk, by the library `cborg`.
 *
 * Only definite arrays, whole numbers from 0 to 2^53 - 1, byte strings, texts, booleans and null; every number in its
 * shortest form, so that a value has one encoding. No tags, no maps, no floats, no indefinite lengths, nothing after the end. A
 * look over the structure comes before the library sees the bytes: it allocates nothing and bounds depth and counts.
 *
 * @module
 */
import { decode, encode } from "cborg";

export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[];

const DEPTH_MAX = 8;
const ITEMS_MAX = 1_048_576;

export function encodeCbor(value: CborValue): Uint8Array {
  return encode(value);
}

/** A value, or why there is none. */
export type Decoded = { readonly value: CborValue } | { readonly reason: string };

export function decodeCbor(bytes: Uint8Array): Decoded {
  const end = skip(bytes, 0, 0);
  if (typeof end === "string") return { reason: end };
  if (end !== bytes.length) return { reason: `${bytes.length - end} bytes follow the value` };
  try {
    const value: CborValue = decode(bytes, { strict: true, allowIndefinite: false, allowBigInt: false });
    return { value };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : "cannot be decoded" };
  }
}

/** Where the value that begins at `at` ends; or why it is none of ours. */
function skip(bytes: Uint8Array, at: number, depth: number): number | string {
  const first = bytes[at];
  if (first === undefined) return "the value is cut short";
  const major = first >> 5;
  const low = first & 31;
  if (major === 7) return low >= 20 && low <= 22 ? at + 1 : `simple value or float ${low} is not allowed`;
  if (major !== 0 && major !== 2 && major !== 3 && major !== 4) return `major type ${major} is not allowed`;
  if (low > 27) return "indefinite or reserved lengths are not allowed";
  const extra = low < 24 ? 0 : 1 << (low - 24);
  if (at + 1 + extra > bytes.length) return "the value is cut short";
  let number = low;
  if (extra > 0) {
    number = 0;
    for (let i = 1; i <= extra; i++) number = number * 256 + (bytes[at + i] ?? 0);
    const shortest = extra === 1 ? 24 : 2 ** (extra * 4);
    if (number < shortest) return "a number is not in its shortest form";
    if (number > Number.MAX_SAFE_INTEGER) return "a number is above 2^53 - 1";
  }
  let next = at + 1 + extra;
  if (major === 0) return next;
  if (major === 4) {
    if (depth >= DEPTH_MAX) return `arrays are nested deeper than ${DEPTH_MAX}`;
    if (number > ITEMS_MAX) return `an array has ${number} items, the limit is ${ITEMS_MAX}`;
    for (let i = 0; i < number; i++) {
      const end = skip(bytes, next, depth + 1);
      if (typeof end === "string") return end;
      next = end;
    }
    return next;
  }
  return number > bytes.length - next ? "the value is cut short" : next + number;
}
