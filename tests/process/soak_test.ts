/**
 * Kind: chaos (real processes behind a proxy).
 *
 * Invariant: a soak of a few seconds strikes, counts, checks itself and says that all is well; a server that ends by itself makes its verdict bad,
 * and everything is kept.
 */
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { existsSync, rmSync } from "node:fs";
import process from "node:process";
import { Soak } from "./chaos/soak.ts";
import { compiled, eventually, missingBinary } from "./harness.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/soak_test.ts: ${skipped}`);
const ignore = skipped !== null || !existsSync("/proc/self/fd");

Deno.test({
  name: "a short soak counts what happens, and says that all is well",
  ignore,
  fn: async () => {
    const soak = await Soak.start({
      seed: "short",
      seconds: 9,
      roundSeconds: 5,
      program: compiled,
      profile: "lan",
    });
    const { figures, problems, growth, kept } = await soak.run();
    assertEquals([problems, kept], [[], null]);
    assertEquals(growth, [], "so short a life is not judged");
    assertGreater(figures.acknowledged, 100);
    assertGreater(figures.round, 1);
    assertGreater([...figures.strikes.values()].reduce((a, b) => a + b, 0), 3);
    assertGreater(figures.worstRecoveryMs, 0);
    assert(figures.servers.every(({ memoryBytes, descriptors }) => memoryBytes > 1e6 && descriptors > 3));
  },
});

Deno.test({
  name: "a soak in which a server ends by itself is not well, and everything is kept",
  ignore,
  fn: async () => {
    const soak = await Soak.start({
      seed: "bad",
      seconds: 60,
      roundSeconds: 5,
      program: compiled,
      profile: "lan",
    });
    const verdict = soak.run();
    await eventually(
      "the spared server is seen",
      5000,
      () => Promise.resolve(soak.figures.servers.length > 0),
    );
    const [{ id, pid } = { id: "", pid: 0 }] = soak.figures.servers;
    assertEquals(id, "n1");
    process.kill(pid, "SIGKILL");
    const { problems, kept } = await verdict;
    assertMatch(problems.join("\n"), /n1 ended by itself with SIGKILL/);
    const directory = new URL(`../../${kept}`, import.meta.url);
    assert(
      kept !== null &&
        ["history.jsonl", "events.txt", "n1.log", "data"].every((name) =>
          existsSync(new URL(`${directory}/${name}`))
        ),
    );
    rmSync(directory, { recursive: true });
  },
});
