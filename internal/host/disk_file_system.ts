/**
 * The disk, by `node:fs`, on Deno and Bun alike.
 *
 * Reads, writes and syncs go through the runtime's thread pool, so that a slow disk never stalls the loop that keeps heartbeats
 * going. Every failure is a `FileError` with the operating system's code and the path.
 *
 * On Bun every call costs two wake-ups of threads, so what is to be synced at once is written through a second
 * descriptor of the same file that was opened with O_DSYNC: the kernel then does in one call what write and fdatasync do in two. Deno
 * performs a write on the thread of the loop, which a synced one would stall; there the two calls stay two.
 *
 * A directory is claimed by `flock` on a file in it: the kernel drops the claim with the process, however it dies, and it
 * excludes Deno and Bun processes from each other, since both ask the same kernel.
 *
 * @module
 */
import * as fs from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";
import {
  type DirectoryLock,
  FileError,
  type FileErrorCode,
  type FileHandle,
  type FileSystem,
} from "../platform/file_system.ts";

const LOCK_NAME = "lock";

const KNOWN_CODES: readonly FileErrorCode[] = [
  "ENOENT",
  "EEXIST",
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOSPC",
  "EDQUOT",
  "EIO",
  "EMFILE",
  "ENFILE",
  "ENOTDIR",
  "EISDIR",
];

/** Turns a callback of `node:fs` into a promise whose failure is a `FileError`. */
function attempt<T>(
  action: string,
  path: string,
  run: (done: (error: Error | null, value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    run((error, value) =>
      error === null || error === undefined ? resolve(value) : reject(fileError(action, path, error))
    );
  });
}

function fileError(action: string, path: string, cause: unknown): FileError {
  const named = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  const code = KNOWN_CODES.find((known) => known === named) ?? "EOTHER";
  const what = code === "EOTHER" ? (cause instanceof Error ? cause.message : String(cause)) : code;
  return new FileError(code, `${action} ${path}: ${what}`);
}

/** Whether a synced write goes through the thread pool, and a descriptor can be opened a second time by its number. */
const WRITES_SYNCED = !("Deno" in globalThis) && process.platform === "linux" &&
  typeof fs.constants.O_DSYNC === "number";

class DiskFile implements FileHandle {
  readonly path: string;
  readonly #descriptor: number;
  /** The same file, opened with O_DSYNC; `null` where that cannot be, `undefined` before it was tried. */
  #synced: number | null | undefined;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  async size(): Promise<number> {
    return (await this.#stat()).size;
  }

  async links(): Promise<number> {
    return (await this.#stat()).nlink;
  }

  async #stat(): Promise<fs.Stats> {
    return await attempt<fs.Stats>("stat", this.path, (done) => fs.fstat(this.#descriptor, done));
  }

  async readAt(offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array> {
    const hasRoom = memory !== undefined && memory.length >= length;
    const bytes = hasRoom ? memory.subarray(0, length) : new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const read = await attempt<number>(
        "read",
        this.path,
        (done) => fs.read(this.#descriptor, bytes, at, length - at, offset + at, done),
      );
      if (read === 0) break;
      at += read;
    }
    return at === length ? bytes : bytes.subarray(0, at);
  }

  writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#write(this.#descriptor, offset, bytes);
  }

  /** Every batch of the log comes this way: one promise, once the descriptor is open. */
  writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    if (typeof this.#synced === "number") return this.#write(this.#synced, offset, bytes);
    return this.#writeThenSync(offset, bytes);
  }

  async #writeThenSync(offset: number, bytes: Uint8Array): Promise<void> {
    const synced = this.#synced === undefined ? await this.#openSynced() : this.#synced;
    await this.#write(synced ?? this.#descriptor, offset, bytes);
    if (synced === null) await this.sync();
  }

  /** By the number of the descriptor, since the file may have another name by now. */
  async #openSynced(): Promise<number | null> {
    let synced: number | null = null;
    if (WRITES_SYNCED) {
      const flags = fs.constants.O_WRONLY | fs.constants.O_DSYNC;
      const path = `/proc/self/fd/${this.#descriptor}`;
      // Without /proc the file is written and synced by two calls.
      synced = await new Promise((done) =>
        fs.open(path, flags, (error, opened) => done(error ? null : opened))
      );
    }
    this.#synced = synced;
    return synced;
  }

  #write(descriptor: number, offset: number, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const writeFrom = (at: number) => {
        if (at === bytes.length) return resolve();
        fs.write(descriptor, bytes, at, bytes.length - at, offset + at, (error, written) => {
          if (error !== null && error !== undefined) reject(fileError("write", this.path, error));
          else if (written === 0) {
            reject(new FileError("EIO", `write ${this.path}: nothing was written`));
          } else writeFrom(at + written);
        });
      };
      writeFrom(0);
    });
  }

  async sync(): Promise<void> {
    await attempt<void>(
      "sync",
      this.path,
      (done) => fs.fdatasync(this.#descriptor, (error) => done(error, undefined)),
    );
  }

  async close(): Promise<void> {
    if (typeof this.#synced === "number") await this.#close(this.#synced);
    await this.#close(this.#descriptor);
  }

  async #close(descriptor: number): Promise<void> {
    await attempt<void>(
      "close",
      this.path,
      (done) => fs.close(descriptor, (error) => done(error ?? null, undefined)),
    );
  }
}

export class DiskFileSystem implements FileSystem {
  async makeDirectory(path: string): Promise<void> {
    const first = await attempt<string | undefined>(
      "make directory",
      path,
      (done) => fs.mkdir(path, { recursive: true, mode: 0o700 }, done),
    );
    if (first === undefined) return;
    // The new directories' own names are in the directories above them.
    const above = dirname(resolve(first));
    let directory = resolve(path);
    do {
      directory = dirname(directory);
      await this.syncDirectory(directory);
    } while (directory !== above && directory !== dirname(directory));
  }

  async readDirectory(path: string): Promise<string[]> {
    return await attempt<string[]>("read directory", path, (done) => fs.readdir(path, done));
  }

  async openForReading(path: string): Promise<FileHandle> {
    return await open(path, "r");
  }

  async openForWriting(path: string): Promise<FileHandle> {
    return await open(path, "r+");
  }

  async create(path: string): Promise<FileHandle> {
    return await open(path, "wx+");
  }

  async rename(from: string, to: string): Promise<void> {
    await attempt<void>("rename", from, (done) => fs.rename(from, to, (error) => done(error, undefined)));
  }

  async remove(path: string): Promise<void> {
    await attempt<void>("remove", path, (done) => fs.unlink(path, (error) => done(error, undefined)));
  }

  async syncDirectory(path: string): Promise<void> {
    const descriptor = await attempt<number>("open directory", path, (done) => fs.open(path, "r", done));
    try {
      await attempt<void>(
        "sync directory",
        path,
        (done) => fs.fsync(descriptor, (error) => done(error, undefined)),
      );
    } finally {
      await attempt<void>(
        "close directory",
        path,
        (done) => fs.close(descriptor, (error) => done(error ?? null, undefined)),
      );
    }
  }

  async freeBytes(path: string): Promise<number> {
    const { bavail, bsize } = await attempt<fs.StatsFs>(
      "stat file system",
      path,
      (done) => fs.statfs(path, done),
    );
    return bavail * bsize;
  }

  async lockDirectory(path: string): Promise<DirectoryLock | null> {
    const file = `${path}/${LOCK_NAME}`;
    return "Deno" in globalThis ? await lockOnDeno(file) : await lockOnBun(file);
  }
}

async function open(path: string, flags: string): Promise<FileHandle> {
  return new DiskFile(path, await attempt<number>("open", path, (done) => fs.open(path, flags, 0o600, done)));
}

/* ---- the claim: flock(2), by each runtime's own way to it ---- */

async function lockOnDeno(path: string): Promise<DirectoryLock | null> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    // Deno names its errors by class; node:fs names the code for the same path.
    await open(path, "a+").then((handle) => handle.close());
    throw fileError("lock", path, error);
  }
  if (!file.tryLockSync(true)) {
    file.close();
    return null;
  }
  return {
    release: () => {
      file.close();
      return Promise.resolve();
    },
  };
}

const LOCK_EXCLUSIVE_NOW = 2 | 4;

async function lockOnBun(path: string): Promise<DirectoryLock | null> {
  const descriptor = await attempt<number>("open", path, (done) => fs.open(path, "a+", 0o600, done));
  const close = () =>
    attempt<void>("close", path, (done) => fs.close(descriptor, (error) => done(error ?? null, undefined)));
  if ((await flockOfBun())(descriptor, LOCK_EXCLUSIVE_NOW) !== 0) {
    await close();
    return null;
  }
  return { release: close };
}

type Flock = (descriptor: number, operation: number) => number;

/** What this file uses of `bun:ffi`. */
interface BunFfi {
  readonly dlopen: (name: string, symbols: object) => { readonly symbols: { readonly flock: Flock } };
  readonly FFIType: { readonly i32: number };
}

async function flockOfBun(): Promise<Flock> {
  const specifier = "bun:ffi";
  const ffi: BunFfi = await import(specifier);
  const library = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
  const symbols = { flock: { args: [ffi.FFIType.i32, ffi.FFIType.i32], returns: ffi.FFIType.i32 } };
  return ffi.dlopen(library, symbols).symbols.flock;
}
