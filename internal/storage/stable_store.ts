/**
 * The face of the disk: takes the core's writes, says when they are durable.
 *
 * Keeps true:
 *  1. Writes become durable in the order of their numbers; one batch is in flight at a time, and everything that arrives meanwhile
 *     joins the next one. So the load itself decides how many writes share a sync.
 *  2. `onStable` is said after the sync of the batch returned, never before.
 *  3. A failed write or sync is final (fsync-failure is never retried, W1): it is said once, and nothing is stable any more.
 *  4. A segment has its name only when its header and its zeros are durable, so a named segment always begins whole.
 *
 * A race, told: 1. Entry 8 is being synced. 2. A newer leader replaces 8: a truncate record and the new entry join the next batch. 3. The first
 * sync returns. Recovery at any point gives the old 8, or the new one; the core knows which write made which index durable.
 *
 * The only asynchronous room of the house; one writer, sequential.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import { describeError, ExitCode, Refusal } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import {
  encodeCommit,
  encodeEntries,
  encodeHardState,
  encodeReset,
  encodeTruncate,
  recordOf,
} from "../codec/record.ts";
import { FileError, type FileHandle, type FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { WriteEffect } from "../raft/effect.ts";
import type { Entry, HardState, LogIndex, LogPosition, WriteNumber } from "../raft/types.ts";
import { type Promises, PromisesFile } from "./promises.ts";
import type { LogEnd, RecoveredLog, SegmentContent } from "./recovery.ts";
import {
  BATCH_HEADER_BYTES,
  EMPTY_LOG,
  encodeBatch,
  encodeSegmentHeader,
  type LogState,
  SEGMENT_HEADER_BYTES,
  segmentName,
} from "./segment.ts";

export const SEGMENT_BYTES_DEFAULT = 16 * 1024 * 1024;
export const SEGMENT_BYTES_MIN = 16 * 1024;

/** Records that share a batch, unless one write alone has more. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Zeros are written in steps of this size, between batches. */
const PREPARE_STEP_BYTES = 1024 * 1024;
export const NEXT_NAME = "next.tmp";
/** After so many batches the promises say how far the log is: a loss of what is before that is always noticed. */
const NOTE_EVERY = 256;

export interface StoreOptions {
  readonly fileSystem: FileSystem;
  /** The log's own directory; it exists. */
  readonly directory: string;
  readonly random: Random;
  readonly trace: Trace;
  readonly clusterId: string;
  readonly serverId: string;
  readonly segmentBytes: number;
  /** Where the promises are kept, and the sequence number of the newest copy there. */
  readonly promises: { readonly directory: string; readonly name: string; readonly sequence: number };
}

export interface StoreEvents {
  onStable(upTo: WriteNumber): void;
  onFailure(refusal: Refusal): void;
}

/** The segment that is being written. */
interface OpenSegment {
  readonly file: FileHandle;
  readonly serial: number;
  readonly nonce: Uint8Array;
  readonly bytes: number;
  offset: number;
  /** The highest index that was appended here, or behind which the log began anew here. */
  highestIndex: LogIndex;
}

/** The next segment, on its way to being all zeros. */
interface PreparedSegment {
  readonly file: FileHandle;
  zeroed: number;
}

export class StableStore {
  readonly #options: StoreOptions;
  readonly #promises: PromisesFile;
  #segment: OpenSegment;
  #prepared: PreparedSegment | null = null;
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
  #queue: WriteEffect[] = [];
  #queuedBytes = 0;
  #busy = false;
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
    const { hardState, epoch, floor } = state;
    const file = await PromisesFile.open(
      fileSystem,
      promises.directory,
      { clusterId, serverId },
      { hardState, epoch, floor, lastBatch: 0, serial: 1 },
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
      const { hardState, epoch, floor } = log.state;
      const file = await PromisesFile.open(
        fileSystem,
        promises.directory,
        { clusterId, serverId },
        { hardState, epoch, floor, lastBatch: log.end?.lastBatch ?? 0, serial: segment.serial },
        promises.sequence,
        promises.name,
      );
      return new StableStore(options, file, segment, log);
    } catch (error) {
      throw error instanceof Refusal ? error : refusalOf("open the log", error);
    }
  }

  /** Says who listens; once, before the first write. */
  listen(events: StoreEvents): void {
    assert(this.#events === null, "A store has one listener");
    this.#events = events;
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
      await this.#append([...raised, encodeReset(position)]);
      this.#state = {
        ...this.#state,
        hardState: hardState ?? this.#state.hardState,
        last: position,
        commitIndex: position.index,
      };
      this.#segment.highestIndex = Math.max(this.#segment.highestIndex, position.index);
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

  /** All that was lost is on the disk again: the mark of the loss goes when there is time. */
  endRepair(): void {
    this.#repairEnds = true;
    if (!this.#failed && !this.#closing) this.#work();
  }

  /** Makes durable what was queued, and gives the files back. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#working;
    if (!this.#failed && this.#lastBatch > this.#notedBatch) await this.#note();
    await this.#promises.close();
    await this.#segment.file.close();
    const prepared = this.#prepared;
    this.#prepared = null;
    if (prepared !== null) await prepared.file.close();
  }

  #work(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#working = this.#drain();
  }

  async #drain(): Promise<void> {
    try {
      // What else this very turn wants written joins the first batch.
      await Promise.resolve();
      while (this.#queue.length > 0 || this.#repairEnds || this.#mustPrepare() || this.#mayDiscard()) {
        if (this.#queue.length > 0) await this.#writeBatch();
        else if (this.#repairEnds) await this.#endRepair();
        else if (this.#mustPrepare()) await this.#prepare();
        else await this.#discardOldest();
      }
      this.#busy = false;
    } catch (error) {
      this.#failed = true;
      this.#busy = false;
      this.#queue = [];
      must(this.#events, "A store that writes has a listener").onFailure(refusalOf("write the log", error));
    }
  }

  async #writeBatch(): Promise<void> {
    const { records, effects } = this.#takeBatch();
    await this.#append(records);
    for (const { hardState, reset, truncateFrom, append, commitIndex } of effects) {
      this.#done(hardState, reset, truncateFrom, append, commitIndex);
      for (const entry of append) this.#queuedBytes -= recordOf(entry).length;
    }
    if (effects.some(({ hardState }) => hardState !== null)) await this.#promise();
    else if (this.#lastBatch - this.#notedBatch >= NOTE_EVERY) await this.#note();
    const last = must(effects.at(-1), "A batch has a write");
    must(this.#events, "A store that writes has a listener").onStable(last.number);
  }

  async #endRepair(): Promise<void> {
    this.#repairEnds = false;
    this.#state = { ...this.#state, floor: null };
    await this.#promise();
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
    const { hardState, epoch, floor } = this.#state;
    return { hardState, epoch, floor, lastBatch: this.#lastBatch, serial: this.#segment.serial };
  }

  /** Puts one batch on the disk. */
  async #append(records: readonly Uint8Array[]): Promise<void> {
    const recordBytes = records.reduce((sum, record) => sum + record.length, 0);
    if (this.#segment.offset + BATCH_HEADER_BYTES + recordBytes + 8 > this.#segment.bytes) {
      await this.#roll(recordBytes);
    }
    const segment = this.#segment;
    const number = this.#lastBatch + 1;
    const { bytes, checksum } = encodeBatch(records, { number, nonce: segment.nonce, chain: this.#chain });
    await segment.file.writeSynced(segment.offset, bytes);
    segment.offset += bytes.length;
    this.#chain = checksum;
    this.#lastBatch = number;
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
      this.#segment.highestIndex = Math.max(this.#segment.highestIndex, reset.index);
    }
    const newest = append.at(-1);
    // A truncation is always followed by what takes the place of what it removed.
    assert(truncateFrom === null || newest !== undefined, "What is removed is replaced");
    if (newest !== undefined) {
      last = { index: newest.index, term: newest.term };
      this.#segment.highestIndex = Math.max(this.#segment.highestIndex, newest.index);
    }
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

  async #roll(recordBytes: number): Promise<void> {
    const old = this.#segment;
    const fileBytes = Math.max(
      this.#options.segmentBytes,
      SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES + recordBytes + 8,
    );
    while (this.#prepared !== null && this.#mustPrepare()) await this.#prepare();
    this.#closed.push({ serial: old.serial, highestIndex: old.highestIndex });
    const prepared = fileBytes === this.#options.segmentBytes ? this.#prepared : null;
    if (prepared !== null) this.#prepared = null;
    this.#segment = await makeSegment(
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
      prepared?.file ?? null,
    );
    await old.file.close();
    await this.#note();
  }

  /** Whether the oldest segment holds nothing that is still wanted. */
  #mayDiscard(): boolean {
    const oldest = this.#closed[0];
    return !this.#closing && oldest !== undefined && oldest.highestIndex <= this.#discardable &&
      this.#mayRemove(oldest.serial, this.#segment.serial);
  }

  /** Removes the oldest segment. Oldest first, so whatever a crash leaves is the end of the log without a gap. */
  async #discardOldest(): Promise<void> {
    const { fileSystem, directory } = this.#options;
    const oldest = must(this.#closed[0], "There is a segment to remove");
    await fileSystem.remove(`${directory}/${segmentName(oldest.serial)}`);
    await fileSystem.syncDirectory(directory);
    this.#closed.shift();
  }

  /** Once half of a segment is used, the next one is prepared, a step at a time and never in front of a batch. */
  #mustPrepare(): boolean {
    if (this.#closing || this.#segment.offset * 2 < this.#segment.bytes) return false;
    return this.#prepared === null || this.#prepared.zeroed < this.#options.segmentBytes;
  }

  async #prepare(): Promise<void> {
    const { fileSystem, directory, segmentBytes } = this.#options;
    this.#prepared ??= { file: await fileSystem.create(`${directory}/${NEXT_NAME}`), zeroed: 0 };
    const prepared = this.#prepared;
    const step = Math.min(PREPARE_STEP_BYTES, segmentBytes - prepared.zeroed);
    await prepared.file.writeAt(prepared.zeroed, new Uint8Array(step));
    prepared.zeroed += step;
    if (prepared.zeroed >= segmentBytes) await prepared.file.sync();
  }
}

/** A log as it is written on: behind its end, or, where there is none, in a first segment of that serial. */
export interface WritableLog extends Pick<RecoveredLog, "state" | "segments"> {
  readonly end: LogEnd | null;
  readonly firstSerial: number;
}

type NewSegment = Omit<Parameters<typeof encodeSegmentHeader>[0], "clusterId" | "serverId" | "nonce">;

/** Makes a segment, out of a prepared file where there is one: zeros, header, sync, name, directory sync. */
async function makeSegment(
  options: StoreOptions,
  header: NewSegment,
  fileBytes: number,
  prepared: FileHandle | null,
): Promise<OpenSegment> {
  const { fileSystem, directory, clusterId, serverId, random } = options;
  const nonce = new Uint8Array(8).map(() => random.below(256));
  const temporary = prepared === null
    ? `${directory}/${segmentName(header.serial)}.tmp`
    : `${directory}/${NEXT_NAME}`;
  const file = prepared ?? await fileSystem.create(temporary);
  if (prepared === null) {
    for (let at = 0; at < fileBytes; at += PREPARE_STEP_BYTES) {
      await file.writeAt(at, new Uint8Array(Math.min(PREPARE_STEP_BYTES, fileBytes - at)));
    }
  }
  await file.writeAt(0, encodeSegmentHeader({ ...header, clusterId, serverId, nonce }));
  await file.sync();
  await fileSystem.rename(temporary, `${directory}/${segmentName(header.serial)}`);
  await fileSystem.syncDirectory(directory);
  return {
    file,
    serial: header.serial,
    nonce,
    bytes: fileBytes,
    offset: SEGMENT_HEADER_BYTES,
    highestIndex: 0,
  };
}

/** Goes on where the log ended: in the same segment after a clean end, in a new one after a cut. */
async function reopen(
  options: StoreOptions,
  { end, state, segments, firstSerial }: WritableLog,
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
  await file.sync();
  if (end.clean) {
    const { serial, nonce, fileBytes: bytes, offset } = end;
    return { file, serial, nonce, bytes, offset, highestIndex: segments.at(-1)?.highestIndex ?? 0 };
  }
  await file.close();
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
  );
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
