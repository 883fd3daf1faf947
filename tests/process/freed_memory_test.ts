/**
 * Kind: integration (real processes).
 *
 * Invariant: a server of the compiled binary runs with the allocator's settings under the number of the process that was started, and with the
 * words that were given to it; a setting of whoever starts it stays.
 *
 * Learnt: what `/proc` shows as environment and words is that of the program that was begun last.
 */
import { assert, assertEquals } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { Cluster, compiled, missingBinary } from "./harness.ts";

const skipped = missingBinary() ?? (existsSync("/proc/self/environ") ? null : "there is no /proc");
if (skipped !== null) console.log(`skipped: tests/process/freed_memory_test.ts: ${skipped}`);

/** The parts of a file of `/proc`, each of which ends with a zero. */
function partsOf(pid: number | undefined, name: string): string[] {
  return readFileSync(`/proc/${pid}/${name}`, "utf8").split("\0").slice(0, -1);
}

/** What one server, which was started in this environment, runs with when it leads. */
async function settingsOf(environment: Readonly<Record<string, string>>): Promise<string[]> {
  const cluster = await Cluster.prepare([compiled]);
  cluster.moreEnv = () => environment;
  try {
    const { child } = cluster.launch("n1");
    await cluster.leader();
    const words = partsOf(child.pid, "cmdline");
    assertEquals(words.slice(1), child.spawnargs.slice(1), "the words are those that were given");
    assert(words.includes("serve"));
    return partsOf(child.pid, "environ").filter((one) => one.startsWith("MIMALLOC")).toSorted();
  } finally {
    await cluster.stop();
  }
}

Deno.test({
  name: "a server keeps freed memory for half a minute, in the process that was started",
  ignore: skipped !== null,
  fn: async () => {
    assertEquals(await settingsOf({}), [
      "MIMALLOC_PURGE_DELAY=30000",
      "MIMALLOC_PURGE_HOLES_MIN_INTERVAL=30000",
    ]);
  },
});

Deno.test({
  name: "a setting of whoever starts a server stays",
  ignore: skipped !== null,
  fn: async () => {
    assertEquals(await settingsOf({ MIMALLOC_PURGE_DELAY: "500" }), ["MIMALLOC_PURGE_DELAY=500"]);
  },
});
