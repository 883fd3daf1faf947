/**
 * The face of the disk: takes the core's writes, says when they are durable.
 *
 * Keeps true:
 *  1. Writes become durable in the order of their numbers; one batch is in flight at a time, and everything that arrives meanwhile
 *     joins the next one. So the load itself decides how many writes share a sync.
 *  2. `onStable` is said after the sync of the batch returned, never before.
 *  3. A failed write or sync is final (fsync-failure is never retried, W1): it is said once, and nothing is stable any more.
 *  4. A segment has its name only when its header and its zeros are durable, and the footer of the one before it, so a named segment always
 *     begins whole, and one that has a successor is never written to again.
 *  5. The next segment is made ahead beside the batches, in steps that are synced, so that no batch waits for it, not even under a load
 *     that always has another one ready.
 *
 * A race, told: 1. Entry 8 is being synced. 2. A newer leader replaces 8: a truncate record and the new entry join the next batch. 3. The first
 * sync returns. Recovery at any point gives the old 8, or the new one; the core knows which write made which index durable.
 *
 * The only asynchronous room of the house; one writer, sequential, but for what 5 says.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import { describeError, ExitCode, Refusal } from "../base/errors.ts";
import {
  encodeCommit,
  encodeEntries,
  encodeHardState,
  encodeReset,
  encodeTruncate,
  recordOf,
} from "../codec/record.ts";
import { FileError } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { WriteEffect } from "../raft/effect.ts";
import type { Entry, HardState, LogIndex, LogPosition, WriteNumber } from "../raft/types.ts";
import { BatchMemory } from "./batch_memory.ts";
import { BLOCK_BYTES } from "./block.ts";
import { BEYOND_THE_TERM, type Promises, PromisesFile } from "./promises.ts";
import { DiskSpace } from "./disk_space.ts";
import { footerOf } from "./footer.ts";
import {
  closeSegment,
  FileAhead,
  fileBytesFor,
  hasReserve,
  makeSegment,
  NEXT_NAME,
  type OpenSegment,
  publishReserve,
  reopen,
  RESERVE_TEMPORARY,
  type SegmentOptions,
  type WritableLog,
} from "./open_segment.ts";
import type { SegmentContent } from "./recovery.ts";
import { Spares, zerosAheadIn } from "./spares.ts";
import {
  BATCH_HEADER_BYTES,
  EMPTY_LOG,
  encodeBatch,
  type EncodedBatch,
  type LogState,
  segmentName,
} from "./segment.ts";
import { countEntries, countReset } from "./tally.ts";

export const SEGMENT_BYTES_DEFAULT = 16 * 1024 * 1024;
export const SEGMENT_BYTES_MIN = 16 * 1024;

/** Records that share a batch, unless one write alone has more. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** After so many batches the promises say how far the log is: a loss of what is before that is always noticed. */
const NOTE_EVERY = 256;

export interface StoreOptions extends SegmentOptions {
  readonly trace: Trace;
  /** With less space than this the disk counts as full. */
  readonly freeBytesMin: number;
  /** Where the promises are kept, and the sequence number of the newest copy there. */
  readonly promises: { readonly directory: string; readonly name: string; readonly sequence: number };
}

export interface StoreEvents {
  onStable(upTo: WriteNumber): void;
  onFailure(refusal: Refusal): void;
}

export class StableStore {
  readonly #options: StoreOptions;
  readonly #promises: PromisesFile;
  #segment: OpenSegment;
  readonly #spares: Spares;
  readonly #prepared: FileAhead;
  /** The making of the next segment, while it is under way. */
  #preparing: Promise<void> | null = null;
  readonly #space: DiskSpace;
  readonly #reserve: FileAhead;
  #hasReserve = false;
  #mustLook = false;
  readonly #memory = new BatchMemory();
  #chain: number;
  #lastBatch: number;
  /** What the log has come to with everything that is durable. */
  #state: LogState;
  /** The segments before the one that is being written, oldest first. */
  readonly #closed: SegmentContent[];
  /** Up to which index entries may be let go of. */
  #discardable: LogIndex = 0;
  /** Up to which batch the promises say that the log is durable. */
  #notedBatch: number;
  #repairEnds = false;
  /** A loss that is to be noted, and who waits for it. */
  #loss: { readonly epoch: number; readonly done: () => void } | null = null;
  #queue: WriteEffect[] = [];
  #queuedBytes = 0;
  /** Whether something is being done, or will be when the turn is over. */
  #busy = false;
  #isDue = false;
  #working: Promise<void> = Promise.resolve();
  #events: StoreEvents | null = null;
  #closing = false;
  #failed = false;
  /** Whether that segment may go while the other one is written. */
  #mayRemove: (serial: number, written: number) => boolean = () => true;

  private constructor(
    options: StoreOptions,
    promises: PromisesFile,
    segment: OpenSegment,
    { end, state, segments }: WritableLog,
  ) {
    this.#options = options;
    this.#space = new DiskSpace(options);
    this.#spares = new Spares(options);
    this.#prepared = new FileAhead(options, NEXT_NAME, this.#spares);
    this.#reserve = new FileAhead(options, RESERVE_TEMPORARY);
    this.#promises = promises;
    this.#segment = segment;
    this.#chain = end?.chain ?? 0;
    this.#lastBatch = end?.lastBatch ?? 0;
    this.#notedBatch = this.#lastBatch;
    this.#state = state;
    this.#closed = segments.filter(({ serial }) => serial !== segment.serial);
  }

  /**
   * Makes the first segment of a new log, one that goes on from `state`. The log is born when its caller says so on disk (identity.ts).
   */
  static async create(options: StoreOptions, state: LogState = EMPTY_LOG): Promise<void> {
    const segment = await makeSegment(
      options,
      {
        serial: 1,
        previousSerial: 0,
        previousEnd: 0,
        chain: 0,
        lastBatch: 0,
        state,
      },
      options.segmentBytes,
      null,
    );
    await segment.file.close();
    const { clusterId, serverId, fileSystem, promises } = options;
    const { hardState, epoch, floor, last } = state;
    const file = await PromisesFile.open(
      fileSystem,
      promises.directory,
      { clusterId, serverId },
      { hardState, epoch, floor, lastBatch: 0, serial: 1, last },
      promises.sequence,
      promises.name,
    );
    await file.close();
  }

  /**
   * Opens a log for writing that was recovered.
   *
   * @throws {Refusal} where the disk fails
   */
  static async open(options: StoreOptions, log: WritableLog): Promise<StableStore> {
    try {
      const { fileSystem, directory, promises, clusterId, serverId } = options;
      for (const name of await fileSystem.readDirectory(directory)) {
        if (name.endsWith(".tmp")) await fileSystem.remove(`${directory}/${name}`);
      }
      const segment = await reopen(options, log);
      await fileSystem.syncDirectory(directory);
      const { hardState, epoch, floor, last } = log.state;
      const file = await PromisesFile.open(
        fileSystem,
        promises.directory,
        { clusterId, serverId },
        { hardState, epoch, floor, lastBatch: log.end?.lastBatch ?? 0, serial: segment.serial, last },
        promises.sequence,
        promises.name,
      );
      const store = new StableStore(options, file, segment, log);
      await store.#lookAhead();
      return store;
    } catch (error) {
      throw error instanceof Refusal ? error : refusalOf("open the log", error);
    }
  }

  /** Says who listens; once, before the first write. */
  listen(events: StoreEvents): void {
    assert(this.#events === null, "A store has one listener");
    this.#events = events;
  }

  /** Whether there is too little space for anything more than what keeps the server a member. */
  get isFull(): boolean {
    return this.#space.isFull;
  }

  /** Whether entries that a leader sends find room; a part of the last segment is kept for term, vote and members. */
  get takesEntries(): boolean {
    return !this.isFull || this.#prepared.isWhole || this.#segment.offset * 4 < this.#segment.limit * 3;
  }

  /** Looks how much space is left, when there is time. */
  lookAtSpace(): void {
    this.#mustLook = true;
    if (!this.#failed && !this.#closing) this.#work();
  }

  /** Somebody else has a say in what is let go of; `discard` makes the store ask again. */
  holdBack(mayRemove: (serial: number, written: number) => boolean): void {
    this.#mayRemove = mayRemove;
  }

  /** Bytes of records that were given and are not durable yet. */
  get bytesPending(): number {
    return this.#queuedBytes;
  }

  /** Queues a write. */
  write(effect: WriteEffect): void {
    assert(!this.#closing, "Nothing is written to a store that is closing");
    if (this.#failed) return;
    encodeEntries(effect.append);
    for (const entry of effect.append) this.#queuedBytes += recordOf(entry).length;
    this.#queue.push(effect);
    this.#work();
  }

  /**
   * Begins anew behind a snapshot with which the log does not agree, in a newer term where the snapshot is of one, and returns when
   * that is durable. Before the first write only.
   *
   * @throws {Refusal} where the disk fails
   */
  async beginBehind(position: LogPosition, hardState: HardState | null): Promise<void> {
    assert(this.#events === null, "The log begins anew before anybody uses it");
    try {
      const raised = hardState === null ? [] : [encodeHardState(hardState)];
      const records = [...raised, encodeReset(position)];
      if (!this.#hasRoomFor(lengthOf(records))) await this.#roll(lengthOf(records));
      const batch = this.#batchOf(records);
      await this.#put(batch);
      this.#appended(batch);
      this.#state = {
        ...this.#state,
        hardState: hardState ?? this.#state.hardState,
        last: position,
        commitIndex: position.index,
      };
      countReset(this.#segment.tally, position);
      if (hardState !== null) await this.#promise();
    } catch (error) {
      throw refusalOf("write the log", error);
    }
  }

  /** Entries up to `index` will not be asked for any more: segments that hold nothing else are removed when there is time. */
  discard(index: LogIndex): void {
    this.#discardable = Math.max(this.#discardable, index);
    if (!this.#failed && !this.#closing) this.#work();
  }

  /**
   * Lets go of everything up to that segment, if a snapshot that ends at `covered` covers all that was appended there; tells whether it
   * does. For a segment that is of no use any more: nothing of what is before it is either.
   */
  discardThrough(serial: number, covered: LogIndex): boolean {
    const gone = this.#closed.filter((segment) => segment.serial <= serial);
    const highest = gone.reduce((most, { highestIndex }) => Math.max(most, highestIndex), 0);
    if (serial >= this.#segment.serial || highest > covered) return false;
    this.#closed.splice(0, gone.length, ...gone.map((segment) => ({ ...segment, footerAt: null })));
    this.discard(highest);
    return true;
  }

  /** All that was lost is on the disk again: the mark of the loss goes when there is time. */
  endRepair(): void {
    this.#repairEnds = true;
    if (!this.#failed && !this.#closing) this.#work();
  }

  /**
   * What is here is older than what was here: somebody else knows of a loss of that number. Noted behind all that was queued, as if a repair
   * had been begun and not finished, which is what the next start finds; nothing is written afterwards.
   */
  noteLoss(epoch: number, done: () => void): void {
    if (this.#loss !== null || this.#failed || this.#closing) return;
    this.#loss = { epoch, done };
    this.#work();
  }

  /** Makes durable what was queued, and gives the files back. */
  async close(): Promise<void> {
    this.#closing = true;
    this.begin();
    await this.#working;
    await this.#preparing;
    if (!this.#failed && this.#lastBatch > this.#notedBatch) await this.#note();
    await this.#promises.close();
    await this.#segment.file.close();
    await this.#prepared.close();
    await this.#reserve.close();
  }

  /** Begins now with what was queued in this turn, if nothing is being written: nothing else is to join it. */
  begin(): void {
    if (!this.#isDue) return;
    this.#isDue = false;
    this.#working = this.#drain();
  }

  #work(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#isDue = true;
    // What else this very turn wants written joins the first batch.
    queueMicrotask(() => this.begin());
  }

  async #drain(): Promise<void> {
    try {
      for (let work = this.#next(); work !== null; work = this.#next()) {
        this.#prepareBeside();
        await work();
      }
      this.#prepareBeside();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#busy = false;
    }
  }

  /** The first failure is said, and is the end. */
  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#queue = [];
    must(this.#events, "A store that writes has a listener").onFailure(refusalOf("write the log", error));
  }

  /** What is to be done next; nothing of it in front of a batch, but for a look at the space, and for the end of a repair, once. */
  #next(): (() => Promise<void>) | null {
    if (this.#failed) return null;
    if (this.#mustLook) return () => this.#look();
    if (this.#repairEnds) return () => this.#endRepair();
    if (this.#queue.length > 0) return () => this.#writeBatch();
    if (this.#loss !== null) return () => this.#noteLoss(must(this.#loss, "There is one"));
    if (this.#mustReserve()) return () => this.#makeReserve();
    if (this.#mustGiveBack) return () => this.#spares.giveBack();
    if (this.#mayDiscard()) return () => this.#discardOldest();
    return null;
  }

  async #look(): Promise<void> {
    this.#mustLook = false;
    await this.#space.look();
  }

  async #writeBatch(): Promise<void> {
    const { records, effects } = this.#takeBatch();
    const recordBytes = lengthOf(records);
    if (!this.#hasRoomFor(recordBytes)) await this.#roll(recordBytes);
    if (this.#failed) return;
    const batch = this.#batchOf(records);
    await this.#put(batch);
    if (this.#failed) return;
    this.#appended(batch);
    for (const { hardState, reset, truncateFrom, append, commitIndex } of effects) {
      this.#done(hardState, reset, truncateFrom, append, commitIndex);
      for (const entry of append) this.#queuedBytes -= recordOf(entry).length;
    }
    if (effects.some(({ hardState }) => hardState !== null)) await this.#promise();
    else if (this.#lastBatch - this.#notedBatch >= NOTE_EVERY) await this.#note();
    if (this.#failed) return;
    const last = must(effects.at(-1), "A batch has a write");
    must(this.#events, "A store that writes has a listener").onStable(last.number);
  }

  async #endRepair(): Promise<void> {
    this.#repairEnds = false;
    this.#state = { ...this.#state, floor: null };
    await this.#promise();
  }

  async #noteLoss({ epoch, done }: { readonly epoch: number; readonly done: () => void }): Promise<void> {
    const { currentTerm } = this.#state.hardState;
    this.#state = { ...this.#state, epoch, floor: { term: currentTerm, index: BEYOND_THE_TERM } };
    await this.#promise();
    this.#loss = null;
    // Nothing more of this log is to be relied upon.
    this.#failed = true;
    this.#queue = [];
    done();
  }

  /** Writes down what was promised, behind the batch that holds it: then the log is known to have had it (promises.ts). */
  async #promise(): Promise<void> {
    await this.#promises.write(this.#promisesNow());
    this.#notedBatch = this.#lastBatch;
  }

  /** Writes down how far the log is. */
  async #note(): Promise<void> {
    await this.#promises.note(this.#promisesNow());
    this.#notedBatch = this.#lastBatch;
  }

  #promisesNow(): Promises {
    const { hardState, epoch, floor, last } = this.#state;
    return { hardState, epoch, floor, lastBatch: this.#lastBatch, serial: this.#segment.serial, last };
  }

  #hasRoomFor(recordBytes: number): boolean {
    return this.#segment.offset + BATCH_HEADER_BYTES + recordBytes + 8 <= this.#segment.limit;
  }

  /** The next batch of the segment that is written. */
  #batchOf(records: readonly Uint8Array[]): EncodedBatch {
    const head = { number: this.#lastBatch + 1, nonce: this.#segment.nonce, chain: this.#chain };
    return encodeBatch(records, head, this.#memory, (length) => this.#zerosBehind(length));
  }

  /** In a reused segment: zeros that are written with a batch, since too few would follow it. */
  #zerosBehind(length: number): number {
    const { offset, limit, zeros, zeroedTo } = this.#segment;
    const end = offset + length;
    if (Math.min(end + zeros, limit) <= zeroedTo) return 0;
    // Up to the end of a page, of which nothing has to be read to write it.
    const ahead = end + zeros + zerosAheadIn(this.#options.segmentBytes);
    return Math.min(Math.ceil(ahead / BLOCK_BYTES) * BLOCK_BYTES, limit) - end;
  }

  #put({ bytes }: EncodedBatch): Promise<void> {
    const segment = this.#segment;
    assert(segment.offset + bytes.length <= segment.limit, "A batch ends before the place of the footer");
    return segment.file.writeSynced(segment.offset, bytes);
  }

  /** That batch is on the disk. */
  #appended({ bytes, length, checksum }: EncodedBatch): void {
    this.#segment.zeroedTo = Math.max(this.#segment.zeroedTo, this.#segment.offset + bytes.length);
    this.#segment.offset += length;
    this.#chain = checksum;
    this.#lastBatch++;
  }

  /** What the log has come to, once a write is durable. */
  #done(
    hardState: HardState | null,
    reset: LogPosition | null,
    truncateFrom: LogIndex | null,
    append: readonly Entry[],
    commitIndex: LogIndex,
  ): void {
    let { last } = this.#state;
    if (reset !== null) {
      last = reset;
      countReset(this.#segment.tally, reset);
    }
    const newest = append.at(-1);
    // A truncation is always followed by what takes the place of what it removed.
    assert(truncateFrom === null || newest !== undefined, "What is removed is replaced");
    if (newest !== undefined) {
      last = { index: newest.index, term: newest.term };
    }
    countEntries(this.#segment.tally, append);
    this.#state = {
      ...this.#state,
      hardState: hardState ?? this.#state.hardState,
      last,
      commitIndex: Math.max(this.#state.commitIndex, commitIndex, reset?.index ?? 0),
    };
  }

  /** Everything that waits, up to the size of a batch. */
  #takeBatch(): { readonly records: Uint8Array[]; readonly effects: readonly WriteEffect[] } {
    const records: Uint8Array[] = [];
    let bytes = 0;
    let count = 0;
    let term = this.#state.hardState.currentTerm;
    let commit = this.#state.commitIndex;
    for (const { hardState, reset, truncateFrom, append, commitIndex } of this.#queue) {
      if (count > 0 && bytes > BATCH_BYTES_MAX) break;
      term = hardState?.currentTerm ?? term;
      if (hardState !== null) records.push(encodeHardState(hardState));
      if (reset !== null) records.push(encodeReset(reset));
      if (truncateFrom !== null) records.push(encodeTruncate(truncateFrom, term));
      for (const entry of append) {
        const record = recordOf(entry);
        records.push(record);
        bytes += record.length;
      }
      commit = Math.max(commit, commitIndex);
      count++;
    }
    if (commit > this.#state.commitIndex) records.push(encodeCommit(commit, term));
    return { records, effects: this.#queue.splice(0, count) };
  }

  /* ---- segments ---- */

  /** Goes on with a new segment; not where making it ahead has just failed. */
  async #roll(recordBytes: number): Promise<void> {
    const old = this.#segment;
    const fileBytes = fileBytesFor(this.#options, recordBytes);
    await this.#preparing;
    if (this.#failed) return;
    const { serial, footerAt, tally: { highestIndex } } = old;
    this.#closed.push({ serial, footerAt, highestIndex });
    const prepared = fileBytes === this.#options.segmentBytes ? this.#prepared.take() : null;
    const segment = await makeSegment(
      this.#options,
      {
        serial: old.serial + 1,
        previousSerial: old.serial,
        previousEnd: old.offset,
        chain: this.#chain,
        lastBatch: this.#lastBatch,
        state: this.#state,
      },
      fileBytes,
      prepared,
      () => {
        const thread = { chain: this.#chain, lastBatch: this.#lastBatch };
        const footer = footerOf(this.#options, old, thread, this.#state.last);
        return closeSegment(old.file, old.footerAt, footer);
      },
    );
    this.#segment = segment;
    if (prepared === null && this.#hasReserve) {
      // It may have been needed.
      this.#hasReserve = await hasReserve(this.#options);
      if (!this.#hasReserve) this.#space.refused();
    }
    await old.file.close();
    await this.#note();
    // Where there is always another batch, this is the only time for it: two go for the one that came.
    for (let i = 0; i < 2 && this.#mayDiscard(); i++) await this.#discardOldest();
    for (let i = 0; i < 2 && this.#mustGiveBack; i++) await this.#spares.giveBack();
  }

  /** Whether the oldest segment holds nothing that is still wanted. */
  #mayDiscard(): boolean {
    const oldest = this.#closed[0];
    return !this.#closing && oldest !== undefined && oldest.highestIndex <= this.#discardable &&
      this.#mayRemove(oldest.serial, this.#segment.serial);
  }

  get #keepsSpares(): boolean {
    return this.#space.isPlenty && !this.isFull;
  }

  get #mustGiveBack(): boolean {
    return !this.#keepsSpares && !this.#spares.isEmpty;
  }

  /** Removes the oldest segment, or keeps it as a spare. Oldest first, so whatever a crash leaves is the end of the log without a gap. */
  async #discardOldest(): Promise<void> {
    const { fileSystem, directory } = this.#options;
    const oldest = must(this.#closed[0], "There is a segment to remove");
    try {
      const isKept = this.#keepsSpares && this.#spares.takes(oldest) &&
        await this.#spares.keep(oldest.serial);
      if (!isKept) {
        await fileSystem.remove(`${directory}/${segmentName(oldest.serial)}`);
        await fileSystem.syncDirectory(directory);
      }
    } catch (error) {
      // Somebody took it away.
      if (!(error instanceof FileError && error.code === "ENOENT")) throw error;
      await fileSystem.syncDirectory(directory);
    }
    this.#closed.shift();
  }

  /** Once half of a segment is used, the next one is prepared. */
  #mustPrepare(): boolean {
    if (this.#closing || !this.#isHalfUsed || this.#prepared.isWhole) return false;
    return this.#prepared.isBegun || this.#spares.isReady || this.#space.mayTake;
  }

  get #isHalfUsed(): boolean {
    return this.#segment.offset * 2 >= this.#segment.limit;
  }

  #prepareBeside(): void {
    if (this.#preparing !== null || this.#failed || !this.#mustPrepare()) return;
    this.#preparing = this.#prepareAll();
  }

  /** Never rejects: a failure is that of the store. */
  async #prepareAll(): Promise<void> {
    try {
      while (!this.#failed && this.#mustPrepare()) await this.#prepare();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#preparing = null;
    }
  }

  async #prepare(): Promise<void> {
    if (!this.#prepared.isBegun) await this.#space.look();
    if (!this.#prepared.isBegun && !this.#spares.isReady && !this.#space.mayTake) return;
    if (await this.#prepared.step()) this.#noteSpace();
    else this.#space.refused();
  }

  /** At a start: what there is, before anybody asks for anything. */
  async #lookAhead(): Promise<void> {
    await this.#space.look();
    this.#hasReserve = await hasReserve(this.#options);
    while (this.#mustReserve()) await this.#makeReserve();
  }

  #mustReserve(): boolean {
    if (this.#closing || this.#hasReserve) return false;
    return this.#reserve.isBegun || this.#space.mayTake;
  }

  async #makeReserve(): Promise<void> {
    if (!this.#reserve.isBegun) await this.#space.look();
    if (!this.#reserve.isBegun && !this.#space.mayTake) return;
    if (!await this.#reserve.step()) return this.#space.refused();
    if (!this.#reserve.isWhole) return;
    await publishReserve(this.#options, this.#reserve);
    this.#hasReserve = true;
    this.#noteSpace();
  }

  /** The space suffices when everything is made that is made ahead. */
  #noteSpace(): void {
    if (this.#hasReserve && (!this.#isHalfUsed || this.#prepared.isWhole)) this.#space.sufficed();
  }
}

function lengthOf(records: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const record of records) bytes += record.length;
  return bytes;
}

/** What an operator reads when the disk failed. */
export function refusalOf(action: string, error: unknown): Refusal {
  const text = `cannot ${action}: ${
    describeError(error)
  }; what was acknowledged is safe on this and the other servers`;
  if (error instanceof FileError) {
    switch (error.code) {
      case "ENOSPC":
      case "EDQUOT":
        return new Refusal(ExitCode.noSpace, `${text}; free space, then start again`, { cause: error });
      case "EACCES":
      case "EPERM":
      case "EROFS":
        return new Refusal(
          ExitCode.permission,
          `${text}; mend the permissions or the mount, then start again`,
          { cause: error },
        );
    }
  }
  return new Refusal(ExitCode.diskIo, `${text}; look at the disk, then start again`, { cause: error });
}
