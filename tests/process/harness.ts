/**
 * Real servers for tests: the compiled binary, or the source on Deno, as processes of their own on loopback.
 *
 * Every process started here is ended here, by its pid; every directory made here is removed, unless a test fails and says
 * so. Ports were free when they were chosen.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { TestClient } from "./client.ts";

const root = new URL("../../", import.meta.url).pathname;

/** How a server is run: its program and the arguments before the subcommand. */
export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** The source, on the runtime that runs the tests. */
export const fromSource: Program = {
  name: "source on Deno",
  command: process.execPath,
  args: ["run", "-A", "--no-check", join(root, "main.ts")],
};

/** The compiled binary; `deno task build` makes it. */
export const compiled: Program = {
  name: "compiled binary",
  command: join(root, "dist", "raftline"),
  args: [],
};

/** Says why the compiled binary cannot be tested, or `null`. */
export function missingBinary(): string | null {
  return existsSync(compiled.command) ? null : "dist/raftline is not built (deno task build)";
}

/** Says why a tool of the system cannot be used, or `null`. */
export function missingProgram(name: string): string | null {
  const found = (process.env["PATH"] ?? "").split(":").some((directory) => existsSync(join(directory, name)));
  return found ? null : `${name} is not installed`;
}

/** Above these, the system hands ports out to connections, and a server that starts again could find its own one taken. */
const PORTS_FROM = 22_000;
const PORTS_TO = 32_000;

/** Ports that were given out in this process. */
const given = new Set<number>();

/** Ports that were free a moment ago, that nobody else here was told of, and that the system gives to nobody by itself. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    if (given.size > (PORTS_TO - PORTS_FROM) / 2) given.clear();
    const port = PORTS_FROM + Math.floor(Math.random() * (PORTS_TO - PORTS_FROM));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process, with what it said so far. */
export class Running {
  stdout = "";
  stderr = "";
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  isOver = false;

  constructor(
    program: Program,
    args: readonly string[],
    options: { cwd?: string; stdin?: "pipe" | "ignore"; env?: Readonly<Record<string, string>> } = {},
  ) {
    this.child = spawn(program.command, [...program.args, ...args], {
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
    });
    this.child.stdout?.on("data", (chunk) => this.stdout = tail(this.stdout + String(chunk)));
    this.child.stderr?.on("data", (chunk) => this.stderr = tail(this.stderr + String(chunk)));
    this.ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code, signal) => {
        this.isOver = true;
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  signal(name: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGINT"): void {
    if (this.isOver || this.child.pid === undefined) return;
    try {
      // Not `child.kill`: after any signal sent that way, Deno never tells of the end of the process.
      process.kill(this.child.pid, name);
    } catch (error) {
      // It ended a moment ago, and we have yet to hear of it.
      if (!(error instanceof Error) || !("code" in error) || error.code !== "ESRCH") throw error;
    }
  }

  async kill(): Promise<Ended> {
    this.signal("SIGKILL");
    return await this.ended;
  }

  /** Waits until it said something. */
  async said(text: RegExp, withinMs: number): Promise<void> {
    await eventually(`the process says ${text}`, withinMs, () => {
      if (text.test(this.stdout) || text.test(this.stderr)) return Promise.resolve(true);
      if (this.isOver) {
        throw new Error(`the process ended without saying ${text}: ${this.stdout}${this.stderr}`);
      }
      return Promise.resolve(false);
    });
  }
}

/** What a process said is kept up to here; the end of it, since that tells why it ended. */
const SAID_CHARS_MAX = 2 * 1024 * 1024;

function tail(text: string): string {
  return text.length > SAID_CHARS_MAX ? text.slice(text.length - SAID_CHARS_MAX / 2) : text;
}

/** Runs a command to its end. */
export async function run(program: Program, args: readonly string[], withinMs = 20_000): Promise<Ended> {
  const running = new Running(program, args);
  const timer = setTimeout(() => running.signal("SIGKILL"), withinMs);
  try {
    return await running.ended;
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again every few milliseconds until it is so; errors count as "not yet". */
export async function eventually(
  what: string,
  withinMs: number,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const until = performance.now() + withinMs;
  let last: unknown = null;
  while (performance.now() < until) {
    try {
      if (await isSo()) return;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Not within ${withinMs} ms: ${what}`, { cause: last });
}

export interface ServerPlan {
  readonly id: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly program: Program;
}

/** Of the LAN profile, which clusters here use unless they say otherwise. */
export const electionTimeoutMaxMs = 600;

/** A cluster of processes. */
export class Cluster {
  readonly plans: readonly ServerPlan[];
  readonly directory: string;
  readonly running = new Map<string, Running>();
  /** Timeouts of all servers. */
  profile: "lan" | "wan" = "lan";
  /** More arguments of `serve`, asked for at each start of a server. */
  moreArgs: (id: string) => readonly string[] = () => [];
  /** Who is a member at the cluster's birth; the others are started with --join. */
  born: readonly string[];
  /** Ids of servers that came back without their data as another one, in the place of the one that was planned. */
  readonly renamed = new Map<string, string>();
  /** More of the environment. */
  moreEnv: (id: string) => Readonly<Record<string, string>> = () => ({});

  private constructor(plans: readonly ServerPlan[], directory: string) {
    this.plans = plans;
    this.born = plans.map(({ id }) => id);
    this.directory = directory;
  }

  /** Chooses ports and a directory, and starts nothing. */
  static async prepare(programs: readonly Program[]): Promise<Cluster> {
    const ports = await freePorts(programs.length * 2);
    const plans = programs.map((program, i) => ({
      id: `n${i + 1}`,
      clientPort: ports[i] ?? 0,
      peerPort: ports[programs.length + i] ?? 0,
      program,
    }));
    return new Cluster(plans, await mkdtemp(join(tmpdir(), "raftline-test-")));
  }

  /** Starts one server per program and waits until one of them leads. */
  static async start(programs: readonly Program[], profile: Cluster["profile"] = "lan"): Promise<Cluster> {
    const cluster = await Cluster.prepare(programs);
    cluster.profile = profile;
    for (const { id } of cluster.plans) cluster.launch(id);
    await cluster.leader();
    return cluster;
  }

  plan(id: string): ServerPlan {
    const plan = this.plans.find((candidate) => candidate.id === id);
    if (plan === undefined) throw new Error(`There is no server ${id}`);
    return plan;
  }

  /** As whom the server of a plan runs. */
  serverId(id: string): string {
    return this.renamed.get(id) ?? id;
  }

  dataDirectory(id: string): string {
    return join(this.directory, this.serverId(id));
  }

  /** Starts a server, for the first time or again. */
  launch(id: string): Running {
    const { clientPort, peerPort, program } = this.plan(id);
    const born = this.born.map((member) => `${member}=127.0.0.1:${this.plan(member).peerPort}`);
    const others = this.plans.filter((plan) => plan.id !== id).map((plan) => `127.0.0.1:${plan.peerPort}`);
    const isBorn = this.born.includes(id) && !this.renamed.has(id);
    const birth = isBorn ? ["--cluster", born.join(",")] : ["--join", others.join(",")];
    const running = new Running(program, [
      "serve",
      "--id",
      this.serverId(id),
      "--data",
      this.dataDirectory(id),
      "--client",
      `127.0.0.1:${clientPort}`,
      "--peer",
      `127.0.0.1:${peerPort}`,
      ...birth,
      "--profile",
      this.profile,
      ...this.moreArgs(id),
    ], { env: this.moreEnv(id) });
    this.running.set(id, running);
    return running;
  }

  async client(id: string): Promise<TestClient> {
    return await TestClient.connect(this.plan(id).clientPort);
  }

  /** A connection to a server that may only just have been started. */
  async clientWhenUp(id: string, withinMs = 10_000): Promise<TestClient> {
    let client: TestClient | null = null;
    await eventually(`${id} accepts clients`, withinMs, async () => {
      client = await this.client(id);
      return true;
    });
    if (client === null) throw new Error("unreachable: eventually returned without a client");
    return client;
  }

  /** What the servers that answer say of themselves. */
  async infos(): Promise<Map<string, Map<string, string>>> {
    const infos = new Map<string, Map<string, string>>();
    for (const { id } of this.plans) {
      if (this.running.get(id)?.isOver ?? true) continue;
      try {
        const client = await this.client(id);
        try {
          infos.set(id, parseInfo(await client.within(1000, client.text("INFO", "raft"))));
        } finally {
          client.close();
        }
      } catch {
        // A server that is paused or only starting tells nothing; the caller asks again.
        continue;
      }
    }
    return infos;
  }

  /** The one that leads the newest term, once there is one; not one of `except`. */
  async leader(except: readonly string[] = [], withinMs = 15_000): Promise<string> {
    let leader: string | null = null;
    await eventually("a server leads", withinMs, async () => {
      let newest = -1;
      for (const [id, info] of await this.infos()) {
        const term = Number(info.get("raft_term"));
        if (info.get("raft_role") !== "leader" || except.includes(id) || term <= newest) continue;
        newest = term;
        leader = id;
      }
      return leader !== null;
    });
    if (leader === null) throw new Error("unreachable: eventually returned without a leader");
    return leader;
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.running.values()].map((running) => {
      running.signal("SIGCONT");
      return running.kill();
    }));
  }

  /** Ends every process and removes the data. */
  async stop(): Promise<void> {
    await this.killAll();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export function parseInfo(text: string): Map<string, string> {
  const pairs = text.split(/\r?\n/).filter((line) => line.includes(":") && !line.startsWith("#"));
  return new Map(pairs.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}
