/**
 * Committed entries into the state machine, in order, once; and reads at the place in that order where they belong.
 *
 * Keeps true:
 *  1. Entries are applied in the order of the log, without a gap (I15).
 *  2. A read that must see index `i` is answered after `i` was applied; if it was released before `i + 1` is applied, it is
 *     answered before `i + 1` is. So a read never sees a later write of its own client.
 *  3. A read that was told otherwise meanwhile takes no room, and costs nothing when its index is applied after all.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { latin1Of } from "../base/latin1.ts";
import { decodeCommand, Operation } from "../codec/command.ts";
import { type CommandBatch, countCommands, endOfCommand, startOfCommand } from "../codec/command_batch.ts";
import { errorReply, type Reply } from "../codec/reply.ts";
import type { StateMachine } from "../machine/machine.ts";
import type { Entry, LogIndex } from "../raft/types.ts";

/** Reads of one client at their place. */
export interface PlacedReads {
  readonly batch: CommandBatch;
  answer(replies: readonly Reply[]): void;
}

const NO_COMMANDS: CommandBatch = { bytes: new Uint8Array(0), from: 0, to: 0, count: 0 };

/** How many commands are looked ahead to: the processor waits for the memory of some ten of them at a time. */
const EXPECTED = 16;

/** What is brought near at once is a part of memory of this size; of a longer entry the beginning stays near long enough. */
const CACHE_LINE_BYTES = 64;
const TOUCHED_BYTES_MAX = 1024 * 1024;

export class Applier {
  readonly #machine: StateMachine;
  #appliedIndex: LogIndex;
  readonly #reads = new Map<LogIndex, Set<PlacedReads>>();
  readonly #checked: (index: LogIndex, digest: number) => void;
  /** Where the commands that come next stand. */
  readonly #places = new Int32Array(2 * EXPECTED);
  /** What was read only to have it near; kept, so that no compiler finds that nobody needs it. */
  readonly #touched = new Int32Array(1);

  /** `checked` hears of every digest that was agreed upon, when it is applied. */
  constructor(
    machine: StateMachine,
    appliedIndex: LogIndex,
    checked: (index: LogIndex, digest: number) => void,
  ) {
    this.#machine = machine;
    this.#appliedIndex = appliedIndex;
    this.#checked = checked;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** Applies one entry; gives what its commands answer, in their order. */
  apply(entry: Entry): readonly Reply[] {
    assert(entry.index === this.#appliedIndex + 1, "I15: entries are applied in the order of the log");
    const replies = entry.kind === "command" ? this.#applyCommands(entry.payload) : [];
    this.#appliedIndex = entry.index;
    const due = this.#reads.get(entry.index);
    if (due !== undefined) {
      this.#reads.delete(entry.index);
      for (const reads of due) this.#answer(reads);
    }
    return replies;
  }

  /** A snapshot took the place of the state: it is that of `index`. */
  installed(index: LogIndex): void {
    assert(index > this.#appliedIndex, "I15: a snapshot leads further on");
    this.#appliedIndex = index;
    for (const [at, due] of [...this.#reads]) {
      if (at > index) continue;
      this.#reads.delete(at);
      for (const reads of due) this.#answer(reads);
    }
  }

  /** Answers released reads now if `index` is applied, else as soon as it is. Tells whether they have to wait. */
  read(index: LogIndex, reads: PlacedReads): boolean {
    if (index <= this.#appliedIndex) {
      this.#answer(reads);
      return false;
    }
    const due = this.#reads.get(index);
    if (due === undefined) this.#reads.set(index, new Set([reads]));
    else due.add(reads);
    return true;
  }

  /** Nobody waits for these any more: whoever asked was told otherwise. */
  forget(index: LogIndex, reads: PlacedReads): void {
    const due = this.#reads.get(index);
    if (due?.delete(reads) === true && due.size === 0) this.#reads.delete(index);
  }

  /** These reads come next. */
  foresee(waiting: readonly { readonly batch: CommandBatch }[]): void {
    const places = this.#places;
    let bytes: Uint8Array | null = null;
    let count = 0;
    for (const { batch } of waiting) {
      // A batch of more commands is looked ahead to when its turn comes.
      if (batch.count > 1) continue;
      if (count === EXPECTED || batch.bytes !== bytes) {
        if (bytes !== null && count > 1) this.#machine.expect(bytes, places, count);
        bytes = batch.bytes;
        count = 0;
      }
      places[2 * count] = startOfCommand(batch.from);
      places[2 * count + 1] = batch.to;
      count++;
    }
    if (bytes !== null && count > 1) this.#machine.expect(bytes, places, count);
  }

  /** Tells when `index` is applied: at once if it is. */
  whenApplied(index: LogIndex, done: () => void): void {
    this.read(index, { batch: NO_COMMANDS, answer: done });
  }

  #answer(reads: PlacedReads): void {
    const { bytes, from, to } = reads.batch;
    const replies: Reply[] = [];
    for (let at = from; at < to;) {
      const count = this.#expect(bytes, at, to);
      for (let i = 0; i < count; i++) {
        const start = this.#places[2 * i] ?? 0;
        at = this.#places[2 * i + 1] ?? 0;
        replies.push(this.#machine.readAt(bytes, start, at));
      }
    }
    reads.answer(replies);
  }

  /** Finds where the next commands of a batch stand, as many as are looked ahead to; gives their number. */
  #expect(bytes: Uint8Array, from: number, to: number): number {
    const places = this.#places;
    let count = 0;
    for (let at = from; at < to && count < EXPECTED; count++) {
      places[2 * count] = startOfCommand(at);
      at = endOfCommand(bytes, at);
      places[2 * count + 1] = at;
    }
    if (count > 1) this.#machine.expect(bytes, places, count);
    return count;
  }

  #applyCommands(payload: Uint8Array): readonly Reply[] {
    this.#touch(payload);
    const count = countCommands(payload, 0, payload.length);
    // Committed bytes that do not decode are the same on every server; so is this answer.
    if (typeof count === "string") return [errorReply(`ERR entry is malformed: ${count}`)];
    const replies: Reply[] = [];
    for (let at = 0; at < payload.length;) {
      const count = this.#expect(payload, at, payload.length);
      for (let i = 0; i < count; i++) {
        const start = this.#places[2 * i] ?? 0;
        at = this.#places[2 * i + 1] ?? 0;
        if (payload[start] === Operation.check) this.#check(payload.subarray(start, at));
        replies.push(this.#machine.applyAt(payload, start, at));
      }
    }
    return replies;
  }

  /**
   * Brings an entry near that was written to the disk meanwhile: where the next command stands is known only when the length of the one
   * before was read, so each would be waited for on its own.
   */
  #touch(payload: Uint8Array): void {
    const end = Math.min(payload.length, TOUCHED_BYTES_MAX);
    let sum = 0;
    for (let at = 0; at < end; at += CACHE_LINE_BYTES) sum ^= payload[at] ?? 0;
    this.#touched[0] = sum;
  }

  #check(command: Uint8Array): void {
    const decoded = decodeCommand(command);
    if (typeof decoded === "string") return;
    const [index, digest] = decoded.args.map((arg) => Number(latin1Of(arg)));
    if (index !== undefined && digest !== undefined) this.#checked(index, digest);
  }
}
