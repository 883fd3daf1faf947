/**
 * The Castagnoli checksum (RFC 3720 B.4): by a table for short pieces, by hash-wasm for long ones.
 *
 * Entering WebAssembly costs more than summing up what a frame, a record or the header of a batch has; above some kilobytes it is
 * the faster way. Both give the same number.
 *
 * WebAssembly is compiled asynchronously, so the process says `await loadCrc32c()` once at its start; from then on everything
 * is synchronous. This loader is the one promise in this folder.
 *
 * @module
 */
import { createCRC32, type IHasher } from "hash-wasm";
import { assert } from "../base/assert.ts";

/** The polynomial, bits reversed. */
const CASTAGNOLI = 0x82f63b78;

/** From here on WebAssembly is the faster way, on V8 and on JavaScriptCore. */
const LONG_BYTES = 4096;

/** Eight tables of 256, so that eight bytes are taken at a time ("slicing by 8", Kounavis and Berry 2005). */
const TABLE = tableOf(CASTAGNOLI);

let hasher: IHasher | null = null;

/** Makes the checksum ready; harmless when it is. */
export async function loadCrc32c(): Promise<void> {
  hasher ??= await createCRC32(CASTAGNOLI);
}

/** The checksum of these bytes, as if they stood one after another. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  assert(hasher !== null, "The checksum was loaded at the start of the process");
  let length = 0;
  for (const part of parts) length += part.length;
  if (length >= LONG_BYTES) {
    hasher.init();
    for (const part of parts) hasher.update(part);
    const digest = hasher.digest("binary");
    return (((digest[0] ?? 0) << 24) | ((digest[1] ?? 0) << 16) | ((digest[2] ?? 0) << 8) |
      (digest[3] ?? 0)) >>> 0;
  }
  let sum = -1;
  for (const part of parts) sum = sumOn(sum, part, 0, part.length);
  return ~sum >>> 0;
}

/**
 * The checksum of the bytes in [at, end) but for the four at `at + 4`, where the checksum itself stands: frames, records and
 * batch headers are made so.
 */
export function crc32cAround(bytes: Uint8Array, at: number, end: number): number {
  if (end - at >= LONG_BYTES) return crc32c(bytes.subarray(at, at + 4), bytes.subarray(at + 8, end));
  return ~sumOn(sumOn(-1, bytes, at, at + 4), bytes, at + 8, end) >>> 0;
}

/** Goes on with a sum, over the bytes in [from, to). */
function sumOn(sum: number, bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  for (; at + 8 <= to; at += 8) {
    const low = sum ^ (byteAt(bytes, at) | byteAt(bytes, at + 1) << 8 | byteAt(bytes, at + 2) << 16 |
      byteAt(bytes, at + 3) << 24);
    sum = entry(1792 + (low & 255)) ^ entry(1536 + (low >>> 8 & 255)) ^ entry(1280 + (low >>> 16 & 255)) ^
      entry(1024 + (low >>> 24)) ^ entry(768 + byteAt(bytes, at + 4)) ^ entry(512 + byteAt(bytes, at + 5)) ^
      entry(256 + byteAt(bytes, at + 6)) ^ entry(byteAt(bytes, at + 7));
  }
  for (; at < to; at++) sum = entry((sum ^ byteAt(bytes, at)) & 255) ^ (sum >>> 8);
  return sum;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function entry(at: number): number {
  return TABLE[at] ?? 0;
}

function tableOf(polynomial: number): Int32Array {
  const table = new Int32Array(2048);
  for (let byte = 0; byte < 256; byte++) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ polynomial : sum >>> 1;
    table[byte] = sum;
  }
  for (let at = 256; at < 2048; at++) {
    const before = table[at - 256] ?? 0;
    table[at] = (table[before & 255] ?? 0) ^ (before >>> 8);
  }
  return table;
}
