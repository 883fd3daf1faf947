/**
 * What is aimed at, measured: each row of the table, and by how much it is reached or missed.
 *
 * @module
 */
import { Field, type FieldOptions, type Figures, type Rounds } from "./field.ts";
import { failover } from "./failover.ts";
import type { Mode } from "./load.ts";
import { median, ratioOf, type Row, rowsOf } from "./report.ts";
import { longStart } from "./long_start.ts";
import { must } from "../../internal/base/assert.ts";
import { subjectNamed } from "./subjects.ts";

/** One row. */
export interface Goal {
  readonly work: string;
  readonly aim: string;
  readonly measured: string;
  /** Above 1 where it is reached: how many times as good as was aimed at. */
  readonly reach: number;
}

export interface GoalOptions extends FieldOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** Keys of the goal about memory, bytes of the log of the goal about a start, and trials of the one about a dead leader. */
  readonly memoryKeys: number;
  readonly logBytes: number;
  readonly trials: number;
}

interface Pair {
  readonly ours: Rounds;
  readonly theirs: Rounds;
}

/** Measures all; `said` hears of each row as soon as it is known. */
export async function measureGoals(
  options: GoalOptions,
  said: (goal: Goal) => void,
): Promise<readonly Row[]> {
  const rows = await loadGoals(options, said);
  await memoryGoal(options, said);
  await failoverGoal(options, said);
  await startGoal(options, said);
  return rows;
}

function times(value: number): string {
  return `${value.toFixed(2)} x`;
}

/** At least so many times theirs. */
function atLeast(work: string, factor: number, whose: string, ratio: number): Goal {
  return { work, aim: `>= ${factor} x ${whose}`, measured: times(ratio), reach: ratio / factor };
}

/** At most that share of theirs. */
function atMost(work: string, share: number, whose: string, ratio: number): Goal {
  return { work, aim: `<= ${share} x ${whose}`, measured: times(ratio), reach: share / ratio };
}

async function loadGoals(options: GoalOptions, said: (goal: Goal) => void): Promise<readonly Row[]> {
  const { rounds, seconds, keys, valueBytes } = options;
  const field = await Field.start(
    ["raftline", "etcd", "redis", "ceiling"].map((name) => subjectNamed(name)),
    options,
  );
  const rows: Row[] = [];
  const against = async (
    rival: string,
    work: "set" | "get",
    clients: number,
    pipeline: number,
  ): Promise<Pair> => {
    const mode: Mode = { work, clients, pipeline, spread: false, valueBytes, keys };
    const all = await field.rounds(mode, rounds, seconds, ["raftline", rival, "ceiling"]);
    rows.push(...rowsOf(mode, all));
    const of = (name: string) => must(all.find(({ subject }) => subject.name === name), "It was asked for");
    const ceiling = ratioOf(of("raftline"), of("ceiling"), perSecond);
    said(
      atLeast(`${work} ${clients} clients, pipeline ${pipeline}: of the ceiling`, 0.85, "ceiling", ceiling),
    );
    return { ours: of("raftline"), theirs: of(rival) };
  };
  const perSecond = (one: Figures) => one.perSecond;
  const ratio = ({ ours, theirs }: Pair, pick: (one: Figures) => number) => ratioOf(ours, theirs, pick);
  try {
    await field.fill(keys, valueBytes);
    const set64 = await against("etcd", "set", 64, 1);
    said(atLeast("SET, 64 clients: throughput", 5, "etcd", ratio(set64, perSecond)));
    said(atMost("SET, 64 clients: p99", 0.25, "etcd", ratio(set64, (one) => one.p99)));
    said(atMost("SET, 64 clients: CPU over all servers", 0.2, "etcd", ratio(set64, (one) => one.cpuMicros)));
    const set1 = await against("etcd", "set", 1, 1);
    said(atMost("SET, 1 client: p50", 0.5, "etcd", ratio(set1, (one) => one.p50)));
    const set256 = await against("etcd", "set", 256, 1);
    said(atLeast("SET, 256 clients: throughput", 4.5, "etcd", ratio(set256, perSecond)));
    const get64 = await against("etcd", "get", 64, 1);
    said(atLeast("linearizable GET, 64 clients: throughput", 5, "etcd", ratio(get64, perSecond)));
    const piped = await against("redis", "set", 64, 16);
    said(atLeast("SET, 64 clients, pipeline 16: throughput", 0.8, "ONE Redis", ratio(piped, perSecond)));
  } finally {
    await field.stop();
  }
  return rows;
}

const SETTLE_MS = 10_000;

async function memoryGoal(options: GoalOptions, said: (goal: Goal) => void): Promise<void> {
  const { memoryKeys, valueBytes } = options;
  const field = await Field.start(["raftline", "etcd"].map((name) => subjectNamed(name)), options);
  try {
    await field.fill(memoryKeys, valueBytes);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const megabytes = field.megabytes();
    const [ours, theirs] = ["raftline", "etcd"].map((name) => megabytes.get(name) ?? Number.NaN);
    const of = `${ours?.toFixed(0)} MB, etcd ${theirs?.toFixed(0)} MB`;
    said({
      work: `memory of the largest server after ${memoryKeys.toLocaleString("en-US")} keys`,
      aim: "<= etcd's",
      measured: of,
      reach: (theirs ?? 0) / (ours ?? 1),
    });
  } finally {
    await field.stop();
  }
}

async function failoverGoal(options: GoalOptions, said: (goal: Goal) => void): Promise<void> {
  for (const profile of ["wan", "lan"] as const) {
    const { milliseconds, electionTimeoutMaxMs } = await failover(profile, options.trials, options);
    const worst = Math.max(...milliseconds);
    const aim = 1.5 * electionTimeoutMaxMs;
    said({
      work: `leader killed under load, writes again (${profile}: at most ${electionTimeoutMaxMs} ms)`,
      aim: `<= ${aim} ms`,
      measured: `median ${median(milliseconds).toFixed(0)} ms, worst of ${milliseconds.length} ${
        worst.toFixed(0)
      } ms`,
      reach: aim / worst,
    });
  }
}

async function startGoal(options: GoalOptions, said: (goal: Goal) => void): Promise<void> {
  const { bytes, seconds, progress } = await longStart(options.logBytes, options.valueBytes, options);
  const perSecond = bytes / 1e6 / seconds;
  said({
    work: `start with a log of ${(bytes / 2 ** 30).toFixed(2)} GiB`,
    aim: ">= 150 MB/s, with progress",
    measured: `${perSecond.toFixed(0)} MB/s, ${seconds.toFixed(1)} s, ${progress} lines of progress`,
    reach: progress > 0 ? perSecond / 150 : 0,
  });
}
