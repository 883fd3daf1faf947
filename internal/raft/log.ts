/**
 * The log, from behind the last snapshot to the newest entry, in memory.
 *
 * Keeps true:
 *  1. Indexes are contiguous: the entry after `snapshotIndex` is the first, and each next one is one higher.
 *  2. Terms never fall from one entry to the next.
 *  3. "Compacted" and "absent" are never mixed up with a term (L16): asking for the term of a place that is neither in the
 *     log nor its snapshot point is a bug of ours and fails an assertion.
 *
 * Leaves to others: what may be removed (replication.ts), durability (the shell).
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import type { Entry, LogIndex, Recovered, Term } from "./types.ts";

export class Log {
  #snapshotIndex: LogIndex;
  #snapshotTerm: Term;
  readonly #entries: Entry[];

  constructor(recovered: Pick<Recovered, "snapshotIndex" | "snapshotTerm" | "entries">) {
    this.#snapshotIndex = recovered.snapshotIndex;
    this.#snapshotTerm = recovered.snapshotTerm;
    this.#entries = [];
    for (const entry of recovered.entries) this.append(entry);
  }

  /** The last index that a snapshot covers; entries up to it are gone from here. */
  get snapshotIndex(): LogIndex {
    return this.#snapshotIndex;
  }

  get lastIndex(): LogIndex {
    return this.#snapshotIndex + this.#entries.length;
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#snapshotTerm;
  }

  /** Whether `termAt(index)` has an answer. */
  knowsTermAt(index: LogIndex): boolean {
    return index >= this.#snapshotIndex && index <= this.lastIndex;
  }

  /** The term of the entry at `index`, or of the snapshot that ends there; 0 at 0 of a log without a snapshot. */
  termAt(index: LogIndex): Term {
    if (index === this.#snapshotIndex) return this.#snapshotTerm;
    return this.entryAt(index).term;
  }

  /** The entry at `index`, which is in the log. */
  entryAt(index: LogIndex): Entry {
    return must(this.#entries[index - this.#snapshotIndex - 1], "The log has an entry at this index");
  }

  /** Adds an entry at the end. */
  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, "An appended entry follows the last one");
    assert(entry.term >= this.lastTerm, "Terms never fall along the log");
    this.#entries.push(entry);
  }

  /** Removes every entry from `index` on. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.#snapshotIndex, "What a snapshot covers is never removed as a conflict");
    assert(index <= this.lastIndex, "There is something to remove");
    this.#entries.length = index - this.#snapshotIndex - 1;
  }

  /** Leaves everything up to `index` behind: a snapshot covers it. */
  discardPrefix(index: LogIndex): void {
    assert(index >= this.#snapshotIndex && index <= this.lastIndex, "What is left behind is in the log");
    const term = this.termAt(index);
    this.#entries.splice(0, index - this.#snapshotIndex);
    this.#snapshotIndex = index;
    this.#snapshotTerm = term;
  }

  /** Begins anew behind a snapshot that ends there. */
  reset(index: LogIndex, term: Term): void {
    assert(index > this.#snapshotIndex, "A log begins anew further on");
    this.#entries.length = 0;
    this.#snapshotIndex = index;
    this.#snapshotTerm = term;
  }

  /** The entries from `from` to `to`, both included. */
  slice(from: LogIndex, to: LogIndex): readonly Entry[] {
    assert(from > this.#snapshotIndex && to <= this.lastIndex, "The slice lies within the log");
    return this.#entries.slice(from - this.#snapshotIndex - 1, to - this.#snapshotIndex);
  }

  /**
   * The entries from `from` on whose payloads add up to at most `bytesMax`, but at least one if there is one, and at most
   * `entriesMax`. Contiguous by construction (L18).
   */
  sliceBytes(from: LogIndex, bytesMax: number, entriesMax: number): readonly Entry[] {
    assert(from > this.#snapshotIndex, "The slice begins behind the snapshot");
    let bytes = 0;
    let to = from - 1;
    const last = Math.min(this.lastIndex, from + entriesMax - 1);
    while (to < last) {
      bytes += this.entryAt(to + 1).payload.length;
      if (bytes > bytesMax && to >= from) break;
      to++;
    }
    return to < from ? [] : this.slice(from, to);
  }

  /**
   * The largest index at most `upTo` whose term is at most `term`; never below the snapshot's. Two logs cannot agree
   * beyond it when the other one's entry at `upTo` has that term. Terms never fall, so a binary search finds it.
   */
  lastIndexWithTermAtMost(term: Term, upTo: LogIndex): LogIndex {
    let low = this.#snapshotIndex;
    let high = Math.max(low, Math.min(upTo, this.lastIndex));
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.termAt(middle) <= term) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
