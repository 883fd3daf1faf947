/**
 * The Castagnoli checksum (RFC 3720 B.4): by a table for short pieces, by WebAssembly (crc32c_module.ts) for long ones.
 *
 * Entering WebAssembly costs more than summing up what a short frame, a record or the header of a batch has. Both give the same number.
 *
 * WebAssembly is compiled asynchronously, so the process says `await loadCrc32c()` once at its start; from then on everything
 * is synchronous. This loader is the one promise in this folder.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { CASTAGNOLI, moduleBytes, stepTables, type SumOn, sumOnBy } from "./crc32c_module.ts";

/** From here on WebAssembly is the faster way, on V8 and on JavaScriptCore. */
const LONG_BYTES = 1024;

/** A shorter piece is read again sooner than its sum is moved. */
const WORTH_MOVING_BYTES = 512;

/** Eight tables of 256, so that eight bytes are taken at a time ("slicing by 8", Kounavis and Berry 2005). */
const TABLE = stepTables(CASTAGNOLI, 8);

let sumOfLong: SumOn | null = null;

/** Makes the checksum ready; harmless when it is. */
export async function loadCrc32c(): Promise<void> {
  if (sumOfLong !== null) return;
  const { instance } = await WebAssembly.instantiate(moduleBytes());
  sumOfLong ??= sumOnBy(instance);
}

/** The checksum of these bytes, as if they stood one after another. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let sum = -1;
  for (const part of parts) sum = sumOn(sum, part, 0, part.length);
  return ~sum >>> 0;
}

/** The checksum of the bytes in [from, to). */
export function crc32cOf(bytes: Uint8Array, from: number, to: number): number {
  return ~sumOn(-1, bytes, from, to) >>> 0;
}

/**
 * The checksum of the bytes in [at, end) but for the four at `at + 4`, where the checksum itself stands: frames, records and
 * batch headers are made so.
 */
export function crc32cAround(bytes: Uint8Array, at: number, end: number): number {
  return ~sumOn(sumOn(-1, bytes, at, at + 4), bytes, at + 8, end) >>> 0;
}

/** Goes on with a checksum over the bytes in [from, to). */
export function crc32cGoneOn(sum: number, bytes: Uint8Array, from: number, to: number): number {
  return ~sumOn(~sum, bytes, from, to) >>> 0;
}

/**
 * Goes on with a checksum over a piece whose bytes 4 to 7 say, little-endian, what {@link crc32cAround} says of the piece: it is not
 * read again, only moved behind what came before. It comes out as if the piece were read exactly where it says the right thing. Moving a sum over `n` zeros is multiplying it by x to the power of 8n, modulo the polynomial.
 */
export function crc32cOnSealed(sum: number, piece: Uint8Array): number {
  const sealed = byteAt(piece, 4) | byteAt(piece, 5) << 8 | byteAt(piece, 6) << 16 | byteAt(piece, 7) << 24;
  // The sum of the whole piece differs from that around its own checksum in what stands before byte 8 only.
  const around = sumOn(-1, piece, 0, 4);
  const whole = sumOn(~sum, piece, 0, 8);
  return (multiply(powerFor(piece.length - 8), around ^ whole) ^ sealed) >>> 0;
}

/** The same, where the quicker of the two ways will do. */
export function crc32cOnRecord(sum: number, record: Uint8Array): number {
  return record.length < WORTH_MOVING_BYTES
    ? crc32cGoneOn(sum, record, 0, record.length)
    : crc32cOnSealed(sum, record);
}

/** The product of two polynomials modulo ours; the highest bit is the factor of x to the power of 0. Without a branch, since the bits are random. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 32; bit++) {
    product ^= b & (a >> 31);
    a <<= 1;
    b = (b >>> 1) ^ (CASTAGNOLI & -(b & 1));
  }
  return product;
}

/** x to the power of 0. */
const ONE = 1 << 31;
/** x to the power of 8 times each of 0 to 255, then of 256 times those, and so on: four tables for the four bytes of a length. */
const POWERS = powersOf();

/** x to the power of 8 times that length. */
function powerFor(length: number): number {
  let power = POWERS[length & 255] ?? ONE;
  for (let table = 256, left = length >>> 8; left > 0; table += 256, left >>>= 8) {
    if ((left & 255) > 0) power = multiply(POWERS[table + (left & 255)] ?? ONE, power);
  }
  return power;
}

function powersOf(): Int32Array {
  const powers = new Int32Array(1024);
  let step = 0x0080_0000;
  for (let table = 0; table < powers.length; table += 256) {
    let power = ONE;
    for (let at = table; at < table + 256; at++) {
      powers[at] = power;
      power = multiply(step, power);
    }
    step = power;
  }
  return powers;
}

/** Goes on with a sum, over the bytes in [from, to). */
function sumOn(sum: number, bytes: Uint8Array, from: number, to: number): number {
  assert(sumOfLong !== null, "The checksum was loaded at the start of the process");
  if (to - from < LONG_BYTES) return sumOfShort(sum, bytes, from, to);
  return sumOfLong(sum, bytes.subarray(from, to));
}

function sumOfShort(sum: number, bytes: Uint8Array, from: number, to: number): number {
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
