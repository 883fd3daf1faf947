/**
 * The snapshots of a server: taken, kept, read, handed on, and received from others.
 *
 * A snapshot is written under a temporary name, synced, read back and checked, given its name, and the directory synced: only
 * then it is one, and only then anything that it makes superfluous may go (S1, S2). What is left of an attempt is removed at
 * the next start (S13). A file that cannot be read is never taken for absent, and never removed for it (S14): what is damaged gets another
 * name, so that nobody takes it for a snapshot and one of the same place does not take its name.
 *
 * Keeps true: at most one snapshot is being written and one received at a time; the names in the directory are those of whole,
 * durable files; a few of the newest are kept, and those of which somebody read since the last one came, within a bound: who fetches
 * one slower than they come gets it all the same.
 *
 * Everything here is bulk work: pieces of bounded size, one at a time, so that it never stands in front of the log's syncs.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { CorruptLogError, describeError } from "../base/errors.ts";
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { LogIndex } from "../raft/types.ts";
import { isOfOtherVersion } from "./block.ts";
import { isNoSpace } from "./disk_space.ts";
import {
  isSnapshotAside,
  SnapshotDamage,
  SnapshotEncoder,
  type SnapshotId,
  type SnapshotMeta,
  snapshotName,
  snapshotPlaceOf,
  SnapshotReader,
} from "./snapshot_file.ts";
import { StepWriter } from "./step_writer.ts";

const TAKING_NAME = "taking.tmp";
const RECEIVING_NAME = "receiving.tmp";
/** How many whole snapshots are kept: the newest, and one to fall back on. */
const KEPT = 2;
/** So many more stay while somebody is reading them. */
const READ_MAX = 2;

/** A whole snapshot on our disk. */
export interface StoredSnapshot {
  readonly meta: SnapshotMeta;
  readonly id: SnapshotId;
}

export interface SnapshotStoreOptions {
  readonly fileSystem: FileSystem;
  /** The snapshots' own directory. */
  readonly directory: string;
  readonly trace: Trace;
  readonly clusterId: string;
}

export class SnapshotStore {
  readonly #options: SnapshotStoreOptions;
  /** Newest first. */
  #stored: StoredSnapshot[];
  /** Of which of them bytes were asked for since the last one was published. */
  #read = new Set<StoredSnapshot>();
  #isTaking = false;
  #receiving: Receiving | null = null;
  /** Names of what was found to be damaged, until they are put aside. */
  readonly #damaged: string[];
  /** Whether there was a damaged one at the start: then there are fewer to fall back on than there should be. */
  readonly wasDamaged: boolean;

  private constructor(options: SnapshotStoreOptions, stored: StoredSnapshot[], damaged: string[]) {
    this.#options = options;
    this.#stored = stored;
    this.#damaged = damaged;
    this.wasDamaged = damaged.length > 0;
  }

  /**
   * Looks through the directory, newest snapshot first, and restores from the first whole one; of the others only beginning and end
   * are read. What is damaged is named. Changes nothing on the disk; `exists` says whether the directory is there.
   *
   * @throws {FileError} where the disk fails
   * @throws {CorruptLogError} where a snapshot is whole and of another format version: no disk did that
   */
  static async open(
    options: SnapshotStoreOptions,
    begin: Begin,
    exists: boolean,
  ): Promise<{
    readonly store: SnapshotStore;
    readonly restored: SnapshotMeta | null;
    readonly damaged: readonly SnapshotDamage[];
  }> {
    const { fileSystem, directory, trace } = options;
    const places: { readonly index: number; readonly term: number }[] = [];
    for (const name of exists ? await fileSystem.readDirectory(directory) : []) {
      const place = snapshotPlaceOf(name);
      if (place !== null) places.push(place);
      else if (!name.endsWith(".tmp") && !isSnapshotAside(name)) {
        trace.event("warn", "unknown file in the snapshot directory is left alone", { name });
      }
    }
    places.sort((a, b) => b.index - a.index || b.term - a.term);
    const stored: StoredSnapshot[] = [];
    const damaged: SnapshotDamage[] = [];
    let restored: SnapshotMeta | null = null;
    for (const place of places) {
      try {
        const name = snapshotName(place);
        const found: StoredSnapshot = restored === null
          ? await readWhole(options, name, begin)
          : await readSnapshot(options, name, (reader) => reader.ends());
        restored ??= found.meta;
        stored.push(found);
      } catch (error) {
        if (!(error instanceof SnapshotDamage)) throw error;
        if (isOfOtherVersion(error.found)) {
          throw new CorruptLogError(error.file, error.offset, error.found, { cause: error });
        }
        damaged.push(error);
        trace.event("error", "a snapshot is damaged", { reason: error.message });
      }
    }
    const names = damaged.map(({ file }) => file.slice(directory.length + 1));
    return { store: new SnapshotStore(options, stored, names), restored, damaged };
  }

  /**
   * Makes the directory ready for use: it is there, durably with what was found in it, what is damaged is put aside, and nothing is in it
   * that was left over.
   */
  async prepare(): Promise<void> {
    const { fileSystem, directory } = this.#options;
    await fileSystem.makeDirectory(directory);
    for (const name of await fileSystem.readDirectory(directory)) {
      if (name.endsWith(".tmp")) await fileSystem.remove(`${directory}/${name}`);
    }
    for (const name of this.#damaged.splice(0)) await this.#setAside(name);
    // A process that was killed right after a rename left the name in the operating system's cache only, and we build on it now.
    await fileSystem.syncDirectory(directory);
  }

  /** The newest whole snapshot. */
  get newest(): StoredSnapshot | null {
    return this.#stored[0] ?? null;
  }

  /** What the log may let go of: what the oldest snapshot that is kept covers, once there are enough of them. */
  get coveredIndex(): LogIndex {
    return this.#stored[KEPT - 1]?.meta.index ?? 0;
  }

  get isTaking(): boolean {
    return this.#isTaking;
  }

  /**
   * Writes a snapshot from its chunks, and returns when it is one.
   *
   * @throws {FileError} where the disk fails; what was there before is untouched
   * @throws {SnapshotDamage} where what was written cannot be read back
   */
  async take(meta: SnapshotMeta, next: () => Uint8Array | null): Promise<StoredSnapshot> {
    assert(!this.#isTaking, "One snapshot is taken at a time");
    this.#isTaking = true;
    try {
      const file = await this.#createAnew(TAKING_NAME);
      try {
        const encoder = new SnapshotEncoder();
        const writer = new StepWriter(file);
        await writer.add(encoder.head(meta));
        for (let chunk = next(); chunk !== null; chunk = next()) {
          for (const part of encoder.chunk(chunk)) await writer.add(part);
        }
        await writer.add(encoder.foot());
        await writer.finish();
      } finally {
        await file.close();
      }
      return await this.#publish(TAKING_NAME);
    } catch (error) {
      if (isNoSpace(error)) await this.#giveBack(TAKING_NAME);
      throw error;
    } finally {
      this.#isTaking = false;
    }
  }

  /**
   * Looks at a snapshot of which somebody says that it rotted, and puts it aside if it is so. Tells whether it is: nobody is offered it any
   * more, and the log is kept for those that are left.
   *
   * @throws {FileError} where the disk fails
   */
  async putAside(place: { readonly index: LogIndex; readonly term: number }): Promise<boolean> {
    const { fileSystem, directory } = this.#options;
    const name = snapshotName(place);
    if (!(await fileSystem.readDirectory(directory)).includes(name)) return false;
    try {
      await readWhole(this.#options, name, null);
      return false;
    } catch (error) {
      if (!(error instanceof SnapshotDamage)) throw error;
    }
    this.#stored = this.#stored.filter(({ id }) => id.index !== place.index || id.term !== place.term);
    await this.#setAside(name);
    await fileSystem.syncDirectory(directory);
    return true;
  }

  /** Gives a damaged snapshot a name that nothing had before. */
  async #setAside(name: string): Promise<void> {
    const { fileSystem, directory, trace } = this.#options;
    const names = await fileSystem.readDirectory(directory);
    let number = 1;
    while (names.includes(`${name}.lost-${number}`)) number++;
    const to = `${name}.lost-${number}`;
    await fileSystem.rename(`${directory}/${name}`, `${directory}/${to}`);
    trace.event("warn", "a damaged snapshot is put aside", { name: to });
  }

  /** Bytes of a snapshot as it stands on the disk, for another server. */
  async read(id: SnapshotId, offset: number, length: number): Promise<Uint8Array> {
    const stored = this.#stored.find((one) => isSame(one.id, id));
    if (stored !== undefined) this.#read.add(stored);
    const { fileSystem, directory } = this.#options;
    const file = await fileSystem.openForReading(`${directory}/${snapshotName(id)}`);
    try {
      return await file.readAt(offset, Math.min(length, id.bytes - offset));
    } finally {
      await file.close();
    }
  }

  /** Where the receipt of this snapshot goes on: behind what is here of it already. Anything else that was half received is gone. */
  async receive(id: SnapshotId): Promise<number> {
    const { fileSystem, directory } = this.#options;
    const begun = this.#receiving;
    if (begun !== null && isSame(begun.id, id)) return begun.received;
    this.#receiving = null;
    await begun?.file.close();
    if (begun !== null) await fileSystem.remove(`${directory}/${RECEIVING_NAME}`);
    this.#receiving = { id, file: await this.#createAnew(RECEIVING_NAME), received: 0 };
    return 0;
  }

  /**
   * Takes the next bytes of the snapshot that is being received. When they are the last ones, it is checked, handed to `begin`, and
   * published.
   *
   * @throws {SnapshotDamage} where the whole is not what its id says; it is forgotten then
   */
  async received(
    id: SnapshotId,
    offset: number,
    bytes: Uint8Array,
    begin: Begin,
  ): Promise<StoredSnapshot | null> {
    const receiving = this.#receiving;
    if (receiving === null || !isSame(receiving.id, id) || receiving.received !== offset) return null;
    try {
      await receiving.file.writeAt(offset, bytes);
      receiving.received += bytes.length;
      if (receiving.received < id.bytes) return null;
      await receiving.file.sync();
    } catch (error) {
      // Nobody knows which of the bytes are there: it begins anew (D8).
      this.#receiving = null;
      await receiving.file.close();
      if (isNoSpace(error)) await this.#giveBack(RECEIVING_NAME);
      throw error;
    }
    this.#receiving = null;
    await receiving.file.close();
    return await this.#publish(RECEIVING_NAME, id, begin);
  }

  /** What was half written for lack of space takes none while it waits for the next attempt. */
  async #giveBack(name: string): Promise<void> {
    const { fileSystem, directory, trace } = this.#options;
    try {
      await fileSystem.remove(`${directory}/${name}`);
    } catch (error) {
      // The next attempt removes it, or the next start.
      trace.event("debug", "a part of a snapshot cannot be removed", { reason: describeError(error) });
    }
  }

  async close(): Promise<void> {
    const receiving = this.#receiving;
    this.#receiving = null;
    await receiving?.file.close();
  }

  async #createAnew(name: string): Promise<FileHandle> {
    const { fileSystem, directory } = this.#options;
    if ((await fileSystem.readDirectory(directory)).includes(name)) {
      await fileSystem.remove(`${directory}/${name}`);
    }
    return await fileSystem.create(`${directory}/${name}`);
  }

  /** Reads a temporary file back, gives it its name, and lets go of what is older than the few that are kept. */
  async #publish(
    temporary: string,
    expected: SnapshotId | null = null,
    begin: Begin | null = null,
  ): Promise<StoredSnapshot> {
    const { fileSystem, directory, trace } = this.#options;
    const stored = await readWhole(this.#options, temporary, begin);
    if (expected !== null && !isSame(stored.id, expected)) {
      throw new SnapshotDamage(`${directory}/${temporary}`, 0, "it is another one than was announced");
    }
    await fileSystem.rename(`${directory}/${temporary}`, `${directory}/${snapshotName(stored.id)}`);
    await fileSystem.syncDirectory(directory);
    this.#stored = [stored, ...this.#stored.filter(({ id }) => id.index !== stored.id.index)]
      .sort((a, b) => b.id.index - a.id.index);
    const [kept, older] = [this.#stored.slice(0, KEPT), this.#stored.slice(KEPT)];
    const isRead = older.filter((one) => this.#read.has(one)).slice(0, READ_MAX);
    this.#read = new Set();
    this.#stored = [...kept, ...isRead];
    for (const old of older.filter((one) => !isRead.includes(one))) {
      try {
        await fileSystem.remove(`${directory}/${snapshotName(old.id)}`);
      } catch (error) {
        // It is superfluous and harmless; it goes at some later time.
        trace.event("warn", "an old snapshot cannot be removed", { reason: describeError(error) });
      }
    }
    return stored;
  }
}

interface Receiving {
  readonly id: SnapshotId;
  readonly file: FileHandle;
  received: number;
}

function isSame(a: SnapshotId, b: SnapshotId): boolean {
  return a.index === b.index && a.term === b.term && a.bytes === b.bytes && a.checksum === b.checksum;
}

/**
 * Begins to restore from a snapshot of that place; what is given back takes the chunks, and says what is wrong with them. A chunk is there
 * until the next one comes: what is kept of it is copied.
 */
export type Begin = (
  meta: SnapshotMeta,
) => { take(chunk: Uint8Array): string | null; finish(): string | null };

/** Reads a snapshot from beginning to end; hands its chunks on where somebody wants them. */
async function readWhole(
  options: SnapshotStoreOptions,
  name: string,
  begin: Begin | null,
): Promise<StoredSnapshot> {
  return await readSnapshot(options, name, async (reader) => {
    const path = `${options.directory}/${name}`;
    const restoration = begin?.(reader.meta) ?? null;
    while (true) {
      const next = await reader.next();
      if (!(next instanceof Uint8Array)) {
        const reason = restoration?.finish() ?? null;
        if (reason !== null) throw new SnapshotDamage(path, 0, reason);
        return next;
      }
      const reason = restoration?.take(next) ?? null;
      if (reason !== null) throw new SnapshotDamage(path, 0, reason);
    }
  });
}

/** Opens a snapshot, checks that it is the one that its name and our cluster say, and reads of it what is wanted. */
async function readSnapshot(
  { fileSystem, directory, clusterId }: SnapshotStoreOptions,
  name: string,
  read: (reader: SnapshotReader) => Promise<SnapshotId>,
): Promise<StoredSnapshot> {
  const path = `${directory}/${name}`;
  const file = await fileSystem.openForReading(path);
  try {
    const reader = await SnapshotReader.open(file);
    const { meta } = reader;
    if (meta.clusterId !== clusterId) {
      throw new SnapshotDamage(path, 0, `it is of cluster ${meta.clusterId}, not of ${clusterId}`);
    }
    const place = snapshotPlaceOf(name);
    if (place !== null && (place.index !== meta.index || place.term !== meta.term)) {
      throw new SnapshotDamage(path, 0, `it is of ${meta.index}:${meta.term}, its name says otherwise`);
    }
    return { meta, id: await read(reader) };
  } finally {
    await file.close();
  }
}
