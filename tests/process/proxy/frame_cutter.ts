/**
 * Cuts a stream between servers at its frames (see internal/codec/frame.ts), so that faults can hit whole frames.
 *
 * Keeps true: joined, what comes out is what went in; no more than one frame of at most `FRAME_HELD_BYTES_MAX` is held back; a longer frame, and
 * a stream that is no stream of frames, passes in parts.
 *
 * @module
 */
import { FRAME_HEADER_BYTES } from "../../../internal/codec/frame.ts";

/** What faults hit as one: a chunk as it was read, a frame, or a part of a long frame. */
export interface Unit {
  readonly bytes: Uint8Array;
  readonly begins: boolean;
  readonly ends: boolean;
}

const FRAME_HELD_BYTES_MAX = 256 * 1024;

export class FrameCutter {
  /** What is held back, and how much of it there must be before it can be told what it is. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #needed = FRAME_HEADER_BYTES;
  /** Bytes of a long frame that are still to come. */
  #passing = 0;

  push(chunk: Uint8Array): readonly Unit[] {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#passing === 0 && this.#heldBytes < this.#needed) return [];
    const units: Unit[] = [];
    let rest = this.#takeHeld();
    while (rest.length > 0) {
      const begins = this.#passing === 0;
      const size = begins ? frameSize(rest) : this.#passing;
      if (begins && size > rest.length && size <= FRAME_HELD_BYTES_MAX) {
        // A copy, so that a few bytes do not hold a large chunk in memory.
        this.#held = [rest.slice()];
        this.#heldBytes = rest.length;
        this.#needed = size;
        break;
      }
      const bytes = rest.subarray(0, size);
      rest = rest.subarray(bytes.length);
      this.#passing = size - bytes.length;
      units.push({ bytes, begins, ends: this.#passing === 0 });
    }
    return units;
  }

  /** What is held back when the stream ends. */
  flush(): readonly Unit[] {
    const bytes = this.#takeHeld();
    return bytes.length === 0 ? [] : [{ bytes, begins: true, ends: true }];
  }

  #takeHeld(): Uint8Array {
    const [first = new Uint8Array(0), ...others] = this.#held;
    const bytes = others.length === 0 ? first : new Uint8Array(this.#heldBytes);
    if (bytes !== first) {
      let at = 0;
      for (const part of this.#held) {
        bytes.set(part, at);
        at += part.length;
      }
    }
    this.#held = [];
    this.#heldBytes = 0;
    this.#needed = FRAME_HEADER_BYTES;
    return bytes;
  }
}

/** The length of the frame that begins here, header included; while that is not known, of the header. */
function frameSize(bytes: Uint8Array): number {
  if (bytes.length < FRAME_HEADER_BYTES) return FRAME_HEADER_BYTES;
  return FRAME_HEADER_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}
