/**
 * Kind: integration (real processes).
 *
 * Invariant: a backup of a living cluster has every write that was acknowledged before it began, whichever server gives it, and writes go on
 * meanwhile; restored, it is a new cluster, which serves what the backup has and takes writes, and to which the servers of the old one
 * and their data are strangers.
 *
 * Learnt: keys that are written once, in order, tell which of them a backup must have and that it has no gap.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertMatch } from "@std/assert";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ErrorAnswer } from "./client.ts";
import { Cluster, compiled, eventually, missingBinary, type Program, run } from "./harness.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/backup_test.ts: ${skipped}`);
const three: readonly Program[] = [compiled, compiled, compiled];

const clientOf = (cluster: Cluster, id: string) => `127.0.0.1:${cluster.plan(id).clientPort}`;
const peerOf = (cluster: Cluster, id: string) => `127.0.0.1:${cluster.plan(id).peerPort}`;

/** Writes `k0`, `k1`, ... one after another, until it is told to stop. */
class Counting {
  acknowledged = 0;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(cluster: Cluster, id: string) {
    this.#done = this.#write(cluster, id);
  }

  async #write(cluster: Cluster, id: string): Promise<void> {
    const client = await cluster.client(id);
    try {
      while (!this.#isOver) {
        const i = this.acknowledged;
        assertEquals(await client.send("SET", `k${i}`, `value ${i} ${"-".repeat(2000)}`), "OK");
        this.acknowledged++;
      }
    } finally {
      client.close();
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }
}

async function withCluster(
  programs: readonly Program[],
  body: (cluster: Cluster, leader: string) => Promise<void>,
): Promise<void> {
  const cluster = await Cluster.prepare(programs);
  cluster.moreArgs = () => ["--snapshot-entries", "300", "--segment-bytes", "131072"];
  try {
    for (const { id } of cluster.plans) cluster.launch(id);
    await body(cluster, await cluster.leader());
  } catch (cause) {
    const logs = [...cluster.running].map(([id, { stderr }]) => `--- ${id}\n${stderr.slice(-2000)}`).join(
      "\n",
    );
    throw new Error(`the servers said:\n${logs}`, { cause });
  } finally {
    await cluster.stop();
  }
}

/** Restores a backup into the directories of a cluster that was not started yet. */
async function restoreInto(cluster: Cluster, backup: string, ids: readonly string[]): Promise<void> {
  const members = ids.map((id) => `${id}=${peerOf(cluster, id)}`).join(",");
  let clusterId: string | null = null;
  for (const id of ids) {
    const shared: readonly string[] = clusterId === null ? [] : ["--cluster-id", clusterId];
    const { code, stdout, stderr } = await run(compiled, [
      "restore",
      backup,
      ...["--data", join(cluster.directory, id), "--id", id, "--cluster", members, ...shared],
    ]);
    assertEquals(code, 0, stderr);
    clusterId ??= /of the new cluster ([0-9a-f]{16}): /.exec(stdout)?.[1] ?? null;
  }
}

/** How many of the keys `k0`, `k1`, ... are there without a gap, and how many keys there are at all. */
async function counted(cluster: Cluster, id: string): Promise<readonly [number, number]> {
  const client = await cluster.clientWhenUp(id);
  try {
    const size = Number(await client.send("DBSIZE"));
    let i = 0;
    while (i < size && await client.send("EXISTS", `k${i}`) === 1) i++;
    return [i, size];
  } finally {
    client.close();
  }
}

const steps: readonly Step[] = [
  {
    name: "from each server under load, and restored into a new cluster of three",
    fn: () =>
      withCluster(three, async (cluster, leader) => {
        const counting = new Counting(cluster, leader);
        const backups: { readonly file: string; readonly atLeast: number }[] = [];
        try {
          for (const { id } of cluster.plans) {
            const file = join(cluster.directory, `${id}.snap`);
            await eventually("some writes are there", 10_000, () =>
              Promise.resolve(counting.acknowledged > 50));
            const atLeast = counting.acknowledged;
            const { code, stderr } = await run(compiled, [
              "backup",
              file,
              "--connect",
              clientOf(cluster, id),
            ]);
            assertEquals(code, 0, stderr);
            assertMatch(stderr, /^backup of cluster [0-9a-f]+ at index \d+, term \d+: \d+ bytes/);
            assertGreaterOrEqual(counting.acknowledged, atLeast, "writes went on");
            backups.push({ file, atLeast });
          }
        } finally {
          await counting.stop();
        }
        assertEquals(
          readdirSync(cluster.directory).filter((name) =>
            name.endsWith(".tmp")
          ),
          [],
        );
        const last = backups.at(-1);
        assert(last !== undefined);
        await withNewCluster(three, async (restored) => {
          await restoreInto(restored, last.file, ["n1", "n2", "n3"]);
          for (const { id } of restored.plans) restored.launch(id);
          const newLeader = await restored.leader();
          const [row, size] = await counted(restored, newLeader);
          assertEquals(row, size, "there is no gap");
          assertGreaterOrEqual(size, last.atLeast);
          const client = await restored.client(newLeader);
          assertEquals(await client.send("SET", "new", "life"), "OK");
          client.close();
          // All three hold it: the write is on a majority with any one of them gone.
          restored.running.get(newLeader)?.signal("SIGKILL");
          assertEquals((await counted(restored, await restored.leader([newLeader])))[1], size + 1);
        });
        for (const { file, atLeast } of backups) {
          const { code, stdout } = await run(compiled, ["snapshot", "inspect", file]);
          assertEquals(code, 0);
          assertGreaterOrEqual(Number(/, (\d+) keys, /.exec(stdout)?.[1]), atLeast);
        }
      }),
  },
  {
    name: "one server restored, others added; the old ones are strangers, with their data and without",
    fn: () =>
      withCluster(three, async (cluster, leader) => {
        const client = await cluster.client(leader);
        assertEquals(await client.send("SET", "a", "old"), "OK");
        const { code, stdout, stderr } = await run(compiled, [
          "backup",
          "-",
          "--connect",
          clientOf(cluster, leader),
        ]);
        assertEquals([code, stdout.slice(0, 8)], [0, "raftsnap"], stderr);
        const file = join(cluster.directory, "backup.snap");
        assertEquals((await run(compiled, ["backup", file, "--connect", clientOf(cluster, leader)])).code, 0);
        assertEquals(await client.send("SET", "a", "newer, and not in the backup"), "OK");
        client.close();
        await withNewCluster(three, async (restored) => {
          await restoreInto(restored, file, ["n1"]);
          restored.born = ["n1"];
          restored.launch("n1");
          restored.launch("n2");
          await restored.leader();
          // It waits for a cluster to join, and then it listens.
          (await restored.clientWhenUp("n2")).close();
          const added = await run(compiled, [
            "add",
            "n2",
            peerOf(restored, "n2"),
            ...["--connect", clientOf(restored, "n1")],
          ]);
          assertEquals(added.code, 0, added.stderr);
          const asked = await restored.client("n2");
          assertEquals(await asked.send("GET", "a"), "old");
          asked.close();
          const stranger = await run(compiled, [
            "add",
            "n3",
            peerOf(cluster, "n3"),
            ...["--connect", clientOf(restored, "n1")],
          ]);
          assertEquals(stranger.code, 1);
          assertMatch(
            stranger.stderr,
            /cannot reach n3 at .*: server n1 is of cluster [0-9a-f]+, this one is n3 of [0-9a-f]+/,
          );
        });
      }),
  },
  {
    name: "without a quorum there is none, but a stale one",
    fn: () =>
      withCluster(three, async (cluster, leader) => {
        const client = await cluster.client(leader);
        assertEquals(await client.send("SET", "a", "1"), "OK");
        client.close();
        const [first = "", second = ""] = cluster.plans.map(({ id }) => id).filter((id) => id !== leader);
        await Promise.all([first, second].map((id) => cluster.running.get(id)?.kill()));
        const file = join(cluster.directory, "backup.snap");
        const from = ["--connect", clientOf(cluster, leader)];
        const refused = await run(compiled, ["backup", file, ...from], 60_000);
        assertEquals(refused.code, 69);
        assertMatch(refused.stderr, /no backup: .*--stale takes what this server has\n$/);
        assert(!existsSync(file));
        const { code, stderr } = await run(compiled, ["backup", file, "--stale", ...from]);
        assertEquals(code, 0, stderr);
      }),
  },
  {
    name: "what cannot be backed up or restored is refused in one line, and nothing is written",
    fn: () =>
      withCluster([compiled], async (cluster) => {
        const client = await cluster.client("n1");
        const answer = await client.send("RAFT", "BACKUP", "PIECE", "1", "1", "99", "1", "0", "99");
        assert(answer instanceof ErrorAnswer && answer.text.startsWith("ERR "));
        client.close();
        const file = join(cluster.directory, "backup.snap");
        const from = ["--connect", clientOf(cluster, "n1")];
        assertEquals((await run(compiled, ["backup", file, ...from])).code, 0);
        const damaged = join(cluster.directory, "damaged.snap");
        const bytes = readFileSync(file);
        bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1;
        writeFileSync(damaged, bytes);
        const full = join(cluster.directory, "n1");
        const fresh = join(cluster.directory, "fresh");
        const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
          [["backup", file, ...from], 78, /is there already; --force replaces it/],
          [["backup", "/nowhere/b.snap", ...from], 64, /there is no directory \/nowhere/],
          [["restore", damaged, "--data", fresh], 65, /is damaged at offset \d+/],
          [["restore", file, "--data", full], 78, /is not empty/],
          [["restore", file], 64, /--data lacks/],
          [["restore", "/nowhere", "--data", fresh], 64, /there is no \/nowhere/],
          [
            ["restore", file, "--data", fresh, "--id", "n9", "--cluster", "n1=a:1"],
            78,
            /does not name --id n9/,
          ],
          [["restore", file, "--data", fresh, "--cluster-id", "0123456789abcdef"], 69, /another state/],
        ];
        for (const [args, expected, message] of cases) {
          const { code, stdout, stderr } = await run(compiled, args);
          assertEquals([code, stdout], [expected, ""], `${args.join(" ")}: ${stderr}`);
          assertMatch(stderr, message);
          assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
        }
        assert(!existsSync(join(fresh, "identity")));
      }),
  },
];

/** A cluster that is prepared and not started, ended behind the body. */
async function withNewCluster(
  programs: readonly Program[],
  body: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = await Cluster.prepare(programs);
  try {
    await body(cluster);
  } catch (cause) {
    const logs = [...cluster.running].map(([id, { stderr }]) => `--- new ${id}\n${stderr.slice(-2000)}`);
    throw new Error(`the new servers said:\n${logs.join("\n")}`, { cause });
  } finally {
    await cluster.stop();
  }
}

Deno.test({
  name: "backup and restore",
  ignore: skipped !== null,
  ...unsanitized,
  fn: (t) => sideBySide(t, 2, steps),
});
