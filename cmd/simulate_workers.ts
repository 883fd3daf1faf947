/**
 * Seeds one after another, in this process or in several.
 *
 * Keeps true: every seed of the range is run once, unless somebody stops before; a process that ends before its work is done is an error and
 * not a seed less; no process outlives the one that started it.
 *
 * A worker is this very program. It gets one line for each seed, and answers each with a line of JSON.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { type Decaying, isDecaying } from "../tests/simulator/odds.ts";
import { runSeed } from "../tests/simulator/run_seed.ts";
import { readSummary, type SeedSummary, summaryOf } from "../tests/simulator/summary.ts";
import { ownProgram } from "./own_program.ts";

const WORKER = "--as-worker";
/** So many seeds wait at a worker, so that it never waits for us. */
const AHEAD = 3;

export interface SeedRange {
  readonly first: number;
  readonly count: number;
  readonly faultyMs: number;
  readonly decaying: Decaying;
}

export interface SeedSource {
  readonly summaries: AsyncIterable<SeedSummary>;
  /** No more, whatever is left. */
  stop(): void;
}

/** Lets signals and streams have their turn. */
function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function seedsHere({ first, count, faultyMs, decaying }: SeedRange, run: typeof runSeed): SeedSource {
  let isOver = false;
  async function* summaries(): AsyncGenerator<SeedSummary> {
    for (let seed = first; seed < first + count && !isOver; seed++) {
      yield summaryOf(await run(seed, { faultyMs, decaying }));
      await breath();
    }
  }
  return { summaries: summaries(), stop: () => isOver = true };
}

export function isWorker(args: readonly string[]): boolean {
  return args[0] === WORKER;
}

/** The life of a worker: until its standard input ends. */
export async function work([, faultyMs, given]: readonly string[]): Promise<number> {
  const decaying = isDecaying(given) ? given : "drawn";
  await loadCrc32c();
  for await (const line of createInterface({ input: process.stdin })) {
    const summary = summaryOf(await runSeed(Number(line), { faultyMs: Number(faultyMs), decaying }));
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    await breath();
  }
  return 0;
}

export function seedsInProcesses(range: SeedRange, processes: number): SeedSource {
  const { first, count, faultyMs, decaying } = range;
  const { command, before } = ownProgram();
  const done: SeedSummary[] = [];
  const children: ChildProcess[] = [];
  let next = first;
  let isOver = false;
  let failure: Error | null = null;
  let wake = () => {};
  const give = (child: ChildProcess) => {
    if (next < first + count && !isOver) child.stdin?.write(`${next++}\n`);
    else child.stdin?.end();
  };
  const fail = (cause?: unknown) => {
    if (!isOver) {
      failure ??= new Refusal(
        ExitCode.brokenInvariant,
        "a process that ran seeds ended before its work was done",
        { cause },
      );
    }
    wake();
  };
  const begin = () => {
    for (let i = 0; i < Math.min(processes, count); i++) {
      const child = spawn(command, [...before, "simulate", WORKER, String(faultyMs), decaying], {
        stdio: ["pipe", "pipe", "inherit"],
        // Ctrl-C reaches us alone, and we stop them.
        detached: true,
      });
      children.push(child);
      child.on("error", fail);
      child.stdin?.on("error", fail);
      child.on("exit", (code) => {
        if (code !== 0) fail(new Error(`it ended with ${code}`));
      });
      if (child.stdout !== null) {
        createInterface({ input: child.stdout }).on("line", (line) => {
          const summary = readSummary(line);
          if (summary === null) return fail(new Error(`it said ${line}`));
          done.push(summary);
          give(child);
          wake();
        });
      }
      for (let ahead = 0; ahead < AHEAD; ahead++) give(child);
    }
  };
  async function* summaries(): AsyncGenerator<SeedSummary> {
    begin();
    for (let left = count; left > 0 && !isOver; left--) {
      while (done.length === 0 && failure === null && !isOver) {
        await new Promise<void>((resolve) => wake = resolve);
      }
      if (failure !== null) throw failure;
      const summary = done.shift();
      if (summary !== undefined) yield summary;
    }
  }
  const stop = () => {
    isOver = true;
    // Not `child.kill`: after any signal sent that way, Deno never tells of the end of the process.
    for (const { pid, exitCode, signalCode } of children) {
      if (pid !== undefined && exitCode === null && signalCode === null) process.kill(pid, "SIGTERM");
    }
    wake();
  };
  return { summaries: summaries(), stop };
}
