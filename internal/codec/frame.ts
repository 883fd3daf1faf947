/**
 * Frames: how messages stand in a byte stream between servers.
 *
 * | offset | bytes | what |
 * | --- | --- | --- |
 * | 0 | 4 | length of the body, big-endian |
 * | 4 | 4 | CRC32C of the four length bytes and the body, big-endian |
 * | 8 | n | body: one CBOR value |
 *
 * Keeps true: every byte is under the checksum, the length too; a length above the limit is refused before anything is allocated; how the bytes
 * were cut into chunks changes nothing, and costs nothing: a frame in a thousand chunks is put together once.
 *
 * @module
 */
import { crc32cAround, crc32cGoneOn, crc32cOf, crc32cOnRecord } from "./crc32c.ts";

export const FRAME_HEADER_BYTES = 8;

/** Puts a body into a frame. */
export function encodeFrame(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  frame.set(body, FRAME_HEADER_BYTES);
  return sealFrame(frame);
}

/** Fills in the header of a frame whose body stands behind the place for it; the body ends with these records, if there are any. */
export function sealFrame(frame: Uint8Array, records: readonly Uint8Array[] = []): Uint8Array {
  writeBigEndian(frame, 0, frame.length - FRAME_HEADER_BYTES);
  let end = frame.length;
  for (const record of records) end -= record.length;
  let checksum = crc32cAround(frame, 0, end);
  for (const record of records) checksum = crc32cOnRecord(checksum, record);
  writeBigEndian(frame, 4, checksum);
  return frame;
}

/** The checksum of a frame's length and of the beginning of its body: what stands before the rest is under it in this order. */
export function sumOfFrame(body: Uint8Array, end: number): number {
  writeBigEndian(lengthBytes, 0, body.length);
  return crc32cGoneOn(crc32cOf(lengthBytes, 0, 4), body, 0, end);
}

const lengthBytes = new Uint8Array(4);

function writeBigEndian(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function readBigEndian(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24 | (bytes[at + 1] ?? 0) << 16 | (bytes[at + 2] ?? 0) << 8 |
    (bytes[at + 3] ?? 0)) >>> 0;
}

/** Cuts a byte stream into frames. After a reason it gives nothing any more: where the next frame begins is not known. */
export class FrameDecoder {
  #bodyBytesMax: number;
  /** Chunks that were not used up, oldest first, and their bytes. */
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #reason: string | null = null;
  #checksum = 0;

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** Changes the limit, from the next frame on. */
  set bodyBytesMax(limit: number) {
    this.#bodyBytesMax = limit;
  }

  /** The checksum of the newest frame that was given: of its length, big-endian, and its body. */
  get checksum(): number {
    return this.#checksum;
  }

  /** Takes a chunk; it belongs to the decoder from now on. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.#reason !== null) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The body of the next frame; `null` where more bytes are needed; a text where the stream is no stream of frames. */
  next(): Uint8Array | string | null {
    if (this.#reason !== null) return this.#reason;
    if (this.#bytes < FRAME_HEADER_BYTES) return null;
    const header = this.#peek(FRAME_HEADER_BYTES);
    const length = readBigEndian(header, 0);
    if (length > this.#bodyBytesMax) {
      return this.#fail(`frame length is ${length}, the limit is ${this.#bodyBytesMax}`);
    }
    if (this.#bytes < FRAME_HEADER_BYTES + length) return null;
    const expected = readBigEndian(header, 4);
    const frame = this.#take(FRAME_HEADER_BYTES + length);
    if (crc32cAround(frame, 0, frame.length) !== expected) return this.#fail("frame checksum does not match");
    this.#checksum = expected;
    return frame.subarray(FRAME_HEADER_BYTES);
  }

  #fail(reason: string): string {
    this.#reason = reason;
    this.#chunks = [];
    this.#bytes = 0;
    return reason;
  }

  /** The first bytes, which are there, joined into one piece. */
  #peek(count: number): Uint8Array {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= count) return first;
    return this.#join(count);
  }

  #join(count: number): Uint8Array {
    const joined = new Uint8Array(count);
    let at = 0;
    for (const chunk of this.#chunks) {
      if (at >= count) break;
      const part = chunk.subarray(0, count - at);
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }

  /** Takes the first bytes out: a view where they lie in one chunk, else one copy. */
  #take(count: number): Uint8Array {
    const whole = this.#peek(count);
    this.#bytes -= count;
    // Most often a chunk is one frame.
    if (whole.length === count && this.#bytes === 0) {
      this.#chunks.length = 0;
      return whole;
    }
    const taken = whole.subarray(0, count);
    let left = count;
    let used = 0;
    for (const chunk of this.#chunks) {
      if (chunk.length > left) break;
      left -= chunk.length;
      used++;
    }
    if (used > 0) this.#chunks.splice(0, used);
    const first = this.#chunks[0];
    if (left > 0 && first !== undefined) this.#chunks[0] = first.subarray(left);
    return taken;
  }
}
