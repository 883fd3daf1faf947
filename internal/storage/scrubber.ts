/**
 * Reads closed segments and snapshots again, slowly, so that rot is found before what rotted is needed (docs/disks.md).
 *
 * Keeps true: never more than the budget of a step is read, but for one batch or chunk; what is gone meanwhile is no rot; what the disk cannot
 * read is, where it reads the rest (bad_sectors.ts); a footer is compared with what the next segment says; nothing is changed; a rotten file is told once in a round.
 *
 * @module
 */
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import { FileError } from "../platform/file_system.ts";
import { FOOTER_BYTES, footerFrom, footerOf, footerPlace, objectionToFooter } from "./footer.ts";
import { type Hole, holeBetween, readAround, wordsOf } from "./bad_sectors.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  segmentName,
  serialOf,
} from "./segment.ts";
import { SnapshotDamage, snapshotPlaceOf, SnapshotReader } from "./snapshot_file.ts";

/** Small batches are read together. */
const WINDOW_BYTES = 256 * 1024;

/** Bytes that are not what was written. */
export interface Rot {
  readonly file: string;
  readonly offset: number;
  readonly found: string;
  /** Whether nothing else says what stood there. */
  readonly isLoss: boolean;
}

export interface ScrubberOptions {
  readonly fileSystem: FileSystem;
  readonly log: string;
  readonly snapshots: string;
}

/** Reads on: gives the bytes of each piece, and at the end the rot, if there is some. */
type Reading = AsyncGenerator<number, Rot | null>;

export class Scrubber {
  readonly #options: ScrubberOptions;
  #reading: Reading | null = null;
  /** Files of which it was told in this round that they are rotten. */
  readonly #told = new Set<string>();

  constructor(options: ScrubberOptions) {
    this.#options = options;
  }

  /**
   * Reads about so many bytes more. Tells what rot it met, or whether everything was read once.
   *
   * @throws {FileError} where the disk cannot be read
   */
  async step(bytes: number): Promise<Rot | "more" | "done"> {
    this.#reading ??= this.#everything();
    for (let left = bytes; left > 0;) {
      const next = await this.#next(this.#reading);
      if (next.done !== true) {
        left -= next.value;
        continue;
      }
      this.#reading = null;
      if (next.value === null) {
        this.#told.clear();
        return "done";
      }
      this.#told.add(next.value.file);
      return next.value;
    }
    return "more";
  }

  async #next(reading: Reading): Promise<IteratorResult<number, Rot | null>> {
    try {
      return await reading.next();
    } catch (error) {
      this.#reading = null;
      // The log lets go of segments while they are read.
      if (error instanceof FileError && error.code === "ENOENT") return { done: true, value: null };
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#reading?.return(null);
    this.#reading = null;
  }

  async *#everything(): Reading {
    const { fileSystem, log, snapshots } = this.#options;
    const serials = (await fileSystem.readDirectory(log)).map(serialOf)
      .filter((serial) => serial !== null).sort((a, b) => a - b);
    for (const [i, serial] of serials.slice(0, -1).entries()) {
      // They go oldest first: what is missing between two of them was not let go of.
      if (serials[i + 1] !== serial + 1) {
        const file = `${log}/${segmentName(serial + 1)}`;
        // Both may have gone while the names were read, the older one first.
        const isThere = (await fileSystem.readDirectory(log)).includes(segmentName(serial));
        if (isThere && !this.#told.has(file)) {
          return { file, offset: 0, found: "the segment is missing", isLoss: true };
        }
        continue;
      }
      const rot = yield* this.#opened(`${log}/${segmentName(serial)}`, (file) => this.#segment(file, serial));
      // What is let go of may be written over.
      const isGone = rot !== null && !(await fileSystem.readDirectory(log)).includes(segmentName(serial));
      if (rot !== null && !isGone) return rot;
    }
    for (const name of await fileSystem.readDirectory(snapshots)) {
      if (snapshotPlaceOf(name) === null) continue;
      const rot = yield* this.#opened(`${snapshots}/${name}`, (file) => this.#snapshot(file));
      if (rot !== null) return rot;
    }
    return null;
  }

  async *#opened(path: string, read: (file: FileHandle) => Reading): Reading {
    if (this.#told.has(path)) return null;
    const file = await this.#options.fileSystem.openForReading(path);
    try {
      return yield* read(file);
    } finally {
      await file.close();
    }
  }

  /** Up to where its successor says that it ended. */
  async *#segment(file: FileHandle, serial: number): Reading {
    const { fileSystem, log } = this.#options;
    const rotten = (offset: number, found: string, isLoss = true): Rot => ({
      file: file.path,
      offset,
      found,
      isLoss,
    });
    const head = await readAround(file, 0, SEGMENT_HEADER_BYTES);
    const [unread] = head.holes;
    if (unread !== undefined) return rotten(0, wordsOf(unread));
    const header = decodeSegmentHeader(head.bytes);
    if (typeof header === "string") return rotten(0, header);
    if (header.serial !== serial) return rotten(0, `it is segment ${header.serial}`);
    const successor = await fileSystem.openForReading(`${log}/${segmentName(serial + 1)}`);
    let next: ReturnType<typeof decodeSegmentHeader>;
    try {
      next = decodeSegmentHeader((await readAround(successor, 0, SEGMENT_HEADER_BYTES)).bytes);
    } finally {
      await successor.close();
    }
    yield 2 * SEGMENT_HEADER_BYTES;
    // Its own turn comes.
    if (typeof next === "string" || next.previousSerial !== serial) return null;
    let held: Uint8Array = new Uint8Array(0);
    let holes: readonly Hole[] = [];
    let from = 0;
    const bytesAt = async (at: number, length: number) => {
      if (at + length > from + held.length) {
        ({ bytes: held, holes } = await readAround(file, at, Math.max(length, WINDOW_BYTES)));
        from = at;
      }
      return held.subarray(at - from, at - from + length);
    };
    for (let at = SEGMENT_HEADER_BYTES; at < next.previousEnd;) {
      const batch = decodeBatchHeader(await bytesAt(at, BATCH_HEADER_BYTES), 0, header.nonce);
      const batchEnd = at + BATCH_HEADER_BYTES + (typeof batch === "string" ? 0 : batch.recordBytes);
      const why = (reason: string) => {
        const unread = holeBetween(holes, at, batchEnd);
        return unread === null ? reason : wordsOf(unread);
      };
      if (typeof batch === "string") return rotten(at, why(batch));
      if (at + BATCH_HEADER_BYTES + batch.recordBytes > next.previousEnd) {
        return rotten(at, "the batch is longer than the segment");
      }
      const bytes = await bytesAt(at, BATCH_HEADER_BYTES + batch.recordBytes + ALIGNMENT);
      const body = checkBatchBody(bytes, 0, batch);
      if (typeof body === "string") return rotten(at, why(body));
      at += body.end;
      yield bytes.length;
    }
    if (header.bytes === null) return null;
    const at = footerPlace(header.bytes);
    const block = await readAround(file, at, FOOTER_BYTES);
    yield FOOTER_BYTES;
    const footer = footerFrom(block.bytes, block.holes[0] ?? null, header);
    const { previousEnd: end, chain, lastBatch, state: { last } } = next;
    const counts = footer === null || typeof footer === "string" ? { entries: 0, first: null } : footer;
    const expected = footerOf(header, { ...header, offset: end, tally: counts }, { chain, lastBatch }, last);
    const objection = objectionToFooter(footer, expected);
    return objection === null ? null : rotten(at, objection, false);
  }

  async *#snapshot(file: FileHandle): Reading {
    try {
      const reader = await SnapshotReader.open(file);
      for (let next = await reader.next(); next instanceof Uint8Array; next = await reader.next()) {
        yield next.length + 1;
      }
      return null;
    } catch (error) {
      if (!(error instanceof SnapshotDamage)) throw error;
      return { file: file.path, offset: error.offset, found: error.message, isLoss: true };
    }
  }
}
