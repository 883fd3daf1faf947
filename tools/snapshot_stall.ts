/**
 * The longest time in which a client that writes without pause hears nothing, with and without a snapshot being taken on every server
 * meanwhile. Three servers of the compiled binary on this machine; windows with and without a snapshot take turns.
 *
 *     deno run -A --no-check tools/snapshot_stall.ts [KEYS]
 *
 * @module
 */
import process from "node:process";
import type { TestClient } from "../tests/process/client.ts";
import { Cluster, compiled } from "../tests/process/harness.ts";

const VALUE = "v".repeat(256);
const BACKGROUND_CLIENTS = 16;
const BATCH = 1000;
const ROUNDS = 5;
const WINDOW_MS = 3000;

const keys = Number(process.argv[2] ?? 400_000);
if (!Number.isSafeInteger(keys) || keys < 1) {
  console.error(`KEYS is ${process.argv[2]}, it must be a whole number from 1`);
  process.exit(64);
}

const cluster = await Cluster.start([compiled, compiled, compiled]);
try {
  const leader = await cluster.leader();
  const probe = await cluster.client(leader);
  const report = (text: string) => console.log(text);
  for (let at = 0; at < keys; at += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, keys - at) }, (_, i) => `key:${at + i}`);
    await Promise.all(batch.map((key) => probe.send("SET", key, VALUE)));
  }
  report(`${keys} keys of ${VALUE.length} bytes; ${BACKGROUND_CLIENTS} clients in the background`);
  const admins = await Promise.all(cluster.plans.map(({ id }) => cluster.client(id)));
  const others = await Promise.all(
    Array.from({ length: BACKGROUND_CLIENTS }, () => cluster.client(leader)),
  );
  const calm: number[] = [];
  const busy: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    calm.push(await longestGap(probe, others, () => Promise.resolve()));
    let took = 0;
    busy.push(
      await longestGap(probe, others, async () => {
        const startedAt = performance.now();
        const answers = await Promise.all(admins.map((client) => client.send("RAFT", "SNAPSHOT")));
        took = performance.now() - startedAt;
        if (answers.some((answer) => typeof answer !== "string")) throw new Error(`refused: ${answers}`);
      }),
    );
    report(
      `round ${round + 1}: longest gap ${calm.at(-1)?.toFixed(1)} ms without, ${
        busy.at(-1)?.toFixed(1)
      } ms with a snapshot on every server (${took.toFixed(0)} ms until all were asked and answered)`,
    );
  }
  report(`median: ${median(calm).toFixed(1)} ms without, ${median(busy).toFixed(1)} ms with`);
  for (const client of [probe, ...admins, ...others]) client.close();
} finally {
  await cluster.stop();
}

/** Writes for one window, and does something meanwhile; gives the longest time between two answers to the probe. */
async function longestGap(
  probe: TestClient,
  others: readonly TestClient[],
  meanwhile: () => Promise<void>,
): Promise<number> {
  let isOver = false;
  const write = async (client: TestClient, seen: (at: number) => void) => {
    for (let n = 0; !isOver; n++) {
      const answer = await client.send("SET", `key:${(n * 7919) % keys}`, VALUE);
      if (answer !== "OK") throw new Error(`a write was answered with ${String(answer)}`);
      seen(performance.now());
    }
  };
  let last = performance.now();
  let longest = 0;
  const load = [
    write(probe, (at) => {
      longest = Math.max(longest, at - last);
      last = at;
    }),
    ...others.map((client) => write(client, () => {})),
  ];
  const event = meanwhile();
  await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
  isOver = true;
  await Promise.all([...load, event]);
  return longest;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
