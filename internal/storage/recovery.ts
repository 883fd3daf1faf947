/**
 * What a crash may leave, and what is done about it.
 *
 * One batch is in flight at a time, a segment gets its footer when its last batch is durable, and the next one gets its name only when that
 * footer and its own header and zeros are synced. So after a crash:
 *  1. Everything before the last batch that was begun is whole. If it is not, that is damage.
 *  2. The last batch may be there, partly there in any mixture of sectors, or not there at all. Nothing that rests on it
 *     was promised to anybody unless its sync had returned.
 *  3. A temporary file of a segment may be left over; it holds nothing.
 *  4. Segments at the beginning may be gone, oldest first: a snapshot covers what they held. Whether it does is the caller's to say.
 *     The first one left may begin behind entries that it replaces: they were never committed, and are gone with their segments.
 *  5. The last segment may have its footer, or a part of it: then it was closed, and the log goes on in a new one.
 *
 * So a bad batch with nothing valid behind it, in the last segment, is a **torn tail**: it is cut, which is said, and the log
 * goes on in a new segment whose header pins where this one ends. A bad batch with a later valid one behind it, or in a segment that has
 * a successor, or a footer, or that was certainly durable, is **damage**, and so is a log that ends before a batch that was, and a last
 * segment that is shorter than its header says. What is before
 * the damage is given all the same; nothing is changed here, and what becomes of it is the caller's to say (repair.ts). Bytes that the
 * disk cannot read (bad_sectors.ts) are damage wherever they are in the log or may be: they are never taken for its end, and no bad batch
 * before them for a torn tail. The footer of a segment that has a successor says nothing that the header of that one and the chain of the
 * batches do not prove: where it is damaged, that is said, and nothing is lost. Any other error when reading is neither: it stops the server as what it is.
 *
 * What cannot be told apart, said plainly: a last batch that was synced and rotted afterwards looks torn, as long as nothing
 * was written behind it and nobody wrote down that it was durable (promises.ts).
 *
 * Recovery is one sentence: fold the records.
 *
 * @module
 */
import { CorruptLogError } from "../base/errors.ts";
import { decodeRecord } from "../codec/record.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { Entry, LogIndex, LogPosition } from "../raft/types.ts";
import { type Hole, holeBetween, readAround, wordsOf } from "./bad_sectors.ts";
import { BLOCK_CHECKED_BYTES, isOfOtherVersion } from "./block.ts";
import { type Base, Fold } from "./fold.ts";
import {
  batchesLimit,
  encodeFooter,
  footerIn,
  footerOf,
  footerPlace,
  isCutShort,
  objectionToFooter,
  type SegmentFooter,
} from "./footer.ts";
import { ReadAhead } from "./read_ahead.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  decodeSegmentHeader,
  endsAt,
  findBatch,
  isQuarantined,
  type LogState,
  RESERVE_NAME,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  serialOf,
} from "./segment.ts";
import { type Kept, type Replay, Settling } from "./settling.ts";
import type { Tally } from "./tally.ts";

/** Where the log ended. */
export interface LogEnd {
  readonly serial: number;
  readonly nonce: Uint8Array;
  /** The first byte behind the last batch. */
  readonly offset: number;
  readonly chain: number;
  readonly lastBatch: number;
  /** Up to where batches may stand. */
  readonly limit: number;
  /** Where the footer goes when the segment closes; `null` in the first format. */
  readonly footerAt: number | null;
  /** What is in this segment. */
  readonly tally: Tally;
  /** Whether the zeros follow that follow the end of a log, so that it may go on there. */
  readonly clean: boolean;
  /** So many zeros follow the last batch at least, and up to where there are some. */
  readonly zeros: number;
  readonly zeroedTo: number;
  /** The last batch, if this segment has one: it may be in the cache of the operating system only. */
  readonly lastBatchAt: { readonly offset: number; readonly bytes: Uint8Array } | null;
}

export interface RecoveredLog {
  /** The place before the first entry: the entries up to there are gone, and a snapshot covers them. */
  readonly base: Base;
  /** The entries from behind `kept` on, or from behind `base` where that is `null`. */
  readonly entries: readonly Entry[];
  readonly kept: Kept | null;
  readonly state: LogState;
  readonly end: LogEnd;
  /** Every segment, oldest first, with the highest index that was appended in it. */
  readonly segments: readonly SegmentContent[];
}

/** What a segment holds, as far as it matters for letting go of it. */
export interface SegmentContent {
  readonly serial: number;
  readonly highestIndex: LogIndex;
  /** Where its footer has its place; `null` where its file is not to be written again, as the disk may not read all of it. */
  readonly footerAt: number | null;
}

/** Who takes what is settled while the log is read, and which snapshot it begins behind; 0 and 0 for none. */
export interface Replaying {
  readonly replay: Replay;
  readonly snapshot: LogPosition;
}

/** How far a long log is read is told every so many bytes. */
const PROGRESS_BYTES = 64 * 1024 * 1024;

/** Where the batches of the log have got to. */
interface Thread {
  chain: number;
  lastBatch: number;
}

interface SegmentFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly holes: readonly Hole[];
  readonly header: SegmentHeader;
  readonly footer: ReturnType<typeof footerIn>;
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
    else if (!name.endsWith(".tmp") && !isQuarantined(name) && name !== RESERVE_NAME) {
      trace.event("warn", "unknown file in the log directory is left alone", { name });
    }
  }
  return serials.sort((a, b) => a - b);
}

/** What was certainly durable: the number of a batch, and the serial of a segment. */
export interface Durable {
  readonly lastBatch: number;
  readonly serial: number;
}

/** What a log gives back. */
export interface ReadLog {
  /** The log up to the damage, or all of it; `null` where not even its beginning is there. */
  readonly log: RecoveredLog | null;
  /** What is wrong behind that; `null` for a whole log. */
  readonly damage: CorruptLogError | null;
  /** The serials of all segments that were found, in order. */
  readonly serials: readonly number[];
}

/**
 * What is whole, and yet says what cannot be, or is of another format: no disk did that, so nobody knows what did, and no part of the log is
 * trusted. Never repaired.
 */
class Contradiction extends CorruptLogError {}

interface Owner {
  readonly clusterId: string;
  readonly serverId: string;
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
  owner: Owner,
  trace: Trace,
): Promise<RecoveredLog> {
  const { log, damage } = await readLog(fileSystem, directory, owner, trace, { lastBatch: 0, serial: 0 });
  if (damage !== null) throw damage;
  if (log === null) throw new CorruptLogError(directory, 0, "the log has no segment");
  return log;
}

/** From which segment on a log is read, if a snapshot of that place covers what is before it. */
interface Behind {
  readonly serial: number;
  readonly snapshot: LogPosition;
}

/**
 * Reads the log up to where it is damaged. What was handed on to be replayed was whole; where there is damage further on, the caller
 * begins again without a replay. Segments before the one that it is read from count as if all of them might go.
 *
 * @throws {Contradiction} where batches that are whole say what cannot be
 * @throws {FileError} where it cannot be read
 */
export async function readLog(
  fileSystem: FileSystem,
  directory: string,
  owner: Owner,
  trace: Trace,
  durable: Durable,
  replaying: Replaying | null = null,
  behind: Behind | null = null,
): Promise<ReadLog> {
  const serials = await listSegments(fileSystem, directory, trace);
  const read = serials.filter((serial) => serial >= (behind?.serial ?? 0));
  const first = read[0];
  if (first === undefined) {
    return { log: null, damage: new CorruptLogError(directory, 0, "the log has no segment"), serials };
  }
  const pathOf = (serial: number) => `${directory}/${segmentName(serial)}`;
  const beginning = await readHeader(fileSystem, pathOf(first), first, owner);
  if (beginning instanceof CorruptLogError) return { log: null, damage: beginning, serials };
  const { last } = beginning.state;
  if (behind !== null && !isCovered(last, behind.snapshot)) {
    const found = `the log begins behind index ${last.index}, and no snapshot covers what is before it`;
    return { log: null, damage: new CorruptLogError(pathOf(first), 0, found), serials };
  }
  const fold = new Fold(beginning.state);
  const settling = replaying === null ? null : new Settling(fold, replaying.replay, replaying.snapshot);
  const thread: Thread = { chain: beginning.chain, lastBatch: beginning.lastBatch };
  const segments: SegmentContent[] = serials.filter((serial) => serial < first)
    .map((serial) => ({ serial, highestIndex: last.index, footerAt: null }));
  const files = new ReadAhead(fileSystem);
  const progress = new Progress(read.length, trace);
  let end: LogEnd | null = null;
  let damage: CorruptLogError | null = null;
  try {
    for (const [i, serial] of read.entries()) {
      const path = pathOf(serial);
      if (serial !== first + i) {
        damage = new CorruptLogError(pathOf(first + i), 0, "the segment is missing");
        break;
      }
      const next = read[i + 1];
      const { bytes, holes } = await files.take(path, next === undefined ? null : pathOf(next));
      const segment = segmentOf(path, bytes, holes, serial, owner);
      damage = segment instanceof CorruptLogError ? segment : objectionToHeader(segment, fold, thread);
      if (segment instanceof CorruptLogError || damage !== null) break;
      fold.segmentBegins(segment.header.state);
      const successor = read[i + 1];
      const limit = successor === undefined
        ? null
        : await limitOf(fileSystem, pathOf(successor), successor, serial, owner);
      const folded = foldSegment(segment, fold, thread, limit, durable, trace);
      end = folded.end;
      const footerAt = holes.length === 0 ? end.footerAt : null;
      segments.push({ serial, highestIndex: fold.tally.highestIndex, footerAt });
      damage = folded.damage;
      if (damage !== null) break;
      settling?.settle();
      progress.read(bytes.length, i + 1, fold.last.index);
    }
  } catch (error) {
    await files.end().catch(() => {});
    throw error;
  }
  await files.end();
  if (end === null) return { log: null, damage: damage ?? beginningOnly(directory), serials };
  if (damage === null && end.serial < durable.serial) {
    damage = new CorruptLogError(pathOf(end.serial + 1), 0, "the segment is missing");
  }
  if (damage === null && end.lastBatch < durable.lastBatch) {
    const found = `the log ends with batch ${end.lastBatch}, batch ${durable.lastBatch} was on the disk`;
    damage = new CorruptLogError(pathOf(end.serial), end.offset, found);
  }
  const base = settling?.base ?? fold.base;
  const kept = settling?.kept ?? null;
  const log = { base, kept, entries: fold.entries, state: fold.state, end, segments };
  return { log, damage, serials };
}

/**
 * The same log, where a part of it is damaged that a snapshot of that place covers, as if it were let go of up to there: from the first segment
 * on behind which all is whole. `null` where there is none.
 */
export async function readBehindDamage(
  fileSystem: FileSystem,
  directory: string,
  owner: Owner,
  trace: Trace,
  durable: Durable,
  damaged: ReadLog,
  snapshot: LogPosition,
): Promise<ReadLog | null> {
  let read = damaged;
  for (const serial of damaged.serials.slice(1)) {
    if (serial <= (read.log?.end.serial ?? 0)) continue;
    read = await readLog(fileSystem, directory, owner, trace, durable, null, { serial, snapshot });
    if (read.damage === null) return read;
  }
  return null;
}

function isCovered({ index, term }: LogPosition, snapshot: LogPosition): boolean {
  return index < snapshot.index || (index === snapshot.index && term === snapshot.term);
}

function beginningOnly(directory: string): CorruptLogError {
  return new CorruptLogError(directory, 0, "the log has no whole segment");
}

/** Where a segment ends according to its successor; `unknown` where that is not to be trusted. */
async function limitOf(
  fileSystem: FileSystem,
  path: string,
  serial: number,
  before: number,
  owner: Owner,
): Promise<number | "unknown"> {
  const header = await readHeader(fileSystem, path, serial, owner);
  if (header instanceof CorruptLogError || header.previousSerial !== before) return "unknown";
  return header.previousEnd;
}

function segmentOf(
  path: string,
  bytes: Uint8Array,
  holes: readonly Hole[],
  serial: number,
  owner: Owner,
): SegmentFile | CorruptLogError {
  const header = headerOf(path, bytes, holes, serial, owner);
  if (header instanceof CorruptLogError) return header;
  const footer = footerIn(bytes, holes, header);
  if (typeof footer === "string" && isOfOtherVersion(footer)) {
    throw new Contradiction(path, footerPlace(header.bytes ?? 0), footer);
  }
  return { path, bytes, holes, header, footer };
}

/** Tells how far a long log is read. */
class Progress {
  readonly #segments: number;
  readonly #trace: Trace;
  #bytes = 0;
  #told = 0;

  constructor(segments: number, trace: Trace) {
    this.#segments = segments;
    this.#trace = trace;
  }

  read(bytes: number, segments: number, index: LogIndex): void {
    this.#bytes += bytes;
    if (segments === this.#segments || this.#bytes < this.#told + PROGRESS_BYTES) return;
    this.#told = this.#bytes;
    this.#trace.event("info", "recovering the log", {
      segments: `${segments} of ${this.#segments}`,
      megabytes: Math.round(this.#bytes / 1e6),
      index,
    });
  }
}

async function readHeader(
  fileSystem: FileSystem,
  path: string,
  serial: number,
  owner: Owner,
): Promise<SegmentHeader | CorruptLogError> {
  const file = await fileSystem.openForReading(path);
  try {
    const { bytes, holes } = await readAround(file, 0, SEGMENT_HEADER_BYTES);
    return headerOf(path, bytes, holes, serial, owner);
  } finally {
    await file.close();
  }
}

/** The header of a segment, or why it is not that of this segment of this server. */
export function headerOf(
  path: string,
  bytes: Uint8Array,
  holes: readonly Hole[],
  serial: number,
  owner: Owner,
): SegmentHeader | CorruptLogError {
  const hole = holeBetween(holes, 0, SEGMENT_HEADER_BYTES);
  if (hole !== null) return new CorruptLogError(path, 0, wordsOf(hole), { damaged: "unreadable" });
  const header = decodeSegmentHeader(bytes);
  if (typeof header === "string" && isOfOtherVersion(header)) throw new Contradiction(path, 0, header);
  if (typeof header === "string") return new CorruptLogError(path, 0, header);
  if (header.serial !== serial) {
    return new CorruptLogError(path, 0, `the header says segment ${header.serial}, the name ${serial}`);
  }
  if (header.clusterId !== owner.clusterId || header.serverId !== owner.serverId) {
    return new CorruptLogError(
      path,
      0,
      `the segment belongs to server ${header.serverId} of cluster ${header.clusterId}, ` +
        `not to ${owner.serverId} of ${owner.clusterId}`,
    );
  }
  return header;
}

/** A segment goes on where the one before ended. */
function objectionToHeader(
  { path, header }: SegmentFile,
  fold: Fold,
  thread: Thread,
): CorruptLogError | null {
  if (header.previousSerial !== header.serial - 1) {
    const found = `the header says that segment ${header.previousSerial} is before it`;
    return new CorruptLogError(path, 0, found);
  }
  if (header.chain !== thread.chain || header.lastBatch !== thread.lastBatch) {
    const found =
      `the header goes on after batch ${header.lastBatch}, the log before ends with ${thread.lastBatch}`;
    return new CorruptLogError(path, 0, found);
  }
  const objection = fold.objectionTo(header.state);
  if (objection !== null) throw new Contradiction(path, 0, objection);
  return null;
}

/**
 * Folds the batches of one segment: up to `limit` where a successor pins it, else up to where its footer says, else up to the end of the log
 * or, where there is a successor that does not say, as far as they go.
 */
function foldSegment(
  segment: SegmentFile,
  fold: Fold,
  thread: Thread,
  limit: number | "unknown" | null,
  durable: Durable,
  trace: Trace,
): { readonly end: LogEnd; readonly damage: CorruptLogError | null } {
  const { path, header, footer } = segment;
  const bytes = segment.bytes.subarray(0, batchesLimit(segment.bytes, header));
  const sealed = typeof footer === "string" ? null : footer;
  const pinned = typeof limit === "number" ? limit : sealed?.end ?? null;
  let at = SEGMENT_HEADER_BYTES;
  let lastBatchAt: LogEnd["lastBatchAt"] = null;
  let clean = true;
  let damage: CorruptLogError | null = null;
  while (at !== pinned) {
    if (pinned === null && endsAt(bytes, at, header)) break;
    const batch = batchAt(bytes, at, header.nonce, thread);
    if (typeof batch === "string") {
      clean = false;
      const cut = footerOf(header, { ...header, offset: at, tally: fold.tally }, thread, fold.last);
      damage = damageOf(segment, bytes, at, batch, limit, thread, durable, cut);
      if (damage !== null) break;
      trace.event("info", "torn tail is cut", {
        file: path,
        offset: at,
        found: batch,
        lastIndex: fold.last.index,
      });
      break;
    }
    if (pinned !== null && batch.end > pinned) {
      clean = false;
      const who = typeof limit === "number" ? "the next segment" : "the footer";
      damage = new CorruptLogError(path, batch.end, `${who} says that this one ends at ${pinned}`);
      break;
    }
    foldRecords(path, bytes, at, batch.recordsEnd, fold);
    thread.chain = batch.checksum;
    thread.lastBatch = batch.number;
    lastBatchAt = { offset: at, bytes: bytes.subarray(at, batch.end) };
    at = batch.end;
  }
  const end = {
    serial: header.serial,
    nonce: header.nonce,
    offset: at,
    chain: thread.chain,
    lastBatch: thread.lastBatch,
    limit: bytes.length,
    footerAt: header.bytes === null ? null : footerPlace(header.bytes),
    tally: fold.tally,
    clean: clean && footer === null,
    zeros: header.zeros,
    zeroedTo: Math.min(bytes.length, at + header.zeros),
    lastBatchAt,
  };
  if (damage === null && limit === null) damage = cutShort(segment, at);
  if (damage !== null || end.footerAt === null) return { end, damage };
  const objection = objectionToFooter(footer, footerOf(header, end, thread, fold.last));
  if (objection === null || (footer === null && limit === null)) return { end, damage };
  if (sealed !== null && limit === null) throw new Contradiction(path, end.footerAt, objection);
  const fields = { file: path, offset: end.footerAt, found: objection };
  if (limit === null) trace.event("warn", "a footer that is not whole is written anew", fields);
  else trace.event("error", "the footer of a segment is damaged, and nothing is lost by it", fields);
  return { end, damage };
}

/** A segment has all of its bytes before it has its name. A byte that is left behind the last batch says that no other one followed. */
function cutShort({ path, bytes, header }: SegmentFile, at: number): CorruptLogError | null {
  if (!isCutShort(bytes, header) || at < bytes.length) return null;
  const found = `the file has ${bytes.length} bytes, and had ${header.bytes}: it is cut short`;
  return new CorruptLogError(path, bytes.length, found);
}

/** Why a bad batch is damage, or `null` where it is a torn tail. */
function damageOf(
  segment: SegmentFile,
  bytes: Uint8Array,
  at: number,
  reason: string,
  limit: number | "unknown" | null,
  thread: Thread,
  durable: Durable,
  cut: SegmentFooter,
): CorruptLogError | null {
  const { path, holes, footer, header: { nonce } } = segment;
  const header = decodeBatchHeader(bytes, at, nonce);
  const hole = holeBetween(
    holes,
    at,
    at + BATCH_HEADER_BYTES + (typeof header === "string" ? 0 : header.recordBytes),
  );
  const found = hole === null ? reason : wordsOf(hole);
  const damage = (what: string) =>
    new CorruptLogError(path, at, `${found}${what}`, { damaged: hole === null ? "rotten" : "unreadable" });
  if (limit !== null) return damage(", and the log goes on in the next segment");
  const later = findBatch(bytes, at + ALIGNMENT, nonce);
  if (later !== null) return damage(`, and batch ${later.number} follows at offset ${later.at}`);
  if (thread.lastBatch < durable.lastBatch) return damage(`, and batch ${durable.lastBatch} was on the disk`);
  if (hole !== null) return damage(", and what is there is not known");
  const behind = holeBetween(holes, at, segment.bytes.length);
  if (behind !== null) {
    return new CorruptLogError(path, at, `${found}, and ${wordsOf(behind)}`, { damaged: "unreadable" });
  }
  // Only what is durable is closed; a start that had cut the same tail may have failed while it closed the segment.
  if (typeof footer === "string" && isBegun(segment, cut)) return null;
  if (typeof footer === "string") return damage(`, and a footer was begun behind it (${footer})`);
  return footer === null ? null : damage(`, and the footer says that the segment ends at ${footer.end}`);
}

/** Whether what stands in the place of a footer is the beginning of this one, as far as its checksum at least. */
function isBegun({ bytes, header }: SegmentFile, footer: SegmentFooter): boolean {
  const begun = bytes.subarray(footerPlace(header.bytes ?? 0));
  const length = begun.findLastIndex((byte) => byte !== 0) + 1;
  const whole = encodeFooter(footer);
  return length >= BLOCK_CHECKED_BYTES && begun.subarray(0, length).every((byte, i) => byte === whole[i]);
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

/** Folds the records of a batch that is whole. */
function foldRecords(path: string, bytes: Uint8Array, batchOffset: number, end: number, fold: Fold): void {
  const records = bytes.subarray(0, end);
  for (let at = batchOffset + BATCH_HEADER_BYTES; at < end;) {
    const found = decodeRecord(records, at);
    if (typeof found === "string") throw new Contradiction(path, at, found);
    const objection = fold.take(found.record);
    if (objection !== null) throw new Contradiction(path, at, objection);
    at = found.end;
  }
}
