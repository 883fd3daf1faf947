/**
 * `deno run -A tools/compare/main.ts [options] [SUBJECT...]`: the same load on each subject in turn, round after round.
 *
 * Subjects: `raftline` (dist/raftline), the path of another build of it, `source:deno`, `source:bun`, `ceiling`, `ceiling:deno`, `redis`.
 * Others may use the machine meanwhile, so the figures to judge by are the ratios to the first subject within one round and
 * the CPU time per operation; what is shown is the median over the rounds.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { load, type Mode, type Seen, showMode } from "./load.ts";
import { type Started, type Subject, subjectNamed } from "./subjects.ts";
import { cpuSeconds, residentBytes } from "./usage.ts";

const USAGE = `usage: deno run -A tools/compare/main.ts [options] [SUBJECT...]
  --work set,get        what is asked                     --rounds 5         how often, subjects in turn
  --clients 1,64,256    connections                       --scale 1          operations each time, times what a second takes
  --pipeline 1,16       commands under way on each        --value-bytes 256  --keys 100000
  --at leader,spread    where the load goes               --json             the figures as JSON
subjects: raftline, PATH of another build, source:deno, source:bun, ceiling, ceiling:deno, redis`;

interface Plan {
  readonly subjects: readonly Subject[];
  readonly modes: readonly Mode[];
  readonly rounds: number;
  readonly scale: number;
  readonly json: boolean;
}

function planOf(args: readonly string[]): Plan | null {
  const flags = new Map<string, string>();
  const names: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? "";
    if (word === "--json") flags.set(word, "");
    else if (word.startsWith("--")) flags.set(word, args[++i] ?? "");
    else names.push(word);
  }
  const list = (flag: string, otherwise: string) => (flags.get(flag) ?? otherwise).split(",");
  const number = (flag: string, otherwise: number) => Number(flags.get(flag) ?? otherwise);
  const known = ["--work", "--clients", "--pipeline", "--at", "--rounds", "--scale", "--json"];
  if ([...flags.keys()].some((flag) => ![...known, "--value-bytes", "--keys"].includes(flag))) return null;
  const modes = list("--work", "set,get").flatMap((work) =>
    list("--pipeline", "1,16").flatMap((pipeline) =>
      list("--clients", "1,64,256").flatMap((clients) =>
        list("--at", "leader").map((at): Mode => ({
          work: work === "get" ? "get" : "set",
          clients: Number(clients),
          pipeline: Number(pipeline),
          spread: at === "spread",
          valueBytes: number("--value-bytes", 256),
          keys: number("--keys", 100_000),
        }))
      )
    )
  );
  return {
    subjects: (names.length > 0 ? names : ["raftline", "ceiling"]).map(subjectNamed),
    modes,
    rounds: number("--rounds", 5),
    scale: number("--scale", 1),
    json: flags.has("--json"),
  };
}

interface Figures extends Seen {
  readonly cpuMicros: number;
  readonly busiestMicros: number;
  readonly megabytes: number;
}

/**
 * How many operations one measurement takes: about what a second takes on an idle machine. A number and not a time, so
 * that compilers have seen the same amount of work however busy the machine is.
 */
function operationsOf({ work, clients, pipeline }: Mode, scale: number): number {
  const atOnce = clients * pipeline;
  const perSecond = atOnce === 1 ? 2500 : atOnce <= 16 ? 30_000 : atOnce <= 256 ? 50_000 : 300_000;
  return Math.round(perSecond * scale * (work === "get" ? 1.5 : 1));
}

/** One subject under one kind of load. */
class Bench {
  readonly figures: Figures[] = [];
  readonly #started: Started;
  readonly #mode: Mode;
  readonly #operations: number;

  constructor(started: Started, mode: Mode, scale: number) {
    this.#started = started;
    this.#mode = mode;
    this.#operations = operationsOf(mode, scale);
  }

  /** Fills the store, and lets compilers see the code that is measured. */
  async warm(): Promise<void> {
    const { ports } = this.#started;
    await load({ ...this.#mode, work: "set", clients: 32, pipeline: 16 }, ports, 2 * this.#mode.keys);
    await load(this.#mode, ports, Math.round(this.#operations / 2));
  }

  async measure(): Promise<void> {
    const { ports, pids } = this.#started;
    const before = pids.map((pid) => cpuSeconds([pid]));
    const seen = await load(this.#mode, ports, this.#operations);
    const used = pids.map((pid, i) => cpuSeconds([pid]) - (before[i] ?? 0));
    this.figures.push({
      ...seen,
      cpuMicros: used.reduce((a, b) => a + b) / seen.operations * 1e6,
      busiestMicros: Math.max(...used) / seen.operations * 1e6,
      megabytes: Math.max(...pids.map(residentBytes)) / 1e6,
    });
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}

async function compare(plan: Plan, mode: Mode, directory: string): Promise<void> {
  const subjects = plan.subjects.filter(({ spreads }) => spreads || !mode.spread);
  const started: Started[] = [];
  try {
    const benches: { readonly name: string; readonly bench: Bench }[] = [];
    for (const [i, subject] of subjects.entries()) {
      const one = await subject.start(join(directory, String(i)));
      started.push(one);
      benches.push({ name: subject.name, bench: new Bench(one, mode, plan.scale) });
    }
    for (const { bench } of benches) await bench.warm();
    for (let round = 0; round < plan.rounds; round++) {
      for (const { bench } of benches) await bench.measure();
    }
    show(plan, mode, benches);
  } catch (cause) {
    const said = started.map((one, i) => `${subjects[i]?.name} said:\n${one.said().slice(-2000)}`).join("\n");
    throw new Error(`${showMode(mode)} failed; ${said}`, { cause });
  } finally {
    await Promise.all(started.map((one) => one.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

function show(
  plan: Plan,
  mode: Mode,
  benches: readonly { readonly name: string; readonly bench: Bench }[],
): void {
  const first = benches[0]?.bench.figures ?? [];
  for (const { name, bench: { figures } } of benches) {
    const of = (pick: (one: Figures) => number) => median(figures.map(pick));
    const ratio = (pick: (one: Figures) => number) =>
      median(figures.map((one, i) => pick(one) / pick(first[i] ?? one)));
    const line = {
      mode: showMode(mode),
      subject: name,
      perSecond: Math.round(of((one) => one.perSecond)),
      perSecondRatio: ratio((one) => one.perSecond),
      p50: of((one) => one.p50),
      p99: of((one) => one.p99),
      p999: of((one) => one.p999),
      cpuMicros: of((one) => one.cpuMicros),
      cpuMicrosRatio: ratio((one) => one.cpuMicros),
      busiestMicros: of((one) => one.busiestMicros),
      megabytes: of((one) => one.megabytes),
    };
    if (plan.json) console.log(JSON.stringify(line));
    else {
      console.log([
        line.mode.padEnd(20),
        name.slice(-24).padEnd(24),
        `${line.perSecond}/s`.padStart(9),
        `x${line.perSecondRatio.toFixed(2)}`.padStart(6),
        ...[line.p50, line.p99, line.p999].map((ms) => ms.toFixed(2).padStart(7)),
        line.cpuMicros.toFixed(1).padStart(7),
        `x${line.cpuMicrosRatio.toFixed(2)}`.padStart(6),
        line.busiestMicros.toFixed(1).padStart(7),
        `${Math.round(line.megabytes)}`.padStart(6),
      ].join(" "));
    }
  }
}

const plan = planOf(process.argv.slice(2));
if (plan === null) {
  console.error(USAGE);
  process.exit(64);
}
if (!plan.json) {
  console.log(
    "mode                 subject                  throughput  to 1st  p50     p99   p99.9  (ms)  CPU us/op, to 1st, busiest; MB",
  );
}
for (const mode of plan.modes) {
  await compare(plan, mode, mkdtempSync(join(tmpdir(), "raftline-compare-")));
}
