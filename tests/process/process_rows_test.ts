/**
 * Kind: chaos (real processes).
 *
 * Invariant: what rows P3 and P5 to P9 of the fault model promise: the wall clock may jump by years and changes nothing; memory is bounded where
 * nothing moves; what nobody catches stops the server before it can do harm; a server that is asked to stop
 * does so at once, and whoever waited is answered; a log that nobody reads, or that is closed, stops nothing. docs/faults.md says
 * which test each row is.
 *
 * Learnt: see the notes at the tests.
 */
import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ErrorAnswer, TestClient } from "./client.ts";
import { onCluster, pause } from "./cluster.ts";
import { vitalsOf } from "./chaos/vitals.ts";
import { Cluster, compiled, eventually, missingBinary, missingProgram, type Program } from "./harness.ts";
import { dial } from "./plain_sockets.ts";
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

/** A server that throws where nobody catches it, when it gets a signal. */
const throwing = new URL("./throwing_server.ts", import.meta.url).pathname;
const throwingOnDeno: Program = {
  name: "on Deno",
  command: process.execPath,
  args: ["run", "-A", "--no-check", throwing],
};
const throwingOnBun: Program = { name: "on Bun", command: "bun", args: ["run", throwing] };

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
        assertGreater(written.acknowledged.size, 10);
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
        assertGreater(written.acknowledged.size, 10);
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
  {
    name:
      "P5: where nothing can be committed, a flood of writes costs a bounded memory; killed as by lack of it, the server starts clean",
    fn: async () => {
      const cluster = await Cluster.prepare(three);
      // A leader takes its time to notice that nobody answers.
      cluster.profile = "wan";
      try {
        for (const { id } of cluster.plans) cluster.launch(id);
        const leader = await cluster.leader();
        const first = await cluster.client(leader);
        await eventually(
          "it takes writes",
          10_000,
          async () => await first.send("SET", "before", "v") === "OK",
        );
        first.close();
        for (const { id } of cluster.plans) if (id !== leader) cluster.running.get(id)?.signal("SIGSTOP");
        const { clientPort } = cluster.plan(leader);
        const ends = await Promise.all(Array.from({ length: 40 }, () => dial(clientPort)));
        const value = new Uint8Array(1_000_000).fill(120);
        // Six gigabytes are asked to be written at once; a third of that is far more than may wait, garbage included.
        for (const end of ends) {
          for (let k = 10; k < 160; k++) {
            end.write(`*3\r\n$3\r\nSET\r\n$8\r\nflood:${k}\r\n$${value.length}\r\n`);
            end.write(value);
            end.write("\r\n");
          }
        }
        let most = 0;
        for (let i = 0; i < 40; i++) {
          const pid = cluster.running.get(leader)?.child.pid ?? 0;
          most = Math.max(most, vitalsOf(pid)?.memoryBytes ?? 0);
          await pause(50);
        }
        console.log(`    P5: ${(most / 1e6).toFixed(0)} MB at most`);
        assertLess(most, 2_000_000_000);
        await cluster.running.get(leader)?.kill();
        for (const { socket } of ends) socket.destroy();
        for (const { id } of cluster.plans) if (id !== leader) cluster.running.get(id)?.signal("SIGCONT");
        cluster.launch(leader);
        const again = await cluster.clientWhenUp(leader);
        await eventually("it serves", 20_000, async () => await again.send("GET", "before") === "v");
        again.close();
      } finally {
        await cluster.stop();
      }
    },
  },
  ...["an exception", "a rejection"].flatMap((what) =>
    [throwingOnDeno, throwingOnBun].map((program): Step => ({
      name:
        `P6: ${what} that nobody catches stops a server with 70 and one line, ${program.name}; the others go on`,
      ignore: program === throwingOnBun && missingProgram("bun") !== null,
      fn: () =>
        onCluster([program, compiled, compiled], async (cluster) => {
          const workload = new Workload(cluster, ["n2", "n3"], 2, "throws");
          await eventually("n1 serves", 10_000, async () => (await cluster.infos()).has("n1"));
          await pause(300);
          const running = cluster.running.get("n1");
          process.kill(running?.child.pid ?? 0, what === "an exception" ? "SIGUSR2" : "SIGWINCH");
          const ended = await running?.ended;
          assertEquals([ended?.code, ended?.signal], [70, null], ended?.stderr.slice(-1000));
          const lines = (ended?.stderr ?? "").split("\n").filter((line) => line.startsWith("raftline: "));
          assertEquals(lines.length, 1);
          assertMatch(lines[0] ?? "", /^raftline: broken invariant: thrown by a test/);
          assert(!/^\s+at /m.test(ended?.stderr ?? ""), "no stack");
          await cluster.leader(["n1"]);
          await pause(300);
          cluster.launch("n1");
          const written = await workload.stop();
          assertGreater(written.acknowledged.size, 5);
          await eventually("there is a leader again", 10_000, async () =>
            (await missingOn(cluster, "n1", written)).length === 0);
          for (const { id } of cluster.plans) {
            assertEquals(await missingOn(cluster, id, written), []);
          }
        }),
    }))
  ),
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
