/**
 * The world: whole servers on simulated seams, with clients, faults and an onlooker; everything from one seed.
 *
 * What runs is what ships: core, node, peers, storage and state machine. Only clock, network, disk and trace have other bodies, and
 * clients speak to the node directly.
 *
 * A run is a safety phase under faults, then a short calm in which a healed cluster must elect, serve and converge. After every step of
 * every core the Raft properties are checked; at the end, that every acknowledged write is on every server.
 *
 * @module
 */
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { describeError } from "../../internal/base/errors.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { defaultLimits } from "../../internal/node/limits.ts";
import { Node } from "../../internal/node/node.ts";
import type { Store } from "../../internal/node/ports.ts";
import { defaultPeerLimits } from "../../internal/peers/limits.ts";
import { Peers } from "../../internal/peers/peers.ts";
import type { Trace } from "../../internal/platform/trace.ts";
import { defaultSettings } from "../../internal/raft/state.ts";
import { openDataDirectory } from "../../internal/storage/identity.ts";
import { Ghost, Violation } from "../invariants/ghost.ts";
import { raftProperties } from "../invariants/properties.ts";
import { History } from "./history.ts";
import { SimDisk } from "./sim_file_system.ts";
import { type NetworkFaults, SimNetwork } from "./sim_network.ts";
import { LifeClock, VirtualTime } from "./virtual_time.ts";

export interface WorldOptions {
  readonly seed: string;
  readonly servers: number;
  readonly faultyMs: number;
  readonly calmMs: number;
}

/** How likely what is, in this seed; drawn from it, and printed with a failure. */
export interface Odds {
  readonly network: NetworkFaults;
  /** Mean milliseconds between faults of the kind; 0 for never. */
  readonly crashEveryMs: number;
  readonly killEveryMs: number;
  readonly pauseEveryMs: number;
  readonly partitionEveryMs: number;
  readonly clients: number;
  readonly thinkMs: number;
}

interface Life {
  readonly clock: LifeClock;
  node: Node | null;
}

interface Server {
  readonly id: string;
  readonly disk: SimDisk;
  life: Life | null;
  lives: number;
}

const HASH_PRIME = 0x01000193;

export class World {
  readonly time = new VirtualTime();
  readonly odds: Odds;
  readonly history = new History();
  readonly counts = { steps: 0, leaders: 0, crashes: 0, kills: 0, pauses: 0, partitions: 0, events: 0 };
  readonly network: SimNetwork;
  readonly #options: WorldOptions;
  readonly #random: Random;
  readonly #servers: Server[] = [];
  readonly #properties = raftProperties();
  readonly #ghost = new Ghost(this.#properties.all);
  #traceHash = 0x811c9dc5;
  #asyncTouched = false;
  #failure: unknown = null;
  #faultsOn = true;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.odds = drawOdds(this.#random.fork("odds"));
    this.network = new SimNetwork(this.time, this.#random.fork("network"), this.odds.network);
    for (let i = 1; i <= options.servers; i++) {
      const disk = new SimDisk(this.#random.fork(`disk/n${i}`));
      disk.onAsync = () => this.#asyncTouched = true;
      this.#servers.push({ id: `n${i}`, disk, life: null, lives: 0 });
    }
  }

  /** A hash over every step of every server: equal runs have equal hashes. */
  get traceHash(): string {
    return (this.#traceHash >>> 0).toString(16).padStart(8, "0");
  }

  /** Runs the seed. Throws a `Violation`, or whatever went wrong. */
  async run(): Promise<void> {
    const { faultyMs, calmMs } = this.#options;
    for (const server of this.#servers) this.#start(server);
    this.#scheduleFaults();
    this.#startClients();
    await this.#runUntil(faultyMs);
    this.#faultsOn = false;
    this.#calmDown();
    await this.#runUntil(faultyMs + calmMs);
    this.history.stop();
    await this.#runUntil(faultyMs + calmMs + 12_000);
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

  #start(server: Server): void {
    const clock = new LifeClock(this.time);
    const life: Life = { clock, node: null };
    server.life = life;
    server.lives++;
    this.#boot(server, life).catch((error) => {
      if (server.life === life) this.#failure ??= error;
    });
    this.#asyncTouched = true;
  }

  async #boot(server: Server, life: Life): Promise<void> {
    const { clock } = life;
    const ids = this.#servers.map(({ id }) => id);
    const random = this.#random.fork(`${server.id}/${server.lives}`);
    const directory = await openDataDirectory({
      fileSystem: server.disk.mount(clock),
      directory: "data",
      random: random.fork("storage"),
      trace: SILENT,
      segmentBytes: 32 * 1024,
      wanted: { serverId: server.id, clusterId: "world", members: ids },
    });
    if (clock.isDead) return;
    const peers = new Peers({
      network: this.network.bodyFor(server.id, clock),
      clock,
      random: random.fork("peers"),
      trace: SILENT,
      limits: defaultPeerLimits,
      self: {
        clusterId: "world",
        serverId: server.id,
        incarnation: directory.identity.incarnation,
        clientAddress: `${server.id}:7001`,
      },
      listenAt: { host: server.id, port: 7101 },
      members: ids.filter((id) => id !== server.id).map((id) => ({ id, address: { host: id, port: 7101 } })),
      onListening: () => {},
      onListenError: (error) => this.#failure ??= error,
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
      id: server.id,
      clusterId: "world",
      members: ids.map((id) => ({ id, peerAddress: `${id}:7101` })),
      clientAddress: `${server.id}:7001`,
      settings: { ...defaultSettings, heartbeatMs: 50, electionTimeoutMinMs: 300, electionTimeoutMaxMs: 600 },
      limits: { ...defaultLimits, requestTimeoutMs: 3000 },
      recovered: directory.recovered,
      clock,
      random,
      trace: SILENT,
      store: touching,
      peers: this.#watched(server.id, peers),
      machine: this.history.watch(new KeyValueMachine(), server.id, server.lives),
    });
    life.node = node;
    this.#ghost.started(server.id, node.raft);
    node.start({
      onFatal: (refusal) =>
        this.#failure ??= new Violation(`${server.id} stopped: ${describeError(refusal)}`, {
          cause: refusal,
        }),
      onStep: (raft, effects) => {
        this.counts.steps++;
        this.#ghost.stepped(server.id, raft, effects);
        const view = raft.view();
        for (const effect of effects) {
          if (effect.kind === "changed" && effect.role === "leader") this.counts.leaders++;
        }
        this.#note(server.id, view.currentTerm, view.lastIndex, view.commitIndex, effects.length);
      },
    });
  }

  /** Every message that really leaves is told to the onlooker. */
  #watched(id: string, peers: Peers): ConstructorParameters<typeof Node>[0]["peers"] {
    return {
      start: (events) => peers.start(events),
      send: (to, message) => {
        const sent = peers.send(to, message);
        if (sent && message.kind !== "forwardRequest" && message.kind !== "forwardResponse") {
          this.#properties.monotonic.promised(id, to, message);
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
  #end(server: Server, power: boolean): void {
    if (server.life === null) return;
    server.life.clock.die();
    this.history.died(server.id);
    server.life = null;
    this.network.died(server.id);
    if (power) server.disk.crash();
    else server.disk.kill();
  }

  /* ---- faults ---- */

  #scheduleFaults(): void {
    const { crashEveryMs, killEveryMs, pauseEveryMs, partitionEveryMs } = this.odds;
    const random = this.#random.fork("faults");
    const repeat = (everyMs: number, fault: () => void) => {
      if (everyMs === 0) return;
      const next = () => {
        this.time.at(this.time.now + 1 + random.below(2 * everyMs), () => {
          if (!this.#faultsOn) return;
          fault();
          next();
        });
      };
      next();
    };
    const any = () => this.#servers[random.below(this.#servers.length)];
    const restart = (server: Server) => {
      this.time.at(this.time.now + random.below(2000), () => server.life === null && this.#start(server));
    };
    const end = (power: boolean) => {
      const server = any();
      if (server === undefined || server.life === null) return;
      if (power) this.counts.crashes++;
      else this.counts.kills++;
      this.#end(server, power);
      restart(server);
    };
    repeat(crashEveryMs, () => end(true));
    repeat(killEveryMs, () => end(false));
    repeat(pauseEveryMs, () => {
      const life = any()?.life ?? null;
      if (life === null) return;
      this.counts.pauses++;
      life.clock.pause();
      this.time.at(this.time.now + 10 + random.below(3000), () => life.clock.resume());
    });
    repeat(partitionEveryMs, () => {
      this.counts.partitions++;
      this.#cutSomewhere(random);
      this.time.at(this.time.now + 50 + random.below(4000), () => this.network.heal());
    });
  }

  /** Halves, one alone, one way only, or single links. */
  #cutSomewhere(random: Random): void {
    const ids = this.#servers.map(({ id }) => id);
    const kind = random.below(4);
    const alone = ids[random.below(ids.length)] ?? "n1";
    const side = new Set(ids.filter(() => random.chance(1, 2)));
    for (const from of ids) {
      for (const to of ids) {
        if (from === to) continue;
        const isCut = kind === 0
          ? side.has(from) !== side.has(to)
          : kind === 1
          ? from === alone || to === alone
          : kind === 2
          ? from === alone
          : random.chance(1, 3);
        if (isCut) this.network.cut(from, to);
      }
    }
  }

  /** No more faults; everybody is up and connected. */
  #calmDown(): void {
    this.network.heal();
    this.network.faults = { ...this.network.faults, lossPermille: 0, duplicatePermille: 0, breakPermille: 0 };
    for (const server of this.#servers) {
      if (server.life === null) this.#start(server);
      else server.life.clock.resume();
    }
  }

  /* ---- clients ---- */

  #startClients(): void {
    for (let i = 0; i < this.odds.clients; i++) this.#client(i, this.#random.fork(`client/${i}`));
  }

  /** One client: one command at a time, to any server, a new connection whenever one answers badly. */
  #client(number: number, random: Random): void {
    const { thinkMs } = this.odds;
    const next = () => {
      if (this.history.isOver) return;
      this.time.at(this.time.now + random.below(2 * thinkMs) + 1, act);
    };
    const act = () => {
      const server = this.#servers[random.below(this.#servers.length)];
      const node = server?.life?.node ?? null;
      if (server === undefined || node === null || this.history.isOver) return next();
      const key = `k${random.below(4)}`;
      const order = node.newOrder();
      // Now and then a pipeline: a write, a read, a write, a read of the same key.
      const count = random.chance(1, 5) ? 4 : 1;
      let waiting = count;
      const ended = () => --waiting === 0 && next();
      const submit = (
        operation: ReturnType<History["write"]>,
        access: "read" | "write",
        command: Uint8Array,
      ) =>
        server.life?.clock.run(() =>
          node.submit(order, access, command, {
            answer: (reply: Reply) => {
              this.history.answered(operation, reply);
              ended();
            },
          })
        );
      const encoder = new TextEncoder();
      const pipeline = this.history.pipeline(server.id, ended);
      for (let i = 0; i < count; i++) {
        if (count > 1 ? i % 2 === 0 : random.chance(1, 2)) {
          const operation = this.history.write(pipeline, number, key);
          submit(
            operation,
            "write",
            encodeCommand(Operation.set, [
              encoder.encode(key),
              encoder.encode(operation.value),
              new Uint8Array(0),
            ]),
          );
        } else {
          submit(
            this.history.read(pipeline, number, key),
            "read",
            encodeCommand(Operation.get, [encoder.encode(key)]),
          );
        }
      }
    };
    next();
  }

  /* ---- the end ---- */

  /** Everybody leads or follows the same, has applied the same, and nothing acknowledged is missing. */
  #checkConverged(): void {
    const statuses = this.#servers.map(({ id, life }) => {
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
  }
}

const SILENT: Trace = { event: () => {} };

function drawOdds(random: Random): Odds {
  const sometimes = (value: () => number) => random.chance(1, 2) ? value() : 0;
  const slow = random.chance(1, 4);
  return {
    network: {
      latencyMs: slow ? [5, 60] : [0.05, 2],
      lossPermille: sometimes(() => random.between(1, 60)),
      duplicatePermille: sometimes(() => random.between(1, 60)),
      breakPermille: sometimes(() => random.between(1, 10)),
    },
    crashEveryMs: sometimes(() => random.between(2000, 10_000)),
    killEveryMs: sometimes(() => random.between(2000, 10_000)),
    pauseEveryMs: sometimes(() => random.between(2000, 10_000)),
    partitionEveryMs: sometimes(() => random.between(1500, 8000)),
    clients: random.between(1, 6),
    thinkMs: random.between(10, 150),
  };
}
