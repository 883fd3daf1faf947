/**
 * A cluster of real processes in which every way from one to another leads through a proxy: each peer to each other one, and clients to each.
 *
 * Keeps true: nothing ends that was not ended here, or it is on record as a surprise; `heal` takes every fault away, wakes whoever sleeps and
 * starts whoever is dead.
 *
 * Links: `n1-n2` is what n1 dials to reach n2; messages of n1 go up on it, and only answers to pings come down. `c-n1` leads clients to n1.
 *
 * @module
 */
import { rm } from "node:fs/promises";
import { TestClient } from "../client.ts";
import { pause } from "../cluster.ts";
import { Cluster, eventually, parseInfo, type Program, type Running } from "../harness.ts";
import type { Link } from "../proxy/link.ts";
import { Proxy } from "../proxy/proxy.ts";

/** How the way from one server to another is closed. */
export type Blocking =
  /** What is said vanishes, message by message. */
  | "silence"
  /** What is said waits, as in a network that sends it again when it is whole. */
  | "stall"
  /** Connections are reset. */
  | "reset";

const LOCAL = "127.0.0.1";
/** What one process said is kept up to here, and what all in one place said. */
const LOG_CHARS = 200_000;
const LOG_CHARS_MAX = 4_000_000;

export interface ArenaOptions {
  readonly programs: readonly Program[];
  readonly seed: string;
  readonly profile?: "lan" | "wan";
  /** More arguments of `serve`. */
  readonly args?: readonly string[];
  /** So many of the servers are no members at first, and are not started: room for changes. */
  readonly spares?: number;
}

export class Arena {
  readonly cluster: Cluster;
  readonly proxy: Proxy;
  readonly seed: string;
  /** Servers whose processes no fault ends, so that what grows in a long life can be seen. */
  readonly spared = new Set<string>();
  /** How long it took, each time, from when all was healed until every server took a write and had applied the same. */
  readonly recoveries: number[] = [];
  /** What servers did that nobody asked them to. */
  readonly surprises: string[] = [];
  readonly #paused = new Set<string>();
  /** Servers that are to run. */
  readonly #active: Set<string>;
  /** How many other servers ran in this one's place before it. */
  readonly #lives = new Map<string, number>();
  /** Processes whose end was asked for. */
  readonly #asked = new Set<Running>();
  #isClaimed = false;
  #startedAt = performance.now();
  readonly #events: string[] = [];
  /** What earlier processes said, by place. */
  readonly #logs = new Map<string, string>();

  private constructor(cluster: Cluster, proxy: Proxy, seed: string) {
    this.cluster = cluster;
    this.proxy = proxy;
    this.seed = seed;
    this.#active = new Set(cluster.born);
  }

  static async start(
    { programs, seed, args = [], spares = 0, profile = "lan" }: ArenaOptions,
  ): Promise<Arena> {
    const cluster = await Cluster.prepare(programs);
    cluster.profile = profile;
    cluster.born = cluster.born.slice(0, programs.length - spares);
    const proxy = new Proxy(seed);
    const arena = new Arena(cluster, proxy, seed);
    const open = (name: string, port: number) =>
      proxy.open({ name, listen: { host: LOCAL, port: 0 }, target: { host: LOCAL, port } });
    for (const { id, clientPort } of cluster.plans) {
      await open(`c-${id}`, clientPort);
      for (const { id: other, peerPort } of cluster.plans) {
        if (other !== id) (await open(`${id}-${other}`, peerPort)).frames(true);
      }
    }
    cluster.moreArgs = (id) => [
      "--dial",
      cluster.plans.map((plan) => plan.id).filter((other) => other !== id).map((other) =>
        `${LOCAL}:${cluster.plan(other).peerPort}=${LOCAL}:${arena.peerLink(id, other).address.port}`
      ).join(","),
      ...args,
    ];
    for (const id of arena.ids) arena.launch(id);
    await cluster.leader();
    return arena;
  }

  /** The servers that are to run. */
  get ids(): readonly string[] {
    return this.cluster.plans.map(({ id }) => id).filter((id) => this.#active.has(id));
  }

  /** A place where nobody runs; `null` if there is none. */
  get spare(): string | null {
    return this.cluster.plans.find(({ id }) => !this.#active.has(id))?.id ?? null;
  }

  others(id: string): readonly string[] {
    return this.ids.filter((other) => other !== id);
  }

  peerLink(from: string, to: string): Link {
    return this.proxy.link(`${from}-${to}`);
  }

  clientLink(id: string): Link {
    return this.proxy.link(`c-${id}`);
  }

  /** Every link between servers. */
  get peerLinks(): readonly Link[] {
    return this.ids.flatMap((from) => this.others(from).map((to) => this.peerLink(from, to)));
  }

  /** A connection for clients, through the proxy. */
  async client(id: string): Promise<TestClient> {
    return await TestClient.connect(this.clientLink(id).address.port);
  }

  /* ---- what is on record ---- */

  /** Says what happens, with the time since the start. */
  note(text: string): void {
    this.#events.push(`${(performance.now() - this.#startedAt).toFixed(0).padStart(7)} ms  ${text}`);
  }

  get events(): readonly string[] {
    return this.#events;
  }

  /* ---- members ---- */

  /** Takes the right to change the members; gives the way to give it back, or `null` where somebody else has it. */
  claimMembers(): (() => void) | null {
    if (this.#isClaimed) return null;
    this.#isClaimed = true;
    return () => this.#isClaimed = false;
  }

  /* ---- processes ---- */

  /** Starts a server in an empty place, as nobody that was there before; it waits to be added. */
  occupy(id: string): void {
    const lives = this.#lives.get(id) ?? (this.cluster.born.includes(id) ? 1 : 0);
    this.#lives.set(id, lives + 1);
    if (lives > 0) this.cluster.renamed.set(id, `${id}.${lives + 1}`);
    this.#active.add(id);
    this.launch(id);
  }

  /** Ends a server for good. */
  async vacate(id: string): Promise<void> {
    this.#active.delete(id);
    await this.kill(id);
    await rm(this.cluster.dataDirectory(id), { recursive: true, force: true });
  }

  launch(id: string): void {
    if (!this.#active.has(id) || !(this.cluster.running.get(id)?.isOver ?? true)) return;
    this.#paused.delete(id);
    const running = this.cluster.launch(id);
    running.ended.then(({ code, signal, stderr }) => {
      const name = this.cluster.serverId(id);
      const before = this.#logs.get(id) ?? "";
      this.#logs.set(
        id,
        `${before}${stderr.slice(-LOG_CHARS)}--- ${name} ended: ${code ?? signal}\n`.slice(-LOG_CHARS_MAX),
      );
      if (this.#asked.has(running)) return;
      const last = stderr.trimEnd().split("\n").slice(-3).join("\n");
      this.surprises.push(`${id} ended by itself with ${code ?? signal}: ${last}`);
    }, (error: Error) => this.surprises.push(`${id} cannot be run: ${error.message}`));
  }

  pid(id: string): number | null {
    const running = this.cluster.running.get(id);
    return running === undefined || running.isOver ? null : running.child.pid ?? null;
  }

  /** kill -9. */
  async kill(id: string): Promise<void> {
    const running = this.cluster.running.get(id);
    if (running === undefined) return;
    this.#asked.add(running);
    await running.kill();
  }

  /** Asks it to stop, and expects that it does, with exit code 0. */
  async stopKindly(id: string, withinMs: number): Promise<void> {
    const running = this.cluster.running.get(id);
    if (running === undefined || running.isOver) return;
    this.#asked.add(running);
    running.signal("SIGCONT");
    const startedAt = performance.now();
    running.signal("SIGTERM");
    const { code, signal, stderr } = await Promise.race([
      running.ended,
      pause(withinMs).then(() => ({ code: null, signal: "nothing", stderr: "" })),
    ]);
    const ms = Math.round(performance.now() - startedAt);
    // A runtime that has not begun our program yet ends by the signal: nothing was said, and nothing opened.
    const hadNotBegun = signal === "SIGTERM" && stderr === "";
    // Somebody else's kill -9 in the same moment is no fault of its own.
    if (code !== 0 && signal !== "SIGKILL" && !hadNotBegun) {
      this.surprises.push(`${id} was asked to stop and ended with ${code ?? signal} after ${ms} ms`);
    }
    await running.kill();
  }

  freeze(id: string): void {
    this.#paused.add(id);
    this.cluster.running.get(id)?.signal("SIGSTOP");
  }

  thaw(id: string): void {
    this.#paused.delete(id);
    this.cluster.running.get(id)?.signal("SIGCONT");
  }

  /* ---- the network ---- */

  /** Closes the way of messages from one server to another. */
  block(from: string, to: string, how: Blocking): void {
    const [there, back] = [this.peerLink(from, to), this.peerLink(to, from)];
    if (how === "reset") {
      there.reset({ andNew: true });
      return;
    }
    // Answers to pings travel the other link's way back.
    for (const [link, direction] of [[there, "up"], [back, "down"]] as const) {
      if (how === "silence") link.drop(direction);
      else link.pause(direction);
    }
  }

  async unblock(from: string, to: string): Promise<void> {
    const [there, back] = [this.peerLink(from, to), this.peerLink(to, from)];
    await there.clear("both", "reset");
    for (const [link, direction] of [[there, "up"], [back, "down"]] as const) {
      await link.clear(direction, "drop");
      await link.clear(direction, "pause");
    }
  }

  /** Takes every fault away. */
  async heal(): Promise<void> {
    for (const link of this.proxy.links) await link.clear();
    for (const id of this.ids) {
      this.thaw(id);
      this.launch(id);
    }
  }

  /* ---- looking, past the proxy ---- */

  /** Who leads the newest term, among those that answer at once. */
  async leaderNow(): Promise<string | null> {
    const infos = await this.infos();
    let newest = -1;
    let leader: string | null = null;
    for (const [id, info] of infos) {
      const term = Number(info.get("raft_term"));
      if (info.get("raft_role") === "leader" && term > newest) [newest, leader] = [term, id];
    }
    return leader;
  }

  /** What the servers that answer at once say of themselves. */
  async infos(): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
    const infos = new Map<string, ReadonlyMap<string, string>>();
    await Promise.all(this.ids.map(async (id) => {
      if (this.#paused.has(id) || this.pid(id) === null) return;
      try {
        const client = await this.cluster.client(id);
        try {
          infos.set(id, parseInfo(await client.within(500, client.text("INFO", "raft"))));
        } finally {
          client.close();
        }
      } catch {
        // It is only starting, or busy: nothing is known of it now.
      }
    }));
    return infos;
  }

  /** Waits until every server takes a write through the proxy, and all have applied the same. */
  async settle(withinMs = 10_000): Promise<void> {
    await Promise.all(this.ids.map((id) =>
      eventually(`${id} takes a write`, withinMs, async () => {
        const client = await this.client(id);
        try {
          return await client.within(1000, client.send("SET", `settled:${id}`, "1")) === "OK";
        } finally {
          client.close();
        }
      })
    ));
    await eventually("all servers apply the same", withinMs, async () => {
      const infos = await this.infos();
      const applied = new Set([...infos.values()].map((info) => info.get("raft_applied_index")));
      return infos.size === this.ids.length && applied.size === 1;
    });
  }

  /** What a server says in its present life. */
  said(id: string): string {
    return this.cluster.running.get(id)?.stderr ?? "";
  }

  /** What was said in each place, by all who ever ran there. */
  get logs(): ReadonlyMap<string, string> {
    return new Map(this.cluster.plans.map(({ id }) => {
      const isOver = this.cluster.running.get(id)?.isOver ?? true;
      return [id, `${this.#logs.get(id) ?? ""}${isOver ? "" : this.said(id)}`];
    }));
  }

  async stop(): Promise<void> {
    for (const running of this.cluster.running.values()) this.#asked.add(running);
    await this.proxy.close();
    await this.cluster.stop();
  }
}
