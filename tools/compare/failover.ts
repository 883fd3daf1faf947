/**
 * How long nobody writes after the leader was killed under load.
 *
 * Keeps true: the clock starts before the signal is sent, and stops when a write that was sent after it was acknowledged.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { must } from "../../internal/base/assert.ts";
import { TestClient } from "../../tests/process/client.ts";
import { Driver } from "./driver_order.ts";
import { subjectNamed } from "./subjects.ts";

export interface Failovers {
  readonly electionTimeoutMaxMs: number;
  readonly milliseconds: readonly number[];
}

const ELECTION_TIMEOUT_MAX_MS = { wan: 2000, lan: 600 };
const LOAD_MS = 1500;
const RETRY_MS = 2;
const GIVE_UP_MS = 30_000;

export async function failover(
  profile: "wan" | "lan",
  trials: number,
  options: { readonly directory: string },
): Promise<Failovers> {
  const milliseconds: number[] = [];
  for (let trial = 0; trial < trials; trial++) {
    milliseconds.push(await oneFailover(profile, options.directory));
  }
  return { electionTimeoutMaxMs: ELECTION_TIMEOUT_MAX_MS[profile], milliseconds };
}

async function oneFailover(profile: string, parent: string): Promise<number> {
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, "raftline-failover-"));
  const cluster = await subjectNamed("raftline", 3, ["--profile", profile]).start(directory);
  const driver = new Driver();
  try {
    const order = { work: "set", clients: 64, pipeline: 1, valueBytes: 256, keys: 10_000 } as const;
    const load = driver.run({
      ...order,
      wire: "resp",
      ports: cluster.ports.slice(0, 1),
      firstKey: 0,
      operations: 10_000_000,
      seed: 1,
    }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
    const killedAt = performance.now();
    process.kill(must(cluster.pids[0], "There is a leader"), "SIGKILL");
    const writesAt = await Promise.race(cluster.ports.slice(1).map((port) => firstWrite(port)));
    await load;
    return writesAt - killedAt;
  } finally {
    await Promise.all([driver.stop(), cluster.stop()]);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Writes through one server until it is done; each try is a new one where the last one got a definite no. */
async function firstWrite(port: number): Promise<number> {
  const client = await TestClient.connect(port);
  try {
    const until = performance.now() + GIVE_UP_MS;
    while (performance.now() < until) {
      if (await client.send("SET", "after", "the leader's end") === "OK") return performance.now();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    throw new Error(`nobody writes ${GIVE_UP_MS} ms after the leader was killed`);
  } finally {
    client.close();
  }
}
