/**
 * Memory for what is sent soon: short pieces of it are cut out of larger ones.
 *
 * A piece of memory of its own costs an allocation, and another one as soon as a part of it is handed to a socket; a view of a larger piece
 * costs neither. Who keeps a piece keeps all that it was cut out of, so what is not sent at once is to be copied.
 *
 * Keeps true: no byte is given out twice.
 *
 * @module
 */

/** Long pieces have memory of their own. */
const SHARED_BYTES = 16 * 1024;
const SHORT_BYTES = SHARED_BYTES / 4;

/** A piece of memory: the bytes in [from, to). */
export interface Room {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

export class ReplyMemory {
  #bytes = new Uint8Array(0);
  #used = 0;

  /** Room for so many bytes. */
  take(length: number): Room {
    if (length > SHORT_BYTES) return { bytes: new Uint8Array(length), from: 0, to: length };
    if (this.#used + length > this.#bytes.length) {
      this.#bytes = new Uint8Array(SHARED_BYTES);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += length;
    return { bytes: this.#bytes, from, to: this.#used };
  }

  /** Nobody needs what is behind `end` in room that was taken. */
  giveBack({ bytes, to }: Room, end: number): void {
    if (bytes === this.#bytes && to === this.#used) this.#used = end;
  }

  /** Makes room longer where it stands, to so many bytes; or gives `null` where something else is behind it. */
  extend({ bytes, from, to }: Room, length: number): Room | null {
    if (bytes !== this.#bytes || to !== this.#used || length > SHORT_BYTES) return null;
    if (from + length > bytes.length) return null;
    this.#used = from + length;
    return { bytes, from, to: this.#used };
  }
}
