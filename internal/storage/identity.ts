/**
 * Whose data directory this is.
 *
 * `DIR/identity` is two lines: a JSON object, and the CRC32C of the first line. It is written once, at birth, after the
 * first segment of the log is durable; so a directory with an identity and without a log has lost it, and a log with records and
 * without an identity is nobody's: both are damage, never a fresh start (D18, M11).
 *
 * Keeps true: a server never starts on the data of another server, and never on part of its own.
 *
 * @module
 */
import { CorruptLogError, ExitCode, Refusal } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { crc32c } from "../codec/crc32c.ts";
import type { DirectoryLock, FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { ConfigurationValue, Recovered } from "../raft/types.ts";
import { listSegments, recoverLog } from "./recovery.ts";
import { refusalOf, StableStore } from "./stable_store.ts";

const FORMAT = 1;
const NAME = "identity";
const LOG = "log";

/** Who a server is, for ever. */
export interface Identity {
  readonly clusterId: string;
  readonly serverId: string;
  /** Drawn at birth: tells a server from another that came after it under the same id. */
  readonly incarnation: string;
  /** The voters at birth. */
  readonly members: readonly string[];
}

export interface DataDirectoryOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly random: Random;
  readonly trace: Trace;
  readonly segmentBytes: number;
  /** Who is starting; the cluster id counts at birth only, since addresses may change later. */
  readonly wanted: {
    readonly serverId: string;
    readonly clusterId: string;
    readonly members: readonly string[];
  };
}

/** A data directory that is ours, open. */
export interface DataDirectory {
  readonly identity: Identity;
  readonly store: StableStore;
  readonly recovered: Recovered;
  close(): Promise<void>;
}

/**
 * Claims a data directory, gives birth to it where it is empty, and recovers it.
 *
 * @throws {Refusal} with the exit code that fits: locked, permission, identity, damage, disk
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const { fileSystem, directory, trace } = options;
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
    const identity = await openIdentity(options);
    const { store, recovered: log } = await StableStore.open(storeOptions(options, identity));
    const recovered: Recovered = {
      ...log,
      snapshotIndex: 0,
      snapshotTerm: 0,
      configuration: birthOf(identity),
      commitIndex: 0,
      epoch: 0,
    };
    trace.event("info", "log is recovered", {
      term: recovered.hardState.currentTerm,
      lastIndex: recovered.entries.at(-1)?.index ?? recovered.snapshotIndex,
    });
    const close = async () => {
      await store.close();
      await held.release();
    };
    return { identity, store, recovered, close };
  } catch (error) {
    await held.release();
    throw error instanceof Refusal ? error : refusalOf(`open the data directory ${directory}`, error);
  }
}

/** The configuration of the birth: the members, of whom nothing more is known. */
function birthOf({ members }: Identity): ConfigurationValue {
  const voters = [...members].sort();
  return {
    voters,
    outgoing: [],
    learners: [],
    members: voters.map((id) => ({
      id,
      address: "",
      incarnation: "",
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
  const { fileSystem, directory, wanted } = options;
  const names = await fileSystem.readDirectory(directory);
  if (!names.includes(NAME)) return await giveBirth(options, names);
  // A process that was killed right after the birth may have left the identity's name in the operating system's cache only.
  await fileSystem.syncDirectory(directory);
  const identity = await readIdentity(fileSystem, `${directory}/${NAME}`);
  if (identity.serverId !== wanted.serverId) {
    throw new Refusal(
      ExitCode.identityMismatch,
      `the data directory ${directory} belongs to server ${identity.serverId} of cluster ${identity.clusterId}, not to ${wanted.serverId}`,
    );
  }
  const [was, is] = [identity.members, wanted.members].map((members) => [...members].sort().join(","));
  if (was !== is) {
    throw new Refusal(
      ExitCode.identityMismatch,
      `the data directory ${directory} was made for the members ${was}, not for ${is}`,
    );
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
  if (names.includes(LOG)) {
    const serials = await listSegments(fileSystem, logDirectory, trace);
    if (serials.length > 0 && !(await isStillborn(options, serials))) {
      throw new CorruptLogError(`${directory}/${NAME}`, 0, "the identity is missing, though there is a log");
    }
    for (const name of await fileSystem.readDirectory(logDirectory)) {
      await fileSystem.remove(`${logDirectory}/${name}`);
    }
    await fileSystem.syncDirectory(logDirectory);
  }
  await fileSystem.makeDirectory(logDirectory);
  await StableStore.create(storeOptions(options, wanted));
  const incarnation = Array.from({ length: 16 }, () => random.below(16).toString(16)).join("");
  const identity: Identity = { ...wanted, incarnation, members: [...wanted.members].sort() };
  await writeIdentity(fileSystem, directory, identity);
  trace.event("info", "data directory is born", {
    directory,
    cluster: identity.clusterId,
    server: identity.serverId,
  });
  return identity;
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

async function writeIdentity(fileSystem: FileSystem, directory: string, identity: Identity): Promise<void> {
  const { clusterId, serverId, incarnation, members } = identity;
  const line = JSON.stringify({ format: FORMAT, clusterId, serverId, incarnation, members });
  const text = `${line}\ncrc32c ${checksumOf(line)}\n`;
  const temporary = `${directory}/${NAME}.tmp`;
  if ((await fileSystem.readDirectory(directory)).includes(`${NAME}.tmp`)) await fileSystem.remove(temporary);
  const file = await fileSystem.create(temporary);
  try {
    await file.writeAt(0, new TextEncoder().encode(text));
    await file.sync();
  } finally {
    await file.close();
  }
  await fileSystem.rename(temporary, `${directory}/${NAME}`);
  await fileSystem.syncDirectory(directory);
}

async function readIdentity(fileSystem: FileSystem, path: string): Promise<Identity> {
  const file = await fileSystem.openForReading(path);
  let text: string;
  try {
    text = new TextDecoder().decode(await file.readAt(0, Math.min(await file.size(), 64 * 1024)));
  } finally {
    await file.close();
  }
  const [line, checksum, rest] = text.split("\n");
  if (line === undefined || checksum !== `crc32c ${checksumOf(line)}` || rest !== "") {
    throw new CorruptLogError(path, 0, "the identity's checksum does not match");
  }
  const value: unknown = JSON.parse(line);
  if (
    typeof value !== "object" || value === null || !("format" in value) || !("clusterId" in value) ||
    !("serverId" in value) ||
    !("incarnation" in value) || !("members" in value)
  ) throw new CorruptLogError(path, 0, "the identity lacks a field");
  const { format, clusterId, serverId, incarnation, members } = value;
  if (format !== FORMAT) {
    throw new CorruptLogError(path, 0, `the identity's format is ${format}, this program reads ${FORMAT}`);
  }
  if (
    typeof clusterId !== "string" || typeof serverId !== "string" || typeof incarnation !== "string" ||
    !Array.isArray(members) || !members.every((member) => typeof member === "string")
  ) throw new CorruptLogError(path, 0, "the identity's fields are not what they should be");
  return { clusterId, serverId, incarnation, members };
}

function checksumOf(line: string): string {
  return crc32c(new TextEncoder().encode(line)).toString(16).padStart(8, "0");
}
