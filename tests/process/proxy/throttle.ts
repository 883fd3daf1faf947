/**
 * A limit to the bytes per second, shared by all connections of a link in one direction.
 *
 * Keeps true: who asks first goes first; over any longer time no more than the limit passes, and hardly less where enough is waiting, even
 * if timers come a little late.
 *
 * @module
 */

/** So late may a timer come without time being lost. */
const LATE_MS = 20;
const PIECES_PER_SECOND = 100;
const PIECE_BYTES_MAX = 64 * 1024;

export class Throttle {
  readonly #bytesPerSecond: number;
  /** The longest piece to send at once. */
  readonly pieceBytes: number;
  #freeAt = -Infinity;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.pieceBytes = Math.max(1, Math.min(PIECE_BYTES_MAX, Math.floor(bytesPerSecond / PIECES_PER_SECOND)));
  }

  /** When a piece of so many bytes may go, which is its turn. */
  reserve(bytes: number, now: number): number {
    const at = Math.max(this.#freeAt, now - LATE_MS);
    this.#freeAt = at + bytes * 1000 / this.#bytesPerSecond;
    // The piece goes when its last byte would have come through.
    return this.#freeAt;
  }
}
