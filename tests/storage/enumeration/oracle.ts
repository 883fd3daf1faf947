/**
 * What a data directory may hold: the fold of every write that was asked for, and the snapshots.
 *
 * Keeps true: it is written apart from the shipped fold, from the meaning of a write alone; a window of what is legal never changes once it
 * was taken.
 *
 * @module
 */
import { must } from "../../../internal/base/assert.ts";
import type { WriteEffect } from "../../../internal/raft/effect.ts";
import type {
  ConfigurationValue,
  Entry,
  HardState,
  LogPosition,
  Recovered,
} from "../../../internal/raft/types.ts";
import type { SnapshotMeta } from "../../../internal/storage/snapshot_file.ts";

/** A log, folded. */
export interface Folded {
  readonly hardState: HardState;
  /** The place before the first entry. */
  readonly base: LogPosition;
  readonly entries: readonly Entry[];
  readonly commitIndex: number;
}

export const BORN: Folded = {
  hardState: { currentTerm: 0, votedFor: null },
  base: { index: 0, term: 0 },
  entries: [],
  commitIndex: 0,
};

export function fold(state: Folded, write: WriteEffect): Folded {
  const { hardState, reset, truncateFrom, append, commitIndex } = write;
  const base = reset ?? state.base;
  const kept = reset !== null
    ? []
    : state.entries.filter(({ index }) => truncateFrom === null || index < truncateFrom);
  return {
    hardState: hardState ?? state.hardState,
    base,
    entries: [...kept, ...append],
    commitIndex: Math.max(state.commitIndex, commitIndex, reset?.index ?? 0),
  };
}

export function endOf({ base, entries }: Pick<Folded, "base" | "entries">): LogPosition {
  const last = entries.at(-1);
  return last === undefined ? base : { index: last.index, term: last.term };
}

/** A snapshot that may be there, and the chunks that it has. */
export interface Known {
  readonly meta: SnapshotMeta;
  readonly chunks: readonly Uint8Array[];
}

/** What is legal at some moment. */
export interface Window {
  readonly states: readonly Folded[];
  /** So many writes were said to be durable, of so many that were asked for. */
  readonly stable: number;
  readonly asked: number;
  /** Snapshots that were begun. */
  readonly begun: readonly Known[];
  /** The index of the newest one that was told of; 0 for none. */
  readonly told: number;
}

/** What a start gave. */
export interface Found {
  readonly recovered: Recovered;
  /** What was restored; `null` for nothing. */
  readonly restored: Known | null;
}

/** Everything that counts of what was recovered, in one line. */
export function lineOfRecovered({ recovered, restored }: Found): string {
  const { hardState, snapshotIndex, snapshotTerm, configurationIndex, commitIndex, epoch, floor } = recovered;
  return [
    `${hardState.currentTerm}/${hardState.votedFor}`,
    `snapshot ${snapshotIndex}:${snapshotTerm} ${restored === null ? "" : lineOfSnapshot(restored)}`,
    `members ${configurationIndex} ${lineOfMembers(recovered.configuration)}`,
    `commit ${commitIndex}`,
    `epoch ${epoch} ${floor === null ? "" : `${floor.index}:${floor.term}`}`,
    ...recovered.entries.map(lineOfEntry),
  ].join("; ");
}

function lineOfEntry({ index, term, kind, payload, configuration }: Entry): string {
  const members = configuration === null ? "" : lineOfMembers(configuration);
  return `${index}:${term} ${kind} ${payload.length} ${sumOf(payload)} ${members}`;
}

function lineOfSnapshot({ meta, chunks }: Known): string {
  const { clusterId, index, term, digest, configurationIndex, configuration } = meta;
  const place = [clusterId, index, term, digest, configurationIndex, lineOfMembers(configuration)].join(" ");
  return `${place} ${chunks.map((chunk) => `${chunk.length} ${sumOf(chunk)}`).join(" ")}`;
}

function lineOfMembers({ voters, outgoing, learners, members }: ConfigurationValue): string {
  return [voters, outgoing, learners, members.map(({ id, address }) => `${id}=${address}`)].join("|");
}

function sumOf(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}

/** What a start gives on a whole log in that state behind that snapshot; `null` where there is a gap between them. */
export function viewOf(state: Folded, known: Known | null, birth: ConfigurationValue): Found | null {
  const { hardState, base, entries, commitIndex } = state;
  const place = known?.meta ?? { index: 0, term: 0, configuration: birth, configurationIndex: 0 };
  const { index, term } = place;
  if (base.index > index) return null;
  const common = {
    snapshotIndex: index,
    snapshotTerm: term,
    configuration: place.configuration,
    configurationIndex: place.configurationIndex,
    epoch: 0,
    floor: null,
  };
  const here = index === base.index ? base.term : entries[index - base.index - 1]?.term;
  const recovered = here === term
    ? {
      ...common,
      hardState,
      entries: entries.slice(index - base.index),
      commitIndex: Math.max(commitIndex, index),
    }
    : {
      ...common,
      hardState: term > hardState.currentTerm ? { currentTerm: term, votedFor: null } : hardState,
      entries: [],
      commitIndex: index,
    };
  return { recovered, restored: known };
}

export class Oracle {
  #states: readonly Folded[] = [BORN];
  #stable = 0;
  #begun: readonly Known[] = [];
  #told = 0;

  get now(): Folded {
    return must(this.#states.at(-1), "There is one");
  }

  asked(write: WriteEffect): void {
    this.#states = [...this.#states, fold(this.now, write)];
  }

  /** So many writes are durable, counted from the first one. */
  stable(writes: number): void {
    this.#stable = writes;
  }

  begun(known: Known): void {
    this.#begun = [...this.#begun, known];
  }

  told(index: number): void {
    this.#told = Math.max(this.#told, index);
  }

  /** What is legal now. */
  window(): Window {
    const asked = this.#states.length - 1;
    return { states: this.#states, stable: this.#stable, asked, begun: this.#begun, told: this.#told };
  }

  /** A start found so many writes: those behind them are gone for ever. */
  found(writes: number): void {
    this.#states = this.#states.slice(0, writes + 1);
    this.#stable = writes;
  }
}

/** How many writes a start found, at most; `null` where it is no legal start. */
export function writesFound(window: Window, found: Found, birth: ConfigurationValue): number | null {
  const { states, stable, asked, begun, told } = window;
  const { snapshotIndex, snapshotTerm } = found.recovered;
  if (snapshotIndex < told) return null;
  const known = begun.findLast(({ meta }) => meta.index === snapshotIndex && meta.term === snapshotTerm) ??
    null;
  if (snapshotIndex > 0 && known === null) return null;
  const line = lineOfRecovered(found);
  for (let writes = asked; writes >= stable; writes--) {
    const state = states[writes];
    if (state !== undefined && lineOfView(state, known, birth) === line) return writes;
  }
  return null;
}

const views = new WeakMap<Folded, Map<Known | null, string>>();

function lineOfView(state: Folded, known: Known | null, birth: ConfigurationValue): string {
  const lines = views.get(state) ?? new Map<Known | null, string>();
  views.set(state, lines);
  let line = lines.get(known);
  if (line === undefined) {
    const view = viewOf(state, known, birth);
    line = view === null ? "a gap" : lineOfRecovered(view);
    lines.set(known, line);
  }
  return line;
}
