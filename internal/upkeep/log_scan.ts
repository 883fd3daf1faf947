/**
 * A log read from its first byte to its last for people: every record that is there, and everything that is wrong with it.
 *
 * Recovery stops at the first damage, as nothing may rest on it. This goes on behind it, at the next batch that can be told by its
 * segment's nonce, and finds what else is damaged and what is still whole.
 *
 * Keeps true: it only reads; it claims nothing, so it can look at a directory in use. There the last batch may be on its way while it is
 * read, and segments may go, the oldest first, also one that the reading is about to come to: neither is taken for damage. A read error is
 * damage at a place, never an end.
 *
 * @module
 */
import { decodeRecord, type FoundRecord } from "../codec/record.ts";
import { FileError, type FileSystem } from "../platform/file_system.ts";
import { isTimesName } from "../storage/archiver.ts";
import { Fold } from "../storage/fold.ts";
import {
  batchesLimit,
  footerAtEnd,
  footerIn,
  footerOf,
  footerPlace,
  isCutShort,
  objectionToFooter,
  type SegmentFooter,
} from "../storage/footer.ts";
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
} from "../storage/segment.ts";
import { NEXT_NAME } from "../storage/open_segment.ts";
import { isSpareName } from "../storage/spares.ts";

/** Something worth telling: damage, or what is as it may be and still of interest. */
export interface Finding {
  readonly level: "damage" | "note";
  readonly file: string;
  readonly offset: number;
  readonly what: string;
}

/** A record, and where it stands. */
export interface RecordSight {
  readonly kind: "record";
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** The number of its batch. */
  readonly batch: number;
  readonly record: FoundRecord["record"];
}

/** What comes by on the way from the first byte to the last. */
export type Sight =
  | { readonly kind: "segment"; readonly file: string; readonly header: SegmentHeader }
  | RecordSight
  | {
    readonly kind: "footer";
    readonly file: string;
    readonly offset: number;
    readonly footer: SegmentFooter;
  }
  /** `isLoss` where something is damaged that nothing else says. */
  | { readonly kind: "finding"; readonly finding: Finding; readonly isLoss: boolean }
  /** Behind the last one: what the log has come to, as far as no damage is in the way. */
  | { readonly kind: "end"; readonly segments: number; readonly state: LogState | null };

/** Whose log it should be; `null` where nobody knows. */
export type Owner = { readonly clusterId: string; readonly serverId: string } | null;

/** Where segments come from: of an archive the last one is closed, of a log it is written. */
export type Whence = "archive" | "log" | "unknown";

/** A batch that is being written while it is read is read again so often. */
const READS_AGAIN = 3;
const NONCE_AT = 8;
const NONCE_BYTES = 8;

/** The serials of a log directory, and what else lies there. */
export async function segmentsIn(
  fileSystem: FileSystem,
  directory: string,
): Promise<{ readonly serials: readonly number[]; readonly others: readonly string[] }> {
  const names = (await fileSystem.readDirectory(directory)).sort();
  const serials = names.map(serialOf).filter((serial) => serial !== null).sort((a, b) => a - b);
  return { serials, others: names.filter((name) => serialOf(name) === null) };
}

/** Reads everything in a log directory, in order. */
export async function* scanLog(
  fileSystem: FileSystem,
  directory: string,
  owner: Owner,
  isAlone = false,
): AsyncGenerator<Sight> {
  const { serials, others } = await segmentsIn(fileSystem, directory);
  for (const name of others) {
    // The next segment, prepared ahead; space that is held for it, or for a full disk; and what an archive has beside segments.
    if (name === NEXT_NAME || isSpareName(name) || name === RESERVE_NAME || isTimesName(name)) continue;
    const what = isQuarantined(name)
      ? "put aside when a part of the log was lost"
      : name.endsWith(".tmp")
      ? "left over; it goes at the next start"
      : "no file of the log";
    yield found("note", `${directory}/${name}`, 0, what);
  }
  if (serials.length === 0) yield found("damage", directory, 0, "the log has no segment");
  const pathOf = (serial: number) => `${directory}/${segmentName(serial)}`;
  const whence = others.some(isTimesName) ? "archive" : isAlone ? "unknown" : "log";
  const listAgain = async () => (await segmentsIn(fileSystem, directory)).serials;
  yield* scanSegments(fileSystem, serials, pathOf, owner, whence, listAgain);
}

/**
 * Reads segments, in order, wherever each of them is.
 *
 * `listAgain` says which there are by now, where somebody may be at work on them: segments go oldest first, so what is not there any more
 * is missing only as long as an older one is.
 */
export async function* scanSegments(
  fileSystem: FileSystem,
  serials: readonly number[],
  pathOf: (serial: number) => string,
  owner: Owner,
  whence: Whence,
  listAgain: () => Promise<readonly number[]> = () => Promise.resolve(serials),
): AsyncGenerator<Sight> {
  const scan = new Scan(fileSystem, pathOf, owner, whence);
  let ahead = [...serials];
  let [before, count] = [ahead[0] ?? 0, 0];
  /** Whether everything up to there was let go of; what is ahead is then what is left. */
  const wasLetGo = async (upTo: number) => {
    const left = await listAgain();
    const first = left[0];
    if (first === undefined || first <= upTo) return false;
    ahead = [...left];
    before = first;
    scan.breakOff();
    return true;
  };
  for (let serial = ahead.shift(); serial !== undefined; serial = ahead.shift()) {
    if (serial > before + 1) {
      if (await wasLetGo(before + 1)) continue;
      const missing = serial - before - 1;
      const what = missing === 1
        ? "the segment is missing"
        : `this segment and ${missing - 1} more are missing`;
      yield found("damage", pathOf(before + 1), 0, what);
      scan.breakOff();
    }
    before = serial;
    const file = pathOf(serial);
    const bytes = await scan.read(file);
    // Also where it is there: its file may be written over by now, but for those of an archive.
    if ((bytes === "" || whence !== "archive") && await wasLetGo(serial)) {
      yield found("note", file, 0, "it was let go of meanwhile");
      continue;
    }
    count++;
    if (typeof bytes !== "string") yield* scan.segment(serial, bytes, ahead[0] ?? null);
    else {
      yield found("damage", file, 0, bytes === "" ? "it cannot be opened: it is gone" : bytes);
      scan.breakOff();
    }
  }
  yield { kind: "end", segments: count, state: scan.state };
}

function found(level: Finding["level"], file: string, offset: number, what: string, isLoss = true): Sight {
  return { kind: "finding", finding: { level, file, offset, what }, isLoss: isLoss && level === "damage" };
}

class Scan {
  readonly #fileSystem: FileSystem;
  readonly #pathOf: (serial: number) => string;
  readonly #owner: Owner;
  readonly #whence: Whence;
  /** What the records come to; `null` behind damage, until a segment's header tells it anew. */
  #fold: Fold | null = null;
  /** Where the batches have got to; `null` as above. */
  #thread: { readonly chain: number; readonly lastBatch: number } | null = null;

  constructor(
    fileSystem: FileSystem,
    pathOf: (serial: number) => string,
    owner: Owner,
    whence: Whence,
  ) {
    this.#fileSystem = fileSystem;
    this.#pathOf = pathOf;
    this.#owner = owner;
    this.#whence = whence;
  }

  get state(): LogState | null {
    return this.#fold?.state ?? null;
  }

  /** What comes next does not go on from what was. */
  breakOff(): void {
    this.#fold = null;
    this.#thread = null;
  }

  async *segment(serial: number, bytes: Uint8Array, successor: number | null): AsyncGenerator<Sight> {
    const file = this.#pathOf(serial);
    const header = decodeSegmentHeader(bytes);
    if (typeof header === "string") {
      yield found("damage", file, 0, header);
      this.breakOff();
    } else yield* this.#begin(file, serial, header);
    const pinned = successor === null ? null : await this.#limitFrom(successor, serial);
    let { nonce, batches, footer, limit } = partsOf(bytes, header, pinned);
    const zeros = typeof header === "string" ? Infinity : header.zeros;
    let at = SEGMENT_HEADER_BYTES;
    let readsLeft = successor === null ? READS_AGAIN : 0;
    const readAgain = async () => {
      readsLeft--;
      const again: Uint8Array | string = await this.read(file);
      if (typeof again === "string") return;
      bytes = again;
      ({ nonce, batches, footer, limit } = partsOf(bytes, header, pinned));
    };
    while (at !== limit && !(limit === null && endsAt(batches, at, { zeros, nonce }))) {
      const batch = batchAt(batches, at, nonce);
      if (typeof batch === "string") {
        if (readsLeft > 0) {
          await readAgain();
          continue;
        }
        const next = findBatch(batches, at + ALIGNMENT, nonce);
        const isOpen = successor === null && this.#whence !== "archive" && footer === null;
        if (isOpen && next === null && (typeof header === "string" || !isCutShort(bytes, header))) {
          return yield found("note", file, at, `torn tail: ${batch}; it is cut at the next start`);
        }
        const where = next === null
          ? limit === null ? "nothing follows in this segment" : `the log of this segment ends at ${limit}`
          : `it goes on at offset ${next.at} with batch ${next.number}`;
        yield found("damage", file, damageIn(batches, at, nonce) ?? at, `${batch}; ${where}`);
        this.breakOff();
        if (next === null) return;
        at = next.at;
        continue;
      }
      yield* this.#batch(file, batches, at, batch);
      at = batch.end;
      if (limit !== null && at > limit) {
        const who = pinned === null ? "the footer" : "the next segment";
        yield found("damage", file, at, `${who} says that this one ends at ${limit}`);
        return this.breakOff();
      }
    }
    if (typeof header === "string") return;
    while (typeof footer === "string" && readsLeft > 0) await readAgain();
    yield* this.#end(file, bytes, header, at, footer, successor === null);
  }

  /** The end of a segment: whether it is all there, and what its footer says. */
  *#end(
    file: string,
    bytes: Uint8Array,
    header: SegmentHeader,
    at: number,
    footer: ReturnType<typeof footerIn>,
    isLast: boolean,
  ): Generator<Sight> {
    if (header.bytes === null) {
      if (!isLast || this.#whence === "log") return;
      const what =
        "the last segment is of format 1, which has no footer: nobody knows whether it is complete";
      return yield found("note", file, at, what);
    }
    const place = footerPlace(header.bytes);
    const isClosed = !isLast || this.#whence === "archive";
    if (isLast && isCutShort(bytes, header) && at >= bytes.length) {
      const what = `the file has ${bytes.length} bytes, and had ${header.bytes}: it is cut short`;
      return yield found("damage", file, bytes.length, what);
    }
    if (!isClosed && footer === null) {
      if (this.#whence === "log") return;
      const what = "the last segment has no footer: it was still written, or its end is missing";
      return yield found("note", file, at, what);
    }
    if (!isClosed && typeof footer === "string") {
      const what = `the footer is not whole: ${footer}; it is written anew at the next start`;
      return yield found("note", file, place, what);
    }
    const [fold, thread] = [this.#fold, this.#thread];
    const expected = fold === null || thread === null
      ? null
      : footerOf(header, { ...header, offset: at, tally: fold.tally }, thread, fold.last);
    const objection = objectionToFooter(footer, expected);
    // Where another segment follows, that one says where this one ended.
    if (objection !== null) yield found("damage", file, place, objection, isLast);
    if (footer !== null && typeof footer !== "string") yield { kind: "footer", file, offset: place, footer };
  }

  /** The beginning of a segment, compared with the end of the one before. */
  *#begin(file: string, serial: number, header: SegmentHeader): Generator<Sight> {
    const { clusterId, serverId, previousSerial, chain, lastBatch, state } = header;
    const wrong = (what: string) => found("damage", file, 0, what);
    if (header.serial !== serial) {
      yield wrong(`the header says segment ${header.serial}, the name ${serial}`);
      this.breakOff();
    }
    if (this.#owner !== null && (clusterId !== this.#owner.clusterId || serverId !== this.#owner.serverId)) {
      yield wrong(
        `it belongs to server ${serverId} of cluster ${clusterId}, ` +
          `not to ${this.#owner.serverId} of ${this.#owner.clusterId}`,
      );
      this.breakOff();
    }
    if (previousSerial !== header.serial - 1) {
      yield wrong(`the header says that segment ${previousSerial} is before it`);
    }
    const thread = this.#thread;
    if (thread !== null && (chain !== thread.chain || lastBatch !== thread.lastBatch)) {
      yield wrong(
        `the header goes on after batch ${lastBatch}, the log before ends with ${thread.lastBatch}`,
      );
      this.breakOff();
    }
    const objection = this.#fold?.objectionTo(state) ?? null;
    if (objection !== null) {
      yield wrong(objection);
      this.breakOff();
    }
    this.#thread = { chain, lastBatch };
    this.#fold ??= new Fold(state);
    this.#fold.segmentBegins(state);
    yield { kind: "segment", file, header };
  }

  *#batch(file: string, bytes: Uint8Array, at: number, batch: FoundBatch): Generator<Sight> {
    const thread = this.#thread;
    if (thread !== null && (batch.number !== thread.lastBatch + 1 || batch.chain !== thread.chain)) {
      yield found("damage", file, at, `batch ${batch.number} does not go on from batch ${thread.lastBatch}`);
      this.breakOff();
    }
    this.#thread = { chain: batch.checksum, lastBatch: batch.number };
    const records = bytes.subarray(0, batch.recordsEnd);
    for (let offset = at + BATCH_HEADER_BYTES; offset < batch.recordsEnd;) {
      const next = decodeRecord(records, offset);
      if (typeof next === "string") {
        yield found("damage", file, offset, next);
        return this.breakOff();
      }
      const { record, end } = next;
      const objection = this.#fold?.take(record) ?? null;
      if (objection !== null) {
        yield found("damage", file, offset, objection);
        this.#fold = null;
      }
      yield { kind: "record", file, offset, bytes: end - offset, batch: batch.number, record };
      offset = end;
    }
    this.#letGo();
  }

  /** What is committed changes no more: it need not be held. */
  #letGo(): void {
    const fold = this.#fold;
    if (fold === null) return;
    const settled = Math.min(fold.state.commitIndex, fold.last.index) - fold.base.index;
    const last = fold.entries[settled - 1];
    if (settled < 1024 || last === undefined) return;
    fold.base = { index: last.index, term: last.term };
    fold.entries.splice(0, settled);
  }

  /** Where the next segment says that this one ends; `null` where it does not say, or is next behind a gap only. */
  async #limitFrom(successor: number, serial: number): Promise<number | null> {
    const bytes = await this.read(this.#pathOf(successor), SEGMENT_HEADER_BYTES);
    const header = typeof bytes === "string" ? bytes : decodeSegmentHeader(bytes);
    return typeof header === "string" || header.previousSerial !== serial ? null : header.previousEnd;
  }

  /** The bytes of a file, or why there are none; the reason is empty where the file is gone. */
  async read(path: string, bytesMax = Infinity): Promise<Uint8Array | string> {
    try {
      const file = await this.#fileSystem.openForReading(path);
      try {
        return await file.readAt(0, Math.min(await file.size(), bytesMax));
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!(error instanceof FileError) || error.code === "EACCES" || error.code === "EPERM") throw error;
      return error.code === "ENOENT" ? "" : `it cannot be read: ${error.message}`;
    }
  }
}

/** What there is in the file of a segment, and where its batches end; `null` where nobody says. */
function partsOf(bytes: Uint8Array, header: SegmentHeader | string, pinned: number | null) {
  if (typeof header !== "string") {
    const footer = footerIn(bytes, [], header);
    const end = typeof footer === "string" ? null : footer?.end ?? null;
    const batches = bytes.subarray(0, batchesLimit(bytes, header));
    return { nonce: header.nonce, batches, footer, limit: pinned ?? end };
  }
  const { footer, batches } = footerAtEnd(bytes);
  // The first batch tells what the header would have.
  const from = SEGMENT_HEADER_BYTES + NONCE_AT;
  const nonce = footer?.nonce ?? bytes.slice(from, from + NONCE_BYTES);
  return { nonce, batches, footer, limit: pinned ?? footer?.end ?? null };
}

interface FoundBatch {
  readonly number: number;
  readonly chain: number;
  readonly checksum: number;
  readonly recordsEnd: number;
  readonly end: number;
}

function batchAt(bytes: Uint8Array, at: number, nonce: Uint8Array): FoundBatch | string {
  const header = decodeBatchHeader(bytes, at, nonce);
  if (typeof header === "string") return header;
  const body = checkBatchBody(bytes, at, header);
  if (typeof body === "string") return `batch ${header.number}: ${body}`;
  return { number: header.number, chain: header.chain, checksum: header.checksum, ...body };
}

/** The first record that is not what it was, in a batch whose header is whole. */
function damageIn(bytes: Uint8Array, at: number, nonce: Uint8Array): number | null {
  const header = decodeBatchHeader(bytes, at, nonce);
  if (typeof header === "string") return null;
  const end = Math.min(bytes.length, at + BATCH_HEADER_BYTES + header.recordBytes);
  const records = bytes.subarray(0, end);
  for (let offset = at + BATCH_HEADER_BYTES; offset < end;) {
    const next = decodeRecord(records, offset);
    if (typeof next === "string") return offset;
    offset = next.end;
  }
  return null;
}
