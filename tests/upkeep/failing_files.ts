/**
 * A file system on which the operation of a certain number fails, and every one after it: as if the process had died there.
 *
 * Counted are operations that change something; before the one that fails, everything happened.
 *
 * @module
 */
import {
  type DirectoryLock,
  FileError,
  type FileHandle,
  type FileSystem,
} from "../../internal/platform/file_system.ts";

export class FailingFiles implements FileSystem {
  readonly #files: FileSystem;
  #left: number;
  hasFailed = false;

  /** So many operations happen. */
  constructor(files: FileSystem, count: number) {
    this.#files = files;
    this.#left = count;
  }

  async #change<T>(work: () => Promise<T>): Promise<T> {
    if (this.#left === 0) {
      this.hasFailed = true;
      throw new FileError("EIO", "the process died here");
    }
    this.#left--;
    return await work();
  }

  #watched(file: FileHandle): FileHandle {
    return {
      path: file.path,
      size: () => file.size(),
      links: () => file.links(),
      readAt: (offset, length) => file.readAt(offset, length),
      writeAt: (offset, bytes) => this.#change(() => file.writeAt(offset, bytes)),
      writeSynced: (offset, bytes) => this.#change(() => file.writeSynced(offset, bytes)),
      sync: () => this.#change(() => file.sync()),
      close: () => file.close(),
    };
  }

  makeDirectory(path: string): Promise<void> {
    return this.#change(() => this.#files.makeDirectory(path));
  }

  readDirectory(path: string): Promise<string[]> {
    return this.#files.readDirectory(path);
  }

  async openForReading(path: string): Promise<FileHandle> {
    return await this.#files.openForReading(path);
  }

  async openForWriting(path: string): Promise<FileHandle> {
    return this.#watched(await this.#files.openForWriting(path));
  }

  async create(path: string): Promise<FileHandle> {
    return this.#watched(await this.#change(() => this.#files.create(path)));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#change(() => this.#files.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#change(() => this.#files.remove(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#change(() => this.#files.syncDirectory(path));
  }

  freeBytes(path: string): Promise<number> {
    return this.#files.freeBytes(path);
  }

  lockDirectory(path: string): Promise<DirectoryLock | null> {
    return this.#files.lockDirectory(path);
  }
}
