/**
 * The messages of a bulk connection as CBOR arrays in frames. A snapshot's name stands as `index, term, bytes, checksum`.
 *
 * | code | message | fields |
 * | --- | --- | --- |
 * | 32 | snapshot question | index |
 * | 33 | snapshot offer | name |
 * | 34 | snapshot refusal | reason |
 * | 35 | snapshot piece question | name, offset, length |
 * | 36 | snapshot piece | name, offset, bytes |
 * | 37 | entries question | index and term of `after`, index and term of `to` |
 * | 38 | entries piece | records, one behind the other, as they stand in a log |
 * | 39 | entries refusal | reason |
 *
 * Keeps true: whatever arrives becomes a message whose every field was checked, or a reason; never an exception.
 *
 * @module
 */
import { assertNever } from "../base/assert.ts";
import { joined } from "../base/bytes.ts";
import type { BulkMessage, SnapshotName } from "./bulk_message.ts";
import { type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";
import { encodeFrame } from "./frame.ts";
import { decodeEntries, encodeEntries, recordOf } from "./record.ts";
import type { Entry } from "../raft/types.ts";

const REASON_MAX = 256;
/** The longest piece that may be asked for. */
const PIECE_BYTES_MAX = 4 * 1024 * 1024;

export function encodeBulkFrame(message: BulkMessage): Uint8Array {
  return encodeFrame(encodeCbor(valueOf(message)));
}

function valueOf(message: BulkMessage): CborValue {
  switch (message.kind) {
    case "snapshotQuestion":
      return [32, message.index];
    case "snapshotOffer":
      return [33, ...nameFields(message.name)];
    case "snapshotRefusal":
      return [34, message.reason.slice(0, REASON_MAX)];
    case "snapshotPieceQuestion":
      return [35, ...nameFields(message.name), message.offset, message.length];
    case "snapshotPiece":
      return [36, ...nameFields(message.name), message.offset, message.bytes];
    case "entriesQuestion":
      return [37, message.after.index, message.after.term, message.to.index, message.to.term];
    case "entriesPiece":
      return [38, recordsOf(message.entries)];
    case "entriesRefusal":
      return [39, message.reason.slice(0, REASON_MAX)];
    default:
      return assertNever(message, "A bulk message has a known kind");
  }
}

function recordsOf(entries: readonly Entry[]): Uint8Array {
  encodeEntries(entries);
  return joined(entries.map(recordOf));
}

function nameFields({ index, term, bytes, checksum }: SnapshotName): readonly number[] {
  return [index, term, bytes, checksum];
}

/** The message in a frame's body, or why there is none. */
export function decodeBulk(body: Uint8Array): BulkMessage | string {
  const decoded = decodeCbor(body);
  if ("reason" in decoded) return decoded.reason;
  if (!Array.isArray(decoded.value)) return "a message is an array";
  const fields: readonly CborValue[] = decoded.value;
  const [code, ...rest] = fields;
  const wrong = `the fields of bulk message ${String(code)} are not what they should be`;
  switch (code) {
    case 32: {
      const [index] = rest;
      return typeof index === "number" && rest.length === 1 ? { kind: "snapshotQuestion", index } : wrong;
    }
    case 33: {
      const name = nameOf(rest);
      return name !== null && rest.length === 4 ? { kind: "snapshotOffer", name } : wrong;
    }
    case 34: {
      const [reason] = rest;
      return typeof reason === "string" && rest.length === 1 ? { kind: "snapshotRefusal", reason } : wrong;
    }
    case 35: {
      const name = nameOf(rest);
      const [offset, length] = rest.slice(4);
      if (name === null || typeof offset !== "number" || typeof length !== "number" || rest.length !== 6) {
        return wrong;
      }
      if (offset >= name.bytes || length === 0 || length > PIECE_BYTES_MAX) {
        return `a piece of ${length} bytes at ${offset} is asked for, the snapshot has ${name.bytes}`;
      }
      return { kind: "snapshotPieceQuestion", name, offset, length };
    }
    case 36: {
      const name = nameOf(rest);
      const [offset, bytes] = rest.slice(4);
      if (
        name === null || typeof offset !== "number" || !(bytes instanceof Uint8Array) || rest.length !== 6
      ) {
        return wrong;
      }
      if (bytes.length === 0 || offset + bytes.length > name.bytes) {
        return `a piece has ${bytes.length} bytes at ${offset}, the snapshot has ${name.bytes}`;
      }
      return { kind: "snapshotPiece", name, offset, bytes };
    }
    case 37: {
      const [afterIndex, afterTerm, index, term] = rest;
      if (
        typeof afterIndex !== "number" || typeof afterTerm !== "number" || typeof index !== "number" ||
        typeof term !== "number" || rest.length !== 4
      ) return wrong;
      if (index <= afterIndex || term < afterTerm || (afterIndex === 0) !== (afterTerm === 0)) {
        return `entries are asked for from behind ${afterIndex}:${afterTerm} to ${index}:${term}`;
      }
      const after = { index: afterIndex, term: afterTerm };
      return { kind: "entriesQuestion", after, to: { index, term } };
    }
    case 38: {
      const [bytes] = rest;
      if (!(bytes instanceof Uint8Array) || rest.length !== 1) return wrong;
      const entries = decodeEntries(bytes);
      if (typeof entries === "string") return entries;
      return entries.length === 0 ? "a piece of a log is empty" : { kind: "entriesPiece", entries };
    }
    case 39: {
      const [reason] = rest;
      return typeof reason === "string" && rest.length === 1 ? { kind: "entriesRefusal", reason } : wrong;
    }
    default:
      return `bulk message code is ${String(code)}`;
  }
}

function nameOf([index, term, bytes, checksum]: readonly CborValue[]): SnapshotName | null {
  if (typeof index !== "number" || typeof term !== "number" || typeof bytes !== "number") return null;
  if (typeof checksum !== "number" || index === 0 || term === 0 || checksum >= 2 ** 32) return null;
  return { index, term, bytes, checksum };
}
