/**
 * One file of the log: a header block, then batches of records, and a footer block at its end (DESIGN section 5).
 *
 * The header is a block (block.ts) under the letters `raftline`. Its value is an array: format version (2 or 3), cluster id, server id, serial of
 * this segment, nonce (8 bytes), serial of the segment before (0 for none), where that one ended, chain, number of the last batch
 * before this segment; then what the log had come to: current term, voted for, index and term of the last entry, commit index, epoch,
 * index and term of the floor (0 and 0 for none); then the length of this file; in format 3, then how many zeros follow the last batch at least.
 * All numbers outside CBOR are little-endian.
 *
 * In format 1, which this program reads and goes on with, the header does not say how long the file is, there is no footer, and batches may
 * stand up to the end of the file. In format 2 they end before the place of the footer (footer.ts), which is written when the segment closes.
 *
 * A batch begins at a multiple of 8:
 *
 * | offset | bytes | what |
 * | --- | --- | --- |
 * | 0 | 4 | `RLB1` |
 * | 4 | 4 | CRC32C of the other 36 bytes of this header |
 * | 8 | 8 | nonce of the segment |
 * | 16 | 8 | number of this batch; counts on from segment to segment |
 * | 24 | 4 | bytes of records that follow |
 * | 28 | 4 | CRC32C of those records |
 * | 32 | 4 | chain: the checksum of the batch header before this one |
 * | 36 | 4 | zero |
 * | 40 | n | records, then zeros to the next multiple of 8 |
 *
 * What follows the last batch is zero, up to the place of the footer, and so is that place until the segment closes: a segment is filled
 * with zeros before it gets its name, so that the sync of a batch moves no metadata and the end of the log can be told from damage.
 *
 * Format 3 is that of a file that was an older segment of the log before (spares.ts). What is behind those zeros is whatever stood there then:
 * its batches have another nonce. Zeros are written ahead with the batches, so that there are always so many, or as many as there is room for
 * before the place of the footer. The end of the log is where that many are, and no batch of the segment behind them.
 *
 * Keeps true: every byte is under a checksum or checked to be zero. The nonce is known to nobody outside, so no client can
 * write a value that looks like a later batch of this segment.
 *
 * @module
 */
import { isZero, readUint32, readUint53, writeUint32, writeUint53 } from "../base/bytes.ts";
import { crc32cAround, crc32cOf, crc32cOnRecord } from "../codec/crc32c.ts";
import type { HardState, LogIndex, LogPosition } from "../raft/types.ts";
import type { BatchMemory } from "./batch_memory.ts";
import { BLOCK_BYTES, decodeBlock, encodeBlock } from "./block.ts";

const FORMAT_VERSION = 2;
const FORMAT_OF_REUSED = 3;
const FORMAT_WITHOUT_FOOTER = 1;
export const SEGMENT_HEADER_BYTES = BLOCK_BYTES;
export const BATCH_HEADER_BYTES = 40;
export const ALIGNMENT = 8;

const LETTERS = "raftline";
const BATCH_MAGIC = 0x31424c52;
const NONCE_BYTES = 8;
/** Each format has one field more than the one before. */
const FIELDS_BEHIND_VOTE = 5;

export interface SegmentHeader {
  readonly clusterId: string;
  readonly serverId: string;
  readonly serial: number;
  readonly nonce: Uint8Array;
  readonly previousSerial: number;
  readonly previousEnd: number;
  readonly chain: number;
  readonly lastBatch: number;
  readonly state: LogState;
  /** The length of the file; `null` in the first format, which does not say, and has no footer. */
  readonly bytes: number | null;
  /** So many zeros follow the last batch at least, before the place of the footer; Infinity for nothing else. */
  readonly zeros: number;
}

/** What the records up to some place come to, but for the entries themselves. */
export interface LogState {
  readonly hardState: HardState;
  /** Where the entries end. */
  readonly last: LogPosition;
  /** What was known to be committed. */
  readonly commitIndex: LogIndex;
  /** How often a part of the log was lost. */
  readonly epoch: number;
  /** The furthest place of an entry that was lost and may have been acknowledged. */
  readonly floor: LogPosition | null;
}

/** A log without a record. */
export const EMPTY_LOG: LogState = {
  hardState: { currentTerm: 0, votedFor: null },
  last: { index: 0, term: 0 },
  commitIndex: 0,
  epoch: 0,
  floor: null,
};

export interface BatchHeader {
  readonly number: number;
  readonly recordBytes: number;
  readonly recordChecksum: number;
  readonly chain: number;
  /** Its own checksum, which is the chain value of the next batch. */
  readonly checksum: number;
}

/** Space that is held for a full disk (open_segment.ts). */
export const RESERVE_NAME = "reserve";

/** The name of a segment in the log's directory. */
export function segmentName(serial: number): string {
  return `log-${String(serial).padStart(10, "0")}.seg`;
}

/** The serial in a name, or `null` where it is no segment's. */
export function serialOf(name: string): number | null {
  const match = /^log-(\d{10})\.seg$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** Whether a name is that of a segment that was put aside, since it was damaged or stood behind damage. */
export function isQuarantined(name: string): boolean {
  return placeOfQuarantined(name) !== null;
}

/** Which segment was put aside under a name, and at which loss; `null` where it is no such name. */
export function placeOfQuarantined(
  name: string,
): { readonly serial: number; readonly epoch: number } | null {
  const match = /^log-(\d{10})\.seg\.lost-(\d+)$/.exec(name);
  return match === null ? null : { serial: Number(match[1]), epoch: Number(match[2]) };
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Whether the log ends there: whether the zeros are there that follow the last batch, and no other one of this segment does. */
export function endsAt(
  batches: Uint8Array,
  at: number,
  { zeros, nonce }: Pick<SegmentHeader, "zeros" | "nonce">,
): boolean {
  const to = Math.min(batches.length, at + zeros);
  return isZero(batches, at, to) && findBatch(batches, to, nonce) === null;
}

/** Any batch of this segment behind a place; only one that was synced can have a successor. */
export function findBatch(
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

/** The header in the format that has what it says. */
export function encodeSegmentHeader(header: SegmentHeader & { readonly bytes: number }): Uint8Array {
  const { clusterId, serverId, serial, nonce, previousSerial, previousEnd, chain, lastBatch, state } = header;
  const { hardState, last, commitIndex, epoch, floor } = state;
  const isReused = Number.isFinite(header.zeros);
  return encodeBlock(LETTERS, [
    isReused ? FORMAT_OF_REUSED : FORMAT_VERSION,
    clusterId,
    serverId,
    serial,
    nonce,
    previousSerial,
    previousEnd,
    chain,
    lastBatch,
    hardState.currentTerm,
    hardState.votedFor,
    last.index,
    last.term,
    commitIndex,
    epoch,
    floor?.index ?? 0,
    floor?.term ?? 0,
    header.bytes,
    ...(isReused ? [header.zeros] : []),
  ]);
}

/** The header, or why the block holds none. */
export function decodeSegmentHeader(block: Uint8Array): SegmentHeader | string {
  const fields = decodeBlock(block, {
    letters: LETTERS,
    versions: [FORMAT_WITHOUT_FOOTER, FORMAT_VERSION, FORMAT_OF_REUSED],
    what: "a segment of the log",
  });
  if (typeof fields === "string") return fields;
  const [
    version,
    clusterId,
    serverId,
    serial,
    nonce,
    previousSerial,
    previousEnd,
    chain,
    lastBatch,
    term,
    votedFor,
    ...position
  ] = fields;
  if (
    typeof clusterId !== "string" || typeof serverId !== "string" || typeof serial !== "number" ||
    !(nonce instanceof Uint8Array) || nonce.length !== NONCE_BYTES || typeof previousSerial !== "number" ||
    typeof previousEnd !== "number" || typeof chain !== "number" || typeof lastBatch !== "number" ||
    typeof term !== "number" || (votedFor !== null && typeof votedFor !== "string")
  ) return "the header's fields are not what they should be";
  const numbers = position.filter((field) => typeof field === "number");
  const [lastIndex, lastTerm, commitIndex, epoch, floorIndex, floorTerm, bytes = null, zeros = Infinity] =
    numbers;
  if (
    position.length !== FIELDS_BEHIND_VOTE + Number(version) || numbers.length !== position.length ||
    lastIndex === undefined || lastTerm === undefined || commitIndex === undefined ||
    epoch === undefined || floorIndex === undefined || floorTerm === undefined
  ) return "the header's fields are not what they should be";
  return {
    clusterId,
    serverId,
    serial,
    nonce,
    previousSerial,
    previousEnd,
    chain,
    lastBatch,
    state: {
      hardState: { currentTerm: term, votedFor },
      last: { index: lastIndex, term: lastTerm },
      commitIndex,
      epoch,
      floor: floorIndex === 0 ? null : { index: floorIndex, term: floorTerm },
    },
    bytes,
    zeros,
  };
}

/** A batch as it is written (in memory that the next one takes), and the checksum of its header, with which the next one is chained to it. */
export interface EncodedBatch {
  /** The batch, and the zeros that are written with it. */
  readonly bytes: Uint8Array;
  /** How long the batch is. */
  readonly length: number;
  readonly checksum: number;
}

/** Puts records together into a batch, padding and all, and zeros behind it; in memory whose bytes are any. */
export function encodeBatch(
  records: readonly Uint8Array[],
  { number, nonce, chain }: { readonly number: number; readonly nonce: Uint8Array; readonly chain: number },
  memory: BatchMemory,
  zerosBehind: (length: number) => number = () => 0,
): EncodedBatch {
  const recordBytes = records.reduce((sum, record) => sum + record.length, 0);
  const length = align(BATCH_HEADER_BYTES + recordBytes);
  const bytes = memory.take(length + zerosBehind(length));
  let at = BATCH_HEADER_BYTES;
  // Summed up from what the records say of themselves: a byte that is changed on its way here will be noticed.
  let recordChecksum = 0;
  for (const record of records) {
    bytes.set(record, at);
    at += record.length;
    recordChecksum = crc32cOnRecord(recordChecksum, record);
  }
  writeUint32(bytes, 0, BATCH_MAGIC);
  bytes.set(nonce, 8);
  writeUint53(bytes, 16, number);
  writeUint32(bytes, 24, recordBytes);
  writeUint32(bytes, 28, recordChecksum);
  writeUint32(bytes, 32, chain);
  bytes.fill(0, 36, BATCH_HEADER_BYTES);
  bytes.fill(0, at);
  const checksum = headerChecksum(bytes, 0);
  writeUint32(bytes, 4, checksum);
  return { bytes, length, checksum };
}

function headerChecksum(bytes: Uint8Array, at: number): number {
  return crc32cAround(bytes, at, at + BATCH_HEADER_BYTES);
}

/** The batch header at `at`, whatever its number; or why there is none. */
export function decodeBatchHeader(bytes: Uint8Array, at: number, nonce: Uint8Array): BatchHeader | string {
  if (at + BATCH_HEADER_BYTES > bytes.length) return "the file ends within a batch header";
  if (readUint32(bytes, at) !== BATCH_MAGIC) return "no batch begins here";
  const checksum = readUint32(bytes, at + 4);
  if (checksum !== headerChecksum(bytes, at)) return "the checksum of the batch header does not match";
  for (let i = 0; i < NONCE_BYTES; i++) {
    if (bytes[at + 8 + i] !== nonce[i]) return "the batch belongs to another segment";
  }
  const number = readUint53(bytes, at + 16);
  if (number === null) return "the batch number is above 2^53 - 1";
  if (!isZero(bytes, at + 36, at + BATCH_HEADER_BYTES)) return "the batch header's last bytes are not zero";
  return {
    number,
    recordBytes: readUint32(bytes, at + 24),
    recordChecksum: readUint32(bytes, at + 28),
    chain: readUint32(bytes, at + 32),
    checksum,
  };
}

/** Where the records of a batch end and where the batch does; or why its body is not what its header says. */
export function checkBatchBody(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
): { readonly recordsEnd: number; readonly end: number } | string {
  const recordsEnd = at + BATCH_HEADER_BYTES + header.recordBytes;
  const end = at + align(BATCH_HEADER_BYTES + header.recordBytes);
  if (end > bytes.length) return `the batch has ${header.recordBytes} bytes of records, the file ends before`;
  if (crc32cOf(bytes, at + BATCH_HEADER_BYTES, recordsEnd) !== header.recordChecksum) {
    return "the checksum of the batch's records does not match";
  }
  if (!isZero(bytes, recordsEnd, end)) return "the padding of the batch is not zero";
  return { recordsEnd, end };
}
