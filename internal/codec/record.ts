/**
 * One record, the same bytes on disk and on the wire (DESIGN section 4).
 *
 * | offset | bytes | what, little-endian |
 * | --- | --- | --- |
 * | 0 | 4 | length of the whole record |
 * | 4 | 4 | CRC32C of every other byte: the length, then all from offset 8 on |
 * | 8 | 8 | term |
 * | 16 | 8 | index |
 * | 24 | 1 | kind: 1 noop, 2 command, 3 configuration; on disk only: 16 hard state, 17 truncate, 18 reset, 19 commit |
 * | 25 | n | payload |
 *
 * A no-op of term 1 at index 1 is `19 00 00 00  crc  01 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  01`.
 *
 * Keeps true: every byte is under the checksum, the length too; nothing is allocated from a length that was not checked; an
 * entry is encoded once (`Entry.record`), by the leader, and every other server keeps the bytes it received.
 *
 * A hard state has its term in the term field and its vote as payload: nothing for none, else UTF-8. A truncate record removes every entry
 * from its index on; its term is that of the server at the time. A reset forgets every entry: the log goes on behind its index, whose entry
 * has its term and is covered by a snapshot. A commit says that everything up to its index is committed; its term is that of the server.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { readUint32, readUint53, writeUint32, writeUint53 } from "../base/bytes.ts";
import type { Entry, EntryKind, HardState, LogIndex, LogPosition } from "../raft/types.ts";
import { decodeConfiguration, encodeConfiguration } from "./configuration_codec.ts";
import { crc32cAround, crc32cOnSealed } from "./crc32c.ts";

export const RECORD_HEADER_BYTES = 25;

/** The longest record that is ever written or accepted. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024;

const CODE_OF: Readonly<Record<EntryKind, number>> = { noop: 1, command: 2, configuration: 3 };
const HARD_STATE = 16;
const TRUNCATE = 17;
const RESET = 18;
const COMMIT = 19;

const EMPTY: Uint8Array = new Uint8Array(0);

/** What a record says. */
export type LogRecord =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "hardState"; readonly hardState: HardState }
  | { readonly kind: "truncate"; readonly from: LogIndex }
  | { readonly kind: "reset"; readonly position: LogPosition }
  | { readonly kind: "commit"; readonly index: LogIndex };

/** A record that was found, and where the next one begins. */
export interface FoundRecord {
  readonly record: LogRecord;
  readonly end: number;
}

/** A record without a header, with room in front of it for the head of a message, and the payload in it. */
interface Room {
  readonly whole: Uint8Array;
  readonly record: Uint8Array;
  readonly payload: Uint8Array;
}

/**
 * The rooms whose entries have no record yet, oldest first. Most often the next thing that happens to a payload is that its record
 * is made; those that nobody came back for are forgotten, and a payload whose room was forgotten is copied.
 */
const rooms: Room[] = [];
const ROOMS_MAX = 16;

/** In front of the records of such payloads there is room for so many bytes, for the first message that carries one. */
export const FRONT_BYTES = 96;

/** The rooms whose record is made and whose front nobody took, oldest first: most often the next thing that happens to it is that it is sent. */
const fronts: Room[] = [];
const FRONTS_MAX = 2;

/** A payload to be filled in; the record of its entry will be made around it, without a copy, and so will the first message. */
export function allocatePayload(length: number): Uint8Array {
  const whole = new Uint8Array(FRONT_BYTES + RECORD_HEADER_BYTES + length);
  const record = whole.subarray(FRONT_BYTES);
  const payload = whole.subarray(FRONT_BYTES + RECORD_HEADER_BYTES);
  if (rooms.length === ROOMS_MAX) rooms.shift();
  rooms.push({ whole, record, payload });
  return payload;
}

/** The record around a payload, if it has room for one; the room is for one entry only. */
function takeRoom(payload: Uint8Array): Uint8Array | null {
  const room = takeOut(rooms, rooms.findIndex((room) => room.payload === payload));
  if (room === null) return null;
  if (fronts.length === FRONTS_MAX) fronts.shift();
  fronts.push(room);
  return room.record;
}

/**
 * The record, with room for {@link FRONT_BYTES} in front of it, or `null` where there is none or somebody has it: what stands there was given
 * away and is not to be written over.
 */
export function takeFront(record: Uint8Array): Uint8Array | null {
  return takeOut(fronts, fronts.findIndex((room) => room.record === record))?.whole ?? null;
}

function takeOut(list: Room[], at: number): Room | null {
  const room = list[at];
  if (room === undefined) return null;
  if (list.length === 1) list.length = 0;
  else list.splice(at, 1);
  return room;
}

/** Gives every entry its record: around its payload where there is room, else side by side in one allocation. */
export function encodeEntries(entries: readonly Entry[]): void {
  let bytes = 0;
  for (const entry of entries) {
    if (entry.record !== null) continue;
    const room = rooms.length > 0 ? takeRoom(entry.payload) : null;
    if (room !== null) {
      sealRecord(room, CODE_OF[entry.kind], entry.term, entry.index);
      entry.record = room;
    } else if (entry.configuration !== null) {
      entry.record = recordOfPayload(entry, encodeConfiguration(entry.configuration));
    } else bytes += RECORD_HEADER_BYTES + entry.payload.length;
  }
  if (bytes === 0) return;
  const shared = new Uint8Array(bytes);
  let at = 0;
  for (const entry of entries) {
    if (entry.record !== null) continue;
    const record = shared.subarray(at, at + RECORD_HEADER_BYTES + entry.payload.length);
    record.set(entry.payload, RECORD_HEADER_BYTES);
    sealRecord(record, CODE_OF[entry.kind], entry.term, entry.index);
    entry.record = record;
    at += record.length;
  }
}

/** A record of its own for a payload that is not the entry's. */
function recordOfPayload({ kind, term, index }: Entry, payload: Uint8Array): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  record.set(payload, RECORD_HEADER_BYTES);
  sealRecord(record, CODE_OF[kind], term, index);
  return record;
}

/** The record of an entry. */
export function recordOf(entry: Entry): Uint8Array {
  if (entry.record !== null) return entry.record;
  encodeEntries([entry]);
  assert(entry.record !== null, "The entry was encoded");
  return entry.record;
}

export function encodeHardState({ currentTerm, votedFor }: HardState): Uint8Array {
  const payload = votedFor === null ? new Uint8Array(0) : new TextEncoder().encode(votedFor);
  const record = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  record.set(payload, RECORD_HEADER_BYTES);
  sealRecord(record, HARD_STATE, currentTerm, 0);
  return record;
}

export function encodeTruncate(from: LogIndex, term: number): Uint8Array {
  return encodeMark(TRUNCATE, term, from);
}

export function encodeReset({ index, term }: LogPosition): Uint8Array {
  return encodeMark(RESET, term, index);
}

export function encodeCommit(index: LogIndex, term: number): Uint8Array {
  return encodeMark(COMMIT, term, index);
}

/** A record without a payload. */
function encodeMark(code: number, term: number, index: LogIndex): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES);
  sealRecord(record, code, term, index);
  return record;
}

/** Fills in everything of a record but its payload, which stands there. */
function sealRecord(record: Uint8Array, code: number, term: number, index: LogIndex): void {
  assert(record.length <= RECORD_BYTES_MAX, "A record is no longer than the limit");
  writeUint32(record, 0, record.length);
  writeUint53(record, 8, term);
  writeUint53(record, 16, index);
  record[24] = code;
  writeUint32(record, 4, checksum(record));
}

function checksum(record: Uint8Array): number {
  return crc32cAround(record, 0, record.length);
}

/** Bytes that are known to be what their sender summed up: the checksum of what came before them, and that of all together. */
export interface Checked {
  readonly before: number;
  readonly whole: number;
}

/**
 * Reads the record that begins at `at`; or says why there is none. Entries keep views of `bytes`, nothing is copied. Where the record is all that
 * was `checked`, its checksum is right if it leads from the sum before to the sum of all: no byte is read twice.
 */
export function decodeRecord(
  bytes: Uint8Array,
  at: number,
  checked: Checked | null = null,
): FoundRecord | string {
  const left = bytes.length - at;
  if (left < RECORD_HEADER_BYTES) return `a record header has ${RECORD_HEADER_BYTES} bytes, ${left} are left`;
  const length = readUint32(bytes, at);
  if (length < RECORD_HEADER_BYTES || length > RECORD_BYTES_MAX) return `record length is ${length}`;
  if (length > left) return `record length is ${length}, ${left} bytes are left`;
  const record = bytes.subarray(at, at + length);
  const expected = readUint32(record, 4);
  const isKnown = checked !== null && length === bytes.length &&
    crc32cOnSealed(checked.before, record) === checked.whole;
  const found = isKnown ? expected : checksum(record);
  if (expected !== found) return `record checksum is ${hex(expected)}, its bytes have ${hex(found)}`;
  const term = readUint53(record, 8);
  const index = readUint53(record, 16);
  if (term === null || index === null) return "term or index is above 2^53 - 1";
  const content = contentOf(record, term, index);
  return typeof content === "string" ? content : { record: content, end: at + length };
}

function contentOf(record: Uint8Array, term: number, index: number): LogRecord | string {
  const payload = record.subarray(RECORD_HEADER_BYTES);
  const code = record[24];
  switch (code) {
    case CODE_OF.noop:
      return entryOf("noop", record, payload, term, index);
    case CODE_OF.command:
      return entryOf("command", record, payload, term, index);
    case CODE_OF.configuration:
      return entryOf("configuration", record, payload, term, index);
    case HARD_STATE:
      return {
        kind: "hardState",
        hardState: { currentTerm: term, votedFor: payload.length === 0 ? null : utf8(payload) },
      };
    case TRUNCATE:
      return index === 0 ? "a truncate record begins at index 0" : { kind: "truncate", from: index };
    case RESET:
      if (index === 0 || term === 0) return `a reset record has index ${index} and term ${term}`;
      return { kind: "reset", position: { index, term } };
    case COMMIT:
      return index === 0 ? "a commit record has index 0" : { kind: "commit", index };
    default:
      return `record kind is ${code}`;
  }
}

function entryOf(
  kind: EntryKind,
  record: Uint8Array,
  payload: Uint8Array,
  term: number,
  index: number,
): LogRecord | string {
  if (index === 0 || term === 0) return `an entry has index ${index} and term ${term}`;
  if (kind !== "configuration") {
    return { kind: "entry", entry: { index, term, kind, payload, configuration: null, record } };
  }
  const configuration = decodeConfiguration(payload);
  if (typeof configuration === "string") return `a configuration cannot be read: ${configuration}`;
  return { kind: "entry", entry: { index, term, kind, payload: EMPTY, configuration, record } };
}

/** The entries that stand one after another in these bytes, contiguous in index; or why they do not. */
export function decodeEntries(bytes: Uint8Array, checked: Checked | null = null): Entry[] | string {
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length;) {
    const found = decodeRecord(bytes, at, checked);
    if (typeof found === "string") return found;
    if (found.record.kind !== "entry") return `a ${found.record.kind} record stands among entries`;
    const { entry } = found.record;
    const last = entries.at(-1);
    if (last !== undefined && entry.index !== last.index + 1) {
      return `index ${entry.index} follows ${last.index}`;
    }
    if (last !== undefined && entry.term < last.term) return `term ${entry.term} follows ${last.term}`;
    entries.push(entry);
    at = found.end;
  }
  return entries;
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
