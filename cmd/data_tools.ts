/**
 * `raftline log verify`, `raftline log dump`, `raftline snapshot inspect`: what is on a disk, for people.
 *
 * Keeps true: they only read and claim nothing, so they may look at a copy, and at a directory in use. The exit code is 65 where anything is
 * damaged, and 0 only where everything was read and is sound.
 *
 * @module
 */
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { DiskFileSystem } from "../internal/host/disk_file_system.ts";
import { FileError } from "../internal/platform/file_system.ts";
import { LOG, SNAPSHOTS } from "../internal/storage/data_directory.ts";
import { SnapshotDamage, snapshotPlaceOf } from "../internal/storage/snapshot_file.ts";
import { refusalOf } from "../internal/storage/stable_store.ts";
import { type Finding, scanLog, type Sight } from "../internal/upkeep/log_scan.ts";
import {
  jsonOfFooter,
  jsonOfRecord,
  jsonOfSegment,
  lineOfFooter,
  lineOfRecord,
  lineOfSegment,
  placeOf,
  RECORD_KINDS,
  type RecordKind,
  wordsOfConfiguration,
} from "../internal/upkeep/record_words.ts";
import { loadSnapshot, type SnapshotLook } from "../internal/upkeep/snapshot_look.ts";
import { type Soundness, verify } from "../internal/upkeep/verify.ts";
import { type CommandLine, type Flags, readFlags } from "./flags.ts";
import { LineWriter } from "./output.ts";

const json = { name: "json", value: null, help: "a JSON object a line" } as const;
const INDEX_MAX = 999_999_999_999_999;

export const logVerifyCommand: CommandLine = {
  name: "log verify",
  summary: "tell whether a data directory is sound, and everything that is not",
  usage: "[options] DIR",
  takesWords: [1, 1],
  flags: [json],
  examples: [
    "raftline log verify /var/lib/raftline",
    "DIR is a server's data directory, a copy of one, or a directory of archived segments; it may be in use",
    "exit codes: 0 sound, 65 damaged",
  ],
};

export const logDumpCommand: CommandLine = {
  name: "log dump",
  summary: "show the records of a log, one a line, in the order in which they were written",
  usage: "[options] DIR",
  takesWords: [1, 1],
  flags: [
    json,
    { name: "from", value: "INDEX", help: "only records of this index or a later one" },
    { name: "to", value: "INDEX", help: "only records of this index or an earlier one" },
    { name: "kind", value: "KIND,...", help: `only these: ${RECORD_KINDS.join(", ")}` },
  ],
  examples: [
    "raftline log dump /var/lib/raftline --from 100 --to 200",
    "raftline log dump /var/lib/raftline --kind command --json | jq .commands",
    "what was cut away and written anew is shown as it was written: the later record counts",
  ],
};

export const snapshotInspectCommand: CommandLine = {
  name: "snapshot inspect",
  summary: "show what a snapshot or a backup is of, after checking every byte of it",
  usage: "[options] DIR|FILE",
  takesWords: [1, 1],
  flags: [json],
  examples: [
    "raftline snapshot inspect /var/lib/raftline",
    "raftline snapshot inspect backup.snap",
    "exit codes: 0 sound, 65 damaged",
  ],
};

const fileSystem = new DiskFileSystem();

export async function logVerify(args: readonly string[]): Promise<number> {
  const flags = readFlags(logVerifyCommand, args);
  await loadCrc32c();
  const directory = wordOf(flags);
  return await reading(directory, async () => {
    const names = await fileSystem.readDirectory(directory);
    const found = await verify(fileSystem, directory);
    if (!names.includes(LOG) && found.segments === 0 && found.identity === null) {
      throw new Refusal(
        ExitCode.usage,
        `${directory} is no data directory: neither identity nor log is in it`,
      );
    }
    const damages = found.findings.filter(({ level }) => level === "damage").length;
    const out = new LineWriter();
    for (const finding of found.findings) {
      await out.line(flags.has("json") ? JSON.stringify(finding) : lineOfFinding(finding));
    }
    const verdict = damages === 0 ? "sound" : `damaged: ${damages} ${damages === 1 ? "finding" : "findings"}`;
    await out.line(
      flags.has("json")
        ? JSON.stringify({ directory, sound: damages === 0, ...summaryOf(found) })
        : `${directory}: ${verdict}; ${textOfSummary(found)}`,
    );
    await out.flush();
    return damages === 0 ? 0 : ExitCode.damagedData;
  });
}

export async function logDump(args: readonly string[]): Promise<number> {
  const flags = readFlags(logDumpCommand, args);
  const wanted = filterOf(flags);
  await loadCrc32c();
  const directory = wordOf(flags);
  return await reading(directory, async () => {
    const isWhole = (await fileSystem.readDirectory(directory)).includes(LOG);
    const out = new LineWriter();
    let isDamaged = false;
    for await (const sight of scanLog(fileSystem, isWhole ? `${directory}/${LOG}` : directory, null)) {
      if (sight.kind === "finding") {
        await out.flush();
        console.error(`raftline: ${lineOfFinding(sight.finding)}`);
        isDamaged ||= sight.finding.level === "damage";
      } else if (sight.kind !== "end" && wanted(sight)) await out.line(lineOf(sight, flags.has("json")));
    }
    await out.flush();
    return isDamaged ? ExitCode.damagedData : 0;
  });
}

export async function snapshotInspect(args: readonly string[]): Promise<number> {
  const flags = readFlags(snapshotInspectCommand, args);
  await loadCrc32c();
  const path = wordOf(flags);
  return await reading(path, async () => {
    let files = await snapshotsAt(path);
    if (files.length === 0) throw new Refusal(ExitCode.usage, `there is no snapshot in ${path}`);
    let isDamaged = false;
    const seen = new Set<string>();
    for (let file = files.shift(); file !== undefined; file = files.shift()) {
      seen.add(file);
      try {
        const { machine: _, ...look } = await loadSnapshot(fileSystem, file);
        console.log(flags.has("json") ? JSON.stringify(jsonOfSnapshot(look)) : lineOfSnapshot(look));
      } catch (error) {
        if (error instanceof FileError && error.code === "ENOENT" && file !== path) {
          // In a directory in use it went since a newer one is there.
          files = (await snapshotsAt(path)).filter((one) => !seen.has(one));
          continue;
        }
        if (!(error instanceof SnapshotDamage)) throw error;
        isDamaged = true;
        const { offset, found: what } = error;
        const finding: Finding = { level: "damage", file: error.file, offset, what };
        console.log(flags.has("json") ? JSON.stringify(finding) : lineOfFinding(finding));
      }
    }
    return isDamaged ? ExitCode.damagedData : 0;
  });
}

function wordOf(flags: Flags): string {
  const word = flags.words[0] ?? "";
  return word.length > 1 ? word.replace(/\/+$/, "") : word;
}

/** Whatever cannot be read is one line. */
async function reading(path: string, read: () => Promise<number>): Promise<number> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    if (error.code === "ENOENT") throw new Refusal(ExitCode.usage, `there is no ${path}`, { cause: error });
    if (error.code === "ENOTDIR") {
      throw new Refusal(ExitCode.usage, `${path} is no directory`, { cause: error });
    }
    throw refusalOf(`read ${path}`, error);
  }
}

/** The snapshots of a data directory, of a directory of snapshots, or the file itself. */
async function snapshotsAt(path: string): Promise<string[]> {
  let names: readonly string[];
  try {
    names = await fileSystem.readDirectory(path);
  } catch (error) {
    if (error instanceof FileError && error.code === "ENOTDIR") return [path];
    throw error;
  }
  const directory = names.includes(SNAPSHOTS) ? `${path}/${SNAPSHOTS}` : path;
  if (directory !== path) names = await fileSystem.readDirectory(directory);
  return names.filter((name) => snapshotPlaceOf(name) !== null).sort().map((name) => `${directory}/${name}`);
}

function filterOf(flags: Flags): (sight: Exclude<Sight, { kind: "finding" | "end" }>) => boolean {
  const [from, to] = [flags.integer("from", 0, 0, INDEX_MAX), flags.integer("to", INDEX_MAX, 0, INDEX_MAX)];
  const isByIndex = flags.has("from") || flags.has("to");
  const kinds = flags.text("kind")?.split(",") ?? null;
  for (const kind of kinds ?? []) {
    if (!RECORD_KINDS.some((known) => known === kind)) {
      throw flags.refuse(`--kind has ${kind || "an empty word"}, it must be of ${RECORD_KINDS.join(", ")}`);
    }
  }
  return (sight) => {
    const { kind, index }: { kind: RecordKind; index: number | null } = sight.kind === "record"
      ? placeOf(sight)
      : { kind: sight.kind, index: null };
    if (kinds !== null && !kinds.includes(kind)) return false;
    return !isByIndex || (index !== null && index >= from && index <= to);
  };
}

function lineOf(sight: Exclude<Sight, { kind: "finding" | "end" }>, asJson: boolean): string {
  if (sight.kind === "segment") {
    const { file, header } = sight;
    return asJson ? JSON.stringify(jsonOfSegment(file, header)) : lineOfSegment(file, header);
  }
  if (sight.kind === "footer") return asJson ? JSON.stringify(jsonOfFooter(sight)) : lineOfFooter(sight);
  return asJson ? JSON.stringify(jsonOfRecord(sight)) : lineOfRecord(sight);
}

function lineOfFinding({ level, file, offset, what }: Finding): string {
  return `${level}: ${file} at offset ${offset}: ${what}`;
}

function summaryOf({ identity, segments, records, base, state, snapshots }: Soundness) {
  return {
    clusterId: identity?.clusterId ?? null,
    serverId: identity?.serverId ?? null,
    segments,
    records,
    base,
    state,
    snapshots: snapshots.map(jsonOfSnapshot),
  };
}

function textOfSummary({ identity, segments, records, base, state, snapshots }: Soundness): string {
  const whose = identity === null ? "" : `server ${identity.serverId} of cluster ${identity.clusterId}, `;
  const log = `${segments} segments, ${records} records`;
  const content = base === null || state === null
    ? ""
    : `, entries ${base.index + 1} to ${state.last.index}, term ${state.hardState.currentTerm}, ` +
      `${state.commitIndex} known to be committed`;
  const [newest] = snapshots;
  const covered = newest === undefined
    ? ", no snapshot"
    : `, ${snapshots.length} snapshots, the newest of ${newest.meta.index}:${newest.meta.term}`;
  return `${whose}${log}${content}${covered}`;
}

function jsonOfSnapshot({ file, meta, id, chunks, keys }: SnapshotLook) {
  return { file, ...meta, bytes: id.bytes, checksum: id.checksum, chunks, keys };
}

function lineOfSnapshot({ file, meta, id, chunks, keys }: SnapshotLook): string {
  const { clusterId, index, term, configurationIndex, configuration, digest } = meta;
  return `${file}: sound; cluster ${clusterId}, index ${index}, term ${term}, ${keys} keys, ${id.bytes} bytes in ` +
    `${chunks} chunks, checksum ${id.checksum.toString(16).padStart(8, "0")}, digest ${digest}; ` +
    `${wordsOfConfiguration(configuration)} since ${configurationIndex}`;
}
