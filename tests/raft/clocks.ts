/**
 * The bag with clocks: several cores in one real time that each of them sees by a clock of its own, fast or slow by no more than the drift that
 * the leases are told. Disks stand still for a while, loops come late to everything, links are cut, servers crash, hand over, join and leave.
 *
 * Checks, besides the Raft properties:
 *  - R5, R6: a read that is released on the strength of a lease covers everything that is committed anywhere at that moment;
 *  - I28: any other covers what was committed when it was asked for;
 *  - I10, I11: votes and acknowledgements leave only when what they promise is durable.
 *
 * @module
 */
import { must } from "../../internal/base/assert.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import type { Effect, WriteEffect } from "../../internal/raft/effect.ts";
import type { ConfigurationChange, Input, RequestId } from "../../internal/raft/input.ts";
import { Raft } from "../../internal/raft/raft.ts";
import { defaultSettings, type Settings } from "../../internal/raft/state.ts";
import type { LogIndex, ServerId } from "../../internal/raft/types.ts";
import { Ghost, Violation } from "../invariants/ghost.ts";
import { raftProperties } from "../invariants/properties.ts";
import { birth } from "../scenarios/stage.ts";
import { applyWrite, checkPromise, checkRead, type Disk, emptyDisk, type Held, heldOf } from "./disk.ts";

const IDS: readonly ServerId[] = ["n1", "n2", "n3", "n4", "n5"];
const ELECTION_MS = 1000;

interface Server {
  readonly id: ServerId;
  readonly disk: Disk;
  /** Its clock shows `offset + rate * now`. */
  readonly offset: number;
  readonly rate: number;
  raft: Raft;
  lives: number;
  isUp: boolean;
  pending: WriteEffect[];
  held: Held[];
  /** When the disk has done all that was asked of it, and when the loop looks at something again. */
  diskFreeAt: number;
  loopFreeAt: number;
  /** For when the alarm is set. */
  alarmAt: number;
}

interface Happening {
  readonly at: number;
  readonly run: () => void;
}

/** How rough a run is. */
interface Odds {
  readonly lossPercent: number;
  readonly slowDiskPercent: number;
  readonly slowDiskMs: number;
  readonly lateLoopPercent: number;
  readonly lateLoopMs: number;
  readonly cutPercent: number;
  readonly crashPercent: number;
  readonly transferPercent: number;
  readonly changePercent: number;
}

export class Clocks {
  readonly ghost: Ghost;
  readonly counts = { leaders: 0, committed: 0, leases: 0, rounds: 0, crashes: 0, changes: 0 };
  readonly #properties = raftProperties();
  readonly #servers = new Map<ServerId, Server>();
  readonly #random: Random;
  readonly #odds: Odds;
  readonly #settings: Settings;
  readonly #voters: readonly ServerId[];
  readonly #cuts = new Set<string>();
  readonly #floors = new Map<RequestId, LogIndex>();
  readonly #happenings: Happening[] = [];
  #requestId: RequestId = 0;
  #now = 0;

  /** `isHonest`: no clock drifts further than the leases are told. */
  constructor(seed: string, isHonest = true) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.ghost = new Ghost(this.#properties.all);
    this.#odds = {
      lossPercent: random.between(0, 10),
      slowDiskPercent: random.between(0, 20),
      slowDiskMs: random.between(ELECTION_MS / 10, 2 * ELECTION_MS),
      lateLoopPercent: random.between(0, 60),
      lateLoopMs: random.between(ELECTION_MS / 10, ELECTION_MS),
      cutPercent: random.between(0, 100),
      crashPercent: random.between(0, 10),
      transferPercent: random.between(0, 10),
      changePercent: random.between(0, 30),
    };
    const drift = random.between(1, 200);
    this.#settings = {
      ...defaultSettings,
      heartbeatMs: random.between(ELECTION_MS / 10, ELECTION_MS / 2),
      electionTimeoutMinMs: ELECTION_MS,
      electionTimeoutMaxMs: ELECTION_MS + random.between(1, Math.floor(ELECTION_MS / random.between(2, 20))),
      leaseDriftPermille: isHonest ? drift : 1,
    };
    this.#voters = IDS.slice(0, random.between(2, 4));
    for (const id of IDS) {
      const rate =
        (1000 + drift * (random.chance(1, 2) ? random.between(-1, 1) : random.between(-100, 100) / 100)) /
        1000;
      const offset = random.between(0, 1000);
      const disk = emptyDisk();
      const server: Server = {
        id,
        disk,
        offset,
        rate,
        raft: this.#rafted(id, disk, offset, 0),
        lives: 0,
        isUp: true,
        pending: [],
        held: [],
        diskFreeAt: 0,
        loopFreeAt: 0,
        alarmAt: Infinity,
      };
      this.#servers.set(id, server);
      this.ghost.started(id, server.raft);
      this.#setAlarm(server);
    }
    this.#at(10, () => this.#work());
    this.#at(10, () => this.#trouble());
  }

  /** Lets real time pass. */
  pass(ms: number): void {
    const until = this.#now + ms;
    for (let next = this.#next(until); next !== null; next = this.#next(until)) {
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
  }

  #next(until: number): Happening | null {
    let first = -1;
    for (const [i, { at }] of this.#happenings.entries()) {
      if (at <= until && (first < 0 || at < must(this.#happenings[first], "It is there").at)) first = i;
    }
    return first < 0 ? null : must(this.#happenings.splice(first, 1)[0], "It is there");
  }

  #at(at: number, run: () => void): void {
    this.#happenings.push({ at, run });
  }

  /** As soon as that server's loop looks at something again, in any order; not in another life. */
  #on(server: Server, at: number, run: () => void): void {
    const { lives } = server;
    const look = () => {
      if (server.lives !== lives) return;
      if (this.#now >= server.loopFreeAt) return run();
      this.#at(server.loopFreeAt + this.#random.below(1000) / 1000, look);
    };
    this.#at(at, look);
  }

  #clockOf({ offset, rate }: Server): number {
    return offset + rate * this.#now;
  }

  #rafted(id: ServerId, disk: Disk, now: number, life: number): Raft {
    const isMember = this.#voters.includes(id);
    const { configuration, ...rest } = birth(this.#voters);
    return new Raft({
      id,
      settings: this.#settings,
      recovered: {
        ...rest,
        configuration: isMember ? configuration : { voters: [], outgoing: [], learners: [], members: [] },
        hardState: disk.hardState,
        entries: disk.entries.slice(),
      },
      random: this.#random.fork(`${id}/${life}`),
      now,
    });
  }

  #setAlarm(server: Server): void {
    const { wakeAt } = server.raft;
    if (server.alarmAt === wakeAt) return;
    server.alarmAt = wakeAt;
    if (!Number.isFinite(wakeAt)) return;
    const at = Math.max(this.#now, (wakeAt - server.offset) / server.rate) + this.#random.below(3);
    this.#on(server, at, () => {
      if (server.alarmAt !== wakeAt) return;
      server.alarmAt = Infinity;
      this.#step(server, { kind: "tick" });
    });
  }

  #step(server: Server, input: Input): readonly Effect[] {
    if (!server.isUp) return [];
    const effects = server.raft.step(this.#clockOf(server), input);
    this.ghost.stepped(server.id, server.raft, effects);
    for (const effect of effects) this.#perform(server, effect);
    this.#setAlarm(server);
    return effects;
  }

  #perform(server: Server, effect: Effect): void {
    const random = this.#random;
    switch (effect.kind) {
      case "write": {
        server.pending.push(effect);
        const ms = random.chance(this.#odds.slowDiskPercent, 100)
          ? random.between(this.#odds.slowDiskMs / 2 | 0, this.#odds.slowDiskMs)
          : random.below(3);
        server.diskFreeAt = Math.max(server.diskFreeAt, this.#now) + ms;
        return this.#on(server, server.diskFreeAt, () => this.#sync(server));
      }
      case "send": {
        const held = heldOf(effect, this.ghost.prefixOf(server.id));
        if (effect.after === null) this.#leave(server, held);
        else server.held.push(held);
        return;
      }
      case "readable": {
        checkRead(server.id, effect.index, this.#floors.get(effect.requestId));
        this.counts.rounds++;
        return;
      }
      case "apply":
        this.counts.committed += effect.entries.length;
        return;
      case "changed":
        if (effect.role === "leader") this.counts.leaders++;
        return;
      case "objection":
        throw new Violation(`${server.id} objects to ${effect.from}, who told the truth: ${effect.reason}`);
    }
  }

  #leave(server: Server, { send: { to, message }, hash }: Held): void {
    const random = this.#random;
    this.#properties.monotonic.promised(server.id, to, message);
    checkPromise(server.id, server.disk, to, message, hash);
    if (random.chance(this.#odds.lossPercent, 100) || this.#cuts.has(`${server.id} ${to}`)) return;
    const ms = random.chance(1, 50) ? random.below(2 * ELECTION_MS) : random.below(4);
    const receiver = must(this.#servers.get(to), "It is one of ours");
    this.#on(receiver, this.#now + ms, () => {
      if (this.#cuts.has(`${server.id} ${to}`)) return;
      this.#step(receiver, { kind: "message", from: server.id, message });
    });
  }

  #sync(server: Server): void {
    const write = server.pending.shift();
    if (write === undefined) return;
    applyWrite(server.disk, write);
    const { number } = write;
    const ready = server.held.filter(({ send }) => (send.after ?? 0) <= number);
    server.held = server.held.filter(({ send }) => (send.after ?? 0) > number);
    for (const held of ready) this.#leave(server, held);
    this.#step(server, { kind: "stable", upTo: number });
  }

  /** What clients and operators want. */
  #work(): void {
    const random = this.#random;
    const all = [...this.#servers.values()].filter(({ isUp }) => isUp);
    const leaders = all.filter(({ raft }) => raft.view().role === "leader");
    for (const leader of leaders) {
      if (random.chance(1, 2)) this.#on(leader, this.#now, () => this.#read(leader, true));
      if (random.chance(1, 4)) this.#on(leader, this.#now, () => this.#read(leader, false));
      if (random.chance(1, 3)) {
        this.#on(leader, this.#now, () => {
          const payloads = [Uint8Array.of(random.below(256), random.below(256))];
          this.#step(leader, { kind: "clientRequest", requestId: ++this.#requestId, payloads });
        });
      }
    }
    this.#at(this.#now + random.below(20), () => this.#work());
  }

  #read(server: Server, lease: boolean): void {
    const requestId = ++this.#requestId;
    const committed = this.ghost.committedIndex;
    this.#floors.set(requestId, committed);
    const effects = this.#step(server, { kind: "readRequest", requestId, lease });
    if (lease && effects.length === 1 && effects[0]?.kind === "readable") this.counts.leases++;
  }

  /** What goes wrong, and what operators do about it. */
  #trouble(): void {
    const random = this.#random;
    const { lateLoopPercent, lateLoopMs, cutPercent, crashPercent, transferPercent, changePercent } =
      this.#odds;
    const all = [...this.#servers.values()];
    const one = must(all[random.below(all.length)], "There is a server");
    const other = must(all[random.below(all.length)], "There is a server");
    const leader = all.find(({ raft, isUp }) => isUp && raft.view().role === "leader") ?? one;
    const victim = random.chance(1, 2) ? leader : one;
    const dying = random.chance(1, 4) ? leader : other;
    if (random.chance(lateLoopPercent, 100)) victim.loopFreeAt = this.#now + random.below(lateLoopMs);
    if (random.chance(cutPercent, 100)) {
      const others = random.chance(1, 4) ? [other] : all.filter(({ id }) => id !== victim.id);
      const isBoth = random.chance(3, 4);
      const cut = others.flatMap((
        { id },
      ) => [`${victim.id} ${id}`, ...(isBoth ? [`${id} ${victim.id}`] : [])]);
      for (const link of cut) this.#cuts.add(link);
      this.#at(
        this.#now + random.below(3 * ELECTION_MS),
        () => cut.forEach((link) => this.#cuts.delete(link)),
      );
    }
    if (random.chance(crashPercent, 100) && dying.isUp) this.#crash(dying);
    if (random.chance(transferPercent, 100)) {
      const to = random.chance(1, 2) ? other.id : null;
      this.#step(leader, { kind: "transferLeadership", requestId: ++this.#requestId, to });
    }
    if (random.chance(changePercent, 100)) {
      const change = this.#anyChange(other.id);
      this.#step(leader, {
        kind: "changeConfiguration",
        requestId: ++this.#requestId,
        change,
        ifIndex: null,
      });
      this.counts.changes++;
    }
    this.#at(this.#now + random.below(2 * ELECTION_MS), () => this.#trouble());
  }

  #anyChange(id: ServerId): ConfigurationChange {
    const kind = must(
      (["add", "add", "remove", "promote", "demote"] as const)[this.#random.below(5)],
      "Five",
    );
    if (kind !== "add") return { kind, id };
    const [member] = configurationOfVoters([id]).members;
    return { kind, member: { ...must(member, "It has one"), promote: this.#random.chance(2, 3) } };
  }

  #crash(server: Server): void {
    const random = this.#random;
    for (const write of server.pending.slice(0, random.between(0, server.pending.length))) {
      applyWrite(server.disk, write);
    }
    this.counts.crashes++;
    server.isUp = false;
    server.lives++;
    server.pending = [];
    server.held = [];
    server.alarmAt = Infinity;
    server.diskFreeAt = 0;
    this.#at(this.#now + random.below(random.chance(1, 2) ? 50 : 4 * ELECTION_MS), () => {
      server.isUp = true;
      server.raft = this.#rafted(server.id, server.disk, this.#clockOf(server), server.lives);
      this.ghost.started(server.id, server.raft);
      this.#setAlarm(server);
    });
  }
}
