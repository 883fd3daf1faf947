/**
 * A new server's data directory out of a state: what `restore` and `recover` leave behind.
 *
 * Everything is written under names of its own first (`snapshots.new`, `log.new`, `promises.new`, `origin.new`, and `identity.new` last, which says that the
 * rest is whole) and then takes its place, one durable rename after another, the identity last. What was there before is kept under the name
 * `....before-<its cluster>`. A server that finds an end of this and no identity does not start.
 *
 * Keeps true: whatever a crash leaves is the old server, untouched; or something that nobody starts on and that `recover` finishes; or the new
 * server, whole. The new cluster has an id that no other one has, so no server of the old one is ever taken for a member.
 *
 * @module
 */
import type { Random } from "../base/random.ts";
import type { KeyValueMachine } from "../machine/kv.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { ConfigurationValue, LogPosition, Term } from "../raft/types.ts";
import { LOG, SNAPSHOTS } from "../storage/data_directory.ts";
import { type Identity, IDENTITY_NAME, SUCCESSOR, writeIdentity } from "../storage/identity.ts";
import { PROMISES_NAME } from "../storage/promises.ts";
import { SnapshotStore } from "../storage/snapshot_store.ts";
import { StableStore } from "../storage/stable_store.ts";

/** What the new server came from, for whoever wonders later; kept in its directory. */
export const ORIGIN = "origin";

/** A server that is to be, and what it begins with. */
export interface Planting {
  readonly fileSystem: FileSystem;
  /** It exists, and is claimed. */
  readonly directory: string;
  readonly random: Random;
  readonly trace: Trace;
  readonly segmentBytes: number;
  readonly identity: Identity;
  /** The state, of which place it is, and who the members are from there on. */
  readonly machine: KeyValueMachine;
  readonly position: LogPosition;
  readonly configuration: ConfigurationValue;
  readonly currentTerm: Term;
  readonly epoch: number;
  /** What is told of its origin. */
  readonly origin: { readonly [name: string]: unknown };
}

/** Writes everything that the new server will have; nothing of what is there changes. */
export async function prepare(planting: Planting): Promise<void> {
  const { fileSystem, directory, identity, machine, position, configuration } = planting;
  await clear(fileSystem, directory);
  const { clusterId, serverId } = identity;
  const { random, trace, segmentBytes, currentTerm, epoch } = planting;
  const { store: snapshots } = await SnapshotStore.open(
    { fileSystem, directory: `${directory}/${SNAPSHOTS}${SUCCESSOR}`, trace, clusterId },
    () => ({ take: () => null, finish: () => null }),
    false,
  );
  await snapshots.prepare();
  const capture = machine.capture();
  const meta = {
    clusterId,
    ...position,
    configurationIndex: position.index,
    configuration,
    digest: capture.digest,
  };
  await snapshots.take(meta, () => capture.next());
  const log = `${directory}/${LOG}${SUCCESSOR}`;
  await fileSystem.makeDirectory(log);
  await StableStore.create(
    {
      fileSystem,
      directory: log,
      random,
      trace,
      clusterId,
      serverId,
      segmentBytes,
      freeBytesMin: 0,
      promises: { directory, name: `${PROMISES_NAME}${SUCCESSOR}`, sequence: 0 },
    },
    {
      hardState: { currentTerm, votedFor: null },
      last: position,
      commitIndex: position.index,
      epoch,
      floor: null,
    },
  );
  await writeText(fileSystem, directory, `${ORIGIN}${SUCCESSOR}`, JSON.stringify(planting.origin, null, 2));
  await writeIdentity(fileSystem, directory, identity, `${IDENTITY_NAME}${SUCCESSOR}`);
}

/** Whether a new server was written whole and did not take its place yet, though the old one is gone. */
export function isHalfDone(names: readonly string[]): boolean {
  return names.includes(`${IDENTITY_NAME}${SUCCESSOR}`) && !names.includes(IDENTITY_NAME);
}

/**
 * Puts the new server into the place of what is there; begun or not, this brings it to its end. `before` is the cluster of what is there.
 */
export async function takePlace(
  fileSystem: FileSystem,
  directory: string,
  clusterId: string,
  before: string | null,
): Promise<void> {
  const move = async (from: string, to: string) => {
    if (!(await fileSystem.readDirectory(directory)).includes(from)) return;
    await fileSystem.rename(`${directory}/${from}`, `${directory}/${to}`);
    await fileSystem.syncDirectory(directory);
  };
  // From here on no server starts here, until its identity is in its place again.
  if (before !== null) await move(IDENTITY_NAME, `${IDENTITY_NAME}.before-${before}`);
  for (const part of [LOG, SNAPSHOTS, PROMISES_NAME]) {
    const names = await fileSystem.readDirectory(directory);
    if (!names.includes(`${part}${SUCCESSOR}`)) continue;
    if (before !== null) await move(part, `${part}.before-${before}`);
    await move(`${part}${SUCCESSOR}`, part);
  }
  await move(`${ORIGIN}${SUCCESSOR}`, `${ORIGIN}-${clusterId}.json`);
  await move(`${IDENTITY_NAME}${SUCCESSOR}`, IDENTITY_NAME);
}

/** Removes what an attempt left that never came to its end. */
async function clear(fileSystem: FileSystem, directory: string): Promise<void> {
  const names = await fileSystem.readDirectory(directory);
  // The identity first: without it nobody takes the rest for whole.
  for (const name of [IDENTITY_NAME, ORIGIN, PROMISES_NAME].map((name) => `${name}${SUCCESSOR}`)) {
    if (!names.includes(name)) continue;
    await fileSystem.remove(`${directory}/${name}`);
    await fileSystem.syncDirectory(directory);
  }
  for (const part of [SNAPSHOTS, LOG].map((name) => `${name}${SUCCESSOR}`)) {
    if (!names.includes(part)) continue;
    for (const name of await fileSystem.readDirectory(`${directory}/${part}`)) {
      await fileSystem.remove(`${directory}/${part}/${name}`);
    }
  }
}

/** Writes a small file, whole or not at all. */
async function writeText(
  fileSystem: FileSystem,
  directory: string,
  name: string,
  text: string,
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`;
  if ((await fileSystem.readDirectory(directory)).includes(`${name}.tmp`)) await fileSystem.remove(temporary);
  const file = await fileSystem.create(temporary);
  try {
    await file.writeAt(0, new TextEncoder().encode(`${text}\n`));
    await file.sync();
  } finally {
    await file.close();
  }
  await fileSystem.rename(temporary, `${directory}/${name}`);
  await fileSystem.syncDirectory(directory);
}
