/**
 * Whether a data directory is sound: everything that a server would rest on, read and compared, and every finding told.
 *
 * Keeps true: it reads and never writes, claims nothing, and goes on behind what it finds. A directory without damage is one on which a
 * server starts; what only looks unusual (a torn tail, a file left over) is told and is no damage.
 *
 * @module
 */
import { CorruptLogError } from "../base/errors.ts";
import { FileError, type FileSystem } from "../platform/file_system.ts";
import type { LogIndex, LogPosition, Term } from "../raft/types.ts";
import { LOG, SNAPSHOTS } from "../storage/data_directory.ts";
import { type Identity, IDENTITY_NAME, readIdentity } from "../storage/identity.ts";
import { type Promises, PROMISES_NAME, readPromises } from "../storage/promises.ts";
import type { LogState } from "../storage/segment.ts";
import { isSnapshotAside, SnapshotDamage, snapshotPlaceOf } from "../storage/snapshot_file.ts";
import { type Finding, type Owner, scanLog, segmentsIn } from "./log_scan.ts";
import { loadSnapshot, type SnapshotLook } from "./snapshot_look.ts";

/** What was found. */
export interface Soundness {
  /** `null` where the log stands alone, or nobody can tell. */
  readonly identity: Identity | null;
  readonly findings: readonly Finding[];
  readonly segments: number;
  readonly records: number;
  /** The place before the first entry, and what the log has come to; `null` where damage is in the way. */
  readonly base: LogPosition | null;
  readonly state: LogState | null;
  /** The whole ones, newest first. */
  readonly snapshots: readonly SnapshotLook[];
}

/** Reads a data directory, or a directory with segments only, such as an archive. */
export async function verify(fileSystem: FileSystem, directory: string): Promise<Soundness> {
  const names = await fileSystem.readDirectory(directory);
  const isAlone = !names.includes(LOG) && (await segmentsIn(fileSystem, directory)).serials.length > 0;
  const check = new Check(fileSystem);
  if (isAlone) await check.log(directory, null, true);
  else await check.whole(directory, names);
  return check;
}

class Check implements Soundness {
  readonly #fileSystem: FileSystem;
  readonly findings: Finding[] = [];
  identity: Identity | null = null;
  segments = 0;
  records = 0;
  base: LogPosition | null = null;
  state: LogState | null = null;
  readonly snapshots: SnapshotLook[] = [];
  /** The term of the entry that stands at an index, where a snapshot might be of it. */
  readonly #terms = new Map<LogIndex, Term>();

  #lastBatch = 0;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  /** The log before the snapshots: those that are taken meanwhile cover more, never less. */
  async whole(directory: string, names: readonly string[]): Promise<void> {
    const owner = await this.#owner(directory, names);
    // Before the log, which is always ahead of them.
    const promises = await this.#readPromises(directory, owner);
    const snapshots = names.includes(SNAPSHOTS) ? `${directory}/${SNAPSHOTS}` : null;
    const places = snapshots === null ? [] : await this.#places(snapshots);
    for (const { index } of places) this.#terms.set(index, 0);
    if (names.includes(LOG)) await this.log(`${directory}/${LOG}`, owner);
    else this.#damage(`${directory}/${LOG}`, 0, "the log is missing");
    if (promises !== null && this.state !== null && this.#lastBatch < promises.lastBatch) {
      const what = `the log ends with batch ${this.#lastBatch}, batch ${promises.lastBatch} was on the disk`;
      this.#damage(`${directory}/${LOG}`, 0, what);
    }
    if (snapshots !== null) await this.#readSnapshots(snapshots, owner);
    this.#compare(directory);
  }

  async log(directory: string, owner: Owner, isAlone = false): Promise<void> {
    for await (const sight of scanLog(this.#fileSystem, directory, owner, isAlone)) {
      switch (sight.kind) {
        case "segment":
          this.base ??= sight.header.state.last;
          this.#lastBatch = Math.max(this.#lastBatch, sight.header.lastBatch);
          break;
        case "record": {
          this.records++;
          this.#lastBatch = Math.max(this.#lastBatch, sight.batch);
          const { record } = sight;
          if (record.kind === "reset") this.base = record.position;
          if (record.kind !== "entry" || !this.#terms.has(record.entry.index)) break;
          this.#terms.set(record.entry.index, record.entry.term);
          break;
        }
        case "footer":
          break;
        case "finding":
          this.findings.push(sight.finding);
          break;
        case "end":
          this.segments = sight.segments;
          this.state = sight.state;
          break;
      }
    }
  }

  async #owner(directory: string, names: readonly string[]): Promise<Owner> {
    const path = `${directory}/${IDENTITY_NAME}`;
    if (!names.includes(IDENTITY_NAME)) {
      this.#damage(path, 0, "the identity is missing: nobody knows whose data this is");
      return null;
    }
    try {
      this.identity = await readIdentity(this.#fileSystem, directory);
    } catch (error) {
      if (!(error instanceof CorruptLogError)) throw error;
      this.#damage(error.file, error.offset, error.found);
    }
    return this.identity;
  }

  async #readPromises(directory: string, owner: Owner): Promise<Promises | null> {
    if (owner === null) return null;
    const path = `${directory}/${PROMISES_NAME}`;
    if (!(await this.#fileSystem.readDirectory(directory)).includes(PROMISES_NAME)) {
      const what = "the promises are missing; they are written anew from the log at the next start";
      this.findings.push({ level: "note", file: path, offset: 0, what });
      return null;
    }
    try {
      let found = await readPromises(this.#fileSystem, directory, owner);
      // A copy that is being written while it is read is whole a moment later.
      for (let again = 0; again < 3 && found.damages.length > 0; again++) {
        found = await readPromises(this.#fileSystem, directory, owner);
      }
      for (const { offset, found: what } of found.damages) this.#damage(path, offset, what);
      return found.promises;
    } catch (error) {
      if (!(error instanceof CorruptLogError)) throw error;
      this.#damage(error.file, error.offset, error.found);
      return null;
    }
  }

  async #places(directory: string): Promise<readonly LogPosition[]> {
    const names = await this.#fileSystem.readDirectory(directory);
    return names.map(snapshotPlaceOf).filter((place) => place !== null);
  }

  async #readSnapshots(directory: string, owner: Owner): Promise<void> {
    const seen = new Set<string>();
    const ahead = async () =>
      (await this.#fileSystem.readDirectory(directory)).sort().reverse().filter((name) => !seen.has(name));
    let names = await ahead();
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      seen.add(name);
      const path = `${directory}/${name}`;
      const place = snapshotPlaceOf(name);
      if (place === null) {
        const what = isSnapshotAside(name)
          ? "put aside, since it was damaged"
          : name.endsWith(".tmp")
          ? "left over; it goes at the next start"
          : "no snapshot";
        this.findings.push({ level: "note", file: path, offset: 0, what });
        continue;
      }
      try {
        const { machine: _, ...look } = await loadSnapshot(this.#fileSystem, path);
        const { meta } = look;
        if (meta.index !== place.index || meta.term !== place.term) {
          this.#damage(path, 0, `it is of ${meta.index}:${meta.term}, its name says otherwise`);
        } else if (owner !== null && meta.clusterId !== owner.clusterId) {
          this.#damage(path, 0, `it is of cluster ${meta.clusterId}, not of ${owner.clusterId}`);
        } else this.snapshots.push(look);
      } catch (error) {
        if (error instanceof SnapshotDamage) this.#damage(error.file, error.offset, error.found);
        else if (error instanceof FileError && error.code === "ENOENT") {
          this.findings.push({ level: "note", file: path, offset: 0, what: "it was let go of meanwhile" });
          // It goes when a newer one is there, which covers what it did.
          names = await ahead();
        } else if (error instanceof FileError && error.code === "EIO") {
          this.#damage(path, 0, `it cannot be read: ${error.message}`);
        } else throw error;
      }
    }
    this.snapshots.sort((a, b) => b.meta.index - a.meta.index);
  }

  /** Log and snapshots together: what the one lacks, the other has to have. */
  #compare(directory: string): void {
    const newest = this.snapshots[0]?.meta.index ?? 0;
    if (this.base !== null && this.base.index > newest) {
      const what = newest === 0
        ? "no whole snapshot covers"
        : `only a snapshot of index ${newest} covers some of`;
      this.#damage(
        `${directory}/${SNAPSHOTS}`,
        0,
        `the log begins behind index ${this.base.index}, and ${what} what is before it`,
      );
    }
    if (this.state === null) return;
    for (const { file, meta: { index, term } } of this.snapshots) {
      const here = this.#terms.get(index) ?? 0;
      if (here === 0 || here === term || index > this.state.commitIndex) continue;
      this.#damage(
        file,
        0,
        `index ${index} is committed with term ${here} in the log, here with term ${term}`,
      );
    }
  }

  #damage(file: string, offset: number, what: string): void {
    this.findings.push({ level: "damage", file, offset, what });
  }
}
