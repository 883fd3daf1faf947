/**
 * `raftline demo`: a cluster of real processes on this machine.
 *
 * Keeps true: the children end when the demo does, however it ends: asked to, they are; if the demo is killed, their standard input
 * ends and they stop by themselves.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { type CommandLine, readFlags } from "./flags.ts";
import { ownProgram } from "./own_program.ts";
import { askStatus } from "./raft_status.ts";
import { RespClient, textOf } from "./resp_client.ts";

/** How long the children have to stop by themselves. */
const STOP_MS = 6000;
const READY_MS = 15_000;
const ASK_MS = 500;

export const demoCommand: CommandLine = {
  name: "demo",
  summary: "run a cluster of real processes on this machine, until Ctrl-C",
  usage: "[options]",
  takesWords: false,
  flags: [
    { name: "nodes", value: "COUNT", help: "servers", default: "3" },
    {
      name: "base-port",
      value: "PORT",
      help: "server i serves clients on this port + i - 1, peers 100 above",
      default: "7001",
    },
    {
      name: "data",
      value: "DIR",
      help: "their data directories, one below it each",
      default: "./raftline-data/demo",
    },
    { name: "profile", value: "wan|lan", help: "timeouts, as for serve", default: "lan" },
    { name: "verbose", value: null, help: "show what the servers log, not only warnings" },
  ],
  examples: ["raftline demo", "raftline demo --nodes 5 --base-port 8001 --data /tmp/demo"],
};

/** One server of the demo. */
export interface DemoServer {
  readonly id: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly data: string;
  readonly args: readonly string[];
}

/** The servers of a demo, and what each is told. */
export function demoServers(
  nodes: number,
  basePort: number,
  data: string,
  profile: string,
  logLevel: string,
): readonly DemoServer[] {
  const numbers = Array.from({ length: nodes }, (_, i) => i);
  const cluster = numbers.map((i) => `n${i + 1}=127.0.0.1:${basePort + 100 + i}`).join(",");
  return numbers.map((i) => {
    const id = `n${i + 1}`;
    const [clientPort, peerPort, directory] = [basePort + i, basePort + 100 + i, `${data}/${id}`];
    const options = {
      id,
      data: directory,
      client: `127.0.0.1:${clientPort}`,
      peer: `127.0.0.1:${peerPort}`,
      cluster,
      profile,
      "log-level": logLevel,
    };
    const args = [
      "serve",
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
      "--exit-with-parent",
    ];
    return { id, clientPort, peerPort, data: directory, args };
  });
}

export async function demo(args: readonly string[]): Promise<number> {
  const flags = readFlags(demoCommand, args);
  const nodes = flags.integer("nodes", 3, 1, 9);
  const basePort = flags.integer("base-port", 7001, 1, 65_435 - nodes);
  const servers = demoServers(
    nodes,
    basePort,
    flags.text("data") ?? "./raftline-data/demo",
    flags.choice("profile", "lan", ["wan", "lan"]),
    flags.has("verbose") ? "info" : "warn",
  );
  const asked = new Promise<"asked">((resolve) => {
    process.on("SIGINT", () => resolve("asked"));
    process.on("SIGTERM", () => resolve("asked"));
  });
  const children = servers.map((server) => new Child(server, flags.has("verbose")));
  console.log(tableOf(children));
  const ready = leaderKnown(children);
  const first = await Promise.race([asked, ready, ...children.map(({ ended }) => ended)]);
  if (typeof first === "number") return await failed(children);
  if (first !== "asked") {
    for (const child of children) child.isUp = true;
    console.log(readyText(first, servers));
    const allEnded = Promise.all(children.map(({ ended }) => ended));
    if (await Promise.race([asked, allEnded]) !== "asked") {
      throw new Refusal(
        ExitCode.unavailable,
        "every server of the demo has ended by itself; its data is where it was",
      );
    }
  }
  console.log("stopping");
  await stopAll(children);
  return 0;
}

/** Ends as the server that failed first did: with its words and its exit code. */
async function failed(children: readonly Child[]): Promise<never> {
  const bad = children.find(({ failedWith }) => failedWith !== null) ?? children[0];
  await stopAll(children);
  const said = bad?.lastWords ?? "it said nothing";
  const code = exitCodes.find((known) => known === bad?.failedWith) ?? ExitCode.brokenInvariant;
  const more = code === ExitCode.configuration || code === ExitCode.dataDirectoryLocked
    ? "; if another demo is running, --base-port and --data give this one ports and data of its own"
    : "";
  throw new Refusal(code, `server ${bad?.server.id} did not start: ${said}${more}`);
}

const exitCodes: readonly ExitCode[] = Object.values(ExitCode);

class Child {
  readonly server: DemoServer;
  readonly ended: Promise<number>;
  readonly #process: ChildProcess;
  isUp = false;
  isOver = false;
  #asked = false;
  /** The exit code with which it ended unasked. */
  failedWith: number | null = null;
  lastWords: string | null = null;

  constructor(server: DemoServer, isVerbose: boolean) {
    this.server = server;
    const { command, before } = ownProgram();
    // A group of its own, so that Ctrl-C reaches the demo alone and the demo stops its children in order.
    this.#process = spawn(command, [...before, ...server.args], {
      stdio: ["pipe", "ignore", "pipe"],
      detached: true,
    });
    const stderr = this.#process.stderr;
    if (stderr !== null) {
      createInterface({ input: stderr }).on("line", (line) => {
        if (line.startsWith("raftline: ")) this.lastWords = line.slice("raftline: ".length);
        // While they start, servers miss each other; that is no news.
        if (this.isUp || isVerbose || !line.includes(" warn cannot reach peer ")) {
          console.log(`${server.id} | ${line}`);
        }
      });
    }
    this.#process.stdin?.on("error", () => {});
    this.ended = new Promise((resolve) => {
      const over = (code: number, how: string) => {
        this.isOver = true;
        if (!this.#asked) {
          this.failedWith = code;
          if (this.isUp) {
            console.log(
              `${server.id} ended ${how}; the others go on. Started again it catches up:\n  ${
                shellLine(server.args.filter((arg) => arg !== "--exit-with-parent"))
              }`,
            );
          }
        }
        resolve(code);
      };
      this.#process.on("error", () => over(1, "before it began"));
      this.#process.on("close", (code, signal) => {
        over(code ?? 1, signal === null ? `by itself with exit code ${code}` : `by ${signal}`);
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async stop(): Promise<void> {
    if (this.isOver) return;
    this.#asked = true;
    // Not `ChildProcess.kill`: after any signal sent that way, Deno never tells of the end of the process.
    process.kill(this.pid, "SIGTERM");
    const timer = setTimeout(() => this.isOver || process.kill(this.pid, "SIGKILL"), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

async function stopAll(children: readonly Child[]): Promise<void> {
  await Promise.all(children.map((child) => child.stop()));
}

function tableOf(children: readonly Child[]): string {
  const rows = children.map(({ server, pid }) =>
    `  ${server.id}  clients 127.0.0.1:${server.clientPort}  peers 127.0.0.1:${server.peerPort}  data ${server.data}  pid ${pid}`
  );
  return [`starting ${children.length} server${children.length === 1 ? "" : "s"}`, ...rows].join("\n");
}

/** This very program with these arguments, to be pasted into a shell. */
function shellLine(args: readonly string[]): string {
  const { command, before } = ownProgram();
  return [command, ...before, ...args].map((word) =>
    /^[\w./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
  ).join(" ");
}

/** What to do with a cluster that runs. */
function readyText(leader: string | null, servers: readonly DemoServer[]): string {
  const addresses = servers.map(({ clientPort }) => `127.0.0.1:${clientPort}`).join(",");
  const state = leader === null
    ? `no server leads after ${READY_MS / 1000} s; with --verbose they say what they do`
    : `ready: ${leader} leads`;
  return [
    `${state}; paste this into another terminal:`,
    "",
    `  printf 'SET greeting hello\\r\\nGET greeting\\r\\n' | nc -q1 127.0.0.1 ${servers[0]?.clientPort}`,
    `  ${shellLine(["cli", "--connect", addresses])}`,
    `  ${shellLine(["status", "--connect", addresses])}`,
    "",
    "Ctrl-C stops all of it; starting again finds the data.",
  ].join("\n");
}

/** Who leads, once somebody does; `null` where nobody does for long. */
async function leaderKnown(children: readonly Child[]): Promise<string | null> {
  const until = performance.now() + READY_MS;
  while (performance.now() < until) {
    for (const child of children) {
      const leader = await leaderAt(child);
      if (leader !== null) return leader;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return null;
}

async function leaderAt({ server, pid }: Child): Promise<string | null> {
  let client: RespClient | null = null;
  try {
    client = await RespClient.connect({ host: "127.0.0.1", port: server.clientPort }, ASK_MS);
    // Another cluster may have that port; it is not for us to say that it is ready.
    const info = textOf(await client.send(["INFO", "server"], ASK_MS));
    if (!info.includes(`process_id:${pid}\r\n`)) return null;
    return (await askStatus(client, ASK_MS)).leader;
  } catch {
    // Not up yet; asked again in a moment.
    return null;
  } finally {
    client?.close();
  }
}
