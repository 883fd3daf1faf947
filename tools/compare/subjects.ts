/**
 * What is compared: how each subject is started, where it takes its load, and which processes are its own.
 *
 * A new rival is one more case of `subjectNamed`.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { eventually, freePorts, parseInfo, type Program, Running } from "../../tests/process/harness.ts";
import { TestClient } from "../../tests/process/client.ts";
import { etcd, nats, redis, zookeeper } from "./rivals.ts";
import { accepts, pidsOf, type Subject } from "./subject.ts";

const root = new URL("../../", import.meta.url).pathname;

/** What `deno task build` makes. */
export const raftlineProgram: Program = {
  name: "raftline",
  command: join(root, "dist", "raftline"),
  args: [],
};

/** What can be compared. */
export const subjectNames = [
  ...["raftline", "source:deno", "source:bun", "ceiling", "ceiling:deno"],
  ...["etcd", "redis", "nats", "zookeeper"],
];

/** One of `subjectNames`, or the path of another build of raftline; with so many servers, where the number can be chosen. */
export function subjectNamed(name: string, nodes = 3, more: readonly string[] = []): Subject {
  switch (name) {
    case "raftline":
      return raftline(name, raftlineProgram, nodes, more);
    case "source:bun":
      return raftline(name, { name, command: "bun", args: [join(root, "main.ts")] }, nodes, more);
    case "source:deno":
      return raftline(
        name,
        {
          name,
          command: "deno",
          args: ["run", "-A", "--no-check", join(root, "main.ts")],
        },
        nodes,
        more,
      );
    case "ceiling":
      return ceiling(name, { name, command: "bun", args: [] });
    case "ceiling:deno":
      return ceiling(name, { name, command: "deno", args: ["run", "-A", "--no-check"] });
    case "redis":
      return redis();
    case "etcd":
      return etcd(nodes);
    case "nats":
      return nats();
    case "zookeeper":
      return zookeeper();
    default:
      return raftline(name, { name, command: name, args: [] }, nodes, more);
  }
}

function raftline(name: string, program: Program, nodes: number, more: readonly string[]): Subject {
  return {
    name,
    wire: "resp",
    spreads: true,
    durability: "synced on a majority before the answer",
    reads: "linearizable",
    start: async (directory) => {
      const ports = await freePorts(2 * nodes);
      const ids = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
      const peer = (i: number) => `127.0.0.1:${ports[nodes + i]}`;
      const cluster = ids.map((id, i) => `${id}=${peer(i)}`).join(",");
      const servers = ids.map((id, i) => {
        const args = ["--id", id, "--data", join(directory, id), "--client", `127.0.0.1:${ports[i]}`];
        const peers = ["--peer", peer(i), "--cluster", cluster, "--request-timeout-ms", "60000"];
        return new Running(program, ["serve", ...args, ...peers, ...more]);
      });
      const clientPorts = ports.slice(0, nodes);
      let leader = 0;
      await eventually(`${name} has a leader that everybody follows`, 30_000, async () => {
        const infos = await Promise.all(clientPorts.map(infoOf));
        leader = infos.findIndex((info) => info.get("raft_role") === "leader");
        return leader >= 0 && infos.every((info) => info.get("raft_leader") === ids[leader]);
      });
      const pids = pidsOf(servers);
      return {
        ports: [...clientPorts.splice(leader, 1), ...clientPorts],
        pids: [...pids.splice(leader, 1), ...pids],
        said: () => servers.map(({ stderr }) => stderr).join("---\n"),
        stop: async () => {
          await Promise.all(servers.map((one) => one.kill()));
        },
      };
    },
  };
}

async function infoOf(port: number): Promise<Map<string, string>> {
  const client = await TestClient.connect(port);
  try {
    return parseInfo(await client.text("INFO", "raft"));
  } finally {
    client.close();
  }
}

function ceiling(name: string, { command, args }: Program): Subject {
  return {
    name,
    wire: "resp",
    spreads: false,
    durability: "synced on a majority before the answer",
    reads: "confirmed by a follower",
    start: async (directory) => {
      const [client = 0, ...peers] = await freePorts(4);
      const program: Program = { name, command, args: [...args, join(root, "tools/compare/ceiling.ts")] };
      mkdirSync(directory, { recursive: true });
      const process = (i: number, more: readonly string[]) =>
        new Running(program, [String(client), String(peers[i]), join(directory, `file${i}`), ...more]);
      const followers = [process(1, []), process(2, [])];
      for (const port of peers.slice(1)) await accepts(port);
      const all = [process(0, [`${peers[1]},${peers[2]}`]), ...followers];
      await accepts(client);
      return {
        ports: [client],
        pids: pidsOf(all),
        said: () => all.map(({ stderr }) => stderr).join("---\n"),
        stop: async () => {
          await Promise.all(all.map((one) => one.kill()));
        },
      };
    },
  };
}
