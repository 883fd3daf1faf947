/**
 * The file of one process of the ceiling: group commit into prepared zeros, over and over the same ones.
 *
 * @module
 */
import * as fs from "node:fs";

const FILE_BYTES = 64 * 1024 * 1024;
const BATCH_HEADER_BYTES = 40;

export class CeilingDisk {
  readonly #descriptor: number;
  #waiting: { readonly bytes: Uint8Array; readonly done: (isLast: boolean) => void }[] = [];
  #offset = 0;
  #busy = false;

  /** Whether a write is synced when it returns. */
  readonly #syncs: boolean;

  /** Fills the file with zeros first, so that a sync moves no metadata. */
  constructor(path: string) {
    const descriptor = fs.openSync(path, "w+", 0o600);
    fs.writeSync(descriptor, new Uint8Array(FILE_BYTES), 0, FILE_BYTES, 0);
    fs.fsyncSync(descriptor);
    // On Deno a synced write would stall the loop.
    this.#syncs = !("Deno" in globalThis) && typeof fs.constants.O_DSYNC === "number";
    this.#descriptor = this.#syncs
      ? fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_DSYNC)
      : descriptor;
  }

  /** Calls back when the bytes are synced, in order; `isLast` for the last one that shared the sync. */
  append(bytes: Uint8Array, done: (isLast: boolean) => void): void {
    this.#waiting.push({ bytes, done });
    if (this.#busy) return;
    this.#busy = true;
    queueMicrotask(() => this.#sync());
  }

  #sync(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    const bytes = Buffer.concat([new Uint8Array(BATCH_HEADER_BYTES), ...batch.map((one) => one.bytes)]);
    if (this.#offset + bytes.length > FILE_BYTES) this.#offset = 0;
    const failed = (error: Error | null) => {
      if (error !== null) throw error;
    };
    fs.write(this.#descriptor, bytes, 0, bytes.length, this.#offset, (error) => {
      failed(error);
      this.#offset += bytes.length;
      const synced = (error: Error | null) => {
        failed(error);
        batch.forEach(({ done }, i) => done(i === batch.length - 1));
        if (this.#waiting.length > 0) this.#sync();
        else this.#busy = false;
      };
      if (this.#syncs) synced(null);
      else fs.fdatasync(this.#descriptor, synced);
    });
  }
}
