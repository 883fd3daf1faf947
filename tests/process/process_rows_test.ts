/**
 * Kind: chaos (real processes).
 *
 * Invariant: what rows P3, P8 and P9 of the fault model promise: the wall clock may jump by years and changes nothing; a server that is asked to stop
 * does so at once, and whoever waited is answered; a log that nobody reads, or that is closed, stops nothing. ROWS.md says which test
 * each row is.
 *
 * Learnt: see the notes at the tests.
 */
import { assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ErrorAnswer, TestClient } from "./client.ts";
import { onCluster, pause } from "./cluster.ts";
import { Cluster, compiled, eventually, missingBinary, type Program } from "./harness.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";
import { missingOn, Workload } from "./workload.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/process_rows_test.ts: ${skipped}`);
const three: readonly Program[] = [compiled, compiled, compiled];

const FAKETIME = ["x86_64", "aarch64"].map((machine) =>
  `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`
)
  .find((path) => existsSync(path));
if (FAKETIME === undefined) {
  console.log("skipped: P3: libfaketime is not installed (apt-get install faketime)");
}

async function termOf(cluster: Cluster): Promise<number> {
  return Math.max(...[...(await cluster.infos()).values()].map((info) => Number(info.get("raft_term"))));
}

/** Servers that are started by a line of shell, which becomes the server itself. */
function byShell(line: string): Program {
  return { name: line, command: "sh", args: ["-c", line, "sh", compiled.command] };
}

/** The cluster elects, takes writes through each server and survives its leader, with such servers. */
async function assertWorks(cluster: Cluster): Promise<void> {
  const workload = new Workload(cluster, cluster.plans.map(({ id }) => id), 2, "works");
  await pause(400);
  const leader = await cluster.leader();
  await cluster.running.get(leader)?.kill();
  await cluster.leader([leader]);
  await pause(400);
  cluster.launch(leader);
  const written = await workload.stop();
  assertGreater(written.acknowledged.size, 100);
  for (const { id } of cluster.plans) assertEquals(await missingOn(cluster, id, written), []);
}

const steps: readonly Step[] = [
  {
    name:
      "P3: the wall clock jumps by years, back and forth, on each server on its own: no term, no write is touched",
    ignore: FAKETIME === undefined,
    fn: async () => {
      const cluster = await Cluster.prepare(three);
      const file = (id: string) => join(cluster.directory, `${id}.time`);
      // The monotonic clock stays: that is the one that may be used.
      cluster.moreEnv = (id) => ({
        LD_PRELOAD: FAKETIME ?? "",
        FAKETIME_TIMESTAMP_FILE: file(id),
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      });
      try {
        for (const { id } of cluster.plans) {
          writeFileSync(file(id), "+0\n");
          cluster.launch(id);
        }
        await cluster.leader();
        const before = await termOf(cluster);
        const workload = new Workload(cluster, cluster.plans.map(({ id }) => id), 2, "clock");
        for (const jump of ["+3650d", "-3650d", "+1d", "-40d", "+0"]) {
          for (const { id } of cluster.plans) {
            writeFileSync(file(id), `${id === "n2" ? "+0" : jump}\n`);
            await pause(60);
          }
          await pause(200);
        }
        const written = await workload.stop();
        const said = [...cluster.running.values()].map(({ stderr }) => stderr).join("");
        assertGreater(written.acknowledged.size, 200);
        // A machine that stalls may cost a leader its place; a clock that counts would do so at each jump.
        assertLess(await termOf(cluster) - before, 2, said);
        for (const { id } of cluster.plans) assertEquals(await missingOn(cluster, id, written), []);
        // The jumps did reach the processes: a restart logs in another decade.
        writeFileSync(file("n1"), "+3650d\n");
        await cluster.running.get("n1")?.kill();
        const again = cluster.launch("n1");
        await again.said(/log is recovered/, 5000);
        const year = new Date().getFullYear() + 9;
        assertGreater(Number(again.stderr.slice(0, 4)), year - 1, again.stderr);
      } finally {
        await cluster.stop();
      }
    },
  },
  {
    name: "P8: a leader that is asked to stop under load ends with 0 at once, and loses nothing",
    fn: () =>
      onCluster(three, async (cluster) => {
        const leader = await cluster.leader();
        const workload = new Workload(cluster, cluster.plans.map(({ id }) => id), 4, "stop");
        await pause(500);
        const running = cluster.running.get(leader);
        const startedAt = performance.now();
        running?.signal("SIGTERM");
        assertEquals((await running?.ended)?.code, 0);
        const ms = performance.now() - startedAt;
        console.log(`    P8: ended ${ms.toFixed(0)} ms after SIGTERM`);
        assertLess(ms, 3000);
        await cluster.leader([leader]);
        await pause(300);
        cluster.launch(leader);
        const written = await workload.stop();
        assertGreater(written.acknowledged.size, 50);
        for (const { id } of cluster.plans) assertEquals(await missingOn(cluster, id, written), []);
      }),
  },
  {
    name: "P8: whoever waits at a server that is asked to stop is told what is known",
    fn: () =>
      onCluster(three, async (cluster) => {
        const leader = await cluster.leader();
        const clients: TestClient[] = [];
        for (let i = 0; i < 8; i++) clients.push(await cluster.client(leader));
        // Nothing can be committed from here on.
        for (const { id } of cluster.plans) if (id !== leader) cluster.running.get(id)?.signal("SIGSTOP");
        const waiting = clients.flatMap((client, i) =>
          Array.from({ length: 100 }, (_, k) =>
            client.send(...k % 2 === 0 ? ["SET", `w:${i}:${k}`, "v"] : ["GET", "k"]))
        );
        await eventually("the writes have arrived", 3000, async () => {
          const client = await cluster.client(leader);
          try {
            const list = await client.within(1000, client.text("CLIENT", "LIST"));
            return [...list.matchAll(/waiting=(\d+)/g)].reduce((sum, [, n]) =>
              sum + Number(n), 0) >= 400;
          } finally {
            client.close();
          }
        });
        const running = cluster.running.get(leader);
        running?.signal("SIGTERM");
        assertEquals((await running?.ended)?.code, 0);
        const told = (await Promise.all(waiting)).map((answer) =>
          answer instanceof ErrorAnswer ? answer.text : String(answer)
        );
        // A leader that lost its quorum before it read a write knows that the write did not happen.
        const refusal = /^NOLEADER .*did not happen/;
        for (const text of told.filter((_, i) => i % 2 === 1)) assertMatch(text, refusal);
        const writes = told.filter((_, i) => i % 2 === 0 && !refusal.test(told[i] ?? ""));
        assertGreater(writes.length, 0);
        for (const text of writes) assertMatch(text, /^UNKNOWN /);
        for (const client of clients) {
          client.close();
        }
      }),
  },
  {
    name: "P9: closed standard output and error stop nobody",
    fn: async () => {
      const program = byShell('exec "$@" >&- 2>&-');
      await onCluster([program, program, program], assertWorks);
    },
  },
  {
    name: "P9: a standard error that nobody reads, and that is full, blocks nobody",
    fn: async () => {
      const cluster = await Cluster.prepare([1, 2, 3].map((i) =>
        // A pipe holds 64 KiB; opened both ways it never ends and never waits for a reader.
        byShell(`exec 2<>"$RAFTLINE_TEST_DIRECTORY/err${i}"; head -c 65536 /dev/zero >&2; exec "$@"`)
      ));
      cluster.moreEnv = () => ({ RAFTLINE_TEST_DIRECTORY: cluster.directory });
      try {
        for (const [i, { id }] of cluster.plans.entries()) {
          const made = spawnSync("mkfifo", [join(cluster.directory, `err${i + 1}`)]);
          assertEquals(made.status, 0);
          cluster.launch(id);
        }
        await cluster.leader();
        await assertWorks(cluster);
      } finally {
        await cluster.stop();
      }
    },
  },
];

Deno.test({
  name: "rows of the fault model: processes",
  ignore: skipped !== null,
  ...unsanitized,
  fn: (test) => sideBySide(test, 2, steps),
});

Deno.test({
  name:
    "P7: a server that is killed again and again while it starts keeps its data, and changes nothing else",
  ignore: skipped !== null,
  fn: () =>
    onCluster(three, async (cluster) => {
      const workload = new Workload(cluster, ["n1", "n2"], 2, "loop");
      for (let round = 0; round < 12; round++) {
        const running = cluster.running.get("n3");
        await running?.kill();
        cluster.launch("n3");
        await pause(round * 9);
      }
      const written = await workload.stop();
      assertGreater(written.acknowledged.size, 20);
      await eventually("n3 takes part", 10_000, async () => (await cluster.infos()).has("n3"));
      for (const { id } of cluster.plans) assertEquals(await missingOn(cluster, id, written), []);
      // With one of the others gone, n3 has to have everything.
      await cluster.running.get("n1")?.kill();
      await cluster.leader(["n1"]);
      for (const id of ["n2", "n3"]) assertEquals(await missingOn(cluster, id, written), []);
    }),
});
