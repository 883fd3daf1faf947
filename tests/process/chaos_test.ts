/**
 * Kind: chaos (real processes behind a proxy).
 *
 * Invariant: whatever strikes together - kill -9, frozen processes, partitions of every shape, slow, lossy and lying links, restarts, members
 * that come and go, snapshots, leads handed over - no acknowledged
 * write is lost, nothing that was refused happens, nothing happens twice, no read goes back; and when all is healed the cluster serves
 * again.
 *
 * RAFTLINE_CHAOS_SECONDS (15) sets how long it goes on, RAFTLINE_CHAOS_SEED what strikes. A run that fails, and any with RAFTLINE_CHAOS_KEEP,
 * keeps everything under logs/; one that fails says how to repeat it.
 *
 * Learnt: see the ledger in TODO.md.
 */
import { assertGreater } from "@std/assert";
import process from "node:process";
import { Arena } from "./chaos/arena.ts";
import { keep } from "./chaos/keep.ts";
import { runRound } from "./chaos/round.ts";
import { compiled, missingBinary } from "./harness.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/chaos_test.ts: ${skipped}`);

const seconds = Number(process.env["RAFTLINE_CHAOS_SECONDS"] ?? "15");
const seed = process.env["RAFTLINE_CHAOS_SEED"] ?? String(Date.now() % 1_000_000);

Deno.test({
  name:
    `a random mix of faults for ${seconds} s, seed ${seed}: nothing acknowledged is lost, nothing happens twice`,
  ignore: skipped !== null,
  fn: async () => {
    const arena = await Arena.start({
      programs: [compiled, compiled, compiled, compiled],
      spares: 1,
      seed,
      args: ["--request-timeout-ms", "1500", "--snapshot-entries", "300", "--log-memory-entries", "200"],
    });
    try {
      const result = await runRound({
        arena,
        seed,
        seconds,
        clients: 8,
        prefix: "",
        strikers: 2,
        successor: "by a kill",
      });
      const { acknowledged, refused, unknown, worstGapMs, strikes, problems, history } = result;
      console.log(
        `    ${acknowledged} acknowledged, ${refused} refused, ${unknown} unknown; ` +
          `${[...strikes.values()].reduce((a, b) => a + b, 0)} strikes of ${strikes.size} faults; ` +
          `longest without an answer ${worstGapMs.toFixed(0)} ms`,
      );
      if (process.env["RAFTLINE_CHAOS_KEEP"] !== undefined) {
        console.log(`    kept in ${keep(arena, history, "chaos")}`);
      }
      if (problems.length > 0) {
        const kept = keep(arena, history, "chaos");
        throw new Error(
          `${problems.join("\n")}\n\nkept in ${kept}; to repeat it:\n` +
            `  RAFTLINE_CHAOS_SEED=${seed} RAFTLINE_CHAOS_SECONDS=${seconds} deno test -A --no-check tests/process/chaos_test.ts`,
        );
      }
      // A run in which hardly anything succeeds shows nothing.
      assertGreater(acknowledged, seconds * 20, "operations that succeeded");
    } finally {
      await arena.stop();
    }
  },
});
