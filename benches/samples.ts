/**
 * What the benchmarks ask for: a key of 16 bytes, a value of 256.
 *
 * @module
 */
import { encodeCommand, Operation } from "../internal/codec/command.ts";

const encoder = new TextEncoder();

export const KEY = "key:000000012345";
export const VALUE = "v".repeat(256);

/** A command of the machine. */
export function setOf(key: string): Uint8Array {
  return encodeCommand(Operation.set, [encoder.encode(key), encoder.encode(VALUE), new Uint8Array(0)]);
}

export function getOf(key: string): Uint8Array {
  return encodeCommand(Operation.get, [encoder.encode(key)]);
}

export const SET: Uint8Array = setOf(KEY);

/** A command as clients send it. */
export function arrayOf(words: readonly string[]): Uint8Array {
  const text = `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
  return encoder.encode(text);
}

/** So many keys, spread over the order of keys. */
export function keyOf(i: number, keys: number): string {
  return `key:${String(i * 7919 % keys).padStart(12, "0")}`;
}
