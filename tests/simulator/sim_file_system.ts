/**
 * A simulated disk: what was written, and what is durable, are two things.
 *
 * Fault model. A file has its content as the operating system's cache shows it, and its content on the disk. A write changes the cache at
 * once and is pending until a sync that was begun after it returns. A crash keeps, loses or tears each pending write, by
 * sectors of 512 bytes. A name that was made, changed or removed since the last sync of its directory may be undone by a crash: the latest
 * such changes from some point on, or any of them. Operations take time, drawn at random. A sync that fails leaves what was pending in
 * the cache, marked clean: later syncs succeed and never write it (fsync-gate).
 *
 * A disk outlives the lives of its server: each life mounts it, and what a dead life had asked for never completes.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import {
  type DirectoryLock,
  FileError,
  type FileErrorCode,
  type FileHandle,
  type FileSystem,
} from "../../internal/platform/file_system.ts";
import type { LifeClock } from "./virtual_time.ts";

const SECTOR = 512;

/** Bytes that grow. */
class Content {
  bytes: Uint8Array = new Uint8Array(0);
  length = 0;

  write(offset: number, data: Uint8Array): void {
    const end = offset + data.length;
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    this.bytes.set(data, offset);
    this.length = Math.max(this.length, end);
  }

  copyOf(other: Content): void {
    this.bytes = other.bytes.slice(0, other.length);
    this.length = other.length;
  }
}

interface PendingWrite {
  readonly offset: number;
  readonly data: Uint8Array;
}

class SimFile {
  readonly cache = new Content();
  readonly durable = new Content();
  pending: PendingWrite[] = [];
}

/** A change of names that is not durable yet. */
interface NameChange {
  readonly directory: string;
  apply(names: Map<string, SimFile>): void;
}

/** Which operation a fault is for. */
export type Operation =
  | "read"
  | "write"
  | "sync"
  | "create"
  | "open"
  | "rename"
  | "remove"
  | "syncDirectory"
  | "readDirectory";

export interface DiskTiming {
  /** Milliseconds, drawn from [min, max] for each operation of the kind. */
  readonly writeMs: readonly [number, number];
  readonly syncMs: readonly [number, number];
}

export class SimDisk {
  readonly #random: Random;
  #names = new Map<string, SimFile>();
  #durableNames = new Map<string, SimFile>();
  #changes: NameChange[] = [];
  readonly #directories = new Set<string>();
  readonly #locks = new Set<string>();
  timing: DiskTiming = { writeMs: [0.02, 0.1], syncMs: [0.1, 1] };
  /** Operations so far, of all lives. */
  operations = 0;
  /** Makes operations fail: asked before each. */
  fault: ((operation: Operation, path: string, number: number) => FileErrorCode | null) | null = null;
  /** Called whenever a promise is settled or made, so that the world lets them run. */
  onAsync: () => void = () => {};

  constructor(random: Random) {
    this.#random = random;
  }

  /** The disk as one life of a process sees it. */
  mount(clock: LifeClock): FileSystem {
    return new Mount(this, clock);
  }

  /** Power fails: pending writes and names are kept, lost or torn. */
  crash(): void {
    const random = this.#random;
    const kept = random.below(this.#changes.length + 1);
    const inOrder = random.chance(1, 2);
    for (const [i, change] of this.#changes.entries()) {
      if (inOrder ? i < kept : random.chance(1, 2)) change.apply(this.#durableNames);
    }
    this.#changes = [];
    const files = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    for (const file of files) {
      const mood = random.below(3);
      for (const { offset, data } of file.pending) {
        if (mood === 0) continue;
        for (let at = 0; at < data.length;) {
          const end = Math.min(data.length, at + SECTOR - (offset + at) % SECTOR);
          if (mood === 1 || random.chance(1, 2)) file.durable.write(offset + at, data.subarray(at, end));
          at = end;
        }
      }
      file.pending = [];
      file.cache.copyOf(file.durable);
    }
    this.#names = new Map(this.#durableNames);
    this.#locks.clear();
  }

  /** A process is killed and the machine lives on: the cache survives. */
  kill(): void {
    this.#locks.clear();
  }

  /** The durable bytes of a file, for checks and for damage done on purpose. */
  durableBytes(path: string): Uint8Array | null {
    const file = this.#durableNames.get(path);
    return file === undefined ? null : file.durable.bytes.subarray(0, file.durable.length);
  }

  /** The names of durable files. */
  durablePaths(): string[] {
    return [...this.#durableNames.keys()].sort();
  }

  /** Sets what is durable at a path, both layers; `null` removes the file. */
  replace(path: string, bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.#names.delete(path);
      this.#durableNames.delete(path);
      return;
    }
    const file = new SimFile();
    file.durable.write(0, bytes);
    file.cache.copyOf(file.durable);
    this.#names.set(path, file);
    this.#durableNames.set(path, file);
  }

  /** Another disk with the same durable content. */
  clone(random: Random): SimDisk {
    const copy = new SimDisk(random);
    for (const path of this.durablePaths()) {
      copy.replace(path, (this.durableBytes(path) ?? new Uint8Array(0)).slice());
    }
    for (const directory of this.#directories) copy.#directories.add(directory);
    return copy;
  }

  /* ---- what mounts use ---- */

  makeDirectory(path: string): void {
    const parts = path.split("/");
    for (let i = 1; i <= parts.length; i++) this.#directories.add(parts.slice(0, i).join("/"));
  }

  list(path: string): string[] {
    const names: string[] = [];
    const prefix = `${path}/`;
    for (const name of [...this.#names.keys(), ...this.#directories]) {
      if (name.startsWith(prefix) && !name.slice(prefix.length).includes("/")) {
        names.push(name.slice(prefix.length));
      }
    }
    return names;
  }

  find(path: string): SimFile {
    const file = this.#names.get(path);
    if (file === undefined) throw new FileError("ENOENT", `open ${path}: ENOENT`);
    return file;
  }

  create(path: string): SimFile {
    if (this.#names.has(path)) throw new FileError("EEXIST", `open ${path}: EEXIST`);
    const file = new SimFile();
    this.#change(path, (names) => names.set(path, file));
    return file;
  }

  rename(from: string, to: string): void {
    const file = this.find(from);
    this.#change(to, (names) => {
      names.delete(from);
      names.set(to, file);
    });
  }

  remove(path: string): void {
    this.find(path);
    this.#change(path, (names) => names.delete(path));
  }

  syncDirectory(path: string): void {
    for (const change of this.#changes) if (change.directory === path) change.apply(this.#durableNames);
    this.#changes = this.#changes.filter(({ directory }) => directory !== path);
  }

  lock(path: string): boolean {
    if (this.#locks.has(path)) return false;
    this.#locks.add(path);
    return true;
  }

  unlock(path: string): void {
    this.#locks.delete(path);
  }

  #change(path: string, apply: NameChange["apply"]): void {
    apply(this.#names);
    this.#changes.push({ directory: path.slice(0, path.lastIndexOf("/")), apply });
  }

  below(limit: number): number {
    return this.#random.below(limit);
  }

  duration([min, max]: readonly [number, number]): number {
    return min + this.#random.below(1000) * (max - min) / 1000;
  }
}

class Mount implements FileSystem {
  readonly #disk: SimDisk;
  readonly #clock: LifeClock;

  constructor(disk: SimDisk, clock: LifeClock) {
    this.#disk = disk;
    this.#clock = clock;
  }

  /** An operation: begins now, completes later in the same life, or never. */
  run<T>(
    operation: Operation,
    path: string,
    ms: number,
    begin: () => void,
    complete: () => T,
    failed: () => void = () => {},
  ): Promise<T> {
    const disk = this.#disk;
    disk.onAsync();
    const number = disk.operations++;
    const code = disk.fault?.(operation, path, number) ?? null;
    return new Promise((resolve, reject) => {
      let failure: unknown = code === null ? null : new FileError(code, `${operation} ${path}: ${code}`);
      if (failure !== null) failed();
      if (failure === null) {
        try {
          begin();
        } catch (error) {
          failure = error;
        }
      }
      this.#clock.wakeAt(this.#clock.now() + ms, () => {
        disk.onAsync();
        if (failure !== null) return reject(failure);
        try {
          resolve(complete());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  get #quick(): number {
    return this.#disk.duration(this.#disk.timing.writeMs);
  }

  makeDirectory(path: string): Promise<void> {
    return this.run("create", path, this.#quick, () => this.#disk.makeDirectory(path), () => {});
  }

  readDirectory(path: string): Promise<string[]> {
    return this.run("readDirectory", path, this.#quick, () => {}, () => this.#disk.list(path));
  }

  openForReading(path: string): Promise<FileHandle> {
    return this.run(
      "open",
      path,
      this.#quick,
      () => {},
      () => new SimHandle(this, this.#disk, path, this.#disk.find(path)),
    );
  }

  openForWriting(path: string): Promise<FileHandle> {
    return this.openForReading(path);
  }

  create(path: string): Promise<FileHandle> {
    return this.run(
      "create",
      path,
      this.#quick,
      () => {},
      () => new SimHandle(this, this.#disk, path, this.#disk.create(path)),
    );
  }

  rename(from: string, to: string): Promise<void> {
    return this.run("rename", from, this.#quick, () => this.#disk.rename(from, to), () => {});
  }

  remove(path: string): Promise<void> {
    return this.run("remove", path, this.#quick, () => this.#disk.remove(path), () => {});
  }

  syncDirectory(path: string): Promise<void> {
    const ms = this.#disk.duration(this.#disk.timing.syncMs);
    return this.run("syncDirectory", path, ms, () => {}, () => this.#disk.syncDirectory(path));
  }

  lockDirectory(path: string): Promise<DirectoryLock | null> {
    return this.run("open", path, this.#quick, () => {}, () => {
      if (!this.#disk.lock(path)) return null;
      return {
        release: () => {
          this.#disk.unlock(path);
          return Promise.resolve();
        },
      };
    });
  }
}

class SimHandle implements FileHandle {
  readonly path: string;
  readonly #mount: Mount;
  readonly #disk: SimDisk;
  readonly #file: SimFile;

  constructor(mount: Mount, disk: SimDisk, path: string, file: SimFile) {
    this.#mount = mount;
    this.#disk = disk;
    this.path = path;
    this.#file = file;
  }

  get #quick(): number {
    return this.#disk.duration(this.#disk.timing.writeMs);
  }

  size(): Promise<number> {
    return this.#mount.run("read", this.path, this.#quick, () => {}, () => this.#file.cache.length);
  }

  readAt(offset: number, length: number): Promise<Uint8Array> {
    return this.#mount.run("read", this.path, this.#quick, () => {}, () => {
      const { bytes, length: end } = this.#file.cache;
      return bytes.slice(Math.min(offset, end), Math.min(offset + length, end));
    });
  }

  writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    const data = bytes.slice();
    return this.#mount.run(
      "write",
      this.path,
      this.#quick,
      () => {
        this.#file.cache.write(offset, data);
        this.#file.pending.push({ offset, data });
      },
      () => {},
      () => {
        // A write that fails may have written a part.
        const part = data.subarray(0, this.#disk.below(data.length + 1));
        this.#file.cache.write(offset, part);
        this.#file.pending.push({ offset, data: part });
      },
    );
  }

  async writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    await this.writeAt(offset, bytes);
    await this.sync();
  }

  sync(): Promise<void> {
    let begun: PendingWrite[] = [];
    const ms = this.#disk.duration(this.#disk.timing.syncMs);
    return this.#mount.run("sync", this.path, ms, () => begun = this.#file.pending.slice(), () => {
      for (const { offset, data } of begun) this.#file.durable.write(offset, data);
      this.#file.pending = this.#file.pending.filter((write) => !begun.includes(write));
    }, () => this.#file.pending = []);
  }

  close(): Promise<void> {
    return this.#mount.run("open", this.path, 0, () => {}, () => {});
  }
}
