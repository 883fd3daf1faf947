/**
 * Keys with their values, side by side in large pieces of memory: a million of them are a thousand objects to the garbage collector.
 *
 * | words of 4 bytes | what |
 * | --- | --- |
 * | 1 | hash of the key |
 * | 1 | checksum of everything behind it (checksum.ts) |
 * | 1 | length of the key |
 * | 1 | length of the value |
 * | then | key, value, zeros up to the next multiple of 8 bytes |
 *
 * A position is a chunk's number times `CHUNK_UNITS` plus a place in it, in units of 8 bytes; it is never 0. A pair that is longer than
 * a part of a chunk has a chunk of its own.
 *
 * Words are read as this machine has them, which is with the lowest byte first on every machine that is supported; else servers on
 * different machines would have different checksums.
 *
 * Keeps true: a pair stays where it is until it is removed or moved; the bytes of a pair change only by `overwrite`. Bytes that nobody
 * needs any more are counted, and `victim` names the chunk that is worth emptying.
 *
 * @module
 */
import { copyBytes } from "../base/copy.ts";
import { assert, must } from "../base/assert.ts";
import { checksumOfWords, copySummed, SUMMED_BYTES_MIN } from "./checksum.ts";
import type { ImageWriter } from "./image.ts";

const UNIT_BYTES = 8;
const CHUNK_BYTES = 256 * 1024;
const CHUNK_UNITS = CHUNK_BYTES / UNIT_BYTES;
/** Positions are 32 bits long, 15 of which are the place in a chunk. */
const CHUNKS_MAX = 2 ** 17;
/** A longer pair would leave too much of a chunk unused. */
const SHARED_BYTES_MAX = CHUNK_BYTES / 8;
const HEADER_BYTES = 16;
const HEADER_WORDS = 4;
/** Words of a pair's header. */
const CHECKSUM = 1;
const KEY_LENGTH = 2;
const VALUE_LENGTH = 3;
/** What is brought near at once: a part of memory of this size, and so much of a pair. */
const CACHE_LINE_WORDS = 16;
const TOUCHED_WORDS = 5 * CACHE_LINE_WORDS;
/** Less than this is not worth tidying up. */
const WASTE_BYTES_MIN = 4 * 1024 * 1024;

/** A piece of memory, seen as bytes and as words. */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Bytes of pairs that are there. */
  live: number;
  /** Where the next pair goes. */
  used: number;
}

function newChunk(bytes: number): Chunk {
  const buffer = new ArrayBuffer(bytes);
  // Position 0 stands for nothing.
  return { bytes: new Uint8Array(buffer), words: new Int32Array(buffer), live: 0, used: UNIT_BYTES };
}

function pairBytes(keyLength: number, valueLength: number): number {
  return (HEADER_BYTES + keyLength + valueLength + UNIT_BYTES - 1) & -UNIT_BYTES;
}

/** What a capture sees: the pairs as they stood, whoever frees chunks. */
export class ArenaView {
  protected readonly chunks: (Chunk | null)[];

  constructor(chunks: (Chunk | null)[]) {
    this.chunks = chunks;
  }

  hashAt(position: number): number {
    return this.chunkOf(position).words[this.wordOf(position)] ?? 0;
  }

  /** The checksum that the pair had when it was put there. */
  checksumAt(position: number): number {
    return this.chunkOf(position).words[this.wordOf(position) + CHECKSUM] ?? 0;
  }

  /** The checksum that the pair has now: another one where memory changed by itself. */
  checksumNow(position: number): number {
    return checksumOfPair(this.chunkOf(position).words, this.wordOf(position));
  }

  /** The key, as a view; it changes no more. */
  keyAt(position: number): Uint8Array {
    const { bytes, words } = this.chunkOf(position);
    const word = this.wordOf(position);
    const from = 4 * (word + HEADER_WORDS);
    return bytes.subarray(from, from + (words[word + KEY_LENGTH] ?? 0));
  }

  /** Puts the pair into an image; tells whether the image's chunk is full. */
  writeTo(image: ImageWriter, position: number): boolean {
    const { bytes, words } = this.chunkOf(position);
    const word = this.wordOf(position);
    const key = 4 * (word + HEADER_WORDS);
    const value = key + (words[word + KEY_LENGTH] ?? 0);
    return image.add(bytes, key, value, value, value + (words[word + VALUE_LENGTH] ?? 0));
  }

  /** The value, as a view of what may be overwritten. */
  valueAt(position: number): Uint8Array {
    const { bytes, words } = this.chunkOf(position);
    const word = this.wordOf(position);
    const from = 4 * (word + HEADER_WORDS) + (words[word + KEY_LENGTH] ?? 0);
    return bytes.subarray(from, from + (words[word + VALUE_LENGTH] ?? 0));
  }

  valueLengthAt(position: number): number {
    return this.chunkOf(position).words[this.wordOf(position) + VALUE_LENGTH] ?? 0;
  }

  /** Reads a little of everything that a short pair has, so that it is in the processor's cache when it is needed. */
  touch(position: number): number {
    const chunk = this.chunks[position >>> 15] ?? null;
    if (chunk === null) return 0;
    const { bytes, words } = chunk;
    const from = this.wordOf(position);
    const end = Math.min(from + TOUCHED_WORDS, words.length);
    // Where the bytes are is something of its own to wait for.
    let sum = bytes[4 * from] ?? 0;
    for (let at = from; at < end; at += CACHE_LINE_WORDS) sum ^= words[at] ?? 0;
    return sum;
  }

  /** Whether the pair has this key. */
  hasKey(position: number, key: Uint8Array, from: number, to: number): boolean {
    const { bytes, words } = this.chunkOf(position);
    const word = this.wordOf(position);
    if (words[word + KEY_LENGTH] !== to - from) return false;
    for (let at = from, own = 4 * (word + HEADER_WORDS); at < to; at++, own++) {
      if (bytes[own] !== key[at]) return false;
    }
    return true;
  }

  /** Orders the key of the pair and the one that stands in these bytes by their bytes. */
  compareKey(position: number, key: Uint8Array, from: number, to: number): number {
    const { bytes, words } = this.chunkOf(position);
    const word = this.wordOf(position);
    const length = words[word + KEY_LENGTH] ?? 0;
    const own = 4 * (word + HEADER_WORDS);
    const end = Math.min(length, to - from);
    for (let at = 0; at < end; at++) {
      const difference = (bytes[own + at] ?? 0) - (key[from + at] ?? 0);
      if (difference !== 0) return difference;
    }
    return length - (to - from);
  }

  protected chunkOf(position: number): Chunk {
    return must(this.chunks[position >>> 15], "A position lies in a chunk that is there");
  }

  /** Where the header of the pair begins in its chunk, in words. */
  protected wordOf(position: number): number {
    return (position & (CHUNK_UNITS - 1)) << 1;
  }
}

function checksumOfPair(words: Int32Array, word: number): number {
  const size = pairBytes(words[word + KEY_LENGTH] ?? 0, words[word + VALUE_LENGTH] ?? 0);
  return checksumOfWords(words, word + KEY_LENGTH, word + (size >> 2));
}

export class Arena extends ArenaView {
  /** Where the last value came from, most often the next one too, and how it is seen. */
  #source: Uint8Array | null = null;
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Numbers of chunks that were freed. */
  readonly #free: number[] = [];
  #current = -1;
  #live = 0;
  #allocated = 0;
  /** Less waste than this is not looked at. */
  #tolerated = WASTE_BYTES_MIN;

  constructor() {
    super([]);
  }

  /** Bytes of memory that pairs and what is between them take. */
  get bytesAllocated(): number {
    return this.#allocated;
  }

  /** The same pairs, as they stand now; overwriting is the caller's to avoid while somebody looks at it. */
  view(): ArenaView {
    return new ArenaView(this.chunks.slice());
  }

  /** Puts a pair behind the others; gives its position. */
  append(
    hash: number,
    key: Uint8Array,
    keyFrom: number,
    keyTo: number,
    value: Uint8Array,
    valueFrom: number,
    valueTo: number,
  ): number {
    const keyLength = keyTo - keyFrom;
    const valueLength = valueTo - valueFrom;
    const size = pairBytes(keyLength, valueLength);
    const number = this.#chunkFor(size);
    const chunk = must(this.chunks[number], "The chunk was made just now, or is the current one");
    const from = chunk.used;
    const { words, bytes } = chunk;
    const word = from >> 2;
    words[word] = hash;
    words[word + KEY_LENGTH] = keyLength;
    copyBytes(key, keyFrom, keyTo, bytes, from + HEADER_BYTES);
    this.#putValue(chunk, word, keyLength, value, valueFrom, valueTo);
    chunk.used += size;
    chunk.live += size;
    this.#live += size;
    return number * CHUNK_UNITS + from / UNIT_BYTES | 0;
  }

  /** Puts another value into the place of a pair's, if it fits there; tells whether it did. */
  overwrite(position: number, value: Uint8Array, from: number, to: number): boolean {
    const chunk = this.chunkOf(position);
    const { words } = chunk;
    const word = this.wordOf(position);
    const keyLength = words[word + KEY_LENGTH] ?? 0;
    const size = pairBytes(keyLength, words[word + VALUE_LENGTH] ?? 0);
    // A pair in a chunk of its own is handed out as it stands.
    if (size > SHARED_BYTES_MAX || size !== pairBytes(keyLength, to - from)) return false;
    this.#putValue(chunk, word, keyLength, value, from, to);
    return true;
  }

  /** Puts a value into the pair whose key is there, with its length, and zeros behind it; and the checksum. */
  #putValue(
    chunk: Chunk,
    word: number,
    keyLength: number,
    value: Uint8Array,
    from: number,
    to: number,
  ): void {
    const { bytes, words } = chunk;
    words[word + VALUE_LENGTH] = to - from;
    const begin = 4 * (word + HEADER_WORDS) + keyLength;
    const end = word + (pairBytes(keyLength, to - from) >> 2);
    if (to - from >= SUMMED_BYTES_MIN && to - from <= SHARED_BYTES_MAX) {
      const source = this.#seen(value);
      words[word + CHECKSUM] = copySummed(source, from, to, chunk, begin, word + KEY_LENGTH, end);
      return;
    }
    copyBytes(value, from, to, bytes, begin);
    for (let at = begin + to - from; at < 4 * end; at++) bytes[at] = 0;
    words[word + CHECKSUM] = checksumOfPair(words, word);
  }

  /** Bytes, seen as words at any place. */
  #seen(bytes: Uint8Array): DataView {
    if (bytes === this.#source) return this.#view;
    this.#source = bytes;
    return this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The value in bytes that nobody changes any more; a pair of which memory lost a bit is not handed out. */
  readValue(position: number): Uint8Array {
    assert(this.checksumNow(position) === this.checksumAt(position), "Memory keeps what was put there");
    const { bytes, words } = this.chunkOf(position);
    const word = this.wordOf(position);
    const from = 4 * (word + HEADER_WORDS) + (words[word + KEY_LENGTH] ?? 0);
    const to = from + (words[word + VALUE_LENGTH] ?? 0);
    return this.#isAlone(position) ? bytes.subarray(from, to) : bytes.slice(from, to);
  }

  /** Nobody needs the pair any more. */
  remove(position: number): void {
    const number = position >>> 15;
    const chunk = this.chunkOf(position);
    const word = this.wordOf(position);
    const size = pairBytes(chunk.words[word + KEY_LENGTH] ?? 0, chunk.words[word + VALUE_LENGTH] ?? 0);
    chunk.live -= size;
    this.#live -= size;
    assert(chunk.live >= 0, "No more is removed from a chunk than was put there");
    if (chunk.live === 0 && number !== this.#current) this.#release(number, chunk);
  }

  /** Copies a pair to the end; gives its new position. The old one is still there. */
  move(position: number): number {
    const { bytes, words } = this.chunkOf(position);
    const word = this.wordOf(position);
    const key = 4 * (word + HEADER_WORDS);
    const value = key + (words[word + KEY_LENGTH] ?? 0);
    const end = value + (words[word + VALUE_LENGTH] ?? 0);
    return this.append(words[word] ?? 0, bytes, key, value, bytes, value, end);
  }

  /** The number of the chunk that has most to give back, if a third of the memory is waste; -1 where tidying up does not pay. */
  victim(): number {
    const waste = this.#allocated - this.#live;
    if (waste < this.#tolerated || waste * 3 < this.#allocated) return -1;
    let best = -1;
    let least = CHUNK_BYTES;
    for (const [number, chunk] of this.chunks.entries()) {
      if (chunk === null || number === this.#current || chunk.bytes.length > CHUNK_BYTES) continue;
      if (chunk.live >= least) continue;
      best = number;
      least = chunk.live;
    }
    // Where nothing is worth emptying, there is no other look before there is more waste.
    const isWorth = best >= 0 && least * 4 < CHUNK_BYTES * 3;
    this.#tolerated = isWorth ? WASTE_BYTES_MIN : waste + CHUNK_BYTES;
    return isWorth ? best : -1;
  }

  /** The positions of everything that was ever put into a chunk, what was removed among it. */
  positionsIn(number: number): readonly number[] {
    const { words, used } = must(this.chunks[number], "The chunk is there");
    const positions: number[] = [];
    for (let at = UNIT_BYTES; at < used;) {
      positions.push(number * CHUNK_UNITS + at / UNIT_BYTES | 0);
      const word = at >> 2;
      at += pairBytes(words[word + KEY_LENGTH] ?? 0, words[word + VALUE_LENGTH] ?? 0);
    }
    return positions;
  }

  #isAlone(position: number): boolean {
    const { words } = this.chunkOf(position);
    const word = this.wordOf(position);
    return pairBytes(words[word + KEY_LENGTH] ?? 0, words[word + VALUE_LENGTH] ?? 0) > SHARED_BYTES_MAX;
  }

  /** The number of a chunk with that much room. */
  #chunkFor(size: number): number {
    if (size > SHARED_BYTES_MAX) return this.#add(newChunk(UNIT_BYTES + size));
    const current = this.chunks[this.#current] ?? null;
    if (current !== null && current.used + size <= CHUNK_BYTES) return this.#current;
    const full = this.#current;
    this.#current = this.#add(newChunk(CHUNK_BYTES));
    if (current?.live === 0) this.#release(full, current);
    return this.#current;
  }

  #add(chunk: Chunk): number {
    const number = this.#free.pop() ?? this.chunks.length;
    assert(number < CHUNKS_MAX, "The store has at most 32 GiB");
    this.chunks[number] = chunk;
    this.#allocated += chunk.bytes.length;
    return number;
  }

  #release(number: number, chunk: Chunk): void {
    this.chunks[number] = null;
    this.#free.push(number);
    this.#allocated -= chunk.bytes.length;
  }
}
