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

/** A subject that runs. */
export interface Started {
  /** Every server's port, the best one for load first. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** What the servers said on standard error. */
  said(): string;
  stop(): Promise<void>;
}

export interface Subject {
  readonly name: string;
  /** Whether every server takes load. */
  readonly spreads: boolean;
  start(directory: string): Promise<Started>;
}

const root = new URL("../../", import.meta.url).pathname;

/** `raftline`, `source:deno`, `source:bun`, `ceiling`, `ceiling:deno`, `redis`, or the path of another build of raftline. */
export function subjectNamed(name: string): Subject {
  switch (name) {
    case "raftline":
      return raftline(name, { name, command: join(root, "dist", "raftline"), args: [] });
    case "source:bun":
      return raftline(name, { name, command: "bun", args: [join(root, "main.ts")] });
    case "source:deno":
      return raftline(name, {
        name,
        command: "deno",
        args: ["run", "-A", "--no-check", join(root, "main.ts")],
      });
    case "ceiling":
      return ceiling(name, { name, command: "bun", args: [] });
    case "ceiling:deno":
      return ceiling(name, { name, command: "deno", args: ["run", "-A", "--no-check"] });
    case "redis":
      return redis(name);
    default:
      return raftline(name, { name, command: name, args: [] });
  }
}

function pidsOf(running: Iterable<Running>): number[] {
  return [...running].map(({ child }) => child.pid ?? 0);
}

function raftline(name: string, program: Program): Subject {
  return {
    name,
    spreads: true,
    start: async (directory) => {
      const ports = await freePorts(6);
      const ids = ["n1", "n2", "n3"];
      const peer = (i: number) => `127.0.0.1:${ports[3 + i]}`;
      const cluster = ids.map((id, i) => `${id}=${peer(i)}`).join(",");
      const servers = ids.map((id, i) => {
        const args = ["--id", id, "--data", join(directory, id), "--client", `127.0.0.1:${ports[i]}`];
        const more = ["--peer", peer(i), "--cluster", cluster, "--request-timeout-ms", "60000"];
        return new Running(program, ["serve", ...args, ...more]);
      });
      const clientPorts = ports.slice(0, 3);
      let leader = 0;
      await eventually(`${name} has a leader that everybody follows`, 30_000, async () => {
        const infos = await Promise.all(clientPorts.map(infoOf));
        leader = infos.findIndex((info) => info.get("raft_role") === "leader");
        return leader >= 0 && infos.every((info) => info.get("raft_leader") === ids[leader]);
      });
      const [leaderPort] = clientPorts.splice(leader, 1);
      return {
        ports: [leaderPort ?? 0, ...clientPorts],
        pids: pidsOf(servers),
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
    spreads: false,
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

/** One server without replicas that syncs before it answers: the upper mark. */
function redis(name: string): Subject {
  return {
    name,
    spreads: false,
    start: async (directory) => {
      const [port = 0] = await freePorts(1);
      mkdirSync(directory, { recursive: true });
      const settings = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", directory];
      const program: Program = { name, command: "redis-server", args: [] };
      const server = new Running(program, ["--port", String(port), ...settings]);
      await eventually("Redis answers", 10_000, async () => {
        const client = await TestClient.connect(port);
        const info = parseInfo(await client.text("INFO", "persistence"));
        client.close();
        return info.get("loading") === "0";
      });
      return {
        ports: [port],
        pids: pidsOf([server]),
        said: () => server.stdout,
        stop: async () => {
          await server.kill();
        },
      };
    },
  };
}

async function accepts(port: number): Promise<void> {
  await eventually(`port ${port} accepts`, 20_000, async () => {
    (await TestClient.connect(port)).close();
    return true;
  });
}
