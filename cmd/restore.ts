/**
 * `raftline restore`: a backup becomes the first state of a new cluster, which has an identity of its own.
 *
 * Keeps true: see upkeep/restoring.ts. Servers of the cluster that the backup is of, and whatever is left of their data, are strangers to the
 * new one.
 *
 * @module
 */
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { SeededRandom } from "../internal/base/random.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { isServerId } from "../internal/codec/admin_command.ts";
import { DiskFileSystem } from "../internal/host/disk_file_system.ts";
import { StderrTrace } from "../internal/host/stderr_trace.ts";
import { systemSeed } from "../internal/host/system_seed.ts";
import { FileError } from "../internal/platform/file_system.ts";
import { SnapshotDamage } from "../internal/storage/snapshot_file.ts";
import { refusalOf, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from "../internal/storage/stable_store.ts";
import type { LogPosition } from "../internal/raft/types.ts";
import { indexAt, openArchive } from "../internal/upkeep/archives.ts";
import { replay } from "../internal/upkeep/replaying.ts";
import { restore as plant } from "../internal/upkeep/restoring.ts";
import { type LoadedSnapshot, loadSnapshot } from "../internal/upkeep/snapshot_look.ts";
import { type CommandLine, type Flags, readFlags, showAddress } from "./flags.ts";
import { membersOf } from "./serve_options.ts";

export const restoreCommand: CommandLine = {
  name: "restore",
  summary: "make a new server's data directory out of a backup; its cluster is a new one",
  usage: "[options] BACKUP --data DIR",
  takesWords: [1, 1],
  flags: [
    { name: "data", value: "DIR", help: "the new data directory; empty, or not there" },
    { name: "id", value: "ID", help: "who the new server is", default: "n1" },
    {
      name: "peer",
      value: "HOST:PORT",
      help: "where other servers will reach it",
      default: "127.0.0.1:7101, or its word in --cluster",
    },
    {
      name: "cluster",
      value: "ID=HOST:PORT,...",
      help: "every member of the new cluster, each of which is restored from the same backup",
      default: "only this server: others are added with serve --join and add",
    },
    {
      name: "cluster-id",
      value: "ID",
      help: "what the first server that was restored was told; for the others",
    },
    {
      name: "archive",
      value: "DIR,...",
      help: "go on from the backup with the log that serve --archive kept there; a log directory will do too",
    },
    {
      name: "to-index",
      value: "INDEX",
      help: "up to this entry and no further",
      default: "all that is committed",
    },
    {
      name: "to-time",
      value: "TIME",
      help: "up to what the archiving server had applied by then, as in 2026-11-26T01:02:03Z",
    },
    {
      name: "server",
      value: "ID",
      help: "whose archive it is to be",
      default: "the one that reaches furthest",
    },
    {
      name: "segment-bytes",
      value: "BYTES",
      help: "length of one file of the log",
      default: String(SEGMENT_BYTES_DEFAULT),
    },
  ],
  examples: [
    "raftline restore monday.snap --data /var/lib/raftline --id n1 --peer 10.0.0.1:7101",
    "raftline serve --id n1 --data /var/lib/raftline --client 10.0.0.1:7001 --peer 10.0.0.1:7101",
    "raftline restore monday.snap --data DIR --archive /archive --to-time 2026-11-26T01:02:03Z",
    "exit codes: 0 restored, 65 the backup is damaged, 78 the directory is not empty",
  ],
};

const fileSystem = new DiskFileSystem();

export async function restore(args: readonly string[]): Promise<number> {
  const flags = readFlags(restoreCommand, args);
  const path = flags.words[0] ?? "";
  const directory = flags.text("data");
  if (directory === null) throw flags.refuse("--data lacks: which directory is to be made?");
  const serverId = flags.text("id") ?? "n1";
  if (!isServerId(serverId)) {
    throw flags.refuse(
      `--id is ${serverId}, it must be 1 to 64 letters, digits, dots, dashes or underscores`,
    );
  }
  const members = newMembers(flags, serverId);
  const clusterId = flags.text("cluster-id");
  if (clusterId !== null && !/^[0-9a-f]{16}$/.test(clusterId)) {
    throw flags.refuse(`--cluster-id is ${clusterId}, it must be the 16 digits that the first restore told`);
  }
  const target = targetOf(flags);
  const segmentBytes = flags.integer("segment-bytes", SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN, 2 ** 30);
  await loadCrc32c();
  const backup = await load(path);
  try {
    const position = await replayed(backup, target);
    const restored = await plant(
      {
        fileSystem,
        directory,
        random: new SeededRandom(systemSeed()),
        trace: new StderrTrace("warn"),
        segmentBytes,
        serverId,
        members,
        clusterId,
        at: new Date().toISOString(),
      },
      backup,
      position,
    );
    console.log(
      `${directory} is server ${serverId} of the new cluster ${restored.clusterId}: ${restored.keys} keys, ` +
        `as of index ${restored.index}, term ${restored.term}`,
    );
    const others = members.filter(({ id }) => id !== serverId);
    if (others.length > 0 && clusterId === null) {
      console.log(
        `restore ${others.map(({ id }) => id).join(" and ")} from the same backup with ` +
          `--cluster ${
            members.map(({ id, address }) => `${id}=${address}`).join(",")
          } --cluster-id ${restored.clusterId}`,
      );
    }
    return 0;
  } catch (error) {
    if (error instanceof FileError) throw refusalOf(`restore into ${directory}`, error);
    throw error;
  }
}

/** Where in the log the restore is to end, and where the log is. */
interface Target {
  readonly archives: readonly string[];
  readonly serverId: string | null;
  readonly index: number | null;
  readonly time: number | null;
}

function targetOf(flags: Flags): Target {
  const archives = flags.text("archive")?.split(",").map((word) => word.replace(/(?<=.)\/+$/, "")) ?? [];
  for (const name of ["to-index", "to-time", "server"]) {
    if (flags.has(name) && archives.length === 0) throw flags.refuse(`--${name} needs --archive`);
  }
  if (flags.has("to-index") && flags.has("to-time")) {
    throw flags.refuse("--to-index and --to-time are both given: one of them says where to end");
  }
  const text = flags.text("to-time");
  // A time without a zone would mean something else on every machine.
  const isTime = text !== null && /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const time = isTime ? Date.parse(text) : null;
  if (text !== null && (time === null || Number.isNaN(time))) {
    throw flags.refuse(
      `--to-time is ${text}, it must be like 2026-11-26T01:02:03Z or 2026-11-26T02:02:03+01:00`,
    );
  }
  const index = flags.has("to-index") ? flags.integer("to-index", 1, 1, Number.MAX_SAFE_INTEGER) : null;
  return { archives, serverId: flags.text("server"), index, time };
}

/** Brings the backup's state to where it is to end. */
async function replayed(
  backup: LoadedSnapshot,
  { archives, serverId, index, time }: Target,
): Promise<LogPosition> {
  const { index: from, term } = backup.meta;
  if (archives.length === 0) return { index: from, term };
  const archive = await openArchive(fileSystem, archives, backup.meta.clusterId, serverId);
  return await replay(fileSystem, backup, archive, time === null ? index : indexAt(archive.notes, time));
}

function newMembers(flags: Flags, serverId: string) {
  const members = membersOf(flags);
  if (members === null) {
    return [{ id: serverId, address: showAddress(flags.address("peer", { host: "127.0.0.1", port: 7101 })) }];
  }
  if (!members.some(({ id }) => id === serverId)) {
    throw new Refusal(ExitCode.configuration, `--cluster does not name --id ${serverId}`);
  }
  if (flags.has("peer")) {
    throw new Refusal(
      ExitCode.configuration,
      "--peer and --cluster are both given: --cluster says where each is",
    );
  }
  return members.map(({ id, address }) => ({ id, address: showAddress(address) }));
}

async function load(path: string): Promise<LoadedSnapshot> {
  try {
    return await loadSnapshot(fileSystem, path);
  } catch (error) {
    if (error instanceof SnapshotDamage) {
      const { file, offset, found } = error;
      throw new Refusal(
        ExitCode.damagedData,
        `the backup ${file} is damaged at offset ${offset}: ${found}; nothing was changed; take another one`,
        { cause: error },
      );
    }
    if (error instanceof FileError && error.code === "ENOENT") {
      throw new Refusal(ExitCode.usage, `there is no ${path}`, { cause: error });
    }
    if (error instanceof FileError) throw refusalOf(`read ${path}`, error);
    throw error;
  }
}
