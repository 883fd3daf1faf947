/**
 * The world: whole servers on simulated seams, with clients, faults and an onlooker; everything from one seed.
 *
 * What runs is what ships: core, node, peers, clients' room, storage and state machine. Only clock, network, disk and trace have other
 * bodies. Clients speak RESP over simulated connections.
 *
 * A run is a safety phase under faults, then a calm in which a healed cluster must elect, serve and converge. After every step of
 * every core the Raft properties are checked; at the end, that every acknowledged write is on every server that is not damaged.
 *
 * @module
 */
import { describeError, ExitCode, Refusal } from "../../internal/base/errors.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { ClientListener } from "../../internal/clients/client_listener.ts";
import { defaultClientLimits } from "../../internal/clients/limits.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { defaultLimits } from "../../internal/node/limits.ts";
import { Node } from "../../internal/node/node.ts";
import type { Store } from "../../internal/node/ports.ts";
import { defaultPeerLimits } from "../../internal/peers/limits.ts";
import { Peers } from "../../internal/peers/peers.ts";
import type { Trace } from "../../internal/platform/trace.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import { type DataDirectory, openDataDirectory } from "../../internal/storage/data_directory.ts";
import { Ghost, Violation } from "../invariants/ghost.ts";
import { raftProperties } from "../invariants/properties.ts";
import { scheduleStrikes, type Victims } from "./faults.ts";
import { History } from "./history.ts";
import { checkLinearizable } from "./linearizability.ts";
import type { Observer } from "./observer.ts";
import { drawOdds, type Odds, type Strike } from "./odds.ts";
import { flipOneBit } from "./rot.ts";
import { type DiskTiming, SimDisk } from "./sim_file_system.ts";
import { calmNetwork, SimNetwork } from "./sim_network.ts";
import { LifeClock, VirtualTime } from "./virtual_time.ts";
import { Workload } from "./workload.ts";

export interface WorldOptions {
  readonly seed: string;
  readonly faultyMs: number;
  readonly calmMs: number;
  /** Instead of those that the seed draws. */
  readonly odds?: Odds;
  readonly observer?: Observer;
}

/** After the calm, everybody who still waits is answered within this time. */
export const ANSWERS_MS = 12_000;

interface Life {
  readonly clock: LifeClock;
  node: Node | null;
  /** Whether its disk was made to fail. */
  injected: boolean;
}

interface Server {
  readonly id: string;
  readonly disk: SimDisk;
  life: Life | null;
  lives: number;
  /** A bit was flipped at rest: it must notice, and stays down from then on. */
  rotten: boolean;
  failNext: "syncError" | "writeError" | null;
  failing: { readonly strike: "noSpace" | "readError"; readonly until: number } | null;
}

const HASH_PRIME = 0x01000193;
const QUICK_DISK: DiskTiming = { writeMs: [0.02, 0.1], syncMs: [0.1, 1] };
const SLOW_DISK: DiskTiming = { writeMs: [0.1, 20], syncMs: [50, 500] };
const SILENT: Trace = { event: () => {} };

export class World {
  readonly time = new VirtualTime();
  readonly odds: Odds;
  readonly history = new History();
  readonly counts = { steps: 0, events: 0, leaders: 0, damaged: 0 };
  readonly strikes = new Map<Strike, number>();
  readonly network: SimNetwork;
  readonly #options: WorldOptions;
  readonly #observer: Observer;
  readonly #random: Random;
  readonly #servers: Server[] = [];
  readonly #properties = raftProperties();
  readonly #ghost = new Ghost(this.#properties.all);
  #traceHash = 0x811c9dc5;
  #asyncTouched = false;
  #failure: unknown = null;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#observer = options.observer ?? {};
    this.#random = new SeededRandom(options.seed);
    const drawn = drawOdds(this.#random.fork("odds"));
    this.odds = options.odds ?? drawn;
    this.network = new SimNetwork(this.time, this.#random.fork("network"), this.odds.network);
    for (let i = 1; i <= this.odds.servers; i++) this.#servers.push(this.#newServer(`n${i}`));
  }

  /** A hash over every step of every server: equal runs have equal hashes. */
  get traceHash(): string {
    return (this.#traceHash >>> 0).toString(16).padStart(8, "0");
  }

  /** Runs the seed. Throws a `Violation`, or whatever went wrong. */
  async run(): Promise<void> {
    try {
      await this.#run();
    } catch (error) {
      this.#observer.onViolation?.(this.time.now, describeError(error));
      throw error;
    }
  }

  async #run(): Promise<void> {
    const { faultyMs, calmMs } = this.#options;
    for (const server of this.#servers) this.#start(server);
    const workload = new Workload({
      time: this.time,
      odds: this.odds,
      history: this.history,
      observer: this.#observer,
      ids: this.#servers.map(({ id }) => id),
      networkFor: (client) => this.network.bodyFor(`client${client}`, new LifeClock(this.time)),
      random: this.#random.fork("workload"),
      fail: (error) => this.#failure ??= error,
    });
    const faults = scheduleStrikes(this.odds, this.#random.fork("faults"), this.#victims(workload));
    await this.#runUntil(faultyMs);
    faults.stop();
    this.#calmDown();
    await this.#runUntil(faultyMs + calmMs);
    this.history.stop();
    await this.#runUntil(faultyMs + calmMs + ANSWERS_MS);
    this.#checkConverged();
  }

  async #runUntil(until: number): Promise<void> {
    while (this.time.step(until)) {
      this.counts.events++;
      if (this.#asyncTouched) await this.#letPromisesRun();
      if (this.#failure !== null) throw this.#failure;
    }
    this.time.now = until;
  }

  /** After this, every continuation that could run has run. */
  async #letPromisesRun(): Promise<void> {
    while (this.#asyncTouched) {
      this.#asyncTouched = false;
      for (let i = 0; i < 12; i++) await null;
    }
  }

  /* ---- servers ---- */

  #newServer(id: string): Server {
    const disk = new SimDisk(this.#random.fork(`disk/${id}`));
    const server: Server = {
      id,
      disk,
      life: null,
      lives: 0,
      rotten: false,
      failNext: null,
      failing: null,
    };
    disk.timing = QUICK_DISK;
    disk.onAsync = () => this.#asyncTouched = true;
    disk.fault = (operation, path) => {
      const { life, failNext, failing } = server;
      if (life === null) return null;
      const isFailed = (failNext === "syncError" && operation === "sync") ||
        (failNext === "writeError" && operation === "write");
      if (isFailed) {
        server.failNext = null;
        life.injected = true;
        return "EIO";
      }
      if (failing === null || failing.until < this.time.now) return null;
      const fails = failing.strike === "readError"
        ? operation === "read"
        : operation === "create" || (operation === "write" && path.endsWith(".tmp"));
      if (!fails) return null;
      life.injected = true;
      return failing.strike === "readError" ? "EIO" : "ENOSPC";
    };
    return server;
  }

  #start(server: Server): void {
    if (server.life !== null) return;
    const { driftPermille } = this.odds;
    const random = this.#random.fork(`clock/${server.id}/${server.lives}`);
    const drift = driftPermille === 0 ? 0 : random.between(-driftPermille, driftPermille) / 1000;
    const clock = new LifeClock(this.time, 1 + drift, random.below(1_000_000));
    const life: Life = { clock, node: null, injected: false };
    server.life = life;
    server.lives++;
    this.#boot(server, life).catch((error) => this.#stopped(server, life, error));
    this.#asyncTouched = true;
  }

  async #boot(server: Server, life: Life): Promise<void> {
    const { clock } = life;
    const random = this.#random.fork(`${server.id}/${server.lives}`);
    const directory = await openDataDirectory({
      fileSystem: server.disk.mount(clock),
      directory: "data",
      random: random.fork("storage"),
      trace: SILENT,
      segmentBytes: 32 * 1024,
      wanted: { serverId: server.id, clusterId: "world", members: this.#servers.map(({ id }) => id) },
    });
    if (clock.isDead) return;
    if (server.rotten) throw new Violation(`${server.id} started on damaged data`);
    const node = this.#assemble(server, life, directory, random);
    life.node = node;
    this.#ghost.started(server.id, node.raft);
    this.#observer.onStarted?.(this.time.now, server.id, node.raft.view());
    node.start({
      onFatal: (refusal) => this.#stopped(server, life, refusal),
      onStep: (raft, effects) => {
        this.counts.steps++;
        this.#ghost.stepped(server.id, raft, effects);
        const view = raft.view();
        for (const effect of effects) {
          if (effect.kind === "changed" && effect.role === "leader") this.counts.leaders++;
        }
        this.#note(server.id, view.currentTerm, view.lastIndex, view.commitIndex, effects.length);
        this.#observer.onStep?.(this.time.now, server.id, view, effects);
      },
    });
  }

  /** As `cmd/serve.ts` does it, on simulated seams. */
  #assemble(server: Server, { clock }: Life, directory: DataDirectory, random: Random): Node {
    const { id } = server;
    const ids = this.#servers.map((other) => other.id);
    const network = this.network.bodyFor(id, clock);
    const fail = (error: Error) => this.#failure ??= error;
    const peers = new Peers({
      network,
      clock,
      random: random.fork("peers"),
      trace: SILENT,
      limits: defaultPeerLimits,
      self: {
        clusterId: "world",
        serverId: id,
        incarnation: directory.identity.incarnation,
        clientAddress: `${id}:7001`,
      },
      listenAt: { host: id, port: 7101 },
      members: ids.filter((other) => other !== id).map((other) => ({
        id: other,
        address: { host: other, port: 7101 },
      })),
      onListening: () => {},
      onListenError: fail,
    });
    const { store } = directory;
    const touching: Store = {
      listen: (events) => store.listen(events),
      write: (effect) => {
        this.#asyncTouched = true;
        store.write(effect);
      },
    };
    const node = new Node({
      id,
      clusterId: "world",
      members: ids.map((other) => ({ id: other, peerAddress: `${other}:7101` })),
      clientAddress: `${id}:7001`,
      settings: { ...defaultSettings, heartbeatMs: 50, electionTimeoutMinMs: 300, electionTimeoutMaxMs: 600 },
      limits: { ...defaultLimits, requestTimeoutMs: 3000 },
      recovered: directory.recovered,
      clock,
      random,
      trace: SILENT,
      store: touching,
      peers: this.#watched(id, peers),
      machine: this.history.watch(new KeyValueMachine(), id, server.lives),
    });
    const clients = new ClientListener({
      network,
      clock,
      trace: SILENT,
      backend: node,
      limits: defaultClientLimits,
      host: { version: "0", runtime: "simulated", processId: 1, port: 7001, memoryBytes: () => 0 },
    });
    clients.start({ host: id, port: 7001 }, { onListening: () => {}, onListenError: fail });
    return node;
  }

  /** Every message that really leaves is told to the onlooker. */
  #watched(id: string, peers: Peers): ConstructorParameters<typeof Node>[0]["peers"] {
    const observer = this.#observer;
    return {
      start: (events) =>
        peers.start(
          observer.onReceived === undefined ? events : {
            onMessage: (from, message) => {
              observer.onReceived?.(this.time.now, from, id, message);
              events.onMessage(from, message);
            },
            onConnected: (other) => events.onConnected(other),
            onDisconnected: (other) => events.onDisconnected(other),
          },
        ),
      send: (to, message) => {
        const sent = peers.send(to, message);
        if (sent) {
          observer.onSent?.(this.time.now, id, to, message);
          if (message.kind !== "forwardRequest" && message.kind !== "forwardResponse") {
            this.#properties.monotonic.promised(id, to, message);
          }
        }
        return sent;
      },
      isConnected: (to) => peers.isConnected(to),
      clientAddressOf: (to) => peers.clientAddressOf(to),
      stop: () => peers.stop(),
    };
  }

  #note(id: string, ...numbers: number[]): void {
    let hash = this.#traceHash;
    for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), HASH_PRIME);
    for (const number of [Math.floor(this.time.now * 1000), ...numbers]) {
      hash = Math.imul(hash ^ number, HASH_PRIME);
    }
    this.#traceHash = hash;
  }

  /** Ends a life; with the machine's power, or the process alone. */
  #end(server: Server, power: boolean, why: string): void {
    if (server.life === null) return;
    server.life.clock.die();
    server.life = null;
    this.network.died(server.id);
    if (power) server.disk.crash();
    else server.disk.kill();
    this.#observer.onEnded?.(this.time.now, server.id, why);
  }

  /** A server refused to go on, or to start: right if its disk was made to fail, else a fault of ours. */
  #stopped(server: Server, life: Life, error: unknown): void {
    if (server.life !== life) return;
    const code = error instanceof Refusal ? error.exitCode : null;
    if (server.rotten && code === ExitCode.damagedData) {
      this.counts.damaged++;
      return this.#end(server, false, "damage is noticed");
    }
    const isDisk = code === ExitCode.diskIo || code === ExitCode.noSpace || code === ExitCode.permission;
    if (!life.injected || !isDisk) {
      this.#failure ??= new Violation(`${server.id} stopped: ${describeError(error)}`, { cause: error });
      return;
    }
    this.#end(server, false, describeError(error));
    this.#startLater(server, 100 + this.#random.below(2000));
  }

  #startLater(server: Server, afterMs: number): void {
    this.time.at(this.time.now + afterMs, () => this.#start(server));
  }

  /* ---- faults ---- */

  #victims(workload: Workload): Victims {
    const random = this.#random.fork("victims");
    const alive = (id: string) => this.#servers.find((server) => server.id === id && server.life !== null);
    const withLife = (id: string, act: (server: Server, life: Life) => void): boolean => {
      const server = alive(id);
      if (server === undefined || server.life === null) return false;
      act(server, server.life);
      return true;
    };
    return {
      ids: this.#servers.map(({ id }) => id),
      time: this.time,
      network: this.network,
      end: (id, power) =>
        withLife(id, (server) => {
          this.#end(server, power, power ? "power fails" : "killed");
          this.#startLater(server, random.below(2000));
        }),
      pause: (id, forMs) =>
        withLife(id, (_, { clock }) => {
          clock.pause();
          this.time.at(this.time.now + forMs, () => clock.resume());
        }),
      slowDisk: (id, forMs) =>
        withLife(id, ({ disk }) => {
          disk.timing = SLOW_DISK;
          this.time.at(this.time.now + forMs, () => disk.timing = QUICK_DISK);
        }),
      failNext: (id, strike) => withLife(id, (server) => server.failNext = strike),
      failFor: (id, strike, forMs) =>
        withLife(id, (server) => {
          server.failing = { strike, until: this.time.now + forMs };
          if (strike !== "readError") return;
          this.#end(server, false, "killed");
          this.#startLater(server, random.below(500));
        }),
      rot: (id) => {
        const rotten = this.#servers.filter((server) => server.rotten).length;
        if (rotten + 1 > (this.#servers.length - 1) / 2) return false;
        return withLife(id, (server) => {
          this.#end(server, true, "power fails");
          server.rotten = flipOneBit(server.disk, random);
          this.#startLater(server, random.below(1000));
        });
      },
      dropClient: (own) => workload.dropOne(own),
      struck: (strike, id) => {
        this.strikes.set(strike, (this.strikes.get(strike) ?? 0) + 1);
        this.#observer.onStrike?.(this.time.now, strike, id);
      },
    };
  }

  /** No more faults; everybody is up and connected, but for those whose data is damaged. */
  #calmDown(): void {
    this.network.heal();
    this.network.faults = { ...calmNetwork, latencyMs: this.odds.network.latencyMs };
    for (const server of this.#servers) {
      server.failNext = null;
      server.failing = null;
      server.disk.timing = QUICK_DISK;
      if (server.life !== null) server.life.clock.resume();
      else if (!server.rotten) this.#start(server);
    }
    this.#observer.onHealed?.(this.time.now);
  }

  /* ---- the end ---- */

  /** Everybody leads or follows the same, has applied the same, and nothing acknowledged is missing. */
  #checkConverged(): void {
    const statuses = this.#servers.filter(({ rotten }) => !rotten).map(({ id, life }) => {
      const status = life?.node?.status();
      if (status === undefined) throw new Violation(`${id} is not up at the end`);
      return status;
    });
    const leaders = statuses.filter(({ role }) => role === "leader");
    if (leaders.length !== 1) throw new Violation(`${leaders.length} leaders at the end of a calm`);
    const applied = new Set(statuses.map(({ appliedIndex }) => appliedIndex));
    if (applied.size !== 1) {
      throw new Violation(`after a calm the servers have applied ${[...applied].join(", ")}`);
    }
    this.history.check();
    checkLinearizable(this.history);
  }
}
