/**
 * Kind: integration (real processes of the compiled binary).
 *
 * Invariant: each command of an operator answers with what happened, code 0, or why not, code 1 and the rule that refused it; where
 * nobody answers the code is 69.
 *
 * Learnt: told as one story, since what a command may do depends on what was done before.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { pause } from "./cluster.ts";
import { Cluster, compiled, eventually, missingBinary, run } from "./harness.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/operate_test.ts: ${skipped}`);

interface Scene {
  readonly words: string;
  readonly code: number;
  readonly says: RegExp;
}

/** `@n4` stands for where that server listens for peers. */
const STORY: readonly Scene[] = [
  { words: "config", code: 0, says: /id=n1,standing=voter[^]*id=n2,standing=voter[^]*id=n3,standing=voter/ },
  { words: "add n4 @n5", code: 1, says: /ERR .* is server n5, not n4/ },
  { words: "add n9 127.0.0.1:1", code: 1, says: /ERR cannot reach n9 at 127\.0\.0\.1:1: / },
  { words: "add n4 @n4 --learner --if 777", code: 1, says: /stay as they are: .*index/ },
  { words: "add n4 @n4 --learner", code: 0, says: /^OK n4 learns/ },
  { words: "add n4 @n4", code: 1, says: /stay as they are: .*n4/ },
  { words: "replace n4 n5 @n5", code: 1, says: /stay as they are: .*n4/ },
  { words: "transfer n4", code: 1, says: /ERR .*n4/ },
  { words: "promote n4", code: 0, says: /^OK n4 votes/ },
  { words: "demote n4", code: 0, says: /^OK n4 learns/ },
  { words: "priority n4 0", code: 0, says: /^OK n4 has priority 0/ },
  { words: "priority n9 10", code: 1, says: /ERR n9 is no member/ },
  { words: "promote n9", code: 1, says: /stay as they are: .*n9/ },
  { words: "remove n9", code: 1, says: /stay as they are: .*n9/ },
  { words: "remove n4", code: 0, says: /^OK n4 is removed/ },
  { words: "replace n3 n5 @n5", code: 0, says: /^OK n5 votes in the place of n3/ },
  { words: "transfer n5", code: 0, says: /^OK the lead was handed over/ },
  { words: "transfer n9", code: 1, says: /ERR .*n9/ },
  { words: "transfer", code: 0, says: /^OK the lead was handed over/ },
  { words: "snapshot", code: 0, says: /^OK / },
  { words: "config", code: 0, says: /id=n1,standing=voter[^]*id=n2,standing=voter[^]*id=n5,standing=voter/ },
];

Deno.test({
  name: "an operator's commands, one after another, each with its answer",
  ignore: skipped !== null,
  fn: async () => {
    const cluster = await Cluster.prepare([compiled, compiled, compiled, compiled, compiled]);
    try {
      cluster.born = ["n1", "n2", "n3"];
      for (const { id } of cluster.plans) cluster.launch(id);
      await cluster.leader();
      const ask = (words: readonly string[]) => {
        const connect = ["n1", "n2"].map((id) => `127.0.0.1:${cluster.plan(id).clientPort}`).join(",");
        return run(compiled, [...words, "--connect", connect]);
      };
      await cluster.running.get("n5")?.said(/listening for peers/, 10_000);
      for (const { words, code, says } of STORY) {
        const real = words.split(" ").map((word) =>
          word.startsWith("@") ? `127.0.0.1:${cluster.plan(word.slice(1)).peerPort}` : word
        );
        let ended = await ask(real);
        // The leader itself notes where members are, in the first seconds; a change is refused meanwhile, and so says why.
        for (let again = 0; again < 20 && /one at a time|try again/.test(ended.stderr); again++) {
          await pause(500);
          ended = await ask(real);
        }
        const heard = `${ended.stdout}${ended.stderr}`.replace(/^raftline: /, "");
        assertEquals(ended.code, code, `${words}: ${heard}`);
        assertMatch(heard, says, words);
        if (code === 1) assertEquals(ended.stderr.trim().split("\n").length, 1, words);
      }
      await eventually(
        "the removed ones were told",
        15_000,
        () =>
          Promise.resolve(
            ["n3", "n4"].every((id) =>
              /no member of the cluster any more/.test(cluster.running.get(id)?.stderr ?? "")
            ),
          ),
      );
      await cluster.killAll();
      assertEquals((await ask(["config"])).code, 69);
    } finally {
      await cluster.stop();
    }
  },
});
