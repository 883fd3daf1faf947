/**
 * Signed 64-bit integers as Redis stores them: decimal text, no sign but a minus, no leading zeros, no spaces.
 *
 * @module
 */
import { latin1Of } from "../base/latin1.ts";

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** The number that these bytes say, or `null` where they say none that fits. */
export function parseInt64(bytes: Uint8Array): bigint | null {
  if (bytes.length === 0 || bytes.length > 20) return null;
  const text = latin1Of(bytes);
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) return null;
  const value = BigInt(text);
  return fitsInt64(value) ? value : null;
}

export function fitsInt64(value: bigint): boolean {
  return value >= MIN && value <= MAX;
}
