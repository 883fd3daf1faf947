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
import type { HardState, LogIndex, LogPosition, Term } from "../../internal/raft/types.ts";
import { footerIn } from "../../internal/storage/footer.ts";
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
  /** Which segment of that serial it was; of none where it is the first of all. */
  readonly nonce: string;
  readonly hardState: HardState;
  readonly prefix: readonly PrefixHash[];
  /** The term of each entry; 0 for what a snapshot covers. */
  readonly terms: readonly Term[];
}

const NOTHING: Beginning = { nonce: "", hardState: UNBORN, prefix: [0], terms: [0] };

export class DurableLog implements DurableState {
  readonly #source: DurableSource;
  /** The hashes of what was committed up to an index: what a snapshot that ends there covers. */
  readonly #covered: (index: LogIndex) => PrefixHash[];
  #version = -1;
  #isFrozen = false;
  #hardState: HardState = UNBORN;
  #prefix: PrefixHash[] = [0];
  #terms: Term[] = [0];
  /** The hashes of all logs that were ever read. */
  readonly held = new Set<PrefixHash>([0]);
  /** The segment that is read, and the place behind the last batch of it. */
  #serial = 0;
  #header: SegmentHeader | null = null;
  #at = 0;
  /** The number of the last batch that was read. */
  #lastBatch = 0;
  /** Of each segment, as it was read in front of it. */
  readonly #beginnings = new Map<number, Beginning>([[1, NOTHING]]);
  /** The highest serial among them. */
  #newest = 1;

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
    this.#lastBatch = 0;
    this.#prefix = [0];
    this.#terms = [0];
  }

  get hardState(): HardState {
    this.follow();
    return this.#hardState;
  }

  get lastIndex(): LogIndex {
    this.follow();
    return this.#prefix.length - 1;
  }

  /** The hashes of all of it. */
  get prefix(): readonly PrefixHash[] {
    this.follow();
    return [...this.#prefix];
  }

  /** The last entry of a term that is no later than that one. */
  lastUpTo(term: Term): LogPosition {
    this.follow();
    const index = this.#terms.findLastIndex((one) => one <= term);
    return { index, term: this.#terms[index] ?? 0 };
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
    const header = this.#headerOf(first);
    // Whoever lost all of its log begins anew behind it.
    const beginsAnew = header !== null && header.lastBatch === 0;
    const beginning = beginsAnew
      ? { ...NOTHING, hardState: header.state.hardState }
      : this.#beginnings.get(first);
    if (beginning === undefined) throw new Error(`Segment ${first} is the oldest, and nobody saw it begin`);
    this.#serial = first - 1;
    this.#hardState = beginning.hardState;
    this.#lastBatch = header?.lastBatch ?? 0;
    this.#prefix = [...beginning.prefix];
    this.#terms = [...beginning.terms];
  }

  #headerOf(serial: number): SegmentHeader | null {
    const bytes = this.#source.durableBytes(pathOf(serial));
    const header = bytes === null ? "missing" : decodeSegmentHeader(bytes);
    return typeof header === "string" ? null : header;
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
    const end = this.#endOf(bytes);
    while (this.#at < end) {
      const batch = decodeBatchHeader(bytes, this.#at, nonce);
      if (typeof batch === "string" || batch.number !== this.#lastBatch + 1) return true;
      const body = checkBatchBody(bytes, this.#at, batch);
      if (typeof body === "string") return true;
      for (let at = this.#at + BATCH_HEADER_BYTES; at < body.recordsEnd;) at = this.#fold(bytes, at);
      this.#at = body.end;
      this.#lastBatch = batch.number;
    }
    return true;
  }

  /** Where the batches of the segment end; what is behind that is nobody's any more, even where it is whole: the disk could not read it once. */
  #endOf(bytes: Uint8Array): number {
    const next = this.#headerOf(this.#serial + 1);
    if (next?.previousSerial === this.#serial) return next.previousEnd;
    // The next one may have rotted.
    const footer = this.#header === null ? null : footerIn(bytes, [], this.#header);
    return footer === null || typeof footer === "string" ? Infinity : footer.end;
  }

  /** Goes on to the next segment, if there is one. */
  #nextSegment(): boolean {
    const header = this.#headerOf(this.#serial + 1);
    if (header === null || header.lastBatch !== this.#lastBatch) return this.#skipDamage();
    this.#serial++;
    // Whoever lost a part of its log still has term and vote, apart from it.
    if (header.state.epoch > 0) this.#hardState = header.state.hardState;
    this.#newest = Math.max(this.#newest, this.#serial);
    this.#beginnings.set(this.#serial, {
      nonce: header.nonce.join(),
      hardState: this.#hardState,
      prefix: [...this.#prefix],
      terms: [...this.#terms],
    });
    this.#header = header;
    this.#at = SEGMENT_HEADER_BYTES;
    return true;
  }

  /**
   * Behind damage the log goes on where a segment stands of which it is known how it began: where a snapshot covers what is before that, it is
   * read from there (a server that does not do so puts it aside).
   */
  #skipDamage(): boolean {
    for (let serial = this.#serial + 1; serial <= this.#newest; serial++) {
      const header = this.#headerOf(serial);
      const beginning = this.#beginnings.get(serial);
      if (header === null || beginning?.nonce !== header.nonce.join()) continue;
      if (header.lastBatch < this.#lastBatch) return false;
      this.#serial = serial;
      this.#hardState = beginning.hardState;
      this.#lastBatch = header.lastBatch;
      this.#prefix = [...beginning.prefix];
      this.#terms = [...beginning.terms];
      this.#header = header;
      this.#at = SEGMENT_HEADER_BYTES;
      return true;
    }
    return false;
  }

  #push(hash: PrefixHash): void {
    this.#prefix.push(hash);
    this.held.add(hash);
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
        this.#terms = Array.from({ length: record.position.index }, () => 0);
        this.#terms.push(record.position.term);
        break;
      case "truncate":
        this.#prefix.length = record.from;
        this.#terms.length = record.from;
        break;
      case "entry":
        this.#terms.push(record.entry.term);
        this.#push(chain(this.#prefix[record.entry.index - 1] ?? 0, record.entry));
    }
    return found.end;
  }
}

/** Asked for with every write, so each is made once. */
const paths: string[] = [];

function pathOf(serial: number): string {
  return paths[serial] ??= `${DIRECTORY}/log/${segmentName(serial)}`;
}
