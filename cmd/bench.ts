/**
 * `raftline bench`: a load, with progress, then throughput and latencies.
 *
 * The load shares the machine with the servers it measures, so it does little: requests are built from a few prepared pieces, and answers
 * are only looked at as far as telling them apart needs.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { SeededRandom } from "../internal/base/random.ts";
import type { Address } from "../internal/platform/network.ts";
import { type CommandLine, type Flags, parseAddress, readFlags, showAddress } from "./flags.ts";
import { Histogram } from "./histogram.ts";
import { connectToAny, encodeRequest, textOf } from "./resp_client.ts";
import { DEFAULT_ADDRESSES } from "./status.ts";

export const benchCommand: CommandLine = {
  name: "bench",
  summary: "put a load on a cluster and measure throughput and latency",
  usage: "[options]",
  takesWords: false,
  flags: [
    {
      name: "connect",
      value: "HOST:PORT,...",
      help: "servers; connections are spread over them",
      default: "127.0.0.1:7001,7002,7003",
    },
    { name: "to-leader", value: null, help: "find the leader and speak to it alone" },
    { name: "clients", value: "COUNT", help: "connections", default: "64" },
    { name: "pipeline", value: "COUNT", help: "commands under way on each connection", default: "1" },
    { name: "value-bytes", value: "BYTES", help: "length of a value", default: "256" },
    { name: "seconds", value: "COUNT", help: "how long", default: "10" },
    {
      name: "mix",
      value: "set|get|S:G",
      help: "writes, reads, or so many of each, as in 1:9",
      default: "set",
    },
    { name: "keys", value: "COUNT", help: "different keys", default: "100000" },
    { name: "seed", value: "TEXT", help: "of the order of keys", default: "1" },
    { name: "json", value: null, help: "the result as JSON, no progress" },
  ],
  examples: ["raftline bench", "raftline bench --clients 64 --pipeline 16 --mix get --seconds 5"],
};

interface Plan {
  readonly addresses: readonly Address[];
  readonly clients: number;
  readonly pipeline: number;
  readonly valueBytes: number;
  readonly seconds: number;
  /** How many of `sets + gets` commands write. */
  readonly sets: number;
  readonly gets: number;
  readonly keys: number;
  readonly seed: string;
}

interface Result {
  readonly plan: Plan;
  operations: number;
  seconds: number;
  readonly latency: Histogram;
  /** Error replies by their first word. */
  readonly errors: Map<string, number>;
  /** Connections that ended early. */
  lost: number;
}

export async function bench(args: readonly string[]): Promise<number> {
  const flags = readFlags(benchCommand, args);
  const plan = await planOf(flags);
  const result = await run(plan, flags.has("json") ? null : (line) => console.log(line));
  console.log(flags.has("json") ? JSON.stringify(jsonOf(result), null, 2) : tableOf(result));
  return result.errors.size > 0 || result.lost > 0 ? 1 : 0;
}

async function planOf(flags: Flags): Promise<Plan> {
  const mix = flags.text("mix") ?? "set";
  const shares = mix === "set"
    ? [1, 0]
    : mix === "get"
    ? [0, 1]
    : /^\d{1,3}:\d{1,3}$/.test(mix)
    ? mix.split(":").map(Number)
    : [];
  const [sets = 0, gets = 0] = shares;
  if (sets + gets === 0) throw flags.refuse(`--mix is ${mix}, it must be set, get, or two numbers as in 1:9`);
  const given = flags.addresses("connect", DEFAULT_ADDRESSES);
  return {
    addresses: flags.has("to-leader") ? [await leaderOf(given)] : await reachable(given),
    clients: flags.integer("clients", 64, 1, 10_000),
    pipeline: flags.integer("pipeline", 1, 1, 1024),
    valueBytes: flags.integer("value-bytes", 256, 0, 8 * 1024 * 1024),
    seconds: flags.integer("seconds", 10, 1, 86_400),
    sets,
    gets,
    keys: flags.integer("keys", 100_000, 1, 1_000_000_000),
    seed: flags.text("seed") ?? "1",
  };
}

/** Those that can be reached; at least one. */
async function reachable(addresses: readonly Address[]): Promise<readonly Address[]> {
  const found: Address[] = [];
  let failure = "";
  for (const address of addresses) {
    try {
      const client = await connectToAny([address]);
      client.close();
      found.push(address);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
  }
  if (found.length === 0) throw new Refusal(ExitCode.unavailable, failure);
  return found;
}

async function leaderOf(addresses: readonly Address[]): Promise<Address> {
  let text: string;
  try {
    const client = await connectToAny(addresses);
    text = await client.send(["INFO", "raft"]).then(textOf).finally(() => client.close());
  } catch (error) {
    throw new Refusal(ExitCode.unavailable, error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
  const leader = /^raft_leader_client:(.+?)\r?$/m.exec(text)?.[1];
  const address = leader === undefined ? null : parseAddress(leader);
  if (address === null) throw new Refusal(ExitCode.unavailable, "no leader is known");
  return address;
}

/** One connection: keeps `pipeline` commands under way. */
class Load {
  readonly #result: Result;
  readonly #socket: Socket;
  readonly #random: SeededRandom;
  readonly #value: Uint8Array;
  readonly #sentAt: number[] = [];
  #tail: Uint8Array = new Uint8Array(0);
  #stopped = false;
  readonly ended: Promise<void>;

  constructor(result: Result, address: Address, number: number) {
    const { plan } = result;
    this.#result = result;
    this.#random = new SeededRandom(`${plan.seed}/${number}`);
    this.#value = new Uint8Array(plan.valueBytes).map(() => 97 + this.#random.below(26));
    this.#socket = connect({ host: address.host, port: address.port, noDelay: true });
    this.ended = new Promise((resolve) => {
      this.#socket.on("connect", () => this.#send(plan.pipeline));
      this.#socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
      this.#socket.on("error", () => {});
      this.#socket.on("close", () => {
        if (!this.#stopped) result.lost++;
        resolve();
      });
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#socket.destroy();
  }

  #send(count: number): void {
    const { plan } = this.#result;
    const now = performance.now();
    const requests: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const key = `key:${this.#random.below(plan.keys)}`;
      const isSet = this.#random.below(plan.sets + plan.gets) < plan.sets;
      requests.push(encodeRequest(isSet ? ["SET", key, this.#value] : ["GET", key]));
      this.#sentAt.push(now);
    }
    const bytes = new Uint8Array(requests.reduce((sum, request) => sum + request.length, 0));
    let at = 0;
    for (const request of requests) {
      bytes.set(request, at);
      at += request.length;
    }
    this.#socket.write(bytes);
  }

  #received(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#tail.length > 0) {
      bytes = new Uint8Array(this.#tail.length + chunk.length);
      bytes.set(this.#tail);
      bytes.set(chunk, this.#tail.length);
    }
    const now = performance.now();
    let at = 0;
    let count = 0;
    while (at < bytes.length) {
      const end = replyEnd(bytes, at);
      if (end < 0) break;
      if (bytes[at] === 45) this.#failed(bytes, at);
      const sentAt = this.#sentAt[count] ?? now;
      this.#result.latency.add((now - sentAt) * 1000);
      count++;
      at = end;
    }
    this.#sentAt.splice(0, count);
    this.#tail = bytes.subarray(at);
    this.#result.operations += count;
    if (count > 0 && !this.#stopped) this.#send(count);
  }

  #failed(bytes: Uint8Array, at: number): void {
    const line = new TextDecoder().decode(bytes.subarray(at + 1, bytes.indexOf(13, at)));
    const word = line.split(" ")[0] ?? "";
    this.#result.errors.set(word, (this.#result.errors.get(word) ?? 0) + 1);
  }
}

/** Where a simple, error, integer or bulk reply ends; -1 where it is not whole. */
function replyEnd(bytes: Uint8Array, at: number): number {
  const line = bytes.indexOf(10, at);
  if (line < 0) return -1;
  if (bytes[at] !== 36) return line + 1;
  if (bytes[at + 1] === 45) return line + 1;
  let length = 0;
  for (let i = at + 1; i < line - 1; i++) length = length * 10 + (bytes[i] ?? 48) - 48;
  const end = line + 1 + length + 2;
  return end > bytes.length ? -1 : end;
}

async function run(plan: Plan, say: ((line: string) => void) | null): Promise<Result> {
  const result: Result = {
    plan,
    operations: 0,
    seconds: 0,
    latency: new Histogram(),
    errors: new Map(),
    lost: 0,
  };
  const { addresses, clients, seconds } = plan;
  const loads = Array.from(
    { length: clients },
    (_, i) =>
      new Load(
        result,
        addresses[i % addresses.length] ?? DEFAULT_ADDRESSES[0] ?? { host: "127.0.0.1", port: 7001 },
        i,
      ),
  );
  const startedAt = performance.now();
  let before = 0;
  for (let second = 1; second <= seconds; second++) {
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, startedAt + second * 1000 - performance.now()))
    );
    say?.(
      `${String(second).padStart(4)} s  ${String(result.operations - before).padStart(8)} ops/s${
        errorsOf(result)
      }`,
    );
    before = result.operations;
    if (result.lost === clients) break;
  }
  result.seconds = (performance.now() - startedAt) / 1000;
  for (const load of loads) load.stop();
  await Promise.all(loads.map(({ ended }) => ended));
  return result;
}

function errorsOf({ errors, lost }: Result): string {
  const words = [...errors].map(([word, count]) => `${word} ${count}`);
  if (lost > 0) words.push(`lost connections ${lost}`);
  return words.length === 0 ? "" : `  errors: ${words.join(", ")}`;
}

function jsonOf(result: Result) {
  const { plan, operations, seconds, latency, errors, lost } = result;
  const { addresses, clients, pipeline, valueBytes, sets, gets, keys } = plan;
  return {
    addresses: addresses.map(showAddress),
    clients,
    pipeline,
    valueBytes,
    mix: `${sets}:${gets}`,
    keys,
    operations,
    seconds: Number(seconds.toFixed(3)),
    operationsPerSecond: Math.round(operations / seconds),
    latencyMs: {
      p50: latency.percentile(0.5) / 1000,
      p99: latency.percentile(0.99) / 1000,
      p999: latency.percentile(0.999) / 1000,
      max: latency.max / 1000,
    },
    errors: Object.fromEntries(errors),
    lostConnections: lost,
  };
}

function tableOf(result: Result): string {
  const { plan, operations, seconds, latency } = result;
  const ms = (micros: number) => `${(micros / 1000).toFixed(3)} ms`;
  const rows: readonly (readonly [string, string])[] = [
    ["servers", plan.addresses.map(showAddress).join(", ")],
    ["clients x pipeline", `${plan.clients} x ${plan.pipeline}`],
    ["mix", `${plan.sets} set : ${plan.gets} get, ${plan.valueBytes} bytes, ${plan.keys} keys`],
    ["operations", `${operations} in ${seconds.toFixed(1)} s`],
    ["throughput", `${Math.round(operations / seconds)} ops/s`],
    ["latency p50", ms(latency.percentile(0.5))],
    ["latency p99", ms(latency.percentile(0.99))],
    ["latency p99.9", ms(latency.percentile(0.999))],
    ["latency max", ms(latency.max)],
    ["errors", errorsOf(result).replace("  errors: ", "") || "none"],
  ];
  return rows.map(([name, value]) => `${name.padEnd(20)}${value}`).join("\n");
}
