/**
 * Byte arrays: whole numbers in them, little-endian, and several put together.
 *
 * Numbers of 8 bytes are at most 2^53 - 1, so that they are exact as a JavaScript number; a larger one reads as `null`.
 *
 * @module
 */
import { assert } from "./assert.ts";

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  assert(at + 4 <= bytes.length, "The number fits into the bytes");
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  assert(at + 4 <= bytes.length, "The number lies within the bytes");
  return ((bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8 | (bytes[at + 2] ?? 0) << 16 |
    (bytes[at + 3] ?? 0) << 24) >>> 0;
}

/** Writes a number of at most 2^53 - 1. */
export function writeUint53(bytes: Uint8Array, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, "The number is a whole one and at most 2^53 - 1");
  writeUint32(bytes, at, value % 2 ** 32);
  writeUint32(bytes, at + 4, Math.floor(value / 2 ** 32));
}

/** The number, or `null` where it is above 2^53 - 1. */
export function readUint53(bytes: Uint8Array, at: number): number | null {
  const high = readUint32(bytes, at + 4);
  return high >= 2 ** 21 ? null : high * 2 ** 32 + readUint32(bytes, at);
}

/** One array with these one behind another. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Whether every byte in [from, to) is zero. */
export function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
