/**
 * Kind: chaos (real processes).
 *
 * Invariant: no acknowledged write is lost when servers are killed, and no read is stale when a paused leader wakes up: P1, P2 and O14 of
 * the fault model, on the compiled binary, and on a cluster that mixes it with the source on Deno.
 *
 * Learnt: see the ledger in TODO.md.
 */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { onCluster, pause } from "./cluster.ts";
import {
  compiled,
  electionTimeoutMaxMs,
  eventually,
  fromSource,
  missingBinary,
  type Program,
} from "./harness.ts";
import { missingOn, Workload } from "./workload.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/failover_test.ts: ${skipped}`);
const ignore = skipped !== null;
const three: readonly Program[] = [compiled, compiled, compiled];

Deno.test({
  name:
    "kill -9 of the leader under load: writes go on in time and nothing acknowledged is missing on any server",
  ignore,
  fn: () =>
    onCluster(three, async (cluster) => {
      const leader = await cluster.leader();
      const others = cluster.plans.map(({ id }) => id).filter((id) => id !== leader);
      const workload = new Workload(cluster, others, 8, "kill");
      await pause(1000);
      const killedAt = performance.now();
      await cluster.running.get(leader)?.kill();
      await eventually("writes go on", 20_000, () =>
        Promise.resolve(workload.written.at.some((at) =>
          at > killedAt + 50
        )));
      await pause(1000);
      const written = await workload.stop();
      const before = written.at.filter((at) => at <= killedAt + 20).length;
      const first = Math.min(...written.at.filter((at) => at > killedAt + 20));
      assert(before > 100, `only ${before} writes before the kill`);
      console.log(
        `    writes again ${
          (first - killedAt).toFixed(0)
        } ms after the kill; ${written.acknowledged.size} acknowledged`,
      );
      assertLessOrEqual(first - killedAt, 2 * electionTimeoutMaxMs);
      cluster.launch(leader);
      for (const { id } of cluster.plans) assertEquals(await missingOn(cluster, id, written), []);
    }),
});

Deno.test({
  name: "kill -9 of all three: everything acknowledged is there when they start again",
  ignore,
  fn: () =>
    onCluster(three, async (cluster) => {
      const ids = cluster.plans.map(({ id }) => id);
      const workload = new Workload(cluster, ids, 8, "all");
      await pause(1500);
      await cluster.killAll();
      const written = await workload.stop();
      assert(written.acknowledged.size > 100, `only ${written.acknowledged.size} writes`);
      for (const id of ids) cluster.launch(id);
      await cluster.leader();
      for (const id of ids) assertEquals(await missingOn(cluster, id, written), []);
    }),
});

Deno.test({
  name: "a leader that was stopped and wakes up serves no stale read",
  ignore,
  fn: () =>
    onCluster(three, async (cluster) => {
      for (let round = 0; round < 3; round++) {
        const old = await cluster.leader();
        const atOld = await cluster.client(old);
        const key = `paused:${round}`;
        assertEquals(await atOld.send("SET", key, "before"), "OK");
        cluster.running.get(old)?.signal("SIGSTOP");
        const leader = await cluster.leader([old]);
        const atNew = await cluster.client(leader);
        await eventually("the new leader takes a write", 10_000, async () =>
          await atNew.send("SET", key, "after") === "OK");
        // The reads are in the old leader's socket before it wakes, so they are the first thing it sees.
        const reads = [atOld.send("GET", key), atOld.send("GET", key)];
        cluster.running.get(old)?.signal("SIGCONT");
        for (const answer of await Promise.all(reads)) {
          assert(answer !== "before", "a stale read was served");
        }
        await eventually("the old leader serves the new value", 10_000, async () =>
          await atOld.send("GET", key) === "after");
        atOld.close();
        atNew.close();
      }
    }),
});

Deno.test({
  name: "two servers of the compiled binary and one from source on Deno replicate and fail over together",
  ignore,
  fn: () =>
    onCluster([compiled, compiled, fromSource], async (cluster) => {
      const ids = cluster.plans.map(({ id }) => id);
      const workload = new Workload(cluster, ids, 4, "mixed");
      for (let round = 0; round < 3; round++) {
        await pause(700);
        const leader = await cluster.leader();
        await cluster.running.get(leader)?.kill();
        await cluster.leader([leader]);
        await pause(300);
        cluster.launch(leader);
      }
      await pause(500);
      const written = await workload.stop();
      assert(written.acknowledged.size > 100, `only ${written.acknowledged.size} writes`);
      for (const id of ids) assertEquals(await missingOn(cluster, id, written), []);
      await eventually("all servers apply the same", 10_000, async () => {
        const infos = await cluster.infos();
        const applied = new Set([...infos.values()].map((info) => info.get("raft_applied_index")));
        return infos.size === 3 && applied.size === 1;
      });
    }),
});
