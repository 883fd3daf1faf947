/**
 * Recovery in one sentence: fold the records.
 *
 * Keeps true: what the records come to is a log that can be: contiguous, with terms that never fall and have begun, with nothing
 * removed that was known to be committed. A record that contradicts that is an objection, never a guess.
 *
 * @module
 */
import type { decodeRecord } from "../codec/record.ts";
import type { Entry, HardState, LogIndex, LogPosition, Term } from "../raft/types.ts";
import type { LogState } from "./segment.ts";
import { countEntries, countReset, emptyTally, type Tally } from "./tally.ts";

type LogRecord = Exclude<ReturnType<typeof decodeRecord>, string>["record"];

/** The place before the first entry; `null` where nobody knows its term, since what stood there is gone with its segment. */
export interface Base {
  readonly index: LogIndex;
  readonly term: Term | null;
}

export class Fold {
  /** The place before the first entry: what is before it is gone from the log. */
  base: Base;
  readonly entries: Entry[] = [];
  #hardState: HardState;
  #commitIndex: LogIndex;
  #epoch: number;
  #floor: LogPosition | null;
  /** What was appended since `segmentBegins` was called. */
  tally: Tally = emptyTally();

  constructor(begin: LogState) {
    this.base = begin.last;
    this.#hardState = begin.hardState;
    this.#commitIndex = begin.commitIndex;
    this.#epoch = begin.epoch;
    this.#floor = begin.floor;
  }

  /** What the records so far come to. */
  get state(): LogState {
    return {
      hardState: this.#hardState,
      last: this.last,
      commitIndex: this.#commitIndex,
      epoch: this.#epoch,
      floor: this.#floor,
    };
  }

  /** Where the entries end. */
  get last(): LogPosition {
    const last = this.entries.at(-1);
    const { index, term } = last ?? this.base;
    return { index, term: term ?? 0 };
  }

  /** What the header of the next segment contradicts. A loss and its repair are written down there, and nowhere else in the log. */
  objectionTo(begin: LogState): string | null {
    const isSame = begin.last.index === this.last.index && begin.last.term === this.last.term &&
      begin.commitIndex === this.#commitIndex;
    const { currentTerm, votedFor } = begin.hardState;
    const isSamePromise = currentTerm === this.#hardState.currentTerm &&
      votedFor === this.#hardState.votedFor;
    const isLoss = begin.epoch > this.#epoch && currentTerm >= this.#hardState.currentTerm;
    if (isSame && (isLoss || (isSamePromise && begin.epoch === this.#epoch))) return null;
    const [was, is] = [this.state, begin].map((state) => JSON.stringify(state));
    return `the header says that the log before came to ${is}, it came to ${was}`;
  }

  /** A segment begins: what it appends is counted anew. */
  segmentBegins({ hardState, epoch, floor }: LogState): void {
    this.tally = emptyTally();
    this.#hardState = hardState;
    this.#epoch = epoch;
    this.#floor = floor;
  }

  /** Takes a record, or says what it contradicts. */
  take(record: LogRecord): string | null {
    switch (record.kind) {
      case "entry":
        return this.#append(record.entry);
      case "hardState":
        return this.#promise(record.hardState);
      case "truncate":
        return this.#truncate(record.from);
      case "reset":
        return this.#reset(record.position);
      case "commit":
        return this.#commit(record.index);
    }
  }

  #append(entry: Entry): string | null {
    const { index, term } = entry;
    const last = this.last;
    if (index !== last.index + 1) return `entry ${index} follows entry ${last.index}`;
    if (term < last.term || term > this.#hardState.currentTerm) {
      return `entry ${index} has term ${term}, after ${last.term} and in term ${this.#hardState.currentTerm}`;
    }
    this.entries.push(entry);
    countEntries(this.tally, [entry]);
    return null;
  }

  #promise(hardState: HardState): string | null {
    const { currentTerm } = this.#hardState;
    if (hardState.currentTerm < currentTerm) {
      return `term ${hardState.currentTerm} follows term ${currentTerm}`;
    }
    this.#hardState = hardState;
    return null;
  }

  #truncate(from: LogIndex): string | null {
    const { index } = this.last;
    if (from > index) return `the log is cut at ${from}, its last entry is ${index}`;
    if (from <= this.#commitIndex) {
      return `the log is cut at ${from}, index ${this.#commitIndex} is committed`;
    }
    if (from > this.base.index) this.entries.length = from - this.base.index - 1;
    else {
      // Entries that were replaced stood in segments that are gone: the first one left was begun behind them.
      this.entries.length = 0;
      this.base = { index: from - 1, term: null };
    }
    return null;
  }

  #reset(position: LogPosition): string | null {
    if (position.index < this.#commitIndex) {
      return `the log begins anew behind ${position.index}, index ${this.#commitIndex} is committed`;
    }
    if (position.term > this.#hardState.currentTerm) {
      return `the log begins anew in term ${position.term}, in term ${this.#hardState.currentTerm}`;
    }
    this.base = position;
    this.entries.length = 0;
    this.#commitIndex = position.index;
    countReset(this.tally, position);
    return null;
  }

  #commit(index: LogIndex): string | null {
    if (index > this.last.index) return `index ${index} is committed, the last entry is ${this.last.index}`;
    this.#commitIndex = Math.max(this.#commitIndex, index);
    return null;
  }
}
