/**
 * How fast histories are checked: `deno run -A tools/linearizability_bench.ts`, or the same with `bun`.
 *
 * Each row is a kind of history: good ones, linearizable by construction, and bad ones, the same with one read answered from long before.
 * Times are medians over seeds of CPU time, warm; steps are what the search placed for each operation, and do not depend on the machine.
 *
 * @module
 */
import process from "node:process";
import { SeededRandom } from "../internal/base/random.ts";
import { checkHistory, type Verdict } from "../tests/linearizability/check.ts";
import type { Operation } from "../tests/linearizability/operation.ts";
import {
  appendOrGet,
  incrOrGet,
  linearizableHistory,
  setOrGet,
  type Workload,
} from "../tests/linearizability/random_history.ts";

const SEEDS = 21;
const LIMITS = { stepsMax: 5_000_000, memoryBytesMax: 2 ** 30 };

const keys = (count: number) => Array.from({ length: count }, (_, i) => `k${i}`);
const row = (clients: number, keyCount: number, command: Workload["command"], unknownPermille: number) => ({
  ...{ clients, keys: keys(keyCount), operations: 2000, command, unknownPermille },
});

const ROWS: readonly (readonly [name: string, workload: Workload])[] = [
  ["registers, 5 clients, 4 keys", row(5, 4, setOrGet, 0)],
  ["registers, 5 clients, 4 keys, 5 % unknown", row(5, 4, setOrGet, 50)],
  ["one register, 10 clients", row(10, 1, setOrGet, 0)],
  ["one register, 20 clients", row(20, 1, setOrGet, 0)],
  ["one register, 100 clients, 10 % unknown", row(100, 1, setOrGet, 100)],
  ["lists, 5 clients, 4 keys", row(5, 4, appendOrGet, 0)],
  ["lists, 5 clients, 4 keys, 5 % unknown", row(5, 4, appendOrGet, 50)],
  ["one list, 20 clients, 10 % unknown", row(20, 1, appendOrGet, 100)],
  ["counters, 5 clients, 4 keys", row(5, 4, incrOrGet, 0)],
  ["counters, 5 clients, 4 keys, 2 % unknown", row(5, 4, incrOrGet, 20)],
  ["one register, 10 clients, 100,000 operations", { ...row(10, 1, setOrGet, 20), operations: 100_000 }],
];

/** A read from the second half is answered as one from the first tenth of the same key. */
function staled(history: readonly Operation[]): readonly Operation[] {
  const reads = history.filter(({ op, outcome, result }) =>
    op === "GET" && outcome === "ok" && result !== null
  );
  const late = reads[Math.floor(reads.length * 0.7)];
  const early = reads.find(({ key, result }) => key === late?.key && result !== late?.result);
  return history.map((one) => one === late ? { ...one, result: early?.result } : one);
}

interface Measured {
  readonly milliseconds: number;
  readonly verdict: Verdict;
}

function measure(history: readonly Operation[]): Measured {
  const once = () => {
    const before = process.cpuUsage();
    const verdict = checkHistory(history, LIMITS);
    const { user, system } = process.cpuUsage(before);
    return { milliseconds: (user + system) / 1000, verdict };
  };
  // The best of three: the others had the machine's other work in them.
  return [once(), once(), once()].toSorted((a, b) => a.milliseconds - b.milliseconds)[0] ?? once();
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >>> 1] ?? 0;
}

function shown(
  name: string,
  good: readonly Measured[],
  bad: readonly Measured[],
  operations: number,
): string {
  const time = (all: readonly Measured[]) =>
    `${median(all.map(({ milliseconds }) => milliseconds)).toFixed(2)} ms`.padStart(11);
  const steps = (all: readonly Measured[]) =>
    (median(all.map(({ verdict }) => verdict.steps)) / operations).toFixed(2).padStart(7);
  const unknown = [...good, ...bad].filter(({ verdict }) => verdict.kind === "unknown").length;
  return `${name.padEnd(46)}${time(good)}${steps(good)}${time(bad)}${steps(bad)}${
    String(unknown).padStart(9)
  }`;
}

console.log(
  `${"2,000 operations each".padEnd(46)}${"good".padStart(11)}  steps${"bad".padStart(11)}  steps  unknown`,
);
for (const [name, workload] of ROWS) {
  const good: Measured[] = [];
  const bad: Measured[] = [];
  for (let seed = 0; seed < SEEDS; seed++) {
    const history = linearizableHistory(new SeededRandom(`bench/${seed}`), workload);
    const worse = staled(history);
    const [first, second] = [measure(history), measure(worse)];
    if (first.verdict.kind === "notLinearizable" || second.verdict.kind === "linearizable") {
      throw new Error(`${name}: a wrong verdict for seed bench/${seed}`);
    }
    good.push(first);
    bad.push(second);
  }
  console.log(shown(name, good, bad, workload.operations));
}
