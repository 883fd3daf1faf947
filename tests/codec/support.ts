/**
 * What the tests of the codec share: bytes from hex and back, seeded values that meet their extremes, damage, chunks, a
 * checksum that owes nothing to the code under test, and a watch on allocations.
 *
 * @module
 */
import { type Random, SeededRandom } from "../../internal/base/random.ts";

export function randomOf(label: string): Random {
  return new SeededRandom(`codec/${label}`);
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Bytes from hex; blanks are for the eye. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function randomBytes(random: Random, lengthMax: number): Uint8Array {
  return Uint8Array.from({ length: random.between(0, lengthMax) }, () => random.below(256));
}

const EXTREMES = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];

/** A whole number in [low, high], of any size; the extremes and both ends come often. */
export function randomNumber(random: Random, low = 0, high = Number.MAX_SAFE_INTEGER): number {
  const any = Math.floor((random.below(2 ** 21) * 2 ** 32 + random.uint32()) / 2 ** random.below(53));
  const drawn = random.chance(1, 2) ? EXTREMES[random.below(EXTREMES.length)] ?? 0 : any;
  return Math.min(high, Math.max(low, drawn));
}

const CHARACTERS = [..."aZ0-._ :'\"\\ü水𐅑\u0000"];

/** A text of one to four bytes a character, without line breaks. */
export function randomText(random: Random, lengthMax: number): string {
  const draw = () => CHARACTERS[random.below(CHARACTERS.length)] ?? "";
  return Array.from({ length: random.between(0, lengthMax) }, draw).join("");
}

/** The bytes with each single bit turned in its turn. */
export function* bitFlips(
  bytes: Uint8Array,
): Generator<{ readonly bit: number; readonly damaged: Uint8Array }> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield { bit, damaged };
  }
}

/** Every strict prefix. */
export function* truncations(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length);
}

/** The bytes whole, cut in two at every place, and byte by byte; every chunk is a copy of its own. */
export function* chunkings(bytes: Uint8Array): Generator<Uint8Array[]> {
  yield [bytes.slice()];
  for (let cut = 1; cut < bytes.length; cut++) yield [bytes.slice(0, cut), bytes.slice(cut)];
  yield Array.from(bytes, (byte) => Uint8Array.of(byte));
}

export function randomChunks(random: Random, bytes: Uint8Array, lengthMax: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + random.between(1, lengthMax);
    chunks.push(bytes.slice(at, end));
    at = end;
  }
  return chunks;
}

/** One to three bytes changed, put in or taken out. */
export function mutated(random: Random, bytes: Uint8Array): Uint8Array {
  const list = Array.from(bytes);
  for (let i = random.between(1, 3); i > 0; i--) {
    const at = random.between(0, list.length);
    list.splice(at, random.below(2), ...(random.chance(2, 3) ? [random.below(256)] : []));
  }
  return Uint8Array.from(list);
}

/** The Castagnoli checksum from its definition, a bit at a time. */
export function crc32cBitByBit(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

/** What `run` gives, and the lengths of the byte arrays that it makes by `new Uint8Array(length)`, in order. */
export function watchAllocations<T>(
  run: () => T,
): { readonly value: T; readonly allocated: readonly number[] } {
  const allocated: number[] = [];
  const original = globalThis.Uint8Array;
  globalThis.Uint8Array = new Proxy(original, {
    construct(target, args: readonly unknown[], newTarget): object {
      if (typeof args[0] === "number") allocated.push(args[0]);
      return Reflect.construct(target, args, newTarget);
    },
  });
  try {
    return { value: run(), allocated };
  } finally {
    globalThis.Uint8Array = original;
  }
}
