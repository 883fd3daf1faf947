/**
 * The load: redis-benchmark, which is written in C and takes little of the machine that it shares with the servers.
 *
 * @module
 */
import { run } from "../../tests/process/harness.ts";

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

/** What one run of it saw. Latencies in milliseconds. */
export interface Seen {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
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
export async function load(mode: Mode, ports: readonly number[], operations: number): Promise<Seen> {
  const targets = mode.spread ? ports : ports.slice(0, 1);
  const share = (whole: number) => Math.max(1, Math.round(whole / targets.length));
  const runs = await Promise.all(
    targets.map(async (port) => {
      const args = ["-p", port, "-t", mode.work, "-n", share(operations), "-c", share(mode.clients)];
      const more = ["-P", mode.pipeline, "-d", mode.valueBytes, "-r", mode.keys, "--precision", 3];
      const ended = await run(
        { name: "redis-benchmark", command: "redis-benchmark", args: [] },
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
  };
}

/** The steps of "Latency by percentile distribution", each as the answers it adds. */
function pointsOf(output: string): { readonly points: readonly Point[]; readonly perSecond: number } {
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
  return { points, perSecond: Number(rate) };
}
