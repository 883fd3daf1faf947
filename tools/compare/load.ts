/**
 * The load on what speaks Redis's protocol: redis-benchmark, which is written in C and takes little of the machine that it shares with
 * the servers.
 *
 * @module
 */
import { run } from "../../tests/process/harness.ts";
import type { Seen } from "./driver_order.ts";

/** One kind of load. */
export interface Mode {
  readonly work: "set" | "get";
  readonly clients: number;
  readonly pipeline: number;
  /** Spread over all servers, or aimed at the first port. */
  readonly spread: boolean;
  readonly valueBytes: number;
  readonly keys: number;
}

/** A point of a distribution: how many answers took at most so long. */
interface Point {
  readonly ms: number;
  readonly count: number;
}

export function showMode({ work, clients, pipeline, spread }: Mode): string {
  return `${work} c=${clients} P=${pipeline}${spread ? " spread" : ""}`;
}

/** Runs that many operations. */
export async function loadByRedisBenchmark(
  mode: Mode,
  ports: readonly number[],
  operations: number,
): Promise<Seen> {
  const targets = mode.spread ? ports : ports.slice(0, 1);
  const share = (whole: number) => Math.max(1, Math.round(whole / targets.length));
  const runs = await Promise.all(
    targets.map(async (port) => {
      const args = ["-p", port, "-t", mode.work, "-n", share(operations), "-c", share(mode.clients)];
      const more = ["-P", mode.pipeline, "-d", mode.valueBytes, "-r", mode.keys, "--precision", 3];
      // The shell's last line tells what its children used.
      const ended = await run(
        { name: "redis-benchmark", command: "bash", args: ["-c", 'redis-benchmark "$@" && times', "load"] },
        [...args, ...more].map(String),
        300_000,
      );
      if (ended.code !== 0) throw new Error(`redis-benchmark ended with ${ended.code}: ${ended.stderr}`);
      return pointsOf(ended.stdout);
    }),
  );
  const points = runs.flatMap((one) => one.points).sort((a, b) => a.ms - b.ms);
  const total = points.reduce((sum, { count }) => sum + count, 0);
  const at = (share: number) => {
    let seen = 0;
    return points.find(({ count }) => (seen += count) >= total * share)?.ms ?? 0;
  };
  return {
    operations: total,
    perSecond: runs.reduce((sum, one) => sum + one.perSecond, 0),
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
    clientCpuMicros: runs.reduce((sum, one) => sum + one.cpuSeconds, 0) / total * 1e6,
  };
}

/** The steps of "Latency by percentile distribution", each as the answers it adds. */
function pointsOf(
  output: string,
): { readonly points: readonly Point[]; readonly perSecond: number; readonly cpuSeconds: number } {
  const text = output.slice(output.indexOf("Latency by percentile distribution"));
  const rate = /throughput summary: ([\d.]+)/.exec(text)?.[1];
  const lines = text.slice(0, text.indexOf("Cumulative distribution")).matchAll(
    /<= ([\d.]+) milliseconds \(cumulative count (\d+)\)/g,
  );
  if (rate === undefined) throw new Error(`redis-benchmark gave no figures: ${output.slice(-500)}`);
  const points: Point[] = [];
  let before = 0;
  for (const [, ms, cumulative] of lines) {
    points.push({ ms: Number(ms), count: Number(cumulative) - before });
    before = Number(cumulative);
  }
  const used = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*$/.exec(output) ?? [];
  const [, userMinutes, user, systemMinutes, system] = used.map(Number);
  const cpuSeconds = 60 * ((userMinutes ?? 0) + (systemMinutes ?? 0)) + (user ?? 0) + (system ?? 0);
  return { points, perSecond: Number(rate), cpuSeconds };
}
