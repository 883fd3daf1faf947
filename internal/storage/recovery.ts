/**
 * What a crash may leave, and what is done about it.
 *
 * One batch is in flight at a time, and a segment gets its name only when its header and its zeros are synced. So after a crash:
 *  1. Everything before the last batch that was begun is whole. If it is not, that is damage.
 *  2. The last batch may be there, partly there in any mixture of sectors, or not there at all. Nothing that rests on it
 *     was promised to anybody unless its sync had returned.
 *  3. A temporary file of a segment may be left over; it holds nothing.
 *  4. Segments at the beginning may be gone, oldest first: a snapshot covers what they held. Whether it does is the caller's to say.
 *     The first one left may begin behind entries that it replaces: they were never committed, and are gone with their segments.
 *
 * So a bad batch with nothing valid behind it, in the last segment, is a **torn tail**: it is cut, which is said, and the log
 * goes on in a new segment whose header pins where this one ends. A bad batch with a later valid one behind it, or in a segment
 * that has a successor, is **damage**: the server does not start, and nothing is changed. A read error is neither: it stops
 * the server as what it is.
 *
 * What cannot be told apart, said plainly: a last batch that was synced and rotted afterwards looks torn, as long as nothing
 * was written behind it.
 *
 * Recovery is one sentence: fold the records.
 *
 * @module
 */
import { CorruptLogError } from "../base/errors.ts";
import { isZero } from "../base/bytes.ts";
import { decodeRecord } from "../codec/record.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { Entry, LogIndex } from "../raft/types.ts";
import { type Base, Fold } from "./fold.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  decodeSegmentHeader,
  type LogState,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  serialOf,
} from "./segment.ts";

/** Where the log ended. */
export interface LogEnd {
  readonly serial: number;
  readonly nonce: Uint8Array;
  /** The first byte behind the last batch. */
  readonly offset: number;
  readonly chain: number;
  readonly lastBatch: number;
  /** The file's length. */
  readonly fileBytes: number;
  /** Whether only zeros follow, so that the log may go on there. */
  readonly clean: boolean;
  /** The last batch, if this segment has one: it may be in the cache of the operating system only. */
  readonly lastBatchAt: { readonly offset: number; readonly bytes: Uint8Array } | null;
}

export interface RecoveredLog {
  /** The place before the first entry: the entries up to there are gone, and a snapshot covers them. */
  readonly base: Base;
  readonly entries: readonly Entry[];
  readonly state: LogState;
  readonly end: LogEnd;
  /** Every segment, oldest first, with the highest index that was appended in it. */
  readonly segments: readonly SegmentContent[];
}

/** What a segment holds, as far as it matters for letting go of it. */
export interface SegmentContent {
  readonly serial: number;
  readonly highestIndex: LogIndex;
}

/** Where the batches of the log have got to. */
interface Thread {
  chain: number;
  lastBatch: number;
}

interface SegmentFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly header: SegmentHeader;
}

/** The serials in a log directory, in order. Unknown names are left alone, with a warning. */
export async function listSegments(
  fileSystem: FileSystem,
  directory: string,
  trace: Trace,
): Promise<readonly number[]> {
  const serials: number[] = [];
  for (const name of await fileSystem.readDirectory(directory)) {
    const serial = serialOf(name);
    if (serial !== null) serials.push(serial);
    else if (!name.endsWith(".tmp")) {
      trace.event("warn", "unknown file in the log directory is left alone", { name });
    }
  }
  return serials.sort((a, b) => a - b);
}

/**
 * Reads the whole log.
 *
 * @throws {CorruptLogError} where it is damaged
 * @throws {FileError} where it cannot be read
 */
export async function recoverLog(
  fileSystem: FileSystem,
  directory: string,
  owner: { readonly clusterId: string; readonly serverId: string },
  trace: Trace,
): Promise<RecoveredLog> {
  const serials = await listSegments(fileSystem, directory, trace);
  const first = serials[0];
  if (first === undefined) throw new CorruptLogError(directory, 0, "the log has no segment");
  const beginning = await readHeader(fileSystem, `${directory}/${segmentName(first)}`, first, owner);
  const fold = new Fold(beginning.state);
  const thread: Thread = { chain: beginning.chain, lastBatch: beginning.lastBatch };
  const segments: SegmentContent[] = [];
  let end: LogEnd | null = null;
  for (const [i, serial] of serials.entries()) {
    const path = `${directory}/${segmentName(serial)}`;
    if (serial !== first + i) {
      throw new CorruptLogError(`${directory}/${segmentName(first + i)}`, 0, "the segment is missing");
    }
    const segment = await readSegment(fileSystem, path, serial, owner);
    checkHeader(segment, fold, thread);
    fold.segmentBegins();
    const successor = serials[i + 1];
    const limit = successor === undefined
      ? null
      : (await readHeader(fileSystem, `${directory}/${segmentName(successor)}`, successor, owner))
        .previousEnd;
    end = foldSegment(segment, fold, thread, limit, trace);
    segments.push({ serial, highestIndex: fold.highestIndex });
  }
  if (end === null) throw new CorruptLogError(directory, 0, "the log has no segment");
  return { base: fold.base, entries: fold.entries, state: fold.state, end, segments };
}

async function readSegment(
  fileSystem: FileSystem,
  path: string,
  serial: number,
  owner: { readonly clusterId: string; readonly serverId: string },
): Promise<SegmentFile> {
  const file = await fileSystem.openForReading(path);
  try {
    const bytes = await file.readAt(0, await file.size());
    return { path, bytes, header: headerOf(path, bytes, serial, owner) };
  } finally {
    await file.close();
  }
}

async function readHeader(
  fileSystem: FileSystem,
  path: string,
  serial: number,
  owner: { readonly clusterId: string; readonly serverId: string },
): Promise<SegmentHeader> {
  const file = await fileSystem.openForReading(path);
  try {
    return headerOf(path, await file.readAt(0, SEGMENT_HEADER_BYTES), serial, owner);
  } finally {
    await file.close();
  }
}

function headerOf(
  path: string,
  bytes: Uint8Array,
  serial: number,
  owner: { readonly clusterId: string; readonly serverId: string },
): SegmentHeader {
  const header = decodeSegmentHeader(bytes);
  if (typeof header === "string") throw new CorruptLogError(path, 0, header);
  if (header.serial !== serial) {
    throw new CorruptLogError(path, 0, `the header says segment ${header.serial}, the name ${serial}`);
  }
  if (header.clusterId !== owner.clusterId || header.serverId !== owner.serverId) {
    throw new CorruptLogError(
      path,
      0,
      `the segment belongs to server ${header.serverId} of cluster ${header.clusterId}, ` +
        `not to ${owner.serverId} of ${owner.clusterId}`,
    );
  }
  return header;
}

/** A segment goes on where the one before ended. */
function checkHeader({ path, header }: SegmentFile, fold: Fold, thread: Thread): void {
  if (header.previousSerial !== header.serial - 1) {
    throw new CorruptLogError(path, 0, `the header says that segment ${header.previousSerial} is before it`);
  }
  if (header.chain !== thread.chain || header.lastBatch !== thread.lastBatch) {
    throw new CorruptLogError(
      path,
      0,
      `the header goes on after batch ${header.lastBatch}, the log before ends with ${thread.lastBatch}`,
    );
  }
  const [was, is] = [fold.state, header.state].map((state) => JSON.stringify(state));
  if (was !== is) {
    throw new CorruptLogError(
      path,
      0,
      `the header says that the log before came to ${is}, it came to ${was}`,
    );
  }
}

/** Folds the batches of one segment: up to `limit` where a successor pins it, else up to the end of the log. */
function foldSegment(
  { path, bytes, header }: SegmentFile,
  fold: Fold,
  thread: Thread,
  limit: number | null,
  trace: Trace,
): LogEnd {
  let at = SEGMENT_HEADER_BYTES;
  let lastBatchAt: LogEnd["lastBatchAt"] = null;
  let clean = true;
  while (at !== limit) {
    if (limit === null && isZero(bytes, at, bytes.length)) break;
    const batch = batchAt(bytes, at, header.nonce, thread);
    if (typeof batch === "string") {
      if (limit !== null) {
        throw new CorruptLogError(path, at, `${batch}, and the log goes on in the next segment`);
      }
      const later = findBatch(bytes, at + ALIGNMENT, header.nonce);
      if (later !== null) {
        throw new CorruptLogError(
          path,
          at,
          `${batch}, and batch ${later.number} follows at offset ${later.at}`,
        );
      }
      trace.event("info", "torn tail is cut", {
        file: path,
        offset: at,
        found: batch,
        lastIndex: fold.last.index,
      });
      clean = false;
      break;
    }
    foldRecords(path, bytes, at, batch.recordsEnd, fold);
    thread.chain = batch.checksum;
    thread.lastBatch = batch.number;
    lastBatchAt = { offset: at, bytes: bytes.subarray(at, batch.end) };
    at = batch.end;
    if (limit !== null && at > limit) {
      throw new CorruptLogError(path, at, `the next segment says that this one ends at ${limit}`);
    }
  }
  return {
    serial: header.serial,
    nonce: header.nonce,
    offset: at,
    chain: thread.chain,
    lastBatch: thread.lastBatch,
    fileBytes: bytes.length,
    clean,
    lastBatchAt,
  };
}

interface FoundBatch {
  readonly number: number;
  readonly checksum: number;
  readonly recordsEnd: number;
  readonly end: number;
}

function batchAt(bytes: Uint8Array, at: number, nonce: Uint8Array, thread: Thread): FoundBatch | string {
  const header = decodeBatchHeader(bytes, at, nonce);
  if (typeof header === "string") return header;
  if (header.number !== thread.lastBatch + 1) {
    return `batch ${header.number} follows batch ${thread.lastBatch}`;
  }
  if (header.chain !== thread.chain) return `batch ${header.number} does not go on from the batch before it`;
  const body = checkBatchBody(bytes, at, header);
  if (typeof body === "string") return body;
  return { number: header.number, checksum: header.checksum, ...body };
}

/** Any batch of this segment behind a place; only one that was synced can have a successor. */
function findBatch(
  bytes: Uint8Array,
  from: number,
  nonce: Uint8Array,
): { readonly at: number; readonly number: number } | null {
  for (let at = from; at + BATCH_HEADER_BYTES <= bytes.length; at += ALIGNMENT) {
    const header = decodeBatchHeader(bytes, at, nonce);
    if (typeof header !== "string") return { at, number: header.number };
  }
  return null;
}

function foldRecords(path: string, bytes: Uint8Array, batchOffset: number, end: number, fold: Fold): void {
  const records = bytes.subarray(0, end);
  for (let at = batchOffset + BATCH_HEADER_BYTES; at < end;) {
    const found = decodeRecord(records, at);
    if (typeof found === "string") throw new CorruptLogError(path, at, found);
    const objection = fold.take(found.record);
    if (objection !== null) throw new CorruptLogError(path, at, objection);
    at = found.end;
  }
}
