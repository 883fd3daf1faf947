/**
 * What a turn of a whole server costs besides its system calls: clients' bytes in, a step of the core, the machine, replies out. A cluster of one, whose
 * disk and network are lists.
 *
 * @module
 */
import { joined } from "../internal/base/bytes.ts";
import { SeededRandom } from "../internal/base/random.ts";
import { ClientListener } from "../internal/clients/client_listener.ts";
import { defaultClientLimits } from "../internal/clients/limits.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { KeyValueMachine } from "../internal/machine/kv.ts";
import { defaultLimits } from "../internal/node/limits.ts";
import { Node } from "../internal/node/node.ts";
import type { StoreEvents } from "../internal/node/ports.ts";
import type { Clock } from "../internal/platform/clock.ts";
import type { Connection, ConnectionEvents, ListenerEvents } from "../internal/platform/network.ts";
import { defaultSettings } from "../internal/raft/state.ts";
import { SnapshotHands } from "../tests/node/node_stage.ts";
import { birth } from "../tests/scenarios/stage.ts";
import { bench } from "./harness.ts";
import { arrayOf, keyOf, VALUE } from "./samples.ts";

await loadCrc32c();

/** Time that stands still until it is told to pass. */
class StillClock implements Clock {
  #now = 0;
  #soon: (() => void)[] = [];
  readonly #alarms = new Set<{ readonly when: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  wakeAt(when: number, callback: () => void): { cancel(): void } {
    const alarm = { when, callback };
    this.#alarms.add(alarm);
    return { cancel: () => void this.#alarms.delete(alarm) };
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const alarm of [...this.#alarms]) {
      if (alarm.when > this.#now || !this.#alarms.delete(alarm)) continue;
      alarm.callback();
      this.endTurn();
    }
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  endTurn(): void {
    const due = this.#soon;
    for (const callback of due) callback();
    this.#soon = [];
  }
}

class NullConnection implements Connection {
  readonly remote = "bench";
  readonly bytesQueued = 0;
  written = 0;
  events: ConnectionEvents | null = null;

  listen(events: ConnectionEvents): void {
    this.events = events;
  }

  write(bytes: Uint8Array): void {
    this.written += bytes.length;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  close(): void {}
}

/** One server with so many clients, which asks each of them for a turn. */
class Stage {
  readonly #clock = new StillClock();
  readonly #connections: NullConnection[] = [];
  #disk: StoreEvents | null = null;
  #stable = 0;

  constructor(clients: number) {
    const random = new SeededRandom("bench");
    const trace = { event: () => {} };
    const node = new Node({
      id: "n1",
      clusterId: "bench",
      self: { incarnation: "", peerAddress: "bench", clientAddress: "bench" },
      settings: defaultSettings,
      limits: defaultLimits,
      recovered: { hardState: { currentTerm: 0, votedFor: null }, ...birth(["n1"]) },
      clock: this.#clock,
      random,
      trace,
      store: {
        isFull: false,
        takesEntries: true,
        listen: (events) => this.#disk = events,
        write: ({ number }) => this.#stable = number,
        discard: () => {},
        endRepair: () => {},
        begin: () => {},
        noteLoss: () => {},
      },
      snapshots: new SnapshotHands(),
      peers: {
        start: () => {},
        setMembers: () => {},
        openBulk: () => null,
        askWho: () => {},
        send: () => true,
        isConnected: () => true,
        clientAddressOf: () => null,
        stop: () => {},
      },
      machine: new KeyValueMachine(),
    });
    let listener: ListenerEvents | null = null;
    const room = new ClientListener({
      network: {
        listen: (_, events) => {
          listener = events;
          return { close: () => {} };
        },
        connect: () => new NullConnection(),
      },
      clock: this.#clock,
      trace,
      backend: node,
      limits: defaultClientLimits,
      host: { version: "", runtime: "", processId: 1, port: 1, memoryBytes: () => 0 },
    });
    node.start({
      onFatal: (refusal) => {
        throw refusal;
      },
    });
    room.start({ host: "", port: 1 }, {
      onListening: () => {},
      onListenError: (error) => {
        throw error;
      },
    });
    const accept = (connection: Connection) => listener?.onConnection(connection);
    for (let i = 0; i < clients; i++) {
      const connection = new NullConnection();
      this.#connections.push(connection);
      accept(connection);
    }
    // The election of a cluster of one: its own vote, then the no-op.
    while (node.status().role !== "leader") {
      this.#clock.pass(100);
      this.#sync();
    }
    this.#sync();
  }

  /** Each client says this; the turn ends; the disk is done; everybody has an answer. Some time passes, which ends what is kept for a turn. */
  turn(chunk: Uint8Array): void {
    for (const { events } of this.#connections) events?.onData(chunk);
    this.#clock.endTurn();
    this.#sync();
    this.#clock.endTurn();
    this.#clock.pass(TURN_MS);
    for (const connection of this.#connections) {
      // Now and then something else is to be written first.
      for (let more = 0; connection.written === 0 && more < MORE_TURNS_MAX; more++) {
        this.#sync();
        this.#clock.pass(TURN_MS);
      }
      if (connection.written === 0) throw new Error("a client has no answer: what is measured is no turn");
      connection.written = 0;
    }
  }

  #sync(): void {
    this.#disk?.onStable(this.#stable);
    this.#clock.endTurn();
  }
}

const TURN_MS = 1;
const MORE_TURNS_MAX = 10;
const CLIENTS = 40;
const PIPELINE = 16;
const KEYS = 100_000;

function chunksOf(words: (key: string) => readonly string[], pipeline: number): readonly Uint8Array[] {
  return Array.from({ length: 1000 }, (_, i) => {
    return joined(Array.from(
      { length: pipeline },
      (_, j) => arrayOf(words(keyOf(i * pipeline + j, KEYS))),
    ));
  });
}

/** One turn after another, each with the next chunk for all clients. */
function turns(stage: Stage, chunks: readonly Uint8Array[]): () => void {
  let next = 0;
  return () => {
    next = (next + 1) % chunks.length;
    stage.turn(chunks[next] ?? new Uint8Array(0));
  };
}

const stage = new Stage(CLIENTS);
const set = (key: string) => ["SET", key, VALUE];
const get = (key: string) => ["GET", key];

bench("turn", [
  { name: "SET, 40 clients", operations: CLIENTS, run: turns(stage, chunksOf(set, 1)) },
  {
    name: "SET, 40 clients with 16 at a time",
    operations: CLIENTS * PIPELINE,
    run: turns(stage, chunksOf(set, PIPELINE)),
  },
  { name: "GET, 40 clients", operations: CLIENTS, run: turns(stage, chunksOf(get, 1)) },
  {
    name: "GET, 40 clients with 16 at a time",
    operations: CLIENTS * PIPELINE,
    run: turns(stage, chunksOf(get, PIPELINE)),
  },
  { name: "SET, one client", run: turns(new Stage(1), chunksOf(set, 1)) },
]);
