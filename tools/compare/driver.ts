/**
 * The load for those servers that redis-benchmark does not speak to: a process of its own, so that what it costs can be told.
 *
 *     deno run -A tools/compare/driver.ts     reads one order a line, as JSON, and answers each with one line
 *
 * Keeps true: as many commands are under way as the order says, from the moment when all connections are open until the last command was
 * sent; the time of each is that from its write to the end of its answer.
 *
 * @module
 */
import * as net from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { Histogram } from "../../cmd/histogram.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import type { DriverAnswer, DriverOrder } from "./driver_order.ts";
import { EtcdWire } from "./wires/etcd.ts";
import { NatsWire } from "./wires/nats.ts";
import { RespWire } from "./wires/resp.ts";
import type { Wire, WireEnds, WirePlan } from "./wires/wire.ts";
import { ZookeeperWire } from "./wires/zookeeper.ts";

const wires = { resp: RespWire, etcd: EtcdWire, nats: NatsWire, zookeeper: ZookeeperWire };

/** All connections of one order. */
class Run {
  readonly #order: DriverOrder;
  readonly #latency = new Histogram();
  readonly #errors = new Map<string, number>();
  readonly #random: SeededRandom;
  readonly #connections: Connection[];
  #toStart = 0;
  #asked = 0;
  #answered = 0;
  #startedAt = 0;
  #cpuBefore: NodeJS.CpuUsage | null = null;
  readonly answer: Promise<DriverAnswer>;
  #resolve: (answer: DriverAnswer) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(order: DriverOrder) {
    this.#order = order;
    this.#random = new SeededRandom(`${order.seed}`);
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#toStart = order.clients;
    this.#connections = Array.from({ length: order.clients }, (_, i) => {
      const port = order.ports[i % order.ports.length] ?? 0;
      return new Connection(this, order, port, i);
    });
  }

  /** The next key, or -1 where enough was asked. */
  next(): number {
    const { operations, work, keys, firstKey } = this.#order;
    if (this.#asked >= operations) return -1;
    this.#asked++;
    return work === "fill" ? firstKey + this.#asked - 1 : this.#random.below(keys);
  }

  connectionReady(): void {
    if (--this.#toStart > 0) return;
    this.#startedAt = performance.now();
    this.#cpuBefore = process.cpuUsage();
    for (const connection of this.#connections) connection.start();
  }

  answered(sentAt: number, now: number, error: string | null): void {
    this.#answered++;
    if (error === null) this.#latency.add((now - sentAt) * 1000);
    else {
      const word = error.slice(0, 200);
      this.#errors.set(word, (this.#errors.get(word) ?? 0) + 1);
    }
    if (this.#answered === this.#order.operations) this.#end(now);
  }

  lost(why: string): void {
    this.#reject(new Error(`a connection was lost: ${why}`));
  }

  #end(now: number): void {
    const { user, system } = process.cpuUsage(this.#cpuBefore ?? undefined);
    for (const connection of this.#connections) connection.close();
    const seconds = (now - this.#startedAt) / 1000;
    const latency = this.#latency;
    const ms = (share: number) => latency.percentile(share) / 1000;
    this.#resolve({
      operations: latency.total,
      errors: Object.fromEntries(this.#errors),
      perSecond: latency.total / seconds,
      p50: ms(0.5),
      p99: ms(0.99),
      p999: ms(0.999),
      clientCpuMicros: (user + system) / Math.max(1, latency.total),
    });
  }
}

class Connection implements WireEnds {
  readonly #run: Run;
  readonly #order: DriverOrder;
  readonly #socket: net.Socket;
  readonly #wire: Wire;
  /** When each command that waits was sent, in a ring. */
  readonly #sentAt: Float64Array;
  #oldest = 0;
  #newest = 0;
  #waiting = 0;
  #now = 0;
  #freed = 0;
  #isClosed = false;
  #isReady = false;

  constructor(run: Run, order: DriverOrder, port: number, number: number) {
    this.#run = run;
    this.#order = order;
    this.#sentAt = new Float64Array(order.pipeline);
    const plan: WirePlan = { work: order.work, valueBytes: order.valueBytes, connection: number };
    this.#wire = new wires[order.wire](plan, this);
    this.#socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    this.#socket.on("connect", () => this.#wire.opened());
    this.#socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    this.#socket.on("error", (error) => this.#isClosed || run.lost(error.message));
    this.#socket.on("close", () => this.#isClosed || run.lost("closed by the server"));
  }

  start(): void {
    this.#now = performance.now();
    this.#ask(this.#order.pipeline);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#run.connectionReady();
  }

  answered(error: string | null): void {
    // A server that refuses says so unasked.
    if (this.#waiting === 0) return this.#run.lost(error ?? "an answer to nothing");
    this.#waiting--;
    this.#freed++;
    const sentAt = this.#sentAt[this.#oldest] ?? this.#now;
    this.#oldest = (this.#oldest + 1) % this.#sentAt.length;
    this.#run.answered(sentAt, this.#now, error);
  }

  #received(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    this.#now = performance.now();
    this.#freed = 0;
    try {
      this.#wire.received(chunk);
    } catch (error) {
      return this.#run.lost(String(error));
    }
    if (this.#freed > 0) this.#ask(this.#freed);
  }

  #ask(count: number): void {
    for (let i = 0; i < count; i++) {
      const key = this.#run.next();
      if (key < 0) break;
      this.#sentAt[this.#newest] = this.#now;
      this.#newest = (this.#newest + 1) % this.#sentAt.length;
      this.#waiting++;
      this.#wire.ask(key);
    }
    this.#wire.flush();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const order: DriverOrder = JSON.parse(line);
  try {
    console.log(JSON.stringify(await new Run(order).answer));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error) }));
  }
}
