/**
 * A block of 4,096 bytes that says one thing: eight letters, CRC32C of what follows it in the block (4 bytes), length of the CBOR value
 * (4 bytes), then the value, an array that begins with the format version, then zeros. Numbers outside CBOR are little-endian.
 *
 * Keeps true: every byte of the block is under the checksum, or is one of the eight letters.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { readUint32, writeUint32 } from "../base/bytes.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../codec/cbor.ts";
import { crc32c } from "../codec/crc32c.ts";

export const BLOCK_BYTES = 4096;
/** The checksum stands before that: so many bytes of a block tell which one it is. */
export const BLOCK_CHECKED_BYTES = 12;
const LETTERS = 8;
const OTHER_VERSION = "the format version is ";

/** The block of a value, under its eight letters. */
export function encodeBlock(letters: string, fields: CborValue[]): Uint8Array {
  const value = encodeCbor(fields);
  assert(letters.length === LETTERS, "A block begins with eight letters");
  assert(16 + value.length <= BLOCK_BYTES, "The value fits into its block");
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(new TextEncoder().encode(letters));
  writeUint32(block, 12, value.length);
  block.set(value, 16);
  writeUint32(block, 8, crc32c(block.subarray(12)));
  return block;
}

/** What a block should be. */
interface BlockKind {
  readonly letters: string;
  /** The format versions that this program reads. */
  readonly versions: readonly number[];
  /** For people. */
  readonly what: string;
}

/** The fields, the format version first; or why the block holds none. */
export function decodeBlock(
  block: Uint8Array,
  { letters, versions, what }: BlockKind,
): readonly unknown[] | string {
  if (block.length < BLOCK_BYTES) return `the block has ${BLOCK_BYTES} bytes, the file ${block.length}`;
  for (let i = 0; i < LETTERS; i++) {
    if (block[i] !== letters.charCodeAt(i)) return `the block does not begin as ${what} does`;
  }
  const [expected, found] = [readUint32(block, 8), crc32c(block.subarray(12, BLOCK_BYTES))];
  if (expected !== found) return `the block's checksum is ${expected}, its bytes have ${found}`;
  const decoded = decodeCbor(block.subarray(16, 16 + readUint32(block, 12)));
  if ("reason" in decoded) return `the block cannot be decoded: ${decoded.reason}`;
  if (!Array.isArray(decoded.value)) return "the block is no array";
  const fields: readonly unknown[] = decoded.value;
  const [is] = fields;
  return versions.some((version) => version === is)
    ? fields
    : `${OTHER_VERSION}${is}, this program reads ${versions.join(" and ")}`;
}

/** Whether a block is whole and of another version: that is no damage, and another program must read it. */
export function isOfOtherVersion(reason: string): boolean {
  return reason.startsWith(OTHER_VERSION);
}
