/**
 * What a server's disk would give back if its power failed now: the log folded from the durable layer of its files.
 *
 * A reader of its own, apart from recovery: it follows the disk as it grows, a batch at a time, so that asking costs in proportion to what
 * became durable since. What the oldest segments held is remembered when they are gone: a segment that was made behind entries that were
 * replaced later begins in a place that was never committed, and no snapshot knows it.
 *
 * @module
 */
import { decodeRecord } from "../../internal/codec/record.ts";
import type { HardState, LogIndex } from "../../internal/raft/types.ts";
import {
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  serialOf,
} from "../../internal/storage/segment.ts";
import type { DurableState } from "../invariants/disk.ts";
import { chain, type PrefixHash } from "../invariants/ghost.ts";
import { DIRECTORY } from "./assemble.ts";

const UNBORN: HardState = { currentTerm: 0, votedFor: null };

/** Where the durable bytes are. */
export interface DurableSource {
  /** Counts up whenever something durable may have changed. */
  readonly durableVersion: number;
  durableBytes(path: string): Uint8Array | null;
  durablePaths(): readonly string[];
}

/** What the log had come to when a segment began. */
interface Beginning {
  readonly hardState: HardState;
  readonly prefix: readonly PrefixHash[];
}

export class DurableLog implements DurableState {
  readonly #source: DurableSource;
  /** The hashes of what was committed up to an index: what a snapshot that ends there covers. */
  readonly #covered: (index: LogIndex) => PrefixHash[];
  #version = -1;
  #isFrozen = false;
  #hardState: HardState = UNBORN;
  #prefix: PrefixHash[] = [0];
  /** The segment that is read, and the place behind the last batch of it. */
  #serial = 0;
  #header: SegmentHeader | null = null;
  #at = 0;
  /** Of each segment, as it was read in front of it. */
  readonly #beginnings = new Map<number, Beginning>([[1, { hardState: UNBORN, prefix: [0] }]]);

  constructor(source: DurableSource, covered: (index: LogIndex) => PrefixHash[]) {
    this.#source = source;
    this.#covered = covered;
  }

  /** The disk is lost: what it held is remembered as it was. */
  freeze(): void {
    this.follow();
    this.#isFrozen = true;
  }

  /** A new life may go on in another place than the last one stopped: everything is read again. */
  restart(): void {
    if (this.#isFrozen) return;
    this.#version = -1;
    this.#serial = 0;
    this.#header = null;
    this.#at = 0;
    this.#hardState = UNBORN;
    this.#prefix = [0];
  }

  get hardState(): HardState {
    this.follow();
    return this.#hardState;
  }

  get lastIndex(): LogIndex {
    this.follow();
    return this.#prefix.length - 1;
  }

  prefixAt(index: LogIndex): PrefixHash | undefined {
    this.follow();
    return this.#prefix[index];
  }

  /** Reads what became durable; before a segment goes, so that it is known what it held. */
  follow(): void {
    if (this.#isFrozen || this.#version === this.#source.durableVersion) return;
    this.#version = this.#source.durableVersion;
    if (this.#header === null) this.#begin();
    while (this.#readSegment() && this.#nextSegment());
  }

  /** Goes to the oldest segment. */
  #begin(): void {
    const names = this.#source.durablePaths().map((path) => path.slice(path.lastIndexOf("/") + 1));
    const first = Math.min(...names.map((name) => serialOf(name) ?? Infinity));
    if (!Number.isFinite(first)) return;
    const beginning = this.#beginnings.get(first);
    if (beginning === undefined) throw new Error(`Segment ${first} is the oldest, and nobody saw it begin`);
    this.#serial = first - 1;
    this.#hardState = beginning.hardState;
    this.#prefix = [...beginning.prefix];
  }

  /** Reads what there is to read of this segment; tells whether it was read to its end. */
  #readSegment(): boolean {
    const header = this.#header;
    if (header === null) return true;
    const bytes = this.#source.durableBytes(pathOf(this.#serial));
    if (bytes === null) return true;
    if (this.#at === SEGMENT_HEADER_BYTES) {
      // Whoever was not born to the end is born again, and makes the first segment anew.
      const now = decodeSegmentHeader(bytes);
      if (typeof now !== "string") this.#header = now;
    }
    const { nonce } = this.#header ?? header;
    while (true) {
      const batch = decodeBatchHeader(bytes, this.#at, nonce);
      if (typeof batch === "string") return true;
      const body = checkBatchBody(bytes, this.#at, batch);
      if (typeof body === "string") return true;
      for (let at = this.#at + BATCH_HEADER_BYTES; at < body.recordsEnd;) at = this.#fold(bytes, at);
      this.#at = body.end;
    }
  }

  /** Goes on to the next segment, if there is one. */
  #nextSegment(): boolean {
    const bytes = this.#source.durableBytes(pathOf(this.#serial + 1));
    const header = bytes === null ? "missing" : decodeSegmentHeader(bytes);
    if (typeof header === "string") return false;
    this.#serial++;
    this.#beginnings.set(this.#serial, { hardState: this.#hardState, prefix: [...this.#prefix] });
    this.#header = header;
    this.#at = SEGMENT_HEADER_BYTES;
    return true;
  }

  #fold(bytes: Uint8Array, at: number): number {
    const found = decodeRecord(bytes, at);
    if (typeof found === "string") throw new Error(`A batch with a right checksum holds no record: ${found}`);
    const { record } = found;
    switch (record.kind) {
      case "hardState":
        this.#hardState = record.hardState;
        break;
      case "commit":
        break;
      case "reset":
        this.#prefix = this.#covered(record.position.index);
        break;
      case "truncate":
        this.#prefix.length = record.from;
        break;
      case "entry":
        this.#prefix.push(chain(this.#prefix[record.entry.index - 1] ?? 0, record.entry));
    }
    return found.end;
  }
}

/** Asked for with every write, so each is made once. */
const paths: string[] = [];

function pathOf(serial: number): string {
  return paths[serial] ??= `${DIRECTORY}/log/${segmentName(serial)}`;
}
