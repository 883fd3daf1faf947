/**
 * The small part of CBOR (RFC 8949) that servers use with each other and on disk.
 *
 * Only definite arrays, whole numbers from 0 to 2^53 - 1, byte strings, texts, booleans and null; every number in its
 * shortest form, so that a value has one encoding. No tags, no maps, no floats, no indefinite lengths, nothing after the end.
 *
 * Keeps true: whatever arrives is a value or a reason, never an exception; nothing is allocated from a length that was not
 * checked, and depth and counts are bounded before anything is made of them. A byte string that was decoded is a view of the bytes that
 * it came in: entries are carried from the network to the disk without a copy.
 *
 * Written here and not taken from a library, since what every message goes through must neither copy byte strings nor look at
 * anything twice; the tests hold it against the library `cborg`.
 *
 * @module
 */

export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[];

const DEPTH_MAX = 8;
const ITEMS_MAX = 1_048_576;

const NUMBER = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;

const INITIAL_BYTES = 128;
/** Texts up to here are written and read a character at a time, if they are ASCII. */
const SHORT_TEXT = 24;

/** Short writings share a piece of memory of this size, since an allocation of their own costs more than writing them. */
const SHARED_BYTES = 8192;
const SHARE_BYTES_MAX = 1024;

let shared = new Uint8Array(SHARED_BYTES);
let sharedUsed = 0;

/** Bytes that nobody else has, and that are zero. */
function share(length: number): Uint8Array {
  if (length > SHARE_BYTES_MAX) return new Uint8Array(length);
  if (sharedUsed + length > SHARED_BYTES) {
    shared = new Uint8Array(SHARED_BYTES);
    sharedUsed = 0;
  }
  const at = sharedUsed;
  sharedUsed += length;
  return shared.subarray(at, sharedUsed);
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Writes values one behind another. Whoever writes an array writes its items next. */
export class CborWriter {
  #bytes: Uint8Array;
  #length: number;

  /** Leaves that many bytes in front for somebody else, and has room for that many behind them before it must grow. */
  constructor(headroom: number, capacity: number = INITIAL_BYTES) {
    this.#bytes = share(headroom + capacity);
    this.#length = headroom;
  }

  array(count: number): void {
    this.#head(ARRAY, count);
  }

  number(value: number): void {
    this.#head(NUMBER, value);
  }

  boolean(value: boolean): void {
    this.#room(1);
    this.#bytes[this.#length++] = value ? TRUE : FALSE;
  }

  null(): void {
    this.#room(1);
    this.#bytes[this.#length++] = NULL;
  }

  bytes(value: Uint8Array): void {
    this.bytesHead(value.length);
    this.raw(value);
  }

  /** Begins a byte string of that length; its bytes follow by `raw`. */
  bytesHead(length: number): void {
    this.#head(BYTES, length);
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(value: string): void {
    if (value.length >= SHORT_TEXT) return this.#encoded(value);
    this.#room(1 + value.length);
    const start = this.#length;
    this.#bytes[this.#length++] = TEXT << 5 | value.length;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) {
        this.#length = start;
        return this.#encoded(value);
      }
      this.#bytes[this.#length++] = code;
    }
  }

  value(value: CborValue): void {
    if (typeof value === "number") this.number(value);
    else if (typeof value === "string") this.text(value);
    else if (typeof value === "boolean") this.boolean(value);
    else if (value === null) this.null();
    else if (value instanceof Uint8Array) this.bytes(value);
    else {
      this.array(value.length);
      for (const item of value) this.value(item);
    }
  }

  /** What was written, the headroom in front of it. The writer is used up. */
  finish(): Uint8Array {
    const bytes = this.#bytes;
    // What was not needed is the next one's, unless somebody took a share meanwhile.
    if (bytes.buffer === shared.buffer && bytes.byteOffset + bytes.length === sharedUsed) {
      sharedUsed = bytes.byteOffset + this.#length;
    }
    return bytes.subarray(0, this.#length);
  }

  #encoded(value: string): void {
    const bytes = utf8Encoder.encode(value);
    this.#head(TEXT, bytes.length);
    this.raw(bytes);
  }

  #head(major: number, value: number): void {
    this.#room(9);
    const bytes = this.#bytes;
    const first = major << 5;
    if (value < 24) bytes[this.#length++] = first | value;
    else if (value < 0x100) {
      bytes[this.#length++] = first | 24;
      bytes[this.#length++] = value;
    } else if (value < 0x10000) {
      bytes[this.#length++] = first | 25;
      bytes[this.#length++] = value >>> 8;
      bytes[this.#length++] = value;
    } else {
      const isLong = value > 0xffff_ffff;
      bytes[this.#length++] = first | (isLong ? 27 : 26);
      if (isLong) this.#uint32(Math.floor(value / 2 ** 32));
      this.#uint32(value % 2 ** 32);
    }
  }

  #uint32(value: number): void {
    const bytes = this.#bytes;
    bytes[this.#length++] = value >>> 24;
    bytes[this.#length++] = value >>> 16;
    bytes[this.#length++] = value >>> 8;
    bytes[this.#length++] = value;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + bytes));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

export function encodeCbor(value: CborValue): Uint8Array {
  const writer = new CborWriter(0);
  writer.value(value);
  return writer.finish();
}

/** A value, or why there is none. */
export type Decoded = { readonly value: CborValue } | { readonly reason: string };

export function decodeCbor(bytes: Uint8Array): Decoded {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.reason !== null) return { reason: reader.reason };
  const left = bytes.length - reader.at;
  return left > 0 ? { reason: `${left} bytes follow the value` } : { value };
}

/** Values one behind another (RFC 8742), or why they are none. */
export function decodeCborSequence(bytes: Uint8Array): readonly CborValue[] | string {
  const reader = new Reader(bytes);
  const values: CborValue[] = [];
  while (reader.at < bytes.length) {
    const value = reader.value(0);
    if (reader.reason !== null) return reader.reason;
    values.push(value);
  }
  return values;
}

/** Goes through the bytes once; after a reason nothing it gives means anything. */
class Reader {
  readonly #bytes: Uint8Array;
  at = 0;
  reason: string | null = null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  value(depth: number): CborValue {
    const first = this.#bytes[this.at];
    if (first === undefined) return this.#fail("the value is cut short");
    const major = first >> 5;
    const low = first & 31;
    if (major === 7) {
      if (low < 20 || low > 22) return this.#fail(`simple value or float ${low} is not allowed`);
      this.at++;
      return low === 22 ? null : low === 21;
    }
    if (major !== NUMBER && major !== BYTES && major !== TEXT && major !== ARRAY) {
      return this.#fail(`major type ${major} is not allowed`);
    }
    const number = this.#number(low);
    if (major === NUMBER || this.reason !== null) return number;
    if (major === ARRAY) return this.#array(number, depth);
    if (number > this.#bytes.length - this.at) return this.#fail("the value is cut short");
    const end = this.at + number;
    const value = major === BYTES ? this.#bytes.subarray(this.at, end) : textOf(this.#bytes, this.at, end);
    if (value === null) return this.#fail("a text is not UTF-8");
    this.at = end;
    return value;
  }

  #fail(reason: string): null {
    this.reason ??= reason;
    return null;
  }

  /** The number that the first byte begins; steps over it. */
  #number(low: number): number {
    const bytes = this.#bytes;
    if (low < 24) {
      this.at++;
      return low;
    }
    if (low > 27) {
      this.#fail("indefinite or reserved lengths are not allowed");
      return 0;
    }
    const extra = 1 << (low - 24);
    if (this.at + 1 + extra > bytes.length) {
      this.#fail("the value is cut short");
      return 0;
    }
    let number = 0;
    for (let i = 1; i <= extra; i++) number = number * 256 + (bytes[this.at + i] ?? 0);
    if (number < (extra === 1 ? 24 : 2 ** (extra * 4))) this.#fail("a number is not in its shortest form");
    else if (number > Number.MAX_SAFE_INTEGER) this.#fail("a number is above 2^53 - 1");
    this.at += 1 + extra;
    return number;
  }

  #array(count: number, depth: number): CborValue {
    if (depth >= DEPTH_MAX) return this.#fail(`arrays are nested deeper than ${DEPTH_MAX}`);
    if (count > ITEMS_MAX) return this.#fail(`an array has ${count} items, the limit is ${ITEMS_MAX}`);
    const items: CborValue[] = [];
    for (let i = 0; i < count && this.reason === null; i++) items.push(this.value(depth + 1));
    return items;
  }
}

/** `null` where the bytes are no UTF-8: two encodings would become the same text. */
function textOf(bytes: Uint8Array, from: number, to: number): string | null {
  if (to - from >= SHORT_TEXT) return utf8Of(bytes.subarray(from, to));
  let text = "";
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    if (byte > 127) return utf8Of(bytes.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}

function utf8Of(bytes: Uint8Array): string | null {
  try {
    return utf8Decoder.decode(bytes);
  } catch {
    return null;
  }
}
