/**
 * Kind: integration (real processes).
 *
 * Invariant: a server with an archive serves whether the archive can be used or not; a backup and the archive give a new cluster as of an index
 * or of a moment: with everything that was acknowledged before, and nothing that was written behind it.
 *
 * Learnt: one client that writes keys in order tells which index has which keys.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertMatch } from "@std/assert";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, compiled, eventually, missingBinary, run } from "./harness.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/archive_test.ts: ${skipped}`);

async function withArchive(body: (cluster: Cluster, archive: string) => Promise<void>): Promise<void> {
  const cluster = await Cluster.prepare([compiled]);
  const archive = join(cluster.directory, "archive");
  cluster.moreArgs = () => ["--segment-bytes", "16384", "--snapshot-entries", "60", "--archive", archive];
  try {
    await body(cluster, archive);
  } catch (cause) {
    const logs = [...cluster.running].map(([id, { stderr }]) => `--- ${id}\n${stderr.slice(-2500)}`).join(
      "\n",
    );
    throw new Error(`the servers said:\n${logs}`, { cause });
  } finally {
    await cluster.stop();
  }
}

/** Writes the keys from `k<from>` on, one after another; gives the index behind the last one. */
async function write(cluster: Cluster, from: number, count: number): Promise<number> {
  const client = await cluster.clientWhenUp("n1");
  try {
    for (let i = from; i < from + count; i++) {
      assertEquals(await client.send("SET", `k${i}`, `v${i}-${"-".repeat(300)}`), "OK");
    }
    return Number(/applied_index:(\d+)/.exec(await client.text("RAFT", "STATUS"))?.[1]);
  } finally {
    client.close();
  }
}

function archivedSegments(archive: string): readonly string[] {
  try {
    return readdirSync(archive, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".seg")
    );
  } catch {
    // It was not made yet.
    return [];
  }
}

/** The indexes that were noted with their moments. */
function notedIn(archive: string): readonly number[] {
  return readdirSync(archive, { recursive: true, encoding: "utf8" }).filter((name) => name.includes("times-"))
    .flatMap((name) => [...readFileSync(join(archive, name), "utf8").matchAll(/"index":(\d+)/g)])
    .map(([, index]) => Number(index));
}

const steps: readonly Step[] = [
  {
    name: "as of an index, as of a moment, and as far as the log goes",
    fn: () =>
      withArchive(async (cluster, archive) => {
        cluster.launch("n1");
        const atBackup = await write(cluster, 0, 50);
        const file = join(cluster.directory, "backup.snap");
        const connect = ["--connect", `127.0.0.1:${cluster.plan("n1").clientPort}`];
        assertEquals((await run(compiled, ["backup", file, ...connect])).code, 0);
        const first = await write(cluster, 50, 100);
        await eventually("that was noted", 20_000, () => Promise.resolve(notedIn(archive).includes(first)));
        const moment = new Date().toISOString();
        await new Promise((resolve) => setTimeout(resolve, 5));
        const last = await write(cluster, 150, 100);
        await eventually("the closed segments are archived", 20_000, () => {
          const log = readdirSync(join(cluster.directory, "n1", "log")).filter((name) =>
            name.endsWith(".seg")
          ).sort();
          const archived = archivedSegments(archive).map((path) => path.split("/").at(-1)).sort();
          return Promise.resolve(
            log.slice(0, -1).every((name) => archived.includes(name)) && archived.length > 5,
          );
        });
        cluster.running.get("n1")?.signal("SIGTERM");
        await cluster.running.get("n1")?.ended;
        assert(
          !readdirSync(join(cluster.directory, "n1", "log")).includes("log-0000000001.seg"),
          "it was let go of",
        );

        const sources = `${archive},${join(cluster.directory, "n1", "log")}`;
        let restores = 0;
        const restored = async (...to: readonly string[]) => {
          const directory = join(cluster.directory, `restored-${restores++}`);
          const args = ["restore", file, "--data", directory, "--archive", sources, ...to];
          const { code, stdout, stderr } = await run(compiled, args);
          assertEquals(code, 0, stderr);
          const [, keys, index] = /: (\d+) keys, as of index (\d+),/.exec(stdout) ?? [];
          return { keys: Number(keys), index: Number(index) };
        };
        // Behind the first write, every entry has one key.
        assertEquals(await restored("--to-index", String(atBackup + 30)), { keys: 80, index: atBackup + 30 });
        assertEquals(await restored("--to-time", moment), { keys: 150, index: first });
        const { keys, index } = await restored();
        assertGreaterOrEqual(keys, 249);
        assertGreaterOrEqual(index, last - 1);
        const beyond = await run(compiled, [
          ...["restore", file, "--data", join(cluster.directory, "no"), "--archive", archive],
          ...["--to-index", String(last + 1)],
        ]);
        assertEquals(beyond.code, 64);
        assertMatch(
          beyond.stderr,
          /the archive knows entries up to index \d+ to be committed, not up to \d+/,
        );

        const again = await Cluster.prepare([compiled]);
        try {
          const directory = join(again.directory, "n1");
          const args = ["restore", file, "--data", directory, "--archive", sources, "--to-time", moment];
          assertEquals((await run(compiled, args)).code, 0);
          again.launch("n1");
          const client = await again.clientWhenUp("n1");
          await again.leader();
          assertEquals(await client.send("EXISTS", "k149"), 1);
          assertEquals(await client.send("EXISTS", "k150"), 0);
          assertEquals(await client.send("SET", "k150", "another life"), "OK");
          client.close();
        } finally {
          await again.stop();
        }
      }),
  },
  {
    name: "without an archive that can be used it serves, says so, and catches up later",
    fn: () =>
      withArchive(async (cluster, archive) => {
        writeFileSync(archive, "in the way");
        const server = cluster.launch("n1");
        await write(cluster, 0, 200);
        await server.said(/warn cannot archive, and tries again .*archive/, 10_000);
        assert(
          readdirSync(join(cluster.directory, "n1", "log")).includes("log-0000000001.seg"),
          "it is kept",
        );
        rmSync(archive);
        await server.said(/the archive works again/, 20_000);
        await eventually(
          "the first segment is archived",
          10_000,
          () =>
            Promise.resolve(archivedSegments(archive).some((path) => path.endsWith("log-0000000001.seg"))),
        );
        await write(cluster, 200, 200);
        await eventually(
          "and let go of",
          10_000,
          () =>
            Promise.resolve(
              !readdirSync(join(cluster.directory, "n1", "log")).includes("log-0000000001.seg"),
            ),
        );
        const times = readdirSync(archive, { recursive: true, encoding: "utf8" }).find((name) =>
          name.includes("times-")
        );
        assertMatch(readFileSync(join(archive, times ?? ""), "utf8"), /^\{"at":"\d{4}-/);
      }),
  },
  {
    name: "what makes no sense is refused in one line",
    fn: async () => {
      const base = ["restore", "/nowhere/b.snap", "--data", "/nowhere/d"];
      const cases: readonly (readonly [readonly string[], RegExp])[] = [
        [["--to-index", "5"], /--to-index needs --archive/],
        [["--archive", "/a", "--to-index", "5", "--to-time", "2026-11-26T00:00:00Z"], /are both given/],
        [["--archive", "/a", "--to-time", "2026-11-26 00:00"], /must be like 2026-11-26T01:02:03Z/],
        [["--archive", "/a", "--to-time", "2026-11-26T00:00:00"], /must be like 2026-11-26T01:02:03Z/],
        [["--archive", "/a", "--to-time", "2026-13-26T00:00:00Z"], /must be like 2026-11-26T01:02:03Z/],
      ];
      for (const [args, message] of cases) {
        const { code, stderr } = await run(compiled, [...base, ...args]);
        assertEquals(code, 64, stderr);
        assertMatch(stderr, message);
      }
    },
  },
];

Deno.test({
  name: "the archive, and restores to a point in time",
  ignore: skipped !== null,
  ...unsanitized,
  fn: (t) => sideBySide(t, 3, steps),
});
