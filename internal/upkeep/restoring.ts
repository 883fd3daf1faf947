/**
 * A backup becomes the first state of a new cluster.
 *
 * Keeps true: nothing is written before every byte of the backup was checked; an existing directory is never written over; servers that are
 * restored into one cluster begin with the same state and the same members, since the cluster's id is half chance and half a fingerprint of
 * both, and an id that does not fit is refused.
 *
 * @module
 */
import { ExitCode, Refusal } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { crc32c } from "../codec/crc32c.ts";
import type { DirectoryLock, FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { LogPosition } from "../raft/types.ts";
import { birthOf } from "../storage/reconcile.ts";
import type { BirthMember } from "../storage/identity.ts";
import { prepare, takePlace } from "./planting.ts";
import type { LoadedSnapshot } from "./snapshot_look.ts";

/** What an empty directory may hold: the claim of a server that never was born, and what a file system puts there. */
const NOTHING = ["lock", "lost+found"];

export interface RestoringOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly random: Random;
  readonly trace: Trace;
  readonly segmentBytes: number;
  readonly serverId: string;
  /** The voters of the new cluster, this server among them. */
  readonly members: readonly BirthMember[];
  /** The id that another server of the new cluster was given; `null` for a new one. */
  readonly clusterId: string | null;
  /** For the record. */
  readonly at: string;
}

/** Whose the new directory is, and what it begins with. */
export interface Restored {
  readonly clusterId: string;
  readonly index: number;
  readonly term: number;
  readonly keys: number;
}

/**
 * Makes the data directory of a new server, with the state that the backup's machine has by now, behind `position`.
 *
 * @throws {Refusal} where the directory is not empty, is in use, or the cluster's id does not fit
 * @throws {FileError} where the disk fails
 */
export async function restore(
  options: RestoringOptions,
  backup: LoadedSnapshot,
  position: LogPosition = backup.meta,
): Promise<Restored> {
  const { fileSystem, directory } = options;
  await fileSystem.makeDirectory(directory);
  await refuseContent(fileSystem, directory);
  const lock = await claim(fileSystem, directory);
  try {
    await refuseContent(fileSystem, directory);
    return await plant(options, backup, { index: position.index, term: position.term });
  } finally {
    await lock.release();
  }
}

/** @throws {Refusal} where another process has it */
export async function claim(fileSystem: FileSystem, directory: string): Promise<DirectoryLock> {
  const lock = await fileSystem.lockDirectory(directory);
  if (lock !== null) return lock;
  throw new Refusal(
    ExitCode.dataDirectoryLocked,
    `the data directory ${directory} is in use by another process; nothing was changed; stop it first`,
  );
}

async function refuseContent(fileSystem: FileSystem, directory: string): Promise<void> {
  const found = (await fileSystem.readDirectory(directory)).find((name) => !NOTHING.includes(name));
  if (found === undefined) return;
  throw new Refusal(
    ExitCode.configuration,
    `${directory} is not empty (${found} is there); nothing was changed; a backup is restored into an empty directory`,
  );
}

async function plant(
  options: RestoringOptions,
  backup: LoadedSnapshot,
  position: LogPosition,
): Promise<Restored> {
  const { serverId, random, fileSystem, directory, trace, segmentBytes } = options;
  const { meta, machine } = backup;
  const members = [...options.members].sort((a, b) => a.id < b.id ? -1 : 1);
  const { index, term } = position;
  const fingerprint = hex(crc32c(bytesOf([index, term, machine.digest(), members])));
  const clusterId = options.clusterId ?? `${hexOf(random, 8)}${fingerprint}`;
  if (!clusterId.endsWith(fingerprint)) {
    throw new Refusal(
      ExitCode.identityMismatch,
      `cluster ${clusterId} was restored from another state or for other members than these; nothing was changed; ` +
        `give every server of the new cluster the same backup, --cluster and target`,
    );
  }
  const identity = { clusterId, serverId, incarnation: hexOf(random, 16), members };
  await prepare({
    fileSystem,
    directory,
    random,
    trace,
    segmentBytes,
    identity,
    machine,
    position,
    configuration: birthOf(identity),
    currentTerm: term,
    epoch: 0,
    origin: {
      kind: "restore",
      at: options.at,
      clusterId,
      backup: backup.file,
      backupCluster: meta.clusterId,
      backupIndex: backup.id.index,
      index,
      term,
      digest: machine.digest(),
      members,
    },
  });
  await takePlace(fileSystem, directory, clusterId, null);
  return { clusterId, index, term, keys: machine.size() };
}

export function hexOf(random: Random, digits: number): string {
  return Array.from({ length: digits }, () => random.below(16).toString(16)).join("");
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
