/**
 * The seam to the disk: files and directories with explicit syncs.
 *
 * What a crash may take: every byte written and not synced, and every name created, renamed or removed in a directory
 * that was not synced since, each on its own. What `sync` and `syncDirectory` covered stays.
 *
 * @module
 */

/** Why a file operation failed: the operating system's name for it. */
export type FileErrorCode =
  | "ENOENT"
  | "EEXIST"
  | "EACCES"
  | "EPERM"
  | "EROFS"
  | "ENOSPC"
  | "EDQUOT"
  | "EIO"
  | "EMFILE"
  | "ENFILE"
  | "ENOTDIR"
  | "EISDIR"
  | "EOTHER";

/** A file operation that failed. */
export class FileError extends Error {
  override readonly name = "FileError";
  constructor(readonly code: FileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** An open file. One user, one operation at a time, save where a method says otherwise. */
export interface FileHandle {
  /** The path under which it was opened, for messages to people. */
  readonly path: string;
  /** Its length in bytes. */
  size(): Promise<number>;
  /** How many names it has. Whoever gave it another one wants it to stay as it is. */
  links(): Promise<number>;
  /**
   * The bytes from `offset` on: `length` of them, or fewer only where the file ends. A failure is never an end. They may stand in
   * `memory`, where that is long enough.
   */
  readAt(offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array>;
  /** Writes all the bytes there, or fails; how many were written is then unknown. */
  writeAt(offset: number, bytes: Uint8Array): Promise<void>;
  /** Writes all the bytes there and returns when these are on the disk, in one step where the runtime can; what was written before may not be. */
  writeSynced(offset: number, bytes: Uint8Array): Promise<void>;
  /** Returns when the bytes and the length are on the disk (fdatasync). A failure is final: never try it again. */
  sync(): Promise<void>;
  /** Gives the descriptor back. Says nothing about durability. */
  close(): Promise<void>;
}

/** A claim on a directory that dies with the process that holds it. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/** What an operation rejects with is always a {@link FileError}. Paths are absolute or relative to the process. */
export interface FileSystem {
  /** Makes the directory and those above it, and returns when their names are on the disk; harmless if it is there. Mode 0700. */
  makeDirectory(path: string): Promise<void>;
  /** The names in a directory, in no order. */
  readDirectory(path: string): Promise<string[]>;
  /** Opens a file that is there, for reading only. */
  openForReading(path: string): Promise<FileHandle>;
  /** Opens a file that is there, for reading and writing. */
  openForWriting(path: string): Promise<FileHandle>;
  /** Makes a new empty file; fails with EEXIST if the name is taken. Mode 0600. */
  create(path: string): Promise<FileHandle>;
  /** Gives a file another name in the same directory; replaces what had that name. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file's name. */
  remove(path: string): Promise<void>;
  /** Returns when the names in this directory are on the disk. */
  syncDirectory(path: string): Promise<void>;
  /** How many bytes may still be written on the file system of that directory: a hint, others write there too. */
  freeBytes(path: string): Promise<number>;
  /** Claims a directory for this process, or gives `null` at once if another process has it. */
  lockDirectory(path: string): Promise<DirectoryLock | null>;
}
