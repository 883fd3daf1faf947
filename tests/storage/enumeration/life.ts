/**
 * A scripted life of a server's storage: everything that it ever does to a disk, in four lives of its process.
 *
 * The first: birth, votes, entries, several writes in one batch, new segments, a change of members, a conflict, snapshots, the archive,
 * compaction, a snapshot from another server, a clean end. The second goes on, until the power fails in the middle of a batch. The third
 * begins on the torn tail and ends cleanly. In the fourth older segments are written again.
 *
 * The script stands in for the node: it asks for one thing after another, and asks again for a snapshot or for the archive where they fail.
 *
 * @module
 */
import { assert, must } from "../../../internal/base/assert.ts";
import { joined, readUint32 } from "../../../internal/base/bytes.ts";
import type { Refusal } from "../../../internal/base/errors.ts";
import { SeededRandom } from "../../../internal/base/random.ts";
import type { FileSystem } from "../../../internal/platform/file_system.ts";
import type { WriteEffect } from "../../../internal/raft/effect.ts";
import type { ConfigurationValue, HardState, LogPosition } from "../../../internal/raft/types.ts";
import { Archiver } from "../../../internal/storage/archiver.ts";
import { type DataDirectory, LOG, openDataDirectory } from "../../../internal/storage/data_directory.ts";
import { birthOf } from "../../../internal/storage/reconcile.ts";
import { SnapshotDesk } from "../../../internal/storage/snapshot_desk.ts";
import { SnapshotEncoder, type SnapshotId } from "../../../internal/storage/snapshot_file.ts";
import type { Begin, StoredSnapshot } from "../../../internal/storage/snapshot_store.ts";
import { SimDisk } from "../../simulator/sim_file_system.ts";
import { LifeClock, VirtualTime } from "../../simulator/virtual_time.ts";
import { entryOf, Log, OWNER } from "../lab.ts";
import { endOf, type Folded, type Known, Oracle, writesFound } from "./oracle.ts";

export const DATA = "data";
const ARCHIVE = "archive";
export const ARCHIVED = `${ARCHIVE}/${OWNER.clusterId}/${OWNER.serverId}`;
const HEADER_BYTES = 4096;
const BATCHES_BYTES = 2048;
const FOOTER_BYTES = 4096;
const WRITE_MS = 0.05;
const SYNC_MS = 1;
/** Longer than everything takes that goes on behind a write. */
export const CALM_MS = 200;
/** Longer than an archiver waits after a failure. */
const RETRY_MS = 6000;
const CONTINUATIONS_MAX = 2000;
export const CANNOT_ARCHIVE = "cannot archive, and tries again";

/** What a start restored. */
class Taker {
  known: Known | null = null;

  readonly begin: Begin = (meta) => {
    const chunks: Uint8Array[] = [];
    return {
      take: (chunk) => {
        chunks.push(chunk.slice());
        return null;
      },
      finish: () => {
        this.known = { meta, chunks };
        return null;
      },
    };
  };
}

export interface Started extends DataDirectory {
  readonly restored: Known | null;
}

/** A header, four sectors of batches, and a footer. */
export function segmentBytesOf(scale: number): number {
  return HEADER_BYTES + scale * BATCHES_BYTES + FOOTER_BYTES;
}

/** Starts on a data directory. */
export async function start(
  fileSystem: FileSystem,
  trace: Log,
  { members = OWNER.members, segmentBytes = segmentBytesOf(1) } = {},
): Promise<Started> {
  const taker = new Taker();
  const directory = await openDataDirectory({
    fileSystem,
    directory: DATA,
    random: new SeededRandom("enumeration"),
    trace,
    segmentBytes,
    freeBytesMin: 0,
    wanted: { ...OWNER, members },
    restore: taker.begin,
  });
  return { ...directory, restored: taker.known };
}

/** The configuration of the birth. */
export const BIRTH: ConfigurationValue = birthOf({ ...OWNER, incarnation: "" });

/** With a learner more. */
const WIDER: ConfigurationValue = {
  ...BIRTH,
  learners: ["n4"],
  members: [
    ...BIRTH.members,
    { id: "n4", address: "n4:1", incarnation: "", priority: 100, promote: false, replaces: null },
  ],
};

/** Who is at work. */
export type Actor = "start" | "log" | "snapshots" | "archive" | "last archive" | "end";

/** How a life ended early. */
export interface Ended {
  readonly actor: Actor;
  /** What was thrown at a start or at an end, or what the store said. */
  readonly reason: unknown;
}

/** What is asked of the log at once; entries by the lengths of their payloads, in the current term. */
export interface Wish {
  readonly hardState?: HardState;
  /** Begins anew behind the snapshot that was received last. */
  readonly reset?: LogPosition;
  readonly truncateFrom?: number;
  readonly append?: readonly number[];
  readonly configuration?: ConfigurationValue;
  readonly commitIndex?: number;
}

/** The next write, as the core would ask for it. */
export function writeOf(oracle: Oracle, wish: Wish, scale: number): WriteEffect {
  const { hardState, commitIndex } = oracle.now;
  const { currentTerm } = wish.hardState ?? hardState;
  const last = wish.reset?.index ??
    (wish.truncateFrom === undefined ? endOf(oracle.now).index : wish.truncateFrom - 1);
  const number = oracle.window().asked + 1;
  const append = (wish.append ?? []).map((bytes, i) =>
    entryOf(last + 1 + i, currentTerm, new Uint8Array(bytes * scale).fill(number + i))
  );
  if (wish.configuration !== undefined) {
    const entry = entryOf(last + 1 + append.length, currentTerm, new Uint8Array(0));
    append.push({ ...entry, kind: "configuration", configuration: wish.configuration });
  }
  return {
    kind: "write",
    number,
    hardState: wish.hardState ?? null,
    reset: wish.reset ?? null,
    truncateFrom: wish.truncateFrom ?? null,
    append,
    commitIndex: wish.commitIndex ?? commitIndex,
  };
}

/** The machine on which it lives. */
export class Stage {
  readonly time = new VirtualTime();
  readonly disk: SimDisk;
  readonly oracle = new Oracle();
  readonly log = new Log();
  actor: Actor = "start";
  ended: Ended | null = null;
  /** How often a snapshot or the archive had to be tried again. */
  triedAgain = 0;
  /** Called between two events. */
  between: () => Promise<void> = () => Promise.resolve();
  /** So many continuations may an event have, for nothing else to happen while `between` is at work. */
  continuations = 12;
  /** Which of the four lives it is. */
  life = 0;
  #clock = new LifeClock(this.time);

  /** Entries, segments and snapshots are so many times as long. */
  readonly scale: number;

  constructor({ disk = new SimDisk(new SeededRandom("scripted life")), scale = 1 } = {}) {
    this.disk = disk;
    this.scale = scale;
    disk.timing = { writeMs: [WRITE_MS, WRITE_MS], syncMs: [SYNC_MS, SYNC_MS] };
  }

  /** All four lives, or as much of them as the disk allows. */
  play(): Promise<void> {
    return this.#drive(() => this.#script());
  }

  /** Time passes until the work is done. */
  async #drive<T>(work: () => Promise<T>): Promise<T> {
    let isDone = false;
    const result = work().finally(() => isDone = true);
    for (let waited = 0; waited < CONTINUATIONS_MAX; waited += this.continuations) {
      for (let i = 0; i < this.continuations && !isDone; i++) await null;
      if (isDone) return await result;
      await this.between();
      if (this.time.step(Number.MAX_SAFE_INTEGER)) waited = 0;
    }
    throw new Error("nothing is left to happen, and the script still waits");
  }

  /** The machine starts anew: with what was in the cache, or with what a power failure leaves. */
  restart(end: "kill" | "crash"): void {
    if (end === "kill") this.disk.kill();
    else this.disk.crash();
    this.#nextLife();
  }

  /** Power fails, and leaves everything but what is behind the first sector of a write. */
  tear(): void {
    const { names, sectors } = this.disk.unsynced;
    this.disk.restore(this.disk.imageKeeping({
      names: Array.from({ length: names }, () => true),
      sectors: sectors.map((count) => Array.from({ length: count }, (_, i) => i === 0)),
    }));
    this.#nextLife();
  }

  /** A start on what is there, and whatever is to be done with it. */
  visit<T>(work: (started: Started) => Promise<T>): Promise<T> {
    const files = this.disk.mount(this.#clock);
    const options = { segmentBytes: segmentBytesOf(this.scale) };
    return this.#drive(async () => await work(await start(files, new Log(), options)));
  }

  #nextLife(): void {
    this.#clock.die();
    this.#clock = new LifeClock(this.time);
  }

  async #script(): Promise<void> {
    for (const live of [firstLife, secondLife, thirdLife, fourthLife]) {
      this.actor = "start";
      this.life++;
      try {
        const files = this.disk.mount(this.#clock);
        const started = await start(files, this.log, { segmentBytes: segmentBytesOf(this.scale) });
        this.#check(started);
        this.actor = "log";
        await live(new Hand(this, this.#clock, files, started));
      } catch (error) {
        this.ended = { actor: this.actor, reason: error };
        return;
      }
    }
  }

  /** Each of its starts is legal. */
  #check(started: Started): void {
    const found = writesFound(this.oracle.window(), started, BIRTH);
    assert(found !== null, "a life of the script began on what it may find");
    this.oracle.found(found);
  }

  /** The process is gone, and its files with it. */
  leave(): void {
    this.restart("kill");
  }
}

/** What the script has in hand while a process is up. */
class Hand {
  readonly #stage: Stage;
  readonly #started: Started;
  readonly #desk: SnapshotDesk;
  readonly #archiver: Archiver;
  #failure: Refusal | null = null;
  #waiting: (() => void)[] = [];

  constructor(stage: Stage, clock: LifeClock, fileSystem: FileSystem, started: Started) {
    this.#stage = stage;
    this.#started = started;
    this.#desk = new SnapshotDesk(started.snapshots);
    const { store } = started;
    store.listen({
      onStable: (upTo) => this.#tell(() => stage.oracle.stable(upTo)),
      onFailure: (refusal) => this.#tell(() => this.#failure = refusal),
    });
    this.#archiver = new Archiver({
      fileSystem,
      log: `${DATA}/${LOG}`,
      archive: ARCHIVE,
      clusterId: OWNER.clusterId,
      serverId: OWNER.serverId,
      trace: stage.log,
      now: () => clock.now(),
      appliedIndex: () => stage.oracle.now.commitIndex,
      waitingMax: 3,
      onArchived: () => store.discard(0),
    });
    store.holdBack((serial, written) => this.#archiver.mayRemove(serial, written));
  }

  #tell(what: () => void): void {
    what();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Asks for a write; nothing waits for it. */
  ask(wish: Wish): void {
    const { oracle, scale } = this.#stage;
    const write = writeOf(oracle, wish, scale);
    oracle.asked(write);
    this.#started.store.write(write);
  }

  /** Asks for a write, waits until it is durable, and until what goes on behind it is over. */
  async write(wish: Wish): Promise<void> {
    this.ask(wish);
    await this.durable();
    await this.pause(CALM_MS);
  }

  /** @throws {Refusal} where the store fails */
  async durable(): Promise<void> {
    const { oracle } = this.#stage;
    const { asked } = oracle.window();
    while (oracle.window().stable < asked) {
      this.#mayGoOn();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#mayGoOn();
  }

  #mayGoOn(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async pause(ms: number): Promise<void> {
    const { time } = this.#stage;
    await new Promise<void>((resolve) => void time.at(time.now + ms, resolve));
    this.#mayGoOn();
  }

  /** Takes a snapshot of what is applied at that index; again where it fails. */
  async snapshot(index: number): Promise<void> {
    const known = snapshotOf(index, termAt(this.#stage.oracle.now, index), this.#stage.scale);
    await this.#insist(() => {
      const chunks = [...known.chunks];
      return new Promise((resolve) => this.#desk.take(known.meta, () => chunks.shift() ?? null, resolve));
    }, known);
    await this.#letGo();
  }

  /** Gets a snapshot from another server in two pieces, and begins the log anew behind it. */
  async install(index: number, term: number): Promise<void> {
    const known = snapshotOf(index, term, this.#stage.scale);
    const { id, bytes } = encoded(known);
    await this.#insist(async () => {
      const from = await new Promise<number | Error>((resolve) => this.#desk.receive(id, resolve));
      if (from instanceof Error) return from;
      let result: StoredSnapshot | null | Error = null;
      const middle = Math.max(from, bytes.length >> 1);
      for (const [at, piece] of [[from, bytes.slice(from, middle)], [middle, bytes.slice(middle)]] as const) {
        if (piece.length === 0) continue;
        const begin = () => ({ take: () => null, finish: () => null });
        result = await new Promise((resolve) => this.#desk.received(id, at, piece, begin, resolve));
        if (result instanceof Error) return result;
      }
      return must(result, "The last piece was given");
    }, known);
    await this.write({ reset: { index, term } });
    await this.#letGo();
  }

  async #insist(attempt: () => Promise<StoredSnapshot | Error>, known: Known): Promise<void> {
    const { oracle } = this.#stage;
    this.#stage.actor = "snapshots";
    oracle.begun(known);
    for (let tries = 0; tries < 3; tries++) {
      const result = await attempt();
      if (!(result instanceof Error)) {
        oracle.told(known.meta.index);
        this.#stage.actor = "log";
        return;
      }
      this.#stage.triedAgain++;
    }
    throw new Error("no attempt succeeded, though the disk works again");
  }

  async #letGo(): Promise<void> {
    this.#started.store.discard(this.#desk.coveredIndex);
    await this.pause(CALM_MS);
  }

  /** Archives what was closed; again where that fails. */
  async archive(): Promise<void> {
    const { log } = this.#stage;
    this.#stage.actor = "archive";
    const complaints = log.all(CANNOT_ARCHIVE).length;
    await this.#archiver.tick();
    if (log.all(CANNOT_ARCHIVE).length > complaints) {
      this.#stage.triedAgain++;
      await this.pause(RETRY_MS);
      await this.#archiver.tick();
      assert(log.all(CANNOT_ARCHIVE).length === complaints + 1, "the archive works when the disk does");
    }
    this.#stage.actor = "log";
    await this.pause(CALM_MS);
  }

  /** A clean end, in the order in which a server ends. */
  async end(): Promise<void> {
    this.#stage.actor = "last archive";
    await this.#archiver.tick();
    this.#stage.actor = "end";
    await this.#archiver.close();
    await this.#desk.close();
    await this.#started.close();
    this.#stage.leave();
  }

  /** Power fails while a batch is being synced. */
  async torn(wish: Wish): Promise<void> {
    this.ask(wish);
    await this.pause(WRITE_MS + SYNC_MS / 2);
    this.#stage.tear();
  }
}

function termAt({ base, entries }: Folded, index: number): number {
  return index === base.index ? base.term : must(entries[index - base.index - 1], "It is there").term;
}

/** A snapshot of that place; two chunks, one of which takes more than a sector. */
function snapshotOf(index: number, term: number, scale: number): Known {
  const isWider = index >= WIDER_AT;
  return {
    meta: {
      clusterId: OWNER.clusterId,
      index,
      term,
      configuration: isWider ? WIDER : BIRTH,
      configurationIndex: isWider ? WIDER_AT : 0,
      digest: index * 7,
    },
    chunks: [new Uint8Array(40).fill(index), new Uint8Array(600 * scale).fill(index + 1)],
  };
}

/** The file of a snapshot, as another server has it. */
export function encoded({ meta, chunks }: Known): { readonly id: SnapshotId; readonly bytes: Uint8Array } {
  const encoder = new SnapshotEncoder();
  const parts = [encoder.head(meta), ...chunks.flatMap((chunk) => encoder.chunk(chunk)), encoder.foot()];
  const bytes = joined(parts);
  const { index, term } = meta;
  return { id: { index, term, bytes: bytes.length, checksum: readUint32(bytes, bytes.length - 4) }, bytes };
}

/* ---- the script ---- */

/** The index of the change of members. */
const WIDER_AT = 6;

async function firstLife(hand: Hand): Promise<void> {
  await hand.write({ hardState: { currentTerm: 1, votedFor: "n1" } });
  await hand.write({ append: [0] });
  hand.ask({ append: [120], commitIndex: 1 });
  await hand.write({ append: [300, 40] });
  await hand.write({ append: [600], commitIndex: 4 });
  await hand.write({ configuration: WIDER });
  // Rolls to the second segment.
  await hand.write({ append: [500], commitIndex: 6 });
  await hand.snapshot(6);
  await hand.archive();
  // A conflict: another leader replaces what was not committed.
  await hand.write({ hardState: { currentTerm: 3, votedFor: "n2" }, truncateFrom: 7, append: [80, 90] });
  await hand.write({ append: [700], commitIndex: 8 });
  // Rolls to the third segment.
  await hand.write({ append: [900], commitIndex: 9 });
  await hand.write({ append: [10], commitIndex: 10 });
  await hand.archive();
  // The first segment goes.
  await hand.snapshot(10);
  await hand.write({ hardState: { currentTerm: 4, votedFor: null } });
  await hand.write({ hardState: { currentTerm: 4, votedFor: "n3" } });
  await hand.install(20, 4);
  await hand.write({ append: [50, 60] });
  await hand.write({ append: [1000], commitIndex: 22 });
  await hand.archive();
  await hand.end();
}

async function secondLife(hand: Hand): Promise<void> {
  await hand.write({ append: [70], commitIndex: 23 });
  await hand.archive();
  await hand.torn({ append: [600] });
}

async function thirdLife(hand: Hand): Promise<void> {
  await hand.write({ hardState: { currentTerm: 6, votedFor: "n1" } });
  await hand.write({ append: [30], commitIndex: 24 });
  await hand.end();
}

/** One entry fills a segment. Older ones are let go of, rest, and are written again. */
async function fourthLife(hand: Hand): Promise<void> {
  for (let index = 26; index <= 34; index++) {
    await hand.write({ append: [1400], commitIndex: index - 1 });
    await hand.archive();
    if (index % 2 === 0) await hand.snapshot(index - 1);
  }
  // Both stand in a reused one.
  await hand.write({ append: [200, 30], commitIndex: 34 });
  await hand.write({ append: [40], commitIndex: 36 });
  await hand.end();
}
