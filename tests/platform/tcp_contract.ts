/**
 * What streams of a real system keep besides the contract of `Network`: back-pressure, half-closed connections, resets, addresses of
 * other kinds.
 *
 * Runs on Deno and on Bun alike.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { joined } from "../../internal/base/bytes.ts";
import { assertSame, randomBytes } from "./network_bench.ts";
import { HELLO, type NetworkCase } from "./network_contract.ts";

const BOTH_ENDED = "close: the connection was closed";
const MIB = 1024 * 1024;

/** What streams of a real system keep besides: back-pressure, half-closed connections, other addresses. */
export const tcpContract: readonly NetworkCase[] = [
  {
    what: "a reader that is paused is felt by the writer, and drained once when it reads again",
    run: async (bench) => {
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
  },

  {
    what: "what is written before the dial is answered arrives first",
    run: async (bench) => {
      const { address, accepted } = await bench.port();
      const near = bench.dial(address);
      near.connection.write(Uint8Array.of(1, 2));
      assertEquals(near.connection.bytesQueued, 2);
      await bench.facts.until(() => near.isOpen);
      near.connection.write(Uint8Array.of(3));
      await bench.facts.until(() => accepted[0]?.bytes === 3);
      assertEquals(accepted[0]?.received, Uint8Array.of(1, 2, 3));
      assertEquals(near.connection.bytesQueued, 0);
    },
  },

  {
    what: "a connection that both sides ended is closed on both, once",
    run: async (bench) => {
      const { near, far } = await bench.pair();
      near.connection.end();
      near.connection.write(HELLO.slice());
      await bench.facts.until(() => far.hasEnded);
      far.connection.end();
      await bench.facts.until(() => near.isClosed && far.isClosed);
      await bench.wait(20);
      assertEquals(near.heard, ["open", "end", "close: the connection was closed"]);
      assertEquals([far.heard, far.bytes], [["end", "close: the connection was closed"], 0]);
    },
  },

  {
    what: "a listener that is closed at once never listens",
    run: async (bench) => {
      const { address, listener } = await bench.port();
      listener.close();
      await bench.wait(20);
      const heard: string[] = [];
      bench.listen(address, {
        onListening: () => heard.push("listening"),
        onConnection: () => heard.push("connection"),
        onError: () => heard.push("error"),
      }).close();
      await bench.wait(20);
      const near = bench.dial(address);
      await bench.facts.until(() => near.isClosed);
      assertEquals([near.heard, heard], [["close: connection refused"], []]);
    },
  },

  {
    what: "a host that is not known is told as such",
    run: async (bench) => {
      const near = bench.dial({ host: "no-such-host.invalid", port: 7001 });
      await bench.facts.until(() => near.isClosed);
      assertEquals(near.heard.length, 1);
    },
  },
  {
    what: "a small write is with the system at once: nothing is queued, and nothing drains",
    run: async (bench) => {
      const { near, far } = await bench.pair();
      for (let i = 0; i < 10; i++) {
        near.connection.write(HELLO.slice());
        await bench.facts.until(() => far.bytes === (i + 1) * HELLO.length);
        assertEquals([near.connection.bytesQueued, near.queuedAtDrain], [0, []]);
      }
    },
  },
  {
    what: "what waits is sent before what is written later, through many half-taken writes",
    run: async (bench) => {
      const random = new SeededRandom("half taken");
      const { near, far } = await bench.pair();
      const sent: Uint8Array[] = [];
      for (let i = 0; i < 120; i++) {
        const bytes = randomBytes(random, random.chance(1, 4) ? random.below(700_000) : random.below(300));
        sent.push(bytes.slice());
        near.connection.write(bytes);
        if (random.chance(1, 6)) far.connection.pause();
        else if (random.chance(1, 3)) far.connection.resume();
        if (random.chance(1, 8)) await bench.wait(1);
      }
      near.connection.end();
      far.connection.resume();
      await bench.facts.until(() => far.hasEnded);
      assertSame(far.received, joined(sent));
      assertEquals([near.connection.bytesQueued, near.queuedAtDrain.every((queued) => queued === 0)], [
        0,
        true,
      ]);
    },
  },
  {
    what: "a reader that is paused for long keeps little of what is under way",
    run: async (bench) => {
      const { near, far } = await bench.pair();
      far.connection.pause();
      const bytes = 64 * MIB;
      for (let at = 0; at < bytes; at += MIB) near.connection.write(new Uint8Array(MIB));
      await bench.wait(200);
      assert(near.connection.bytesQueued > bytes / 2, `${near.connection.bytesQueued} are queued`);
      assertEquals(far.bytes, 0);
    },
  },
  {
    what: "who pauses another connection that is just as ready to be read holds it back",
    run: async (bench) => {
      const { near, far, port } = await bench.pair();
      const other = bench.dial(port.address);
      await bench.facts.until(() => other.isOpen && port.accepted.length === 2);
      const second = port.accepted[1];
      assert(second !== undefined);
      const ears = [far, second];
      for (const ear of ears) {
        const onData = ear.onData.bind(ear);
        ear.onData = (chunk) => {
          for (const { connection } of ears) if (connection !== ear.connection) connection.pause();
          onData(chunk);
        };
      }
      near.connection.write(HELLO.slice());
      other.connection.write(HELLO.slice());
      await bench.facts.until(() => ears.some(({ bytes }) => bytes > 0));
      await bench.wait(30);
      assertEquals(ears.map(({ bytes }) => bytes).sort(), [0, HELLO.length]);
      for (const { connection } of ears) connection.resume();
      await bench.facts.until(() => ears.every(({ bytes }) => bytes === HELLO.length));
    },
  },
  {
    what: "who is paused reads what came before the end, although both sides ended",
    run: async (bench) => {
      const bytes = randomBytes(new SeededRandom("both ended"), 200_000);
      const { near, far } = await bench.pair();
      far.connection.pause();
      near.connection.write(bytes.slice());
      near.connection.end();
      await bench.wait(20);
      far.connection.end();
      await bench.wait(30);
      assertEquals([far.bytes, far.heard], [0, []]);
      far.connection.resume();
      await bench.facts.until(() => far.isClosed);
      assertSame(far.received, bytes);
      assertEquals(far.heard, ["end", BOTH_ENDED]);
    },
  },
  {
    what: "who hears the end sends a long answer and ends; both are closed, once",
    run: async (bench) => {
      const bytes = randomBytes(new SeededRandom("long answer"), 12 * MIB);
      const { near, far } = await bench.pair();
      near.connection.write(HELLO.slice());
      near.connection.end();
      await bench.facts.until(() => far.hasEnded);
      near.connection.pause();
      far.connection.write(bytes.slice());
      far.connection.end();
      await bench.wait(20);
      assert(far.connection.bytesQueued > 0);
      near.connection.resume();
      await bench.facts.until(() => near.isClosed && far.isClosed);
      await bench.wait(20);
      assertSame(near.received, bytes);
      assertEquals([near.heard, far.heard], [["open", "end", BOTH_ENDED], ["end", BOTH_ENDED]]);
    },
  },
  {
    what: "who hears the end may pause and resume, and hears it once",
    run: async (bench) => {
      const { near, far } = await bench.pair();
      near.connection.end();
      await bench.facts.until(() => far.hasEnded);
      far.connection.pause();
      far.connection.resume();
      await bench.wait(30);
      far.connection.resume();
      far.connection.write(HELLO.slice());
      await bench.facts.until(() => near.bytes === HELLO.length);
      assertEquals(far.heard, ["end"]);
    },
  },
  {
    what: "who ends from inside the end, with a last word, is closed once, and so is the other side",
    run: async (bench) => {
      const { near, far } = await bench.pair();
      far.does.end = () => {
        far.connection.write(HELLO.slice());
        far.connection.end();
      };
      near.connection.end();
      await bench.facts.until(() => near.isClosed && far.isClosed);
      await bench.wait(20);
      assertEquals([near.received, near.heard], [HELLO, ["open", "end", BOTH_ENDED]]);
      assertEquals(far.heard, ["end", BOTH_ENDED]);
    },
  },
  {
    what: "what is written and ended before the dial is answered arrives, and then the end",
    run: async (bench) => {
      const bytes = randomBytes(new SeededRandom("early"), 5 * MIB);
      const { address, accepted } = await bench.port();
      const near = bench.dial(address);
      for (let at = 0; at < bytes.length; at += MIB) near.connection.write(bytes.slice(at, at + MIB));
      assertEquals(near.connection.bytesQueued, bytes.length);
      near.connection.end();
      near.connection.write(HELLO.slice());
      await bench.facts.until(() => accepted[0]?.hasEnded === true);
      assertSame(accepted[0]?.received ?? new Uint8Array(0), bytes);
      assertEquals(near.heard, ["open"]);
    },
  },
  {
    what: "an end before the dial is answered arrives alone",
    run: async (bench) => {
      const { address, accepted } = await bench.port();
      const near = bench.dial(address);
      near.connection.end();
      await bench.facts.until(() => accepted[0]?.hasEnded === true);
      accepted[0]?.connection.write(HELLO.slice());
      await bench.facts.until(() => near.bytes === HELLO.length);
      assertEquals([near.heard, accepted[0]?.bytes], [["open"], 0]);
    },
  },
  {
    what: "what was sent and never read turns the close into a reset, told in plain words",
    run: async (bench) => {
      const { near, far } = await bench.pair();
      far.connection.pause();
      near.connection.write(new Uint8Array(MIB));
      await bench.wait(50);
      far.connection.close();
      await bench.facts.until(() => near.isClosed);
      await bench.wait(20);
      assertEquals(near.heard.filter((event) => event !== "end"), ["open", "close: connection reset"]);
    },
  },
  {
    what: "who writes to somebody that is gone hears of it once, whatever was queued",
    run: async (bench) => {
      const { near, far } = await bench.pair();
      far.connection.close();
      await bench.facts.until(() => far.isClosed);
      for (let i = 0; i < 50 && !near.isClosed; i++) {
        near.connection.write(new Uint8Array(100_000));
        await bench.wait(1);
      }
      await bench.facts.until(() => near.isClosed);
      near.connection.write(HELLO.slice());
      await bench.wait(20);
      assertEquals(near.heard.filter((event) => event.startsWith("close")).length, 1);
      assertEquals(near.connection.bytesQueued, 0);
    },
  },
  ...([0, 16 * MIB] as const).map((queued): NetworkCase => ({
    what: `who is paused hears of a reset, with ${queued} bytes written before and some when it has come`,
    run: async (bench) => {
      const { near, far } = await bench.pair();
      near.connection.pause();
      far.connection.pause();
      far.connection.write(HELLO.slice());
      near.connection.write(new Uint8Array(queued + 1));
      await bench.wait(20);
      far.connection.close();
      // No turn of the loop lies between the reset and the write.
      const enough = performance.now() + 20;
      while (performance.now() < enough);
      near.connection.write(HELLO.slice());
      near.connection.write(HELLO.slice());
      await bench.facts.until(() => near.isClosed);
      await bench.wait(20);
      assertEquals(near.heard.filter((event) => event.startsWith("close")).length, 1);
    },
  })),
  ...(["open", "data", "end", "drain"] as const).map((event): NetworkCase => ({
    what: `a close from inside ${event} is told once, after it, and nothing else is`,
    run: async (bench) => {
      const { address, accepted } = await bench.port();
      const near = bench.dial(address);
      const inside: string[][] = [];
      const closing = () => {
        near.connection.close();
        inside.push([...near.heard]);
      };
      if (event === "open") near.does.open = closing;
      else await bench.facts.until(() => near.isOpen && accepted.length === 1);
      near.does[event] = closing;
      const far = accepted[0];
      if (event === "data") {
        for (let i = 0; i < 20; i++) far?.connection.write(new Uint8Array(100_000));
      } else if (event === "end") {
        far?.connection.end();
      } else if (event === "drain") {
        near.connection.write(new Uint8Array(16 * MIB));
      }
      await bench.facts.until(() => near.isClosed);
      await bench.wait(20);
      assertEquals(inside.length, 1);
      // `node:net` on Bun tells of the end that our close makes.
      const told = near.heard.filter((told) => told !== "end" || event === "end");
      assertEquals(told, [...inside[0] ?? [], "close: we closed the connection"]);
    },
  })),
  {
    what: "IPv6, with names as they are shown; a host by its name",
    run: async (bench) => {
      for (const host of ["::1", "localhost"]) {
        const { address, accepted, errors } = await bench.port({ host, port: 0 });
        assertEquals(errors, []);
        const near = bench.dial(address);
        await bench.facts.until(() => near.isOpen && accepted.length === 1);
        assertEquals(near.connection.remote, `${host}:${address.port}`);
        assertMatch(
          accepted[0]?.connection.remote ?? "",
          host === "::1" ? /^::1:\d+$/ : /^(::1|127\.0\.0\.1):\d+$/,
        );
        near.connection.write(HELLO.slice());
        await bench.facts.until(() => accepted[0]?.bytes === HELLO.length);
      }
    },
  },
  {
    what: "a port on all addresses is reached by either family",
    run: async (bench) => {
      const { address, accepted } = await bench.port({ host: "::", port: 0 });
      const names = [["127.0.0.1", /^::ffff:127\.0\.0\.1:\d+$/], ["::1", /^::1:\d+$/]] as const;
      for (const [i, [host, remote]] of names.entries()) {
        const near = bench.dial({ host, port: address.port });
        await bench.facts.until(() => near.isOpen && accepted.length === i + 1);
        assertMatch(accepted[i]?.connection.remote ?? "", remote);
      }
    },
  },
  {
    what: "who cannot listen there is told why, once",
    run: async (bench) => {
      const foreign = await bench.port({ host: "203.0.113.7", port: 7001 });
      const unknown = await bench.port({ host: "no-such-host.invalid", port: 7001 });
      await bench.wait(20);
      assertEquals([foreign.errors.length, unknown.errors.length], [1, 1]);
      // Deno has no name for it.
      assertMatch(
        foreign.errors[0] ?? "",
        /^cannot listen on 203\.0\.113\.7:7001: (the address is not one of this machine's|EINVAL)$/,
      );
      assertMatch(unknown.errors[0] ?? "", /^cannot listen on no-such-host\.invalid:7001: /);
    },
  },
  {
    what: "three hundred connections at once, each with its own bytes",
    run: async (bench) => {
      const { address, accepted } = await bench.port();
      const dialled = Array.from({ length: 300 }, () => bench.dial(address));
      await bench.facts.until(() =>
        dialled.every(({ isOpen }) => isOpen) && accepted.length === dialled.length
      );
      for (const [i, { connection }] of dialled.entries()) {
        connection.write(new TextEncoder().encode(`${i};`));
        connection.end();
      }
      await bench.facts.until(() => accepted.every(({ hasEnded }) => hasEnded));
      const words = accepted.map(({ received }) => new TextDecoder().decode(received));
      assertEquals(new Set(words), new Set(dialled.map((_, i) => `${i};`)));
    },
  },
];
