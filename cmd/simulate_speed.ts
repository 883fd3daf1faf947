/**
 * `raftline simulate --speed`: how many times faster than real time a core simulates a steady load.
 *
 * @module
 */
import process from "node:process";
import { runSteady } from "../tests/simulator/speed.ts";
import { runtimeName } from "./version.ts";
import { grouped } from "./simulate_words.ts";

/** Until the compilers are done. */
const WARM_MS = 300_000;
const RUN_MS = 120_000;
const RUNS = 5;

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The figure and what it is made of. The median of the runs counts: a machine does other things too. */
export async function measuredSpeed(): Promise<string> {
  await runSteady(0, WARM_MS);
  const runs: { readonly perCore: number; readonly perWall: number }[] = [];
  let [operations, events, simulatedMs] = [0, 0, 0];
  for (let seed = 1; seed <= RUNS; seed++) {
    const [cpuFrom, wallFrom] = [cpuMs(), performance.now()];
    const run = await runSteady(seed, RUN_MS);
    runs.push({
      perCore: run.simulatedMs / (cpuMs() - cpuFrom),
      perWall: run.simulatedMs / (performance.now() - wallFrom),
    });
    operations += run.operations;
    events += run.events;
    simulatedMs += run.simulatedMs;
  }
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  const perCore = runs.map((run) => run.perCore);
  return [
    `${grouped(median(perCore))} x real time per core (${grouped(Math.min(...perCore))} to ${
      grouped(Math.max(...perCore))
    } in ${RUNS} runs of ${RUN_MS / 1000} simulated seconds; by the clock on the wall ${
      grouped(median(runs.map((run) => run.perWall)))
    } x)`,
    `5 servers, ${(operations / simulatedMs * 1000).toFixed(1)} operations a second, ${
      grouped(events / simulatedMs * 1000)
    } events a simulated second; real codec, simulated disk, every check on; ${runtimeName()}`,
  ].join("\n");
}
