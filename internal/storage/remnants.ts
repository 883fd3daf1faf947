/**
 * What is left of a log behind its damage: read again, as long as the loss is not made good, so that what is whole there need not come from
 * others (docs/repair.md).
 *
 * Keeps true: the entries of one remnant stood one after another in this server's log, in whole batches of one chain, so all of them together
 * were part of one leader's log. Of what was before a remnant only this is said, where it is known: where the log ended then, as the header of
 * the segment or the record of a new beginning has it. Nothing is said of what came between two of them.
 *
 * @module
 */
import { CorruptLogError, describeError } from "../base/errors.ts";
import { decodeRecord, type LogRecord } from "../codec/record.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { Entry, LogIndex, LogPosition, Remnant } from "../raft/types.ts";
import { isUnreadable, type ReadAround, readFileAround } from "./bad_sectors.ts";
import { partsOf } from "./footer.ts";
import { headerOf } from "./recovery.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  endsAt,
  findBatch,
  placeOfQuarantined,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from "./segment.ts";

/** What is left of the newest losses comes first; more than this is not held in memory, but for a segment, and comes from a leader. */
const BYTES_MAX = 256 * 1024 * 1024;

/**
 * Everything that is whole in the segments that were put aside, and can be read: nobody needs it to start.
 *
 * @throws {FileError} where the disk fails otherwise
 */
export async function readRemnants(
  fileSystem: FileSystem,
  directory: string,
  owner: { readonly clusterId: string; readonly serverId: string },
  trace: Trace,
  bytesMax = BYTES_MAX,
): Promise<Remnant[]> {
  const names = (await fileSystem.readDirectory(directory)).flatMap((name) => {
    const place = placeOfQuarantined(name);
    return place === null ? [] : [{ name, ...place }];
  }).sort((a, b) => b.epoch - a.epoch || a.serial - b.serial);
  const remnants: Remnant[] = [];
  let bytes = 0;
  for (const epoch of new Set(names.map((name) => name.epoch))) {
    const log = new LostLog();
    for (const { name, serial } of names.filter((name) => name.epoch === epoch)) {
      if (bytes >= bytesMax) break;
      const path = `${directory}/${name}`;
      const content = await contentOf(fileSystem, path, trace);
      bytes += content.bytes.length;
      const header = readableHeader(path, content.bytes, serial, owner);
      const { nonce, batches, footer } = partsOf(content.bytes, content.holes, header, serial, owner);
      if (nonce === null) log.breakOff();
      else log.segment(batches, nonce, header instanceof CorruptLogError ? null : header, footer?.end);
    }
    remnants.push(...log.remnants.filter(({ entries }) => entries.length > 0));
  }
  return remnants;
}

async function contentOf(fileSystem: FileSystem, path: string, trace: Trace): Promise<ReadAround> {
  const file = await fileSystem.openForReading(path);
  try {
    return await readFileAround(file);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    trace.event("warn", "what was put aside cannot be read", { reason: describeError(error) });
    return { bytes: new Uint8Array(0), holes: [] };
  } finally {
    await file.close();
  }
}

function readableHeader(
  path: string,
  bytes: Uint8Array,
  serial: number,
  owner: { readonly clusterId: string; readonly serverId: string },
): SegmentHeader | CorruptLogError {
  try {
    return headerOf(path, bytes, [], serial, owner);
  } catch (error) {
    // Of another version: nobody understands it here.
    if (error instanceof CorruptLogError) return error;
    throw error;
  }
}

/** A remnant that may go on. */
interface OpenRemnant extends Remnant {
  readonly entries: Entry[];
}

/** One log that was lost, read as far as it can be. */
class LostLog {
  readonly remnants: OpenRemnant[] = [];
  /** The remnant that the next entry may belong to; `null` behind a place that is not known. */
  #open: OpenRemnant | null = null;
  /** Where the log ended at this place, if that is known. */
  #end: LogPosition | null = null;
  /** The last batch that was read; `null` where what comes next follows something else. */
  #thread: { readonly number: number; readonly checksum: number } | null = null;

  breakOff(): void {
    this.#open = null;
    this.#thread = null;
    this.#end = null;
  }

  /** Reads the batches of a segment; `null` where its header is lost. They end at `end`, if that is known. */
  segment(bytes: Uint8Array, nonce: Uint8Array, header: SegmentHeader | null, end?: number): void {
    const zeros = header?.zeros ?? Infinity;
    if (header === null) this.breakOff();
    else {
      const { lastBatch, chain } = header;
      if (this.#thread?.number !== lastBatch || this.#thread.checksum !== chain) this.breakOff();
      this.#thread = { number: lastBatch, checksum: chain };
      this.#end = header.state.last;
    }
    for (let at = SEGMENT_HEADER_BYTES; !endsAt(bytes, at, { zeros, nonce });) {
      const header = decodeBatchHeader(bytes, at, nonce);
      const body = typeof header === "string" ? header : checkBatchBody(bytes, at, header);
      if (typeof header === "string" || typeof body === "string") {
        const next = findBatch(bytes, at + ALIGNMENT, nonce);
        if (next === null && at === end) return;
        this.breakOff();
        if (next === null) return;
        at = next.at;
        continue;
      }
      if (header.number !== (this.#thread?.number ?? -2) + 1 || header.chain !== this.#thread?.checksum) {
        this.breakOff();
      }
      this.#thread = { number: header.number, checksum: header.checksum };
      this.#records(bytes.subarray(0, body.recordsEnd), at + BATCH_HEADER_BYTES);
      at = body.end;
    }
  }

  #records(records: Uint8Array, from: number): void {
    for (let at = from; at < records.length;) {
      const found = decodeRecord(records, at);
      if (typeof found === "string") return this.breakOff();
      this.#take(found.record);
      at = found.end;
    }
  }

  #take(record: LogRecord): void {
    switch (record.kind) {
      case "entry":
        return this.#append(record.entry);
      case "truncate":
        return this.#truncate(record.from);
      case "reset":
        this.#open = null;
        this.#end = record.position;
        return;
      case "hardState":
      case "commit":
        return;
    }
  }

  #append(entry: Entry): void {
    const { index, term } = entry;
    const end = this.#end;
    const before = end !== null && end.index === index - 1 && end.term <= term ? end : null;
    if (this.#open === null || before === null) {
      // Whatever stood here before was replaced, even where the record of it is lost.
      this.#truncate(index);
      this.#open = { after: before, entries: [] };
      this.remnants.push(this.#open);
    }
    this.#open.entries.push(entry);
    this.#end = { index, term };
  }

  #truncate(from: LogIndex): void {
    for (const { entries } of this.remnants) {
      while ((entries.at(-1)?.index ?? 0) >= from) entries.pop();
    }
    const left = this.#open?.entries.at(-1) ?? this.#open?.after ?? null;
    this.#end = left !== null && left.index === from - 1 ? { index: left.index, term: left.term } : null;
    if (this.#end === null) this.#open = null;
  }
}
