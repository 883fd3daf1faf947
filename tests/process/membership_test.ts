/**
 * Kind: chaos (real processes of the compiled binary, real TCP and disk).
 *
 * Invariant: a cluster grows, shrinks, has servers replaced and restarted, under load, without one write that failed or is in doubt, and
 * nothing acknowledged is missing on any member. Where a server is killed at a random moment of a change, the change goes through when
 * it is asked for again, and still nothing acknowledged is missing.
 *
 * Learnt: a server that joins may be newer than the configuration of the snapshot that it is given; it has to answer a leader
 * that it does not know yet.
 */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { SeededRandom } from "../../internal/base/random.ts";
import { ErrorAnswer } from "./client.ts";
import { pause } from "./cluster.ts";
import { Cluster, compiled, eventually, missingBinary } from "./harness.ts";
import { RovingWorkload } from "./roving.ts";
import { missingOn } from "./workload.ts";

const CLIENTS = 6;
/** So few that every server that joins gets a snapshot. */
const SNAPSHOTS = ["--snapshot-entries", "300", "--log-memory-entries", "200"];

/** A cluster with the words of an operator. */
class Operated {
  readonly cluster: Cluster;
  members: string[];

  private constructor(cluster: Cluster, members: readonly string[]) {
    this.cluster = cluster;
    this.members = [...members];
  }

  static async start(servers: number, born: readonly string[]): Promise<Operated> {
    const cluster = await Cluster.prepare(Array.from({ length: servers }, () => compiled));
    cluster.born = born;
    cluster.moreArgs = () => SNAPSHOTS;
    for (const id of born) cluster.launch(id);
    await cluster.leader();
    return new Operated(cluster, born);
  }

  /** Asks any member, again where it is certain that nothing happened or where nobody knows, until it is so. */
  async ask(words: readonly string[], isDone: () => Promise<boolean>, withinMs = 60_000): Promise<void> {
    const heard: string[] = [];
    let at = 0;
    try {
      await eventually(`RAFT ${words.join(" ")} is done`, withinMs, async () => {
        if (await isDone()) return true;
        const server = this.members[at++ % this.members.length] ?? "";
        const client = await this.cluster.client(server);
        try {
          const answer = await client.within(15_000, client.send("RAFT", ...words));
          heard.push(answer instanceof ErrorAnswer ? answer.text : String(answer));
        } finally {
          client.close();
        }
        return await isDone();
      });
    } catch (cause) {
      throw new Error(`it was answered: ${heard.slice(-5).join(" | ")}`, { cause });
    }
  }

  /** The voters as the leader knows them, where the configuration is settled. */
  async voters(): Promise<readonly string[] | null> {
    const leader = await this.cluster.leader();
    const client = await this.cluster.client(leader);
    try {
      const text = await client.within(2000, client.text("RAFT", "CONFIG"));
      if (!text.includes("settled:1")) return null;
      return [...text.matchAll(/member:id=([^,]+),standing=voter/g)].map(([, id]) => id ?? "").sort();
    } finally {
      client.close();
    }
  }

  async areVoters(ids: readonly string[]): Promise<boolean> {
    return JSON.stringify(await this.voters()) === JSON.stringify([...ids].sort());
  }

  peerAddress(id: string): string {
    return `127.0.0.1:${this.cluster.plan(id).peerPort}`;
  }

  async add(id: string): Promise<void> {
    const after = [...this.members, id];
    await this.ask(["ADD", id, this.peerAddress(id)], () => this.areVoters(after));
    this.members = after;
  }

  async remove(id: string): Promise<void> {
    const after = this.members.filter((other) => other !== id);
    await this.ask(["REMOVE", id], () => this.areVoters(after));
    this.members = after;
  }

  async replace(old: string, id: string): Promise<void> {
    const after = [...this.members.filter((other) => other !== old), id];
    await this.ask(["REPLACE", old, id, this.peerAddress(id)], () => this.areVoters(after));
    this.members = after;
  }

  /** Ends a server as an operator does. */
  async end(id: string): Promise<void> {
    const running = this.cluster.running.get(id);
    running?.signal("SIGTERM");
    const ended = await running?.ended;
    assertEquals(ended?.code, 0, ended?.stderr.slice(-2000));
  }

  async restart(id: string): Promise<void> {
    await this.end(id);
    this.cluster.launch(id);
    await this.isWell(id);
  }

  async isWell(id: string): Promise<void> {
    await eventually(`${id} follows or leads`, 30_000, async () => {
      const info = (await this.cluster.infos()).get(id);
      return info !== undefined && info.get("raft_leader") !== "" && info.get("raft_applied_index") !== "0";
    });
  }
}

async function onOperated(
  servers: number,
  born: readonly string[],
  body: (operated: Operated, workload: RovingWorkload) => Promise<void>,
): Promise<RovingWorkload> {
  const operated = await Operated.start(servers, born);
  const { cluster } = operated;
  const workload = new RovingWorkload(cluster, born, CLIENTS);
  try {
    await body(operated, workload);
    const written = await workload.stop();
    assert(written.acknowledged.size > 500, `only ${written.acknowledged.size} writes`);
    for (const id of operated.members) assertEquals(await missingOn(cluster, id, written), [], id);
    return workload;
  } catch (cause) {
    const said = [...cluster.running].map(([id, { stderr }]) => `--- ${id}\n${stderr.slice(-6000)}`);
    throw new Error(`the servers said:\n${said.join("\n")}`, { cause });
  } finally {
    await workload.stop();
    await cluster.stop();
  }
}

const skip = missingBinary();
const ignore = skip !== null;
if (skip !== null) console.log(`skipped: ${skip}`);

Deno.test({
  name:
    "a cluster grows from 1 to 5, shrinks to 3, has one replaced and all restarted, without one write in doubt",
  ignore,
  fn: async () => {
    const workload = await onOperated(6, ["n1"], async (operated, workload) => {
      const { cluster } = operated;
      const joins = async (id: string) => {
        cluster.launch(id);
        await operated.add(id);
        workload.servers = operated.members;
      };
      for (const id of ["n2", "n3", "n4", "n5"]) await joins(id);
      const leaves = async (id: string) => {
        workload.servers = operated.members.filter((other) => other !== id);
        await operated.remove(id);
        await operated.end(id);
      };
      // The leader goes too.
      await leaves(await cluster.leader());
      await leaves(operated.members.find((id) => id !== "n1") ?? "");
      const [old = ""] = operated.members;
      cluster.launch("n6");
      await operated.replace(old, "n6");
      workload.servers = operated.members;
      await operated.end(old);
      for (const id of operated.members) await operated.restart(id);
      assertEquals(workload.doubts, []);
    });
    console.log(
      `    ${workload.written.acknowledged.size} writes, ${workload.refused} refused for certain, ` +
        `longest time without one ${workload.longestGapMs.toFixed(0)} ms`,
    );
  },
});

const SEED = Number(process.env["RAFTLINE_SEED"] ?? Math.floor(Math.random() * 1_000_000));

Deno.test({
  name:
    `a server is killed at a random moment of each change, seed ${SEED}: each goes through, and nothing is lost`,
  ignore,
  fn: async () => {
    const random = new SeededRandom(`membership/${SEED}`);
    const workload = await onOperated(6, ["n1", "n2", "n3"], async (operated, workload) => {
      const { cluster } = operated;
      /** Kills somebody in the middle of the change, and starts it again a while later. */
      const disturbed = async (change: () => Promise<void>, besides: readonly string[]) => {
        const victims = [...operated.members, ...besides];
        const changing = change();
        const disturbing = (async () => {
          await pause(random.below(400));
          const leader = await cluster.leader();
          const victim = random.chance(1, 2) ? leader : victims[random.below(victims.length)] ?? leader;
          await cluster.running.get(victim)?.kill();
          await pause(random.below(1500));
          cluster.launch(victim);
        })();
        await Promise.all([changing, disturbing]);
        for (const id of operated.members) await operated.isWell(id);
        workload.servers = operated.members;
      };
      cluster.launch("n4");
      await disturbed(() => operated.add("n4"), ["n4"]);
      await disturbed(() => operated.remove("n1"), []);
      cluster.launch("n5");
      await disturbed(() => operated.replace("n2", "n5"), ["n5"]);
      const [any = ""] = operated.members;
      const others = operated.members.filter((id) => id !== any);
      await disturbed(
        () => operated.ask(["DEMOTE", any], () => operated.areVoters(others)),
        [],
      );
      await disturbed(
        () => operated.ask(["PROMOTE", any], () => operated.areVoters([...others, any])),
        [],
      );
    });
    console.log(
      `    ${workload.written.acknowledged.size} writes, ${workload.doubts.length} in doubt, ` +
        `longest time without one ${workload.longestGapMs.toFixed(0)} ms; again: RAFTLINE_SEED=${SEED}`,
    );
  },
});
