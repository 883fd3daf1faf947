/**
 * The segment that is written: made anew, out of a spare, out of the reserve where the disk is full, or opened again after a start.
 *
 * `reserve` lies beside the segments: as long as one, written in full ahead of need. Where no other space is left it becomes the next
 * segment, so that term, vote and members can still be written (docs/disks.md).
 *
 * Keeps true: a segment has its name only when its header and its zeros are durable (all of them, or as many as a reused one needs), and the footer of the one before; a segment is closed only
 * when there is room for the next one; `reserve` is the name of a file that has all of its
 * bytes; what a failed write left behind is removed, never written on.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { FileError, type FileHandle, type FileSystem } from "../platform/file_system.ts";
import { BLOCK_BYTES } from "./block.ts";
import { isNoSpace } from "./disk_space.ts";
import { encodeFooter, FOOTER_BYTES, footerOf, footerPlace, type SegmentFooter } from "./footer.ts";
import type { LogEnd, RecoveredLog } from "./recovery.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  encodeSegmentHeader,
  RESERVE_NAME,
  SEGMENT_HEADER_BYTES,
  segmentName,
} from "./segment.ts";
import { type Spares, zerosAheadIn, zerosIn } from "./spares.ts";
import { emptyTally, type Tally } from "./tally.ts";

/** Zeros are written in steps of this size. */
const PREPARE_STEP_BYTES = 1024 * 1024;
/** After so many zeros they are synced, so that the last sync has little to do while batches are written beside it. */
const PREPARE_SYNC_BYTES = 4 * 1024 * 1024;
/** Shared, so that not each step takes new memory; nobody writes to it. */
const ZEROS = new Uint8Array(PREPARE_STEP_BYTES);
export const NEXT_NAME = "next.tmp";
export const RESERVE_TEMPORARY = `${RESERVE_NAME}.tmp`;

export interface SegmentOptions {
  readonly fileSystem: FileSystem;
  /** The log's own directory; it exists. */
  readonly directory: string;
  readonly random: Random;
  readonly clusterId: string;
  readonly serverId: string;
  readonly segmentBytes: number;
}

/** The segment that is being written. */
export interface OpenSegment {
  readonly file: FileHandle;
  readonly serial: number;
  readonly nonce: Uint8Array;
  /** Up to where batches may stand. */
  readonly limit: number;
  /** Where the footer goes; `null` in the first format, which has none. */
  readonly footerAt: number | null;
  offset: number;
  /** So many zeros follow the last batch at least, and up to where there are some. */
  readonly zeros: number;
  zeroedTo: number;
  /** What is in it. */
  readonly tally: Tally;
}

/** A log as it is written on: behind its end, or, where there is none, in a first segment of that serial. */
export interface WritableLog extends Pick<RecoveredLog, "state" | "segments"> {
  readonly end: LogEnd | null;
  readonly firstSerial: number;
}

type NewSegment = Omit<
  Parameters<typeof encodeSegmentHeader>[0],
  "clusterId" | "serverId" | "nonce" | "bytes" | "zeros"
>;

/** The length of a file that takes a batch of so many bytes of records, and is no shorter than others. */
export function fileBytesFor(
  { segmentBytes }: Pick<SegmentOptions, "segmentBytes">,
  recordBytes: number,
): number {
  const batchesEnd = SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES + recordBytes + ALIGNMENT;
  return batchesEnd <= footerPlace(segmentBytes)
    ? segmentBytes
    : Math.ceil((batchesEnd + FOOTER_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
}

/** A file that has all of its bytes, and no name yet that counts. */
export interface Room {
  readonly file: FileHandle;
  readonly name: string;
  readonly bytes: number;
  /** As in the header, and up to where there are zeros from the first batch's place on. */
  readonly zeros: number;
  readonly zeroedTo: number;
}

/** A room that is all zeros. */
function emptyRoom(file: FileHandle, name: string, bytes: number): Room {
  return { file, name, bytes, zeros: Infinity, zeroedTo: bytes };
}

/**
 * Makes a segment, out of a prepared file where there is one; where no space is left, out of the reserve. The one before is closed when it is
 * sure that there is room for the next one.
 */
export async function makeSegment(
  options: SegmentOptions,
  header: NewSegment,
  fileBytes: number,
  prepared: Room | null,
  closeBefore: () => Promise<void> = () => Promise.resolve(),
): Promise<OpenSegment> {
  const room = prepared ?? await makeRoom(options, `${segmentName(header.serial)}.tmp`, fileBytes);
  await closeBefore();
  const nonce = await writeHeader(options, header, room);
  return await publish(options, header.serial, nonce, room);
}

async function makeRoom(options: SegmentOptions, name: string, bytes: number): Promise<Room> {
  const { fileSystem, directory } = options;
  let file: FileHandle | null = null;
  try {
    file = await fileSystem.create(`${directory}/${name}`);
    await writeZeros(file, bytes);
    await file.sync();
    return emptyRoom(file, name, bytes);
  } catch (error) {
    if (!isNoSpace(error)) throw error;
    await file?.close();
    await removeIfThere(fileSystem, directory, name);
    const reserve = await takeReserve(options, bytes);
    if (reserve === null) throw error;
    return reserve;
  }
}

/** `null` where there is no reserve, or one that is too short. Its bytes have their place on the disk: they are only written over. */
async function takeReserve(
  { fileSystem, directory }: SegmentOptions,
  fileBytes: number,
): Promise<Room | null> {
  if (!(await fileSystem.readDirectory(directory)).includes(RESERVE_NAME)) return null;
  const file = await fileSystem.openForWriting(`${directory}/${RESERVE_NAME}`);
  const bytes = await file.size();
  if (bytes < fileBytes) {
    await file.close();
    return null;
  }
  await writeZeros(file, bytes);
  return emptyRoom(file, RESERVE_NAME, bytes);
}

/** The header, and a sync that covers the zeros too. Tells the nonce. */
async function writeHeader(
  { clusterId, serverId, random }: SegmentOptions,
  header: NewSegment,
  { file, bytes, zeros }: Room,
): Promise<Uint8Array> {
  const nonce = new Uint8Array(8).map(() => random.below(256));
  await file.writeAt(0, encodeSegmentHeader({ ...header, clusterId, serverId, nonce, bytes, zeros }));
  await file.sync();
  return nonce;
}

/** The name, durably. */
async function publish(
  { fileSystem, directory }: SegmentOptions,
  serial: number,
  nonce: Uint8Array,
  { file, name, bytes, zeros, zeroedTo }: Room,
): Promise<OpenSegment> {
  await fileSystem.rename(`${directory}/${name}`, `${directory}/${segmentName(serial)}`);
  await fileSystem.syncDirectory(directory);
  const footerAt = footerPlace(bytes);
  assert(footerAt > SEGMENT_HEADER_BYTES, "A segment has room between header and footer");
  return {
    file,
    serial,
    nonce,
    limit: footerAt,
    footerAt,
    offset: SEGMENT_HEADER_BYTES,
    zeros,
    zeroedTo: Math.min(zeroedTo, footerAt),
    tally: emptyTally(),
  };
}

/** Where a segment ended: its footer, durable. Nothing is written into it any more. */
export async function closeSegment(
  file: FileHandle,
  footerAt: number | null,
  footer: SegmentFooter,
): Promise<void> {
  if (footerAt !== null) await file.writeSynced(footerAt, encodeFooter(footer));
}

function zeros(length: number): Uint8Array {
  return length === ZEROS.length ? ZEROS : new Uint8Array(length);
}

async function writeZeros(file: FileHandle, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; at += PREPARE_STEP_BYTES) {
    await file.writeAt(at, zeros(Math.min(PREPARE_STEP_BYTES, bytes - at)));
  }
}

/** Removes what was half made. */
export async function removeIfThere(fileSystem: FileSystem, directory: string, name: string): Promise<void> {
  if (!(await fileSystem.readDirectory(directory)).includes(name)) return;
  await fileSystem.remove(`${directory}/${name}`);
}

/** `null` where somebody took the file away. */
async function openIfThere(fileSystem: FileSystem, path: string): Promise<FileHandle | null> {
  try {
    return await fileSystem.openForWriting(path);
  } catch (error) {
    if (error instanceof FileError && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Whether there is a reserve that is long enough; a shorter one, of other options, goes. */
export async function hasReserve(
  { fileSystem, directory, segmentBytes }: SegmentOptions,
): Promise<boolean> {
  if (!(await fileSystem.readDirectory(directory)).includes(RESERVE_NAME)) return false;
  const file = await fileSystem.openForReading(`${directory}/${RESERVE_NAME}`);
  const bytes = await file.size();
  await file.close();
  if (bytes >= segmentBytes) return true;
  await fileSystem.remove(`${directory}/${RESERVE_NAME}`);
  return false;
}

/** A file that is made ahead of need, a step at a time, and durable: all zeros, or a spare that has zeros where they are needed first. */
export class FileAhead {
  readonly #options: SegmentOptions;
  readonly #name: string;
  readonly #spares: Spares | null;
  /** The spare that is in use. */
  #spare: string | null = null;
  #file: FileHandle | null = null;
  #zeroed = 0;
  #isWhole = false;

  constructor(options: SegmentOptions, name: string, spares: Spares | null = null) {
    this.#options = options;
    this.#name = name;
    this.#spares = spares;
  }

  get isBegun(): boolean {
    return this.#file !== null;
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** The next step. Tells whether there was space for it; what was made is gone where there was not. */
  async step(): Promise<boolean> {
    const { fileSystem, directory, segmentBytes } = this.#options;
    try {
      if (this.#file === null && await this.#reuse()) return true;
      const file = this.#file ?? await fileSystem.create(`${directory}/${this.#name}`);
      this.#file = file;
      const step = Math.min(PREPARE_STEP_BYTES, segmentBytes - this.#zeroed);
      await file.writeAt(this.#zeroed, zeros(step));
      this.#zeroed += step;
      const isWhole = this.#zeroed === segmentBytes;
      if (!isWhole && this.#zeroed % PREPARE_SYNC_BYTES !== 0) return true;
      await file.sync();
      this.#isWhole = isWhole;
      return true;
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      const name = this.#spare ?? this.#name;
      await this.close();
      await removeIfThere(fileSystem, directory, name);
      return false;
    }
  }

  /** Makes the oldest spare ready to be written, if there is one that fits; tells whether it did. */
  async #reuse(): Promise<boolean> {
    const { fileSystem, directory, segmentBytes } = this.#options;
    const name = this.#spares?.take() ?? null;
    if (name === null) return false;
    const file = await openIfThere(fileSystem, `${directory}/${name}`);
    if (file === null) return false;
    // Somebody changed its length, or made a copy of it by another name.
    if (await file.size() !== segmentBytes || await file.links() > 1) {
      await file.close();
      await removeIfThere(fileSystem, directory, name);
      return false;
    }
    [this.#file, this.#spare] = [file, name];
    const footerAt = footerPlace(segmentBytes);
    this.#zeroed = Math.min(
      footerAt,
      SEGMENT_HEADER_BYTES + zerosIn(segmentBytes) + zerosAheadIn(segmentBytes),
    );
    await file.writeAt(0, new Uint8Array(this.#zeroed));
    await file.writeAt(footerAt, new Uint8Array(segmentBytes - footerAt));
    await file.sync();
    this.#isWhole = true;
    return true;
  }

  /** The file, whole, for whoever goes on with it. */
  take(): Room | null {
    const file = this.#file;
    if (!this.#isWhole || file === null) return null;
    const { segmentBytes } = this.#options;
    const room = this.#spare === null ? emptyRoom(file, this.#name, segmentBytes) : {
      file,
      name: this.#spare,
      bytes: segmentBytes,
      zeros: zerosIn(segmentBytes),
      zeroedTo: this.#zeroed,
    };
    this.#forget();
    return room;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#forget();
    await file?.close();
  }

  #forget(): void {
    this.#file = null;
    this.#spare = null;
    this.#zeroed = 0;
    this.#isWhole = false;
  }
}

/** Gives the file that was made for it the reserve's name. */
export async function publishReserve(
  { fileSystem, directory }: SegmentOptions,
  ahead: FileAhead,
): Promise<void> {
  await ahead.close();
  await fileSystem.rename(`${directory}/${RESERVE_TEMPORARY}`, `${directory}/${RESERVE_NAME}`);
  await fileSystem.syncDirectory(directory);
}

/** Goes on where the log ended: in the same segment after a clean end, in a new one after a cut. */
export async function reopen(
  options: SegmentOptions,
  { end, state, firstSerial }: WritableLog,
): Promise<OpenSegment> {
  if (end === null) {
    const header = {
      serial: firstSerial,
      previousSerial: firstSerial - 1,
      previousEnd: 0,
      chain: 0,
      lastBatch: 0,
      state,
    };
    return await makeSegment(options, header, options.segmentBytes, null);
  }
  const file = await options.fileSystem.openForWriting(`${options.directory}/${segmentName(end.serial)}`);
  // The last batch may be in the operating system's cache only: the process may have died before its sync, or the
  // sync may have failed and the pages be marked clean since (D12). The same bytes are written again before anything rests on them.
  if (end.lastBatchAt !== null) await file.writeAt(end.lastBatchAt.offset, end.lastBatchAt.bytes);
  // The same for the zeros behind it, where they were written with it.
  if (end.clean && Number.isFinite(end.zeros)) {
    await file.writeAt(end.offset, new Uint8Array(end.zeroedTo - end.offset));
  }
  await file.sync();
  if (end.clean) {
    const { serial, nonce, limit, footerAt, offset, zeros, zeroedTo, tally } = end;
    return { file, serial, nonce, limit, footerAt, offset, zeros, zeroedTo, tally };
  }
  // Behind the sync of the batches: it says that they are durable.
  const closeBefore = () => closeSegment(file, end.footerAt, footerOf(options, end, end, state.last));
  try {
    return await makeSegment(
      options,
      {
        serial: end.serial + 1,
        previousSerial: end.serial,
        previousEnd: end.offset,
        chain: end.chain,
        lastBatch: end.lastBatch,
        state,
      },
      options.segmentBytes,
      null,
      closeBefore,
    );
  } finally {
    await file.close();
  }
}
