/**
 * Micro benchmarks that run on Deno and on Bun: by `deno bench` where there is one, else by a loop of our own.
 *
 *     deno bench -A --no-check benches/          bun benches/all.ts [a part of a name]
 *
 * @module
 */

import process from "node:process";

/** What is measured, and what one call of it amounts to. */
export interface Bench {
  readonly name: string;
  /** Operations in one call; 1 where it is left out. */
  readonly operations?: number;
  run(): void;
}

const WARM_MS = 300;
/** Short rounds, of which the quick ones count: whoever shares the machine disturbs some of them. */
const ROUND_MS = 10;
const ROUNDS = 40;

/** Calls until so much time has passed; gives nanoseconds for one operation. */
function measure({ run, operations = 1 }: Bench, ms: number): number {
  const start = performance.now();
  let calls = 0;
  do {
    run();
    calls++;
  } while (performance.now() - start < ms);
  return (performance.now() - start) / calls / operations * 1e6;
}

const wanted = process.argv[2] ?? "";

/** Measures, or hands over to `deno bench`. */
export function bench(group: string, benches: readonly Bench[]): void {
  for (const one of benches) {
    const name = one.operations === undefined ? one.name : `${one.name}, for ${one.operations}`;
    if ("Deno" in globalThis) {
      Deno.bench({ name, group, fn: () => one.run() });
      continue;
    }
    if (!`${group} ${name}`.includes(wanted)) continue;
    measure(one, WARM_MS);
    const rounds = Array.from({ length: ROUNDS }, () => measure(one, ROUND_MS)).sort((a, b) => a - b);
    console.log(
      `${group.padEnd(10)} ${name.padEnd(60)} ${(rounds[ROUNDS >> 2] ?? 0).toFixed(0).padStart(8)} ns each`,
    );
  }
}
