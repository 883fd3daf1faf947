/**
 * The memory in which batches are put together: one is written at a time, so they share it.
 *
 * Memory that is new for each batch costs a fault for every page of it, on every server; in the log of large values that was a quarter of all
 * faults.
 *
 * Keeps true: what was given out is of use until the next `take`; it has the bytes of an earlier batch in it, all of which are to be
 * written over. An unusually long batch has memory of its own, which is kept by nobody.
 *
 * @module
 */

const KEPT_BYTES_MAX = 8 * 1024 * 1024;
const KEPT_BYTES_MIN = 64 * 1024;

export class BatchMemory {
  #bytes: Uint8Array = new Uint8Array(0);

  take(length: number): Uint8Array {
    if (length > KEPT_BYTES_MAX) return new Uint8Array(length);
    if (length > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.min(KEPT_BYTES_MAX, Math.max(KEPT_BYTES_MIN, 2 * length)));
    }
    return this.#bytes.subarray(0, length);
  }
}
