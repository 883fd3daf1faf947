/**
 * What servers say to each other, as CBOR arrays: `[code, fields...]`.
 *
 * | code | message | fields |
 * | --- | --- | --- |
 * | 1 | RequestVote request | term, lastLogIndex, lastLogTerm, transfer |
 * | 2 | RequestVote response | term, voteGranted |
 * | 3 | AppendEntries request | term, prevLogIndex, prevLogTerm, leaderCommit, round, diskMs, loopMs, epoch, entries as one byte string of records |
 * | 4 | AppendEntries response | term, requestTerm, success, prevLogIndex, round, matchIndex, hintIndex, hintTerm, epoch |
 * | 5 | PreVote request | term, lastLogIndex, lastLogTerm, round |
 * | 6 | PreVote response | term, voteGranted, round |
 * | 7 | InstallSnapshot request | term, snapshotIndex, snapshotTerm, round, diskMs, loopMs |
 * | 8 | InstallSnapshot response | term, requestTerm, round, matchIndex, epoch |
 * | 9 | TimeoutNow request | term, lastLogIndex |
 * | 16 | forward request | term, life, then an array of [requestId, isWrite, afterRequestId, commands] |
 * | 17 | forward response | life, then an array of [requestId, replies] |
 * | 18 | ping | number |
 * | 19 | pong | number |
 * | 20 | digest report | index, digest |
 * | 21 | admin request | term, life, requestId, array of words |
 * | 22 | admin response | life, requestId, reply |
 * | 23 | read index request | term, life, requestId |
 * | 24 | read index response | life, requestId, index |
 *
 * Keeps true: whatever arrives becomes a message whose every field was checked, or a reason; never an exception. So the core's assertions
 * speak about our own code only. The lengths of forwarded commands add up, so they may be put into an entry as they are. Another kind of message is one more case in each of the two functions.
 *
 * @module
 */
import { assert, assertNever } from "../base/assert.ts";
import type { AppendEntriesRequest, AppendEntriesResponse } from "../raft/message.ts";
import type { Entry } from "../raft/types.ts";
import { type CborValue, CborWriter, decodeCbor } from "./cbor.ts";
import { countCommands } from "./command_batch.ts";
import { FRAME_HEADER_BYTES, sealFrame, sumOfFrame } from "./frame.ts";
import type { ForwardedBatch, ForwardedReplies, PeerMessage } from "./peer_message.ts";
import { type Checked, decodeEntries, encodeEntries, FRONT_BYTES, recordOf, takeFront } from "./record.ts";

/** Shows that a connection is alive in both directions; answered by a pong with the same number. */
export interface Ping {
  readonly kind: "ping";
  readonly number: number;
}

export interface Pong {
  readonly kind: "pong";
  readonly number: number;
}

/** Everything that travels in a frame after the greeting. */
export type WireMessage = PeerMessage | Ping | Pong;

/** A message in its frame, ready to be sent; a part of it may be the record of its entry, in place. */
export function encodeMessageFrame(message: WireMessage): Uint8Array {
  const around = message.kind === "appendEntriesRequest" ? frameAroundRecord(message) : null;
  if (around !== null) return around;
  const writer = new CborWriter(FRAME_HEADER_BYTES, roomFor(message));
  writeMessage(writer, message);
  const records = message.kind === "appendEntriesRequest" ? message.entries.map(recordOf) : [];
  return sealFrame(writer.finish(), records);
}

/** The frame of a message with one entry, made in front of the entry's record; `null` where that has no room in front. */
function frameAroundRecord(message: AppendEntriesRequest): Uint8Array | null {
  const [entry, another] = message.entries;
  if (entry === undefined || another !== undefined) return null;
  const record = recordOf(entry);
  const whole = takeFront(record);
  if (whole === null) return null;
  const writer = new CborWriter(0, SCALARS_BYTES);
  writeAppendEntriesHead(writer, message, record.length);
  const head = writer.finish();
  const from = FRONT_BYTES - FRAME_HEADER_BYTES - head.length;
  assert(from >= 0, "There is room for the longest head");
  whole.set(head, from + FRAME_HEADER_BYTES);
  return sealFrame(whole.subarray(from), [record]);
}

/** A message as the body of a frame. */
export function encodeMessage(message: WireMessage): Uint8Array {
  const writer = new CborWriter(0, roomFor(message));
  writeMessage(writer, message);
  return writer.finish();
}

/** Six numbers and two heads take at most this. */
const SCALARS_BYTES = 64;

/** About how long the message will be; exact enough that what is large is allocated once. */
function roomFor(message: WireMessage): number {
  switch (message.kind) {
    case "appendEntriesRequest":
      return SCALARS_BYTES + recordBytesOf(message.entries);
    case "forwardRequest":
      return message.requests.reduce(
        (sum, { commands }) => sum + SCALARS_BYTES + commands.length,
        SCALARS_BYTES,
      );
    case "forwardResponse":
      return message.responses.reduce(
        (sum, { replies }) => sum + SCALARS_BYTES + replies.length,
        SCALARS_BYTES,
      );
    default:
      return SCALARS_BYTES;
  }
}

function recordBytesOf(entries: readonly Entry[]): number {
  encodeEntries(entries);
  return entries.reduce((sum, entry) => sum + recordOf(entry).length, 0);
}

function writeMessage(writer: CborWriter, message: WireMessage): void {
  switch (message.kind) {
    case "requestVoteRequest":
      return writer.value([1, message.term, message.lastLogIndex, message.lastLogTerm, message.transfer]);
    case "requestVoteResponse":
      return writer.value([2, message.term, message.voteGranted]);
    case "preVoteRequest":
      return writer.value([5, message.term, message.lastLogIndex, message.lastLogTerm, message.round]);
    case "preVoteResponse":
      return writer.value([6, message.term, message.voteGranted, message.round]);
    case "appendEntriesRequest":
      writeAppendEntriesHead(writer, message, recordBytesOf(message.entries));
      for (const entry of message.entries) writer.raw(recordOf(entry));
      return;
    case "appendEntriesResponse": {
      const { term, requestTerm, success, prevLogIndex, round, matchIndex, hintIndex, hintTerm, epoch } =
        message;
      writer.array(10);
      for (const field of [4, term, requestTerm]) writer.number(field);
      writer.boolean(success);
      for (const field of [prevLogIndex, round, matchIndex, hintIndex, hintTerm, epoch]) writer.number(field);
      return;
    }
    case "installSnapshotRequest": {
      const { term, snapshotIndex, snapshotTerm, round, health: { diskMs, loopMs } } = message;
      return writer.value([7, term, snapshotIndex, snapshotTerm, round, diskMs, loopMs]);
    }
    case "installSnapshotResponse": {
      const { term, requestTerm, round, matchIndex, epoch } = message;
      return writer.value([8, term, requestTerm, round, matchIndex, epoch]);
    }
    case "timeoutNowRequest":
      return writer.value([9, message.term, message.lastLogIndex]);
    case "forwardRequest":
      writer.array(4);
      for (const field of [16, message.term, message.life]) writer.number(field);
      writer.array(message.requests.length);
      for (const { requestId, access, afterRequestId, commands } of message.requests) {
        writer.array(4);
        writer.number(requestId);
        writer.boolean(access === "write");
        writer.number(afterRequestId);
        writer.bytes(commands);
      }
      return;
    case "forwardResponse":
      writer.array(3);
      for (const field of [17, message.life]) writer.number(field);
      writer.array(message.responses.length);
      for (const { requestId, replies } of message.responses) {
        writer.array(2);
        writer.number(requestId);
        writer.bytes(replies);
      }
      return;
    case "digestReport":
      return writer.value([20, message.index, message.digest]);
    case "adminRequest": {
      const { term, life, requestId, words } = message;
      return writer.value([21, term, life, requestId, words]);
    }
    case "adminResponse":
      return writer.value([22, message.life, message.requestId, message.reply]);
    case "readIndexRequest":
      return writer.value([23, message.term, message.life, message.requestId]);
    case "readIndexResponse":
      return writer.value([24, message.life, message.requestId, message.index]);
    case "ping":
      return writer.value([18, message.number]);
    case "pong":
      return writer.value([19, message.number]);
    default:
      return assertNever(message, "A message has a known kind");
  }
}

/** All of the message but its records, which have so many bytes. */
function writeAppendEntriesHead(
  writer: CborWriter,
  message: AppendEntriesRequest,
  recordBytes: number,
): void {
  const { term, prevLogIndex, prevLogTerm, leaderCommit, round, health, epoch } = message;
  writer.array(10);
  writer.number(3);
  writer.number(term);
  writer.number(prevLogIndex);
  writer.number(prevLogTerm);
  writer.number(leaderCommit);
  writer.number(round);
  writer.number(health.diskMs);
  writer.number(health.loopMs);
  writer.number(epoch);
  writer.bytesHead(recordBytes);
}

/** The words of an operator's command. */
const ADMIN_WORDS_MAX = 16;

/** How many fields each message has, its code among them. */
const FIELD_COUNTS: Readonly<Record<number, number>> = {
  1: 5,
  2: 3,
  3: 10,
  4: 10,
  5: 5,
  6: 4,
  7: 7,
  8: 6,
  9: 3,
  16: 4,
  17: 3,
  18: 2,
  19: 2,
  20: 3,
  21: 5,
  22: 4,
  23: 4,
  24: 4,
};

/** The message in a frame's body, or why there is none. With the checksum of the frame, records need not be summed up again. */
export function decodeMessage(body: Uint8Array, frameChecksum: number | null = null): WireMessage | string {
  // What comes with every write is read without making anything of it but the message; whatever is unusual about it is looked at below.
  const [head, code] = body;
  if (head === ARRAY_OF_10 && code === 3) {
    const fields = appendEntriesRequestIn(body);
    if (fields !== null) {
      return appendEntriesRequestOf(fields, checkedIn(body, fields.records, frameChecksum));
    }
  } else if (head === ARRAY_OF_10 && code === 4) {
    const fields = appendEntriesResponseIn(body);
    if (fields !== null) return appendEntriesResponseOf(fields);
  }
  return decodeAnyMessage(body);
}

function decodeAnyMessage(body: Uint8Array): WireMessage | string {
  const decoded = decodeCbor(body);
  if ("reason" in decoded) return decoded.reason;
  if (!Array.isArray(decoded.value)) return "a message is an array";
  const fields: readonly CborValue[] = decoded.value;
  const [code] = fields;
  const count = typeof code === "number" ? FIELD_COUNTS[code] : undefined;
  if (count === undefined) return `message code is ${String(code)}`;
  if (fields.length !== count) return `message ${String(code)} has ${fields.length} fields, not ${count}`;
  const reader = new FieldReader(fields);
  const message = messageOf(reader, Number(code));
  return reader.reason ?? message;
}

/** Takes fields one by one; remembers the first that is not what it should be. */
class FieldReader {
  readonly #fields: readonly CborValue[];
  #at = 1;
  reason: string | null = null;

  constructor(fields: readonly CborValue[]) {
    this.#fields = fields;
  }

  number(name: string): number {
    const field = this.#fields[this.#at++];
    if (typeof field === "number") return field;
    this.reason ??= `${name} is no number`;
    return 0;
  }

  boolean(name: string): boolean {
    const field = this.#fields[this.#at++];
    if (typeof field === "boolean") return field;
    this.reason ??= `${name} is neither true nor false`;
    return false;
  }

  bytes(name: string): Uint8Array {
    const field = this.#fields[this.#at++];
    if (field instanceof Uint8Array) return field;
    this.reason ??= `${name} is no byte string`;
    return new Uint8Array(0);
  }

  /** An array of at most so many texts. */
  texts(name: string, max: number): string[] {
    const field = this.#fields[this.#at++];
    const texts: string[] = [];
    for (const item of Array.isArray(field) ? field : []) if (typeof item === "string") texts.push(item);
    if (!Array.isArray(field) || field.length > max || texts.length !== field.length) {
      this.reason ??= `${name} is no array of texts`;
    }
    return texts;
  }

  /** An array of arrays of that many items each. */
  rows<Row>(name: string, width: number, read: (row: FieldReader) => Row): Row[] {
    const field = this.#fields[this.#at++];
    if (!Array.isArray(field)) {
      this.reason ??= `${name} is no array`;
      return [];
    }
    const rows: Row[] = [];
    for (const item of field) {
      if (!Array.isArray(item) || item.length !== width) {
        this.reason ??= `an item of ${name} is no array of ${width}`;
        return rows;
      }
      const row = new FieldReader([0, ...item]);
      rows.push(read(row));
      this.reason ??= row.reason;
    }
    return rows;
  }

  refuse(reason: string): void {
    this.reason ??= reason;
  }
}

function messageOf(fields: FieldReader, code: number): WireMessage | string {
  switch (code) {
    case 1: {
      const term = fields.number("term");
      const lastLogIndex = fields.number("lastLogIndex");
      const lastLogTerm = fields.number("lastLogTerm");
      if (term === 0) fields.refuse("term is 0");
      if (lastLogTerm >= term) fields.refuse(`lastLogTerm is ${lastLogTerm}, term is ${term}`);
      const transfer = fields.boolean("transfer");
      return { kind: "requestVoteRequest", term, lastLogIndex, lastLogTerm, transfer };
    }
    case 2:
      return {
        kind: "requestVoteResponse",
        term: fields.number("term"),
        voteGranted: fields.boolean("voteGranted"),
      };
    case 3: {
      const message = {
        term: fields.number("term"),
        prevLogIndex: fields.number("prevLogIndex"),
        prevLogTerm: fields.number("prevLogTerm"),
        leaderCommit: fields.number("leaderCommit"),
        round: fields.number("round"),
        health: { diskMs: fields.number("diskMs"), loopMs: fields.number("loopMs") },
        epoch: fields.number("epoch"),
        records: fields.bytes("entries"),
      };
      return fields.reason ?? appendEntriesRequestOf(message, null);
    }
    case 4: {
      const message = {
        term: fields.number("term"),
        requestTerm: fields.number("requestTerm"),
        success: fields.boolean("success"),
        prevLogIndex: fields.number("prevLogIndex"),
        round: fields.number("round"),
        matchIndex: fields.number("matchIndex"),
        hintIndex: fields.number("hintIndex"),
        hintTerm: fields.number("hintTerm"),
        epoch: fields.number("epoch"),
      };
      return fields.reason ?? appendEntriesResponseOf(message);
    }
    case 5: {
      const term = fields.number("term");
      const lastLogIndex = fields.number("lastLogIndex");
      const lastLogTerm = fields.number("lastLogTerm");
      if (lastLogTerm > term) fields.refuse(`lastLogTerm is ${lastLogTerm}, term is ${term}`);
      return { kind: "preVoteRequest", term, lastLogIndex, lastLogTerm, round: fields.number("round") };
    }
    case 6:
      return {
        kind: "preVoteResponse",
        term: fields.number("term"),
        voteGranted: fields.boolean("voteGranted"),
        round: fields.number("round"),
      };
    case 7: {
      const term = fields.number("term");
      const snapshotIndex = fields.number("snapshotIndex");
      const snapshotTerm = fields.number("snapshotTerm");
      if (snapshotIndex === 0 || snapshotTerm === 0) {
        fields.refuse(`snapshotIndex is ${snapshotIndex} and snapshotTerm is ${snapshotTerm}`);
      }
      if (snapshotTerm > term) fields.refuse(`snapshotTerm is ${snapshotTerm}, term is ${term}`);
      const round = fields.number("round");
      const health = { diskMs: fields.number("diskMs"), loopMs: fields.number("loopMs") };
      return { kind: "installSnapshotRequest", term, snapshotIndex, snapshotTerm, round, health };
    }
    case 8: {
      const term = fields.number("term");
      const requestTerm = fields.number("requestTerm");
      if (requestTerm > term) fields.refuse(`requestTerm is ${requestTerm}, term is ${term}`);
      const round = fields.number("round");
      const matchIndex = fields.number("matchIndex");
      if (matchIndex > 0 && requestTerm !== term) {
        fields.refuse(`matchIndex is for term ${requestTerm}, term is ${term}`);
      }
      const epoch = fields.number("epoch");
      return { kind: "installSnapshotResponse", term, requestTerm, round, matchIndex, epoch };
    }
    case 9: {
      const term = fields.number("term");
      if (term === 0) fields.refuse("term is 0");
      return { kind: "timeoutNowRequest", term, lastLogIndex: fields.number("lastLogIndex") };
    }
    case 16: {
      const term = fields.number("term");
      const life = fields.number("life");
      const requests = fields.rows("requests", 4, (row): ForwardedBatch => {
        const requestId = row.number("requestId");
        const access = row.boolean("isWrite") ? "write" : "read";
        const afterRequestId = row.number("afterRequestId");
        const commands = row.bytes("commands");
        const count = countCommands(commands, 0, commands.length);
        if (typeof count === "string") row.refuse(count);
        else if (count === 0) row.refuse("there is no command");
        return { requestId, access, afterRequestId, count: Number(count), commands };
      });
      return { kind: "forwardRequest", term, life, requests };
    }
    case 17: {
      const life = fields.number("life");
      const responses = fields.rows("responses", 2, (row): ForwardedReplies => ({
        requestId: row.number("requestId"),
        replies: row.bytes("replies"),
      }));
      return { kind: "forwardResponse", life, responses };
    }
    case 20:
      return { kind: "digestReport", index: fields.number("index"), digest: fields.number("digest") };
    case 21:
      return {
        kind: "adminRequest",
        term: fields.number("term"),
        life: fields.number("life"),
        requestId: fields.number("requestId"),
        words: fields.texts("words", ADMIN_WORDS_MAX),
      };
    case 22:
      return {
        kind: "adminResponse",
        life: fields.number("life"),
        requestId: fields.number("requestId"),
        reply: fields.bytes("reply"),
      };
    case 23:
      return {
        kind: "readIndexRequest",
        term: fields.number("term"),
        life: fields.number("life"),
        requestId: fields.number("requestId"),
      };
    case 24:
      return {
        kind: "readIndexResponse",
        life: fields.number("life"),
        requestId: fields.number("requestId"),
        index: fields.number("index"),
      };
    case 18:
      return { kind: "ping", number: fields.number("number") };
    default:
      return { kind: "pong", number: fields.number("number") };
  }
}

type RequestFields = Omit<AppendEntriesRequest, "kind" | "entries"> & { readonly records: Uint8Array };

/** The message that these fields are, or which rule they break. */
function appendEntriesRequestOf(
  fields: RequestFields,
  checked: Checked | null,
): AppendEntriesRequest | string {
  const { term, prevLogIndex, prevLogTerm, leaderCommit, round, health, epoch, records } = fields;
  if (term === 0) return "term is 0";
  if (prevLogTerm > term) return `prevLogTerm is ${prevLogTerm}, term is ${term}`;
  if ((prevLogIndex === 0) !== (prevLogTerm === 0)) {
    return `prevLogIndex is ${prevLogIndex} and prevLogTerm is ${prevLogTerm}`;
  }
  const entries = decodeEntries(records, checked);
  if (typeof entries === "string") return entries;
  const [first, last] = [entries[0], entries.at(-1)];
  if (first !== undefined && last !== undefined) {
    if (first.index !== prevLogIndex + 1) return `entry ${first.index} follows prevLogIndex ${prevLogIndex}`;
    if (first.term < prevLogTerm) return `term ${first.term} follows prevLogTerm ${prevLogTerm}`;
    if (last.term > term) return `an entry has term ${last.term}, term is ${term}`;
  }
  return {
    kind: "appendEntriesRequest",
    term,
    prevLogIndex,
    prevLogTerm,
    leaderCommit,
    round,
    health,
    epoch,
    entries,
  };
}

type ResponseFields = Omit<AppendEntriesResponse, "kind">;

/** The message that these fields are, or which rule they break. */
function appendEntriesResponseOf(fields: ResponseFields): AppendEntriesResponse | string {
  const { term, requestTerm, success, prevLogIndex, round, matchIndex, hintIndex, hintTerm, epoch } = fields;
  if (requestTerm > term) return `requestTerm is ${requestTerm}, term is ${term}`;
  if (success && requestTerm !== term) return `success is for term ${requestTerm}, term is ${term}`;
  if (success && matchIndex < prevLogIndex) {
    return `matchIndex is ${matchIndex}, prevLogIndex is ${prevLogIndex}`;
  }
  return {
    kind: "appendEntriesResponse",
    term,
    requestTerm,
    success,
    prevLogIndex,
    round,
    matchIndex,
    hintIndex,
    hintTerm,
    epoch,
  };
}

const ARRAY_OF_10 = 0x8a;

/** Fields one behind another, behind the head and the code, as long as nothing is unusual about them; see {@link FieldReader} for the rest. */
class FieldCursor {
  readonly #bytes: Uint8Array;
  #at = 2;
  isOdd = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return !this.isOdd && this.#at === this.#bytes.length;
  }

  number(): number {
    const bytes = this.#bytes;
    const first = bytes[this.#at] ?? 255;
    if (first < 24) {
      this.#at++;
      return first;
    }
    const extra = first === 24 ? 1 : first === 25 ? 2 : first === 26 ? 4 : 0;
    let number = 0;
    for (let i = 1; i <= extra; i++) number = number * 256 + (bytes[this.#at + i] ?? 0);
    // What is cut short, longer than it must be, or above 2^32 is odd.
    if (number < (extra === 1 ? 24 : 2 ** (extra * 4)) || this.#at + extra >= bytes.length) this.isOdd = true;
    this.#at += 1 + extra;
    return number;
  }

  boolean(): boolean {
    const byte = this.#bytes[this.#at++];
    if (byte !== 0xf4 && byte !== 0xf5) this.isOdd = true;
    return byte === 0xf5;
  }

  /** A byte string that goes on to the end. */
  lastBytes(): Uint8Array {
    const bytes = this.#bytes;
    const first = bytes[this.#at] ?? 0;
    const size = first === 0x40 ? 0 : first === 0x58 ? 1 : first === 0x59 ? 2 : first === 0x5a ? 4 : -1;
    let length = 0;
    for (let i = 1; i <= size; i++) length = length * 256 + (bytes[this.#at + i] ?? 0);
    const from = this.#at + 1 + size;
    const isShortest = size === 0 || length >= (size === 1 ? 24 : 2 ** (size * 4));
    if (size < 0 || !isShortest || from + length !== bytes.length) this.isOdd = true;
    this.#at = bytes.length;
    return bytes.subarray(from);
  }
}

function appendEntriesRequestIn(body: Uint8Array): RequestFields | null {
  const cursor = new FieldCursor(body);
  const fields = {
    term: cursor.number(),
    prevLogIndex: cursor.number(),
    prevLogTerm: cursor.number(),
    leaderCommit: cursor.number(),
    round: cursor.number(),
    health: { diskMs: cursor.number(), loopMs: cursor.number() },
    epoch: cursor.number(),
    records: cursor.lastBytes(),
  };
  return cursor.isAtEnd ? fields : null;
}

function appendEntriesResponseIn(body: Uint8Array): ResponseFields | null {
  const cursor = new FieldCursor(body);
  const fields = {
    term: cursor.number(),
    requestTerm: cursor.number(),
    success: cursor.boolean(),
    prevLogIndex: cursor.number(),
    round: cursor.number(),
    matchIndex: cursor.number(),
    hintIndex: cursor.number(),
    hintTerm: cursor.number(),
    epoch: cursor.number(),
  };
  return cursor.isAtEnd ? fields : null;
}

/** What the checksum of its frame says of the records at the end of a body. */
function checkedIn(body: Uint8Array, records: Uint8Array, frameChecksum: number | null): Checked | null {
  if (frameChecksum === null || records.length === 0) return null;
  return { before: sumOfFrame(body, body.length - records.length), whole: frameChecksum };
}
