/**
 * The footer of a closed segment: a block (block.ts) at the end of its file, which says what stands before it (docs/repair.md).
 *
 * Under the letters `raftfoot` an array: format version, cluster id, server id, serial and nonce of the segment, where its batches end, chain
 * (the checksum of the header of the last batch before that place), the number of that batch, how many entries were appended in the segment, index and term of the first one of them (0 and 0 for none), index and term of the log's last entry.
 *
 * It stands in the last whole block of the file, at a multiple of 512: in no sector, and, where the length of the file is a multiple of 4,096,
 * in no page of a batch. All that it says stands in one sector, so that a power failure leaves it whole or not there.
 *
 * Keeps true: it says nothing but what the header and the batches of its segment say, so that whoever writes it again writes the same bytes.
 * It is written when the last batch is durable, and is durable before the next segment has a name.
 *
 * @module
 */
import { isZero } from "../base/bytes.ts";
import { CorruptLogError } from "../base/errors.ts";
import type { LogPosition } from "../raft/types.ts";
import { type Hole, holeBetween, wordsOf } from "./bad_sectors.ts";
import { BLOCK_BYTES, decodeBlock, encodeBlock } from "./block.ts";
import type { SegmentHeader } from "./segment.ts";
import type { Tally } from "./tally.ts";

const FORMAT_VERSION = 2;
const LETTERS = "raftfoot";
const SECTOR_BYTES = 512;
export const FOOTER_BYTES = BLOCK_BYTES;

/** Whose segment it is. */
interface Owner {
  readonly clusterId: string;
  readonly serverId: string;
}

export interface SegmentFooter extends Owner {
  readonly serial: number;
  readonly nonce: Uint8Array;
  /** Where the batches end. */
  readonly end: number;
  readonly chain: number;
  readonly lastBatch: number;
  /** So many entries were appended, those that were replaced later among them. */
  readonly entries: number;
  /** The first of them. */
  readonly first: LogPosition | null;
  /** Where the log ended. */
  readonly last: LogPosition;
}

/** Where the batches of a segment have got to, and what they came to. */
export interface Closing {
  readonly serial: number;
  readonly nonce: Uint8Array;
  readonly offset: number;
  readonly tally: Pick<Tally, "entries" | "first">;
}

/** The footer that a segment gets that closes there. */
export function footerOf(
  { clusterId, serverId }: Owner,
  { serial, nonce, offset, tally }: Closing,
  { chain, lastBatch }: { readonly chain: number; readonly lastBatch: number },
  { index, term }: LogPosition,
): SegmentFooter {
  const { entries, first } = tally;
  return {
    clusterId,
    serverId,
    serial,
    nonce,
    end: offset,
    chain,
    lastBatch,
    entries,
    first,
    last: { index, term },
  };
}

/** Where the footer stands in a file of that length; batches end before it. */
export function footerPlace(fileBytes: number): number {
  return fileBytes - fileBytes % SECTOR_BYTES - FOOTER_BYTES;
}

/** Up to where batches may stand in a file. */
export function batchesLimit(file: Uint8Array, { bytes }: Pick<SegmentHeader, "bytes">): number {
  return bytes === null ? file.length : Math.min(file.length, footerPlace(bytes));
}

/** Whether the file of a segment is shorter than it was when it got its name; the first format does not say. */
export function isCutShort(file: Uint8Array, { bytes }: Pick<SegmentHeader, "bytes">): boolean {
  return bytes !== null && file.length < bytes;
}

export function encodeFooter(footer: SegmentFooter): Uint8Array {
  const { clusterId, serverId, serial, nonce, end, chain, lastBatch, entries, first, last } = footer;
  return encodeBlock(LETTERS, [
    FORMAT_VERSION,
    clusterId,
    serverId,
    serial,
    nonce,
    end,
    chain,
    lastBatch,
    entries,
    first?.index ?? 0,
    first?.term ?? 0,
    last.index,
    last.term,
  ]);
}

/** The footer in a block, or why there is none. */
export function decodeFooter(block: Uint8Array): SegmentFooter | string {
  const fields = decodeBlock(block, {
    letters: LETTERS,
    versions: [FORMAT_VERSION],
    what: "the footer of a segment",
  });
  if (typeof fields === "string") return fields;
  const [, clusterId, serverId, serial, nonce, ...rest] = fields;
  const numbers = rest.filter((field) => typeof field === "number");
  const [end, chain, lastBatch, entries, firstIndex, firstTerm, index, term] = numbers;
  if (
    typeof clusterId !== "string" || typeof serverId !== "string" || typeof serial !== "number" ||
    !(nonce instanceof Uint8Array) || rest.length !== 8 || end === undefined || chain === undefined ||
    lastBatch === undefined || entries === undefined || firstIndex === undefined || firstTerm === undefined ||
    index === undefined || term === undefined
  ) return "the footer's fields are not what they should be";
  const first = firstIndex === 0 ? null : { index: firstIndex, term: firstTerm };
  const last = { index, term };
  return { clusterId, serverId, serial, nonce, end, chain, lastBatch, entries, first, last };
}

/** The footer in the file of a segment; why it is none, where something stands in its place; `null` where nothing does. */
export function footerIn(
  file: Uint8Array,
  holes: readonly Hole[],
  header: SegmentHeader,
): SegmentFooter | string | null {
  if (header.bytes === null) return null;
  const at = footerPlace(header.bytes);
  return footerFrom(file.subarray(at, at + FOOTER_BYTES), holeBetween(holes, at, at + FOOTER_BYTES), header);
}

/** The same out of what stands in its place. */
export function footerFrom(
  block: Uint8Array,
  hole: Hole | null,
  header: SegmentHeader,
): SegmentFooter | string | null {
  if (hole !== null) return wordsOf(hole);
  if (block.length < FOOTER_BYTES) return "its file is cut short";
  if (isZero(block, 0, block.length)) return null;
  const footer = decodeFooter(block);
  return typeof footer === "string" || isOf(footer, header) ? footer : "it is the footer of another segment";
}

function isOf({ clusterId, serverId, serial, nonce }: SegmentFooter, header: SegmentHeader): boolean {
  return clusterId === header.clusterId && serverId === header.serverId && serial === header.serial &&
    nonce.length === header.nonce.length && nonce.every((byte, i) => byte === header.nonce[i]);
}

/** What can be read of a segment, also where its header is damaged. */
export function partsOf(
  file: Uint8Array,
  holes: readonly Hole[],
  header: SegmentHeader | CorruptLogError,
  serial: number,
  { clusterId, serverId }: Owner,
): {
  /** What its batches are known by; `null` where nobody says. */
  readonly nonce: Uint8Array | null;
  readonly batches: Uint8Array;
  readonly footer: SegmentFooter | null;
} {
  if (!(header instanceof CorruptLogError)) {
    const footer = footerIn(file, holes, header);
    const batches = file.subarray(0, batchesLimit(file, header));
    return { nonce: header.nonce, batches, footer: typeof footer === "string" ? null : footer };
  }
  const { footer, batches } = footerAtEnd(file);
  const isTheirs = footer?.serial === serial && footer.clusterId === clusterId &&
    footer.serverId === serverId;
  return isTheirs ? { nonce: footer.nonce, batches, footer } : { nonce: null, batches, footer: null };
}

/** The footer of a file whose header does not say how long it is, and what is before it. */
export function footerAtEnd(
  file: Uint8Array,
): { readonly footer: SegmentFooter | null; readonly batches: Uint8Array } {
  const at = Math.max(0, footerPlace(file.length));
  const footer = decodeFooter(file.subarray(at, at + FOOTER_BYTES));
  return typeof footer === "string"
    ? { footer: null, batches: file }
    : { footer, batches: file.subarray(0, at) };
}

/** What is wrong with the footer of a closed segment that should have `expected`, where that is known; `null` for nothing. */
export function objectionToFooter(
  found: SegmentFooter | string | null,
  expected: SegmentFooter | null,
): string | null {
  if (found === null) return "the segment is closed and has no footer";
  if (typeof found === "string") return `the footer is not whole: ${found}`;
  if (expected === null) return null;
  const [is, was] = [found, expected].map(wordsOfFooter);
  return is === was ? null : `the footer says ${is}; the segment has ${was}`;
}

/** A footer in words. */
export function wordsOfFooter({ end, chain, lastBatch, entries, first, last }: SegmentFooter): string {
  const from = first === null ? "" : ` from ${first.index}:${first.term} on`;
  return `${entries} entries${from} up to ${last.index}:${last.term}, ` +
    `batch ${lastBatch} (chain ${chain}) before offset ${end}`;
}
