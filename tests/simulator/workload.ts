/**
 * Clients of the world: each asks one command, or one pipeline, at a time, of any server, over a connection of its own.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import { CLIENT_PORT } from "./assemble.ts";
import { type History, type HistoryOperation, isList, type Pipeline } from "./history.ts";
import type { Observer } from "./observer.ts";
import type { Odds } from "./odds.ts";
import { SimClient } from "./sim_client.ts";
import type { SimNetwork } from "./sim_network.ts";
import { LifeClock, type VirtualTime } from "./virtual_time.ts";

/** A client dials elsewhere after one in so many answers. */
const MOVES_EVERY = 20;
/** A list is left alone after so many values were asked to be appended, so that reading it stays cheap. */
const LIST_LENGTH = 40;
const PIPELINE = 4;

export interface WorkloadOptions {
  readonly time: VirtualTime;
  readonly odds: Odds;
  readonly history: History;
  readonly observer: Observer;
  readonly ids: readonly string[];
  readonly network: SimNetwork;
  readonly random: Random;
  /** Something that a client was told cannot be. */
  readonly fail: (error: unknown) => void;
}

interface Client {
  readonly number: number;
  readonly name: string;
  readonly random: Random;
  readonly clock: LifeClock;
  readonly reads: Reads;
  connection: SimClient | null;
}

/** How a client wants its reads, on each connection. */
interface Reads {
  readonly kind: ReadKind;
  /** What it says first; nothing for what is so anyway. */
  readonly words: readonly string[];
  readonly staleMs: number | null;
}

export type ReadKind = "leader" | "follower" | "lease" | "stale";

function drawReads(random: Random): Reads {
  switch (random.below(4)) {
    case 0:
      return READS_OF_LEADER;
    case 1:
      return { kind: "follower", words: ["READONLY"], staleMs: null };
    case 2:
      return { kind: "lease", words: ["READONLY", "LEASE"], staleMs: null };
    default: {
      const staleMs = random.chance(1, 2) ? random.below(50) : random.between(50, 2000);
      return { kind: "stale", words: ["READONLY", "STALE", String(staleMs)], staleMs };
    }
  }
}

const READS_OF_LEADER: Reads = { kind: "leader", words: [], staleMs: null };

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #clients: readonly Client[];
  /** Whom clients dial. */
  #ids: readonly string[];
  #appends = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#ids = options.ids;
    this.#clients = Array.from({ length: options.odds.clients }, (_, number) => ({
      number,
      name: `client${number}`,
      random: options.random.fork(`client/${number}`),
      clock: new LifeClock(options.time),
      reads: options.odds.reads === "mixed"
        ? drawReads(options.random.fork(`reads/${number}`))
        : READS_OF_LEADER,
      connection: null,
    }));
  }

  /** The names of the clients on the network. */
  get names(): readonly string[] {
    return this.#clients.map(({ name }) => name);
  }

  /** Reads that were answered, by the way they were asked for. */
  readonly reads: Record<ReadKind, number> = { leader: 0, follower: 0, lease: 0, stale: 0 };

  #answered(number: number): void {
    this.reads[this.#clients[number]?.reads.kind ?? "leader"]++;
  }

  start(): void {
    for (const client of this.#clients) this.#think(client);
  }

  /** A client goes away, whatever it waits for; gives its name. */
  dropOne(random: Random): string | null {
    const client = this.#clients[random.below(this.#clients.length)];
    if (client === undefined || client.connection === null || client.connection.isClosed) return null;
    client.connection.close();
    client.connection = null;
    return client.name;
  }

  /** Clients may dial that server too from now on. */
  mayDial(id: string): void {
    if (!this.#ids.includes(id)) this.#ids = [...this.#ids, id];
  }

  /** From now on clients dial these only, and leave the others. */
  moveTo(ids: readonly string[]): void {
    this.#ids = ids;
    for (const client of this.#clients) {
      if (client.connection === null || ids.includes(client.connection.host)) continue;
      client.connection.close();
      client.connection = null;
    }
  }

  /** One write and one read of that server, beside what clients do by themselves. */
  probe(number: number, server: string, answered: (operation: HistoryOperation) => void): void {
    const { network, time, history } = this.#options;
    const clock = new LifeClock(time);
    const connection = new SimClient(network.bodyFor(`client${number}`, clock), clock, server, CLIENT_PORT);
    const pipeline: Pipeline = { operations: [] };
    const key = `probe/${server}`;
    const write = history.write(pipeline, number, key, time.now);
    const read = history.read(pipeline, number, key, time.now);
    this.#ask(connection, number, [write, read], (operation) => {
      answered(operation);
      if (operation === read) connection.close();
    });
  }

  #think(client: Client): void {
    const { time, odds, history } = this.#options;
    if (history.isOver) return;
    time.at(time.now + client.random.below(2 * odds.thinkMs) + 1, () => this.#askSomething(client));
  }

  #askSomething(client: Client): void {
    const { time, history, odds, network } = this.#options;
    if (history.isOver) return;
    const { random, number } = client;
    let { connection } = client;
    if (connection === null || connection.isClosed || random.chance(1, MOVES_EVERY)) {
      if (connection !== null) connection.close();
      const id = this.#ids[random.below(this.#ids.length)] ?? "n1";
      connection = new SimClient(network.bodyFor(client.name, client.clock), client.clock, id, CLIENT_PORT);
      client.connection = connection;
      if (client.reads.words.length > 0) {
        connection.send([client.reads.words], [(reply) => this.#readsAre(client, reply)]);
      }
    }
    const key = random.chance(1, 4)
      ? `l${2 * Math.floor(this.#appends / LIST_LENGTH) + random.below(2)}`
      : `k${random.below(4)}`;
    // Now and then a pipeline: a write, a read, a write, a read of the same key.
    const count = odds.pipelineOneIn > 0 && random.chance(1, odds.pipelineOneIn) ? PIPELINE : 1;
    const pipeline: Pipeline = { operations: [] };
    const operations: HistoryOperation[] = [];
    for (let i = 0; i < count; i++) {
      const writes = count > 1 ? i % 2 === 0 : random.chance(1, 2);
      if (writes && isList(key)) this.#appends++;
      const bytes = isList(key) ? 0 : random.below(odds.valueBytes);
      operations.push(
        writes
          ? history.write(pipeline, number, key, time.now, bytes)
          : history.read(pipeline, number, key, time.now, client.reads.staleMs),
      );
    }
    let waiting = count;
    this.#ask(connection, number, operations, () => {
      if (--waiting === 0) this.#think(client);
    });
  }

  #readsAre({ number, reads }: Client, reply: Reply | null): void {
    if (reply === null || reply.type === "simple") return;
    const text = reply.type === "error" ? reply.text : reply.type;
    this.#options.fail(new Error(`client ${number} says ${reads.words.join(" ")} and is answered ${text}`));
  }

  #ask(
    connection: SimClient,
    number: number,
    operations: readonly HistoryOperation[],
    answered: (operation: HistoryOperation) => void,
  ): void {
    const { time, history, observer, fail } = this.#options;
    const commands = operations.map(({ kind, key, value }) =>
      kind === "read" ? ["GET", key] : [isList(key) ? "APPEND" : "SET", key, value]
    );
    if (observer.onAsked !== undefined) {
      for (const words of commands) observer.onAsked(time.now, number, connection.host, words);
    }
    connection.send(
      commands,
      operations.map((operation, i) => (reply: Reply | null) => {
        observer.onAnswered?.(time.now, number, connection.host, commands[i] ?? [], reply);
        if (operation.kind === "read" && reply !== null && reply.type !== "error") {
          this.#answered(number);
        }
        try {
          history.answered(operation, reply, time.now);
        } catch (error) {
          fail(error);
        }
        answered(operation);
      }),
    );
  }
}
