/**
 * Segments that the log let go of, kept to be written again: so a log that is written all the time takes no new space, gives none back, and
 * fills no file with zeros.
 *
 * To make a file costs a place on the disk for each of its blocks, zeros in all of them, and a sync of both, to remove one as much again; all of
 * that stands in front of the batches of every server on the disk. A spare has its blocks.
 *
 * Keeps true: a spare has its name durably before a byte of it is written over, so no segment is ever found with other bytes than its own. So many
 * of the newest are left alone: who reads a segment that is let go of under him, such as a person who copies the directory, has that long to
 * finish. Spares take no more than so many bytes, and go at the next start, and where there is too little space.
 *
 * @module
 */
import { isNoSpace } from "./disk_space.ts";
import { removeIfThere, type SegmentOptions } from "./open_segment.ts";
import { footerPlace } from "./footer.ts";
import type { SegmentContent } from "./recovery.ts";
import { segmentName } from "./segment.ts";

const BYTES_MAX = 256 * 1024 * 1024;
const COUNT_MAX = 16;
/** The newest ones rest. */
const RESTING = 2;

/** Where so many zeros follow the last batch, that is where the log ends. */
const ZEROS_MAX = 16 * 1024;
/** More than two sectors, so that one that is lost does not look like an end. */
const ZEROS_MIN = 1024;
const AHEAD_MAX = 32 * 1024;
const SECTOR_BYTES = 512;

/** How many zeros follow the last batch of a reused segment at least. */
export function zerosIn(segmentBytes: number): number {
  return Math.max(ZEROS_MIN, Math.min(ZEROS_MAX, sectorsOf(segmentBytes / 1024)));
}

/** When there are too few, so many more are written. */
export function zerosAheadIn(segmentBytes: number): number {
  return Math.max(SECTOR_BYTES, Math.min(AHEAD_MAX, sectorsOf(segmentBytes / 512)));
}

function sectorsOf(bytes: number): number {
  return Math.floor(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}

function spareName(serial: number): string {
  return `spare-${String(serial).padStart(10, "0")}.tmp`;
}

/** Whether a name in the log's directory is that of a spare. */
export function isSpareName(name: string): boolean {
  return /^spare-\d{10}\.tmp$/.test(name);
}

export class Spares {
  readonly #options: SegmentOptions;
  /** Oldest first. */
  readonly #names: string[] = [];
  readonly #max: number;

  constructor(options: SegmentOptions) {
    this.#options = options;
    const count = Math.min(COUNT_MAX, Math.floor(BYTES_MAX / options.segmentBytes));
    // None would be ready ever.
    this.#max = count > RESTING ? count : 0;
  }

  /** Whether there is room for one more, and that segment is as long as the next one will be. */
  takes({ footerAt }: Pick<SegmentContent, "footerAt">): boolean {
    return this.#names.length < this.#max && footerAt === footerPlace(this.#options.segmentBytes);
  }

  get isEmpty(): boolean {
    return this.#names.length === 0;
  }

  /** Whether there is one that may be written over. */
  get isReady(): boolean {
    return this.#names.length > RESTING;
  }

  /** The segment is none any more, and kept. Tells whether it is: a name may want space, where there is none. */
  async keep(serial: number): Promise<boolean> {
    const { fileSystem, directory } = this.#options;
    const name = spareName(serial);
    try {
      await fileSystem.rename(`${directory}/${segmentName(serial)}`, `${directory}/${name}`);
    } catch (error) {
      if (isNoSpace(error)) return false;
      throw error;
    }
    await fileSystem.syncDirectory(directory);
    this.#names.push(name);
    return true;
  }

  /** The name of the oldest one, which is the caller's now; `null` where there is none that may be written over. */
  take(): string | null {
    return this.isReady ? this.#names.shift() ?? null : null;
  }

  /** Removes the oldest one. */
  async giveBack(): Promise<void> {
    const { fileSystem, directory } = this.#options;
    const name = this.#names.shift();
    if (name === undefined) return;
    await removeIfThere(fileSystem, directory, name);
    await fileSystem.syncDirectory(directory);
  }
}
