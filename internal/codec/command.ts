/**
 * A command for the state machine, as bytes: in log entries, and on the way to the leader.
 *
 * | bytes | what |
 * | --- | --- |
 * | 1 | operation: 1 to 63 change the state, 64 to 127 only look |
 * | then, for each argument: 1 to 5 | its length, 7 bits a byte, lowest first, the high bit set on all but the last |
 * | n | the argument |
 *
 * The numbers never change their meaning; a new operation takes a new number. 48 to 63 and 112 to 127 are kept for sessions and time.
 *
 * @module
 */
import { copyBytes } from "../base/copy.ts";

export const Operation = {
  /** key, value, options as text: any of `N` (NX), `X` (XX), `G` (GET). */
  set: 1,
  /** keys. */
  del: 2,
  /** key, signed decimal. */
  incrBy: 3,
  /** key, bytes. */
  append: 4,
  /** key, value, key, value, ... */
  mset: 5,
  /** key, value: 1 where it was set, 0 where the key was there. */
  setnx: 6,
  /** key. */
  getdel: 7,
  /** nothing. */
  flush: 8,
  /** index and digest, in decimal: what the state behind that index is, by agreement. Changes nothing. */
  check: 9,
  get: 64,
  /** keys. */
  exists: 65,
  strlen: 66,
  mget: 67,
  dbsize: 68,
  /** `0` to begin or `1` and the last key seen; how many keys to look at, in decimal; a pattern. */
  scan: 69,
  /** a pattern. */
  keys: 70,
  /** key, first and last index, in decimal. */
  getrange: 71,
} as const;

export type Operation = (typeof Operation)[keyof typeof Operation];

/** Puts a command together, in one allocation; the arguments are copied. */
export function encodeCommand(operation: Operation, args: readonly Uint8Array[]): Uint8Array {
  let total = 1;
  for (const { length } of args) total += lengthBytes(length) + length;
  const bytes = new Uint8Array(total);
  bytes[0] = operation;
  let at = 1;
  for (const arg of args) {
    let left = arg.length;
    while (left > 127) {
      bytes[at++] = (left & 127) | 128;
      left >>>= 7;
    }
    bytes[at++] = left;
    bytes.set(arg, at);
    at += arg.length;
  }
  return bytes;
}

/** Words that stand in bytes: the first from `bounds[0]` to `bounds[1]`, and so on. */
export interface WordPlaces {
  readonly bytes: Uint8Array;
  readonly bounds: Int32Array;
}

/** How long a command with the arguments from `first` to below `end` becomes. */
export function encodedLength({ bounds }: WordPlaces, first: number, end: number): number {
  let total = 1;
  for (let i = first; i < end; i++) {
    const length = (bounds[2 * i + 1] ?? 0) - (bounds[2 * i] ?? 0);
    total += lengthBytes(length) + length;
  }
  return total;
}

/** Puts a command together at a place that has room for it; the arguments from `first` to below `end` are copied. */
export function encodeCommandInto(
  target: Uint8Array,
  place: number,
  operation: Operation,
  { bytes, bounds }: WordPlaces,
  first: number,
  end: number,
): void {
  let at = place;
  target[at++] = operation;
  for (let i = first; i < end; i++) {
    const from = bounds[2 * i] ?? 0;
    const to = bounds[2 * i + 1] ?? 0;
    let left = to - from;
    while (left > 127) {
      target[at++] = (left & 127) | 128;
      left >>>= 7;
    }
    target[at++] = left;
    copyBytes(bytes, from, to, target, at);
    at += to - from;
  }
}

function lengthBytes(length: number): number {
  return length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : length < 268_435_456 ? 4 : 5;
}

/** What a command's bytes say. */
export interface DecodedCommand {
  readonly operation: number;
  readonly args: readonly Uint8Array[];
}

/** The operation and its arguments, as views; or why the bytes are no command. */
export function decodeCommand(bytes: Uint8Array): DecodedCommand | string {
  const operation = bytes[0];
  if (operation === undefined) return "it is empty";
  const bounds: number[] = [];
  const count = findArguments(bytes, 0, bytes.length, bounds);
  if (typeof count === "string") return count;
  const args = Array.from({ length: count }, (_, i) => bytes.subarray(bounds[2 * i], bounds[2 * i + 1]));
  return { operation, args };
}

/**
 * Where the arguments of the command in [from, to) stand: the first from `bounds[0]` to `bounds[1]`, and so on; gives their number, or why the bytes
 * are no command. What is behind them in `bounds` means nothing.
 */
export function findArguments(
  bytes: Uint8Array,
  from: number,
  to: number,
  bounds: number[],
): number | string {
  if (from === to) return "it is empty";
  let count = 0;
  for (let at = from + 1; at < to; count++) {
    let length = 0;
    let shift = 0;
    while (true) {
      if (at === to || shift > 28) return "a length is cut short or too long";
      const byte = bytes[at++] ?? 0;
      // Beyond 31 bits: more than bytes can have. It is told apart here, so that all places stay whole numbers of 32 bits to the compiler,
      // and whoever reads at them (the hash of a key, the search for it) needs no arithmetic of fractions.
      if (shift === 28 && byte > 7 && byte < 128) return tooMany(length + byte * 2 ** 28, to - at);
      length |= (byte & 127) << shift;
      if (byte < 128) break;
      shift += 7;
    }
    if (length > to - at) return tooMany(length, to - at);
    bounds[2 * count] = at;
    at += length;
    bounds[2 * count + 1] = at;
  }
  return count;
}

function tooMany(length: number, left: number): string {
  return `an argument has ${length} bytes, ${left} are left`;
}
