/**
 * Kind: integration (real processes).
 *
 * Invariant: after two of three servers are gone for good, the third one goes on alone with everything that it had, and grows to three
 * again; a server of the old cluster that comes back after all is refused by the new one, and changes nothing there.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Cluster, compiled, eventually, missingBinary, type Program, run } from "./harness.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/recover_test.ts: ${skipped}`);
const three: readonly Program[] = [compiled, compiled, compiled];

const clientOf = (cluster: Cluster, id: string) => `127.0.0.1:${cluster.plan(id).clientPort}`;
const peerOf = (cluster: Cluster, id: string) => `127.0.0.1:${cluster.plan(id).peerPort}`;
const WRITES = 120;

async function values(cluster: Cluster, id: string): Promise<number> {
  const client = await cluster.clientWhenUp(id);
  try {
    let found = 0;
    for (let i = 0; i < WRITES; i++) if (await client.send("GET", `k${i}`) === `v${i}`) found++;
    return found;
  } finally {
    client.close();
  }
}

Deno.test({
  name: "one of three goes on alone, grows again, and the old ones stay strangers",
  ignore: skipped !== null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const cluster = await Cluster.start(three);
    cluster.moreArgs = () => ["--snapshot-entries", "50"];
    try {
      const leader = await cluster.leader();
      const client = await cluster.client(leader);
      for (let i = 0; i < WRITES; i++) assertEquals(await client.send("SET", `k${i}`, `v${i}`), "OK");
      client.close();
      const directory = join(cluster.directory, "n1");
      const busy = await run(compiled, ["recover", directory]);
      assertEquals(busy.code, 73, busy.stderr);
      await eventually("n1 has everything", 10_000, async () => {
        const infos = await cluster.infos();
        const applied = [...infos.values()].map((info) => info.get("raft_applied_index"));
        return applied.length === 3 && applied.every((index) => index === applied[0]);
      });
      await cluster.killAll();
      rmSync(join(cluster.directory, "n3"), { recursive: true });

      const plan = await run(compiled, ["recover", directory]);
      assertEquals(plan.code, 0, plan.stderr);
      assertMatch(plan.stdout, /nothing was written\n$/);
      assertMatch(plan.stdout, /kept +everything up to index \d+: 120 keys/);
      const old = /server n1 of cluster ([0-9a-f]+),/.exec(plan.stdout)?.[1] ?? "";
      const done = await run(compiled, ["recover", directory, "--yes"]);
      assertEquals(done.code, 0, done.stderr);
      assertMatch(done.stdout, /is server n1 of the new cluster [0-9a-f]{16}, epoch 1/);

      // n1 alone; n2 comes back as it was, and is told who n1 is now.
      cluster.launch("n1");
      assertEquals(await cluster.leader(), "n1");
      assertEquals(await values(cluster, "n1"), WRITES);
      const stranger = cluster.launch("n2");
      const refusal = new RegExp(`server n2 is of cluster ${old}, this one is n1 of [0-9a-f]{16}`);
      await stranger.said(refusal, 10_000);
      await cluster.running.get("n1")?.said(refusal, 10_000);
      await stranger.kill();

      // Emptied, it is welcome, and so is n3.
      rmSync(join(cluster.directory, "n2"), { recursive: true });
      cluster.born = ["n1"];
      for (const id of ["n2", "n3"]) {
        cluster.launch(id);
        (await cluster.clientWhenUp(id)).close();
        const connect = ["--connect", clientOf(cluster, "n1")];
        const added = await run(compiled, ["add", id, peerOf(cluster, id), ...connect]);
        assertEquals(added.code, 0, added.stderr);
      }
      await cluster.running.get("n1")?.kill();
      assertEquals(await values(cluster, await cluster.leader(["n1"])), WRITES);
    } catch (cause) {
      const logs = [...cluster.running].map(([id, { stderr }]) => `--- ${id}\n${stderr.slice(-2500)}`).join(
        "\n",
      );
      throw new Error(`the servers said:\n${logs}`, { cause });
    } finally {
      await cluster.stop();
    }
  },
});
