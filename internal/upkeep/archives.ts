/**
 * What was archived, as a restore reads it: the segments of one server, put together from one directory or from several, and the moments that
 * were noted with them.
 *
 * @module
 */
import { ExitCode, Refusal } from "../base/errors.ts";
import { FileError, type FileHandle, type FileSystem } from "../platform/file_system.ts";
import type { LogIndex } from "../raft/types.ts";
import { archiveDirectory, decodeNote, isTimesName, type TimeNote } from "../storage/archiver.ts";
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
} from "../storage/segment.ts";
import { segmentsIn, type Whence } from "./log_scan.ts";

/** The segments of one server's log, oldest first. */
export interface Archive {
  readonly serverId: string;
  /** Where the segment of each serial is. */
  readonly segments: ReadonlyMap<number, string>;
  /** Where the last one is from. */
  readonly whence: Whence;
  /** The moments that were noted, in the order in which they were. */
  readonly notes: readonly TimeNote[];
}

/**
 * Finds the segments of a cluster in these directories: archives, or directories that hold segments themselves, such as the `log` of a data
 * directory. Of several servers, `serverId` says which; otherwise it is the one whose archive reaches furthest.
 *
 * @throws {Refusal} where there are none
 */
export async function openArchive(
  fileSystem: FileSystem,
  directories: readonly string[],
  clusterId: string,
  serverId: string | null,
): Promise<Archive> {
  const archives = new Map<string, Found>();
  for (const directory of directories) {
    for (const place of await placesIn(fileSystem, directory, clusterId)) {
      const { serials } = await segmentsIn(fileSystem, place);
      const last = serials.at(-1);
      if (last === undefined) continue;
      const header = await headerAt(fileSystem, `${place}/${segmentName(last)}`);
      if (header.clusterId !== clusterId) {
        throw new Refusal(
          ExitCode.identityMismatch,
          `the segments in ${place} are of cluster ${header.clusterId}, the backup is of ${clusterId}; nothing was changed`,
        );
      }
      const archive = archives.get(header.serverId) ??
        { segments: new Map<number, string>(), archived: 0, notes: [] };
      archives.set(header.serverId, archive);
      if ((await fileSystem.readDirectory(place)).some(isTimesName)) {
        archive.archived = Math.max(archive.archived, last);
      }
      for (const serial of serials) {
        if (!archive.segments.has(serial)) archive.segments.set(serial, `${place}/${segmentName(serial)}`);
      }
      archive.notes.push(...await notesIn(fileSystem, place));
    }
  }
  const names = [...archives.keys()].sort();
  const chosen = serverId ?? names.sort((a, b) => lastOf(archives.get(b)) - lastOf(archives.get(a)))[0];
  const archive = chosen === undefined ? undefined : archives.get(chosen);
  if (chosen === undefined || archive === undefined) {
    throw new Refusal(
      ExitCode.usage,
      `there is no segment of cluster ${clusterId}${serverId === null ? "" : `, server ${serverId}`} in ` +
        directories.join(", "),
    );
  }
  const segments = new Map([...archive.segments].sort(([a], [b]) => a - b));
  const whence = archive.archived === lastOf(archive) ? "archive" : "unknown";
  return { serverId: chosen, segments, whence, notes: archive.notes };
}

/** What is being put together of one server. */
interface Found {
  readonly segments: Map<number, string>;
  /** The last one that is in an archive. */
  archived: number;
  readonly notes: TimeNote[];
}

function lastOf(archive: { readonly segments: ReadonlyMap<number, string> } | undefined): number {
  return Math.max(0, ...archive?.segments.keys() ?? []);
}

/** Where segments are: in the directory itself, or in those of the cluster's servers below it. */
async function placesIn(
  fileSystem: FileSystem,
  directory: string,
  clusterId: string,
): Promise<readonly string[]> {
  if ((await segmentsIn(fileSystem, directory)).serials.length > 0) return [directory];
  try {
    const servers = await fileSystem.readDirectory(`${directory}/${clusterId}`);
    return servers.sort().map((server) => archiveDirectory(directory, clusterId, server));
  } catch (error) {
    if (error instanceof FileError && error.code === "ENOENT") return [];
    throw error;
  }
}

async function reading<T>(
  fileSystem: FileSystem,
  path: string,
  read: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await fileSystem.openForReading(path);
  try {
    return await read(file);
  } finally {
    await file.close();
  }
}

/** @throws {Refusal} where it is damaged */
export async function headerAt(fileSystem: FileSystem, path: string): Promise<SegmentHeader> {
  const bytes = await reading(fileSystem, path, (file) => file.readAt(0, SEGMENT_HEADER_BYTES));
  const header = decodeSegmentHeader(bytes);
  if (typeof header !== "string") return header;
  throw new Refusal(ExitCode.damagedData, `${path} is damaged at offset 0: ${header}; nothing was changed`);
}

/** The moments in order; lines that are not what was written are none. */
async function notesIn(fileSystem: FileSystem, directory: string): Promise<readonly TimeNote[]> {
  const names = (await fileSystem.readDirectory(directory)).filter(isTimesName).sort();
  const notes: TimeNote[] = [];
  for (const name of names) {
    const bytes = await reading(
      fileSystem,
      `${directory}/${name}`,
      async (file) => await file.readAt(0, await file.size()),
    );
    for (const line of new TextDecoder().decode(bytes).split("\n")) {
      const note = line === "" ? null : decodeNote(line);
      if (note !== null) notes.push(note);
    }
  }
  return notes;
}

/**
 * The index that a moment means: the last one that was noted before the first note behind that moment. So nothing is in it that was not applied
 * by then, even where the clock was set back meanwhile.
 *
 * @throws {Refusal} where the notes do not reach so far, or begin later
 */
export function indexAt(notes: readonly TimeNote[], at: number): LogIndex {
  const behind = notes.findIndex((note) => note.at > at);
  const last = notes.at(-1);
  const shown = (ms: number) => new Date(ms).toISOString();
  if (last === undefined) {
    throw new Refusal(ExitCode.usage, "no moments were noted in that archive: give --to-index");
  }
  if (behind < 0 && at > last.at) {
    throw new Refusal(
      ExitCode.usage,
      `the last moment in the archive is ${shown(last.at)}, with index ${last.index}: nobody knows about ${
        shown(at)
      }`,
    );
  }
  const note = behind < 0 ? last : notes[behind - 1];
  if (note !== undefined) return note.index;
  throw new Refusal(
    ExitCode.usage,
    `the first moment in the archive is ${shown(notes[0]?.at ?? 0)}, ${shown(at)} is before it`,
  );
}
