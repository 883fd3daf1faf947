/**
 * One server of the world: a machine with a disk, on which one process lives after another.
 *
 * A process that ends by itself was wrong to, unless its disk was made to fail, or is damaged: then it must end, with the code and the
 * text that the operator reads. There are two kinds of damage. Of the one (`damage`) the operator puts a copy back after a while, and a server that
 * starts on it without noticing breaks a promise. With the other (`rot`) it lives on: it says what it lost, and gets it from the others.
 *
 * @module
 */
import { describeError, ExitCode, Refusal } from "../../internal/base/errors.ts";
import type { Random } from "../../internal/base/random.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import type { Node } from "../../internal/node/node.ts";
import type { LogIndex, LogPosition, Recovered, Term } from "../../internal/raft/types.ts";
import { Violation } from "../invariants/ghost.ts";
import { type Around, assemble, type LifeOptions, openDisk, replayOf } from "./assemble.ts";
import { type Damage, damage, leaveBehind, segmentsOf } from "./damage.ts";
import { promisesOn } from "./durable_promises.ts";
import { rot, type RottenThing, rotUnderneath } from "./rot.ts";
import type { WatchedMachine } from "./history.ts";
import type { Odds } from "./odds.ts";
import { rotApart, rotSnapshotsApart } from "./rot_everywhere.ts";
import { type DiskImage, type DiskTiming, type Losses, SimDisk } from "./sim_file_system.ts";
import type { SimNetwork } from "./sim_network.ts";
import type { Struck } from "./strikes.ts";
import { LifeClock, type VirtualTime } from "./virtual_time.ts";

/** Between the last answer and the end of a process that was asked to stop. */
const LAST_WORDS_MS = 20;

const QUICK_DISK: DiskTiming = { writeMs: [0.02, 0.1], syncMs: [0.1, 1] };
const SLOW_DISK: DiskTiming = { writeMs: [0.1, 20], syncMs: [50, 500] };

/** A start that finds damage ends with this code, a failing disk with one of those. */
const FOR_DAMAGE = ExitCode.damagedData;
const FOR_DISK: readonly number[] = [ExitCode.diskIo, ExitCode.noSpace, ExitCode.permission];

/** What a start says that needs nothing of what is damaged. */
const COVERED = "a part of the log is damaged: a snapshot stands for it from now on";

/** One life of its process. */
export interface Life {
  readonly clock: LifeClock;
  /** `null` as long as the disk is being read. */
  node: Node | null;
  /** Whether its disk was made to fail. */
  injected: boolean;
  /** Whether its node stopped, and only last words leave it. */
  isStopped: boolean;
}

/** What the world is to its servers. */
export interface ServerHome {
  readonly time: VirtualTime;
  readonly network: SimNetwork;
  readonly odds: Odds;
  /** All servers, and those that are voters from the beginning. */
  readonly ids: readonly string[];
  readonly birth: readonly string[];
  around(server: Server): Around;
  /** A process is up: its log is read, its rooms stand; it takes part from now on. */
  started(server: Server, life: Life, node: Node, recovered: Recovered): void;
  ended(server: Server, why: string, losses: Losses | null): void;
  /** A server begins to restore its state from a snapshot of that index. */
  restores(server: Server, index: LogIndex): void;
  /** Something on its disk is about to rot, while it is down. */
  rots(server: Server): void;
  /** The same, while it is up. */
  rotsUnderneath(server: Server): void;
  /** It found rot while it was up. */
  foundRot(server: Server, what: "log" | "snapshot"): void;
  /** A damaged server refused to start, as it must. */
  noticed(server: Server): void;
  /** A server lost its disk, and nothing is left that it was. */
  wiped(server: Server): void;
  /** A process ended that had no reason to. */
  fail(server: Server, error: unknown): void;
  /** Promises are settled: callbacks want to run. */
  settled(rare: boolean): void;
}

export class Server {
  readonly id: string;
  /** Its number among the servers, from 0. */
  readonly place: number;
  readonly disk: SimDisk;
  /** The state machine of the latest life. */
  machine: WatchedMachine | null = null;
  life: Life | null = null;
  /** How many lives began. */
  lives = 0;
  /** Outside the core for good: it is not started any more. */
  isRetired = false;
  /** Not there yet: it is started when somebody wants it as a member. */
  isSpare: boolean;
  /** It came back without its data, under the id that it had. */
  isWiped = false;
  readonly #home: ServerHome;
  readonly #random: Random;
  #rate: number;
  /** What was durable before it was damaged, as long as nobody noticed or repaired. */
  #undamaged: DiskImage | null = null;
  /** Something on its disk is rotten, and no life since has said what it lost. */
  #isRotten = false;
  /** How often it lost a part of its log, as far as its lives said. */
  #epoch = 0;
  /** Files that cannot be read stay so until then. */
  #unreadableUntil = 0;
  #failNext: "sync" | "write" | null = null;
  /** Power fails in the next sync: how far into the longest that one takes, and for how long. */
  #crashInSync: { readonly part: number; readonly downMs: number; isNear: boolean } | null = null;
  #failing: { readonly kind: FailingDisk; readonly until: number } | null = null;

  constructor(id: string, home: ServerHome, random: Random) {
    this.id = id;
    this.place = home.ids.indexOf(id);
    this.isSpare = !home.birth.includes(id);
    this.#home = home;
    this.#random = random;
    const { driftPermille } = home.odds;
    this.#rate = driftPermille === 0 ? 1 : 1 + random.between(-driftPermille, driftPermille) / 1000;
    this.disk = new SimDisk(random.fork("disk"));
    this.disk.timing = QUICK_DISK;
    this.disk.onSettled = (rare) => home.settled(rare);
    this.disk.fault = (operation, path) => this.#fault(operation, path);
    this.disk.seemsFull = () => this.#failing?.kind === "noSpace" && this.#failing.until >= home.time.now;
  }

  /* ---- lives ---- */

  start(): void {
    if (this.life !== null || this.isRetired || this.isSpare) return;
    const { time } = this.#home;
    const random = this.#random.fork(`life ${this.lives}`);
    const clock = new LifeClock(time, this.#rate, random.below(1_000_000));
    const life: Life = { clock, node: null, injected: this.disk.unreadable !== null, isStopped: false };
    this.life = life;
    this.lives++;
    this.#boot(life, random).catch((error) => this.stopped(life, error));
    this.#home.settled(true);
  }

  startIn(ms: number): void {
    const { time } = this.#home;
    time.at(time.now + ms, () => this.start());
  }

  /** Power fails: the process dies, and what was not synced is kept, lost or torn. */
  crash(): void {
    this.#end("power fails", () => this.disk.crash());
  }

  /** Power fails while the next sync is under way, or just after it; not any more once the faults are over. */
  crashInSync(part: number, downMs: number): void {
    this.#crashInSync = { part, downMs, isNear: false };
  }

  #syncBegins(): void {
    const { life } = this;
    const planned = this.#crashInSync;
    if (planned === null || planned.isNear) return;
    planned.isNear = true;
    this.#later(planned.part * this.disk.timing.syncMs[1], () => {
      if (this.#crashInSync !== planned) return;
      this.#crashInSync = null;
      if (this.life !== life) return;
      this.crash();
      this.startIn(planned.downMs);
    });
  }

  /** The process dies, the machine lives on. */
  end(why = "killed"): void {
    this.#end(why, () => {
      // What was there before something rotted is known of what is durable: so that is what the next life finds.
      if (this.#isRotten) return this.disk.crash();
      this.disk.kill();
      return null;
    });
  }

  #end(why: string, left: () => Losses | null): void {
    const { life } = this;
    if (life === null) return;
    life.clock.die();
    this.life = null;
    this.#home.network.died(this.id);
    this.#home.ended(this, why, left());
  }

  /** Leaves as when asked to: hands the lead over, answers who waits, and goes. */
  leave(downMs: number, patienceMs: number): void {
    const life = this.#alive();
    const { node, clock } = life;
    if (node === null) return;
    let isGone = false;
    const go = () => {
      if (isGone || this.life !== life) return;
      isGone = true;
      this.end("asked to stop");
      this.startIn(downMs);
    };
    node.retire(() => {
      node.stop();
      life.isStopped = true;
      clock.wakeAt(clock.now() + LAST_WORDS_MS, go);
    });
    this.#later(patienceMs, go);
  }

  /** What it is known under to those who watch: who lost its disk is another one. */
  get watchedAs(): string {
    return this.isWiped ? withoutDisk(this) : this.id;
  }

  /** The voters of its birth; nobody if it is born to wait. */
  get birth(): readonly string[] {
    const { birth } = this.#home;
    return birth.includes(this.id) ? birth : [];
  }

  /** Its disk is gone, and it comes back with an empty one. */
  wipe(downMs: number): void {
    this.#home.wiped(this);
    this.crash();
    this.disk.wipe();
    this.isWiped = true;
    this.startIn(downMs);
  }

  get isDamaged(): boolean {
    return this.#undamaged !== null;
  }

  /** Whether its disk has, or will have when a copy is put back, all that it ever acknowledged. */
  get keepsAll(): boolean {
    return !this.isWiped && !this.#isRotten && this.floor === null;
  }

  /** Whether its disk has all that it ever acknowledged, and gives it back now. */
  get isWhole(): boolean {
    return this.keepsAll && !this.isDamaged && this.disk.unreadable === null;
  }

  /** Whether a part of its log is not written to any more. */
  get hasClosedSegment(): boolean {
    return segmentsOf(this.disk).some(({ isClosed, batches }) => isClosed && batches.length > 1);
  }

  get isRotten(): boolean {
    return this.#isRotten;
  }

  /** What its promises say. */
  get floor(): LogPosition | null {
    return this.lives === 0 ? null : promisesOn(this)?.floor ?? null;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** In which term its promises are. */
  get promisedTerm(): Term {
    return promisesOn(this)?.currentTerm ?? 0;
  }

  get durableVersion(): number {
    return this.disk.durableVersion;
  }

  /** The names on its disk that are durable; damage does not count, since it will be repaired. */
  durablePaths(): readonly string[] {
    return this.#undamaged === null ? this.disk.durablePaths() : [...this.#undamaged.keys()];
  }

  /** What is durable on its disk; damage does not count, since it will be repaired. */
  durableBytes(path: string): Uint8Array | null {
    return this.#undamaged === null ? this.disk.durableBytes(path) : this.#undamaged.get(path) ?? null;
  }

  async #boot(life: Life, random: Random): Promise<void> {
    const { odds, network } = this.#home;
    const { clock } = life;
    const options: LifeOptions = { id: this.id, ids: this.birth, odds, clock, random };
    const around = this.#home.around(this);
    const machine = around.machine(new KeyValueMachine());
    this.machine = machine;
    const replay = replayOf(machine, odds);
    let isCovered = false;
    const directory = await openDisk(
      this.disk,
      options,
      machine,
      replay,
      (index) => this.#home.restores(this, index),
      { event: (_, event) => isCovered ||= event === COVERED },
    );
    if (clock.isDead) return;
    if (this.#undamaged !== null) {
      if (!isCovered && directory.recovered.epoch <= this.#epoch) {
        throw new Violation(`${this.id} started on damaged data`);
      }
      return this.#noticed();
    }
    const node = assemble(
      this.disk,
      options,
      directory,
      machine,
      replay,
      network.bodyFor(this.id, clock),
      around,
    );
    life.node = node;
    this.#home.started(this, life, node, directory.recovered);
    this.#isRotten = false;
    this.#epoch = directory.recovered.epoch;
    if (directory.snapshots.wasDamaged) node.takeSnapshot(() => {});
  }

  /** The process of that life says that it cannot go on, or not start. */
  stopped(life: Life, error: unknown): void {
    if (this.life !== life) return;
    if (isViolation(error)) return this.#home.fail(this, error);
    const code = error instanceof Refusal ? error.exitCode : null;
    if (this.#undamaged !== null && code === FOR_DAMAGE) return this.#noticed();
    const isFull = code === ExitCode.noSpace && Number.isFinite(this.disk.capacity);
    const isRot = code === ExitCode.diskIo && life.node !== null && this.#isRotten;
    if (isRot) this.#home.foundRot(this, "log");
    const isInjected = life.injected && code !== null && FOR_DISK.includes(code);
    // A leader knows of a loss that an emptied disk knows nothing of, and tells it: then it goes on as one that lost its log.
    const isToldOfLoss = this.isWiped && code === ExitCode.diskIo && life.node !== null &&
      describeError(error).startsWith("this server has less than it acknowledged");
    if (!isInjected && !isFull && !isRot && !isToldOfLoss) return this.#home.fail(this, error);
    this.end(describeError(error));
    this.startIn(this.#random.between(100, 2100));
  }

  /** It would not start, or it would let others repair it: here it gets its data back. */
  #noticed(): void {
    this.end("it notices damage");
    this.#home.noticed(this);
    this.#repairIn(this.#random.between(500, 2500));
  }

  #repairIn(ms: number): void {
    const { time } = this.#home;
    time.at(time.now + ms, () => {
      this.repair();
      this.start();
    });
  }

  /** Puts back what was there before the damage. */
  repair(): void {
    if (this.#undamaged === null) return;
    if (this.life !== null) this.end("repaired");
    this.disk.restore(this.#undamaged);
    this.#undamaged = null;
  }

  /* ---- time ---- */

  pauseFor(ms: number): void {
    const { clock } = this.#alive();
    clock.pause();
    this.#later(ms, () => this.isRetired || clock.resume());
  }

  suspendFor(ms: number): void {
    const { clock } = this.#alive();
    clock.suspend();
    this.#later(ms, () => this.isRetired || clock.resume());
  }

  setRate(rate: number): void {
    this.#rate = rate;
    this.life?.clock.setRate(rate);
  }

  /* ---- the disk ---- */

  slowDiskFor(ms: number): void {
    this.disk.timing = SLOW_DISK;
    this.#later(ms, () => this.disk.timing = QUICK_DISK);
  }

  stickDiskFor(ms: number): void {
    this.disk.stick();
    this.#later(ms, () => this.disk.release());
  }

  /** The next operation of the kind fails. */
  failNext(operation: "sync" | "write"): number {
    this.#failNext = operation;
    return 0;
  }

  /** Operations of the kind fail for a while. */
  failFor(kind: FailingDisk, ms: number): number {
    this.#failing = { kind, until: this.#home.time.now + ms };
    return ms;
  }

  /** Ends the life and damages what is durable; the next life must notice. */
  damage(how: Damage, random: Random): Struck | null {
    if (this.life === null || this.#undamaged !== null || this.isWiped) return null;
    this.crash();
    const image = this.disk.image();
    if (damage(this.disk, how, random)) this.#undamaged = image;
    this.startIn(random.below(1000));
    return this.#undamaged === null ? null : { whom: this.id, forMs: 0 };
  }

  /** Ends the life, lets something rot, and starts the next one, which must know what it lost. */
  rot(thing: RottenThing, random: Random): Struck | null {
    if (this.life === null || this.#isRotten || this.isDamaged || this.isWiped) return null;
    this.crash();
    const downMs = random.below(1000);
    this.startIn(downMs);
    this.#home.rots(this);
    if (rot(this.disk, thing, random) === null) return null;
    this.#isRotten = true;
    return { whom: this.id, forMs: downMs };
  }

  /** The same, with batches of entries that may be spoilt here, or with all of its snapshots; tells which entries are. */
  rotApart(maySpoil: (index: LogIndex) => boolean, random: Random): readonly LogIndex[] {
    if (this.life === null || this.#isRotten || this.isDamaged || this.isWiped) return [];
    this.crash();
    this.startIn(random.below(1000));
    this.#home.rots(this);
    const spoilt = [...rotApart(this.disk, maySpoil, random)];
    const more = random.fork("more");
    if (more.chance(1, 4)) spoilt.push(...rotSnapshotsApart(this.disk, maySpoil, more));
    for (let left = more.below(4); left > 0; left--) spoilt.push(...rotApart(this.disk, maySpoil, more));
    this.#isRotten = spoilt.length > 0;
    return spoilt;
  }

  /** Something rots that a running process does not look at, but for looking for rot; after a while it starts again, whatever it found. */
  rotUnderneath(thing: "log" | "snapshot", random: Random): Struck | null {
    if (this.life === null || this.#isRotten || this.isDamaged || this.isWiped) return null;
    this.#home.rotsUnderneath(this);
    if (rotUnderneath(this.disk, thing, random) === null) return null;
    this.#isRotten = true;
    const forMs = random.between(500, 6000);
    const { life } = this;
    this.#later(forMs, () => {
      if (this.life !== life) return;
      this.end("started anew");
      this.startIn(random.below(500));
    });
    return { whom: this.id, forMs };
  }

  /** A segment or a snapshot cannot be read for a while, and it starts again. */
  unreadableFor(ms: number, random: Random): Struck | null {
    if (this.life === null || this.disk.unreadable !== null) return null;
    const paths = this.disk.durablePaths().filter((path) => /\.(?:seg|snap)$/.test(path));
    const path = paths[random.below(paths.length || 1)];
    if (path === undefined) return null;
    this.end();
    this.startIn(random.below(500));
    this.disk.unreadable = path;
    this.#unreadableUntil = this.#home.time.now + ms;
    this.#later(ms, () => {
      if (this.#unreadableUntil <= this.#home.time.now) this.disk.unreadable = null;
    });
    return { whom: this.id, forMs: ms };
  }

  /** So many bytes more find room on its disk, for a while. */
  fillFor(bytes: number, ms: number): number {
    const { disk } = this;
    let used = 0;
    for (const path of disk.durablePaths()) used += disk.durableBytes(path)?.length ?? 0;
    disk.capacity = used + bytes;
    this.#later(ms, () => disk.capacity = Infinity);
    return ms;
  }

  leaveBehind(random: Random): void {
    leaveBehind(this.disk, random);
  }

  /** No more faults: clock and disk are well again, and what is damaged is repaired. */
  mend(): void {
    // What is rotten is found now, and not in the calm that follows; before a disk that stands still lets go, or the dead life writes once more.
    if (this.#isRotten && this.life?.node !== null) this.end("started anew");
    this.life?.clock.resume();
    this.disk.release();
    this.disk.timing = QUICK_DISK;
    this.disk.lies = false;
    this.disk.capacity = Infinity;
    this.disk.unreadable = null;
    this.#failNext = null;
    this.#failing = null;
    this.#crashInSync = null;
    this.repair();
  }

  #alive(): Life {
    if (this.life === null) throw new Error(`${this.id} is not up`);
    return this.life;
  }

  #later(ms: number, act: () => void): void {
    const { time } = this.#home;
    time.at(time.now + ms, act);
  }

  #fault(asked: string, path: string): "EIO" | "ENOSPC" | "EROFS" | null {
    const operation = asked === "size" ? "read" : asked;
    if (operation === "sync") this.#syncBegins();
    if (this.#failNext === null && this.#failing === null) return null;
    const { life } = this;
    if (life === null) return null;
    if (this.#failNext === operation) {
      this.#failNext = null;
      life.injected = true;
      return "EIO";
    }
    if (this.#failing === null || this.#failing.until < this.#home.time.now) return null;
    const { code, fails } = FAILING[this.#failing.kind];
    if (!fails(operation, path)) return null;
    life.injected = true;
    return code;
  }
}

/** What a server is known under to those who watch, once it lost its disk. */
export function withoutDisk({ id }: Pick<Server, "id">): string {
  return `${id} without its disk`;
}

/** Whether a checker said so, whatever was made of it on the way. */
function isViolation(error: unknown): boolean {
  return error instanceof Violation || (error instanceof Error && isViolation(error.cause));
}

export type FailingDisk = keyof typeof FAILING;

/** What fails on a disk that fails for a while. */
const FAILING = {
  readError: { code: "EIO", fails: (operation: string) => operation === "read" },
  noSpace: {
    code: "ENOSPC",
    fails: (operation: string, path: string) =>
      operation === "create" || (operation === "write" && path.endsWith(".tmp")),
  },
  denied: { code: "EROFS", fails: (operation: string) => MUTATES.has(operation) },
} as const;

const MUTATES = new Set(["create", "write", "rename", "remove"]);
