/**
 * The rivals: etcd, NATS JetStream and ZooKeeper, with three servers each, and one Redis.
 *
 * They run as they are delivered, but for addresses, directories, and limits that a long load would reach.
 *
 * @module
 */
import * as net from "node:net";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, freePorts, parseInfo, type Program, Running } from "../../tests/process/harness.ts";
import { TestClient } from "../../tests/process/client.ts";
import { accepts, pidsOf, type Started, type Subject } from "./subject.ts";
import { NATS_BUCKET } from "./wires/nats.ts";

/** The ports of a cluster whose best server for load is that one. */
function started(servers: readonly Running[], ports: readonly number[], best: number): Started {
  const bestFirst = <T>(
    all: readonly T[],
  ) => [...all.slice(best, best + 1), ...all.filter((_, i) => i !== best)];
  return {
    ports: bestFirst(ports),
    pids: bestFirst(pidsOf(servers)),
    said: () => servers.map(({ stdout, stderr }) => stdout + stderr).join("---\n"),
    stop: async () => {
      await Promise.all(servers.map((one) => one.kill()));
    },
  };
}

export function etcd(nodes: number): Subject {
  return {
    name: "etcd",
    wire: "etcd",
    spreads: true,
    durability: "synced on a majority before the answer",
    reads: "linearizable",
    needs: { path: "/usr/bin/etcd", package: "etcd-server" },
    start: async (directory) => {
      const ports = await freePorts(2 * nodes);
      const url = (i: number) => `http://127.0.0.1:${ports[i]}`;
      const members = Array.from({ length: nodes }, (_, i) => `n${i}=${url(nodes + i)}`).join(",");
      const servers = ports.slice(0, nodes).map((_, i) =>
        new Running({ name: "etcd", command: "etcd", args: [] }, [
          ...["--name", `n${i}`, "--data-dir", join(directory, `n${i}`)],
          ...["--listen-client-urls", url(i), "--advertise-client-urls", url(i)],
          ...["--listen-peer-urls", url(nodes + i), "--initial-advertise-peer-urls", url(nodes + i)],
          ...["--initial-cluster", members, "--initial-cluster-state", "new"],
          ...["--quota-backend-bytes", String(8 * 2 ** 30), "--logger", "zap", "--log-level", "error"],
        ])
      );
      let leader = -1;
      await eventually("etcd has a leader", 60_000, async () => {
        const all = await Promise.all(servers.map(async (_, i): Promise<EtcdStatus> => {
          const answer = await fetch(`${url(i)}/v3/maintenance/status`, { method: "POST", body: "{}" });
          return await answer.json();
        }));
        leader = all.findIndex(({ leader, header }) => leader !== undefined && leader === header.member_id);
        return leader >= 0 && all.every((one) => one.leader === all[leader]?.leader);
      });
      return started(servers, ports.slice(0, nodes), leader);
    },
  };
}

interface EtcdStatus {
  readonly header: { readonly member_id: string };
  readonly leader?: string;
}

/** One server without replicas that syncs before it answers: the upper mark. */
export function redis(): Subject {
  return {
    name: "redis",
    wire: "resp",
    spreads: false,
    durability: "ONE server, synced before the answer (appendfsync always)",
    reads: "of the one server",
    needs: { path: "/usr/bin/redis-server", package: "redis-server" },
    start: async (directory) => {
      const [port = 0] = await freePorts(1);
      mkdirSync(directory, { recursive: true });
      const settings = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", directory];
      const program: Program = { name: "redis", command: "redis-server", args: [] };
      const server = new Running(program, ["--port", String(port), ...settings]);
      await eventually("Redis answers", 10_000, async () => {
        const client = await TestClient.connect(port);
        const info = parseInfo(await client.text("INFO", "persistence"));
        client.close();
        return info.get("loading") === "0";
      });
      return started([server], [port], 0);
    },
  };
}

const NATS = "/usr/sbin/nats-server";

export function nats(): Subject {
  return {
    name: "nats",
    wire: "nats",
    spreads: true,
    durability: "in the page cache of a majority; NOT synced before the answer (every two minutes)",
    reads: "the stream leader's own state; NOT linearizable",
    needs: { path: NATS, package: "nats-server" },
    start: async (directory) => {
      const ports = await freePorts(6);
      mkdirSync(directory, { recursive: true });
      const routes = ports.slice(3).map((port) => `nats-route://127.0.0.1:${port}`).join(", ");
      const servers = [0, 1, 2].map((i) => {
        const file = join(directory, `n${i}.conf`);
        writeFileSync(
          file,
          `server_name: n${i}
listen: "127.0.0.1:${ports[i]}"
jetstream { store_dir: "${join(directory, `n${i}`)}" }
cluster { name: bench, listen: "127.0.0.1:${ports[3 + i]}", routes: [ ${routes} ] }
`,
        );
        return new Running({ name: "nats", command: NATS, args: [] }, ["-c", file]);
      });
      for (const port of ports.slice(0, 3)) await accepts(port);
      const bucket = {
        name: `KV_${NATS_BUCKET}`,
        subjects: [`$KV.${NATS_BUCKET}.>`],
        storage: "file",
        num_replicas: 3,
        max_msgs_per_subject: 1,
        discard: "new",
        allow_rollup_hdrs: true,
        allow_direct: true,
      };
      let leader = -1;
      await eventually("NATS has the bucket", 60_000, async () => {
        const said = await natsRequest(
          ports[0] ?? 0,
          `STREAM.CREATE.KV_${NATS_BUCKET}`,
          JSON.stringify(bucket),
        );
        leader = [0, 1, 2].findIndex((i) => said.includes(`"leader":"n${i}"`));
        return leader >= 0;
      });
      return started(servers, ports.slice(0, 3), leader);
    },
  };
}

/** Asks JetStream's interface for administration once. */
function natsRequest(port: number, subject: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    let said = "";
    socket.setTimeout(3000, () => {
      socket.destroy();
      reject(new Error(`no answer: ${said}`));
    });
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      said += String(chunk);
      if (!/^MSG [^\n]*\n[^\n]*\n/mu.test(said)) return;
      socket.destroy();
      resolve(said);
    });
    const request = `PUB $JS.API.${subject} _INBOX.setup ${body.length}\r\n${body}\r\n`;
    socket.write(`CONNECT {"verbose":false}\r\nSUB _INBOX.setup 1\r\n${request}`);
  });
}

const ZOOKEEPER = "/usr/share/java/zookeeper.jar";

export function zookeeper(): Subject {
  return {
    name: "zookeeper",
    wire: "zookeeper",
    spreads: true,
    durability: "synced on a majority before the answer",
    reads: "a sync before each read, as near as it comes to a linearizable one",
    needs: { path: ZOOKEEPER, package: "zookeeperd" },
    start: async (directory) => {
      const ports = await freePorts(9);
      const members = [0, 1, 2].map((i) => `server.${i + 1}=127.0.0.1:${ports[3 + i]}:${ports[6 + i]}`);
      const servers = [0, 1, 2].map((i) => {
        const data = join(directory, `n${i}`);
        mkdirSync(data, { recursive: true });
        writeFileSync(join(data, "myid"), String(i + 1));
        const file = join(directory, `n${i}.cfg`);
        const lines = [
          ...["tickTime=2000", "initLimit=10", "syncLimit=5", "maxClientCnxns=0", "admin.enableServer=false"],
          ...["4lw.commands.whitelist=*", `dataDir=${data}`, "clientPortAddress=127.0.0.1"],
          ...[`clientPort=${ports[i]}`, ...members],
        ];
        writeFileSync(file, `${lines.join("\n")}\n`);
        // Debian's settings for the log of the program; only what is wrong is said.
        const log = ["-Dlog4j.configuration=none", "-Dzookeeper.root.logger=ERROR"];
        return new Running({ name: "zookeeper", command: "java", args: [] }, [
          ...log,
          ...["-cp", ZOOKEEPER, "org.apache.zookeeper.server.quorum.QuorumPeerMain", file],
        ]);
      });
      let leader = -1;
      await eventually("ZooKeeper has a leader", 60_000, async () => {
        const modes = await Promise.all(ports.slice(0, 3).map(zookeeperMode));
        leader = modes.indexOf("leader");
        return leader >= 0 && modes.every((mode) => mode === "leader" || mode === "follower");
      });
      return started(servers, ports.slice(0, 3), leader);
    },
  };
}

function zookeeperMode(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    let said = "";
    socket.on("error", reject);
    socket.on("data", (chunk) => said += String(chunk));
    socket.on("close", () => resolve(/^Mode: (\w+)$/mu.exec(said)?.[1] ?? ""));
    socket.write("srvr");
  });
}
