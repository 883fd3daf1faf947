/**
 * A disk on which every operation is done at once and is durable: what a start finds and what it makes of it, a hundred thousand times.
 *
 * Keeps true: the bytes that it is given are never changed, a file is copied when it is written.
 *
 * @module
 */
import {
  type DirectoryLock,
  FileError,
  type FileErrorCode,
  type FileHandle,
  type FileSystem,
} from "../../../internal/platform/file_system.ts";
import type { DiskImage } from "../../simulator/sim_file_system.ts";

interface RestingFile {
  bytes: Uint8Array;
}

function fails(code: FileErrorCode, path: string): Promise<never> {
  return Promise.reject(new FileError(code, `${path}: ${code}`));
}

export class RestingDisk implements FileSystem {
  readonly #files = new Map<string, RestingFile>();
  readonly #directories = new Set<string>();

  constructor(image: DiskImage) {
    for (const [path, bytes] of image) {
      this.#files.set(path, { bytes });
      this.#made(path.slice(0, path.lastIndexOf("/")));
    }
  }

  /** What is on it now. */
  image(): DiskImage {
    return new Map([...this.#files].map(([path, { bytes }]) => [path, bytes]));
  }

  #made(path: string): void {
    if (this.#directories.has(path)) return;
    this.#directories.add(path);
    const above = path.lastIndexOf("/");
    if (above > 0) this.#made(path.slice(0, above));
  }

  makeDirectory(path: string): Promise<void> {
    this.#made(path);
    return Promise.resolve();
  }

  readDirectory(path: string): Promise<string[]> {
    const prefix = `${path}/`;
    return Promise.resolve(
      [...this.#files.keys(), ...this.#directories]
        .filter((name) => name.startsWith(prefix) && !name.includes("/", prefix.length))
        .map((name) => name.slice(prefix.length)),
    );
  }

  openForReading(path: string): Promise<FileHandle> {
    const file = this.#files.get(path);
    return file === undefined ? fails("ENOENT", path) : Promise.resolve(new RestingHandle(path, file));
  }

  openForWriting(path: string): Promise<FileHandle> {
    return this.openForReading(path);
  }

  create(path: string): Promise<FileHandle> {
    if (this.#files.has(path)) return fails("EEXIST", path);
    const file = { bytes: new Uint8Array(0) };
    this.#files.set(path, file);
    return Promise.resolve(new RestingHandle(path, file));
  }

  rename(from: string, to: string): Promise<void> {
    const file = this.#files.get(from);
    if (file === undefined) return fails("ENOENT", from);
    this.#files.delete(from);
    this.#files.set(to, file);
    return Promise.resolve();
  }

  remove(path: string): Promise<void> {
    return this.#files.delete(path) ? Promise.resolve() : fails("ENOENT", path);
  }

  syncDirectory(): Promise<void> {
    return Promise.resolve();
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(Infinity);
  }

  lockDirectory(): Promise<DirectoryLock | null> {
    return Promise.resolve({ release: () => Promise.resolve() });
  }
}

class RestingHandle implements FileHandle {
  readonly path: string;
  readonly #file: RestingFile;

  constructor(path: string, file: RestingFile) {
    this.path = path;
    this.#file = file;
  }

  links(): Promise<number> {
    return Promise.resolve(1);
  }

  size(): Promise<number> {
    return Promise.resolve(this.#file.bytes.length);
  }

  /** A view: who reads does not change what was read. */
  readAt(offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.#file.bytes.subarray(offset, offset + length));
  }

  writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    const file = this.#file;
    const end = offset + bytes.length;
    // Copied each time: views of what stood here may be held.
    const changed = new Uint8Array(Math.max(file.bytes.length, end));
    changed.set(file.bytes);
    changed.set(bytes, offset);
    file.bytes = changed;
    return Promise.resolve();
  }

  writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    return this.writeAt(offset, bytes);
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
