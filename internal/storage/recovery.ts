/**
 * What a crash may leave, and what is done about it.
 *
 * One batch is in flight at a time, and a segment gets its name only when its header and its zeros are synced. So after a crash:
 *  1. Everything before the last batch that was begun is whole. If it is not, that is damage.
 *  2. The last batch may be there, partly there in any mixture of sectors, or not there at all. Nothing that rests on it
 *     was promised to anybody unless its sync had returned.
 *  3. A temporary file of a segment may be left over; it holds nothing.
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
import type { Entry, HardState } from "../raft/types.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  decodeSegmentHeader,
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
  readonly hardState: HardState;
  readonly entries: Entry[];
  readonly end: LogEnd;
}

/** What is being folded, and what the fold has come to. */
interface Fold {
  hardState: HardState;
  readonly entries: Entry[];
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
  const fold: Fold = { hardState: { currentTerm: 0, votedFor: null }, entries: [], chain: 0, lastBatch: 0 };
  let end: LogEnd | null = null;
  let last: SegmentFile | null = null;
  for (const [i, serial] of serials.entries()) {
    const path = `${directory}/${segmentName(serial)}`;
    if (serial !== i + 1) {
      throw new CorruptLogError(`${directory}/${segmentName(i + 1)}`, 0, "the segment is missing");
    }
    const segment = await readSegment(fileSystem, path, serial, owner);
    if (last !== null && end !== null) checkPinned(last, segment);
    checkHeader(segment, fold, last?.header.serial ?? 0);
    const successor = serials[i + 1];
    const limit = successor === undefined
      ? null
      : (await readHeader(fileSystem, `${directory}/${segmentName(successor)}`, successor, owner))
        .previousEnd;
    end = foldSegment(segment, fold, limit, trace);
    last = segment;
  }
  if (end === null) throw new CorruptLogError(directory, 0, "the log has no segment");
  return { hardState: fold.hardState, entries: fold.entries, end };
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
function checkPinned(before: SegmentFile, { path, header }: SegmentFile): void {
  if (header.previousSerial !== before.header.serial) {
    throw new CorruptLogError(path, 0, `the header says that segment ${header.previousSerial} is before it`);
  }
}

function checkHeader({ path, header }: SegmentFile, fold: Fold, previousSerial: number): void {
  if (previousSerial === 0 && header.previousSerial !== 0) {
    throw new CorruptLogError(path, 0, `segment ${header.previousSerial}, which is before it, is missing`);
  }
  if (header.chain !== fold.chain || header.lastBatch !== fold.lastBatch) {
    throw new CorruptLogError(
      path,
      0,
      `the header goes on after batch ${header.lastBatch}, the log before ends with ${fold.lastBatch}`,
    );
  }
  const { currentTerm, votedFor } = header.hardState;
  if (currentTerm !== fold.hardState.currentTerm || votedFor !== fold.hardState.votedFor) {
    throw new CorruptLogError(
      path,
      0,
      `the header repeats term ${currentTerm}, the log before says ${fold.hardState.currentTerm}`,
    );
  }
}

/** Folds the batches of one segment: up to `limit` where a successor pins it, else up to the end of the log. */
function foldSegment(
  { path, bytes, header }: SegmentFile,
  fold: Fold,
  limit: number | null,
  trace: Trace,
): LogEnd {
  let at = SEGMENT_HEADER_BYTES;
  let lastBatchAt: LogEnd["lastBatchAt"] = null;
  let clean = true;
  while (at !== limit) {
    if (limit === null && isZero(bytes, at, bytes.length)) break;
    const batch = batchAt(bytes, at, header.nonce, fold);
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
        lastIndex: fold.entries.length,
      });
      clean = false;
      break;
    }
    foldRecords(path, bytes, at, batch.recordsEnd, fold);
    fold.chain = batch.checksum;
    fold.lastBatch = batch.number;
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
    chain: fold.chain,
    lastBatch: fold.lastBatch,
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

function batchAt(bytes: Uint8Array, at: number, nonce: Uint8Array, fold: Fold): FoundBatch | string {
  const header = decodeBatchHeader(bytes, at, nonce);
  if (typeof header === "string") return header;
  if (header.number !== fold.lastBatch + 1) return `batch ${header.number} follows batch ${fold.lastBatch}`;
  if (header.chain !== fold.chain) return `batch ${header.number} does not go on from the batch before it`;
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
    const objection = foldRecord(found.record, fold);
    if (objection !== null) throw new CorruptLogError(path, at, objection);
    at = found.end;
  }
}

function foldRecord(
  record: Exclude<ReturnType<typeof decodeRecord>, string>["record"],
  fold: Fold,
): string | null {
  const lastIndex = fold.entries.length;
  switch (record.kind) {
    case "entry": {
      const { index, term } = record.entry;
      if (index !== lastIndex + 1) return `entry ${index} follows entry ${lastIndex}`;
      const lastTerm = fold.entries.at(-1)?.term ?? 0;
      if (term < lastTerm || term > fold.hardState.currentTerm) {
        return `entry ${index} has term ${term}, after ${lastTerm} and in term ${fold.hardState.currentTerm}`;
      }
      fold.entries.push(record.entry);
      return null;
    }
    case "hardState": {
      if (record.hardState.currentTerm < fold.hardState.currentTerm) {
        return `term ${record.hardState.currentTerm} follows term ${fold.hardState.currentTerm}`;
      }
      fold.hardState = record.hardState;
      return null;
    }
    case "reset":
    case "commit":
      return `a ${record.kind} record is not known yet`;
    case "truncate":
      if (record.from > lastIndex) return `the log is cut at ${record.from}, its last entry is ${lastIndex}`;
      fold.entries.length = record.from - 1;
      return null;
  }
}
