/**
 * Clients that write, and remember what they were told.
 *
 * Each writes its own keys one after another, each once, so that what must be there afterwards is exactly what was acknowledged.
 *
 * @module
 */
import { ErrorAnswer, TestClient } from "./client.ts";
import { pause } from "./cluster.ts";
import type { Cluster } from "./harness.ts";

export interface Written {
  /** Key to value, as acknowledged with OK. */
  readonly acknowledged: Map<string, string>;
  /** Keys of which nobody knows. */
  readonly unknown: Set<string>;
  /** When each acknowledgement arrived, in milliseconds of `performance.now()`. */
  readonly at: number[];
}

export class Workload {
  readonly written: Written = { acknowledged: new Map(), unknown: new Set(), at: [] };
  readonly #cluster: Cluster;
  readonly #label: string;
  #running = true;
  readonly #clients: Promise<void>[] = [];

  /** Clients spread over these servers, as many as asked for on each. */
  constructor(cluster: Cluster, servers: readonly string[], clientsEach: number, label: string) {
    this.#cluster = cluster;
    this.#label = label;
    for (const server of servers) {
      for (let i = 0; i < clientsEach; i++) this.#clients.push(this.#client(server, `${server}.${i}`));
    }
  }

  async stop(): Promise<Written> {
    this.#running = false;
    await Promise.all(this.#clients);
    return this.written;
  }

  async #client(server: string, name: string): Promise<void> {
    let client: TestClient | null = null;
    for (let i = 0; this.#running; i++) {
      const key = `${this.#label}:${name}:${i}`;
      const value = `value of ${key}`;
      try {
        client ??= await this.#cluster.client(server);
        const answer = await client.within(10_000, client.send("SET", key, value));
        if (answer === "OK") {
          this.written.acknowledged.set(key, value);
          this.written.at.push(performance.now());
        } else if (answer instanceof ErrorAnswer && answer.text.startsWith("UNKNOWN")) {
          this.written.unknown.add(key);
        } else await pause(5);
      } catch {
        // The server or the connection died under the command: what became of it is not known.
        this.written.unknown.add(key);
        client?.close();
        client = null;
        await pause(20);
      }
    }
    client?.close();
  }
}

/** The acknowledged keys that a server does not have as they were acknowledged. */
export async function missingOn(cluster: Cluster, id: string, { acknowledged }: Written): Promise<string[]> {
  const client = await cluster.clientWhenUp(id);
  try {
    const missing: string[] = [];
    const entries = [...acknowledged];
    for (let from = 0; from < entries.length; from += 500) {
      const batch = entries.slice(from, from + 500);
      const values = await client.within(10_000, client.send("MGET", ...batch.map(([key]) => key)));
      if (!Array.isArray(values)) {
        throw new Error(`MGET answered ${values instanceof ErrorAnswer ? values.text : values}`);
      }
      batch.forEach(([key, value], i) => {
        if (values[i] !== value) missing.push(`${key}: ${JSON.stringify(values[i])}`);
      });
    }
    return missing;
  } finally {
    client.close();
  }
}
