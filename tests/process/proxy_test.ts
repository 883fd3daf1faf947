/**
 * Kind: integration (plain sockets on loopback).
 *
 * Invariant: the proxy does each fault as it was asked and nothing else; without faults it is not there: every byte, end and reset comes through,
 * both ways. What it draws comes from its seed. All of it is asked for by the line protocol, on the proxy as it runs in the tests (Deno)
 * and as it ships (the binary, Bun).
 *
 * Learnt: see the notes at the tests.
 */
import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame, FrameDecoder } from "../../internal/codec/frame.ts";
import { pause } from "./cluster.ts";
import { compiled, eventually, freePorts, fromSource, missingBinary, run, Running } from "./harness.ts";
import { dial, PlainEnd, PlainTarget } from "./plain_sockets.ts";
import { Control } from "./proxy/control.ts";
import { Proxy } from "./proxy/proxy.ts";
import { ProxyClient } from "./proxy_client.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: the proxy of the binary: ${skipped}`);
await loadCrc32c();

/** What seed `seed` draws for the first connection of link `a`: the same on every machine and on both runtimes. */
const LOST_OF_SEED: readonly number[] = [2, 3, 4, 7, 10, 12, 15, 16];
const FLIPPED_OF_SEED: readonly number[] = [25, 104, 163, 209, 269];

/** A proxy with one link `a` to a target, and the means to drive it. */
interface Stage {
  readonly control: ProxyClient;
  readonly target: PlainTarget;
  /** Where link `a` listens. */
  readonly port: number;
  /** The two ends of one more connection through link `a`. */
  pair(): Promise<{ readonly client: PlainEnd; readonly far: PlainEnd }>;
}

interface Host {
  readonly name: string;
  readonly ignore: boolean;
  /** Starts a proxy; gives its control port and a way to end it. */
  start(seed: string): Promise<{ readonly port: number; close(): Promise<unknown> }>;
}

const hosts: readonly Host[] = [
  {
    name: "in the tests",
    ignore: false,
    start: async (seed) => {
      const proxy = new Proxy(seed, { bufferBytesMax: 256 * 1024 });
      const control = await Control.open(proxy, { host: "127.0.0.1", port: 0 });
      return {
        port: control.address.port,
        close: () => Promise.all([control.close(), proxy.close()]),
      };
    },
  },
  {
    name: "in the binary",
    ignore: skipped !== null,
    start: async (seed) => {
      const args = ["proxy", "--control", "127.0.0.1:0", "--seed", seed, "--buffer-bytes", "262144"];
      const running = new Running(compiled, args);
      await running.said(/control 127\.0\.0\.1:\d+/, 5000);
      const port = Number(/control 127\.0\.0\.1:(\d+)/.exec(running.stdout)?.[1]);
      return { port, close: () => running.kill() };
    },
  },
];

async function onStage(host: Host, seed: string, body: (stage: Stage) => Promise<void>): Promise<void> {
  const target = await PlainTarget.open();
  const proxy = await host.start(seed);
  const control = await ProxyClient.connect(proxy.port);
  const clients: PlainEnd[] = [];
  try {
    const opened = await control.do(`open a 127.0.0.1:0 127.0.0.1:${target.port}`);
    const port = Number(/^ok a 127\.0\.0\.1:(\d+) >/.exec(opened)?.[1]);
    await body({
      control,
      target,
      port,
      pair: async () => {
        const number = target.accepted.length;
        const client = await dial(port);
        clients.push(client);
        return { client, far: await target.connection(number) };
      },
    });
  } finally {
    for (const { socket } of clients) socket.destroy();
    control.close();
    await proxy.close();
    await target.close();
  }
}

/** One test for each host. */
function test(name: string, body: (stage: Stage) => Promise<void>): void {
  for (const host of hosts) {
    Deno.test({
      name: `proxy ${host.name}: ${name}`,
      ignore: host.ignore,
      fn: () => onStage(host, "seed", body),
    });
  }
}

function randomBytes(count: number, seed: string): Uint8Array {
  const random = new SeededRandom(seed);
  return Uint8Array.from({ length: count }, () => random.below(256));
}

function assertSameBytes(a: Uint8Array, b: Uint8Array): void {
  assertEquals(a.length, b.length);
  assertEquals(Buffer.compare(a, b), 0, "the bytes are the same");
}

/** How long it takes until so many more bytes arrive. */
async function timed(end: PlainEnd, count: number, send: () => void): Promise<number> {
  const before = end.received.length;
  const startedAt = performance.now();
  send();
  await end.got(before + count);
  return (end.chunks.at(-1)?.at ?? 0) - startedAt;
}

test("without faults, every byte and both ends come through, each on its own", async ({ pair }) => {
  const { client, far } = await pair();
  const there = randomBytes(1_000_000, "there");
  const back = randomBytes(700_000, "back");
  client.write(there);
  client.socket.end();
  await far.got(there.length, 10_000);
  await eventually("the end arrives", 3000, () => Promise.resolve(far.hasEnded));
  assertSameBytes(far.received, there);
  assertEquals([client.hasEnded, client.over], [false, null]);
  // The other direction lives on after the end of the first.
  far.write(back);
  far.socket.end();
  await client.got(back.length, 10_000);
  assertSameBytes(client.received, back);
  await client.isOver("closed");
  await far.isOver("closed");
});

test("without faults, a reset comes through as a reset, from either side", async ({ pair }) => {
  const one = await pair();
  one.client.socket.resetAndDestroy();
  await one.far.isOver("reset");
  const two = await pair();
  two.far.socket.resetAndDestroy();
  await two.client.isOver("reset");
});

test("a target that is not there is a reset, and the link goes on", async ({ control, port }) => {
  const [free = 0] = await freePorts(1);
  const opened = await control.do(`open nobody 127.0.0.1:0 127.0.0.1:${free}`);
  // The reset may come before the connection is known to stand.
  const client = new PlainEnd(connect({ host: "127.0.0.1", port: Number(/:(\d+) >/.exec(opened)?.[1]) }));
  await client.isOver("reset");
  assertEquals(client.error, "ECONNRESET");
  assertGreater(port, 0);
});

test("latency delays one way or both, jitter keeps the order", async ({ control, pair }) => {
  const { client, far } = await pair();
  await control.do("latency a:up 150");
  assertGreater(await timed(far, 1, () => client.write("a")), 149);
  assertLess(await timed(client, 1, () => far.write("a")), 100);
  await control.do("latency a 0 100");
  const sent = Array.from({ length: 40 }, (_, i) => String.fromCharCode(48 + i));
  const before = far.received.length;
  for (const one of sent) {
    client.write(one);
    await pause(3);
  }
  await far.got(before + sent.length);
  assertEquals(far.text.slice(before), sent.join(""));
  // Taking it away also frees what was under way.
  await control.do("latency a 60000");
  client.write("z");
  await pause(20);
  await control.do("clear a:up latency");
  await far.got(before + sent.length + 1, 1000);
});

test("bandwidth is shared by the connections of a link, each way on its own", async ({ control, pair }) => {
  const [one, two] = [await pair(), await pair()];
  await control.do("bandwidth a:up 100000");
  const startedAt = performance.now();
  one.client.write(randomBytes(25_000, "1"));
  two.client.write(randomBytes(25_000, "2"));
  await Promise.all([one.far.got(25_000), two.far.got(25_000)]);
  const ms = performance.now() - startedAt;
  assertGreater(ms, 400, "50 kB at 100 kB/s");
  assertLess(ms, 1500);
  assertLess(await timed(one.client, 25_000, () => one.far.write(randomBytes(25_000, "3"))), 300);
});

test("one-way silence: nothing goes up, not even the end, while the way down works", async ({ control, pair }) => {
  const { client, far } = await pair();
  await control.do("drop a:up");
  client.write("lost");
  client.socket.end();
  far.write("heard");
  await client.got(5);
  await pause(150);
  assertEquals([far.text, far.hasEnded, far.over], ["", false, null]);
  const status = await control.say("status a");
  assertMatch(status.join("\n"), /up .*taken=4 sent=0 held=\d+ dropped=4 .*drop=1/);
});

test("drop of frames takes whole ones, and the same seed takes the same", async ({ control, pair }) => {
  await control.do("frames a on", "drop a:up 0.3");
  const { client, far } = await pair();
  const frames = Array.from({ length: 200 }, (_, i) => encodeFrame(randomBytes(1 + i * 7 % 300, String(i))));
  // In pieces that know nothing of frames.
  const stream = Buffer.concat(frames);
  for (let at = 0; at < stream.length; at += 777) client.write(stream.subarray(at, at + 777));
  client.socket.end();
  await eventually("the end arrives", 5000, () => Promise.resolve(far.hasEnded));
  const decoder = new FrameDecoder(1000);
  decoder.push(far.received);
  const arrived: number[] = [];
  for (let body = decoder.next(); body !== null; body = decoder.next()) {
    assert(typeof body !== "string", String(body));
    const found = frames.findIndex((frame) => Buffer.compare(frame.subarray(8), body) === 0);
    arrived.push(found);
  }
  assertEquals(arrived, [...arrived].sort((a, b) => a - b));
  assertGreater(arrived.length, 100);
  assertLess(arrived.length, 180);
  const lost = frames.map((_, i) => i).filter((i) => !arrived.includes(i)).slice(0, 8);
  assertEquals(lost, LOST_OF_SEED);
});

test("half-open: connections are taken and lead nowhere, until it is cleared", async ({ control, target, port, pair }) => {
  const old = await pair();
  await control.do("half-open a");
  const fresh = await dial(port);
  old.client.write("x");
  old.far.write("y");
  fresh.write("z");
  await pause(200);
  assertEquals(target.accepted.length, 1, "the target hears of nobody");
  assertEquals([old.far.text, old.client.text, fresh.text], ["", "", ""]);
  assertEquals([old.client.over, old.far.over, fresh.over], [null, null, null]);
  await control.do("clear a");
  await Promise.all([old.client.isOver("reset"), old.far.isOver("reset"), fresh.isOver("reset")]);
  const { client, far } = await pair();
  client.write("again");
  await far.got(5);
});

test("half-open: the end of one side is not told to the other", async ({ control, pair }) => {
  const { client, far } = await pair();
  await control.do("half-open a");
  client.socket.destroy();
  await pause(200);
  assertEquals([far.hasEnded, far.over], [false, null]);
});

test("reset breaks both sides; new connections work, unless those are reset too", async ({ control, port, pair }) => {
  const one = await pair();
  assertEquals(await control.do("reset a"), "ok a 1 connections");
  await Promise.all([one.client.isOver("reset"), one.far.isOver("reset")]);
  const two = await pair();
  two.client.write("works");
  await two.far.got(5);
  await control.do("reset a new");
  const three = new PlainEnd(connect({ host: "127.0.0.1", port }));
  await three.isOver("reset");
  await control.do("clear a reset");
  await pair();
});

test("reset of the client's side: what is under way to the target still arrives, then the end", async ({ control, pair }) => {
  const { client, far } = await pair();
  await control.do("latency a:up 200");
  client.write("under way");
  await pause(50);
  await control.do("reset a client");
  await client.isOver("reset");
  assertEquals(far.text, "");
  await far.got(9);
  assertEquals(far.text, "under way");
  await eventually("the end arrives", 3000, () => Promise.resolve(far.hasEnded));
});

test("refuse: nobody listens, what is connected stays, and the port comes back", async ({ control, port, pair }) => {
  const old = await pair();
  await control.do("refuse a");
  const fresh = new PlainEnd(connect({ host: "127.0.0.1", port }));
  await fresh.isOver("reset");
  assertEquals(fresh.error, "ECONNREFUSED");
  old.client.write("still");
  await old.far.got(5);
  await control.do("clear a");
  await pair();
});

test("cut: exactly so many bytes, then the end, in the middle of whatever it was", async ({ control, pair }) => {
  await control.do("cut a:up 1234");
  for (const seed of ["1", "2"]) {
    const { client, far } = await pair();
    const bytes = randomBytes(5000, seed);
    client.write(bytes);
    await far.got(1234);
    await eventually("the end arrives", 3000, () => Promise.resolve(far.hasEnded));
    assertSameBytes(far.received, bytes.subarray(0, 1234));
    await eventually("the source is closed", 3000, () => {
      if (client.over === null) client.write("more");
      return Promise.resolve(client.over !== null);
    });
  }
});

test("cut once, by a reset: the first connection that gets there, and no other", async ({ control, pair }) => {
  await control.do("cut a:down 10 once rst");
  const one = await pair();
  one.far.write(randomBytes(50, "1"));
  await Promise.all([one.client.isOver("reset"), one.far.isOver("reset")]);
  assertLess(one.client.received.length, 11);
  const two = await pair();
  two.far.write(randomBytes(50, "2"));
  await two.client.got(50);
});

/** Places at which bytes were damaged, sent in pieces of that size. */
async function flippedAt({ control, pair }: Stage, piece: number): Promise<readonly number[]> {
  const bytes = randomBytes(20_000, "flip");
  await control.do("flip a:up 0.01 some-seed");
  const { client, far } = await pair();
  for (let at = 0; at < bytes.length; at += piece) client.write(bytes.slice(at, at + piece));
  await far.got(bytes.length);
  const places: number[] = [];
  far.received.forEach((byte, i) => {
    const bits = byte ^ (bytes[i] ?? 0);
    if (bits === 0) return;
    assertEquals(bits & (bits - 1), 0, "one bit of a byte");
    places.push(i);
  });
  return places;
}

for (const host of hosts) {
  Deno.test({
    name:
      `proxy ${host.name}: flip turns single bits, the same ones for the same seed, however the bytes are cut`,
    ignore: host.ignore,
    fn: async () => {
      let first: readonly number[] = [];
      await onStage(host, "seed", async (stage) => {
        first = await flippedAt(stage, 20_000);
      });
      assertGreater(first.length, 120);
      assertLess(first.length, 290);
      assertEquals(first.slice(0, 5), FLIPPED_OF_SEED);
      await onStage(host, "seed", async (stage) => assertEquals(await flippedAt(stage, 333), first));
      await onStage(
        host,
        "other",
        async (stage) => assert(String(await flippedAt(stage, 333)) !== String(first)),
      );
    },
  });
}

test("segments of one byte arrive one by one", async ({ control, pair }) => {
  await control.do("segment a:up 1 2");
  const { client, far } = await pair();
  client.write("abcdefghijklmnopqrstuvwxyz");
  await far.got(26);
  assertEquals(far.text, "abcdefghijklmnopqrstuvwxyz");
  // The kernel may glue a few on a busy machine.
  assertGreater(far.chunks.length, 18);
  await control.do("segment a:up 1");
  const bytes = randomBytes(3000, "segment");
  client.write(bytes);
  await far.got(26 + bytes.length, 10_000);
  assertSameBytes(far.received.slice(26), bytes);
});

test("reorder: what an old connection says comes after what a new one says", async ({ control, target, pair }) => {
  const old = await pair();
  await control.do("reorder a:up 300");
  old.client.write("old");
  await pause(20);
  await control.do("reset a client");
  const fresh = await pair();
  fresh.client.write("new");
  await fresh.far.got(3);
  assertEquals(old.far.text, "");
  await old.far.got(3);
  assertEquals(target.accepted.map(({ text }) => text), ["old", "new"]);
  await eventually("and then the old one ends", 3000, () => Promise.resolve(old.far.hasEnded));
});

test("reorder at random: connections overtake each other, each keeps its own order", async ({ control, pair }) => {
  await control.do("reorder a:up 200 random");
  const pairs = [];
  for (let i = 0; i < 8; i++) pairs.push(await pair());
  for (const { client } of pairs) client.write("a");
  for (const { client } of pairs) client.write("b");
  await Promise.all(pairs.map(({ far }) => far.got(2)));
  const times = pairs.map(({ far }) => far.chunks[0]?.at ?? 0);
  assert(times.some((at, i) => i > 0 && at < (times[i - 1] ?? 0)), "somebody was overtaken");
  for (const { far } of pairs) assertEquals(far.text, "ab");
});

test("replay: earlier chunks come again, also on a later connection", async ({ control, pair }) => {
  const old = await pair();
  for (const text of ["one", "two", "three"]) {
    old.client.write(text);
    await old.far.got(old.far.received.length + text.length);
  }
  await control.do("reset a");
  const fresh = await pair();
  assertEquals(await control.do("again a:up 2"), "ok a 3 bytes");
  await fresh.far.got(3);
  assertEquals(fresh.far.text, "two");
  assertEquals(await control.do("again a:up 99"), "ok a nothing to send, or nobody there");
  await control.do("replay a:up 1");
  fresh.client.write("four");
  await fresh.far.got(10);
  assertMatch(fresh.far.text, /^twofour(?:one|two|three)/);
});

test("replay of frames never comes inside another frame", async ({ control, pair }) => {
  await control.do("frames a on", "replay a:up 0.5");
  const { client, far } = await pair();
  const frames = Array.from({ length: 100 }, (_, i) => encodeFrame(randomBytes(1 + i * 13 % 400, String(i))));
  const stream = Buffer.concat(frames);
  for (let at = 0; at < stream.length; at += 100) client.write(stream.subarray(at, at + 100));
  client.socket.end();
  await eventually("the end arrives", 5000, () => Promise.resolve(far.hasEnded));
  const decoder = new FrameDecoder(1000);
  decoder.push(far.received);
  let count = 0;
  for (let body = decoder.next(); body !== null; body = decoder.next()) {
    assert(typeof body !== "string", String(body));
    count++;
  }
  assertGreater(count, 120);
  assertLess(count, 180);
});

test("pause: everything waits and is bounded, and nothing is missing afterwards", async ({ control, pair }) => {
  const { client, far } = await pair();
  await control.do("pause a:up");
  const bytes = randomBytes(8_000_000, "pause");
  client.write(bytes);
  client.socket.end();
  await pause(400);
  assertEquals(far.received.length, 0);
  const held = Number(/up .*held=(\d+)/.exec((await control.say("status a")).join("\n"))?.[1]);
  assertGreater(held, 100_000);
  assertLess(held, 256 * 1024 + 1_100_000, "the limit and a chunk");
  far.write("the other way is open");
  await client.got(10);
  await control.do("clear a pause");
  await far.got(bytes.length, 15_000);
  assertSameBytes(far.received, bytes);
  await eventually("the end arrives", 3000, () => Promise.resolve(far.hasEnded));
});

test("the control port answers every line with one line that says ok or what is wrong", async ({ control }) => {
  const cases: readonly (readonly [line: string, expected: RegExp])[] = [
    ["latency", /^error: LINK is missing; usage: latency LINK MS \[JITTER_MS\]$/],
    ["latency a", /^error: MS is missing; usage:/],
    ["latency a x", /^error: MS is x, it must be a whole number from 0 to 3600000/],
    ["latency a -1", /^error: MS is -1/],
    ["latency a 1 2 3", /^error: 3 is not expected here/],
    ["latency b 1", /^error: no link is named b; there is a; usage/],
    ["latency a:left 1", /^error: the direction of a:left is left, it must be up or down/],
    ["drop a 1.5", /^error: CHANCE is 1.5, it must be a number from 0 to 1/],
    ["drop a nan", /^error: CHANCE is nan/],
    ["cut a 5 twice", /^error: twice is not expected here; usage: cut/],
    ["half-open a:up", /^error: this is for a link as a whole/],
    ["reset a client target", /^error: client or target, not both/],
    ["again a", /^error: the direction is missing/],
    ["clear a flop", /^error: flop is no fault; they are latency, /],
    ["frames a maybe", /^error: maybe is not on or off/],
    ["open a 127.0.0.1:0 127.0.0.1:1", /^error: there is a link a already/],
    ["open a/b 127.0.0.1:0 127.0.0.1:1", /^error: a\/b is no name for a link/],
    ["open b nowhere 127.0.0.1:1", /^error: LISTEN is nowhere, it must be HOST:PORT/],
    ["open b 192.0.2.1:1 127.0.0.1:1", /^error: cannot listen on 192.0.2.1:1: the address is not one of/],
    ["dance", /^error: unknown command dance; help lists them$/],
    ["\u0007\u0000", /^error: unknown command/],
    ["x".repeat(4000), /^error: unknown command/],
    ["wait 1", /^ok 1 ms$/],
    ["LATENCY a 0", /^ok a$/],
    ["status", /^ok 1 links, seed seed$/],
  ];
  for (const [line, expected] of cases) {
    const answer = await control.say(line);
    assertMatch(answer.at(-1) ?? "", expected, line);
  }
  const help = await control.say("help");
  assertGreater(help.length, 15);
  // A pattern changes several links, and a bad number none of them.
  await control.do(
    "open b-1 127.0.0.1:0 127.0.0.1:1",
    "open b-2 127.0.0.1:0 127.0.0.1:1",
    "latency b-*:up 7",
  );
  assertMatch((await control.say("latency b-* 1 y")).at(-1) ?? "", /^error/);
  const shown = (await control.say("status b-*")).filter((line) => line.includes("latency=7ms"));
  assertEquals(shown.length, 2);
  assertEquals(await control.do("close b-*"), "ok b-1 b-2");
});

test("a line that is too long ends that control connection alone", async ({ control }) => {
  const port = control.port;
  const other = await dial(port);
  other.write("x".repeat(10_000));
  await other.got(10);
  assertMatch(other.text, /^error: a line is longer than 4096 characters\n$/);
  await eventually("it ends", 3000, () => Promise.resolve(other.hasEnded));
  other.socket.destroy();
  await control.do("status");
  const fast = await dial(port);
  fast.write("status\nquit\nstatus\n");
  await eventually("it ends", 3000, () => Promise.resolve(fast.hasEnded));
  assertEquals(fast.text.split("\n").filter((line) => line.startsWith("ok")).length, 2);
  fast.socket.destroy();
});

const program = skipped === null ? compiled : fromSource;

Deno.test("raftline proxy: help explains it, bad words are refused in one line, Ctrl-C ends it", async () => {
  const help = await run(program, ["proxy", "--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  for (const word of ["half-open LINK", "nc -q1", "--seed"]) assert(help.stdout.includes(word), word);
  const cases: readonly (readonly [args: readonly string[], code: number, text: RegExp])[] = [
    [["here"], 64, /here must be NAME=HOST:PORT,HOST:PORT/],
    [["a=127.0.0.1:1"], 64, /must be NAME=/],
    [["a=127.0.0.1:0,127.0.0.1:1,127.0.0.1:2"], 64, /must be NAME=/],
    [["--sed", "x"], 64, /unknown option --sed for proxy, did you mean --seed/],
    [["--control", "here"], 64, /--control is here, it must be HOST:PORT/],
    [["a=127.0.0.1:0,127.0.0.1:1", "a=127.0.0.1:0,127.0.0.1:1"], 78, /there is a link a already/],
    [["a=192.0.2.1:1,127.0.0.1:1"], 78, /cannot listen on 192.0.2.1:1/],
  ];
  for (const [args, code, text] of cases) {
    const refused = await run(program, ["proxy", ...args]);
    assertMatch(refused.stderr, text);
    assertEquals([refused.code, refused.stderr.trimEnd().split("\n").length], [code, 1]);
  }
  const running = new Running(program, ["proxy", "--control", "127.0.0.1:0", "a=127.0.0.1:0,127.0.0.1:1"]);
  await running.said(/a 127\.0\.0\.1:\d+ > 127\.0\.0\.1:1\ncontrol .*, seed \w+/, 5000);
  running.signal("SIGINT");
  assertEquals((await running.ended).code, 0);
});
