/**
 * What is settled while the log is read: entries that are known to be committed go into the state machine at once, and all but the
 * newest of them are let go of. So a start takes as much memory for a long log as for a short one.
 *
 * Keeps true:
 *  1. An entry is handed on once, in the order of the log, only behind the snapshot that was restored, and only where the log agrees with
 *     that snapshot; what is handed on is committed, so that nothing that is read later takes it back.
 *  2. What is let go of was handed on, or is covered by the snapshot.
 *
 * @module
 */
import type { ConfigurationValue, Entry, LogIndex, LogPosition, Term } from "../raft/types.ts";
import type { Base, Fold } from "./fold.ts";

/** Takes entries for good while the log is read. */
export interface Replay {
  /** So much of what was taken stays in memory for followers that lag. */
  readonly memory: { readonly bytes: number; readonly entries: number };
  /** The state is that behind this index: entries follow from there. Said before the first entry, and again if the log must be read anew. */
  begins(index: LogIndex): void;
  /** The next entry, which is committed. */
  take(entry: Entry): void;
}

/** The place before the first entry that is held, and the newest configuration up to there, where it came from the log. */
export interface Kept {
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: { readonly index: LogIndex; readonly value: ConfigurationValue } | null;
}

export class Settling {
  readonly #fold: Fold;
  readonly #replay: Replay;
  readonly #snapshot: LogPosition;
  /** Where the log begins, whatever was let go of. */
  #base: Base;
  #kept: Kept | null = null;
  /** The base that we gave the fold. */
  #given: Base;
  /** The entries up to here were looked at; and handed on, where they follow the snapshot. */
  #settled: LogIndex;
  /** Whether the log has what the snapshot ends with; `null` until that is known. */
  #agrees: boolean | null = null;
  /** Bytes of the entries that are held and settled. */
  #bytes = 0;

  constructor(fold: Fold, replay: Replay, snapshot: LogPosition) {
    this.#fold = fold;
    this.#replay = replay;
    this.#snapshot = snapshot;
    this.#base = this.#given = fold.base;
    this.#settled = fold.base.index;
    if (fold.base.index >= snapshot.index) {
      this.#agrees = fold.base.index === snapshot.index && fold.base.term === snapshot.term;
    }
    replay.begins(snapshot.index);
  }

  /** The place before the first entry of the log. */
  get base(): Base {
    return this.#fold.base === this.#given ? this.#base : this.#fold.base;
  }

  /** Where the entries begin that are held, if some were let go of. */
  get kept(): Kept | null {
    return this.#fold.base === this.#given ? this.#kept : null;
  }

  /** Hands on what is committed, and lets go of what need not be held. */
  settle(): void {
    if (this.#agrees === false || !this.#follows()) return;
    const { entries, base, state } = this.#fold;
    const { index, term } = this.#snapshot;
    while (this.#settled < state.commitIndex) {
      const entry = entries[this.#settled - base.index];
      if (entry === undefined) break;
      if (entry.index === index) this.#agrees = entry.term === term;
      if (this.#agrees === false) return;
      if (entry.index > index) this.#replay.take(entry);
      this.#settled = entry.index;
      this.#bytes += entry.payload.length;
    }
    this.#letGo();
  }

  /** Whether the log goes on from what was settled. It may begin anew behind a later snapshot: then that covers what follows. */
  #follows(): boolean {
    const { base } = this.#fold;
    if (base === this.#given) return true;
    const isCovered = base.index < this.#snapshot.index ||
      (base.index === this.#snapshot.index && base.term === this.#snapshot.term);
    if (!isCovered || this.#settled > this.#snapshot.index) {
      this.#agrees = false;
      return false;
    }
    this.#base = this.#given = base;
    this.#kept = null;
    this.#settled = base.index;
    this.#bytes = 0;
    this.#agrees = base.index === this.#snapshot.index ? true : null;
    return true;
  }

  #letGo(): void {
    const { entries, base } = this.#fold;
    const { memory } = this.#replay;
    const settled = this.#settled - base.index;
    let configuration = this.#kept?.configuration ?? null;
    let count = 0;
    for (; count < settled; count++) {
      const entry = entries[count];
      const isSmall = this.#bytes <= memory.bytes && settled - count <= memory.entries;
      if (entry === undefined || (isSmall && entry.index > this.#snapshot.index)) break;
      this.#bytes -= entry.payload.length;
      if (entry.configuration !== null) configuration = { index: entry.index, value: entry.configuration };
    }
    const last = entries[count - 1];
    if (last === undefined) return;
    entries.splice(0, count);
    this.#kept = { index: last.index, term: last.term, configuration };
    this.#given = { index: last.index, term: last.term };
    this.#fold.base = this.#given;
  }
}
