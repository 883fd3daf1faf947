/**
 * Kind: chaos (real processes).
 *
 * Invariant: a server of three whose log or snapshots were damaged while it was down starts again, says in one line what it lost, gets it
 * from the others under load, and is as good as before: with another one down, it and the third serve every acknowledged write.
 *
 * Learnt: a newest segment that was made a moment before the kill holds nothing that was promised; to lose it is no loss, and nobody says so.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onCluster, pause } from "./cluster.ts";
import { type Cluster, compiled, eventually, missingBinary } from "./harness.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";
import { missingOn, Workload } from "./workload.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/repair_test.ts: ${skipped}`);

const HEADER_BYTES = 4096;
const SMALL = ["--segment-bytes", "16384"];

function filesIn(directory: string, ending: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith(ending)).sort().map((name) =>
    join(directory, name)
  );
}

/** Changes bytes of a batch in the middle of a segment, which is not its last one; tells whether there is such a batch. */
function rot(path: string): boolean {
  const bytes = readFileSync(path);
  const batches: number[] = [];
  for (let at = bytes.indexOf("RLB1", HEADER_BYTES); at >= 0; at = bytes.indexOf("RLB1", at + 4)) {
    batches.push(at);
  }
  const middle = batches[Math.floor((batches.length - 1) / 2)];
  if (middle === undefined || batches.length < 2) return false;
  bytes.fill(0xa5, middle + 41, middle + 45);
  writeFileSync(path, bytes);
  return true;
}

interface Damage {
  readonly what: string;
  readonly how: "SIGTERM" | "SIGKILL";
  /** Snapshots are taken, and the log behind them goes. */
  readonly snapshots?: boolean;
  do(data: string): void;
}

const DAMAGES: readonly Damage[] = [
  {
    what: "bytes in the middle of its newest segment are flipped",
    how: "SIGKILL",
    do: (data) => assert(filesIn(join(data, "log"), ".seg").reverse().some(rot)),
  },
  {
    what: "bytes in the middle of its oldest segment are flipped",
    how: "SIGTERM",
    do: (data) => assert(filesIn(join(data, "log"), ".seg").some(rot)),
  },
  {
    what: "its newest segment is gone",
    how: "SIGKILL",
    do: (data) => {
      // One that was only just made, and in which nothing was written, is no loss.
      for (const path of filesIn(join(data, "log"), ".seg").reverse()) {
        const isUsed = readFileSync(path).includes("RLB1");
        rmSync(path);
        if (isUsed) return;
      }
    },
  },
  {
    what: "its log directory is gone",
    how: "SIGTERM",
    do: (data) => rmSync(join(data, "log"), { recursive: true }),
  },
  {
    what: "two of its segments changed places",
    how: "SIGTERM",
    do: (data) => {
      const [first = "", second = ""] = filesIn(join(data, "log"), ".seg");
      renameSync(first, `${first}.other`);
      renameSync(second, first);
      renameSync(`${first}.other`, second);
    },
  },
  {
    what: "its snapshots are rotten and what they cover is gone from its log",
    how: "SIGKILL",
    snapshots: true,
    do: (data) => {
      const snapshots = filesIn(join(data, "snapshots"), ".snap");
      assertGreater(snapshots.length, 0);
      for (const path of snapshots) {
        const bytes = readFileSync(path);
        bytes.fill(0xa5, bytes.length / 2, bytes.length / 2 + 16);
        writeFileSync(path, bytes);
      }
    },
  },
];

async function commitOf(cluster: Cluster, id: string): Promise<number> {
  return Number((await cluster.infos()).get(id)?.get("raft_applied_index") ?? -1);
}

const steps: readonly Step[] = DAMAGES.map(({ what, how, snapshots = false, do: damage }) => ({
  name: `${what}: it repairs itself, and the cluster can do without another one`,
  fn: () =>
    onCluster([compiled, compiled, compiled], async (cluster) => {
      const leader = await cluster.leader();
      const [hurt = "", other = ""] = cluster.plans.map(({ id }) => id).filter((id) => id !== leader);
      const workload = new Workload(cluster, cluster.plans.map(({ id }) => id), 2, "repair");
      await eventually("the log has some segments", 30_000, () => {
        const segments = filesIn(join(cluster.dataDirectory(hurt), "log"), ".seg");
        const whole = !snapshots ||
          filesIn(join(cluster.dataDirectory(hurt), "snapshots"), ".snap").length >= 2;
        // Its beginning goes from the log a moment after there are two snapshots.
        const isCut = !segments.some((path) => path.endsWith("log-0000000001.seg"));
        return Promise.resolve(whole && (snapshots ? isCut : segments.length >= 3));
      });
      const process = cluster.running.get(hurt);
      assert(process !== undefined);
      process.signal(how);
      await process.ended;
      damage(cluster.dataDirectory(hurt));
      await pause(300);
      const again = cluster.launch(hurt);
      await again.said(/a part of the log is lost, and will be fetched from the other servers/, 10_000);
      await again.said(/the log is repaired/, 20_000);
      await pause(300);
      // With another one down there is no majority without it.
      await cluster.running.get(leader)?.kill();
      const next = await cluster.leader([leader]);
      await pause(300);
      const written = await workload.stop();
      assertGreater(written.acknowledged.size, 50);
      for (const id of [hurt, other]) {
        assertEquals(await missingOn(cluster, id, written), [], `${next} leads`);
      }
      assertGreater(await commitOf(cluster, hurt), 0);
    }, { moreArgs: ["--segment-bytes", "16384", ...(snapshots ? ["--snapshot-entries", "100"] : [])] }),
}));

/** Changes bytes in the middle of the middle one of a server's segments, at one of so many places. */
function rotInTheMiddle(data: string, place: number, places: number): void {
  const used = filesIn(join(data, "log"), ".seg").filter((path) => readFileSync(path).includes("RLB1"));
  const path = used.slice(Math.floor(used.length * (place + 0.5) / places)).find(rot);
  assert(path !== undefined, "There is a batch to change");
}

async function stopAll(cluster: Cluster): Promise<void> {
  for (const process of cluster.running.values()) {
    process.signal("SIGTERM");
    await process.ended;
  }
}

const helical: Step = {
  name: "all three are damaged, each in another place: they fill each other's holes, and nothing is lost",
  fn: () =>
    onCluster([compiled, compiled, compiled], async (cluster) => {
      const ids = cluster.plans.map(({ id }) => id);
      const workload = new Workload(cluster, ids, 2, "helical");
      await eventually("the logs have some segments", 30_000, () =>
        Promise.resolve(ids.every((id) =>
          filesIn(join(cluster.dataDirectory(id), "log"), ".seg").length >= 10
        )));
      const written = await workload.stop();
      // What was written last is on all of them, since everybody is there.
      await pause(500);
      await stopAll(cluster);
      for (const [place, id] of ids.entries()) {
        rotInTheMiddle(cluster.dataDirectory(id), place, ids.length);
      }
      const started = ids.map((id) =>
        cluster.launch(id)
      );
      for (const process of started) {
        await process.said(/a part of the log is lost, and will be fetched from the other servers/, 10_000);
      }
      await cluster.leader([], 30_000);
      for (const process of started) {
        await process.said(/the log is repaired/, 20_000);
      }
      assertGreater(written.acknowledged.size, 50);
      for (const id of ids) {
        assertEquals(await missingOn(cluster, id, written), [], id);
      }
    }, { moreArgs: ["--segment-bytes", "16384"] }),
};

const compacted: Step = {
  name:
    "all three are damaged, and of what one lost the others have only snapshots: two of them, before the third is back, lose nothing and go on",
  fn: () =>
    onCluster([compiled, compiled, compiled], async (cluster) => {
      const ids = cluster.plans.map(({ id }) => id);
      const [early = "", late = "", last = ""] = ids;
      const segments = (id: string) => filesIn(join(cluster.dataDirectory(id), "log"), ".seg");
      const started = async () => {
        await stopAll(cluster);
        for (const id of ids) cluster.launch(id);
        await cluster.leader();
      };
      // Snapshots on two of them, and what these cover is gone from their logs.
      cluster.moreArgs = (id) => [...SMALL, ...(id === early ? [] : ["--snapshot-entries", "100"])];
      await started();
      const workload = new Workload(cluster, ids, 2, "compacted");
      await eventually("the beginning of two logs is gone", 30_000, () =>
        Promise.resolve([late, last].every((id) =>
          !segments(id)[0]?.endsWith("log-0000000001.seg")
        )));
      const before = await workload.stop();
      // From here on nobody takes any: what follows is in all three logs.
      cluster.moreArgs = () => SMALL;
      await started();
      const begun = new Map(ids.map((id) => [id, segments(id).length]));
      const more = new Workload(cluster, ids, 2, "behind");
      await eventually("the logs have some more segments", 30_000, () =>
        Promise.resolve(ids.every((id) =>
          segments(id).length >= (begun.get(id) ?? 0) + 8
        )));
      const after = await more.stop();
      await pause(500);
      await stopAll(cluster);
      assert(rot(segments(early)[0] ?? ""));
      for (const [id, place] of [[late, 4], [last, 2]] as const) {
        assert(segments(id).slice((begun.get(id) ?? 0) + place).some(rot), id);
      }
      const [first, second] = [early, late].map((id) =>
        cluster.launch(id)
      );
      assert(first !== undefined && second !== undefined);
      for (const process of [first, second]) {
        await process.said(/a part of the log is lost, and will be fetched from the other servers/, 10_000);
      }
      await first.said(/goes on from a snapshot/, 30_000);
      await first.said(/the log is repaired/, 30_000);
      await cluster.leader([last], 30_000);
      await second.said(/the log is repaired/, 20_000);
      for (const id of [early, late]) {
        assertEquals(await missingOn(cluster, id, before), [], id);
        assertEquals(await missingOn(cluster, id, after), [], id);
      }
      const third = cluster.launch(last);
      await third.said(/the log is repaired/, 20_000);
      assertEquals(await missingOn(cluster, last, after), [], last);
      assertGreater(before.acknowledged.size + after.acknowledged.size, 100);
    }, { moreArgs: SMALL }),
};

const scrubbed: Step = {
  name:
    "bytes of a closed segment are flipped while it is up: a snapshot stands for it, and it serves on, and starts again with everything",
  fn: () =>
    onCluster([compiled, compiled, compiled], async (cluster) => {
      const hurt = await cluster.leader();
      const workload = new Workload(cluster, cluster.plans.map(({ id }) => id), 2, "scrub");
      const segments = () => filesIn(join(cluster.dataDirectory(hurt), "log"), ".seg");
      await eventually("the log has some segments", 30_000, () => Promise.resolve(segments().length >= 4));
      const process = cluster.running.get(hurt);
      assert(process !== undefined);
      const rotten = segments().slice(0, 2).find(rot);
      assert(rotten !== undefined);
      await process.said(/a part of the log is rotten: a snapshot stands for it from now on/, 20_000);
      await eventually("it is gone", 5000, () => Promise.resolve(!segments().includes(rotten)));
      const written = await workload.stop();
      await process.kill();
      await cluster.launch(hurt).said(/listening for clients/, 10_000);
      assertGreater(written.acknowledged.size, 50);
      assertEquals(await missingOn(cluster, hurt, written), []);
    }, { moreArgs: ["--segment-bytes", "16384", "--scrub-pause-ms", "500"] }),
};

const alone: Step = {
  name:
    "bytes of a closed segment of the only voter are flipped while it is up: a snapshot stands for it, and it starts again with everything",
  fn: () =>
    onCluster([compiled], async (cluster) => {
      const id = await cluster.leader();
      const workload = new Workload(cluster, [id], 2, "alone");
      const segments = () => filesIn(join(cluster.dataDirectory(id), "log"), ".seg");
      await eventually("the log has some segments", 30_000, () => Promise.resolve(segments().length >= 5));
      const written = await workload.stop();
      const rotten = segments().slice(1, 3).find(rot);
      assert(rotten !== undefined);
      const process = cluster.running.get(id);
      assert(process !== undefined);
      await process.said(/a part of the log is rotten: a snapshot stands for it from now on/, 20_000);
      await eventually("it is gone", 5000, () => Promise.resolve(!segments().includes(rotten)));
      await process.kill();
      cluster.launch(id);
      await cluster.leader();
      assertGreater(written.acknowledged.size, 20);
      assertEquals(await missingOn(cluster, id, written), []);
    }, { moreArgs: ["--segment-bytes", "16384", "--scrub-pause-ms", "500"] }),
};

const rottenSnapshot: Step = {
  name:
    "bytes of its newest snapshot are flipped while it is up: it finds them, puts the file aside and takes a new one",
  fn: () =>
    onCluster([compiled, compiled, compiled], async (cluster) => {
      const leader = await cluster.leader();
      const hurt = cluster.plans.map(({ id }) => id).find((id) => id !== leader) ?? "";
      const directory = join(cluster.dataDirectory(hurt), "snapshots");
      const workload = new Workload(cluster, cluster.plans.map(({ id }) => id), 2, "snapshot rot");
      await eventually("it has snapshots", 30_000, () =>
        Promise.resolve(filesIn(directory, ".snap").length >= 2));
      // Nobody writes any more, so that no newer one comes by itself.
      const written = await workload.stop();
      const newest = filesIn(directory, ".snap").at(-1) ?? "";
      const bytes = readFileSync(newest);
      bytes.fill(0xa5, bytes.length / 2, bytes.length / 2 + 16);
      writeFileSync(newest, bytes);
      const process = cluster.running.get(hurt);
      assert(process !== undefined);
      await process.said(/a snapshot is rotten/, 20_000);
      await eventually("it is put aside, and there is a new one", 10_000, () => {
        const aside = filesIn(directory, ".lost-1");
        return Promise.resolve(aside.length === 1 && filesIn(directory, ".snap").length >= 2);
      });
      assertEquals(readFileSync(`${newest}.lost-1`), bytes);
      await process.kill();
      cluster.launch(hurt);
      await cluster.clientWhenUp(hurt);
      assertEquals(await missingOn(cluster, hurt, written), []);
    }, { moreArgs: ["--snapshot-entries", "100", "--scrub-pause-ms", "500"] }),
};

Deno.test({
  name: "a server whose data was damaged repairs itself from the others",
  ignore: skipped !== null,
  ...unsanitized,
  fn: (t) => sideBySide(t, 2, [...steps, helical, compacted, scrubbed, alone, rottenSnapshot]),
});
