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
import { crc32cAround } from "./crc32c.ts";

export const FRAME_HEADER_BYTES = 8;

/** Puts a body into a frame. */
export function encodeFrame(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  frame.set(body, FRAME_HEADER_BYTES);
  return sealFrame(frame);
}

/** Fills in the header of a frame whose body stands behind the place for it. */
export function sealFrame(frame: Uint8Array): Uint8Array {
  writeBigEndian(frame, 0, frame.length - FRAME_HEADER_BYTES);
  writeBigEndian(frame, 4, crc32cAround(frame, 0, frame.length));
  return frame;
}

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

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** Changes the limit, from the next frame on. */
  set bodyBytesMax(limit: number) {
    this.#bodyBytesMax = limit;
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
