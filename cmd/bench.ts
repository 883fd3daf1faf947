/**
 * `raftline bench`: a load, with progress, then throughput and latencies.
 *
 * @module
 */
import process from "node:process";
import { must } from "../internal/base/assert.ts";
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import type { Address } from "../internal/platform/network.ts";
import { Load, type LoadPlan, REQUEST_OVERHEAD_BYTES, type Tally } from "./bench_load.ts";
import { type CommandLine, type Flags, parseAddress, readFlags, showAddress } from "./flags.ts";
import { Histogram } from "./histogram.ts";
import { connectToAll, connectToAny, textOf } from "./resp_client.ts";
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

/** Bytes that all connections together may have under way; each has a buffer twice as long as its part. */
const UNDER_WAY_BYTES_MAX = 512 * 1024 * 1024;

interface Plan extends LoadPlan {
  readonly addresses: readonly Address[];
  readonly clients: number;
  readonly seconds: number;
}

interface Result {
  readonly plan: Plan;
  readonly tally: Tally;
  readonly seconds: number;
  /** What the load itself took from the machine. */
  readonly cpuMicros: number;
}

export async function bench(args: readonly string[]): Promise<number> {
  const flags = readFlags(benchCommand, args);
  const plan = await planOf(flags);
  const result = await run(plan, flags.has("json") ? null : (line) => console.log(line));
  console.log(flags.has("json") ? JSON.stringify(jsonOf(result), null, 2) : tableOf(result));
  return result.tally.errors.size > 0 || result.tally.lost > 0 ? 1 : 0;
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
  const plan = {
    clients: flags.integer("clients", 64, 1, 10_000),
    pipeline: flags.integer("pipeline", 1, 1, 1024),
    valueBytes: flags.integer("value-bytes", 256, 0, 8 * 1024 * 1024),
    seconds: flags.integer("seconds", 10, 1, 86_400),
    sets,
    gets,
    keys: flags.integer("keys", 100_000, 1, 1_000_000_000),
    seed: flags.text("seed") ?? "1",
  };
  const underWay = plan.clients * plan.pipeline * (REQUEST_OVERHEAD_BYTES + (sets > 0 ? plan.valueBytes : 0));
  if (underWay > UNDER_WAY_BYTES_MAX) {
    throw new Refusal(
      ExitCode.configuration,
      `--clients times --pipeline times --value-bytes is ${underWay} bytes under way, ` +
        `at most ${UNDER_WAY_BYTES_MAX} are possible; raftline bench --help explains the options`,
    );
  }
  return { ...plan, addresses: flags.has("to-leader") ? [await leaderOf(given)] : await reachable(given) };
}

/** Those that answer; at least one. The others are named on standard error. */
async function reachable(addresses: readonly Address[]): Promise<readonly Address[]> {
  const { clients, silence } = await connectToAll(addresses);
  for (const client of clients) client.close();
  if (silence !== null) console.error(`no answer from ${silence.reason}; the load goes to the others`);
  return clients.map(({ address }) => address);
}

async function leaderOf(addresses: readonly Address[]): Promise<Address> {
  const client = await connectToAny(addresses);
  const text = await client.send(["INFO", "raft"]).then(textOf).finally(() => client.close());
  const leader = /^raft_leader_client:(.+?)\r?$/m.exec(text)?.[1];
  const address = leader === undefined ? null : parseAddress(leader);
  if (address === null) {
    throw new Refusal(ExitCode.unavailable, `${showAddress(client.address)} knows of no leader`);
  }
  return address;
}

/** How long the connections have to come about before those that are there begin. */
const CONNECT_MS = 5000;

async function run(plan: Plan, say: ((line: string) => void) | null): Promise<Result> {
  const tally: Tally = { operations: 0, latency: new Histogram(), errors: new Map(), lost: 0 };
  const { addresses, clients, seconds } = plan;
  const loads = Array.from({ length: clients }, (_, i) => {
    const address = addresses[i % addresses.length];
    return new Load(plan, tally, must(address, "There is somebody to speak to"), i);
  });
  await Promise.race([Promise.all(loads.map(({ ready }) => ready)), passed(CONNECT_MS)]);
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  for (const load of loads) load.start();
  let before = 0;
  for (let second = 1; second <= seconds && tally.lost < clients; second++) {
    await passed(Math.max(0, startedAt + second * 1000 - performance.now()));
    const count = String(tally.operations - before).padStart(8);
    say?.(`${String(second).padStart(4)} s  ${count} ops/s${errorsOf(tally)}`);
    before = tally.operations;
  }
  const measured = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  for (const load of loads) load.stop();
  await Promise.all(loads.map(({ ended }) => ended));
  return { plan, tally, seconds: measured, cpuMicros: cpu.user + cpu.system };
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function errorsOf({ errors, lost }: Tally): string {
  const words = [...errors].map(([word, count]) => `${word} ${count}`);
  if (lost > 0) words.push(`lost connections ${lost}`);
  return words.length === 0 ? "" : `  errors: ${words.join(", ")}`;
}

/** Microseconds of this process for each operation. */
function cpuOf({ tally, cpuMicros }: Result): number {
  return tally.operations === 0 ? 0 : cpuMicros / tally.operations;
}

function jsonOf(result: Result) {
  const { plan, tally, seconds } = result;
  const { addresses, clients, pipeline, valueBytes, sets, gets, keys } = plan;
  const { operations, latency, errors, lost } = tally;
  const ms = (share: number) => Number((latency.percentile(share) / 1000).toFixed(4));
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
    latencyMs: { p50: ms(0.5), p99: ms(0.99), p999: ms(0.999), max: ms(1) },
    clientCpuMicrosPerOperation: Number(cpuOf(result).toFixed(2)),
    errors: Object.fromEntries(errors),
    lostConnections: lost,
  };
}

function tableOf(result: Result): string {
  const { plan, tally, seconds } = result;
  const ms = (share: number) => `${(tally.latency.percentile(share) / 1000).toFixed(3)} ms`;
  const rows: readonly (readonly [string, string])[] = [
    ["servers", plan.addresses.map(showAddress).join(", ")],
    ["clients x pipeline", `${plan.clients} x ${plan.pipeline}`],
    ["mix", `${plan.sets} set : ${plan.gets} get, ${plan.valueBytes} bytes, ${plan.keys} keys`],
    ["operations", `${tally.operations} in ${seconds.toFixed(1)} s`],
    ["throughput", `${Math.round(tally.operations / seconds)} ops/s`],
    ["latency p50", ms(0.5)],
    ["latency p99", ms(0.99)],
    ["latency p99.9", ms(0.999)],
    ["latency max", ms(1)],
    ["cpu of this client", `${cpuOf(result).toFixed(1)} µs/op`],
    ["errors", errorsOf(tally).replace("  errors: ", "") || "none"],
  ];
  return rows.map(([name, value]) => `${name.padEnd(20)}${value}`).join("\n");
}
