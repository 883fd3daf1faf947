/**
 * A server's data directory: claimed, born where it is empty, recovered, and all its parts brought together.
 *
 *     DIR/lock         claimed by the process that uses it
 *     DIR/identity     whose it is
 *     DIR/log/         the segments of the log
 *     DIR/snapshots/   the newest snapshots
 *
 * Keeps true: a server never starts on the data of another server, and never on part of its own: the log begins no later than behind
 * the snapshot that is restored, or at its very beginning.
 *
 * @module
 */
import { CorruptLogError, ExitCode, Refusal } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { DirectoryLock, FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { ConfigurationValue, HardState, LogPosition, Recovered } from "../raft/types.ts";
import {
  type BirthMember,
  type Identity,
  IDENTITY_NAME,
  readIdentity,
  SUCCESSOR,
  writeIdentity,
} from "./identity.ts";
import { listSegments, type RecoveredLog, recoverLog } from "./recovery.ts";
import { type SnapshotMeta, snapshotPlaceOf } from "./snapshot_file.ts";
import { type Begin, SnapshotStore } from "./snapshot_store.ts";
import { refusalOf, StableStore } from "./stable_store.ts";

export const LOG = "log";
export const SNAPSHOTS = "snapshots";

export interface DataDirectoryOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly random: Random;
  readonly trace: Trace;
  readonly segmentBytes: number;
  /** Who is starting; cluster id and members count at birth only, since members come and go and addresses change. */
  readonly wanted: {
    readonly serverId: string;
    readonly clusterId: string;
    readonly members: readonly BirthMember[];
  };
  /** Begins to restore the state machine from a snapshot. */
  readonly restore: Begin;
}

/** A data directory that is ours, open. */
export interface DataDirectory {
  readonly identity: Identity;
  readonly store: StableStore;
  readonly snapshots: SnapshotStore;
  readonly recovered: Recovered;
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

async function openOwned(options: DataDirectoryOptions, lock: DirectoryLock): Promise<DataDirectory> {
  const { fileSystem, directory, trace, restore } = options;
  const identity = await openIdentity(options);
  const log = await recoverLog(fileSystem, `${directory}/${LOG}`, identity, trace);
  const { store: snapshots, restored, damaged } = await SnapshotStore.open(
    { fileSystem, directory: `${directory}/${SNAPSHOTS}`, trace, clusterId: identity.clusterId },
    restore,
    (await fileSystem.readDirectory(directory)).includes(SNAPSHOTS),
  );
  const firstDamage = damaged[0];
  const isCovered = log.base.index < (restored?.index ?? 0) ||
    (log.base.index === (restored?.index ?? 0) && log.base.term !== null);
  if (!isCovered) {
    const [file, offset, why] = firstDamage === undefined
      ? [`${directory}/${SNAPSHOTS}`, 0, ""]
      : [firstDamage.file, firstDamage.offset, `${firstDamage.message}; `];
    throw new CorruptLogError(
      file,
      offset,
      `${why}the log begins behind index ${log.base.index}, and ${
        restored === null ? "no snapshot" : `only a snapshot of index ${restored.index}`
      } covers what is before it`,
    );
  }
  const { recovered, begin } = reconcile(log, restored, birthOf(identity), directory);
  // Everything was read and found to be sound. From here on the disk is changed.
  await snapshots.prepare();
  const store = await StableStore.open(storeOptions(options, identity), log);
  if (begin !== null) await store.beginBehind(begin.position, begin.hardState);
  trace.event("info", "log is recovered", {
    term: recovered.hardState.currentTerm,
    snapshotIndex: recovered.snapshotIndex,
    commitIndex: recovered.commitIndex,
    lastIndex: recovered.entries.at(-1)?.index ?? recovered.snapshotIndex,
  });
  const close = async () => {
    await store.close();
    await snapshots.close();
    await lock.release();
  };
  return { identity, store, snapshots, recovered, close };
}

/** Puts log and snapshot together: the log goes on where it agrees with the snapshot's last entry, and begins anew where not (S3). */
export function reconcile(
  { base, entries, state }: RecoveredLog,
  snapshot: SnapshotMeta | null,
  birth: ConfigurationValue,
  directory: string,
): {
  readonly recovered: Recovered;
  /** Where the log has to begin anew, if it has to; and in which term, if in a newer one. */
  readonly begin: { readonly position: LogPosition; readonly hardState: HardState | null } | null;
} {
  const { hardState, commitIndex, epoch, floor } = state;
  if (snapshot === null) {
    const recovered = {
      hardState,
      snapshotIndex: 0,
      snapshotTerm: 0,
      configuration: birth,
      configurationIndex: 0,
      commitIndex,
      entries,
      epoch,
      floor,
    };
    return { recovered, begin: null };
  }
  const { index, term, configuration, configurationIndex } = snapshot;
  const here = index === base.index ? base.term : entries[index - base.index - 1]?.term;
  const common = {
    snapshotIndex: index,
    snapshotTerm: term,
    configuration,
    configurationIndex,
    epoch,
    floor,
  };
  if (here === term) {
    const left = entries.slice(index - base.index);
    const recovered = { ...common, hardState, commitIndex: Math.max(commitIndex, index), entries: left };
    return { recovered, begin: null };
  }
  if (here !== undefined && index <= commitIndex) {
    throw new CorruptLogError(
      `${directory}/${SNAPSHOTS}`,
      0,
      `index ${index} is committed with term ${here} in the log, and with term ${term} in a snapshot`,
    );
  }
  // A snapshot may be durable before the log is that it covers: others had the entries, or it came from them.
  const raised = term > hardState.currentTerm ? { currentTerm: term, votedFor: null } : hardState;
  return {
    recovered: { ...common, hardState: raised, commitIndex: index, entries: [] },
    begin: { position: { index, term }, hardState: raised === hardState ? null : raised },
  };
}

/** The configuration of the birth. */
export function birthOf({ members, serverId, incarnation }: Identity): ConfigurationValue {
  const sorted = [...members].sort((a, b) => a.id < b.id ? -1 : 1);
  return {
    voters: sorted.map(({ id }) => id),
    outgoing: [],
    learners: [],
    members: sorted.map(({ id, address }) => ({
      id,
      address,
      incarnation: id === serverId && sorted.length === 1 ? incarnation : "",
      priority: 100,
      promote: false,
      replaces: null,
    })),
  };
}

function storeOptions(
  options: DataDirectoryOptions,
  { clusterId, serverId }: Pick<Identity, "clusterId" | "serverId">,
) {
  const { fileSystem, directory, random, trace, segmentBytes } = options;
  return { fileSystem, directory: `${directory}/${LOG}`, random, trace, clusterId, serverId, segmentBytes };
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
  if (
    !names.includes(LOG) ||
    (await listSegments(fileSystem, `${directory}/${LOG}`, options.trace)).length === 0
  ) {
    throw new CorruptLogError(`${directory}/${LOG}`, 0, "the log is missing, though this server was born");
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
  await StableStore.create(storeOptions(options, wanted));
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
