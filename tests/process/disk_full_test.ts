/**
 * Kind: chaos (real processes, on a small file system of their own).
 *
 * Invariant: a server whose disk is filled by others lives on: as a leader it gives the lead away, as a follower it follows, with every
 * disk full writes are refused with BUSY while reads and changes of members go on. It starts with no byte free. When the space is freed it
 * catches up and takes writes, without another start, and no acknowledged write is missing.
 *
 * Learnt: a file system of 64 MiB is full long before the last byte for whoever writes in large steps: the last bytes are filled one by one.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ErrorAnswer } from "./client.ts";
import { pause } from "./cluster.ts";
import { Cluster, compiled, eventually, missingBinary } from "./harness.ts";
import { missingOn, Workload } from "./workload.ts";

const ARGS = ["--segment-bytes", "1048576"];
const REFUSED = /disk full: writes are refused until there is space/;
const FREED = /the disk has space again: writes are taken/;

function command(name: string, ...args: readonly string[]): string | null {
  const { success, stderr } = new Deno.Command(name, { args: [...args], stderr: "piped" }).outputSync();
  return success ? null : new TextDecoder().decode(stderr).trim();
}

/** A small file system at that place, or why there cannot be one. */
function mount(directory: string): string | null {
  mkdirSync(directory, { recursive: true });
  try {
    return command("mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "raftline-test", directory);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function cannotMount(): string | null {
  const directory = Deno.makeTempDirSync({ prefix: "raftline-mount-" });
  const why = mount(directory);
  if (why === null) command("umount", directory);
  rmSync(directory, { recursive: true });
  return why;
}

const skipped = missingBinary() ?? cannotMount();
if (skipped !== null) console.log(`skipped: tests/process/disk_full_test.ts: ${skipped}`);

/** Writes a file until there is no space for a single byte. */
function fill(directory: string): void {
  const file = openSync(join(directory, "somebody-elses"), "a");
  try {
    for (const step of [1024 * 1024, 4096, 1]) {
      const bytes = new Uint8Array(step);
      try {
        while (writeSync(file, bytes) > 0);
      } catch (error) {
        assert(/ENOSPC|No space left/.test(String(error)), String(error));
      }
    }
  } finally {
    closeSync(file);
  }
}

function free(directory: string): void {
  rmSync(join(directory, "somebody-elses"));
}

/** A cluster of three, of which some have a small file system. */
async function onSmallDisks(
  small: readonly string[],
  body: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = await Cluster.prepare([compiled, compiled, compiled]);
  cluster.moreArgs = () => ARGS;
  try {
    for (const id of small) assertEquals(mount(cluster.dataDirectory(id)), null);
    for (const { id } of cluster.plans) cluster.launch(id);
    await cluster.leader();
    await body(cluster);
  } catch (cause) {
    const said = [...cluster.running].map(([id, { stderr }]) => `--- ${id}\n${stderr.slice(-3000)}`);
    throw new Error(`the servers said:\n${said.join("\n")}`, { cause });
  } finally {
    await cluster.killAll();
    for (const id of small) command("umount", cluster.dataDirectory(id));
    await cluster.stop();
  }
}

async function ask(cluster: Cluster, id: string, ...words: string[]): Promise<string> {
  const client = await cluster.clientWhenUp(id);
  try {
    const answer = await client.within(10_000, client.send(...words));
    return answer instanceof ErrorAnswer ? answer.text : String(answer);
  } finally {
    client.close();
  }
}

async function appliedOn(cluster: Cluster, id: string): Promise<number> {
  return Number((await cluster.infos()).get(id)?.get("raft_applied_index") ?? -1);
}

Deno.test({
  name: "one disk of three is filled under load, through a start, and freed",
  ignore: skipped !== null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    onSmallDisks(["n1"], async (cluster) => {
      const directory = cluster.dataDirectory("n1");
      await eventually("n1 leads", 20_000, async () => {
        await ask(cluster, "n2", "RAFT", "TRANSFER", "n1");
        return await cluster.leader() === "n1";
      });
      const workload = new Workload(cluster, ["n1", "n2", "n3"], 4, "full");
      await pause(500);
      const first = cluster.running.get("n1");
      assert(first !== undefined);
      fill(directory);
      await first.said(REFUSED, 10_000);
      const leader = await cluster.leader(["n1"]);
      const before = workload.written.acknowledged.size;
      // More than finds room on the full disk.
      for (let i = 0; i < 40; i++) {
        // It may win again before it gives the lead away again.
        await eventually("a write is taken", 30_000, async () =>
          await ask(cluster, leader, "SET", `large:${i}`, "x".repeat(100_000)) === "OK");
      }
      assertGreater(workload.written.acknowledged.size, before);
      assertEquals(first.isOver, false);
      const applied = await appliedOn(cluster, "n1");
      assertGreater(await appliedOn(cluster, leader), applied);

      first.signal("SIGKILL");
      await first.ended;
      // What it gave back when it died is taken, too.
      fill(directory);
      const second = cluster.launch("n1");
      await second.said(REFUSED, 10_000);
      await eventually("n1 hands writes on", 30_000, async () =>
        await ask(cluster, "n1", "SET", "through-n1", "1") === "OK");
      await eventually("n1 hands reads on", 30_000, async () =>
        (await ask(cluster, "n1", "GET", "large:3")).length === 100_000);
      fill(directory);
      await pause(1500);
      assertEquals(second.isOver, false);

      free(directory);
      await second.said(FREED, 10_000);
      const goal = await appliedOn(cluster, leader);
      await eventually("n1 has caught up", 20_000, async () =>
        await appliedOn(cluster, "n1") >= goal);
      const written = await workload.stop();
      assertGreater(written.acknowledged.size, 100);
      for (const id of ["n1", "n2", "n3"]) {
        assertEquals(await missingOn(cluster, id, written), []);
      }
      assertEquals(second.isOver, false);
    }),
});

Deno.test({
  name:
    "with every disk full writes are refused, reads and changes of members go on, and all is well when there is space",
  ignore: skipped !== null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    onSmallDisks(["n1", "n2", "n3"], async (cluster) => {
      const ids = cluster.plans.map(({ id }) => id);
      assertEquals(await ask(cluster, "n2", "SET", "before", "1"), "OK");
      for (const id of ids) fill(cluster.dataDirectory(id));
      await Promise.all(ids.map((id) => cluster.running.get(id)?.said(REFUSED, 10_000)));
      for (const id of ids) {
        await eventually(`${id} passes the refusal on`, 10_000, async () =>
          (await ask(cluster, id, "SET", "meanwhile", id)).startsWith("BUSY disk full"));
      }
      // The lead may have gone round meanwhile.
      await eventually("reads go on", 10_000, async () =>
        await ask(cluster, "n3", "GET", "before") === "1");
      let demoted = "";
      await eventually("members change", 20_000, async () => {
        const leader = await cluster.leader();
        demoted = ids.find((id) =>
          id !== leader
        ) ?? "";
        return (await ask(cluster, leader, "RAFT", "DEMOTE", demoted)).startsWith("OK");
      });
      const configuration = await ask(cluster, demoted, "RAFT", "CONFIG");
      assert(configuration.includes(demoted), configuration);
      for (const id of ids) free(cluster.dataDirectory(id));
      await Promise.all(ids.map((id) => cluster.running.get(id)?.said(FREED, 10_000)));
      await eventually("writes are taken", 10_000, async () =>
        await ask(cluster, "n1", "SET", "after", "1") === "OK");
      for (const id of ids) {
        assertEquals(await ask(cluster, id, "MGET", "before", "meanwhile", "after"), "1,,1");
        assertEquals(cluster.running.get(id)?.isOver, false);
      }
    }),
});
