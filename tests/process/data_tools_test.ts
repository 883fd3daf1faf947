/**
 * Kind: integration (real processes).
 *
 * Invariant: the tools that look at a disk tell the truth by their exit code (0 sound, 65 damaged, 64 nothing to look at), in one line each
 * where they refuse; they may look at the directory of a server that is being written to.
 *
 * Learnt: a directory that is in use is looked at many times under load, since what could be mistaken for damage is there for a moment only;
 * a segment that is let go of between being listed and being read was met once in hundreds of looks, and never here (every such moment:
 * `tests/upkeep/in_use_test.ts`).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, compiled, missingBinary, run } from "./harness.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/data_tools_test.ts: ${skipped}`);

async function onSmallSegments(body: (cluster: Cluster, data: string) => Promise<void>): Promise<void> {
  const cluster = await Cluster.prepare([compiled]);
  cluster.moreArgs = () => ["--segment-bytes", "16384", "--snapshot-entries", "40"];
  try {
    cluster.launch("n1");
    await cluster.leader();
    await body(cluster, join(cluster.directory, "n1"));
  } finally {
    await cluster.stop();
  }
}

async function fill(cluster: Cluster, count: number): Promise<void> {
  const client = await cluster.client("n1");
  try {
    for (let i = 0; i < count; i++) {
      assertEquals(await client.send("SET", `k${i}`, `value ${i} ${"-".repeat(300)}`), "OK");
    }
  } finally {
    client.close();
  }
}

function lines(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}

const steps: readonly Step[] = [
  {
    name: "a directory in use is sound, however often it is looked at under load",
    fn: () =>
      onSmallSegments(async (cluster, data) => {
        // So that there is a snapshot to look at.
        await fill(cluster, 60);
        let isOver = false;
        const load = (async () => {
          while (!isOver) await fill(cluster, 20);
        })();
        try {
          for (let i = 0; i < 20; i++) {
            const { code, stdout, stderr } = await run(compiled, ["log", "verify", data]);
            assertEquals([code, stderr], [0, ""], stdout);
            assertMatch(stdout, /: sound; server n1 of cluster [0-9a-f]+, /);
            const inspected = await run(compiled, ["snapshot", "inspect", data]);
            assertEquals([inspected.code, inspected.stderr], [0, ""], inspected.stdout);
          }
        } finally {
          isOver = true;
          await load;
        }
      }),
  },
  {
    name: "records are shown by index and kind, and damage is told with file and offset",
    fn: () =>
      onSmallSegments(async (cluster, data) => {
        await fill(cluster, 30);
        const taken = await run(compiled, [
          "snapshot",
          "--connect",
          `127.0.0.1:${cluster.plan("n1").clientPort}`,
        ]);
        assertEquals(taken.code, 0, taken.stderr);
        await cluster.killAll();
        const dump = await run(compiled, [
          "log",
          "dump",
          data,
          "--from",
          "5",
          "--to",
          "7",
          "--kind",
          "command",
        ]);
        assertEquals(dump.code, 0, dump.stderr);
        assertEquals(lines(dump.stdout).map((line) => /command (\d+):1 /.exec(line)?.[1]), ["5", "6", "7"]);
        const asJson = await run(compiled, ["log", "dump", data, "--json", "--kind", "command"]);
        const first: unknown = JSON.parse(lines(asJson.stdout)[0] ?? "");
        assert(typeof first === "object" && first !== null && "commands" in first && "offset" in first);
        assertEquals(first.commands, [{
          operation: "set",
          args: ["k0", `value 0 ${"-".repeat(300)}`, ""],
        }]);

        const segments = readdirSync(join(data, "log")).filter((name) => name.endsWith(".seg")).length;
        assert(segments >= 2, "the sizes fit");
        const footers = await run(compiled, ["log", "dump", data, "--kind", "footer"]);
        assertEquals([footers.code, lines(footers.stdout).length], [0, segments - 1], footers.stderr);
        assertMatch(
          footers.stdout,
          /\.seg:12288 end of segment 1: \d+ entries from 1:1 on up to \d+:1, batch \d+ \(chain \d+\) before offset \d+\n/,
        );

        const snapshots = await run(compiled, ["snapshot", "inspect", data]);
        assertEquals(snapshots.code, 0, snapshots.stderr);
        assertMatch(snapshots.stdout, /\.snap: sound; cluster [0-9a-f]+, index 31, term 1, 30 keys, /);

        const copy = join(cluster.directory, "copy");
        cpSync(data, copy, { recursive: true });
        const segment = join(copy, "log", readdirSync(join(copy, "log")).sort()[0] ?? "");
        const bytes = readFileSync(segment);
        bytes[5000] = (bytes[5000] ?? 0) ^ 1;
        writeFileSync(segment, bytes);
        const verified = await run(compiled, ["log", "verify", copy]);
        assertEquals(verified.code, 65);
        assertMatch(verified.stdout, /^damage: .*\.seg at offset \d+: .*; it goes on at offset \d+ /);
        assertMatch(verified.stdout, /copy: damaged: 1 finding; /);
        const damaged = await run(compiled, ["log", "dump", copy]);
        assertEquals(damaged.code, 65);
        assertEquals(lines(damaged.stderr).length, 1);
      }),
  },
  {
    name: "where there is nothing to look at, one line says so",
    fn: async () => {
      const cases: readonly (readonly [readonly string[], RegExp])[] = [
        [["log"], /log verify or log dump/],
        [["log", "verify"], /is used as: raftline log verify/],
        [["log", "verify", "/nowhere"], /there is no \/nowhere/],
        [["log", "dump", "/dev/null"], /\/dev\/null is no directory/],
        [["log", "verify", "/dev"], /\/dev is no data directory/],
        [["log", "dump", "/", "--kind", "entry"], /--kind has entry/],
        [["snapshot", "inspect", "/nowhere"], /there is no \/nowhere/],
      ];
      for (const [args, expected] of cases) {
        const { code, stdout, stderr } = await run(compiled, args);
        assertEquals([code, stdout, lines(stderr).length], [64, "", 1], `${args.join(" ")}: ${stderr}`);
        assertMatch(stderr, expected);
      }
    },
  },
];

Deno.test({
  name: "the tools that look at a disk",
  ignore: skipped !== null,
  ...unsanitized,
  fn: (t) => sideBySide(t, 2, steps),
});
