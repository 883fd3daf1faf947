/**
 * Two machines and what their connections tell: what every test of a network is written against.
 *
 * Runs on Deno and on Bun alike.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { joined } from "../../internal/base/bytes.ts";
import type { Random } from "../../internal/base/random.ts";
import type {
  Address,
  Connection,
  ConnectionEvents,
  Listener,
  ListenerEvents,
  Network,
} from "../../internal/platform/network.ts";
import { type Drive, really } from "./drive.ts";

/** Tests wait for facts; whoever learns something new looks whether somebody waits for it. */
class Facts {
  #waiting: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];

  changed(): void {
    const met = this.#waiting.filter(({ holds }) => holds());
    this.#waiting = this.#waiting.filter((wait) => !met.includes(wait));
    for (const { resolve } of met) resolve();
  }

  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }
}

/** A connection, and everything it told. */
class Ear implements ConnectionEvents {
  readonly connection: Connection;
  /** Everything but data. */
  readonly heard: string[] = [];
  readonly chunks: Uint8Array[] = [];
  bytes = 0;
  /** What was queued when `onDrain` came. */
  readonly queuedAtDrain: number[] = [];
  /** What a test does from inside an event. */
  readonly does: { open?: () => void; data?: () => void; end?: () => void; drain?: () => void } = {};
  readonly #facts: Facts;

  constructor(connection: Connection, facts: Facts) {
    this.connection = connection;
    this.#facts = facts;
    connection.listen(this);
  }

  onOpen(): void {
    this.#hear("open");
    this.does.open?.();
  }

  onData(chunk: Uint8Array): void {
    if (this.isClosed) this.heard.push("data after close");
    if (this.hasEnded) this.heard.push("data after end");
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    this.#facts.changed();
    this.does.data?.();
  }

  onEnd(): void {
    this.#hear("end");
    this.does.end?.();
  }

  onDrain(): void {
    this.queuedAtDrain.push(this.connection.bytesQueued);
    this.#facts.changed();
    this.does.drain?.();
  }

  onClose(reason: string): void {
    this.#hear(`close: ${reason}`);
  }

  get isOpen(): boolean {
    return this.heard.includes("open");
  }

  get hasEnded(): boolean {
    return this.heard.includes("end");
  }

  get isClosed(): boolean {
    return this.heard.some((event) => event.startsWith("close"));
  }

  get received(): Uint8Array {
    return joined(this.chunks);
  }

  #hear(event: string): void {
    this.heard.push(event);
    this.#facts.changed();
  }
}

/** Two machines, and what is done on them; closed at the end. */
export class Bench {
  readonly facts = new Facts();
  readonly #near: Network;
  readonly #far: Network;
  readonly #address: Address;
  readonly wait: (ms: number) => Promise<void>;
  readonly #ears: Ear[] = [];
  readonly #listeners: Listener[] = [];

  constructor(near: Network, far: Network, address: Address, wait: (ms: number) => Promise<void>) {
    this.#near = near;
    this.#far = far;
    this.#address = address;
    this.wait = wait;
  }

  /** A port on the far machine, and whom it accepted. */
  async port(address = this.#address) {
    const accepted: Ear[] = [];
    const errors: string[] = [];
    let bound: Address | null = null;
    const listener = this.#far.listen(address, {
      onListening: (at) => {
        bound = at;
        this.facts.changed();
      },
      onConnection: (connection) => {
        accepted.push(this.ear(connection));
        this.facts.changed();
      },
      onError: (error) => {
        errors.push(error.message);
        this.facts.changed();
      },
    });
    this.#listeners.push(listener);
    await this.facts.until(() => bound !== null || errors.length > 0);
    return { listener, accepted, errors, address: bound ?? address };
  }

  listen(address: Address, events: ListenerEvents): Listener {
    return this.#far.listen(address, events);
  }

  ear(connection: Connection): Ear {
    const ear = new Ear(connection, this.facts);
    this.#ears.push(ear);
    return ear;
  }

  dial(address: Address): Ear {
    return this.ear(this.#near.connect(address));
  }

  /** Two ends of one open connection. */
  async pair() {
    const port = await this.port();
    const near = this.dial(port.address);
    await this.facts.until(() => near.isOpen && port.accepted.length === 1);
    const [far] = port.accepted;
    assert(far !== undefined);
    return { near, far, port };
  }

  async close(): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    for (const { connection } of this.#ears) connection.close();
    await this.facts.until(() => this.#ears.every(({ isClosed }) => isClosed));
  }
}

export async function onBench(
  drive: Drive,
  bench: Bench,
  test: (bench: Bench) => Promise<void>,
): Promise<void> {
  await drive(async () => {
    await test(bench);
    await bench.close();
  });
}

export function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random.below(256);
  return bytes;
}

export function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(actual.length, expected.length);
  assertEquals(actual.findIndex((byte, i) => byte !== expected[i]), -1, "the first byte that differs");
}

/** Runs a test on two machines of this very one. */
export function onLoopback(network: Network, test: (bench: Bench) => Promise<void>): Promise<void> {
  const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  return onBench(really, new Bench(network, network, { host: "127.0.0.1", port: 0 }, wait), test);
}
