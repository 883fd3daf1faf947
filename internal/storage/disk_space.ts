/**
 * Whether the disk has room for more of a log (docs/disks.md).
 *
 * Two things make it full: less is free than the bound, or something could not be made that takes space. It is well again when more than
 * the bound is free and what could not be made is there.
 *
 * Keeps true: after a refusal of the disk nothing that takes space is tried before the next look; a look that fails says nothing.
 *
 * @module
 */
import { FileError, type FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";

/** So many times the bound is plenty, or so many segments where the bound is lower. */
const PLENTY = 8;

/** Whether an operation failed since there was no space for it. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof FileError && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

export interface DiskSpaceOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly trace: Trace;
  /** With less than this the disk is full. */
  readonly freeBytesMin: number;
  readonly segmentBytes: number;
}

export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  #freeBytes: number | null = null;
  #isLow = false;
  #isStarved = false;
  #mayTry = true;
  #wasFull = false;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#isLow || this.#isStarved;
  }

  /** Whether so much is free that what is not needed may take some of it, without making the disk full. */
  get isPlenty(): boolean {
    const { freeBytesMin, segmentBytes } = this.#options;
    return this.#freeBytes !== null && this.#freeBytes >= PLENTY * Math.max(freeBytesMin, segmentBytes);
  }

  /** Whether something may be made that takes space. */
  get mayTake(): boolean {
    return !this.#isLow && (!this.#isStarved || this.#mayTry);
  }

  async look(): Promise<void> {
    const { fileSystem, directory, freeBytesMin } = this.#options;
    try {
      this.#freeBytes = await fileSystem.freeBytes(directory);
    } catch (error) {
      // What cannot be known is found out when something is made.
      if (!(error instanceof FileError)) throw error;
      this.#freeBytes = null;
    }
    // A little more than the bound ends it, so that it does not come and go.
    const bound = this.#isLow ? freeBytesMin * 5 / 4 : freeBytesMin;
    this.#isLow = this.#freeBytes !== null && this.#freeBytes < bound;
    this.#mayTry = !this.#isLow;
    this.#say();
  }

  /** Something could not be made. */
  refused(): void {
    this.#isStarved = true;
    this.#mayTry = false;
    this.#say();
  }

  /** Everything that could not be made is there. */
  sufficed(): void {
    this.#isStarved = false;
    this.#say();
  }

  #say(): void {
    if (this.isFull === this.#wasFull) return;
    this.#wasFull = this.isFull;
    const { trace, freeBytesMin, directory } = this.#options;
    const fields = { directory, freeBytes: this.#freeBytes ?? "unknown", freeBytesMin };
    if (this.isFull) trace.event("error", "disk full: writes are refused until there is space", fields);
    else trace.event("info", "the disk has space again: writes are taken", fields);
  }
}
