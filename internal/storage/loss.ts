/**
 * What is behind the damage of a log: read to know what was lost, never to be used again.
 *
 * Keeps true: `last` is where the log ended, or `null`: it is known only where everything from some place up to the end is whole and in
 * order, that place has an entry, or is one of which somebody wrote down where the log ended there (the footer of a segment, the header of the
 * next one, the promises), and nothing says that there was more. Whatever is unclear, or cannot be read, makes it `null`.
 *
 * @module
 */
import { CorruptLogError } from "../base/errors.ts";
import { decodeRecord } from "../codec/record.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { ConfigurationValue, HardState, LogPosition } from "../raft/types.ts";
import { type ReadAround, readFileAround } from "./bad_sectors.ts";
import { isCutShort, partsOf } from "./footer.ts";
import type { Promises } from "./promises.ts";
import { type Durable, headerOf, type ReadLog } from "./recovery.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  endsAt,
  findBatch,
  SEGMENT_HEADER_BYTES,
  segmentName,
} from "./segment.ts";

export interface Loss {
  /** Where the log ended; `null` where nobody knows. */
  readonly last: LogPosition | null;
  /** The newest one that was found; `null` where none was. */
  readonly hardState: HardState | null;
  readonly epoch: number;
  /** The last one that was found; `null` where none was. */
  readonly configuration: ConfigurationValue | null;
}

/** A batch that was durable, and where the log ended with it. */
type Noted = Durable & Pick<Promises, "last">;

/** The newer of two hard states: a vote is newer than none in the same term. */
export function newerOf(a: HardState, b: HardState): HardState {
  if (a.currentTerm !== b.currentTerm) return a.currentTerm > b.currentTerm ? a : b;
  return a.votedFor === null ? b : a;
}

class Survey implements Loss {
  last: LogPosition | null = null;
  hardState: HardState | null = null;
  epoch = 0;
  configuration: ConfigurationValue | null = null;
  lastBatch: number;
  readonly #durable: Noted;

  constructor(lastBatch: number, durable: Noted) {
    this.lastBatch = lastBatch;
    this.#durable = durable;
  }

  found(hardState: HardState): void {
    this.hardState = this.hardState === null ? hardState : newerOf(this.hardState, hardState);
  }

  /** Looks through the batches of a segment from `at` on; `isCut` tells that it had more bytes once, `end` where they end, if it is known. */
  batches(
    bytes: Uint8Array,
    nonce: Uint8Array,
    at: number,
    zeros: number,
    isCut: boolean,
    end?: number,
  ): void {
    while (!endsAt(bytes, at, { zeros, nonce })) {
      const header = decodeBatchHeader(bytes, at, nonce);
      const body = typeof header === "string" ? header : checkBatchBody(bytes, at, header);
      if (typeof header === "string" || typeof body === "string" || header.number <= this.lastBatch) {
        const next = findBatch(bytes, at + ALIGNMENT, nonce);
        // Of a reused file whose header is lost only this tells that what follows is older.
        if (next === null && at === end) return;
        this.last = null;
        if (next === null) return;
        at = next.at;
        continue;
      }
      if (header.number !== this.lastBatch + 1) this.last = null;
      this.lastBatch = header.number;
      this.#records(bytes.subarray(0, body.recordsEnd), at + BATCH_HEADER_BYTES);
      if (header.number === this.#durable.lastBatch) this.last ??= this.#durable.last;
      at = body.end;
    }
    // Only a byte that is left behind the last batch says that no other one followed.
    if (isCut && at >= bytes.length) this.last = null;
  }

  #records(records: Uint8Array, from: number): void {
    for (let at = from; at < records.length;) {
      const next = decodeRecord(records, at);
      if (typeof next === "string") {
        this.last = null;
        return;
      }
      const { record } = next;
      switch (record.kind) {
        case "entry":
          this.last = { index: record.entry.index, term: record.entry.term };
          this.configuration = record.entry.configuration ?? this.configuration;
          break;
        case "reset":
          this.last = record.position;
          break;
        case "truncate":
          this.last = null;
          break;
        case "hardState":
          this.found(record.hardState);
          break;
        case "commit":
          break;
      }
      at = next.end;
    }
  }
}

/** Looks at everything behind the damage. */
export async function surveyLoss(
  fileSystem: FileSystem,
  directory: string,
  owner: { readonly clusterId: string; readonly serverId: string },
  { log, serials }: ReadLog,
  durable: Noted,
): Promise<Loss> {
  const survey = new Survey(log?.end.lastBatch ?? 0, durable);
  for (const serial of serials) {
    if (log !== null && serial < log.end.serial) continue;
    const path = `${directory}/${segmentName(serial)}`;
    const { bytes, holes } = await readFile(fileSystem, path);
    const header = headerOf(path, bytes, holes, serial, owner);
    const { nonce, batches, footer } = partsOf(bytes, holes, header, serial, owner);
    survey.last = null;
    if (!(header instanceof CorruptLogError) && serial !== log?.end.serial) {
      survey.last = header.state.last;
      survey.epoch = Math.max(survey.epoch, header.state.epoch);
      survey.lastBatch = Math.max(survey.lastBatch, header.lastBatch);
      survey.found(header.state.hardState);
    }
    if (nonce !== null) {
      const isCut = !(header instanceof CorruptLogError) && isCutShort(bytes, header);
      const zeros = header instanceof CorruptLogError ? Infinity : header.zeros;
      const from = serial === log?.end.serial ? log.end.offset : SEGMENT_HEADER_BYTES;
      survey.batches(batches, nonce, from, zeros, isCut, footer?.end);
    }
    // It was written behind all that stood there. Where it knows of no more than is kept, it may be that of a repair.
    if (footer !== null && footer.lastBatch > survey.lastBatch) {
      survey.lastBatch = footer.lastBatch;
      survey.last = footer.last;
    }
  }
  if ((serials.at(-1) ?? 0) < durable.serial || survey.lastBatch < durable.lastBatch) survey.last = null;
  return survey;
}

async function readFile(fileSystem: FileSystem, path: string): Promise<ReadAround> {
  const file = await fileSystem.openForReading(path);
  try {
    return await readFileAround(file);
  } finally {
    await file.close();
  }
}
