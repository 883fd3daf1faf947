/**
 * Whole files, the next one on its way while one is looked at; around bad sectors where there are some.
 *
 * Keeps true: every file that is opened is closed, and a failure is told to whoever takes the file, or at the end; never lost and never
 * early.
 *
 * @module
 */
import type { FileSystem } from "../platform/file_system.ts";
import { type ReadAround, readFileAround } from "./bad_sectors.ts";

export class ReadAhead {
  readonly #fileSystem: FileSystem;
  #next: { readonly path: string; readonly content: Promise<ReadAround> } | null = null;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  /** The content of a file; `next` is begun to be read when it is here. */
  async take(path: string, next: string | null): Promise<ReadAround> {
    const begun = this.#next?.path === path ? this.#next.content : this.#read(path);
    this.#next = null;
    const content = await begun;
    if (next !== null) {
      this.#next = { path: next, content: this.#read(next) };
      // Whoever takes it hears of its failure, or who ends.
      this.#next.content.catch(() => {});
    }
    return content;
  }

  /** Returns when nothing is being read any more; fails where what was begun and not taken cannot be read. */
  async end(): Promise<void> {
    const next = this.#next;
    this.#next = null;
    await next?.content;
  }

  async #read(path: string): Promise<ReadAround> {
    const file = await this.#fileSystem.openForReading(path);
    try {
      return await readFileAround(file);
    } finally {
      await file.close();
    }
  }
}
