/**
 * A simulated disk: what was written, and what is durable, are two things.
 *
 * Fault model. A file has its content as the operating system's cache shows it, and its content on the disk. A write changes the cache at
 * once and is pending until a sync that was begun after it returns. A crash keeps, loses or tears each pending write, by
 * sectors of 512 bytes, later ones kept where earlier ones are lost. A synced write makes nothing durable but itself. A name that was made, changed or removed since the last sync of its
 * directory may be undone by a crash: the latest such changes from some point on, or any of them. Operations take time, drawn at random;
 * a stuck disk completes nothing until it is released. A sync that fails leaves what was pending in the cache, marked clean: later
 * syncs succeed and never write it (fsync-gate). A lying disk says that it synced and did not. Bad sectors cannot be read, with EIO, until
 * something is written over them.
 *
 * A disk outlives the lives of its server: each life mounts it, and what a dead life had asked for never completes.
 *
 * @module
 */
import { isZero } from "../../internal/base/bytes.ts";
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
  #copy: Uint8Array | null = null;

  /** The bytes as they are now; the same copy as long as nothing changes. */
  get copy(): Uint8Array {
    return this.#copy ??= this.bytes.slice(0, this.length);
  }

  write(offset: number, data: Uint8Array): void {
    this.#copy = null;
    const end = offset + data.length;
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    this.bytes.set(data, offset);
    if (end > this.length) this.length = end;
  }

  copyOf(other: Content): void {
    this.#copy = null;
    this.bytes = other.bytes.slice(0, other.length);
    this.length = other.length;
  }
}

interface PendingWrite {
  readonly offset: number;
  readonly data: Uint8Array;
}

/** Bytes that cannot be read. */
interface BadSectors {
  readonly from: number;
  readonly to: number;
}

class SimFile {
  /** The name that it has in the cache, or had last. */
  name = "";
  readonly cache = new Content();
  readonly durable = new Content();
  pending: PendingWrite[] = [];
  bad: readonly BadSectors[] = [];

  copy(): SimFile {
    const copy = new SimFile();
    copy.name = this.name;
    copy.cache.copyOf(this.cache);
    copy.durable.copyOf(this.durable);
    copy.pending = this.pending.slice();
    copy.bad = this.bad;
    return copy;
  }
}

/** A change of names that is not durable yet. */
interface NameChange {
  readonly directory: string;
  readonly removed: string | null;
  readonly made: string | null;
  readonly file: SimFile;
}

/** Which operation a fault is for. */
export type Operation =
  | "read"
  | "size"
  | "write"
  | "sync"
  | "create"
  | "open"
  | "close"
  | "rename"
  | "remove"
  | "syncDirectory"
  | "readDirectory";

export interface DiskTiming {
  /** Milliseconds, drawn from [min, max] for each operation of the kind. */
  readonly writeMs: readonly [number, number];
  readonly syncMs: readonly [number, number];
}

/** What a crash took. */
export interface Losses {
  /** Writes that are gone, whole. */
  readonly lost: number;
  /** Writes of which a part is there. */
  readonly torn: number;
  /** Changes of names that are undone. */
  readonly undone: number;
}

/** How much is not durable yet. */
export interface Unsynced {
  /** So many changes of names. */
  readonly names: number;
  /** Of each write, how many sectors it touches. */
  readonly sectors: readonly number[];
}

/** What of it a crash keeps. */
export interface Kept {
  readonly names: readonly boolean[];
  readonly sectors: readonly (readonly boolean[])[];
}

/** What is durable on a disk at some moment. */
export type DiskImage = ReadonlyMap<string, Uint8Array>;

export class SimDisk {
  readonly #random: Random;
  #names = new Map<string, SimFile>();
  #durableNames = new Map<string, SimFile>();
  #changes: NameChange[] = [];
  readonly #directories = new Set<string>();
  readonly #locks = new Set<string>();
  timing: DiskTiming = { writeMs: [0.02, 0.1], syncMs: [0.1, 1] };
  /** Says that it synced, and did not. */
  lies = false;
  /** A file of which nothing can be read. */
  unreadable: string | null = null;
  /** How many bytes its files may have together. */
  capacity = Infinity;
  /** Without a bound: whether it says that there is no space, as it does when operations are made to fail for that. */
  seemsFull: () => boolean = () => false;
  /** Completions that wait for the release of a stuck disk. */
  #stuck: (() => void)[] | null = null;
  /** Operations so far, of all lives. */
  operations = 0;
  /** Counts up whenever something durable may have changed. */
  durableVersion = 0;
  /** Makes operations fail: asked before each. A file was opened under `path`, and has that `name` now. */
  fault: ((operation: Operation, path: string, number: number, name: string) => FileErrorCode | null) | null =
    null;
  /** How many bytes of it are there after a write of that length was made to fail. */
  leaves: (length: number) => number = (length) => this.#random.below(length + 1);
  /** Lets operations take longer, by so many milliseconds: asked before each. */
  stallMs: ((number: number) => number) | null = null;
  /**
   * Called whenever a promise is settled, so that the world lets continuations run. Those of reads and writes of the log's
   * content are short; `rare` ones come in chains of calls.
   */
  onSettled: (rare: boolean) => void = () => {};
  /** Called before a name is removed, or becomes another one. */
  onRemove: () => void = () => {};

  constructor(random: Random) {
    this.#random = random;
  }

  /** The disk as one life of a process sees it; `isPatient` is for reading in long chains of calls. */
  mount(clock: LifeClock, isPatient = false): FileSystem {
    return new Mount(this, clock, isPatient);
  }

  /** Power fails: pending writes and names are kept, lost or torn. */
  crash(): Losses {
    const random = this.#random;
    let [lost, torn, undone] = [0, 0, 0];
    const kept = random.below(this.#changes.length + 1);
    const inOrder = random.chance(1, 2);
    for (const [i, change] of this.#changes.entries()) {
      if (inOrder ? i < kept : random.chance(1, 2)) applyChange(change, this.#durableNames);
      else undone++;
    }
    this.#changes = [];
    const files = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    for (const file of files) {
      // All is lost, all is kept, or, more often, every sector is one or the other.
      const mood = random.below(4);
      for (const { offset, data } of file.pending) {
        let sectors = 0;
        let keptSectors = 0;
        for (let at = 0; at < data.length && mood !== 0;) {
          const end = Math.min(data.length, at + SECTOR - (offset + at) % SECTOR);
          sectors++;
          if (mood === 1 || random.chance(1, 2)) {
            file.durable.write(offset + at, data.subarray(at, end));
            keptSectors++;
          }
          at = end;
        }
        if (keptSectors === 0) lost++;
        else if (keptSectors < sectors) torn++;
      }
      file.pending = [];
      file.cache.copyOf(file.durable);
    }
    this.#names = new Map(this.#durableNames);
    this.#locks.clear();
    this.durableVersion++;
    return { lost, torn, undone };
  }

  /** A process is killed and the machine lives on: the cache survives. */
  kill(): void {
    this.#locks.clear();
  }

  /** Nothing completes any more, until released. */
  stick(): void {
    this.#stuck ??= [];
  }

  release(): void {
    const stuck = this.#stuck ?? [];
    this.#stuck = null;
    for (const complete of stuck) complete();
  }

  /** Everything is gone: another, empty disk stands in its place. */
  wipe(): void {
    this.#names.clear();
    this.#durableNames.clear();
    this.#directories.clear();
    this.#changes = [];
    this.#locks.clear();
    this.durableVersion++;
  }

  /** What is durable now, to be put back later. */
  image(): DiskImage {
    return new Map(this.durablePaths().map((path) => [path, this.#copyOf(path)]));
  }

  /** What a crash at this moment would decide about: changes of names, and writes with their numbers of sectors. */
  get unsynced(): Unsynced {
    const sectors = [...this.#files()].flatMap((file) =>
      file.pending.map((write) => sectorsOf(file, write).length)
    );
    return { names: this.#changes.length, sectors };
  }

  /** What would be durable after a crash that keeps these changes of names and sectors of writes, and no others. */
  imageKeeping({ names, sectors }: Kept): DiskImage {
    const kept = new Map(this.#durableNames);
    for (const [i, change] of this.#changes.entries()) if (names[i] === true) applyChange(change, kept);
    const contents = new Map<SimFile, Uint8Array>();
    let number = 0;
    for (const file of this.#files()) {
      if (file.pending.length === 0) {
        contents.set(file, file.durable.copy);
        continue;
      }
      const content = new Content();
      content.copyOf(file.durable);
      for (const write of file.pending) {
        const { offset, data } = write;
        const keeps = sectors[number++] ?? [];
        let at = 0;
        for (const [sector, end] of sectorsOf(file, write).entries()) {
          if (keeps[sector] === true) content.write(offset + at, data.subarray(at, end));
          at = end;
        }
      }
      contents.set(file, content.bytes.subarray(0, content.length));
    }
    return new Map([...kept].map(([path, file]) => [path, contents.get(file) ?? new Uint8Array(0)]));
  }

  /** Every file that is there, or would be after a crash; in an order that is the same each time. */
  #files(): Set<SimFile> {
    return new Set([
      ...this.#names.values(),
      ...this.#durableNames.values(),
      ...this.#changes.map(({ file }) => file),
    ]);
  }

  /** Puts back what was durable at some moment: the server must be down. */
  restore(image: DiskImage): void {
    const directories = [...this.#directories];
    this.wipe();
    for (const directory of directories) this.#directories.add(directory);
    for (const [path, bytes] of image) this.replace(path, bytes.slice());
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

  /** The names of all files, as the operating system shows them. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** Sets what is durable at a path, both layers; `null` removes the file. */
  replace(path: string, bytes: Uint8Array | null): void {
    this.durableVersion++;
    if (bytes === null) {
      this.#names.delete(path);
      this.#durableNames.delete(path);
      return;
    }
    this.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    const file = new SimFile();
    file.name = path;
    file.durable.write(0, bytes);
    file.cache.copyOf(file.durable);
    this.#names.set(path, file);
    this.#durableNames.set(path, file);
  }

  /** From now on these bytes of a durable file cannot be read, until they are written over. */
  spoil(path: string, from: number, to: number): void {
    const file = this.#durableNames.get(path);
    if (file !== undefined) file.bad = [...file.bad, { from, to }];
  }

  /** Whether some bytes of a durable file cannot be read. */
  isSpoilt(path: string): boolean {
    return (this.#durableNames.get(path)?.bad.length ?? 0) > 0;
  }

  /** Other bytes are in a file from now on, whoever has it open; what is on its way there is not touched. */
  decay(path: string, bytes: Uint8Array): void {
    this.durableVersion++;
    const file = this.#durableNames.get(path);
    for (const content of file === undefined ? [] : [file.durable, file.cache]) {
      content.length = 0;
      content.write(0, bytes);
    }
  }

  /** Another disk with the same durable content. */
  clone(random: Random): SimDisk {
    const copy = new SimDisk(random);
    for (const path of this.durablePaths()) {
      copy.replace(path, this.#copyOf(path));
      for (const { from, to } of this.#durableNames.get(path)?.bad ?? []) copy.spoil(path, from, to);
    }
    for (const directory of this.#directories) copy.#directories.add(directory);
    return copy;
  }

  /** Another disk in the same state, with all that is pending: what a crash at this moment would find. */
  cloneWithPending(random: Random): SimDisk {
    const copy = new SimDisk(random);
    const copies = new Map<SimFile, SimFile>();
    const copyOf = (file: SimFile) => {
      const known = copies.get(file) ?? file.copy();
      copies.set(file, known);
      return known;
    };
    for (const [path, file] of this.#names) copy.#names.set(path, copyOf(file));
    for (const [path, file] of this.#durableNames) copy.#durableNames.set(path, copyOf(file));
    copy.#changes = this.#changes.map((change) => ({ ...change, file: copyOf(change.file) }));
    for (const directory of this.#directories) copy.#directories.add(directory);
    return copy;
  }

  #copyOf(path: string): Uint8Array {
    return (this.durableBytes(path) ?? new Uint8Array(0)).slice();
  }

  /** How many bytes may still be written. */
  get freeBytes(): number {
    if (!Number.isFinite(this.capacity)) return this.seemsFull() ? 0 : Infinity;
    const files = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    let used = 0;
    for (const file of files) used += file.cache.length;
    return Math.max(0, this.capacity - used);
  }

  /* ---- what mounts use ---- */

  /** Runs a completion now, or when the disk is released. */
  complete(run: () => void): void {
    if (this.#stuck === null) run();
    else this.#stuck.push(run);
  }

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
    this.#change(path, { removed: null, made: path, file });
    return file;
  }

  rename(from: string, to: string): void {
    this.onRemove();
    this.#change(to, { removed: from, made: to, file: this.find(from) });
  }

  remove(path: string): void {
    this.onRemove();
    this.#change(path, { removed: path, made: null, file: this.find(path) });
  }

  syncDirectory(path: string): void {
    if (this.lies) return;
    for (const change of this.#changes) {
      if (change.directory === path) applyChange(change, this.#durableNames);
    }
    this.#changes = this.#changes.filter(({ directory }) => directory !== path);
    this.durableVersion++;
  }

  lock(path: string): boolean {
    if (this.#locks.has(path)) return false;
    this.#locks.add(path);
    return true;
  }

  unlock(path: string): void {
    this.#locks.delete(path);
  }

  #change(path: string, change: Omit<NameChange, "directory">): void {
    const whole = { ...change, directory: path.slice(0, path.lastIndexOf("/")) };
    change.file.name = change.made ?? change.file.name;
    applyChange(whole, this.#names);
    this.#changes.push(whole);
  }

  duration([min, max]: readonly [number, number]): number {
    return min + this.#random.below(1000) * (max - min) / 1000;
  }
}

/** Where the sectors of a write end. Zeros in a row over zeros count as one: whichever of them is there, zeros are read. */
function sectorsOf(file: SimFile, write: PendingWrite): readonly number[] {
  const { offset, data } = write;
  const ends: number[] = [];
  let wasZero = false;
  for (let at = 0; at < data.length;) {
    const end = Math.min(data.length, at + SECTOR - (offset + at) % SECTOR);
    const isAllZero = isZero(data, at, end) && isZeroBelow(file, write, offset + at, offset + end);
    if (isAllZero && wasZero) ends.pop();
    ends.push(end);
    wasZero = isAllZero;
    at = end;
  }
  return ends;
}

/** Whether zeros are read there whatever becomes of a write that is pending. */
function isZeroBelow({ durable, pending }: SimFile, write: PendingWrite, from: number, to: number): boolean {
  const isZeroIn = (bytes: Uint8Array, begin: number, length: number) =>
    isZero(bytes, Math.max(0, from - begin), Math.max(0, Math.min(to - begin, length)));
  return isZeroIn(durable.bytes, 0, durable.length) &&
    pending.every((other) => other === write || isZeroIn(other.data, other.offset, other.data.length));
}

function applyChange({ removed, made, file }: NameChange, names: Map<string, SimFile>): void {
  if (removed !== null) names.delete(removed);
  if (made !== null) names.set(made, file);
}

const nothing = () => {};

class Mount implements FileSystem {
  readonly #disk: SimDisk;
  readonly #clock: LifeClock;
  readonly #isPatient: boolean;

  constructor(disk: SimDisk, clock: LifeClock, isPatient: boolean) {
    this.#disk = disk;
    this.#clock = clock;
    this.#isPatient = isPatient;
  }

  /** An operation: begins now, completes later in the same life, or never. */
  run<T>(
    operation: Operation,
    path: string,
    ms: number,
    begin: () => void,
    complete: () => T,
    failed: () => void = nothing,
    name: string = path,
  ): Promise<T> {
    const disk = this.#disk;
    const clock = this.#clock;
    const isOfLog = operation === "write" || operation === "sync" || operation === "read" ||
      operation === "size";
    const rare = this.#isPatient || !isOfLog || path.includes("/snapshots/") || path.includes("/promises");
    const number = disk.operations++;
    const code = disk.fault?.(operation, path, number, name) ?? null;
    const stall = disk.stallMs?.(number) ?? 0;
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
      const finish = () => {
        disk.onSettled(rare || failure !== null);
        if (failure !== null) return reject(failure);
        try {
          resolve(complete());
        } catch (error) {
          reject(error);
        }
      };
      clock.wakeAt(clock.now() + ms + stall, () => disk.complete(() => clock.run(finish)));
    });
  }

  get #quick(): number {
    return this.#disk.duration(this.#disk.timing.writeMs);
  }

  makeDirectory(path: string): Promise<void> {
    return this.run("create", path, this.#quick, () => this.#disk.makeDirectory(path), nothing);
  }

  readDirectory(path: string): Promise<string[]> {
    return this.run("readDirectory", path, this.#quick, nothing, () => this.#disk.list(path));
  }

  openForReading(path: string): Promise<FileHandle> {
    return this.run(
      "open",
      path,
      this.#quick,
      nothing,
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
      nothing,
      () => new SimHandle(this, this.#disk, path, this.#disk.create(path)),
    );
  }

  rename(from: string, to: string): Promise<void> {
    return this.run("rename", from, this.#quick, () => this.#disk.rename(from, to), nothing);
  }

  remove(path: string): Promise<void> {
    return this.run("remove", path, this.#quick, () => this.#disk.remove(path), nothing);
  }

  syncDirectory(path: string): Promise<void> {
    const ms = this.#disk.duration(this.#disk.timing.syncMs);
    return this.run("syncDirectory", path, ms, nothing, () => this.#disk.syncDirectory(path));
  }

  /** Draws and counts nothing, and cannot be made to fail. */
  freeBytes(): Promise<number> {
    const [disk, clock] = [this.#disk, this.#clock];
    return new Promise((resolve) => {
      const finish = () => {
        disk.onSettled(true);
        resolve(disk.freeBytes);
      };
      clock.wakeAt(clock.now(), () => disk.complete(() => clock.run(finish)));
    });
  }

  lockDirectory(path: string): Promise<DirectoryLock | null> {
    return this.run("open", path, this.#quick, nothing, () => {
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

  #run<T>(
    operation: Operation,
    ms: number,
    begin: () => void,
    complete: () => T,
    failed: () => void = nothing,
  ): Promise<T> {
    return this.#mount.run(operation, this.path, ms, begin, complete, failed, this.#file.name);
  }

  /** Nobody gives a file another name here. */
  links(): Promise<number> {
    return Promise.resolve(1);
  }

  size(): Promise<number> {
    return this.#run("size", this.#quick, nothing, () => this.#file.cache.length);
  }

  readAt(offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array> {
    const begin = () => {
      const isBad = this.#file.bad.some(({ from, to }) => from < offset + length && offset < to);
      if (!isBad && this.#disk.unreadable !== this.path) return;
      throw new FileError("EIO", `read ${this.path}: EIO`);
    };
    return this.#run("read", this.#quick, begin, () => {
      const { bytes, length: end } = this.#file.cache;
      const found = bytes.subarray(Math.min(offset, end), Math.min(offset + length, end));
      if (memory === undefined || memory.length < length) return found.slice();
      memory.set(found);
      return memory.subarray(0, found.length);
    });
  }

  writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    const data = bytes.slice();
    const file = this.#file;
    const write = (data: Uint8Array) => {
      file.bad = file.bad.flatMap(({ from, to }) =>
        [{ from, to: Math.min(to, offset) }, { from: Math.max(from, offset + data.length), to }]
          .filter((left) => left.from < left.to)
      );
      file.cache.write(offset, data);
      file.pending.push({ offset, data });
    };
    const begin = () => {
      const grows = Math.max(0, offset + data.length - file.cache.length);
      const left = grows - this.#disk.freeBytes;
      if (left <= 0) return write(data);
      write(data.subarray(0, data.length - left));
      throw new FileError("ENOSPC", `write ${this.path}: ENOSPC`);
    };
    return this.#run("write", this.#quick, begin, nothing, () => {
      // A write that fails may have written a part.
      write(data.subarray(0, this.#disk.leaves(data.length)));
    });
  }

  /** No more than these bytes are durable then: so it is where they are written with O_DSYNC. */
  async writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    await this.writeAt(offset, bytes);
    const [from, to] = [offset, offset + bytes.length];
    await this.#sync((write) => write.offset < to && from < write.offset + write.data.length);
  }

  sync(): Promise<void> {
    return this.#sync(() => true);
  }

  #sync(isOfIt: (write: PendingWrite) => boolean): Promise<void> {
    const file = this.#file;
    const disk = this.#disk;
    let begun: readonly PendingWrite[] = [];
    const ms = disk.duration(disk.timing.syncMs);
    return this.#run("sync", ms, () => begun = file.pending.filter(isOfIt), () => {
      if (disk.lies) return;
      for (const { offset, data } of begun) file.durable.write(offset, data);
      // Most often nothing was written meanwhile.
      const all = file.pending.length === begun.length && file.pending[0] === begun[0];
      file.pending = all ? [] : file.pending.filter((write) => !begun.includes(write));
      disk.durableVersion++;
    }, () => file.pending = []);
  }

  close(): Promise<void> {
    return this.#run("close", 0, nothing, nothing);
  }
}
