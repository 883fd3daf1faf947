/**
 * Clients of a cluster whose members come and go: each writes its own keys one after another, asks another server where one refuses for
 * certain or ends, and remembers what it was told.
 *
 * @module
 */
import { ErrorAnswer, TestClient } from "./client.ts";
import { pause } from "./cluster.ts";
import type { Cluster } from "./harness.ts";
import type { Written } from "./workload.ts";

export class RovingWorkload {
  readonly written: Written = { acknowledged: new Map(), unknown: new Set(), at: [] };
  /** Why nobody knows of some. */
  readonly doubts: string[] = [];
  /** How often a server refused for certain. */
  refused = 0;
  /** Whom clients ask; may change at any time. */
  servers: readonly string[];
  readonly #cluster: Cluster;
  #running = true;
  readonly #clients: Promise<void>[];

  constructor(cluster: Cluster, servers: readonly string[], clients: number) {
    this.#cluster = cluster;
    this.servers = servers;
    this.#clients = Array.from({ length: clients }, (_, i) => this.#client(i));
  }

  async stop(): Promise<Written> {
    this.#running = false;
    await Promise.all(this.#clients);
    return this.written;
  }

  /** The longest time without an acknowledgement, in milliseconds. */
  get longestGapMs(): number {
    return this.written.at.reduce((longest, at, i, all) => Math.max(longest, at - (all[i - 1] ?? at)), 0);
  }

  async #client(number: number): Promise<void> {
    let client: TestClient | null = null;
    let at = number;
    const leave = () => {
      client?.close();
      client = null;
      at++;
    };
    for (let i = 0; this.#running;) {
      const server = this.servers[at % this.servers.length] ?? "";
      if (client === null) {
        client = await this.#connect(server);
        if (client === null) {
          at++;
          await pause(10);
          continue;
        }
      }
      const key = `${number}:${i}`;
      const value = `value of ${key}`;
      try {
        const answer = await client.within(15_000, client.send("SET", key, value));
        if (answer === "OK") {
          this.written.acknowledged.set(key, value);
          this.written.at.push(performance.now());
          i++;
        } else if (answer instanceof ErrorAnswer && /^(NOLEADER|BUSY) /.test(answer.text)) {
          this.refused++;
          leave();
          await pause(5);
        } else {
          this.#doubt(key, answer instanceof ErrorAnswer ? answer.text : JSON.stringify(answer));
          i++;
        }
      } catch (error) {
        this.#doubt(key, `${server}: ${error instanceof Error ? error.message : String(error)}`);
        i++;
        leave();
      }
    }
    leave();
  }

  /** A connection that was answered once: one that a server closed unread would leave the first write in doubt. */
  async #connect(server: string): Promise<TestClient | null> {
    let client: TestClient | null = null;
    try {
      client = await this.#cluster.client(server);
      await client.within(5000, client.send("PING"));
      return client;
    } catch {
      // It is not there, or goes: another one is asked.
      client?.close();
      return null;
    }
  }

  #doubt(key: string, why: string): void {
    this.written.unknown.add(key);
    this.doubts.push(`${new Date().toISOString()} ${key}: ${why}`);
  }
}
