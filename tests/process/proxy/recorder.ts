/**
 * The last chunks that went one way through a link, for sending one of them again.
 *
 * Keeps true: no more than `CHUNKS_MAX` and `BYTES_MAX` are remembered, whatever buffers they came in; what is remembered outlives the
 * connection it came from. A chunk longer than that is not remembered.
 *
 * @module
 */
import type { Random } from "../../../internal/base/random.ts";

const CHUNKS_MAX = 256;
const BYTES_MAX = 256 * 1024;

export class Recorder {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  /** Takes a chunk that nobody writes to any more. */
  remember(bytes: Uint8Array): void {
    if (bytes.length > BYTES_MAX) return;
    this.#chunks.push(bytes.length < bytes.buffer.byteLength ? bytes.slice() : bytes);
    this.#bytes += bytes.length;
    while (this.#bytes > BYTES_MAX || this.#chunks.length > CHUNKS_MAX) {
      this.#bytes -= this.#chunks.shift()?.length ?? 0;
    }
  }

  /** The last one for 1, the one before it for 2; `null` where it is not known any more. */
  back(count: number): Uint8Array | null {
    return this.#chunks.at(-count) ?? null;
  }

  /** One that came before the last one; `null` where there is none. */
  anyEarlier(random: Random): Uint8Array | null {
    const earlier = this.#chunks.length - 1;
    return earlier < 1 ? null : this.#chunks[random.below(earlier)] ?? null;
  }
}
