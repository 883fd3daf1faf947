/**
 * Kind: integration (one suite on real TCP and on the simulated network), with units for what only one of them has.
 *
 * Invariant: the contract of `Network`: a stream's bytes arrive whole, in order and once, or the connection closes; what the world did is
 * told through events, each once, never from inside a call; after `onClose` comes nothing.
 *
 * Learnt: on real TCP the end of a `close()` reaches the other side as `onEnd` or as `onClose`, on the simulated network always as
 * `onClose`; so whoever hears `onEnd` must end or close its own side. The simulated network has no back-pressure and cannot write before
 * the dial is answered, so these have real tests only.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { TcpNetwork } from "../../internal/host/tcp_network.ts";
import type {
  Address,
  Connection,
  ConnectionEvents,
  Listener,
  Network,
} from "../../internal/platform/network.ts";
import { calmNetwork, type NetworkFaults, SimNetwork } from "../simulator/sim_network.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";
import { type Drive, really, virtually } from "./drive.ts";

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
  readonly #facts: Facts;

  constructor(connection: Connection, facts: Facts) {
    this.connection = connection;
    this.#facts = facts;
    connection.listen(this);
  }

  onOpen(): void {
    this.#hear("open");
  }

  onData(chunk: Uint8Array): void {
    if (this.isClosed) this.heard.push("data after close");
    if (this.hasEnded) this.heard.push("data after end");
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    this.#facts.changed();
  }

  onEnd(): void {
    this.#hear("end");
  }

  onDrain(): void {
    this.queuedAtDrain.push(this.connection.bytesQueued);
    this.#facts.changed();
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
class Bench {
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

interface Body {
  readonly name: string;
  use(test: (bench: Bench) => Promise<void>): Promise<void>;
}

async function onBench(drive: Drive, bench: Bench, test: (bench: Bench) => Promise<void>): Promise<void> {
  await drive(async () => {
    await test(bench);
    await bench.close();
  });
}

const tcp: Body = {
  name: "real TCP",
  use(test) {
    const network = new TcpNetwork();
    const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    return onBench(really, new Bench(network, network, { host: "127.0.0.1", port: 0 }, wait), test);
  },
};

const CALM: NetworkFaults = { ...calmNetwork, latencyMs: [0.1, 5] };

/** Two servers on a simulated network. */
function world(faults: NetworkFaults = CALM) {
  const time = new VirtualTime();
  const network = new SimNetwork(time, new SeededRandom("network"), faults);
  const clock = new LifeClock(time);
  const wait = (ms: number) => new Promise<void>((resolve) => void time.at(time.now + ms, resolve));
  const bench = new Bench(
    network.bodyFor("n1", clock),
    network.bodyFor("n2", new LifeClock(time)),
    { host: "n2", port: 7001 },
    wait,
  );
  return { network, bench, drive: virtually(time) };
}

const simulated: Body = {
  name: "simulated network",
  use(test) {
    const { bench, drive } = world();
    return onBench(drive, bench, test);
  },
};

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random.below(256);
  return bytes;
}

function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(actual.length, expected.length);
  assertEquals(actual.findIndex((byte, i) => byte !== expected[i]), -1, "the first byte that differs");
}

const HELLO = new TextEncoder().encode("hello");

/* ---- the suite ---- */

function conformance(body: Body): void {
  const test = (what: string, run: (bench: Bench) => Promise<void>) =>
    Deno.test(`${body.name}: ${what}`, () => body.use(run));

  test("who dials hears that it is open, who accepts does not; both know the other's name", async (bench) => {
    const { near, far, port } = await bench.pair();
    assertEquals([near.heard, far.heard, port.errors], [["open"], [], []]);
    assertEquals(near.connection.remote, `${port.address.host}:${port.address.port}`);
    assertMatch(far.connection.remote, /^[\w.]+:\d+$/);
  });

  test("bytes arrive in order and unharmed, both ways at once", async (bench) => {
    const random = new SeededRandom("both ways");
    const { near, far } = await bench.pair();
    const sent: [Uint8Array[], Uint8Array[]] = [[], []];
    for (let i = 0; i < 200; i++) {
      for (const [side, ear] of [near, far].entries()) {
        const bytes = randomBytes(random, random.chance(1, 20) ? random.below(100_000) : random.below(200));
        sent[side]?.push(bytes.slice());
        ear.connection.write(bytes);
      }
      if (random.chance(1, 10)) await bench.wait(1);
    }
    const [fromNear, fromFar] = [joined(sent[0]), joined(sent[1])];
    await bench.facts.until(() => far.bytes >= fromNear.length && near.bytes >= fromFar.length);
    await bench.wait(10);
    assertSame(far.received, fromNear);
    assertSame(near.received, fromFar);
  });

  test("two connections to one port do not mix", async (bench) => {
    const { near, far, port } = await bench.pair();
    const other = bench.dial(port.address);
    await bench.facts.until(() => other.isOpen && port.accepted.length === 2);
    const second = port.accepted[1];
    assert(second !== undefined);
    near.connection.write(HELLO.slice());
    other.connection.write(Uint8Array.of(1, 2, 3));
    await bench.facts.until(() => far.bytes >= 5 && second.bytes >= 3);
    assertEquals([far.received, second.received], [HELLO, Uint8Array.of(1, 2, 3)]);
  });

  test("a refused dial is told once, and not from inside the call", async (bench) => {
    const { listener, address } = await bench.port();
    listener.close();
    await bench.wait(20);
    const near = bench.dial(address);
    assertEquals(near.heard, []);
    await bench.facts.until(() => near.isClosed);
    near.connection.write(HELLO.slice());
    near.connection.close();
    await bench.wait(20);
    assertEquals([near.heard, near.bytes], [["close: connection refused"], 0]);
  });

  test("a dial that is given up never opens", async (bench) => {
    const { address } = await bench.port();
    const near = bench.dial(address);
    near.connection.close();
    assertEquals(near.heard, [], "nothing is told from inside the call");
    await bench.facts.until(() => near.isClosed);
    await bench.wait(20);
    assertEquals(near.heard, ["close: we closed the connection"]);
  });

  test("a port has one listener; the second hears why, the first goes on", async (bench) => {
    const first = await bench.port();
    const second = await bench.port(first.address);
    assertEquals([first.errors, second.errors.length], [[], 1]);
    assertStringIncludes(second.errors[0] ?? "", `:${first.address.port}: the port is in use`);
    const near = bench.dial(first.address);
    await bench.facts.until(() => near.isOpen && first.accepted.length === 1);
    assertEquals(second.accepted, []);
  });

  test("a closed port takes no more connections, and those that it took live on", async (bench) => {
    const { near, far, port } = await bench.pair();
    port.listener.close();
    await bench.wait(20);
    const late = bench.dial(port.address);
    await bench.facts.until(() => late.isClosed);
    assertEquals([late.heard, port.accepted.length], [["close: connection refused"], 1]);
    near.connection.write(HELLO.slice());
    await bench.facts.until(() => far.bytes === HELLO.length);
    far.connection.write(HELLO.slice());
    await bench.facts.until(() => near.bytes === HELLO.length);
    assertEquals([near.heard, far.heard], [["open"], []]);
  });

  test("who said its last byte still hears the other side", async (bench) => {
    const { near, far } = await bench.pair();
    near.connection.write(HELLO.slice());
    near.connection.end();
    await bench.facts.until(() => far.hasEnded);
    assertEquals([far.received, far.heard], [HELLO, ["end"]]);
    await bench.wait(20);
    far.connection.write(Uint8Array.of(1));
    far.connection.write(Uint8Array.of(2, 3));
    await bench.facts.until(() => near.bytes >= 3);
    far.connection.end();
    await bench.facts.until(() => near.hasEnded);
    assertEquals([near.received, near.heard.slice(0, 2)], [Uint8Array.of(1, 2, 3), ["open", "end"]]);
  });

  test("what is queued is sent before the end is", async (bench) => {
    const bytes = randomBytes(new SeededRandom("end"), 4 * 1024 * 1024);
    const { near, far } = await bench.pair();
    near.connection.write(bytes.slice());
    near.connection.end();
    await bench.facts.until(() => far.hasEnded);
    assertSame(far.received, bytes);
    assertEquals(far.heard, ["end"]);
  });

  test("who closes hears it once, and writes nothing any more; the other side hears it too", async (bench) => {
    const { near, far } = await bench.pair();
    near.connection.close();
    assertEquals(near.heard, ["open"], "nothing is told from inside the call");
    near.connection.write(HELLO.slice());
    near.connection.end();
    near.connection.close();
    await bench.facts.until(() => near.isClosed && (far.isClosed || far.hasEnded));
    far.connection.write(HELLO.slice());
    far.connection.close();
    await bench.facts.until(() => far.isClosed);
    await bench.wait(20);
    assertEquals(near.heard.filter((event) => event !== "end"), ["open", "close: we closed the connection"]);
    assertEquals(far.heard.filter((event) => event !== "end").length, 1);
    assertEquals([near.bytes, far.bytes], [0, 0]);
  });

  test("a close while data is under way leaves the other side a beginning of it", async (bench) => {
    const bytes = randomBytes(new SeededRandom("under way"), 8 * 1024 * 1024);
    const { near, far } = await bench.pair();
    for (let at = 0; at < bytes.length; at += 1024 * 1024) {
      near.connection.write(bytes.slice(at, at + 1024 * 1024));
    }
    await bench.facts.until(() => far.bytes > 0);
    near.connection.close();
    await bench.facts.until(() => near.isClosed && (far.isClosed || far.hasEnded));
    assertSame(far.received, bytes.subarray(0, far.bytes));
    far.connection.close();
    await bench.facts.until(() => far.isClosed);
    const before = far.bytes;
    await bench.wait(20);
    assertEquals(far.bytes, before, "nothing arrives after the close");
  });

  test("who is paused is given nothing, and all of it in order afterwards", async (bench) => {
    const bytes = randomBytes(new SeededRandom("pause"), 300_000);
    const { near, far } = await bench.pair();
    far.connection.pause();
    near.connection.write(bytes.slice(0, 1000));
    await bench.wait(30);
    near.connection.write(bytes.slice(1000));
    near.connection.end();
    await bench.wait(30);
    assertEquals([far.bytes, far.heard], [0, []]);
    far.connection.resume();
    assertEquals(far.bytes, 0, "nothing is told from inside the call");
    await bench.facts.until(() => far.hasEnded);
    assertSame(far.received, bytes);
  });

  test("a pause from inside a chunk holds back the rest", async (bench) => {
    const bytes = randomBytes(new SeededRandom("pause inside"), 1_000_000);
    const { near, far } = await bench.pair();
    let pauses = 0;
    const onData = far.onData.bind(far);
    far.onData = (chunk) => {
      pauses++;
      far.connection.pause();
      onData(chunk);
    };
    for (let at = 0; at < bytes.length; at += 100_000) near.connection.write(bytes.slice(at, at + 100_000));
    await bench.facts.until(() => far.bytes > 0);
    await bench.wait(30);
    assertEquals(pauses, 1);
    while (far.bytes < bytes.length) {
      const before = pauses;
      far.connection.resume();
      await bench.facts.until(() => pauses > before);
    }
    assertSame(far.received, bytes);
  });
}

conformance(tcp);
conformance(simulated);

/* ---- real TCP alone ---- */

function tcpTest(what: string, run: (bench: Bench) => Promise<void>): void {
  Deno.test(`real TCP: ${what}`, () => tcp.use(run));
}

tcpTest(
  "a reader that is paused is felt by the writer, and drained once when it reads again",
  async (bench) => {
    const bytes = randomBytes(new SeededRandom("pressure"), 16 * 1024 * 1024);
    const { near, far } = await bench.pair();
    far.connection.pause();
    for (let at = 0; at < bytes.length; at += 256 * 1024) {
      near.connection.write(bytes.slice(at, at + 256 * 1024));
    }
    await bench.wait(100);
    assert(near.connection.bytesQueued > 0, "the system's buffers do not hold sixteen megabytes");
    assertEquals(near.queuedAtDrain, []);
    far.connection.resume();
    await bench.facts.until(() => far.bytes === bytes.length && near.queuedAtDrain.length > 0);
    assertSame(far.received, bytes);
    assertEquals([near.queuedAtDrain, near.connection.bytesQueued], [[0], 0]);
  },
);

tcpTest("what is written before the dial is answered arrives first", async (bench) => {
  const { address, accepted } = await bench.port();
  const near = bench.dial(address);
  near.connection.write(Uint8Array.of(1, 2));
  assertEquals(near.connection.bytesQueued, 2);
  await bench.facts.until(() => near.isOpen);
  near.connection.write(Uint8Array.of(3));
  await bench.facts.until(() => accepted[0]?.bytes === 3);
  assertEquals(accepted[0]?.received, Uint8Array.of(1, 2, 3));
  assertEquals(near.connection.bytesQueued, 0);
});

tcpTest("a connection that both sides ended is closed on both, once", async (bench) => {
  const { near, far } = await bench.pair();
  near.connection.end();
  near.connection.write(HELLO.slice());
  await bench.facts.until(() => far.hasEnded);
  far.connection.end();
  await bench.facts.until(() => near.isClosed && far.isClosed);
  await bench.wait(20);
  assertEquals(near.heard, ["open", "end", "close: the connection was closed"]);
  assertEquals([far.heard, far.bytes], [["end", "close: the connection was closed"], 0]);
});

tcpTest("a listener that is closed at once never listens", async (bench) => {
  const { address, listener } = await bench.port();
  listener.close();
  await bench.wait(20);
  const heard: string[] = [];
  new TcpNetwork().listen(address, {
    onListening: () => heard.push("listening"),
    onConnection: () => heard.push("connection"),
    onError: () => heard.push("error"),
  }).close();
  await bench.wait(20);
  const near = bench.dial(address);
  await bench.facts.until(() => near.isClosed);
  assertEquals([near.heard, heard], [["close: connection refused"], []]);
});

tcpTest("a host that is not known is told as such", async (bench) => {
  const near = bench.dial({ host: "no-such-host.invalid", port: 7001 });
  await bench.facts.until(() => near.isClosed);
  assertEquals(near.heard.length, 1);
});

/* ---- the simulated network alone: faults ---- */

Deno.test("simulated network: what is written through a cut path is queued, and arrives in order when it is healed", async () => {
  const { network, bench, drive } = world();
  await onBench(drive, bench, async () => {
    const { near, far } = await bench.pair();
    near.connection.write(Uint8Array.of(1));
    await bench.facts.until(() => far.bytes === 1);
    network.cut("n1", "n2");
    near.connection.write(Uint8Array.of(2));
    near.connection.write(Uint8Array.of(3, 4));
    far.connection.write(Uint8Array.of(9));
    await bench.wait(1000);
    assertEquals([far.bytes, near.bytes, near.connection.bytesQueued], [1, 1, 3], "one way only is cut");
    network.heal();
    near.connection.write(Uint8Array.of(5));
    await bench.facts.until(() => far.bytes === 5);
    assertEquals([far.received, near.connection.bytesQueued], [Uint8Array.of(1, 2, 3, 4, 5), 0]);
  });
});

Deno.test("simulated network: a dial through a cut path gets no answer", async () => {
  const { network, bench, drive } = world();
  await onBench(drive, bench, async () => {
    const { address, accepted } = await bench.port();
    network.cut("n2", "n1");
    const near = bench.dial(address);
    await bench.wait(1000);
    assertEquals([near.heard, accepted.length], [[], 0]);
  });
});

Deno.test("simulated network: who dies breaks its connections and frees its ports", async () => {
  const { network, bench, drive } = world();
  await onBench(drive, bench, async () => {
    const { near, port } = await bench.pair();
    network.died("n2");
    await bench.facts.until(() => near.isClosed);
    const next = bench.dial(port.address);
    await bench.facts.until(() => next.isClosed);
    assertEquals(
      [near.heard, next.heard],
      [["open", "close: connection reset"], ["close: connection refused"]],
    );
  });
});

Deno.test("simulated network: writes vanish whole or come twice, and a connection breaks within one; a greeting is spared", async () => {
  const frame = (number: number) => Uint8Array.of(number, number, number, number);
  const frames = Array.from({ length: 200 }, (_, i) => frame(i));
  for (const faults of [{ ...CALM, lossPermille: 500 }, { ...CALM, duplicatePermille: 500 }]) {
    const { network, bench, drive } = world(faults);
    await onBench(drive, bench, async () => {
      const { near, far } = await bench.pair();
      for (const bytes of frames) near.connection.write(bytes);
      const { lost, duplicated } = network.counts;
      assert(lost + duplicated > 50);
      await bench.facts.until(() => far.bytes === 4 * (frames.length - lost + duplicated));
      const numbers: number[] = [];
      for (let at = 0; at < far.bytes; at += 4) {
        const number = far.received[at];
        assert(number !== undefined);
        assertEquals(far.received.slice(at, at + 4), frame(number), "frames stay whole");
        numbers.push(number);
      }
      assertEquals(numbers, numbers.toSorted((a, b) => a - b), "and in order");
      assertEquals(numbers.slice(0, 2).filter((number) => number === 0), [0], "the greeting comes once");
    });
  }
  const { bench, drive } = world({ ...CALM, breakPermille: 1000 });
  await onBench(drive, bench, async () => {
    const { near, far } = await bench.pair();
    near.connection.write(HELLO.slice());
    await bench.facts.until(() => near.isClosed && far.isClosed);
    assertSame(far.received, HELLO.subarray(0, far.bytes));
  });
});
