/**
 * The world: whole servers on simulated seams, with clients, faults and an onlooker; everything from one seed.
 *
 * What runs is what ships: core, node, peers, clients' room, storage and state machine. Only clock, network, disk and trace have other
 * bodies. Clients speak RESP over simulated connections.
 *
 * A run is a safety phase under faults, then a liveness phase: a healed core must elect, serve and converge in bounded time, while the rest is
 * left as it is (phases.ts). After every step of every core, at every message that leaves and at every answer the properties of
 * tests/invariants are checked.
 *
 * @module
 */
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import type { Node } from "../../internal/node/node.ts";
import type { PeerRoom, SnapshotRoom, Store } from "../../internal/node/ports.ts";
import type { StateView } from "../../internal/raft/raft.ts";
import type { LogIndex, Recovered } from "../../internal/raft/types.ts";
import { checkDoesNotCount } from "../invariants/lost_disk.ts";
import { decides } from "../invariants/quorum.ts";
import { checkQueue } from "../invariants/bounds.ts";
import { Stalled } from "../invariants/convergence.ts";
import { checkStop } from "../invariants/error_discipline.ts";
import { type Around, settingsOf } from "./assemble.ts";
import { Checks } from "./checks.ts";
import { History } from "./history.ts";
import type { Observer } from "./observer.ts";
import { type Decaying, drawOdds, type Odds } from "./odds.ts";
import { type Deed, Operator } from "./operator.ts";
import { configurationsInForce, Liveness } from "./phases.ts";
import { type Life, Server, type ServerHome, withoutDisk } from "./server.ts";
import type { Losses } from "./sim_file_system.ts";
import { remainsOn } from "./rot_everywhere.ts";
import { SimNetwork } from "./sim_network.ts";
import type { Stage } from "./stage.ts";
import { scheduleStrikes, type StrikeName, type Struck } from "./strikes.ts";
import { TraceHash } from "./trace_hash.ts";
import { VirtualTime } from "./virtual_time.ts";
import { Workload } from "./workload.ts";

export interface WorldOptions {
  readonly seed: string;
  /** How long the safety phase lasts. */
  readonly faultyMs: number;
  /** How long clients go on at least when the faults are over. */
  readonly calmMs: number;
  readonly decaying?: Decaying;
  /** Instead of some that the seed draws. */
  readonly odds?: Partial<Odds>;
  readonly observer?: Observer;
}

/**
 * How many turns of promise callbacks pass before the next event. The order in which promises settle is the language's own, the same on
 * every engine; these only have to be enough for a continuation to run at its own time.
 */
const TURNS = 4;
const RARE_TURNS = 16;

/** More than can happen at one moment, unless something goes round in a circle. */
const MOMENT_EVENTS = 100_000;

/** One server is inspected after so many events, or so many for each entry of its log, since that is what it costs. */
const INSPECT_EVENTS = 5000;
const INSPECT_EVENTS_PER_ENTRY = 25;

export class World {
  readonly time = new VirtualTime();
  readonly odds: Odds;
  readonly history = new History();
  readonly counts = {
    steps: 0,
    events: 0,
    leaders: 0,
    noticed: 0,
    lives: 0,
    inspected: 0,
    installed: 0,
    losses: 0,
    /** Disks that were damaged at once, in disjoint places. */
    apart: 0,
  };
  /** Rot that was found while a server was up. */
  readonly found = { log: 0, snapshot: 0 };
  readonly strikes = new Map<StrikeName, number>();
  /** What the operator asked for and was told to be done. */
  readonly deeds = new Map<Deed, number>();
  readonly losses = { lost: 0, torn: 0, undone: 0 };
  readonly network: SimNetwork;
  readonly servers: readonly Server[];
  readonly #options: WorldOptions;
  readonly #observer: Observer;
  readonly #random: Random;
  readonly #checks: Checks;
  readonly #workload: Workload;
  readonly #operator: Operator;
  readonly #liveness: Liveness;
  readonly #hash = new TraceHash();
  #isCalm = false;
  /** Turns of promise callbacks that are still to be waited for. */
  #turns = 0;
  #inspectAt = INSPECT_EVENTS;
  /** The latest moment, and how much happened in it. */
  #momentAt = -1;
  #momentEvents = 0;
  #failure: unknown = null;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#observer = options.observer ?? {};
    this.#random = new SeededRandom(options.seed);
    this.odds = { ...drawOdds(this.#random.fork("odds"), options.decaying), ...options.odds };
    this.network = new SimNetwork(this.time, this.#random.fork("network"), this.odds.network);
    const ids = Array.from({ length: this.odds.servers + this.odds.spares }, (_, i) => `n${i + 1}`);
    const birth = ids.slice(0, this.odds.servers);
    this.#checks = new Checks(settingsOf(this.odds));
    const home = this.#home(ids, birth);
    this.servers = ids.map((id) => new Server(id, home, this.#random.fork(id)));
    for (const server of this.servers) this.#checks.add(server);
    this.#workload = new Workload({
      time: this.time,
      odds: this.odds,
      history: this.history,
      observer: this.#observer,
      ids: birth,
      network: this.network,
      random: this.#random.fork("workload"),
      fail: (error) => this.#fail(error),
    });
    this.#operator = new Operator({
      time: this.time,
      network: this.network,
      odds: this.odds,
      servers: this.servers,
      random: this.#random.fork("operator"),
      configurations: () => this.#checks.configurations,
      did: (deed, words) => {
        this.deeds.set(deed, (this.deeds.get(deed) ?? 0) + 1);
        this.#hash.word(words.join(" "));
      },
      joined: ({ id }) => this.#workload.mayDial(id),
      fail: (error) => this.#fail(error),
    });
    this.history.onAcknowledged = ({ value }, command) => this.#checks.acknowledged(command, value);
    this.#liveness = new Liveness({
      odds: this.odds,
      servers: this.servers,
      workload: this.#workload,
      history: this.history,
      network: this.network,
      now: () => this.time.now,
      later: (ms, act) => this.time.at(this.time.now + ms, act),
      calmMs: options.calmMs,
      highestTerm: (ids) => this.#checks.highestTerm(ids),
      configurations: () => this.#checks.configurations,
    });
  }

  /** A hash over everything that happened: equal runs have equal hashes. */
  get traceHash(): string {
    return this.#hash.text;
  }

  /** Reads that were answered, by the way they were asked for. */
  get reads(): Workload["reads"] {
    return this.#workload.reads;
  }

  /** What it took to get well again, once `run` is over. */
  get recovery(): Liveness["seen"] {
    return this.#liveness.seen;
  }

  /** Whether nobody leads in the end, since too much was lost. */
  get standsStill(): boolean {
    return this.#liveness.standsStill;
  }

  /** Runs the seed. Throws a `Violation`, a `Stalled`, or whatever went wrong. */
  async run(): Promise<void> {
    try {
      await this.runFor(this.#options.faultyMs);
      this.#heal();
      await this.#untilWell();
      this.#liveness.check();
      if (this.counts.apart > 0) this.#checks.remain(this.servers.map(({ disk }) => remainsOn(disk)));
    } catch (error) {
      this.#observer.onVerdict?.(this.time.now, error instanceof Error ? error.message : String(error));
      throw error;
    }
    this.#observer.onVerdict?.(this.time.now, null);
  }

  /** Starts everything, and lets so much time pass. Of a world that never heals. */
  async runFor(ms: number): Promise<void> {
    for (const server of this.servers) server.start();
    this.#workload.start();
    this.#operator.start();
    const struck = (name: StrikeName, what: Struck) => {
      this.strikes.set(name, (this.strikes.get(name) ?? 0) + 1);
      this.#hash.word(name);
      this.#observer.onStrike?.(this.time.now, name, what);
    };
    scheduleStrikes(this.odds, this.#stage(), this.#random.fork("strikes"), struck);
    const { everywhereAt } = this.odds.decay;
    if (everywhereAt !== null) {
      this.time.at(this.time.now + ms * everywhereAt / 1000, () => this.#rotEverywhere());
    }
    scheduleStrikes(this.odds.decay, this.#stage(), this.#random.fork("decay"), struck);
    await this.#runUntil(this.time.now + ms);
  }

  /** Every disk is damaged at once, and each entry that is committed stays whole on the disks of a quorum. */
  #rotEverywhere(): void {
    const random = this.#random.fork("everywhere");
    const { committed, views } = this.#checks.configurations;
    const newest = committed.at(-1);
    if (newest === undefined) return;
    const inForce = configurationsInForce(newest, views.values());
    const copies = new Map(
      this.servers.filter(({ keepsAll }) => keepsAll)
        .map(({ id, watchedAs }) => [id, this.#checks.committedOnDisk(watchedAs)]),
    );
    const spoilt = new Map<LogIndex, Set<string>>();
    for (const server of this.servers) {
      const staysWhole = (index: LogIndex) => {
        const whole = [...copies].filter(([id, upTo]) =>
          id !== server.id && upTo >= index && !spoilt.get(index)?.has(id)
        ).map(([id]) => id);
        return (copies.get(server.id) ?? 0) >= index && inForce.every((one) => decides(one, whole));
      };
      for (const index of server.rotApart(staysWhole, random.fork(server.id))) {
        spoilt.set(index, (spoilt.get(index) ?? new Set()).add(server.id));
      }
      if (server.isRotten) this.counts.apart++;
    }
    this.#hash.word("everywhere");
  }

  #heal(): void {
    this.#isCalm = true;
    this.#operator.stop();
    const core = this.#liveness.heal(this.#random.fork("core"));
    this.#observer.onHealed?.(this.time.now, core.map(({ id }) => id));
  }

  async #untilWell(): Promise<void> {
    while (!this.#liveness.isWell()) await this.#runUntil(this.time.now + this.#liveness.lookEveryMs);
  }

  async #runUntil(until: number): Promise<void> {
    const { time, counts } = this;
    while (time.step(until)) {
      counts.events++;
      if (time.now !== this.#momentAt) {
        this.#momentAt = time.now;
        this.#momentEvents = 0;
      } else if (++this.#momentEvents > MOMENT_EVENTS) {
        throw new Stalled(
          `more than ${MOMENT_EVENTS} events happen at ${time.now} ms, and time does not go on`,
        );
      }
      for (; this.#turns > 0; this.#turns--) await null;
      if (this.#failure !== null) throw this.#failure;
      if (counts.events >= this.#inspectAt) await this.#inspect();
    }
    time.now = until;
  }

  async #inspect(): Promise<void> {
    const number = this.counts.inspected++;
    const server = this.servers[number % this.servers.length];
    if (server === undefined) return;
    const { time, odds, servers } = this;
    checkQueue(time.waiting, servers.length, odds.clients);
    const entries = await this.#checks.inspect(server, this, this.#random.fork(`inspection ${number}`));
    this.#inspectAt = this.counts.events + Math.max(INSPECT_EVENTS, INSPECT_EVENTS_PER_ENTRY * entries);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
  }

  /* ---- what the servers need ---- */

  #home(ids: readonly string[], birth: readonly string[]): ServerHome {
    return {
      time: this.time,
      network: this.network,
      odds: this.odds,
      ids,
      birth,
      around: (server) => this.#around(server),
      started: (server, life, node, recovered) => this.#started(server, life, node, recovered),
      restores: (server, index) => this.#restores(server, index),
      ended: (server, why, losses) => this.#ended(server, why, losses),
      rots: (server) => this.#rots(server),
      rotsUnderneath: ({ watchedAs }) => this.#checks.rotsUnderneath(watchedAs),
      foundRot: (_, what) => this.found[what]++,
      noticed: () => this.counts.noticed++,
      wiped: (server) => this.#wiped(server),
      fail: (server, error) => this.#stoppedWrongly(server, error),
      settled: (rare) => this.#settled(rare),
    };
  }

  #settled(rare: boolean): void {
    const turns = rare ? RARE_TURNS : TURNS;
    if (turns > this.#turns) this.#turns = turns;
  }

  #stoppedWrongly(server: Server, error: unknown): void {
    try {
      checkStop(server.id, error);
      this.#fail(new Error(`${server.id} stopped`, { cause: error }));
    } catch (violation) {
      this.#fail(violation);
    }
  }

  /** What its disk held is remembered as it was; what comes back under its id is watched as somebody else. */
  #wiped(server: Server): void {
    this.#checks.wiped(server.id);
    this.#checks.add({
      watchedAs: withoutDisk(server),
      disk: server.disk,
      get durableVersion() {
        return server.durableVersion;
      },
      durableBytes: (path) => server.durableBytes(path),
      durablePaths: () => server.durablePaths(),
    });
  }

  #started(server: Server, life: Life, node: Node, { epoch }: Recovered): void {
    const { id, watchedAs } = server;
    this.counts.lives++;
    const { view: first, isLost } = this.#checks.started(watchedAs, node.raft, epoch);
    if (isLost) this.counts.losses++;
    this.#hash.word(id);
    this.#observer.onStarted?.(this.time.now, id, first, node.raft.log);
    node.start({
      onFatal: (refusal) => server.stopped(life, refusal),
      onStep: (raft, effects) => {
        this.counts.steps++;
        let view: StateView;
        try {
          view = this.#checks.stepped(watchedAs, raft, effects);
          if (server.isWiped) checkDoesNotCount(view);
        } catch (violation) {
          this.#observer.onStep?.(this.time.now, id, raft.view(), effects);
          throw violation;
        }
        for (const effect of effects) {
          if (effect.kind === "installSnapshot") {
            this.counts.installed++;
            this.#restores(server, effect.index);
          }
          if (effect.kind !== "changed" || effect.role !== "leader") continue;
          this.counts.leaders++;
          this.#liveness.leads(id, effect.term);
        }
        this.#hash.step(server.place, this.time.now, view, effects.length);
        this.#observer.onStep?.(this.time.now, id, view, effects);
      },
    });
  }

  #restores(server: Server, index: LogIndex): void {
    server.machine?.restoresAt(this.#checks.commandsUpTo(index));
  }

  #rots({ watchedAs, epoch, promisedTerm }: Server): void {
    this.#checks.rots(watchedAs, epoch, promisedTerm);
  }

  #ended(server: Server, why: string, losses: Losses | null): void {
    if (server.isRotten) this.#rots(server);
    this.#checks.ended(server.watchedAs);
    this.#hash.word(why);
    if (losses !== null) {
      this.losses.lost += losses.lost;
      this.losses.torn += losses.torn;
      this.losses.undone += losses.undone;
    }
    this.#observer.onEnded?.(this.time.now, server.id, why);
  }

  /** What stands between the rooms of a server and the seams, and looks at what passes. */
  #around(server: Server): Around {
    const { id, watchedAs } = server;
    return {
      store: (store) => this.#watchedStore(watchedAs, store),
      snapshots: (snapshots) => this.#watchedSnapshots(snapshots),
      peers: (peers) => this.#watchedPeers(id, watchedAs, peers),
      machine: (machine) => this.history.watch(machine, id, server.lives),
      stopped: (refusal) => {
        if (server.life !== null) server.stopped(server.life, refusal);
      },
      rotten: () => this.found.snapshot++,
      fail: (error) => this.#fail(error),
    };
  }

  #watchedStore(id: string, store: Store): Store {
    return {
      get isFull() {
        return store.isFull;
      },
      get takesEntries() {
        return store.takesEntries;
      },
      listen: ({ onStable, onFailure }) =>
        store.listen({
          onStable: (upTo) => {
            this.#checks.stable(id, upTo);
            this.#observer.onStable?.(this.time.now, id, upTo);
            onStable(upTo);
          },
          onFailure,
        }),
      write: (effect) => {
        this.#settled(false);
        this.#checks.wrote(id, effect);
        store.write(effect);
      },
      begin: () => store.begin(),
      discard: (index) => {
        this.#settled(true);
        store.discard(index);
      },
      endRepair: () => {
        this.#settled(true);
        store.endRepair();
      },
      noteLoss: (epoch, done) => {
        this.#settled(true);
        store.noteLoss(epoch, done);
      },
    };
  }

  /** Whatever is asked of the snapshots begins as a chain of promises. */
  #watchedSnapshots(room: SnapshotRoom): SnapshotRoom {
    return {
      get newest() {
        return room.newest;
      },
      get coveredIndex() {
        return room.coveredIndex;
      },
      take: (place, next, done) => {
        this.#settled(true);
        room.take(place, next, done);
      },
      read: (name, offset, length, done) => {
        this.#settled(true);
        room.read(name, offset, length, done);
      },
      receive: (name, done) => {
        this.#settled(true);
        room.receive(name, done);
      },
      received: (name, offset, bytes, begin, done) => {
        this.#settled(true);
        room.received(name, offset, bytes, begin, done);
      },
    };
  }

  #watchedPeers(id: string, watchedAs: string, peers: PeerRoom): PeerRoom {
    const observer = this.#observer;
    return {
      start: (events) =>
        peers.start(
          observer.onReceived === undefined ? events : {
            ...events,
            onMessage: (from, message) => {
              observer.onReceived?.(this.time.now, from, id, message);
              events.onMessage(from, message);
            },
          },
        ),
      send: (to, message) => {
        const sent = peers.send(to, message);
        if (sent) observer.onSent?.(this.time.now, id, to, message);
        try {
          this.#checks.leaves(watchedAs, to, message, sent);
        } catch (error) {
          // Whoever sends may take what is thrown here for something else.
          this.#fail(error);
          throw error;
        }
        return sent;
      },
      setMembers: (members, refusesStrangers) => peers.setMembers(members, refusesStrangers),
      openBulk: (to, events) => peers.openBulk(to, events),
      askWho: (address, done) => peers.askWho(address, done),
      isConnected: (to) => peers.isConnected(to),
      clientAddressOf: (to) => peers.clientAddressOf(to),
      stop: () => peers.stop(),
    };
  }

  /* ---- what strikes need ---- */

  /**
   * One server in a run, without which every configuration that may be in force has a quorum, and of which everybody who goes by a configuration
   * that names it knows the birth for good; and only where somebody can take its place. A voter of the birth that comes back empty before
   * its birth was written down cannot be told from itself.
   */
  #mayLose(server: Server): boolean {
    const { servers } = this;
    if (this.odds.spares === 0 || server.life === null || server.isDamaged) return false;
    if (servers.some(({ isWiped }) => isWiped)) return false;
    const { committed, views } = this.#checks.configurations;
    const newest = committed.at(-1);
    if (newest === undefined) return false;
    const knowsBirths = newest.configuration.members.every(({ id }) => {
      const node = servers.find((other) => other.id === id)?.life?.node ?? null;
      if (node === null) return false;
      const { configuration, configurationIndex, durableIndex } = node.raft.view();
      const member = configuration.members.find((other) => other.id === server.id);
      return member !== undefined && member.incarnation !== "" && configurationIndex <= durableIndex;
    });
    // Who left and did not hear of it may go by an old configuration.
    const isUnknown = [...views.values()].some(({ id, configuration: { members } }) =>
      id !== server.id && members.some((member) => member.id === server.id && member.incarnation === "")
    );
    const others = servers.filter((other) => other !== server && other.keepsAll).map(({ id }) => id);
    return knowsBirths && !isUnknown &&
      configurationsInForce(newest, views.values()).every((one) => decides(one, others));
  }

  /** Without this server each configuration that may be in force has a quorum of servers whose disks are whole. */
  #mayDecay(server: Server): boolean {
    if (server.life === null || server.life.node === null || !server.isWhole) return false;
    const { committed, views } = this.#checks.configurations;
    const newest = committed.at(-1);
    if (newest === undefined) return false;
    const whole = this.servers.filter((other) => other !== server && other.isWhole).map(({ id }) => id);
    return configurationsInForce(newest, views.values()).every((one) => decides(one, whole));
  }

  #stage(): Stage {
    const { time, network, servers } = this;
    return {
      get servers() {
        return servers.filter(({ isSpare, isRetired }) => !isSpare && !isRetired);
      },
      mayLose: (server) => this.#mayLose(server),
      decays: this.odds.decay.strikes.length > 0,
      mayDecay: (server) => this.#mayDecay(server),
      clients: [...this.#workload.names, ...(this.odds.operatorEveryMs > 0 ? [this.#operator.name] : [])],
      later: (afterMs, act) =>
        void time.at(time.now + afterMs, () => {
          if (!this.#isCalm) act();
        }),
      cutFor: (links, forMs) => {
        for (const [from, to] of links) network.cut(from, to);
        time.at(time.now + forMs, () => {
          if (this.#isCalm) return;
          for (const [from, to] of links) network.mend(from, to);
        });
      },
      dropClient: (random) => this.#workload.dropOne(random),
    };
  }
}
