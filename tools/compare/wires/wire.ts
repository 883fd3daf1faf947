/**
 * What a load has to know of a server's protocol: how a connection begins, how a command looks, where an answer ends.
 *
 * The load shares the machine with the servers that it measures, so a wire does little: what can be prepared is prepared, and answers
 * are passed over, not read, except for whether they are errors.
 *
 * @module
 */

/** The work that is asked for: `fill` writes keys that may not be there yet, `set` such as are there, `get` reads. */
export type Work = "fill" | "set" | "get";

export interface WirePlan {
  readonly work: Work;
  readonly valueBytes: number;
  /** The number of this connection, from 0. */
  readonly connection: number;
}

/** Where a wire puts its bytes, and tells of what it saw. */
export interface WireEnds {
  write(bytes: Uint8Array): void;
  /** Commands may be asked from now on. */
  ready(): void;
  /** The oldest command was answered: the text of an error, or `null`. */
  answered(error: string | null): void;
}

/** One connection. */
export interface Wire {
  /** The connection is there. */
  opened(): void;
  /** Asks once more, about that key; the bytes may wait for `flush`. */
  ask(key: number): void;
  /** Sends what was asked. */
  flush(): void;
  received(chunk: Uint8Array): void;
}

/** Gathers bytes for one write. */
export class Outbox {
  readonly #write: (bytes: Uint8Array) => void;
  #bytes = new Uint8Array(4096);
  #used = 0;

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Room for so many bytes; the caller fills it before it asks for more. */
  room(length: number): Uint8Array {
    if (this.#used + length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#used + length));
      larger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = larger;
    }
    const room = this.#bytes.subarray(this.#used, this.#used + length);
    this.#used += length;
    return room;
  }

  add(bytes: Uint8Array): void {
    this.room(bytes.length).set(bytes);
  }

  flush(): void {
    if (this.#used === 0) return;
    // A copy, since a socket may keep what it is given.
    this.#write(this.#bytes.slice(0, this.#used));
    this.#used = 0;
  }
}

/** Cuts a stream into pieces whose length a header of fixed size tells. */
export class Cutter {
  readonly #headerBytes: number;
  readonly #lengthOf: (header: Uint8Array) => number;
  readonly #take: (piece: Uint8Array) => void;
  #rest: Uint8Array = new Uint8Array(0);

  /** `lengthOf` gives the length of the whole piece, header and all. */
  constructor(
    headerBytes: number,
    lengthOf: (header: Uint8Array) => number,
    take: (piece: Uint8Array) => void,
  ) {
    this.#headerBytes = headerBytes;
    this.#lengthOf = lengthOf;
    this.#take = take;
  }

  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
    }
    let at = 0;
    while (bytes.length - at >= this.#headerBytes) {
      const length = this.#lengthOf(bytes.subarray(at, at + this.#headerBytes));
      if (bytes.length - at < length) break;
      this.#take(bytes.subarray(at, at + length));
      at += length;
    }
    this.#rest = at === bytes.length ? NOTHING : bytes.slice(at);
  }
}

const NOTHING = new Uint8Array(0);

const DIGITS = 12;
/** Every key is so long. */
export const KEY_BYTES = 4 + DIGITS;
export const EMPTY_KEY = `key:${"0".repeat(DIGITS)}`;

/** Writes the digits of a key that ends there. */
export function putKey(bytes: Uint8Array, end: number, key: number): void {
  for (let at = end - 1, left = key; left > 0; at--) {
    const tenth = Math.floor(left / 10);
    bytes[at] = 48 + left - tenth * 10;
    left = tenth;
  }
}

/** A value that no two connections share, without a byte that a text would have to escape. */
export function valueOf({ valueBytes, connection }: WirePlan): Uint8Array {
  return new Uint8Array(valueBytes).map((_, i) => 97 + (i * 7 + connection) % 26);
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
