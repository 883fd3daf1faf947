/**
 * Kind: integration (real processes).
 *
 * Invariant: a cluster that was put together wrongly says so on both sides and harms nobody: who belongs elsewhere is refused by who it is, not by where
 * it is (rows O1, O5, O7 of the fault model); and after a power loss of all, servers may come back in any order (O14). ROWS.md says which
 * test each row is.
 *
 * Learnt: a refusal is told by the side that refuses and by the side that is refused, each in its own log, and each once.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ErrorAnswer } from "./client.ts";
import { Cluster, compiled, eventually, missingBinary, parseInfo, type Program } from "./harness.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";
import { missingOn, Workload } from "./workload.ts";
import { pause } from "./cluster.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/operator_rows_test.ts: ${skipped}`);
const three: readonly Program[] = [compiled, compiled, compiled];

const peerOf = (cluster: Cluster, id: string) => `127.0.0.1:${cluster.plan(id).peerPort}`;
const said = (cluster: Cluster, id: string) => cluster.running.get(id)?.stderr ?? "";

/** A cluster whose servers are started with further arguments, by id. */
async function onClusterWith(
  args: (cluster: Cluster, id: string) => readonly string[],
  body: (cluster: Cluster) => Promise<void>,
  programs: readonly Program[] = three,
): Promise<void> {
  const cluster = await Cluster.prepare(programs);
  cluster.moreArgs = (id) => args(cluster, id);
  try {
    for (const { id } of cluster.plans) cluster.launch(id);
    await body(cluster);
  } catch (cause) {
    const logs = cluster.plans.map(({ id }) => `--- ${id}\n${said(cluster, id).slice(-3000)}`).join("\n");
    throw new Error(`the servers said:\n${logs}`, { cause });
  } finally {
    await cluster.stop();
  }
}

async function assertTakesWrites(cluster: Cluster, id: string): Promise<void> {
  await eventually(`${id} takes a write`, 10_000, async () => {
    const client = await cluster.client(id);
    try {
      return await client.within(2000, client.send("SET", "k", "v")) === "OK";
    } finally {
      client.close();
    }
  });
}

/** It is up, and neither writes nor reads. */
async function assertServesNothing(cluster: Cluster, id: string): Promise<void> {
  const client = await cluster.clientWhenUp(id);
  try {
    for (const words of [["SET", "k", "v"], ["GET", "k"]]) {
      const answer = await client.within(8000, client.send(...words));
      assertMatch(answer instanceof ErrorAnswer ? answer.text : `answered ${answer}`, /^NOLEADER /);
    }
  } finally {
    client.close();
  }
}

async function clusterIdOf(cluster: Cluster, id: string): Promise<string> {
  const client = await cluster.clientWhenUp(id);
  try {
    return parseInfo(await client.text("INFO", "raft")).get("raft_cluster_id") ?? "";
  } finally {
    client.close();
  }
}

const steps: readonly Step[] = [
  {
    name: "O7: a server that was given another list of members is refused, and both sides name both clusters",
    fn: () =>
      onClusterWith(
        () => ["--request-timeout-ms", "500"],
        async (cluster) => {
          await Promise.all(["n1", "n2"].map((id) => assertTakesWrites(cluster, id)));
          const [own, foreign] = [await clusterIdOf(cluster, "n1"), await clusterIdOf(cluster, "n3")];
          assert(own !== foreign, "the list of members makes the cluster");
          const both = new RegExp(
            `server n\\d is of cluster (${own}|${foreign}), this one is n\\d of (${own}|${foreign})`,
          );
          await eventually("both sides say so", 5000, () =>
            Promise.resolve(["n1", "n2", "n3"].every((id) =>
              both.test(said(cluster, id))
            )));
          assertMatch(said(cluster, "n3"), /refused by the other side: server n3 is of cluster/);
          await assertServesNothing(cluster, "n3");
          // Once for each peer and side, not at each of the many times that it is tried again.
          await pause(1000);
          const complaints = said(cluster, "n1").split("\n").filter((line) => line.includes("is of cluster"));
          assert(complaints.length <= 4, complaints.join("\n"));
        },
        [compiled, compiled, differentMembers],
      ),
  },
  {
    name:
      "O5: peer addresses that lead to oneself and to another server are refused by identity; put right, all is well",
    fn: async () => {
      let isWrong = true;
      await onClusterWith(
        (cluster, id) =>
          id === "n1" && isWrong
            ? [
              "--request-timeout-ms",
              "500",
              "--dial",
              `${peerOf(cluster, "n2")}=${peerOf(cluster, "n1")},${peerOf(cluster, "n3")}=${
                peerOf(cluster, "n2")
              }`,
            ]
            : [],
        async (cluster) => {
          await Promise.all(["n2", "n3"].map((id) => assertTakesWrites(cluster, id)));
          await eventually("it says whom it found", 5000, () =>
            Promise.resolve(
              /peer=n2 .*server n1 looks for n2, this one is n1/.test(said(cluster, "n1")) &&
                /peer=n3 .*server n1 looks for n3, this one is n2/.test(said(cluster, "n1")),
            ));
          await cluster.running.get("n1")?.kill();
          isWrong = false;
          cluster.launch("n1");
          await assertTakesWrites(cluster, "n1");
        },
      );
    },
  },
  {
    name: "O1, O5: a peer address that leads into another cluster is refused there and here",
    fn: async () => {
      const other = await Cluster.start(three);
      try {
        await onClusterWith(
          (cluster, id) =>
            id === "n1"
              ? [
                "--dial",
                `${peerOf(cluster, "n2")}=${peerOf(other, "n2")},${peerOf(cluster, "n3")}=${
                  peerOf(other, "n3")
                }`,
              ]
              : [],
          async (cluster) => {
            await Promise.all(["n2", "n3"].map((id) => assertTakesWrites(cluster, id)));
            const [own, foreign] = [await clusterIdOf(cluster, "n1"), await clusterIdOf(other, "n2")];
            const reason = new RegExp(`server n1 is of cluster ${own}, this one is n[23] of ${foreign}`);
            await eventually(
              "both sides say so",
              5000,
              () => Promise.resolve(reason.test(said(cluster, "n1")) && reason.test(said(other, "n2"))),
            );
            await assertTakesWrites(other, "n2");
          },
        );
      } finally {
        await other.stop();
      }
    },
  },
  {
    name:
      "O14: after a power loss of all, a minority serves nothing, and the servers may come back in any order",
    fn: () =>
      onClusterWith(() => ["--request-timeout-ms", "500"], async (cluster) => {
        const ids = cluster.plans.map(({ id }) => id);
        await cluster.leader();
        const workload = new Workload(cluster, ids, 4, "power");
        await pause(500);
        await cluster.killAll();
        const written = await workload.stop();
        for (const order of [["n3", "n1", "n2"], ["n2", "n3", "n1"]]) {
          const [first = "", second = "", third = ""] = order;
          cluster.launch(first);
          await assertServesNothing(cluster, first);
          cluster.launch(second);
          await assertTakesWrites(cluster, first);
          cluster.launch(third);
          for (const id of ids) assertEquals(await missingOn(cluster, id, written), []);
          await cluster.killAll();
        }
      }),
  },
];

/** The binary, told of one member more than the others know. */
const differentMembers: Program = {
  name: "compiled binary with another member",
  command: "sh",
  // Each argument that begins the list of members gets one more.
  args: [
    "-c",
    'n=$#; i=0; while [ $i -lt $n ]; do a=$1; shift; case "$a" in n1=*) a="$a,n9=127.0.0.1:1";; esac; set -- "$@" "$a"; i=$((i+1)); done; exec "$0" "$@"',
    compiled.command,
  ],
};

Deno.test({
  name: "rows of the fault model: operators",
  ignore: skipped !== null,
  ...unsanitized,
  fn: (test) => sideBySide(test, 2, steps),
});
