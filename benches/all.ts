/**
 * All micro benchmarks, for runtimes without a `bench` command of their own: `bun benches/all.ts`.
 *
 * @module
 */
import "./codec_bench.ts";
import "./machine_bench.ts";
import "./core_bench.ts";
import "./turn_bench.ts";
