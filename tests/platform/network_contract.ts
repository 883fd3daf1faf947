/**
 * The contract of `Network`, as tables of cases that any network of this house must pass.
 *
 * Keeps true: a stream's bytes arrive whole, in order and once, or the connection closes; what the world did is told through events, each
 * once, never from inside a call; after `onClose` comes nothing.
 *
 * Runs on Deno and on Bun alike.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { joined } from "../../internal/base/bytes.ts";
import { assertSame, type Bench, randomBytes } from "./network_bench.ts";

export interface NetworkCase {
  readonly what: string;
  readonly run: (bench: Bench) => Promise<void>;
}

export const HELLO = new TextEncoder().encode("hello");

/** What every network keeps. */
export const contract: readonly NetworkCase[] = [
  {
    what: "who dials hears that it is open, who accepts does not; both know the other's name",
    run: async (bench) => {
      const { near, far, port } = await bench.pair();
      assertEquals([near.heard, far.heard, port.errors], [["open"], [], []]);
      assertEquals(near.connection.remote, `${port.address.host}:${port.address.port}`);
      assertMatch(far.connection.remote, /^[\w.]+:\d+$/);
    },
  },

  {
    what: "bytes arrive in order and unharmed, both ways at once",
    run: async (bench) => {
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
    },
  },

  {
    what: "two connections to one port do not mix",
    run: async (bench) => {
      const { near, far, port } = await bench.pair();
      const other = bench.dial(port.address);
      await bench.facts.until(() => other.isOpen && port.accepted.length === 2);
      const second = port.accepted[1];
      assert(second !== undefined);
      near.connection.write(HELLO.slice());
      other.connection.write(Uint8Array.of(1, 2, 3));
      await bench.facts.until(() => far.bytes >= 5 && second.bytes >= 3);
      assertEquals([far.received, second.received], [HELLO, Uint8Array.of(1, 2, 3)]);
    },
  },

  {
    what: "a refused dial is told once, and not from inside the call",
    run: async (bench) => {
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
    },
  },

  {
    what: "a dial that is given up never opens",
    run: async (bench) => {
      const { address } = await bench.port();
      const near = bench.dial(address);
      near.connection.close();
      assertEquals(near.heard, [], "nothing is told from inside the call");
      await bench.facts.until(() => near.isClosed);
      await bench.wait(20);
      assertEquals(near.heard, ["close: we closed the connection"]);
    },
  },

  {
    what: "a port has one listener; the second hears why, the first goes on",
    run: async (bench) => {
      const first = await bench.port();
      const second = await bench.port(first.address);
      assertEquals([first.errors, second.errors.length], [[], 1]);
      assertStringIncludes(second.errors[0] ?? "", `:${first.address.port}: the port is in use`);
      const near = bench.dial(first.address);
      await bench.facts.until(() => near.isOpen && first.accepted.length === 1);
      assertEquals(second.accepted, []);
    },
  },

  {
    what: "a closed port takes no more connections, and those that it took live on",
    run: async (bench) => {
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
    },
  },

  {
    what: "who said its last byte still hears the other side",
    run: async (bench) => {
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
    },
  },

  {
    what: "what is queued is sent before the end is",
    run: async (bench) => {
      const bytes = randomBytes(new SeededRandom("end"), 4 * 1024 * 1024);
      const { near, far } = await bench.pair();
      near.connection.write(bytes.slice());
      near.connection.end();
      await bench.facts.until(() => far.hasEnded);
      assertSame(far.received, bytes);
      assertEquals(far.heard, ["end"]);
    },
  },

  {
    what: "who closes hears it once, and writes nothing any more; the other side hears it too",
    run: async (bench) => {
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
      assertEquals(near.heard.filter((event) => event !== "end"), [
        "open",
        "close: we closed the connection",
      ]);
      assertEquals(far.heard.filter((event) => event !== "end").length, 1);
      assertEquals([near.bytes, far.bytes], [0, 0]);
    },
  },

  {
    what: "a close while data is under way leaves the other side a beginning of it",
    run: async (bench) => {
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
    },
  },

  {
    what: "who is paused is given nothing, and all of it in order afterwards",
    run: async (bench) => {
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
    },
  },

  {
    what: "a pause from inside a chunk holds back the rest",
    run: async (bench) => {
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
    },
  },
];
