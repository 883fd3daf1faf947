/**
 * A small data directory, and everything that is known about it: what it holds, what its files were before, and how it may be damaged.
 *
 * Two snapshots, two closed segments and the last one; of the closed ones the newest snapshot covers the first. After a kill the last batches
 * are ones of which nobody wrote down that they were durable.
 *
 * @module
 */
import { assert, must } from "../../../internal/base/assert.ts";
import type { ConfigurationValue } from "../../../internal/raft/types.ts";
import { FOOTER_BYTES, footerPlace } from "../../../internal/storage/footer.ts";
import { birthOf } from "../../../internal/storage/reconcile.ts";
import type { DiskImage } from "../../simulator/sim_file_system.ts";
import { Log, OWNER } from "../lab.ts";
import { DATA, encoded, start, type Started, type Wish, writeOf } from "./life.ts";
import { endOf, type Folded, type Known, Oracle, type Window } from "./oracle.ts";
import { RestingDisk } from "./resting_disk.ts";

const HEADER_BYTES = 4096;

export interface Home {
  readonly members: typeof OWNER.members;
  readonly segmentBytes: number;
  readonly image: DiskImage;
  readonly birth: ConfigurationValue;
  /** What is there, and nothing else, where nothing is damaged. */
  readonly window: Window;
  /** So many writes were written down as durable, apart from the log. */
  readonly noted: number;
  /** What its files were at earlier moments, each different one once. */
  readonly older: ReadonlyMap<string, readonly Uint8Array[]>;
}

/** The newest state. */
export function truthOf({ window }: Home): Folded {
  return must(window.states[window.asked], "There is one");
}

/** A process that writes, one thing after another. */
class Keeper {
  readonly #started: Started;
  readonly #oracle: Oracle;
  readonly #scale: number;
  readonly #moment: () => void;
  #waiting: () => void = () => {};

  constructor(started: Started, oracle: Oracle, scale: number, moment: () => void) {
    this.#started = started;
    this.#oracle = oracle;
    this.#scale = scale;
    this.#moment = moment;
    started.store.listen({
      onStable: (upTo) => {
        oracle.stable(upTo);
        this.#waiting();
      },
      onFailure: (refusal) => {
        throw refusal;
      },
    });
  }

  async write(wish: Wish): Promise<void> {
    const write = writeOf(this.#oracle, wish, this.#scale);
    this.#oracle.asked(write);
    const done = new Promise<void>((resolve) => this.#waiting = resolve);
    this.#started.store.write(write);
    await done;
    await rest();
    this.#moment();
  }

  async snapshot(index: number): Promise<void> {
    const { base, entries } = this.#oracle.now;
    const { term } = must(entries[index - base.index - 1], "It is there");
    const known = snapshotOf(index, term, birthOf(this.#started.identity), this.#scale);
    this.#oracle.begun(known);
    const chunks = [...known.chunks];
    await this.#started.snapshots.take(known.meta, () => chunks.shift() ?? null);
    this.#oracle.told(index);
    this.#started.store.discard(this.#started.snapshots.coveredIndex);
    await rest();
    this.#moment();
  }
}

function snapshotOf(index: number, term: number, configuration: ConfigurationValue, scale: number): Known {
  const { clusterId } = OWNER;
  return {
    meta: { clusterId, index, term, configuration, configurationIndex: 0, digest: index * 7 },
    chunks: [new Uint8Array(10).fill(index), new Uint8Array(40 * scale).fill(index + 1)],
  };
}

/** Whatever can go on does. */
export async function rest(): Promise<void> {
  for (let i = 0; i < 300; i++) await null;
}

/** A server of so many, ended in that way. Entries are so many times as long. */
export async function inhabited(count: 1 | 3, end: "close" | "kill", scale = 1): Promise<Home> {
  const members = OWNER.members.slice(0, count);
  const segmentBytes = HEADER_BYTES + Math.ceil(560 * scale / 512) * 512 + FOOTER_BYTES;
  const disk = new RestingDisk(new Map());
  const oracle = new Oracle();
  const older = new Map<string, Uint8Array[]>();
  let noted = 0;
  let newest = "";
  const moment = () => {
    const image = disk.image();
    for (const [path, bytes] of image) {
      const versions = older.get(path) ?? [];
      older.set(path, versions);
      if (!versions.includes(bytes)) versions.push(bytes);
    }
    const { states, stable } = oracle.window();
    const last = must(
      [...image.keys()].filter((path) => path.endsWith(".seg")).sort().at(-1),
      "There is one",
    );
    if (last !== newest) noted = Math.max(noted, stable - 1);
    newest = last;
    if (states[stable]?.hardState !== states[stable - 1]?.hardState) noted = stable;
  };
  const started = await start(disk, new Log(), { members, segmentBytes });
  const keeper = new Keeper(started, oracle, scale, moment);
  const until = async (serial: number) => {
    while (!newest.endsWith(`${serial}.seg`)) {
      await keeper.write({ append: [50], commitIndex: endOf(oracle.now).index });
    }
    return endOf(oracle.now).index - 1;
  };
  await keeper.write({ hardState: { currentTerm: 1, votedFor: "n1" } });
  await keeper.write({ append: [0] });
  await keeper.write({ append: [40, 30] });
  await keeper.snapshot(await until(2));
  // A conflict: what is replaced stands in this segment too.
  const { index } = endOf(oracle.now);
  await keeper.write({
    hardState: { currentTerm: 3, votedFor: "n2" },
    truncateFrom: index,
    append: [20, 25],
  });
  // The first segment goes.
  await keeper.snapshot(await until(3));
  await until(4);
  await keeper.write({ hardState: { currentTerm: 4, votedFor: null } });
  await keeper.write({ append: [30, 10] });
  await keeper.write({ append: [5] });
  if (end === "close") {
    await started.close();
    moment();
    noted = oracle.window().asked;
  }
  const image = disk.image();
  const segments = [...image.keys()].filter((path) => path.endsWith(".seg"));
  assert(segments.length === 3, `the sizes fit: ${segments.join(" ")}`);
  const birth = birthOf(started.identity);
  return { members, segmentBytes, image, birth, window: oracle.window(), noted, older };
}

/** Another server of the cluster, which leads: it has everything. */
export async function catchUp(
  { members, segmentBytes, window }: Home,
  truth: Folded,
  disk: RestingDisk,
  { recovered, store, snapshots }: Started,
): Promise<Started> {
  let number = 0;
  let waiting: () => void = () => {};
  store.listen({
    onStable: () => waiting(),
    onFailure: (refusal) => {
      throw refusal;
    },
  });
  const write = async (wish: Omit<Parameters<typeof store.write>[0], "kind" | "number">) => {
    const done = new Promise<void>((resolve) => waiting = resolve);
    store.write({ kind: "write", number: ++number, ...wish });
    await done;
  };
  const currentTerm = truth.hardState.currentTerm + 1;
  const last = recovered.entries.at(-1)?.index ?? recovered.snapshotIndex;
  const known = must(window.begun.at(-1), "There is a snapshot");
  const nothing = { hardState: null, reset: null, truncateFrom: null, append: [], commitIndex: 0 };
  let have = last;
  if (last < known.meta.index) {
    await receive(snapshots, known);
    await write({
      ...nothing,
      hardState: { currentTerm, votedFor: null },
      reset: { index: known.meta.index, term: known.meta.term },
    });
    have = known.meta.index;
  }
  const isTheirs = ({ index, term }: { readonly index: number; readonly term: number }) =>
    index <= truth.base.index || truth.entries[index - truth.base.index - 1]?.term === term;
  const conflict = last < known.meta.index ? undefined : recovered.entries.find((entry) => !isTheirs(entry));
  const from = conflict?.index ?? have + 1;
  const end = must(truth.entries.at(-1), "There are some");
  await write({
    ...nothing,
    hardState: { currentTerm, votedFor: null },
    truncateFrom: conflict === undefined ? null : conflict.index,
    append: [
      ...truth.entries.filter(({ index }) => index >= from),
      {
        ...end,
        index: end.index + 1,
        term: currentTerm,
        kind: "noop",
        payload: new Uint8Array(0),
        record: null,
      },
    ],
    commitIndex: end.index + 1,
  });
  store.endRepair();
  await store.close();
  return await start(new RestingDisk(disk.image()), new Log(), { members, segmentBytes });
}

async function receive(snapshots: Started["snapshots"], known: Known): Promise<void> {
  const { id, bytes } = encoded(known);
  const from = await snapshots.receive(id);
  await snapshots.received(id, from, bytes.slice(from), () => ({ take: () => null, finish: () => null }));
}

/* ---- damage ---- */

export interface Damage {
  /** What was done to what, for the table. */
  readonly title: string;
  /** The same, with the place. */
  readonly where: string;
  /** The files that are not what they were. */
  readonly paths: readonly string[];
  readonly image: DiskImage;
}

/** What a byte of a file is for. */
export function partOf({ image }: Home, path: string, offset: number): string {
  const name = must(path.split("/").at(-1), "It has a name");
  if (name.endsWith(".seg")) {
    const segments = [...image.keys()].filter((path) => path.endsWith(".seg")).sort();
    const which = path === segments.at(-1)
      ? "last segment"
      : path === segments[0]
      ? "first segment"
      : "closed segment";
    if (offset < HEADER_BYTES) return `${which}, header`;
    const bytes = must(image.get(path), "It is there");
    const footer = footerPlace(bytes.length);
    if (offset >= footer && offset < footer + FOOTER_BYTES) return `${which}, footer`;
    return offset <= lastOf(bytes.subarray(0, footer)) ? `${which}, batches` : `${which}, behind them`;
  }
  if (name.endsWith(".snap")) {
    const snapshots = [...image.keys()].filter((path) => path.endsWith(".snap")).sort();
    return path === snapshots.at(-1) ? "newest snapshot" : "older snapshot";
  }
  if (name === "promises") return `promises, ${offset < HEADER_BYTES ? "first" : "second"} copy`;
  return name === "identity" ? name : "what is made ahead";
}

/** The last byte that is not zero. */
export function lastOf(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0);
}

/** Files by name: without those of which nothing is ever wanted. */
function pathsOf({ image }: Home): readonly string[] {
  return [...image.keys()].filter((path) => path.startsWith(`${DATA}/`)).sort();
}

function withFiles(home: Home, changes: ReadonlyMap<string, Uint8Array | null>): DiskImage {
  const image = new Map(home.image);
  for (const [path, bytes] of changes) {
    if (bytes === null) image.delete(path);
    else image.set(path, bytes);
  }
  return image;
}

/** Every bit that counts; of the zeros that fill a block or a file up, one bit of one byte in so many. */
export function* flips(home: Home, everyZero: number): Generator<Damage> {
  for (const path of pathsOf(home)) {
    const bytes = must(home.image.get(path), "It is there");
    for (let offset = 0; offset < bytes.length; offset++) {
      const isFiller = isWithinZeros(bytes, offset);
      if (isFiller && everyZero > 1 && offset % everyZero !== 0) continue;
      for (let bit = 0; bit < 8; bit++) {
        if (isFiller && everyZero > 1 && bit !== offset / everyZero % 8) continue;
        const changed = bytes.slice();
        changed[offset] = (changed[offset] ?? 0) ^ (1 << bit);
        yield {
          title: `a bit: ${partOf(home, path, offset)}`,
          where: `bit ${bit} of byte ${offset} of ${path}`,
          paths: [path],
          image: withFiles(home, new Map([[path, changed]])),
        };
      }
    }
  }
}

/** Whether the eight bytes before and behind it are zeros too. */
function isWithinZeros(bytes: Uint8Array, offset: number): boolean {
  for (let at = Math.max(0, offset - 8); at < Math.min(bytes.length, offset + 9); at++) {
    if (bytes[at] !== 0) return false;
  }
  return true;
}

/** Every length of every file; where zeros are cut, one in so many. */
export function* cuts(home: Home, everyZero: number): Generator<Damage> {
  for (const path of pathsOf(home)) {
    const bytes = must(home.image.get(path), "It is there");
    for (let length = 0; length < bytes.length; length++) {
      if (isWithinZeros(bytes, length) && length % everyZero !== 0) continue;
      yield {
        title: `cut short: ${partOf(home, path, length)}`,
        where: `${path} cut to ${length} bytes`,
        paths: [path],
        image: withFiles(home, new Map([[path, bytes.slice(0, length)]])),
      };
    }
  }
}

/** Every file removed, emptied, swapped with its neighbour, or as it was before. */
export function* wholeFiles(home: Home): Generator<Damage> {
  const paths = pathsOf(home);
  for (const [i, path] of paths.entries()) {
    const bytes = must(home.image.get(path), "It is there");
    const file = partOf(home, path, 0).replace(/, .*/, "");
    const damage = (what: string, changes: ReadonlyMap<string, Uint8Array | null>): Damage => ({
      title: `${what}: ${file}`,
      where: `${what}: ${path}`,
      paths: [...changes.keys()],
      image: withFiles(home, changes),
    });
    yield damage("removed", new Map([[path, null]]));
    yield damage("emptied", new Map([[path, new Uint8Array(0)]]));
    const next = paths[i + 1];
    if (next !== undefined) {
      const other = must(home.image.get(next), "It is there");
      yield damage("swapped with the next one", new Map([[path, other], [next, bytes]]));
    }
    for (const old of home.older.get(path) ?? []) {
      if (old !== bytes) yield damage("an older version", new Map([[path, old]]));
    }
  }
}
