/**
 * What a driver is told and what it answers, and the driver's process as seen from outside.
 *
 * @module
 */
import process from "node:process";
import { Running } from "../../tests/process/harness.ts";
import type { Work } from "./wires/wire.ts";

export type WireName = "resp" | "etcd" | "nats" | "zookeeper";

export interface DriverOrder {
  readonly wire: WireName;
  readonly ports: readonly number[];
  readonly work: Work;
  readonly clients: number;
  readonly pipeline: number;
  readonly valueBytes: number;
  readonly keys: number;
  /** The first key of a fill. */
  readonly firstKey: number;
  readonly operations: number;
  readonly seed: number;
}

/** What one run saw. Latencies in milliseconds. */
export interface Seen {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** What the load itself cost for one operation. */
  readonly clientCpuMicros: number;
}

export interface DriverAnswer extends Seen {
  readonly errors: Readonly<Record<string, number>>;
}

const DRIVER = new URL("driver.ts", import.meta.url).pathname;
/** A server that is asked too much at once may refuse some; what it refuses is not counted as done. */
const FAILED_SHARE_MAX = 0.01;
const WITHIN_MS = 600_000;

/** A process that loads one server after another, so that its code is warm. */
export class Driver {
  readonly #running = new Running(
    { name: "driver", command: process.execPath, args: ["run", "-A", "--no-check", DRIVER] },
    [],
    { stdin: "pipe" },
  );

  /** Gives what was seen; throws where more than a few commands failed. */
  async run(order: DriverOrder): Promise<Seen> {
    const running = this.#running;
    running.stdout = "";
    running.child.stdin?.write(`${JSON.stringify(order)}\n`);
    const until = performance.now() + WITHIN_MS;
    while (!running.stdout.includes("\n")) {
      if (running.isOver || performance.now() > until) {
        throw new Error(`the driver gave no answer: ${running.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const answer: DriverAnswer | { readonly failed: string } = JSON.parse(running.stdout);
    if ("failed" in answer) throw new Error(`load on ${order.wire}: ${answer.failed}`);
    const errors = Object.entries(answer.errors);
    const failed = errors.reduce((sum, [, count]) => sum + count, 0);
    const words = errors.map(([text, count]) => `${count} x ${text}`).join(", ");
    if (failed > order.operations * FAILED_SHARE_MAX) throw new Error(`load on ${order.wire}: ${words}`);
    if (failed > 0) console.error(`load on ${order.wire}: of ${order.operations} commands, ${words}`);
    return answer;
  }

  async stop(): Promise<void> {
    await this.#running.kill();
  }
}
