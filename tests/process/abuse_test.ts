/**
 * Kind: chaos (real processes).
 *
 * Invariant: while clients behave as badly as they can, all at once (rows C1 to C11 of the fault model), one that behaves well is served by every
 * server and told the truth, no server ends, and memory stays bounded; what was never whole never happens, and what was sent once
 * happens at most once.
 *
 * RAFTLINE_ABUSE_SECONDS (6) sets how long. The ratio of latencies is shown and not judged: it is the machine's as much as ours.
 */
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import process from "node:process";
import { vitalsOf } from "./chaos/vitals.ts";
import { type Answer, ErrorAnswer } from "./client.ts";
import { onCluster, pause } from "./cluster.ts";
import { type Cluster, compiled, eventually, missingBinary, Running } from "./harness.ts";
import { missingOn, type Written } from "./workload.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/abuse_test.ts: ${skipped}`);

const seconds = Number(process.env["RAFTLINE_ABUSE_SECONDS"] ?? "6");
/** What a server may take, whatever they do. */
const MEMORY_MAX = 900_000_000;

const abusers = {
  name: "clients that behave badly",
  command: process.execPath,
  args: ["run", "-A", "--no-check", new URL("./abuse/abusers.ts", import.meta.url).pathname],
};

/** One well-behaved client of each server, until it is told to stop. */
class Polite {
  readonly written: Written = { acknowledged: new Map(), unknown: new Set(), at: [] };
  latencies: number[] = [];
  readonly refusals: string[] = [];
  /** Connections that broke, and answers that did not come. */
  readonly failures: string[] = [];
  #isRunning = true;
  readonly #loops: readonly Promise<void>[];

  constructor(cluster: Cluster) {
    this.#loops = cluster.plans.map(({ id }) =>
      this.#ask(cluster, id).catch((error: Error) => {
        this.failures.push(`${id}: ${error.message}`);
      })
    );
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#loops);
  }

  async #ask(cluster: Cluster, id: string): Promise<void> {
    const client = await cluster.clientWhenUp(id);
    for (let i = 0; this.#isRunning; i++) {
      const [key, value] = [`polite:${id}:${i}`, `${i} of ${id}`];
      const startedAt = performance.now();
      const isRefused = (answer: Answer) => {
        if (answer instanceof ErrorAnswer) this.refusals.push(answer.text);
        return answer instanceof ErrorAnswer;
      };
      const written = await client.within(20_000, client.send("SET", key, value));
      if (!isRefused(written)) {
        assertEquals(written, "OK");
        this.written.acknowledged.set(key, value);
        const read = await client.within(20_000, client.send("GET", key));
        if (!isRefused(read)) assertEquals(read, value);
        this.latencies.push(performance.now() - startedAt);
      }
      await pause(5);
    }
    client.close();
  }
}

function percentile(values: readonly number[], permille: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * permille / 1000))] ?? NaN;
}

Deno.test({
  name: "C1 to C11 all at once: whoever behaves well is served, nothing breaks, memory is bounded",
  ignore: skipped !== null,
  fn: () =>
    onCluster([compiled, compiled, compiled], async (cluster) => {
      const ids = cluster.plans.map(({ id }) => id);
      const setter = await cluster.clientWhenUp("n1");
      assertEquals(
        await setter.within(10_000, setter.send("SET", "abuse:megabyte", "m".repeat(1_000_000))),
        "OK",
      );
      const polite = new Polite(cluster);
      await pause(2000);
      const calm = polite.latencies;
      polite.latencies = [];

      const ports = cluster.plans.map(({ clientPort }) => String(clientPort));
      const running = new Running(abusers, [String(seconds), ...ports]);
      const peaks = new Map<string, number>();
      while (!running.isOver) {
        for (const id of ids) {
          const memory = vitalsOf(cluster.running.get(id)?.child.pid ?? 0)?.memoryBytes ?? 0;
          peaks.set(id, Math.max(peaks.get(id) ?? 0, memory));
        }
        await pause(50);
      }
      const { code, stdout, stderr } = await running.ended;
      const abused = polite.latencies;
      await polite.stop();
      assertEquals(code, 0, stderr);
      const { counts, wrong } = JSON.parse(stdout);
      console.log(`    ${JSON.stringify(counts)}`);
      for (const [name, permille] of [["p50", 500], ["p99", 990]] as const) {
        const [before, during] = [percentile(calm, permille), percentile(abused, permille)];
        console.log(
          `    well-behaved SET and GET, ${name}: ${before.toFixed(1)} ms before, ${
            during.toFixed(1)
          } ms during it, ` +
            `ratio ${(during / before).toFixed(1)}`,
        );
      }
      console.log(`    ${polite.refusals.length} refused: ${[...new Set(polite.refusals)].join(" | ")}`);
      console.log(`    most memory: ${
        [...peaks].map(([id, bytes]) => `${id} ${(bytes / 1e6).toFixed(0)} MB`).join(", ")
      }`);
      assertEquals([wrong, polite.failures], [[], []]);
      // On a machine that has other things to do, each takes its time.
      assertGreater(abused.length, 3, "it was served meanwhile");
      assertEquals(
        polite.refusals.filter((text) =>
          !/^(?:NOLEADER|BUSY|UNKNOWN) /.test(text)
        ),
        [],
      );
      for (const id of ids) {
        assert(!(cluster.running.get(id)?.isOver ?? true), `${id} lives`);
        assertLess(peaks.get(id) ?? 0, MEMORY_MAX, `memory of ${id}`);
        assertEquals(await missingOn(cluster, id, polite.written), []);
      }
      assertEquals(await setter.send("MGET", "abuse:half", "abuse:http", "abuse:huge"), [null, null, null]);
      const once = await setter.send("KEYS", "abuse:once:*");
      assert(Array.isArray(once) && once.length > 0);
      const values = await setter.send("MGET", ...once.map(String));
      assertEquals(values, once.map(() => "1"));
      setter.close();
      await eventually("everybody is gone", 5000, async () => {
        const client = await cluster.client("n1");
        try {
          return /connected_clients:1\r?\n/.test(await client.text("INFO", "clients"));
        } finally {
          client.close();
        }
      });
    }, { profile: "wan" }),
});
