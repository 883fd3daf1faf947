/**
 * Kind: integration (real processes).
 *
 * Invariant: a cluster that was put together wrongly says so on both sides and harms nobody: who belongs elsewhere is refused by who it is, not by where
 * it is (rows O1, O2, O4 to O7 and O11 of the fault model); what would leave no majority is refused (O10); an old copy of its data costs
 * nothing while the others have theirs (O9); and after a power loss of all, servers may come back in any order (O14). docs/faults.md says
 * which test each row is.
 *
 * Learnt: a refusal is told by the side that refuses and by the side that is refused, each in its own log, and each once.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { encode } from "cborg";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame } from "../../internal/codec/frame.ts";
import { ErrorAnswer } from "./client.ts";
import {
  Cluster,
  compiled,
  eventually,
  freePorts,
  missingBinary,
  parseInfo,
  type Program,
  Running,
} from "./harness.ts";
import { dial } from "./plain_sockets.ts";
import { sideBySide, type Step, unsanitized } from "./side_by_side.ts";
import { missingOn, Workload } from "./workload.ts";
import { pause } from "./cluster.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/operator_rows_test.ts: ${skipped}`);
await loadCrc32c();
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
  {
    name:
      "O2: a server that comes back without its data is let in by nobody, until it is removed and added as another one",
    fn: () =>
      onClusterWith(() => ["--request-timeout-ms", "500"], async (cluster) => {
        await assertTakesWrites(cluster, "n3");
        // The leader has written down who they are.
        await pause(3500);
        await cluster.running.get("n3")?.kill();
        await rm(cluster.dataDirectory("n3"), { recursive: true });
        cluster.launch("n3");
        const refusal = /server n3 is not the one that is a member: its data is of another birth/;
        await eventually("both sides say so", 8000, () =>
          Promise.resolve(
            refusal.test(said(cluster, "n3")) &&
              ["n1", "n2"].some((id) => refusal.test(said(cluster, id))),
          ));
        await assertServesNothing(cluster, "n3");
        await assertTakesWrites(cluster, "n1");
        await operate(cluster, "n1", ["REMOVE", "n3"], /n3 is removed/);
        await cluster.running.get("n3")?.kill();
        cluster.renamed.set("n3", "n4");
        cluster.launch("n3");
        await operate(cluster, "n1", ["ADD", "n4", peerOf(cluster, "n3")], /n4 votes/);
        await assertTakesWrites(cluster, "n3");
      }),
  },
  {
    name:
      "O6: a second server with an id that is taken, from another machine, is refused by all and harms nobody",
    fn: () =>
      onClusterWith(() => [], async (cluster) => {
        const ids = cluster.plans.map(({ id }) => id);
        await Promise.all(ids.map((id) => assertTakesWrites(cluster, id)));
        await pause(3500);
        const before = await termOf(cluster);
        const { clientPort, peerPort } = cluster.plan("n3");
        // The same ports of another address: to the others it is another machine that says it is n3.
        const twin = new Running(compiled, [
          ...["serve", "--id", "n3", "--data", join(cluster.directory, "twin"), "--profile", "lan"],
          ...["--client", `127.0.0.2:${clientPort}`, "--peer", `127.0.0.2:${peerPort}`],
          ...["--cluster", ids.map((id) => `${id}=${peerOf(cluster, id)}`).join(",")],
        ]);
        try {
          await twin.said(/server n3 is not the one that is a member: its data is of another birth/, 8000);
          await Promise.all(ids.map((id) => assertTakesWrites(cluster, id)));
          await pause(1000);
          assert(await termOf(cluster) - before < 3, "nobody stands for election because of it");
          assert(!/became leader/.test(twin.stderr), twin.stderr);
        } finally {
          await twin.kill();
        }
      }),
  },
  {
    name: "O4: a server that speaks another version of the protocol is told which, and harms nobody",
    fn: () =>
      onClusterWith(() => [], async (cluster) => {
        await assertTakesWrites(cluster, "n1");
        const hello = [
          "raftline",
          2,
          await clusterIdOf(cluster, "n1"),
          "n2",
          "n1",
          "0".repeat(16),
          "h:1",
          "h:2",
          0,
        ];
        const end = await dial(cluster.plan("n1").peerPort);
        end.write(encodeFrame(encode(hello)));
        await eventually("it is told", 3000, () =>
          Promise.resolve(/protocol version is 2, this server speaks 1/.test(end.text)));
        await eventually("it is let go", 5000, () =>
          Promise.resolve(end.hasEnded || end.over !== null));
        end.socket.destroy();
        assertMatch(said(cluster, "n1"), /protocol version is 2, this server speaks 1/);
        await assertTakesWrites(cluster, "n1");
      }),
  },
  {
    name: "O10: what would leave no majority that answers is refused with the rule, and changes nothing",
    fn: () =>
      onClusterWith(() => [], async (cluster) => {
        await assertTakesWrites(cluster, "n1");
        const nobody = `127.0.0.1:${(await freePorts(1))[0]}`;
        await operate(cluster, "n1", ["ADD", "n9", nobody], /^ERR cannot reach n9 at/);
        await operate(cluster, "n1", ["REMOVE", "n9"], /^ERR the members stay as they are: n9 is no member/);
        const leader = await cluster.leader();
        const [one = "", other = ""] = cluster.plans.map(({ id }) => id).filter((id) => id !== leader);
        await cluster.running.get(one)?.kill();
        await pause(1200);
        await operate(
          cluster,
          leader,
          ["REMOVE", other],
          new RegExp(`^ERR the members stay as they are: of the voters .* ${one} did not answer lately`),
        );
        await operate(
          cluster,
          leader,
          ["DEMOTE", other],
          new RegExp(`^ERR the members stay as they are: of the voters .* ${one} did not answer lately`),
        );
        await operate(cluster, leader, ["REMOVE", one], new RegExp(`${one} is removed`));
        await operate(cluster, leader, ["REMOVE", other], new RegExp(`${other} is removed`));
        await operate(
          cluster,
          leader,
          ["REMOVE", leader],
          new RegExp(`^ERR the members stay as they are: ${leader} is the last voter`),
        );
        await assertTakesWrites(cluster, leader);
      }),
  },
  {
    name:
      "O11: a server that was removed and is started again disturbs nobody, and says that it is no member",
    fn: () =>
      onClusterWith(() => ["--request-timeout-ms", "500"], async (cluster) => {
        await assertTakesWrites(cluster, "n1");
        await operate(cluster, "n1", ["REMOVE", "n3"], /n3 is removed/);
        const before = await termOf(cluster, ["n1", "n2"]);
        await cluster.running.get("n3")?.kill();
        cluster.launch("n3");
        await assertServesNothing(cluster, "n3");
        await pause(2000);
        await Promise.all(["n1", "n2"].map((id) => assertTakesWrites(cluster, id)));
        assert(await termOf(cluster, ["n1", "n2"]) - before < 3, "it does not move the term");
        const client = await cluster.clientWhenUp("n3");
        try {
          assertMatch(await client.text("RAFT", "STATUS"), /removed:1/);
        } finally {
          client.close();
        }
      }),
  },
  {
    name:
      "O9: an old copy of a server's data, put back into a living cluster, is brought up to date, and nothing is lost",
    fn: () =>
      onClusterWith(() => ["--snapshot-entries", "200", "--log-memory-entries", "100"], async (cluster) => {
        const ids = cluster.plans.map(({ id }) => id);
        await Promise.all(ids.map((id) => assertTakesWrites(cluster, id)));
        const [data, copy] = [cluster.dataDirectory("n3"), join(cluster.directory, "copy")];
        await cluster.running.get("n3")?.kill();
        await cp(data, copy, { recursive: true });
        cluster.launch("n3");
        const workload = new Workload(cluster, ids, 4, "backup");
        await pause(1500);
        await cluster.running.get("n3")?.kill();
        await rm(data, { recursive: true });
        await cp(copy, data, { recursive: true });
        // Where the leader has what is missing in its log, it says so first, and the server stops once.
        const old = cluster.launch("n3");
        await Promise.race([old.ended, pause(2000)]);
        if (old.isOver) cluster.launch("n3");
        await assertTakesWrites(cluster, "n3");
        await pause(500);
        const written = await workload.stop();
        assert(written.acknowledged.size > 50);
        for (const id of ids) assertEquals(await missingOn(cluster, id, written), []);
      }),
  },
  {
    name:
      "O9: the leader to which it acknowledged more knows an old copy: it stops with 74, and repairs itself at its next start",
    fn: () =>
      onClusterWith(() => [], async (cluster) => {
        const ids = cluster.plans.map(({ id }) => id);
        const leader = await cluster.leader();
        const old = ids.find((id) => id !== leader) ?? "";
        await assertTakesWrites(cluster, old);
        const [data, copy] = [cluster.dataDirectory(old), join(cluster.directory, "copy")];
        await cluster.running.get(old)?.kill();
        await cp(data, copy, { recursive: true });
        cluster.launch(old);
        const workload = new Workload(cluster, ids, 2, "old copy");
        await pause(1000);
        // On a machine that does much else it takes longer.
        for (let i = 0; i < 90 && workload.written.acknowledged.size <= 20; i++) await pause(100);
        const written = await workload.stop();
        await pause(500);
        await cluster.running.get(old)?.kill();
        await rm(data, { recursive: true });
        await cp(copy, data, { recursive: true });
        // Nobody writes any more: what it is asked after its return is enough to know it.
        const process = cluster.launch(old);
        const { code } = await process.ended;
        assertEquals(code, 74);
        assertMatch(process.stderr, /this server has less than it acknowledged: its data is an old copy/);
        assertMatch(said(cluster, leader), /though it acknowledged \d+: its data is an old copy/);
        const again = cluster.launch(old);
        await again.said(/an earlier repair was not finished/, 10_000);
        await again.said(/the log is repaired/, 20_000);
        assert(written.acknowledged.size > 20);
        for (const id of ids) assertEquals(await missingOn(cluster, id, written), []);
        assertEquals(await cluster.leader(), leader);
      }),
  },
];

/** Asks as an operator does, until there is an answer that is not about the moment. */
async function operate(
  cluster: Cluster,
  id: string,
  words: readonly string[],
  expected: RegExp,
): Promise<void> {
  let heard = "";
  await eventually(`RAFT ${words.join(" ")}`, 20_000, async () => {
    const client = await cluster.client(id);
    try {
      const answer = await client.within(15_000, client.send("RAFT", ...words));
      heard = answer instanceof ErrorAnswer ? answer.text : String(answer);
    } finally {
      client.close();
    }
    return expected.test(heard);
  }).catch((cause) => {
    throw new Error(`RAFT ${words.join(" ")} was answered ${heard}`, { cause });
  });
}

async function termOf(cluster: Cluster, ids = cluster.plans.map(({ id }) => id)): Promise<number> {
  const infos = await cluster.infos();
  return Math.max(...ids.map((id) => Number(infos.get(id)?.get("raft_term") ?? 0)));
}

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
