/**
 * Writes a long file from its beginning to its end, beside a log that is written and synced all the time.
 *
 * Keeps true: no write has more bytes than a step, and no sync more than a few of them, so that nothing stands for long in front of the
 * log's own; when `finish` returns, every byte is on the disk. What was handed over is copied before `add` returns, into the same memory for
 * each step.
 *
 * @module
 */
import type { FileHandle } from "../platform/file_system.ts";

const STEP_BYTES = 256 * 1024;
/** After so many bytes they are synced, so that the last sync has little to do. */
const SYNC_BYTES = 4 * 1024 * 1024;

export class StepWriter {
  readonly #file: FileHandle;
  readonly #step = new Uint8Array(STEP_BYTES);
  /** How much of the step is there. */
  #filled = 0;
  /** Where the step goes. */
  #at = 0;

  /** For a file that is empty. */
  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      const to = Math.min(bytes.length, from + STEP_BYTES - this.#filled);
      this.#step.set(bytes.subarray(from, to), this.#filled);
      this.#filled += to - from;
      from = to;
      if (this.#filled < STEP_BYTES) return;
      await this.#write();
      if (this.#at % SYNC_BYTES === 0) await this.#file.sync();
    }
  }

  async finish(): Promise<void> {
    if (this.#filled > 0) await this.#write();
    await this.#file.sync();
  }

  async #write(): Promise<void> {
    await this.#file.writeAt(this.#at, this.#step.subarray(0, this.#filled));
    this.#at += this.#filled;
    this.#filled = 0;
  }
}
