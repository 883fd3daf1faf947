/**
 * Kind: unit, property and integration (a hand-made server on loopback).
 *
 * Invariant: the load sends what it says it sends, never has more under way than it may, counts every reply once, however the stream is
 * cut, and counts no error as an operation.
 *
 * Learnt: a buffer that is used again is safe only because what waits for an answer never lies where it begins anew.
 */
import { assert, assertEquals, assertGreater, assertMatch, assertThrows } from "@std/assert";
import { createServer, type Socket } from "node:net";
import { Load, type LoadPlan, ReplyCounter, RequestRing, type Tally } from "../../cmd/bench_load.ts";
import { Histogram } from "../../cmd/histogram.ts";
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { defaultRequestLimits, ProtocolError, RequestDecoder } from "../../internal/codec/resp_request.ts";
import { chunkings } from "../codec/support.ts";

const PLAN: LoadPlan = { pipeline: 4, valueBytes: 10, sets: 1, gets: 0, keys: 1000, seed: "s" };

/** What a server reads from these bytes. */
function received(bytes: Uint8Array): string[][] {
  const decoder = new RequestDecoder(defaultRequestLimits);
  decoder.push(bytes);
  const commands: string[][] = [];
  for (let next = decoder.next(); next !== null; next = decoder.next()) {
    if (next instanceof ProtocolError) throw new Error(next.text);
    commands.push(next.map(latin1Of));
  }
  return commands;
}

const PLANS: readonly (readonly [name: string, plan: LoadPlan])[] = [
  ["writes", PLAN],
  ["reads", { ...PLAN, sets: 0, gets: 1 }],
  ["both", { ...PLAN, sets: 2, gets: 3 }],
  ["both, with empty values", { ...PLAN, sets: 1, gets: 1, valueBytes: 0 }],
  ["one at a time", { ...PLAN, pipeline: 1, sets: 1, gets: 1 }],
  ["a single key", { ...PLAN, keys: 1 }],
  ["a thousand million keys", { ...PLAN, keys: 1_000_000_000 }],
];

for (const [name, plan] of PLANS) {
  Deno.test(`requests for ${name} are whole, and stay what they were until they are answered`, () => {
    const random = new SeededRandom(name);
    const ring = new RequestRing(plan, random.fork("ring"));
    const waiting: { readonly bytes: Uint8Array; readonly copy: string }[] = [];
    const kinds = new Set<string>();
    const keys = new Set<string>();
    let underWay = 0;
    for (let turn = 0; turn < 2000; turn++) {
      const count = random.between(1, plan.pipeline);
      while (underWay + count > plan.pipeline) {
        const oldest = waiting.shift();
        assert(oldest !== undefined);
        assertEquals(latin1Of(oldest.bytes), oldest.copy);
        underWay -= received(oldest.bytes).length;
      }
      const bytes = ring.take(count);
      const commands = received(bytes);
      assertEquals(commands.length, count);
      for (const [command = "", key = "", ...values] of commands) {
        kinds.add(command);
        keys.add(key);
        assertMatch(key, /^key:\d{12}$/);
        assert(Number(key.slice(4)) < plan.keys);
        assertEquals(values.map(({ length }) => length), command === "SET" ? [plan.valueBytes] : []);
      }
      waiting.push({ bytes, copy: latin1Of(bytes) });
      underWay += count;
    }
    assertEquals(
      [...kinds].sort(),
      [...(plan.gets > 0 ? ["GET"] : []), ...(plan.sets > 0 ? ["SET"] : [])],
    );
    assertGreater(keys.size, Math.min(plan.keys - 1, 500));
  });
}

Deno.test("writes and reads come in the proportion that was asked for", () => {
  const ring = new RequestRing({ ...PLAN, sets: 1, gets: 9, pipeline: 100 }, new SeededRandom("mix"));
  let sets = 0;
  for (let i = 0; i < 100; i++) sets += received(ring.take(100)).filter(([name]) => name === "SET").length;
  assert(sets > 900 && sets < 1100, `${sets} of 10,000`);
});

const REPLIES =
  "+OK\r\n$5\r\nhello\r\n-NOLEADER try again\r\n$-1\r\n+OK\r\n_\r\n$0\r\n\r\n-ERR a+bc\r\n+PONG\r\n$7\r\n\r\n+OK\r\n\r\n";

Deno.test("replies are counted once each, cut at every byte and byte by byte", () => {
  for (const chunks of chunkings(bytesOfLatin1(REPLIES))) {
    const counter = new ReplyCounter();
    const replies: (string | null)[] = [];
    for (const chunk of chunks) counter.push(chunk, (error) => replies.push(error));
    assertEquals(replies, [
      ...[null, null, "NOLEADER try again", null, null, null, null],
      ...["ERR a+bc", null, null],
    ]);
  }
});

Deno.test("what answers no SET and no GET is an error", () => {
  for (const text of ["*1\r\n", ":1\r\n", "$x\r\n", "$\r\n", "HTTP/1.1 200 OK\r\n", "\r\n"]) {
    assertThrows(
      () => new ReplyCounter().push(bytesOfLatin1(text), () => {}),
      Error,
      "Cannot read the reply",
    );
  }
});

/* ---- against a server on loopback ---- */

/** A load on a server that answers each batch of commands in that way, until so many commands came. */
async function loaded(
  plan: LoadPlan,
  answer: (socket: Socket, commands: number) => void,
  commands: number,
): Promise<{ readonly tally: Tally; readonly most: number }> {
  let most = 0;
  let heard = 0;
  let enough = () => {};
  const done = new Promise<void>((resolve) => enough = resolve);
  const server = createServer((socket) => {
    const decoder = new RequestDecoder(defaultRequestLimits);
    socket.on("error", () => {});
    socket.on("close", enough);
    socket.on("data", (chunk: Uint8Array) => {
      decoder.push(chunk);
      let count = 0;
      for (let next = decoder.next(); next !== null; next = decoder.next()) {
        if (next instanceof ProtocolError) throw new Error(next.text);
        count++;
      }
      most = Math.max(most, count);
      heard += count;
      if (heard >= commands) enough();
      answer(socket, count);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  assert(address !== null && typeof address !== "string");
  const tally: Tally = { operations: 0, latency: new Histogram(), errors: new Map(), lost: 0 };
  const load = new Load(plan, tally, { host: "127.0.0.1", port: address.port }, 1);
  try {
    await load.ready;
    load.start();
    await done;
  } finally {
    load.stop();
    await load.ended;
    await new Promise((resolve) => server.close(resolve));
  }
  return { tally, most };
}

Deno.test("a load keeps as much under way as it may, and measures every operation", async () => {
  const { tally, most } = await loaded(
    { ...PLAN, pipeline: 8 },
    (socket, count) => socket.write("+OK\r\n".repeat(count)),
    400,
  );
  assertEquals(most, 8);
  assertGreater(tally.operations, 300);
  assertEquals([tally.latency.total, tally.errors.size, tally.lost], [tally.operations, 0, 0]);
  assertGreater(tally.latency.percentile(0.5), 0);
});

Deno.test("an answer for some of a batch brings as many new commands, and each is measured from its own sending", async () => {
  let waiting = 0;
  let turn = 0;
  const found: number[] = [];
  const { tally } = await loaded(
    { ...PLAN, pipeline: 8 },
    (socket, count) => {
      waiting += count;
      found.push(waiting);
      // Three after a while, then in one piece the five that are left and the three that came for these: only they were quick.
      const answers = turn++ % 2 === 0 ? 3 : 8;
      waiting -= answers;
      setTimeout(() => socket.write("+OK\r\n".repeat(answers)), answers === 3 ? 20 : 0);
    },
    60,
  );
  assertEquals(new Set(found), new Set([8]));
  assertEquals(tally.latency.total, tally.operations);
  assertGreater(tally.latency.percentile(0.5), 15_000);
});

Deno.test("what a server says unasked brings no command, and an error among it is counted", async () => {
  let heard = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => heard++);
    socket.write("-ERR too many clients\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  assert(address !== null && typeof address !== "string");
  const tally: Tally = { operations: 0, latency: new Histogram(), errors: new Map(), lost: 0 };
  const load = new Load(PLAN, tally, { host: "127.0.0.1", port: address.port }, 1);
  await load.ready;
  while (tally.errors.size === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  load.stop();
  await load.ended;
  await new Promise((resolve) => server.close(resolve));
  assertEquals([[...tally.errors], tally.operations, heard], [[["ERR", 1]], 0, 0]);
});

Deno.test("errors are counted by their word, and are no operations", async () => {
  let turn = 0;
  const { tally } = await loaded(
    PLAN,
    (socket, count) => {
      for (let i = 0; i < count; i++) socket.write(turn++ % 4 === 0 ? "+OK\r\n" : "-NOLEADER yet\r\n");
    },
    400,
  );
  const errors = tally.errors.get("NOLEADER") ?? 0;
  assertGreater(errors, 2 * tally.operations);
  assertEquals(tally.latency.total, tally.operations);
});

Deno.test("a connection that ends is a lost one, whatever it said before", async () => {
  for (
    const [words, error] of [["", undefined], ["-ERR full\r\n", "ERR"], [
      "HTTP/1.1 400\r\n",
      "PROTOCOL",
    ]] as const
  ) {
    const { tally } = await loaded(PLAN, (socket) => void socket.end(words), Infinity);
    assertEquals([tally.operations, tally.lost, [...tally.errors.keys()][0]], [0, 1, error]);
  }
});
