/**
 * The reckoning after a run: everything healed, every key read through every server, the history checked.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ErrorAnswer } from "../client.ts";
import { compiled, eventually, missingBinary, run } from "../harness.ts";
import type { Arena } from "./arena.ts";
import { checkHistory } from "./check.ts";
import type { Clients } from "./clients.ts";
import type { History } from "./history.ts";

const KEYS_AT_ONCE = 500;

/** How another leader comes about, for a second look. */
export type Successor = "none" | "by a kill" | "by a transfer";

/**
 * Gives what is wrong, a line each.
 *
 * Reads go to the leader, through whichever server; so one leader's data is what is looked at, and with a successor that of the next one too.
 */
export async function verify(
  arena: Arena,
  clients: Clients,
  history: History,
  successor: Successor = "none",
): Promise<readonly string[]> {
  await arena.heal();
  const healedAt = performance.now();
  await arena.settle();
  arena.recoveries.push(performance.now() - healedAt);
  await clients.stop();
  await lookUp(arena, history);
  if (successor !== "none") {
    const leader = await arena.cluster.leader();
    if (successor === "by a kill") {
      await arena.kill(leader);
      await arena.cluster.leader([leader]);
      arena.launch(leader);
    } else await handOver(arena, leader);
    await arena.settle();
    await lookUp(arena, history);
  }
  return [
    ...arena.surprises,
    ...clients.surprises.slice(0, 10),
    ...checkHistory(history.operations).slice(0, 20),
    ...await checkByProduct(arena, history),
  ];
}

async function handOver(arena: Arena, leader: string): Promise<void> {
  await eventually("another server leads", 10_000, async () => {
    const client = await arena.cluster.client(leader);
    try {
      await client.within(2000, client.send("RAFT", "TRANSFER"));
    } finally {
      client.close();
    }
    return await arena.cluster.leader() !== leader;
  });
}

/** Reads every key of the history through every server, as further clients of it. */
async function lookUp(arena: Arena, history: History): Promise<void> {
  const keys = [...new Set(history.operations.map(({ key }) => key))];
  for (const [number, id] of arena.ids.entries()) {
    const client = await arena.cluster.clientWhenUp(id);
    try {
      for (let from = 0; from < keys.length; from += KEYS_AT_ONCE) {
        const batch = keys.slice(from, from + KEYS_AT_ONCE);
        await eventually(`${id} answers reads`, 10_000, async () => {
          const pending = batch.map((key) => history.invoke(1000 + number, "get", key));
          const values = await client.within(5000, client.send("MGET", ...batch));
          if (!Array.isArray(values)) {
            throw new Error(`MGET answered ${values instanceof ErrorAnswer ? values.text : values}`);
          }
          pending.forEach((read, i) => read.ok(typeof values[i] === "string" ? values[i] : null));
          return true;
        });
      }
    } finally {
      client.close();
    }
  }
}

/** Asks `raftline check`, where the binary has it. */
async function checkByProduct(arena: Arena, history: History): Promise<readonly string[]> {
  if (missingBinary() !== null || (await run(compiled, ["check", "--help"])).code !== 0) return [];
  const file = join(arena.cluster.directory, "history.jsonl");
  writeFileSync(file, history.lines());
  const { code, stdout, stderr } = await run(compiled, ["check", file], 60_000);
  return code === 0 ? [] : [`raftline check: ${stdout}${stderr}`.slice(0, 4000)];
}
