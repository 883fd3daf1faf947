/**
 * Whole files, the next one on its way while one is looked at.
 *
 * Keeps true: every file that is opened is closed, and a failure is told to whoever takes the file, or at the end; never lost and never
 * early.
 *
 * @module
 */
import type { FileSystem } from "../platform/file_system.ts";

export class ReadAhead {
  readonly #fileSystem: FileSystem;
  #next: { readonly path: string; readonly bytes: Promise<Uint8Array> } | null = null;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  /** The bytes of a file; `next` is begun to be read when they are here. */
  async take(path: string, next: string | null): Promise<Uint8Array> {
    const begun = this.#next?.path === path ? this.#next.bytes : this.#read(path);
    this.#next = null;
    const bytes = await begun;
    if (next !== null) {
      this.#next = { path: next, bytes: this.#read(next) };
      // Whoever takes it hears of its failure, or who ends.
      this.#next.bytes.catch(() => {});
    }
    return bytes;
  }

  /** Returns when nothing is being read any more; fails where what was begun and not taken cannot be read. */
  async end(): Promise<void> {
    const next = this.#next;
    this.#next = null;
    await next?.bytes;
  }

  async #read(path: string): Promise<Uint8Array> {
    const file = await this.#fileSystem.openForReading(path);
    try {
      return await file.readAt(0, await file.size());
    } finally {
      await file.close();
    }
  }
}
