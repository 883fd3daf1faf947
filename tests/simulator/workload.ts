/**
 * Clients of the world: each asks one command, or one pipeline, at a time, of any server, over a connection of its own.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type { Network } from "../../internal/platform/network.ts";
import { type History, type HistoryOperation, isList, type Pipeline } from "./history.ts";
import type { Observer } from "./observer.ts";
import type { Odds } from "./odds.ts";
import { SimClient } from "./sim_client.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** A client dials elsewhere after one in so many answers. */
const MOVES_EVERY = 20;

export interface WorkloadOptions {
  readonly time: VirtualTime;
  readonly odds: Odds;
  readonly history: History;
  readonly observer: Observer;
  readonly ids: readonly string[];
  readonly networkFor: (client: number) => Network;
  readonly random: Random;
  /** Something that a client was told cannot be. */
  readonly fail: (error: unknown) => void;
}

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #clients: (SimClient | null)[] = [];

  constructor(options: WorkloadOptions) {
    this.#options = options;
    for (let i = 0; i < options.odds.clients; i++) {
      this.#clients.push(null);
      this.#think(i, options.random.fork(`client/${i}`));
    }
  }

  /** A client goes away, whatever it waits for. */
  dropOne(random: Random): boolean {
    const number = random.below(this.#clients.length);
    const client = this.#clients[number] ?? null;
    if (client === null) return false;
    this.#clients[number] = null;
    client.close();
    return true;
  }

  #think(number: number, random: Random): void {
    const { time, odds, history } = this.#options;
    if (history.isOver) return;
    time.at(time.now + random.below(2 * odds.thinkMs) + 1, () => this.#ask(number, random));
  }

  #ask(number: number, random: Random): void {
    const { time, history, observer, ids } = this.#options;
    if (history.isOver) return;
    let client = this.#clients[number] ?? null;
    if (client === null || client.isClosed || random.chance(1, MOVES_EVERY)) {
      if (client !== null) client.close();
      client = new SimClient(
        this.#options.networkFor(number),
        ids[random.below(ids.length)] ?? "n1",
        7001,
      );
      this.#clients[number] = client;
    }
    const key = random.chance(1, 4) ? `l${random.below(2)}` : `k${random.below(4)}`;
    // Now and then a pipeline: a write, a read, a write, a read of the same key.
    const count = random.chance(1, 5) ? 4 : 1;
    const pipeline: Pipeline = { operations: [] };
    const operations: HistoryOperation[] = [];
    const commands: string[][] = [];
    for (let i = 0; i < count; i++) {
      const writes = count > 1 ? i % 2 === 0 : random.chance(1, 2);
      const operation = writes
        ? history.write(pipeline, number, key, time.now)
        : history.read(pipeline, number, key, time.now);
      operations.push(operation);
      commands.push(writes ? [isList(key) ? "APPEND" : "SET", key, operation.value] : ["GET", key]);
    }
    let waiting = count;
    const asked = client;
    for (const words of commands) observer.onAsked?.(time.now, number, asked.host, words);
    asked.send(
      commands,
      operations.map((operation, i) => (reply) => {
        observer.onAnswered?.(time.now, number, asked.host, commands[i] ?? [], reply);
        try {
          history.answered(operation, reply, time.now);
        } catch (error) {
          this.#options.fail(error);
        }
        if (--waiting === 0) this.#think(number, random);
      }),
    );
  }
}
