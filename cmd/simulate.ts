/**
 * `raftline simulate`: whole clusters under faults in simulated time, each from one seed, with everything checked after every step.
 *
 * Keeps true: it ends with 0 only where every seed that was asked for was run and held; a seed that did not is one line that says what was
 * false and the command that runs it again.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { describeError, ExitCode, Refusal } from "../internal/base/errors.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { writeHistory } from "../tests/simulator/linearizability.ts";
import { isDecaying } from "../tests/simulator/odds.ts";
import { pageOf } from "../tests/simulator/report/page.ts";
import { oddsOf, Recorder } from "../tests/simulator/report/recorder.ts";
import { runSeed, type SeedResult, worldOf } from "../tests/simulator/run_seed.ts";
import { type SeedSummary, summaryOf, Tally } from "../tests/simulator/summary.ts";
import { type CommandLine, type Flags, readFlags } from "./flags.ts";
import { ownProgram } from "./own_program.ts";
import { measuredSpeed } from "./simulate_speed.ts";
import { brokenLine, heldLine, progressLines, totalLines } from "./simulate_words.ts";
import {
  isWorker,
  type SeedRange,
  seedsHere,
  seedsInProcesses,
  type SeedSource,
  work,
} from "./simulate_workers.ts";

const BROKEN = 1;
const SEEDS_MAX = 1_000_000_000;
const SEED_MAX = 999_999_999_999;
const FAULTY_SECONDS = 20;
/** On a terminal, and elsewhere. */
const PROGRESS_EVERY_MS = [5000, 30_000] as const;

export const simulateCommand: CommandLine = {
  name: "simulate",
  summary: "run whole clusters under faults in simulated time, and check everything",
  usage: "--seed N | --seeds COUNT [--first N] | --speed  [options]",
  takesWords: false,
  flags: [
    { name: "seed", value: "N", help: "run this one: what it drew is printed first, then its verdict" },
    { name: "seeds", value: "COUNT", help: "run so many, up to the first that does not hold" },
    { name: "first", value: "N", help: "the first of them", default: "1" },
    { name: "processes", value: "COUNT", help: "run them in so many processes at once", default: "1" },
    { name: "keep-going", value: null, help: "do not stop where a seed does not hold" },
    {
      name: "faulty-seconds",
      value: "COUNT",
      help: "simulated seconds under faults, before they end and all must be well",
      default: String(FAULTY_SECONDS),
    },
    {
      name: "decay",
      value: "WORD",
      help:
        "whether disks rot and servers live on: drawn for each seed, always, never, or everywhere at once",
      default: "drawn",
    },
    {
      name: "report",
      value: "FILE.html",
      help: "write a page with a picture of the seed, or of the first that did not hold",
    },
    {
      name: "history",
      value: "FILE.jsonl",
      help: "with --seed: write what its clients saw, for raftline check",
    },
    {
      name: "speed",
      value: null,
      help: "measure how fast it is on a steady load: 5 servers, 50 operations a second",
    },
    { name: "quiet", value: null, help: "no progress" },
  ],
  examples: [
    "raftline simulate --seed 4711",
    "raftline simulate --seed 4711 --report seed.html",
    "raftline simulate --seeds 5000 --processes 2",
    "raftline simulate --seeds 50000 --first 1000000 --keep-going --report first.html",
    "raftline simulate --seeds 20000 --decay always --faulty-seconds 6",
    "raftline simulate --speed",
    "the same seed is the same run, event for event, with the same trace hash, on every machine",
    "exit codes: 0 everything held, 1 something was false, 2 interrupted, 74 a file cannot be written",
  ],
};

/** How a seed is run, and where is said what came of it; tests have others. */
export interface SimulateSeams {
  readonly run: typeof runSeed;
  readonly print: (text: string) => void;
}

const SHIPPED: SimulateSeams = { run: runSeed, print: (text) => console.log(text) };

export async function simulate(args: readonly string[], seams: SimulateSeams = SHIPPED): Promise<number> {
  if (isWorker(args)) return await work(args);
  const flags = readFlags(simulateCommand, args);
  const modes = ["seed", "seeds", "speed"].filter((name) => flags.has(name));
  if (modes.length !== 1) {
    const given = modes.length === 0
      ? "none is given"
      : `${modes.map((name) => `--${name}`).join(" and ")} are given`;
    throw flags.refuse(`one of --seed, --seeds and --speed is needed, ${given}`);
  }
  const [mode = ""] = modes;
  for (const [name, needed] of ONLY_WITH) {
    if (flags.has(name) && !needed.includes(mode)) throw flags.refuse(`--${name} does not go with --${mode}`);
  }
  const faultyMs = flags.integer("faulty-seconds", FAULTY_SECONDS, 1, 100_000) * 1000;
  const decaying = flags.text("decay") ?? "drawn";
  if (!isDecaying(decaying)) {
    throw flags.refuse(`--decay is ${decaying}, it must be drawn, always, never or everywhere`);
  }
  const way: Way = { faultyMs, decaying };
  await loadCrc32c();
  switch (mode) {
    case "seed":
      return await one(flags, flags.integer("seed", 1, 0, SEED_MAX), way, seams);
    case "seeds":
      return await many(flags, way, seams);
    default:
      seams.print(await measuredSpeed());
      return 0;
  }
}

/** Options that mean something in some modes only. */
const ONLY_WITH: readonly (readonly [name: string, modes: readonly string[]])[] = [
  ["first", ["seeds"]],
  ["processes", ["seeds"]],
  ["keep-going", ["seeds"]],
  ["quiet", ["seeds"]],
  ["history", ["seed"]],
  ["report", ["seed", "seeds"]],
  ["faulty-seconds", ["seed", "seeds"]],
  ["decay", ["seed", "seeds"]],
];

/** How each seed is run. */
type Way = Pick<SeedRange, "faultyMs" | "decaying">;

/** The command that runs a seed again. */
function commandFor(seed: number, { faultyMs, decaying }: Way): string {
  const program = ownProgram().before.length === 0 ? "raftline" : "deno task";
  const length = faultyMs === FAULTY_SECONDS * 1000 ? "" : ` --faulty-seconds ${faultyMs / 1000}`;
  const decay = decaying === "drawn" ? "" : ` --decay ${decaying}`;
  return `${program} simulate --seed ${seed}${length}${decay}`;
}

async function one(
  flags: Flags,
  seed: number,
  way: Way,
  { run, print }: SimulateSeams,
): Promise<number> {
  const report = flags.text("report");
  const history = flags.text("history");
  const command = commandFor(seed, way);
  const odds = oddsOf(worldOf(seed, way).odds);
  const width = Math.max(...odds.map(([name]) => name.length));
  for (const [name, value] of odds) print(`${name.padEnd(width)}  ${value}`);
  const startedAt = performance.now();
  const recorder = report === null ? null : new Recorder();
  const result = await run(seed, { ...way, ...(recorder === null ? {} : { observer: recorder }) });
  const took = performance.now() - startedAt;
  const summary = summaryOf(result);
  print(
    summary.verdict === "held"
      ? heldLine(summary, result.world.traceHash, took)
      : brokenLine(summary, command),
  );
  if (history !== null) written(history, () => writeHistory(result.world.history, history, seed));
  if (report !== null && recorder !== null) writeReport(report, recorder, result, command, print);
  return summary.verdict === "held" ? 0 : BROKEN;
}

function writeReport(
  path: string,
  recorder: Recorder,
  result: SeedResult,
  command: string,
  print: SimulateSeams["print"],
): void {
  written(path, () => writeFileSync(path, pageOf(recorder.recording(result, command))));
  print(`the picture is in ${path}`);
}

function written(path: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    throw new Refusal(ExitCode.diskIo, `${path} cannot be written: ${describeError(cause)}`, { cause });
  }
}

async function many(flags: Flags, way: Way, seams: SimulateSeams): Promise<number> {
  const { run, print } = seams;
  const count = flags.integer("seeds", 1, 1, SEEDS_MAX);
  const first = flags.integer("first", 1, 0, SEED_MAX);
  const processes = flags.integer("processes", 1, 1, 256);
  const report = flags.text("report");
  const keepsGoing = flags.has("keep-going");
  const tally = new Tally();
  const startedAt = performance.now();
  const everyMs = PROGRESS_EVERY_MS[process.stderr.isTTY === true ? 0 : 1];
  let shownAt = startedAt;
  let isInterrupted = false;
  const range = { first, count, ...way };
  const source: SeedSource = processes === 1 ? seedsHere(range, run) : seedsInProcesses(range, processes);
  const interrupt = () => {
    isInterrupted = true;
    source.stop();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    for await (const summary of source.summaries) {
      tally.add(summary);
      if (summary.verdict !== "held") {
        print(brokenLine(summary, commandFor(summary.seed, way)));
        if (tally.broken.length === 1 && report !== null) await reportOf(report, summary, way, seams);
        if (!keepsGoing) break;
      }
      const now = performance.now();
      if (!flags.has("quiet") && now - shownAt >= everyMs && tally.seeds < count) {
        shownAt = now;
        console.error(progressLines(tally, count, now - startedAt));
      }
    }
  } finally {
    source.stop();
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
  print(totalLines(tally, first, performance.now() - startedAt));
  if (tally.broken.length > 0) return BROKEN;
  if (!isInterrupted) return 0;
  throw new Refusal(
    ExitCode.verdictUnknown,
    `interrupted after ${tally.seeds} of ${count} seeds, which held`,
  );
}

/** Runs a seed once more, and watches. */
async function reportOf(
  path: string,
  { seed }: SeedSummary,
  way: Way,
  { run, print }: SimulateSeams,
): Promise<void> {
  const recorder = new Recorder();
  const result = await run(seed, { ...way, observer: recorder });
  writeReport(path, recorder, result, commandFor(seed, way), print);
}
