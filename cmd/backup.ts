/**
 * `raftline backup`: the state of a living cluster as one file, or on standard output.
 *
 * Keeps true: a file of that name is a whole backup, checked and durable, or it is not there; what goes to standard output lacks its end
 * unless it is whole. The exit code is 0 only then. Writes go on meanwhile, and neither side holds more than a few pieces in memory.
 *
 * @module
 */
import { basename, dirname, resolve } from "node:path";
import process from "node:process";
import { describeError, ExitCode, Refusal } from "../internal/base/errors.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { DiskFileSystem } from "../internal/host/disk_file_system.ts";
import { FileError } from "../internal/platform/file_system.ts";
import {
  SnapshotDamage,
  type SnapshotId,
  type SnapshotMeta,
  SnapshotReader,
} from "../internal/storage/snapshot_file.ts";
import { refusalOf } from "../internal/storage/stable_store.ts";
import { type CommandLine, type Flags, readFlags } from "./flags.ts";
import { writeOut } from "./output.ts";
import { BrokenOff, fetchSnapshot, type Taker } from "./remote_snapshot.ts";
import { connectToAny } from "./resp_client.ts";
import { DEFAULT_ADDRESSES } from "./status.ts";

export const backupCommand: CommandLine = {
  name: "backup",
  summary: "write everything that a living cluster has into a file, or to standard output",
  usage: "[options] FILE (or - for standard output)",
  takesWords: [1, 1],
  flags: [
    {
      name: "connect",
      value: "HOST:PORT,...",
      help: "servers to ask, until one answers; a follower has less to do than the leader",
      default: "127.0.0.1:7001,7002,7003",
    },
    {
      name: "stale",
      value: null,
      help: "take what the server has, without asking the leader: works without a quorum",
    },
    { name: "force", value: null, help: "replace FILE if it is there" },
  ],
  examples: [
    "raftline backup /backups/monday.snap --connect 10.0.0.2:7001",
    "raftline backup - --connect 10.0.0.2:7001 | ssh elsewhere 'cat > monday.snap'",
    "raftline snapshot inspect /backups/monday.snap     checks it again; raftline restore puts it to use",
  ],
};

const ATTEMPTS = 3;
const PAUSE_MS = 500;
const fileSystem = new DiskFileSystem();

interface Fetched {
  readonly meta: SnapshotMeta;
  readonly id: SnapshotId;
}

export async function backup(args: readonly string[]): Promise<number> {
  const flags = readFlags(backupCommand, args);
  await loadCrc32c();
  const target = flags.words[0] ?? "";
  try {
    const fetched = target === "-" ? await toStandardOutput(flags) : await toFile(flags, target);
    const { meta, id } = fetched;
    const where = target === "-" ? "standard output" : target;
    console.error(
      `backup of cluster ${meta.clusterId} at index ${id.index}, term ${id.term}: ${id.bytes} bytes, ` +
        `checksum ${id.checksum.toString(16).padStart(8, "0")}, in ${where}`,
    );
    return 0;
  } catch (error) {
    if (error instanceof FileError) throw refusalOf(`write ${target}`, error);
    if (error instanceof BrokenOff) {
      throw new Refusal(ExitCode.unavailable, `no backup: ${error.message}`, { cause: error });
    }
    if (error instanceof SnapshotDamage) {
      throw new Refusal(ExitCode.damagedData, `no backup: ${describeError(error)}`, { cause: error });
    }
    throw error;
  }
}

async function toStandardOutput(flags: Flags): Promise<Fetched> {
  if (process.stdout.isTTY === true) throw flags.refuse("a backup is no text: send it somewhere");
  // What was written cannot be taken back, so there is one attempt.
  return await fetchFrom(flags, (bytes) => writeOut(bytes));
}

async function toFile(flags: Flags, path: string): Promise<Fetched> {
  const [directory, name] = [dirname(resolve(path)), basename(path)];
  if (!flags.has("force") && (await namesIn(directory)).includes(name)) {
    throw new Refusal(ExitCode.configuration, `${path} is there already; --force replaces it`);
  }
  const temporary = `${directory}/${name}.${process.pid}.tmp`;
  for (let attempt = 1;; attempt++) {
    try {
      return await toFileOnce(flags, temporary, `${directory}/${name}`);
    } catch (error) {
      if ((await namesIn(directory)).includes(basename(temporary))) await fileSystem.remove(temporary);
      if (!(error instanceof BrokenOff) || attempt === ATTEMPTS) throw error;
      console.error(`raftline: attempt ${attempt} was broken off: ${error.message}; begins anew`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await fileSystem.readDirectory(directory);
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== "ENOENT") throw error;
    throw new Refusal(ExitCode.usage, `there is no directory ${directory}`, { cause: error });
  }
}

async function toFileOnce(flags: Flags, temporary: string, path: string): Promise<Fetched> {
  const file = await fileSystem.create(temporary);
  let fetched: Fetched;
  try {
    let at = 0;
    fetched = await fetchFrom(flags, async (bytes) => {
      await file.writeAt(at, bytes);
      at += bytes.length;
    });
    await file.sync();
    // What is on the disk is what counts.
    const reader = await SnapshotReader.open(file);
    let next = await reader.next();
    while (next instanceof Uint8Array) next = await reader.next();
    if (next.checksum !== fetched.id.checksum) {
      throw new SnapshotDamage(temporary, 0, "what was written is not what was fetched");
    }
  } finally {
    await file.close();
  }
  await fileSystem.rename(temporary, path);
  await fileSystem.syncDirectory(dirname(path));
  return fetched;
}

async function fetchFrom(flags: Flags, take: Taker): Promise<Fetched> {
  const client = await connectToAny(flags.addresses("connect", DEFAULT_ADDRESSES));
  try {
    return await fetchSnapshot(client, flags.has("stale"), take);
  } finally {
    client.close();
  }
}
