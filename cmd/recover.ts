/**
 * `raftline recover`: what a server of a cluster that lost its quorum for good has, and, with `--yes`, its life as a cluster of its own.
 *
 * Keeps true: see upkeep/recovering.ts. Without `--yes` nothing is written.
 *
 * @module
 */
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { SeededRandom } from "../internal/base/random.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { DiskFileSystem } from "../internal/host/disk_file_system.ts";
import { StderrTrace } from "../internal/host/stderr_trace.ts";
import { systemSeed } from "../internal/host/system_seed.ts";
import { FileError } from "../internal/platform/file_system.ts";
import { refusalOf, SEGMENT_BYTES_DEFAULT } from "../internal/storage/stable_store.ts";
import { wordsOfConfiguration } from "../internal/upkeep/record_words.ts";
import { type Plan, recover as recoverDirectory } from "../internal/upkeep/recovering.ts";
import { type CommandLine, readFlags, showAddress } from "./flags.ts";

export const recoverCommand: CommandLine = {
  name: "recover",
  summary: "after the quorum is lost for good: tell what a server has, and let it go on alone",
  usage: "[options] DIR",
  takesWords: [1, 1],
  flags: [
    { name: "yes", value: null, help: "do it; without this, nothing is written" },
    {
      name: "peer",
      value: "HOST:PORT",
      help: "where other servers will reach it",
      default: "where they did",
    },
    { name: "json", value: null, help: "the plan as a JSON object" },
  ],
  examples: [
    "raftline recover /var/lib/raftline        shows what is there, and what may be lost",
    "raftline recover /var/lib/raftline --yes",
    "ask every server that is left, and recover one: the one with the highest last term, then the highest last index",
    "while a majority can be started again, start it: then nothing is lost and nothing is to be recovered",
  ],
};

export async function recover(args: readonly string[]): Promise<number> {
  const flags = readFlags(recoverCommand, args);
  const [directory = ""] = flags.words;
  const address = flags.has("peer") ? showAddress(flags.address("peer", { host: "", port: 0 })) : null;
  const isMeant = flags.has("yes");
  await loadCrc32c();
  try {
    const plan = await recoverDirectory({
      fileSystem: new DiskFileSystem(),
      directory,
      random: new SeededRandom(systemSeed()),
      trace: new StderrTrace("warn"),
      segmentBytes: SEGMENT_BYTES_DEFAULT,
      address,
      at: new Date().toISOString(),
      isMeant,
    });
    if (flags.has("json")) console.log(JSON.stringify({ directory, ...plan }));
    else console.log(textOf(directory, plan, isMeant));
    return 0;
  } catch (error) {
    if (error instanceof FileError && error.code === "ENOENT") {
      throw new Refusal(ExitCode.usage, `there is no ${directory}`, { cause: error });
    }
    if (error instanceof FileError) throw refusalOf(`recover ${directory}`, error);
    throw error;
  }
}

function textOf(directory: string, plan: Plan | { readonly finished: string }, isMeant: boolean): string {
  if ("finished" in plan) {
    return isMeant
      ? `${directory}: what was begun is finished: it is a server of the new cluster ${plan.finished}`
      : `${directory}: a restore or recovery was broken off; --yes finishes it: a server of the new cluster ${plan.finished}`;
  }
  const { identity, term, epoch, last, commitIndex, snapshotIndex, floor, configuration, keys, made } = plan;
  const { serverId, clusterId } = identity;
  const unknown = last.index - commitIndex;
  const lines = [
    `${directory}: server ${serverId} of cluster ${clusterId}, term ${term}, epoch ${epoch}`,
    `  members       ${wordsOfConfiguration(configuration)}`,
    `  last entry    index ${last.index}, term ${last.term} (of several servers, recover the one with the highest term, then index)`,
    `  committed     ${commitIndex} is known here to be committed; the newest snapshot is of ${snapshotIndex}`,
    `  kept          everything up to index ${last.index}: ${keys} keys` +
    (unknown > 0
      ? `; the last ${unknown} entries may never have been committed, and will be from now on`
      : ""),
    `  may be lost   whatever was acknowledged behind index ${last.index} without this server; nobody can tell from here what that is`,
    ...(floor === null ? [] : [
      `  lost before   an entry of index ${floor.index}, term ${floor.term} was damaged here and may have been acknowledged`,
    ]),
  ];
  if (made === null) {
    lines.push(
      `  with --yes    a new cluster, epoch ${
        epoch + 1
      }, of which ${serverId} is the only member; the old data is kept beside it, ` +
        `and servers of cluster ${clusterId} are strangers to it`,
      "nothing was written",
    );
  } else {
    lines.push(
      `${directory} is server ${serverId} of the new cluster ${made.clusterId}, epoch ${
        epoch + 1
      }; the old data is in ` +
        `*.before-${made.before}, the record in origin-${made.clusterId}.json`,
      `start it with: raftline serve --id ${serverId} --data ${directory} ...; empty the other servers, ` +
        `start them with --join, and add them`,
    );
  }
  return lines.join("\n");
}
