/**
 * A server's data directory: claimed, born where it is empty, recovered, and all its parts brought together.
 *
 *     DIR/lock         claimed by the process that uses it
 *     DIR/identity     whose it is
 *     DIR/promises     term, vote, and what was lost, apart from the log
 *     DIR/log/         the segments of the log
 *     DIR/snapshots/   the newest snapshots
 *
 * Keeps true: a server never starts on the data of another server, and never on part of its own: the log begins no later than behind
 * the snapshot that is restored, or at its very beginning.
 *
 * @module
 */
import { must } from "../base/assert.ts";
import { CorruptLogError, ExitCode, Refusal } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { DirectoryLock, FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { LogPosition, Recovered, Remnant } from "../raft/types.ts";
import {
  type BirthMember,
  type Identity,
  IDENTITY_NAME,
  readIdentity,
  SUCCESSOR,
  writeIdentity,
} from "./identity.ts";
import { type Promises, PROMISES_NAME, readPromises } from "./promises.ts";
import {
  type Durable,
  listSegments,
  readBehindDamage,
  type ReadLog,
  readLog,
  type RecoveredLog,
  recoverLog,
  type Replaying,
} from "./recovery.ts";
import { birthOf, reconcile } from "./reconcile.ts";
import { readRemnants } from "./remnants.ts";
import { mend } from "./repair.ts";
import type { Replay } from "./settling.ts";
import { type SnapshotDamage, type SnapshotMeta, snapshotPlaceOf } from "./snapshot_file.ts";
import { type Begin, SnapshotStore } from "./snapshot_store.ts";
import { refusalOf, StableStore, type StoreOptions } from "./stable_store.ts";

export const LOG = "log";
export const SNAPSHOTS = "snapshots";

export interface DataDirectoryOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly random: Random;
  readonly trace: Trace;
  readonly segmentBytes: number;
  /** With less space than this the disk counts as full; two segments where it is left out. */
  readonly freeBytesMin?: number;
  /** Who is starting; cluster id and members count at birth only, since members come and go and addresses change. */
  readonly wanted: {
    readonly serverId: string;
    readonly clusterId: string;
    readonly members: readonly BirthMember[];
  };
  /** Begins to restore the state machine from a snapshot. */
  readonly restore: Begin;
  /** Takes what is committed while the log is read; where nobody does, all of it is among the entries that are recovered. */
  readonly replay?: Replay;
}

type WhereFrom = Pick<DataDirectoryOptions, "fileSystem" | "directory" | "trace">;

/** A data directory that is ours, open. */
export interface DataDirectory {
  readonly identity: Identity;
  readonly store: StableStore;
  readonly snapshots: SnapshotStore;
  readonly recovered: Recovered;
  /** While something is lost: what can be read of it, behind the damage. */
  readonly remnants: Remnant[];
  close(): Promise<void>;
}

/** Whose a directory is, without claiming it; `null` where no server was born there yet. */
export async function lookAtIdentity(fileSystem: FileSystem, directory: string): Promise<Identity | null> {
  try {
    if (!(await fileSystem.readDirectory(directory)).includes(IDENTITY_NAME)) return null;
    return await readIdentity(fileSystem, directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error instanceof Refusal ? error : refusalOf(`read the data directory ${directory}`, error);
  }
}

/**
 * Claims a data directory, gives birth to it where it is empty, and recovers it.
 *
 * @throws {Refusal} with the exit code that fits: locked, permission, identity, damage, disk
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const { fileSystem, directory } = options;
  let lock: DirectoryLock | null;
  try {
    await fileSystem.makeDirectory(directory);
    lock = await fileSystem.lockDirectory(directory);
  } catch (error) {
    throw refusalOf(`use the data directory ${directory}`, error);
  }
  if (lock === null) {
    throw new Refusal(
      ExitCode.dataDirectoryLocked,
      `the data directory ${directory} is in use by another process`,
    );
  }
  const held = lock;
  try {
    return await openOwned(options, held);
  } catch (error) {
    await held.release();
    throw error instanceof Refusal ? error : refusalOf(`open the data directory ${directory}`, error);
  }
}

/** Opens it; anew where something is damaged, `again` with the snapshot from which the state was restored the first time. */
async function openOwned(
  options: DataDirectoryOptions,
  lock: DirectoryLock,
  again: LogPosition | null = null,
): Promise<DataDirectory> {
  const { fileSystem, directory, trace, restore, replay } = options;
  const identity = await openIdentity(options);
  const promised = await readPromises(fileSystem, directory, identity);
  const { store: snapshots, restored, damaged } = await SnapshotStore.open(
    { fileSystem, directory: `${directory}/${SNAPSHOTS}`, trace, clusterId: identity.clusterId },
    restore,
    (await fileSystem.readDirectory(directory)).includes(SNAPSHOTS),
  );
  const snapshot = { index: restored?.index ?? 0, term: restored?.term ?? 0 };
  if (again !== null && (again.index !== snapshot.index || again.term !== snapshot.term)) {
    // Whoever replayed the log counts on the other one, and the state may have it.
    throw new Refusal(
      ExitCode.diskIo,
      `the snapshots in ${directory}/${SNAPSHOTS} read differently from one moment to the next: first up to index ${again.index}, then ` +
        `up to ${snapshot.index}; nothing was changed on disk; look at the disk, then start again`,
    );
  }
  const read = await readOwnLog(
    options,
    identity,
    promised.promises ?? { lastBatch: 0, serial: 0 },
    replay === undefined ? null : { replay, snapshot },
    snapshot,
  );
  const gap = gapOf(read.log, restored, damaged, directory);
  const damage = gap ?? read.damage ?? unfinishedRepair(read.log, promised.promises, directory);
  if (damage !== null && replay !== undefined) {
    // What is mended may be less than what was read: the state begins again at the snapshot, and is applied once it is known.
    const { replay: _, ...others } = options;
    replay.begins(snapshot.index);
    return await openOwned(others, lock, snapshot);
  }
  const { log, sequence } = damage === null && read.log !== null
    ? { log: { ...read.log, firstSerial: 0 }, sequence: promised.sequence }
    : await mend(
      options,
      identity,
      read,
      gap !== null,
      restored,
      promised,
      damage ?? logIsMissing(directory),
    );
  const [rotten] = promised.damages;
  if (damage === null && rotten !== undefined) {
    trace.event("warn", "the promises are written anew from the log", { reason: rotten.found });
  }
  const { recovered, begin } = reconcile(log, restored, birthOf(identity), directory);
  // Everything was read and found to be sound, or marked as lost. From here on the disk is changed.
  await snapshots.prepare();
  const store = await StableStore.open(storeOptions(options, identity, sequence), log);
  if (begin !== null) await store.beginBehind(begin.position, begin.hardState);
  trace.event("info", "log is recovered", {
    term: recovered.hardState.currentTerm,
    snapshotIndex: recovered.snapshotIndex,
    commitIndex: recovered.commitIndex,
    lastIndex: recovered.entries.at(-1)?.index ?? recovered.snapshotIndex,
  });
  const remnants = recovered.floor === null
    ? []
    : await readRemnants(fileSystem, `${directory}/${LOG}`, identity, trace);
  const close = async () => {
    await store.close();
    await snapshots.close();
    await lock.release();
  };
  return { identity, store, snapshots, recovered, remnants, close };
}

/**
 * The log of a server that is not started, behind that snapshot: as a start would find it, where nothing of it is to be repaired.
 *
 * @throws {CorruptLogError} where a start would have to, or would be refused
 */
export async function readSoundLog(
  options: WhereFrom,
  identity: Identity,
  snapshot: LogPosition,
): Promise<RecoveredLog> {
  const { promises } = await readPromises(options.fileSystem, options.directory, identity);
  const durable = promises ?? { lastBatch: 0, serial: 0 };
  const { log, damage } = await readOwnLog(options, identity, durable, null, snapshot);
  const objection = damage ?? unfinishedRepair(log, promises, options.directory);
  if (objection !== null) throw objection;
  return must(log, "Where there is no log, that is damage");
}

/** The log as it is read: up to the damage, or behind it where that snapshot covers it; with the floor that the promises know. */
async function readOwnLog(
  { fileSystem, directory, trace }: WhereFrom,
  identity: Identity,
  durable: Durable & { readonly epoch?: number; readonly floor?: LogPosition | null },
  replaying: Replaying | null,
  snapshot: LogPosition,
): Promise<ReadLog> {
  const path = `${directory}/${LOG}`;
  if (!(await fileSystem.readDirectory(directory)).includes(LOG)) {
    return { log: null, damage: logIsMissing(directory), serials: [] };
  }
  let read = await readLog(fileSystem, path, identity, trace, durable, replaying);
  if (read.serials.length === 0) return { ...read, damage: logIsMissing(directory) };
  const { damage } = read;
  // Whoever replays begins anew first, without it.
  if (damage !== null && replaying === null) {
    const behind = await readBehindDamage(fileSystem, path, identity, trace, durable, read, snapshot);
    if (behind !== null) {
      const { file, offset, found } = damage;
      const fields = { file, offset, found, snapshotIndex: snapshot.index };
      trace.event("error", "a part of the log is damaged: a snapshot stands for it from now on", fields);
      read = behind;
    }
  }
  const { log } = read;
  // A repair may have ended since the last segment began.
  if (log === null || durable.floor === undefined || durable.epoch !== log.state.epoch) return read;
  return { ...read, log: { ...log, state: { ...log.state, floor: durable.floor } } };
}

function logIsMissing(directory: string): CorruptLogError {
  return new CorruptLogError(`${directory}/${LOG}`, 0, "the log is missing, though this server was born");
}

/** What is missing between the snapshot and the log. */
function gapOf(
  log: RecoveredLog | null,
  restored: SnapshotMeta | null,
  damaged: readonly SnapshotDamage[],
  directory: string,
): CorruptLogError | null {
  const covered = restored?.index ?? 0;
  if (log === null || log.base.index < covered || (log.base.index === covered && log.base.term !== null)) {
    return null;
  }
  const firstDamage = damaged[0];
  const [file, offset, why] = firstDamage === undefined
    ? [`${directory}/${SNAPSHOTS}`, 0, ""]
    : [firstDamage.file, firstDamage.offset, `${firstDamage.message}; `];
  return new CorruptLogError(
    file,
    offset,
    `${why}the log begins behind index ${log.base.index}, and ${
      restored === null ? "no snapshot" : `only a snapshot of index ${restored.index}`
    } covers what is before it`,
    { damaged: firstDamage?.damaged ?? "rotten" },
  );
}

/** A start that had begun to repair did not come to its end. */
function unfinishedRepair(
  log: RecoveredLog | null,
  promises: Promises | null,
  directory: string,
): CorruptLogError | null {
  if (log === null || promises === null || promises.epoch <= log.state.epoch) return null;
  return new CorruptLogError(`${directory}/${LOG}`, 0, "an earlier repair was not finished");
}

function storeOptions(
  options: DataDirectoryOptions,
  { clusterId, serverId }: Pick<Identity, "clusterId" | "serverId">,
  sequence: number,
): StoreOptions {
  const { fileSystem, directory, random, trace, segmentBytes, freeBytesMin } = options;
  return {
    fileSystem,
    directory: `${directory}/${LOG}`,
    random,
    trace,
    clusterId,
    serverId,
    segmentBytes,
    freeBytesMin: freeBytesMin ?? 2 * segmentBytes,
    promises: { directory, name: PROMISES_NAME, sequence },
  };
}

async function openIdentity(options: DataDirectoryOptions): Promise<Identity> {
  const { fileSystem, directory, wanted, trace } = options;
  const names = await fileSystem.readDirectory(directory);
  if (!names.includes(IDENTITY_NAME)) return await giveBirth(options, names);
  // A process that was killed right after the birth may have left the identity's name in the operating system's cache only.
  await fileSystem.syncDirectory(directory);
  const identity = await readIdentity(fileSystem, directory);
  if (identity.serverId !== wanted.serverId) {
    throw new Refusal(
      ExitCode.identityMismatch,
      `the data directory ${directory} belongs to server ${identity.serverId} of cluster ${identity.clusterId}, not to ${wanted.serverId}`,
    );
  }
  const [was, is] = [identity.members, wanted.members].map((members) =>
    members.map(({ id, address }) => `${id}=${address}`).sort().join(",")
  );
  if (was !== is && wanted.members.length > 0) {
    trace.event("info", "the members are those of the log, not those of the options", { options: is ?? "" });
  }
  return identity;
}

async function giveBirth(options: DataDirectoryOptions, names: readonly string[]): Promise<Identity> {
  const { fileSystem, directory, wanted, random, trace } = options;
  const logDirectory = `${directory}/${LOG}`;
  await refuseRemains(fileSystem, directory, names);
  if (names.includes(LOG)) {
    const serials = await listSegments(fileSystem, logDirectory, trace);
    if (serials.length > 0 && !(await isStillborn(options, serials))) {
      throw new CorruptLogError(
        `${directory}/${IDENTITY_NAME}`,
        0,
        "the identity is missing, though there is a log",
      );
    }
    for (const name of await fileSystem.readDirectory(logDirectory)) {
      await fileSystem.remove(`${logDirectory}/${name}`);
    }
    await fileSystem.syncDirectory(logDirectory);
  }
  await fileSystem.makeDirectory(logDirectory);
  await StableStore.create(storeOptions(options, wanted, 0));
  const incarnation = Array.from({ length: 16 }, () => random.below(16).toString(16)).join("");
  const identity: Identity = { ...wanted, incarnation };
  await writeIdentity(fileSystem, directory, identity);
  trace.event("info", "data directory is born", {
    directory,
    cluster: identity.clusterId,
    server: identity.serverId,
  });
  return identity;
}

/** Without an identity, some things are never there by a birth that was broken off: then this is no fresh start. */
async function refuseRemains(
  fileSystem: FileSystem,
  directory: string,
  names: readonly string[],
): Promise<void> {
  const begun = names.find((name) => name.endsWith(SUCCESSOR));
  if (begun !== undefined) {
    throw new Refusal(
      ExitCode.damagedData,
      `a restore or a recovery into ${directory} was broken off (${begun} is there); nothing was changed; ` +
        `raftline recover ${directory} --yes finishes it where it can be finished, else empty the directory and begin anew`,
    );
  }
  const snapshots = names.includes(SNAPSHOTS)
    ? await fileSystem.readDirectory(`${directory}/${SNAPSHOTS}`)
    : [];
  if (snapshots.some((name) => snapshotPlaceOf(name) !== null)) {
    const path = `${directory}/${IDENTITY_NAME}`;
    throw new CorruptLogError(path, 0, "the identity is missing, though there is a snapshot");
  }
}

/** A crash between the first segment and the identity leaves one segment without a batch; nothing was promised then. */
async function isStillborn(options: DataDirectoryOptions, serials: readonly number[]): Promise<boolean> {
  if (serials.length !== 1 || serials[0] !== 1) return false;
  const { fileSystem, directory, wanted, trace } = options;
  try {
    const { end } = await recoverLog(fileSystem, `${directory}/${LOG}`, wanted, trace);
    return end.lastBatch === 0 && end.clean;
  } catch (error) {
    if (error instanceof CorruptLogError) return false;
    throw error;
  }
}
