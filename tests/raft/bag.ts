/**
 * The bag: several cores, a bag of messages, a list of pending writes. Anything may happen next, exactly as in the
 * specification's next-state relation: deliver, duplicate, drop, crash, sync, time out, ask.
 *
 * No shell, no bytes, no promises. The disk of a server is a list of writes in order; a crash keeps a prefix of those that
 * were not synced. A message that waits for a write leaves only when that write is stable. Damage takes a disk back to what it was some
 * writes ago (rotten_disk.ts). Entries that were lost may be found again: those that follow the end of the log in what it was, or in the log
 * that another server has. And a snapshot of anything that was ever committed may come from another server at any moment.
 *
 * Checks on its own, besides the properties it is given:
 *  - I7: what a leader commits is durable on a quorum, with the leader's prefix, or was so before damage;
 *  - I10, I11: votes and acknowledgements leave only when what they promise is durable;
 *  - I28 at the level of the log: a read's index covers everything that was committed when it was asked for.
 *
 * @module
 */
import { must } from "../../internal/base/assert.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { Configuration, configurationOfVoters, majorityOf } from "../../internal/raft/configuration.ts";
import type { Effect, WriteEffect } from "../../internal/raft/effect.ts";
import type { Input, RequestId } from "../../internal/raft/input.ts";
import type { Message } from "../../internal/raft/message.ts";
import { Raft } from "../../internal/raft/raft.ts";
import { defaultSettings, type Settings } from "../../internal/raft/state.ts";
import type { Entry, LogIndex, ServerId, WriteNumber } from "../../internal/raft/types.ts";
import { Ghost, Violation } from "../invariants/ghost.ts";
import { raftProperties } from "../invariants/properties.ts";
import { birth } from "../scenarios/stage.ts";
import { checkPromise, checkRead, type Held, heldOf } from "./disk.ts";
import {
  applyWrite,
  lose,
  newDisk,
  publish,
  recoveredFrom,
  type RottenDisk,
  rotUnnoticed,
} from "./rotten_disk.ts";

interface Server {
  readonly id: ServerId;
  raft: Raft;
  readonly disk: RottenDisk;
  pending: WriteEffect[];
  held: Held[];
  now: number;
  lives: number;
}

/** How likely each kind of step is, by weight; and in percent, how disorderly the network is. */
interface Odds {
  readonly deliver: number;
  readonly drop: number;
  readonly sync: number;
  readonly timeout: number;
  readonly write: number;
  readonly read: number;
  readonly crash: number;
  readonly damage: number;
  readonly find: number;
  readonly snapshot: number;
  readonly total: number;
  readonly disorder: number;
  readonly duplicate: number;
}

/** What is left out, to see that it is missed. */
export type Sabotage = "none" | "no floor" | "found anywhere";

export interface Envelope {
  readonly from: ServerId;
  readonly to: ServerId;
  readonly message: Message;
}

export class Bag {
  readonly servers = new Map<ServerId, Server>();
  readonly ghost: Ghost;
  /** Messages under way. */
  envelopes: Envelope[] = [];
  readonly #properties = raftProperties();
  readonly #configuration: Configuration;
  readonly #settings: Settings;
  readonly #random: Random;
  readonly #odds: Odds;
  #requestId: RequestId = 0;
  readonly #readFloors = new Map<RequestId, LogIndex>();
  /** How often each thing happened, so that a run that tests nothing shows. */
  readonly counts = {
    leaders: 0,
    committed: 0,
    truncations: 0,
    crashes: 0,
    reads: 0,
    objections: 0,
    damages: 0,
    repairs: 0,
    found: 0,
    installed: 0,
  };
  readonly #sabotage: Sabotage;
  /** All that was ever committed. */
  readonly #committed: Entry[] = [];

  constructor(
    size: number,
    seed: string,
    settings: Partial<Settings> = {},
    { damage = 0, find = 0, snapshot = 0, sabotage = "none" }: {
      readonly damage?: number;
      /** How much of what was lost is found again, before a leader sends it. */
      readonly find?: number;
      /** How often a server gets a snapshot. */
      readonly snapshot?: number;
      readonly sabotage?: Sabotage;
    } = {},
  ) {
    this.#sabotage = sabotage;
    this.ghost = new Ghost(this.#properties.all);
    this.#settings = { ...defaultSettings, ...settings };
    this.#random = new SeededRandom(seed);
    const random = this.#random;
    const odds = {
      deliver: random.between(400, 900),
      drop: random.between(0, 60),
      sync: random.between(150, 500),
      timeout: random.between(2, 30),
      write: random.between(10, 100),
      read: random.between(5, 50),
      crash: random.between(0, 8),
      damage: damage === 0 ? 0 : random.between(0, damage),
      find: find === 0 ? 0 : random.between(0, find),
      snapshot: snapshot === 0 ? 0 : random.between(0, snapshot),
    };
    this.#odds = {
      ...odds,
      total: Object.values(odds).reduce((sum, weight) => sum + weight, 0),
      disorder: random.between(0, 60),
      duplicate: random.between(0, 15),
    };
    const ids = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    this.#configuration = new Configuration(configurationOfVoters(ids));
    for (const id of ids) {
      this.servers.set(id, this.#born(id, newDisk(), 0));
    }
  }

  get ids(): readonly ServerId[] {
    return [...this.servers.keys()];
  }

  server(id: ServerId): Server {
    return must(this.servers.get(id), "The server is one of the bag's");
  }

  /** Hands one input to a server and does what it wants done, as far as it can be done at once. */
  input(id: ServerId, input: Input): readonly Effect[] {
    const server = this.server(id);
    const effects = server.raft.step(server.now, input);
    this.ghost.stepped(id, server.raft, effects);
    const committedBefore = this.ghost.views.get(id)?.commitIndex ?? 0;
    for (const effect of effects) this.#perform(server, effect);
    if (server.raft.view().role === "leader" && committedBefore > 0) this.#checkCommitIsDurable(server);
    return effects;
  }

  /** Time passes on that server until it wants to act. */
  timeout(id: ServerId): void {
    const server = this.server(id);
    if (!Number.isFinite(server.raft.wakeAt)) return;
    server.now = Math.max(server.now, server.raft.wakeAt);
    this.input(id, { kind: "tick" });
  }

  /** Asks that server for a change. */
  write(id: ServerId, payload: Uint8Array): RequestId {
    const requestId = ++this.#requestId;
    this.input(id, { kind: "clientRequest", requestId, payloads: [payload] });
    return requestId;
  }

  /** Asks that server for a linearizable read. */
  read(id: ServerId): RequestId {
    const requestId = ++this.#requestId;
    this.#readFloors.set(requestId, this.ghost.committedIndex);
    this.input(id, { kind: "readRequest", requestId, lease: false });
    return requestId;
  }

  /** Syncs the oldest `count` pending writes of a server. */
  sync(id: ServerId, count: number): void {
    const server = this.server(id);
    const done = server.pending.splice(0, count);
    let upTo: WriteNumber = 0;
    for (const write of done) {
      applyWrite(server.disk, write);
      upTo = write.number;
    }
    if (upTo === 0) return;
    const ready = server.held.filter(({ send }) => (send.after ?? 0) <= upTo);
    server.held = server.held.filter(({ send }) => (send.after ?? 0) > upTo);
    for (const held of ready) this.#leave(server, held);
    this.input(id, { kind: "stable", upTo });
  }

  /** Delivers the message at that place of the bag, and takes it out unless it is to be delivered again. */
  deliver(place: number, again: boolean): void {
    const envelope = must(this.envelopes[place], "There is a message at this place");
    if (!again) this.envelopes.splice(place, 1);
    this.input(envelope.to, { kind: "message", from: envelope.from, message: envelope.message });
  }

  /** Kills a server, keeps the first `kept` of its pending writes, and starts it again. */
  crash(id: ServerId, kept: number): void {
    const old = this.server(id);
    for (const write of old.pending.slice(0, kept)) applyWrite(old.disk, write);
    if (old.disk.snapshot.length > old.disk.base && this.#random.chance(1, 4)) rotUnnoticed(old.disk);
    this.counts.crashes++;
    this.servers.set(id, this.#born(id, old.disk, old.lives + 1));
  }

  /**
   * Kills a server, keeps the first `kept` of its pending writes, and takes its log back to what it was `writes` writes before. Of what
   * was lost it knows the end, or, as `isKnown` says, no more than its term.
   */
  damage(id: ServerId, kept: number, writes: number, isKnown: boolean): void {
    const old = this.server(id);
    const { disk } = old;
    for (const write of old.pending.slice(0, kept)) applyWrite(disk, write);
    const floor = disk.floor;
    lose(disk, writes, isKnown, disk.snapshot.length > 0 && this.#random.chance(1, 4));
    if (this.#sabotage === "no floor") disk.floor = floor;
    this.counts.damages++;
    this.#properties.monotonic.lost(id);
    this.ghost.loses(id);
    this.servers.set(id, this.#born(id, disk, old.lives + 1));
  }

  /**
   * Some of what follows the end of a server's log turns up: in a log that it lost, or in that of another server, in memory, or lost there.
   */
  find(id: ServerId): void {
    const random = this.#random;
    const { raft: { log }, disk: { floor } } = this.server(id);
    if (floor === null) return;
    const sources = this.ids.flatMap((other) => {
      const { raft, disk } = this.server(other);
      return [...disk.lostLogs, other === id ? [] : this.#logOf(raft)];
    });
    const source = must(sources[random.below(sources.length)], "There are some");
    const after = { index: log.lastIndex, term: log.lastIndex === 0 ? 0 : log.termAt(log.lastIndex) };
    const follows = after.index === 0 || source[after.index - 1]?.term === after.term;
    if (!follows && this.#sabotage !== "found anywhere") return;
    const entries = source.slice(after.index, after.index + random.between(1, 12))
      .map((entry) => ({ ...entry, record: null }));
    if (entries.length === 0) return;
    const { lastIndex } = log;
    this.input(id, { kind: "entriesFound", after, entries });
    if (this.server(id).raft.log.lastIndex > lastIndex) this.counts.found++;
  }

  /** A snapshot comes from another server: to one that lost something most often, or late. */
  getSnapshot(id: ServerId): void {
    const random = this.#random;
    const { disk } = this.server(id);
    if (this.#committed.length === 0 || (disk.floor === null && !random.chance(1, 8))) return;
    const index = random.chance(1, 2) ? this.#committed.length : random.between(1, this.#committed.length);
    const snapshot = this.#committed.slice(0, index);
    publish(disk, snapshot);
    const effects = this.input(id, {
      kind: "snapshotReceived",
      index,
      term: must(snapshot.at(-1), "It covers something").term,
      configuration: this.#configuration.value,
      configurationIndex: 0,
    });
    if (!effects.some(({ kind }) => kind === "installSnapshot")) return;
    this.counts.installed++;
    // Power fails right behind it: the log on the disk may not begin there yet.
    if (random.chance(1, 4)) this.crash(id, random.between(0, this.server(id).pending.length));
  }

  /** Takes one step chosen by chance; how likely each kind is was drawn from the seed. */
  randomStep(): void {
    const random = this.#random;
    const odds = this.#odds;
    const id = this.#anyServer();
    const { pending } = this.server(id);
    let choice = random.below(odds.total);
    const chosen = (weight: number) => (choice -= weight) < 0;
    if (chosen(odds.deliver)) {
      if (this.envelopes.length === 0) return;
      const newest = random.chance(odds.disorder, 100)
        ? this.envelopes.length
        : Math.min(4, this.envelopes.length);
      this.deliver(random.below(newest), random.chance(odds.duplicate, 100));
    } else if (chosen(odds.drop)) {
      if (this.envelopes.length > 0) this.envelopes.splice(random.below(this.envelopes.length), 1);
    } else if (chosen(odds.sync)) {
      if (pending.length > 0) this.sync(id, random.between(1, pending.length));
    } else if (chosen(odds.timeout)) {
      this.timeout(id);
    } else if (chosen(odds.write)) {
      this.write(
        this.#likelyLeader(),
        Uint8Array.of(random.below(256), random.below(256), random.below(256)),
      );
    } else if (chosen(odds.read)) {
      this.read(this.#likelyLeader());
    } else if (chosen(odds.crash)) {
      this.crash(id, random.between(0, pending.length));
    } else if (chosen(odds.find)) {
      this.find(id);
    } else if (chosen(odds.snapshot)) {
      this.getSnapshot(id);
    } else if (odds.damage > 0) {
      this.damage(id, random.between(0, pending.length), random.between(0, 12), random.chance(1, 2));
    }
    if (this.envelopes.length > 300) this.envelopes.splice(random.below(150), 150);
  }

  #anyServer(): ServerId {
    return must(this.ids[this.#random.below(this.ids.length)], "There is a server");
  }

  /** A server that takes itself for the leader, four times out of five if there is one; else any. */
  #likelyLeader(): ServerId {
    const leaders = this.ids.filter((id) => this.ghost.views.get(id)?.role === "leader");
    const leader = leaders[this.#random.below(Math.max(1, leaders.length))];
    return leader === undefined || this.#random.chance(1, 5) ? this.#anyServer() : leader;
  }

  #born(id: ServerId, disk: RottenDisk, lives: number): Server {
    const recovered = recoveredFrom(disk, birth(this.#configuration.voters));
    const raft = new Raft({
      id,
      settings: this.#settings,
      recovered,
      random: this.#random.fork(`${id}/${lives}`),
      now: 0,
    });
    const server: Server = { id, raft, disk, pending: [], held: [], now: 0, lives };
    this.ghost.started(id, raft);
    return server;
  }

  #perform(server: Server, effect: Effect): void {
    switch (effect.kind) {
      case "write":
        server.pending.push(effect);
        if (effect.truncateFrom !== null) this.counts.truncations++;
        break;
      case "send": {
        const held = heldOf(effect, this.ghost.prefixOf(server.id));
        if (effect.after === null) this.#leave(server, held);
        else server.held.push(held);
        break;
      }
      case "readable": {
        checkRead(server.id, effect.index, this.#readFloors.get(effect.requestId));
        this.counts.reads++;
        break;
      }
      case "apply":
        this.counts.committed += effect.entries.length;
        for (const entry of effect.entries) {
          if (entry.index === this.#committed.length + 1) this.#committed.push(entry);
        }
        break;
      case "repaired":
        this.counts.repairs++;
        // A crash may come before the mark is gone from the disk.
        if (this.#random.chance(1, 2)) server.disk.floor = null;
        break;
      case "changed":
        if (effect.role === "leader") this.counts.leaders++;
        break;
      case "objection":
        throw new Violation(`${server.id} objects to ${effect.from}, who told the truth: ${effect.reason}`);
      case "rolledBack":
        throw new Violation(`${server.id} takes its disk for an old one, which it is not`);
    }
  }

  /** A server's log from index 1 on. */
  #logOf({ log }: Raft): readonly Entry[] {
    const before = log.snapshotIndex;
    const entries = Array.from({ length: log.lastIndex - before }, (_, i) => log.entryAt(before + i + 1));
    return [...this.#committed.slice(0, before), ...entries];
  }

  #leave(server: Server, { send: { to, message }, hash }: Held): void {
    this.#properties.monotonic.promised(server.id, to, message);
    checkPromise(server.id, server.disk, to, message, hash);
    this.envelopes.push({ from: server.id, to, message });
  }

  #checkCommitIsDurable(leader: Server): void {
    const index = leader.raft.view().commitIndex;
    const hash = this.ghost.committedHash(index);
    let count = 0;
    for (const { disk } of this.servers.values()) {
      if (disk.prefix[index] === hash || disk.lost.some((prefix) => prefix[index] === hash)) count++;
    }
    if (count < majorityOf(this.#configuration.voters.length)) {
      throw new Violation(
        `${leader.id} takes ${index} for committed; it is durable on ${count} servers only`,
      );
    }
  }
}
