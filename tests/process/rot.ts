/**
 * Changes the memory of another process: what a flipped bit in the machine's memory does, on purpose.
 *
 * Linux only, and only for whoever may look into that process (its parent, or root).
 *
 * @module
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

/** Memory is looked at in pieces of this many bytes. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** A range of addresses that the process may write. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** Why no memory can be changed here, or `null`. */
export function cannotRot(pid: number): string | null {
  try {
    closeSync(openSync(`/proc/${pid}/mem`, "r+"));
    return null;
  } catch (error) {
    return `the memory of another process cannot be written here: ${String(error)}`;
  }
}

/**
 * Flips the lowest bit of the last byte of each place where these bytes stand; gives how many there were.
 *
 * @throws {Error} if the process is gone
 */
export function rot(pid: number, bytes: Uint8Array): number {
  const memory = openSync(`/proc/${pid}/mem`, "r+");
  let found = 0;
  try {
    const piece = new Uint8Array(PIECE_BYTES + bytes.length);
    for (const { from, to } of writableRanges(pid)) {
      for (let at = from; at < to; at += PIECE_BYTES) {
        const got = readPiece(memory, piece.subarray(0, Math.min(piece.length, to - at)), at);
        const view = new Uint8Array(piece.buffer, 0, got);
        for (let place = indexOf(view, bytes, 0); place >= 0; place = indexOf(view, bytes, place + 1)) {
          const last = place + bytes.length - 1;
          writeSync(memory, Uint8Array.of((view[last] ?? 0) ^ 1), 0, 1, at + last);
          found++;
        }
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

function writableRanges(pid: number): readonly Range[] {
  const ranges: Range[] = [];
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (match !== null) ranges.push({ from: parseInt(match[1] ?? "", 16), to: parseInt(match[2] ?? "", 16) });
  }
  return ranges;
}

/** Reads what is there; memory that has no page behind it, or that went away meanwhile, is nothing. */
function readPiece(memory: number, into: Uint8Array, at: number): number {
  try {
    return readSync(memory, into, 0, into.length, at);
  } catch {
    return 0;
  }
}

function indexOf(view: Uint8Array, bytes: Uint8Array, from: number): number {
  const first = bytes[0] ?? 0;
  for (let at = view.indexOf(first, from); at >= 0; at = view.indexOf(first, at + 1)) {
    if (bytes.every((byte, i) => view[at + i] === byte)) return at;
  }
  return -1;
}
