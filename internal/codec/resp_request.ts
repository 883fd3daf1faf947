/**
 * What clients send: inline lines or arrays of bulk strings, told apart by the first byte, as in Redis.
 *
 * Keeps true: how the bytes were cut into chunks changes nothing; time and memory grow with what arrived, never with what was announced;
 * whatever arrives becomes commands, or one error after which nothing more is read. Arguments are views of the received bytes; whoever
 * keeps one copies it. `scan` takes only what `next` would take in the same way.
 *
 * Source: the Redis serialization protocol specification; error texts are Redis's own where it has one.
 *
 * @module
 */
import { latin1Of } from "../base/latin1.ts";
import type { WordPlaces } from "./command.ts";

export interface RequestLimits {
  /** A line: an inline command, or the header of an array or a bulk. */
  readonly lineBytesMax: number;
  /** One argument. */
  readonly bulkBytesMax: number;
  readonly argumentsMax: number;
  /** All arguments of one command together. */
  readonly commandBytesMax: number;
}

export const defaultRequestLimits: RequestLimits = {
  lineBytesMax: 64 * 1024,
  bulkBytesMax: 8 * 1024 * 1024,
  argumentsMax: 1024 * 1024,
  commandBytesMax: 12 * 1024 * 1024,
};

/** The stream is no stream of commands; the text goes to the client behind `-ERR `, then the connection closes. */
export class ProtocolError {
  constructor(readonly text: string) {}
}

const LF = 10;
const CR = 13;
const STAR = 42;
const DOLLAR = 36;
const ZERO = 48;
const NINE = 57;
const TLS_HANDSHAKE = 22;

const NOTHING = new Uint8Array(0);

/** What an argument takes besides its bytes, about. */
const ARGUMENT_BYTES = 80;

/** A command of more words is left to `next`. */
const SCANNED_WORDS_MAX = 9;

export class RequestDecoder implements WordPlaces {
  readonly #limits: RequestLimits;
  #bytes: Uint8Array = NOTHING;
  /** The next byte to look at, and the end of what arrived. */
  #at = 0;
  #end = 0;
  /** Up to here there is no line end; saves looking twice. */
  #scanned = 0;
  /** Whether `#bytes` is ours to append to. */
  #own = false;
  #arguments: Uint8Array[] = [];
  /** How many of them are in memory of their own. */
  #argumentsOwned = 0;
  #argumentsLeft = 0;
  #argumentBytes = 0;
  /** The length of the bulk under way, -1 where its header comes next. */
  #bulkLength = -1;
  #error: ProtocolError | null = null;
  /** Where the words stand that `scan` found. */
  readonly bounds = new Int32Array(2 * SCANNED_WORDS_MAX);

  constructor(limits: RequestLimits) {
    this.#limits = limits;
  }

  /**
   * Keeps no more of what arrived than the command under way needs; for when there are no more commands. Gives about how much memory that
   * takes: a small part of a chunk would keep all of it, and so would an argument.
   */
  settle(): number {
    const left = this.#end - this.#at;
    if (left === 0) this.#replace(NOTHING, 0);
    else if (2 * left < this.#bytes.buffer.byteLength) {
      this.#replace(new Uint8Array(this.#bytes.subarray(this.#at, this.#end)), left);
    }
    // By the constructor: what sockets give has a `slice` that copies nothing.
    for (let i = this.#argumentsOwned; i < this.#arguments.length; i++) {
      this.#arguments[i] = new Uint8Array(this.#arguments[i] ?? NOTHING);
    }
    this.#argumentsOwned = this.#arguments.length;
    return this.#bytes.length + this.#argumentBytes + ARGUMENT_BYTES * this.#arguments.length;
  }

  /** Forgets everything; nothing is read any more. */
  abandon(text: string): void {
    this.#error ??= this.#fail(text);
  }

  /** The bytes that are left, at the beginning of memory of our own. */
  #replace(bytes: Uint8Array, left: number): void {
    this.#scanned = Math.max(0, this.#scanned - this.#at);
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = left;
    this.#own = true;
  }

  /** Bytes that are kept because their command is not complete. */
  get bytesKept(): number {
    return this.#end - this.#at + this.#argumentBytes;
  }

  /** Takes a chunk; it belongs to the decoder from now on. Call `next` until it gives `null` before the next chunk. */
  push(chunk: Uint8Array): void {
    if (this.#error !== null) return;
    const left = this.#end - this.#at;
    if (left === 0) {
      this.#bytes = chunk;
      this.#at = 0;
      this.#end = chunk.length;
      this.#scanned = 0;
      this.#own = false;
      return;
    }
    if (!this.#own || this.#end + chunk.length > this.#bytes.length) {
      // Not more than the bulk under way needs: there is most often nothing behind it.
      const needed = this.#bulkLength < 0 ? Infinity : this.#bulkLength + 2;
      const grown = new Uint8Array(Math.max(Math.min(2 * left, needed), left + chunk.length));
      grown.set(this.#bytes.subarray(this.#at, this.#end));
      this.#replace(grown, left);
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** What `bounds` speaks of, until the next `push`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Takes the next command if that is easy: if it is an array of a few bulk strings, arrived as a whole, with nothing wrong. Gives the
   * number of its words, whose places stand in `bounds` then; or 0, and nothing has happened: `next` knows what is there.
   */
  scan(): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    if (at >= end || bytes[at] !== STAR || this.#argumentsLeft > 0 || this.#error !== null) return 0;
    const { bulkBytesMax, argumentsMax, commandBytesMax } = this.#limits;
    const count = (bytes[at + 1] ?? 0) - ZERO;
    // One digit, so that there are at most nine words.
    if (!(count >= 1 && count <= 9) || bytes[at + 2] !== CR || bytes[at + 3] !== LF || count > argumentsMax) {
      return 0;
    }
    at += 4;
    let total = 0;
    for (let i = 0; i < count; i++) {
      if (at + 4 > end || bytes[at] !== DOLLAR) return 0;
      let length = 0;
      let digits = 0;
      let byte = bytes[++at] ?? 0;
      while (byte >= ZERO && byte <= NINE && digits < 8) {
        length = length * 10 + byte - ZERO;
        digits++;
        byte = bytes[++at] ?? 0;
      }
      total += length;
      if (digits === 0 || byte !== CR || length > bulkBytesMax || total > commandBytesMax) return 0;
      const from = at + 2;
      const to = from + length;
      if (to + 2 > end || bytes[at + 1] !== LF || bytes[to] !== CR || bytes[to + 1] !== LF) return 0;
      this.bounds[2 * i] = from;
      this.bounds[2 * i + 1] = to;
      at = to + 2;
    }
    this.#at = at;
    this.#scanned = at;
    return count;
  }

  /** The words that `scan` found, as views. */
  words(count: number): Uint8Array[] {
    return Array.from(
      { length: count },
      (_, i) => this.#bytes.subarray(this.bounds[2 * i] ?? 0, this.bounds[2 * i + 1] ?? 0),
    );
  }

  /** The next command; `null` where more bytes are needed. */
  next(): Uint8Array[] | ProtocolError | null {
    if (this.#error !== null) return this.#error;
    while (this.#at < this.#end) {
      if (this.#argumentsLeft > 0) {
        const state = this.#readBulk();
        if (state !== "argument") return state;
        if (this.#argumentsLeft === 0) return this.#takeCommand();
        continue;
      }
      const first = this.#bytes[this.#at];
      const command = first === STAR ? this.#readArrayHeader() : this.#readInline(first);
      if (command === "again") continue;
      return command;
    }
    return null;
  }

  #fail(text: string): ProtocolError {
    this.#error = new ProtocolError(text);
    this.#bytes = NOTHING;
    this.#at = this.#end = 0;
    this.#arguments = [];
    this.#argumentsOwned = 0;
    this.#argumentBytes = 0;
    return this.#error;
  }

  #takeCommand(): Uint8Array[] {
    const command = this.#arguments;
    this.#arguments = [];
    this.#argumentsOwned = 0;
    this.#argumentBytes = 0;
    return command;
  }

  /** The place of the next line feed, or -1. */
  #lineEnd(): number {
    const found = this.#bytes.indexOf(LF, Math.max(this.#scanned, this.#at));
    if (found >= 0 && found < this.#end) return found;
    this.#scanned = this.#end;
    return -1;
  }

  /** Takes a line out; leaves `#at` behind it. */
  #takeLine(end: number): Uint8Array {
    const stop = end > this.#at && this.#bytes[end - 1] === CR ? end - 1 : end;
    const line = this.#bytes.subarray(this.#at, stop);
    this.#at = end + 1;
    this.#scanned = this.#at;
    return line;
  }

  #readArrayHeader(): "again" | ProtocolError | null {
    const end = this.#lineEnd();
    if (end < 0) {
      return this.#end - this.#at > this.#limits.lineBytesMax
        ? this.#fail("Protocol error: too big mbulk count string")
        : null;
    }
    const count = integerOf(this.#takeLine(end), 1);
    if (count === null) return this.#fail("Protocol error: invalid multibulk length");
    if (count > this.#limits.argumentsMax) {
      return this.#fail(
        `Protocol error: invalid multibulk length, the limit is ${this.#limits.argumentsMax} arguments`,
      );
    }
    if (count > 0) this.#argumentsLeft = count;
    return "again";
  }

  #readBulk(): "argument" | ProtocolError | null {
    if (this.#bulkLength < 0) {
      const end = this.#lineEnd();
      if (end < 0) {
        return this.#end - this.#at > this.#limits.lineBytesMax
          ? this.#fail("Protocol error: too big bulk count string")
          : null;
      }
      const first = this.#bytes[this.#at] ?? 0;
      if (first !== DOLLAR) return this.#fail(`Protocol error: expected '$', got '${printable(first)}'`);
      const length = integerOf(this.#takeLine(end), 1);
      if (length === null || length < 0) return this.#fail("Protocol error: invalid bulk length");
      if (length > this.#limits.bulkBytesMax) {
        return this.#fail(
          `Protocol error: invalid bulk length, the limit is ${this.#limits.bulkBytesMax} bytes`,
        );
      }
      if (this.#argumentBytes + length > this.#limits.commandBytesMax) {
        return this.#fail(`Protocol error: a command has more than ${this.#limits.commandBytesMax} bytes`);
      }
      this.#bulkLength = length;
    }
    const stop = this.#at + this.#bulkLength;
    if (stop + 2 > this.#end) return null;
    if (this.#bytes[stop] !== CR || this.#bytes[stop + 1] !== LF) {
      return this.#fail("Protocol error: a bulk string does not end with CRLF");
    }
    this.#arguments.push(this.#bytes.subarray(this.#at, stop));
    this.#argumentBytes += this.#bulkLength;
    this.#at = stop + 2;
    this.#scanned = this.#at;
    this.#bulkLength = -1;
    this.#argumentsLeft--;
    return "argument";
  }

  #readInline(first: number | undefined): Uint8Array[] | "again" | ProtocolError | null {
    if (first === TLS_HANDSHAKE) return this.#fail("Protocol error: this port speaks no TLS");
    const end = this.#lineEnd();
    const length = (end < 0 ? this.#end : end) - this.#at;
    if (length > this.#limits.lineBytesMax) {
      return this.#fail(
        `Protocol error: too big inline request, the limit is ${this.#limits.lineBytesMax} bytes`,
      );
    }
    if (end < 0) return null;
    const words = splitWords(this.#takeLine(end));
    if (words === null) return this.#fail("Protocol error: unbalanced quotes in request");
    const [name] = words;
    if (name === undefined) return "again";
    if (isHttp(words)) return this.#fail("Protocol error: this port speaks the Redis protocol, not HTTP");
    return words;
  }
}

/** A decimal number of at most 19 digits from `from` on; `null` where it is none. */
function integerOf(line: Uint8Array, from: number): number | null {
  let at = from;
  const negative = line[at] === 45;
  if (negative) at++;
  if (at >= line.length || line.length - at > 15) return null;
  let value = 0;
  for (; at < line.length; at++) {
    const digit = (line[at] ?? 0) - 48;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

function printable(byte: number): string {
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** Browsers and scanners; a cross-protocol request must not run one command of its body. */
function isHttp(words: readonly Uint8Array[]): boolean {
  const [name, last] = [words[0], words.at(-1)];
  if (name === undefined || last === undefined) return false;
  if (words.length === 3 && last.length === 8 && latin1Of(last).startsWith("HTTP/")) return true;
  const word = name.length <= 5 ? latin1Of(name).toLowerCase() : "";
  return word === "post" || word === "host:";
}

/** Splits an inline command as Redis does; `null` where quotes do not balance. */
function splitWords(line: Uint8Array): Uint8Array[] | null {
  const words: Uint8Array[] = [];
  let at = 0;
  while (true) {
    while (at < line.length && isSpace(line[at] ?? 0)) at++;
    if (at >= line.length) return words;
    let stop = at;
    while (stop < line.length && !isSpace(line[stop] ?? 0) && line[stop] !== 34 && line[stop] !== 39) stop++;
    if (stop >= line.length || isSpace(line[stop] ?? 0)) {
      words.push(line.subarray(at, stop));
      at = stop;
      continue;
    }
    const quoted = quotedWord(line, at);
    if (quoted === null) return null;
    words.push(quoted.word);
    at = quoted.end;
  }
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13) || byte === 0;
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/** A word with a quoted part: `"..."` knows escapes, `'...'` only `\'`; a closing quote ends the word. */
function quotedWord(
  line: Uint8Array,
  from: number,
): { readonly word: Uint8Array; readonly end: number } | null {
  const bytes: number[] = [];
  let at = from;
  let quote = 0;
  while (true) {
    const byte = line[at];
    if (byte === undefined) return quote === 0 ? { word: Uint8Array.from(bytes), end: at } : null;
    if (quote === 0) {
      if (isSpace(byte)) return { word: Uint8Array.from(bytes), end: at };
      if (byte === 34 || byte === 39) quote = byte;
      else bytes.push(byte);
      at++;
    } else if (byte === 92 && quote === 34) {
      const hex = hexByte(line, at + 1);
      const next = line[at + 1];
      if (hex !== null) {
        bytes.push(hex);
        at += 4;
      } else if (next === undefined) return null;
      else {
        bytes.push(ESCAPES[String.fromCharCode(next)] ?? next);
        at += 2;
      }
    } else if (byte === 92 && quote === 39 && line[at + 1] === 39) {
      bytes.push(39);
      at += 2;
    } else if (byte === quote) {
      const next = line[at + 1];
      if (next !== undefined && !isSpace(next)) return null;
      return { word: Uint8Array.from(bytes), end: at + 1 };
    } else {
      bytes.push(byte);
      at++;
    }
  }
}

/** The byte that `xHH` at this place stands for. */
function hexByte(line: Uint8Array, at: number): number | null {
  if (line[at] !== 120 || at + 2 >= line.length) return null;
  const text = String.fromCharCode(line[at + 1] ?? 0, line[at + 2] ?? 0);
  return /^[0-9a-fA-F]{2}$/.test(text) ? Number.parseInt(text, 16) : null;
}
