/**
 * What the storage tests share: a data directory on a simulated disk, writes drawn at random, and the fold they should come to.
 *
 * @module
 */
import { assert, must } from "../../internal/base/assert.ts";
import { readUint32 } from "../../internal/base/bytes.ts";
import type { Refusal } from "../../internal/base/errors.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { decodeCbor } from "../../internal/codec/cbor.ts";
import type { FileSystem } from "../../internal/platform/file_system.ts";
import type { Trace, TraceLevel, TraceValue } from "../../internal/platform/trace.ts";
import type { WriteEffect } from "../../internal/raft/effect.ts";
import type { Entry, HardState, LogPosition, Recovered } from "../../internal/raft/types.ts";
import { BLOCK_BYTES, encodeBlock } from "../../internal/storage/block.ts";
import {
  type DataDirectory,
  type DataDirectoryOptions,
  openDataDirectory,
} from "../../internal/storage/data_directory.ts";
import type { Replay } from "../../internal/storage/settling.ts";
import { type Drive, letPromisesRun, virtually } from "../platform/drive.ts";
import { SimDisk } from "../simulator/sim_file_system.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";

export const OWNER = {
  serverId: "n1",
  clusterId: "lab",
  members: ["n1", "n2", "n3"].map((id) => ({ id, address: `${id}:1` })),
};

/** Restores nothing: these tests have no state machine. */
export const NO_MACHINE = () => ({ take: () => null, finish: () => null });
/** Of these 12 KiB are for batches. */
export const SEGMENT_BYTES = 20 * 1024;

/* ---- what was said to the operator ---- */

export interface Said {
  readonly level: TraceLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, TraceValue>>;
}

export class Log implements Trace {
  readonly said: Said[] = [];

  event(level: TraceLevel, event: string, fields: Readonly<Record<string, TraceValue>> = {}): void {
    this.said.push({ level, event, fields });
  }

  all(event: string): readonly Said[] {
    return this.said.filter((said) => said.event === event);
  }
}

/* ---- the fold ---- */

/** Everything that a log should give back. */
export interface State {
  readonly hardState: HardState;
  readonly entries: readonly Entry[];
}

export const EMPTY: State = { hardState: { currentTerm: 0, votedFor: null }, entries: [] };

/** The same fold as recovery's, in three lines. */
export function folded(state: State, { hardState, truncateFrom, append }: WriteEffect): State {
  const left = truncateFrom === null ? state.entries : state.entries.slice(0, truncateFrom - 1);
  return { hardState: hardState ?? state.hardState, entries: [...left, ...append] };
}

/** The state as one line: equal states have equal lines. */
export function lineOf({ hardState, entries }: State | Recovered): string {
  const parts = entries.map(({ index, term, kind, payload }) =>
    `${index}:${term}:${kind}:${String.fromCharCode(...payload.subarray(0, 64))}:${payload.length}:${
      payload.reduce((sum, byte) => Math.imul(sum ^ byte, 0x01000193), 0x811c9dc5)
    }`
  );
  return [`${hardState.currentTerm}/${hardState.votedFor}`, ...parts].join(" ");
}

/* ---- writes ---- */

export function entryOf(index: number, term: number, payload: Uint8Array): Entry {
  return {
    index,
    term,
    kind: payload.length === 0 ? "noop" : "command",
    payload,
    configuration: null,
    record: null,
  };
}

/** Draws writes that a core could ask for, and folds them. */
export class Writer {
  readonly #random: Random;
  state: State;
  number = 0;
  /** The longest payload, now and then. */
  payloadBytesMax = 3000;

  constructor(random: Random, state: State = EMPTY) {
    this.#random = random;
    this.state = state;
  }

  /** Some write: a vote, entries, a conflicting suffix replaced, or all of it at once. */
  any(): WriteEffect {
    const random = this.#random;
    const { hardState: old, entries } = this.state;
    let { currentTerm, votedFor } = old;
    let hardState: HardState | null = null;
    if (currentTerm === 0 || random.chance(1, 4)) {
      if (currentTerm === 0 || random.chance(2, 3)) {
        currentTerm += random.between(1, 3);
        votedFor = null;
      }
      votedFor ??= random.chance(1, 2) ? must(OWNER.members[random.below(3)], "There are three").id : null;
      hardState = { currentTerm, votedFor };
    }
    const truncateFrom = entries.length > 0 && random.chance(1, 5) ? random.between(1, entries.length) : null;
    const left = truncateFrom === null ? entries.length : truncateFrom - 1;
    const count = hardState !== null && truncateFrom === null && random.chance(1, 2)
      ? 0
      : random.between(1, 4);
    const append: Entry[] = [];
    let term = entries[left - 1]?.term ?? 1;
    for (let i = 1; i <= count; i++) {
      term = random.between(Math.max(1, term), currentTerm);
      append.push(entryOf(left + i, term, this.#payload()));
    }
    return this.#take({
      kind: "write",
      number: ++this.number,
      hardState,
      reset: null,
      truncateFrom,
      append,
      commitIndex: 0,
    });
  }

  /** One entry of that many bytes, in the first term. */
  entry(bytes: number): WriteEffect {
    const { hardState, entries } = this.state;
    return this.#take({
      kind: "write",
      reset: null,
      commitIndex: 0,
      number: ++this.number,
      hardState: hardState.currentTerm === 0 ? { currentTerm: 1, votedFor: "n2" } : null,
      truncateFrom: null,
      append: [entryOf(entries.length + 1, Math.max(1, hardState.currentTerm), this.#bytes(bytes))],
    });
  }

  /** A vote for ourselves in that term, and nothing else. */
  vote(currentTerm: number): WriteEffect {
    return this.#take({
      kind: "write",
      number: ++this.number,
      hardState: { currentTerm, votedFor: "n1" },
      reset: null,
      truncateFrom: null,
      append: [],
      commitIndex: 0,
    });
  }

  #take(write: WriteEffect): WriteEffect {
    this.state = folded(this.state, write);
    return write;
  }

  #payload(): Uint8Array {
    const random = this.#random;
    if (random.chance(1, 8)) return new Uint8Array(0);
    return this.#bytes(random.chance(1, 6) ? random.between(1, this.payloadBytesMax) : random.between(1, 80));
  }

  /** Random bytes, or, so that an end of zeros is not mistaken, zeros. */
  #bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    if (this.#random.chance(1, 4)) return bytes;
    for (let i = 0; i < length; i += 7) bytes[i] = this.#random.below(256);
    return bytes;
  }
}

/* ---- a data directory on a simulated disk ---- */

export type Wanted = Partial<DataDirectoryOptions["wanted"]>;

/** A data directory that is open, and what its store said. */
export interface Opened extends DataDirectory {
  /** Everything that the store said, in order. */
  readonly events: (number | Refusal)[];
  /** The highest write that is said to be durable; 0 for none. */
  readonly stable: () => number;
  /** Resolves when that write is durable, or the store failed. */
  readonly until: (write: number) => Promise<void>;
}

/** A machine with one disk, on which one server lives life after life. */
export class Machine {
  readonly time: VirtualTime;
  readonly disk: SimDisk;
  readonly log = new Log();
  readonly run: Drive;
  readonly #random: Random;
  segmentBytes = SEGMENT_BYTES;
  clock: LifeClock;
  files: FileSystem;
  /** Called when a write is said to be durable. */
  onStable: (upTo: number) => void = () => {};

  constructor(seed: string, { time = new VirtualTime(), disk }: { time?: VirtualTime; disk?: SimDisk } = {}) {
    this.#random = new SeededRandom(seed);
    this.time = time;
    this.disk = disk ?? new SimDisk(this.#random.fork("disk"));
    this.clock = new LifeClock(time);
    this.files = this.disk.mount(this.clock);
    this.run = virtually(time);
  }

  /** The next life: the one before is over, with the machine's power or without. */
  restart(end: "crash" | "kill"): void {
    this.clock.die();
    if (end === "crash") this.disk.crash();
    else this.disk.kill();
    this.clock = new LifeClock(this.time);
    this.files = this.disk.mount(this.clock);
  }

  /** A copy of what is durable, as a machine of its own. */
  copy(seed = "copy"): Machine {
    return new Machine(seed, { disk: this.disk.clone(new SeededRandom(seed)) });
  }

  async open(wanted: Wanted = {}, replay: Replay | null = null): Promise<Opened> {
    const directory = await openDataDirectory({
      fileSystem: this.files,
      directory: "data",
      random: this.#random.fork(`life/${this.time.now}`),
      trace: this.log,
      segmentBytes: this.segmentBytes,
      wanted: { ...OWNER, ...wanted },
      restore: NO_MACHINE,
      ...(replay === null ? {} : { replay }),
    });
    const events: (number | Refusal)[] = [];
    let waiting: { readonly write: number; readonly resolve: () => void }[] = [];
    const stable = () => Math.max(0, ...events.filter((event) => typeof event === "number"));
    const tell = (event: number | Refusal) => {
      events.push(event);
      const met = waiting.filter(({ write }) => typeof event !== "number" || event >= write);
      waiting = waiting.filter((wait) => !met.includes(wait));
      for (const { resolve } of met) resolve();
    };
    directory.store.listen({
      onStable: (upTo) => {
        tell(upTo);
        this.onStable(upTo);
      },
      onFailure: tell,
    });
    const until = (write: number): Promise<void> =>
      events.some((event) => typeof event !== "number" || event >= write)
        ? Promise.resolve()
        : new Promise((resolve) => waiting.push({ write, resolve }));
    return { ...directory, events, stable, until };
  }

  /** Every durable byte, by path. */
  durable(): Map<string, Uint8Array> {
    return new Map(
      this.disk.durablePaths().map((
        path,
      ) => [path, must(this.disk.durableBytes(path), "It is there").slice()]),
    );
  }

  /** Changes the durable bytes of a file. */
  damage(path: string, change: (bytes: Uint8Array) => Uint8Array | null): void {
    this.disk.replace(path, change(must(this.disk.durableBytes(path), "There is such a file").slice()));
  }
}

/** Opens while time passes until then; `null` where the power failed before. */
export async function openUntil(machine: Machine, until: number): Promise<Opened | null> {
  let result: { readonly opened: Opened } | { readonly error: unknown } | null = null;
  machine.open().then((opened) => result = { opened }, (error) => result = { error });
  const settled = (): { readonly opened: Opened } | { readonly error: unknown } | null => result;
  do await letPromisesRun(); while (settled() === null && machine.time.step(until));
  const found = settled();
  if (found !== null && "error" in found) throw found.error;
  return found?.opened ?? null;
}

/** Takes a snapshot of that place, of a state machine that has nothing. */
export async function takeSnapshot(
  { snapshots, recovered: { configuration } }: Pick<Opened, "snapshots" | "recovered">,
  { index, term }: LogPosition,
): Promise<void> {
  const { clusterId } = OWNER;
  await snapshots.take(
    { clusterId, index, term, configurationIndex: 0, configuration, digest: 0 },
    () => null,
  );
}

/** A write that only appends; the first one of a life begins the first term too. */
export function appending(number: number, append: readonly Entry[], commitIndex = 0): WriteEffect {
  const hardState = number === 1 ? { currentTerm: 1, votedFor: "n1" } : null;
  return { kind: "write", number, hardState, reset: null, truncateFrom: null, append, commitIndex };
}

export function pathOf(serial: number): string {
  return `data/log/log-${String(serial).padStart(10, "0")}.seg`;
}

/** The same segment as a program wrote it that knew no footers. */
export function inFirstFormat(segment: Uint8Array): Uint8Array {
  const header = decodeCbor(segment.subarray(16, 16 + readUint32(segment, 12)));
  assert("value" in header && Array.isArray(header.value), "It is the header of a segment");
  const bytes = segment.slice();
  bytes.set(encodeBlock("raftline", [1, ...header.value.slice(1, -1)]));
  return bytes.fill(0, bytes.length - BLOCK_BYTES);
}
