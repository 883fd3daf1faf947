/**
 * Closed segments of the log, copied elsewhere as they close, for restores to a point in time.
 *
 *     ARCHIVE/<cluster id>/<server id>/log-0000000001.seg       a closed segment, byte for byte
 *                                      times-0000000002.jsonl   what was applied when, while that segment was written
 *
 * A line of the times is `{"at":"2026-11-26T01:02:03.456Z","index":1234} 89abcdef`: at that moment, by this server's clock, everything up to
 * that index was applied here; then the CRC32C of the object. A line that is cut short is none.
 *
 * Keeps true:
 *  1. A file of the archive that has a segment's name is the whole segment, read back and durable.
 *  2. The server never waits for the archive, and never fails with it: what cannot be copied is told and tried again.
 *  3. The log lets go of a segment only when it is archived, as long as not too many wait; then the archive has a gap, which is told, and
 *     which a restore finds.
 *  4. A segment in the archive is never written over. Another one under the same name is a conflict, and nothing is archived any more.
 *
 * This is bulk work: pieces of bounded size, one at a time.
 *
 * @module
 */
import { describeError } from "../base/errors.ts";
import { crc32c } from "../codec/crc32c.ts";
import { FileError, type FileHandle, type FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { LogIndex } from "../raft/types.ts";
import { SEGMENT_HEADER_BYTES, segmentName, serialOf } from "./segment.ts";

const PIECE_BYTES = 256 * 1024;
/** After a failure, the next try waits so long. */
const RETRY_MS = 5000;
/** A moment is noted at least so often, also when nothing was applied. */
const NOTE_EVERY_MS = 60_000;

export interface ArchiverOptions {
  readonly fileSystem: FileSystem;
  /** Where the log is. */
  readonly log: string;
  /** Where the archive is, for all clusters and servers. */
  readonly archive: string;
  readonly clusterId: string;
  readonly serverId: string;
  readonly trace: Trace;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly now: () => number;
  readonly appliedIndex: () => LogIndex;
  /** So many segments wait for the archive before the log lets go of one that is not there. */
  readonly waitingMax: number;
  /** Something was archived: the log may let go of more. */
  readonly onArchived: () => void;
}

/** The directory of one server's segments. */
export function archiveDirectory(archive: string, clusterId: string, serverId: string): string {
  return `${archive}/${clusterId}/${serverId}`;
}

/** The name of the times that were noted while a segment was written. */
function timesName(serial: number): string {
  return `times-${String(serial).padStart(10, "0")}.jsonl`;
}

/** Whether a name is one of those. */
export function isTimesName(name: string): boolean {
  return /^times-\d{10}\.jsonl$/.test(name);
}

/** A moment, and what was applied then. */
export interface TimeNote {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly index: LogIndex;
}

function encodeNote({ at, index }: TimeNote): string {
  const line = JSON.stringify({ at: new Date(at).toISOString(), index });
  return `${line} ${sumOf(line)}\n`;
}

/** The moment in a line, or `null` where it is not what was written. */
export function decodeNote(line: string): TimeNote | null {
  const at = line.length - 9;
  const text = line.slice(0, at);
  if (at < 1 || line.slice(at) !== ` ${sumOf(text)}`) return null;
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !("at" in value) || !("index" in value)) return null;
  const moment = typeof value.at === "string" ? Date.parse(value.at) : NaN;
  return Number.isNaN(moment) || typeof value.index !== "number" ? null : { at: moment, index: value.index };
}

function sumOf(text: string): string {
  return crc32c(new TextEncoder().encode(text)).toString(16).padStart(8, "0");
}

export class Archiver {
  readonly #options: ArchiverOptions;
  readonly #directory: string;
  /** The serials that are archived; `null` while the archive could not be looked at. */
  #archived: Set<number> | null = null;
  #isInConflict = false;
  #retryAt = -Infinity;
  /** What was told last, so that the same is not told every time. */
  #complaint: string | null = null;
  #times: { readonly serial: number; readonly file: FileHandle; end: number } | null = null;
  #noted: TimeNote | null = null;
  /** Segments that the log let go of unarchived. */
  #gaps = 0;

  constructor(options: ArchiverOptions) {
    this.#options = options;
    this.#directory = archiveDirectory(options.archive, options.clusterId, options.serverId);
  }

  /** Whether the log may let go of that segment, while it writes the other one. */
  mayRemove(serial: number, written: number): boolean {
    if (this.#archived?.has(serial) ?? false) return true;
    if (written - serial <= this.#options.waitingMax) return false;
    this.#gaps++;
    this.#options.trace.event("error", "a segment is let go of that is not archived: the archive has a gap", {
      segment: segmentName(serial),
      gaps: this.#gaps,
    });
    return true;
  }

  /** Notes the moment, and copies what was closed since. Never fails. */
  async tick(): Promise<void> {
    const { now, trace } = this.#options;
    if (this.#isInConflict || now() < this.#retryAt) return;
    try {
      this.#archived ??= await this.#look();
      if (this.#isInConflict) return;
      const serials = await this.#serials();
      await this.#note(serials.at(-1) ?? 0);
      for (const serial of serials.slice(0, -1)) {
        if (this.#archived.has(serial)) continue;
        if (!(await this.#copy(serial))) continue;
        this.#archived.add(serial);
        this.#options.onArchived();
      }
      if (this.#complaint !== null) trace.event("info", "the archive works again");
      this.#complaint = null;
    } catch (error) {
      this.#retryAt = now() + RETRY_MS;
      this.#archived = null;
      const [times, reason] = [this.#times, describeError(error)];
      this.#times = null;
      // It failed already: nothing rests on its end.
      await times?.file.close().catch(() => {});
      if (reason !== this.#complaint) {
        trace.event("warn", "cannot archive, and tries again", { archive: this.#directory, reason });
      }
      this.#complaint = reason;
    }
  }

  async close(): Promise<void> {
    const times = this.#times;
    this.#times = null;
    await times?.file.close();
  }

  async #serials(): Promise<readonly number[]> {
    const names = await this.#options.fileSystem.readDirectory(this.#options.log);
    return names.map(serialOf).filter((serial) => serial !== null).sort((a, b) => a - b);
  }

  /** What is archived already; what an attempt left over goes. */
  async #look(): Promise<Set<number>> {
    const { fileSystem, log, trace } = this.#options;
    await fileSystem.makeDirectory(this.#directory);
    const here = new Set(await this.#serials());
    const archived = new Set<number>();
    for (const name of await fileSystem.readDirectory(this.#directory)) {
      if (name.endsWith(".tmp")) await fileSystem.remove(`${this.#directory}/${name}`);
      const serial = serialOf(name);
      if (serial === null) continue;
      if (here.has(serial) && !(await this.#isSame(`${log}/${name}`, `${this.#directory}/${name}`))) {
        this.#isInConflict = true;
        trace.event("error", "the archive has another segment of that name: nothing is archived any more", {
          file: `${this.#directory}/${name}`,
        });
      }
      archived.add(serial);
    }
    await fileSystem.syncDirectory(this.#directory);
    return archived;
  }

  /** Whether two segments are one: the nonce in their headers tells. */
  async #isSame(one: string, other: string): Promise<boolean> {
    const sums: number[] = [];
    for (const path of [one, other]) {
      const file = await this.#options.fileSystem.openForReading(path);
      try {
        sums.push(crc32c(await file.readAt(0, SEGMENT_HEADER_BYTES)));
      } finally {
        await file.close();
      }
    }
    return sums[0] === sums[1];
  }

  /** Copies a segment; `false` where the log let go of it meanwhile. */
  async #copy(serial: number): Promise<boolean> {
    const { fileSystem, log } = this.#options;
    const name = segmentName(serial);
    const temporary = `${this.#directory}/${name}.tmp`;
    let source: FileHandle;
    try {
      source = await fileSystem.openForReading(`${log}/${name}`);
    } catch (error) {
      if (error instanceof FileError && error.code === "ENOENT") return false;
      throw error;
    }
    try {
      const target = await fileSystem.create(temporary);
      try {
        const size = await source.size();
        for (let at = 0; at < size; at += PIECE_BYTES) {
          await target.writeAt(at, await source.readAt(at, PIECE_BYTES));
        }
        await target.sync();
        await compare(source, target);
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
    // Where the log let go of it, its file may be another segment by now.
    if (!(await this.#serials()).includes(serial)) {
      await fileSystem.remove(temporary);
      return false;
    }
    await fileSystem.rename(temporary, `${this.#directory}/${name}`);
    await fileSystem.syncDirectory(this.#directory);
    return true;
  }

  /** Writes down what is applied now, where that is news. */
  async #note(serial: number): Promise<void> {
    const note = { at: this.#options.now(), index: this.#options.appliedIndex() };
    const last = this.#noted;
    if (last !== null && last.index === note.index && note.at - last.at < NOTE_EVERY_MS) return;
    const times = this.#times?.serial === serial ? this.#times : await this.#openTimes(serial);
    const bytes = new TextEncoder().encode(encodeNote(note));
    await times.file.writeAt(times.end, bytes);
    await times.file.sync();
    times.end += bytes.length;
    this.#noted = note;
  }

  async #openTimes(serial: number) {
    const { fileSystem } = this.#options;
    const before = this.#times;
    this.#times = null;
    await before?.file.close();
    const path = `${this.#directory}/${timesName(serial)}`;
    const isThere = (await fileSystem.readDirectory(this.#directory)).includes(timesName(serial));
    const file = isThere ? await fileSystem.openForWriting(path) : await fileSystem.create(path);
    await fileSystem.syncDirectory(this.#directory);
    // A line that was cut short ends here, and is none.
    if (isThere) await file.writeAt(await file.size(), Uint8Array.of(10));
    const times = { serial, file, end: await file.size() };
    this.#times = times;
    return times;
  }
}

/** @throws {Error} where what was written is not what was read */
async function compare(source: FileHandle, target: FileHandle): Promise<void> {
  const size = await source.size();
  if (await target.size() !== size) throw new Error(`${target.path} has another length than ${source.path}`);
  for (let at = 0; at < size; at += PIECE_BYTES) {
    const [one, other] = [await source.readAt(at, PIECE_BYTES), await target.readAt(at, PIECE_BYTES)];
    if (one.length !== other.length || crc32c(one) !== crc32c(other)) {
      throw new Error(`${target.path} differs from ${source.path} at offset ${at}`);
    }
  }
}
