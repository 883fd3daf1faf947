/**
 * Committed entries into the state machine, in order, once; and reads at the place in that order where they belong.
 *
 * Keeps true:
 *  1. Entries are applied in the order of the log, without a gap (I15).
 *  2. A read that must see index `i` is answered after `i` was applied; if it was released before `i + 1` is applied, it is
 *     answered before `i + 1` is. So a read never sees a later write of its own client.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { decodeCommandBatch } from "../codec/command_batch.ts";
import { errorReply, type Reply } from "../codec/reply.ts";
import type { StateMachine } from "../machine/machine.ts";
import type { Entry, LogIndex } from "../raft/types.ts";

/** A read at its place. */
export interface PlacedRead {
  readonly command: Uint8Array;
  answer(reply: Reply): void;
}

export class Applier {
  readonly #machine: StateMachine;
  #appliedIndex: LogIndex;
  readonly #reads = new Map<LogIndex, PlacedRead[]>();

  constructor(machine: StateMachine, appliedIndex: LogIndex) {
    this.#machine = machine;
    this.#appliedIndex = appliedIndex;
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
      for (const read of due) read.answer(this.#machine.read(read.command));
    }
    return replies;
  }

  /** Answers a released read now if `index` is applied, else as soon as it is. */
  read(index: LogIndex, read: PlacedRead): void {
    if (index <= this.#appliedIndex) return read.answer(this.#machine.read(read.command));
    const due = this.#reads.get(index);
    if (due === undefined) this.#reads.set(index, [read]);
    else due.push(read);
  }

  /** Forgets the reads that wait; whoever asked was told otherwise. */
  forgetReads(): void {
    this.#reads.clear();
  }

  #applyCommands(payload: Uint8Array): readonly Reply[] {
    const commands = decodeCommandBatch(payload);
    // Committed bytes that do not decode are the same on every server; so is this answer.
    if (typeof commands === "string") return [errorReply(`ERR entry is malformed: ${commands}`)];
    return commands.map((command) => this.#machine.apply(command));
  }
}
