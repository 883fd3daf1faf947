/**
 * Reading where the disk has bad sectors: what can be read, and where there is no reading.
 *
 * A read that fails with EIO is tried again in small pieces, again when the others were tried, and a last time when it was seen that the disk
 * reads: one that stumbled gives its bytes then, and checksums say what they are worth. Pieces that fail each time are **holes**. They are told, and filled with bytes of which nothing
 * that is whole consists: no zeros, so that no hole is ever taken for the end of what was written.
 *
 * Keeps true: only EIO of a part makes a hole. Where nothing of a file can be read, or where what could be read a moment ago cannot be read any
 * more, it is not a sector that is bad but the disk, the cable or the array, and that may pass: it stays an error. So does every other
 * error: who may not open a file, or has no descriptor left, knows nothing of its bytes. Only reads are ever tried again.
 *
 * @module
 */
import { FileError, type FileHandle } from "../platform/file_system.ts";

/** What is read at a time where the disk stumbles; a multiple of what disks call a sector. */
const PIECE_BYTES = 4096;
const FILLER = 0xee;
/** Where the neighbours of a hole cannot be read either, so many places all over the file are tried. */
const SPREAD = 16;

type Readable = Pick<FileHandle, "size" | "readAt">;

/** Bytes of a file that the disk does not give. */
export interface Hole {
  readonly from: number;
  /** The first byte behind it. */
  readonly to: number;
}

export interface ReadAround {
  /** Those that were asked for, up to the end of the file; filled up where there are holes. */
  readonly bytes: Uint8Array;
  /** By their places in the file, in order. */
  readonly holes: readonly Hole[];
}

/**
 * Reads around bad sectors; into `memory`, where it can.
 *
 * @throws {FileError} where it is more than some sectors that cannot be read
 */
export async function readAround(
  file: Readable,
  offset: number,
  length: number,
  memory?: Uint8Array,
): Promise<ReadAround> {
  try {
    return { bytes: await file.readAt(offset, length, memory), holes: [] };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return await readPieces(file, offset, length, error);
  }
}

/** The same for a whole file. */
export async function readFileAround(file: Readable): Promise<ReadAround> {
  return await readAround(file, 0, await file.size());
}

/** The first hole that has a byte from `from` on and before `to`. */
export function holeBetween(holes: readonly Hole[], from: number, to: number): Hole | null {
  return holes.find((hole) => hole.from < to && from < hole.to) ?? null;
}

/** A hole in words. */
export function wordsOf({ from, to }: Hole): string {
  return `the disk cannot read the bytes from ${from} to ${to - 1} (EIO)`;
}

async function readPieces(
  file: Readable,
  offset: number,
  length: number,
  error: unknown,
): Promise<ReadAround> {
  const end = Math.min(offset + length, await file.size());
  const bytes = new Uint8Array(Math.max(0, end - offset)).fill(FILLER);
  const read = async (at: number): Promise<boolean> => {
    const piece = await pieceAt(file, at, pieceEnd(at, end));
    if (piece !== null) bytes.set(piece, at - offset);
    return piece !== null;
  };
  const failed: number[] = [];
  let sound: number | null = null;
  for (let at = offset; at < end; at = pieceEnd(at, end)) {
    if (await read(at)) sound = at;
    else failed.push(at);
  }
  const stillUnread = async (pieces: readonly number[]): Promise<number[]> => {
    const left: number[] = [];
    for (const from of pieces) if (!(await read(from))) left.push(from);
    return left;
  };
  let unread = await stillUnread(failed);
  if (unread.length > 0) {
    if (!(await isSoundElsewhere(file, sound, offset, end))) throw error;
    // The trouble may have passed while they were tried.
    unread = await stillUnread(unread);
  }
  const holes: { from: number; to: number }[] = [];
  for (const from of unread) {
    const to = pieceEnd(from, end);
    const last = holes.at(-1);
    if (last?.to === from) last.to = to;
    else holes.push({ from, to });
  }
  return { bytes, holes };
}

/** Pieces end where those of the file do. */
function pieceEnd(at: number, end: number): number {
  return Math.min(end, at - at % PIECE_BYTES + PIECE_BYTES);
}

/** Whether the disk reads on, but for the holes: what it read before, or else something else of the file. */
async function isSoundElsewhere(
  file: Readable,
  sound: number | null,
  from: number,
  to: number,
): Promise<boolean> {
  const size = await file.size();
  const nearby = [0, Math.max(0, from - PIECE_BYTES), to, size - PIECE_BYTES];
  const spread = Array.from({ length: SPREAD }, (_, i) => Math.floor(size * i / SPREAD));
  const places = sound === null ? [...nearby, ...spread] : [sound];
  for (const place of places) {
    const at = Math.max(0, place);
    if (at >= size || (sound === null && at >= from && at < to)) continue;
    if (await pieceAt(file, at, pieceEnd(at, size)) !== null) return true;
  }
  return false;
}

async function pieceAt(file: Readable, from: number, to: number): Promise<Uint8Array | null> {
  try {
    return await file.readAt(from, to - from);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return null;
  }
}

/** Whether the disk cannot read what is there. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof FileError && error.code === "EIO";
}
