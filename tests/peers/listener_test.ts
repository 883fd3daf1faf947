/**
 * Kind: integration (a whole room on the simulated network, dialled by hand).
 *
 * Invariant: one connection per server counts, the newest; what cannot be decoded ends a connection; who dials in and says nothing, or falls
 * silent, is put out; strangers have a bounded number of places, and servers that greeted keep theirs.
 *
 * Learnt: after a crash a server dials in anew while its old connection still looks open here, and old bytes may yet come on it. An alarm
 * for `a + b` may ring when `now - a` is a rounding error less than `b`: whoever asks again for the same moment then asks for ever
 * (world seeds 2663 and 2812).
 */
import { assertEquals, assertMatch } from "@std/assert";
import { encodeCbor } from "../../internal/codec/cbor.ts";
import { encodeFrame } from "../../internal/codec/frame.ts";
import { encodeMessage } from "../../internal/codec/message_codec.ts";
import { defaultPeerLimits, type PeerLimits } from "../../internal/peers/limits.ts";
import { identity, PeerStage, type Room, type Stranger } from "./stage.ts";

const { handshakeMs, pingMs, silenceMs } = defaultPeerLimits;
const FULL = "too many connections to the peer port";

/** n2, which knows n1 and n3 and cannot reach them; and callers by hand. */
class Port {
  readonly stage = new PeerStage();
  readonly room: Room;

  constructor(limits: Partial<PeerLimits> = {}) {
    this.room = this.stage.room("n2", { members: { n1: "nowhere", n3: "nowhere" }, limits });
    this.stage.pass(1);
  }

  /** Somebody who dials and says nothing. */
  stranger(host: string): Stranger {
    const caller = this.stage.call(host, "n2");
    this.stage.pass(10);
    return caller;
  }

  /** A member that dials and greets. */
  member(id: string): Stranger {
    const caller = this.stranger(id).greet(identity(id), "n2");
    this.stage.pass(10);
    return caller;
  }

  /** What was refused. */
  get refusals(): string[] {
    return this.room.traces.filter((trace) => trace.startsWith("warn refused"));
  }
}

const ping = (number: number) => encodeFrame(encodeMessage({ kind: "ping", number }));

Deno.test("a member that greets is welcomed with our identity, and heard", () => {
  const port = new Port();
  const caller = port.member("n1").says(1).says(2);
  port.stage.pass(10);
  assertEquals(caller.heard, [["welcome", 1, "test", "n2", "life of n2", "n2:7001", "n2:7101"]]);
  assertEquals([port.room.heard, port.refusals], [["n1: 1", "n1: 2"], []]);
  assertEquals(port.room.changes, [], "who dials in is no link of ours");
});

Deno.test("a greeting and messages in one write are all taken", () => {
  const port = new Port();
  port.stranger("n1").greet(identity("n1"), "n2").says(1).says(2);
  port.stage.pass(10);
  assertEquals(port.room.heard, ["n1: 1", "n1: 2"]);
});

Deno.test("a ping is answered with its number", () => {
  const port = new Port();
  const caller = port.member("n1").raw(ping(41)).raw(ping(42));
  port.stage.pass(10);
  assertEquals(caller.heard.length, 3);
  assertEquals(JSON.stringify(caller.heard.slice(1)).includes("41"), true);
  assertEquals(JSON.stringify(caller.heard.slice(2)).includes("42"), true);
});

Deno.test("the newest connection of a server counts, and what an older one still brings is dropped", () => {
  const port = new Port();
  const older = port.member("n1").says(1);
  port.stage.pass(10);
  // Written before the new greeting arrives, and after: both come on the older connection.
  const newer = port.stranger("n1");
  newer.greet(identity("n1"), "n2");
  older.says(2);
  port.stage.pass(10);
  newer.says(3);
  older.says(4);
  port.stage.pass(10);
  assertEquals([older.over, newer.over], [["connection reset"], []]);
  assertEquals(port.room.heard, ["n1: 1", "n1: 3"]);
});

Deno.test("the end of an older connection does not touch the newer one", () => {
  const port = new Port();
  const older = port.member("n1");
  const newer = port.member("n1");
  older.close();
  port.stage.pass(100);
  newer.says(1);
  port.stage.pass(10);
  const newest = port.member("n1").says(2);
  port.stage.pass(10);
  assertEquals([newer.over, newest.over], [["connection reset"], []]);
  assertEquals(port.room.heard, ["n1: 1", "n1: 2"]);
});

Deno.test("each server has a connection of its own", () => {
  const port = new Port();
  const [one, third] = [port.member("n1"), port.member("n3")];
  one.says(1);
  port.stage.pass(10);
  third.says(2);
  port.stage.pass(10);
  assertEquals([port.room.heard, one.over, third.over], [["n1: 1", "n3: 2"], [], []]);
});

const NONSENSE: readonly (readonly [name: string, bytes: Uint8Array, reason: RegExp])[] = [
  ["a message of no known kind", encodeFrame(encodeCbor([99, 1])), /^.+$/],
  ["a second greeting", encodeFrame(encodeCbor(["raftline", 1])), /^.+$/],
  ["a pong", encodeFrame(encodeMessage({ kind: "pong", number: 1 })), /^a pong came on a link/],
  ["a frame that is too long", Uint8Array.of(255, 0, 0, 0, 1, 2, 3, 4), /^frame length is 4278190080, /],
  [
    "a damaged frame",
    encodeFrame(Uint8Array.of(1)).map((byte, at) => at === 8 ? 2 : byte),
    /^frame checksum/,
  ],
];

for (const [name, bytes, reason] of NONSENSE) {
  Deno.test(`${name} ends the connection: what came before it counts, what comes after does not`, () => {
    const port = new Port();
    const caller = port.member("n1").says(1).raw(bytes).says(2);
    port.stage.pass(10);
    caller.says(3);
    port.stage.pass(10);
    assertEquals([port.room.heard, caller.over], [["n1: 1"], ["connection reset"]]);
    assertEquals(port.refusals.length, 1);
    assertMatch(port.refusals[0]?.slice("warn refused a peer connection: ".length) ?? "", reason);
    port.member("n1").says(4);
    port.stage.pass(10);
    assertEquals(port.room.heard, ["n1: 1", "n1: 4"]);
  });
}

Deno.test("a silent member is put out when its time is over, not a rounding error earlier, and nobody spins until then", () => {
  const graceMs = 2 * (silenceMs + pingMs);
  for (let i = 0; i < 400; i++) {
    const port = new Port();
    const { time } = port.stage;
    port.stage.pass(i * 331.17);
    const silent = port.member("n1");
    const until = time.now + graceMs + 5;
    let events = 0;
    while (time.step(until) && events < 5000) events++;
    assertEquals([silent.over, events < 5000], [["connection reset"], true], `after ${i * 331.17} ms`);
  }
});

Deno.test("a member that falls silent is put out in time, one that pings stays", () => {
  const port = new Port();
  const [silent, alive] = [port.member("n1"), port.member("n3")];
  const graceMs = 2 * (silenceMs + pingMs);
  for (let passed = 0; passed < graceMs - 2 * pingMs; passed += pingMs) {
    alive.raw(ping(1));
    port.stage.pass(pingMs);
  }
  assertEquals([silent.over, alive.over], [[], []]);
  for (let passed = 0; passed < 2 * graceMs; passed += pingMs) {
    alive.raw(ping(1));
    port.stage.pass(pingMs);
  }
  assertEquals([silent.over, alive.over], [["connection reset"], []]);
  port.stage.pass(2 * graceMs + 10);
  assertEquals(alive.over, ["connection reset"]);
});

Deno.test("strangers have so many places: the oldest makes room for a new one, and who says nothing loses its place in time", () => {
  const port = new Port({ strangersMax: 3 });
  const strangers = [1, 2, 3].map((i) => port.stranger(`x${i}`));
  assertEquals(strangers.flatMap(({ heard }) => heard), []);
  const fourth = port.stranger("x4");
  assertEquals([strangers[0]?.heard, strangers[0]?.over[0]], [[["refused", FULL, false]], "ended"]);
  assertEquals([strangers[1]?.heard, strangers[2]?.heard, fourth.heard], [[], [], []]);
  strangers[0]?.close();
  port.stage.pass(handshakeMs);
  assertEquals([...strangers.slice(1), fourth].map(({ answers }) => answers), [["refused"], ["refused"], [
    "refused",
  ]]);
});

Deno.test("a member that dials in through a flood of strangers gets a place, since it greets at once", () => {
  const port = new Port({ strangersMax: 3 });
  const flood = (count: number) => Array.from({ length: count }, (_, i) => port.stage.call(`x${i}`, "n2"));
  flood(20);
  const caller = port.stage.call("n1", "n2").greet(identity("n1"), "n2");
  flood(2);
  port.stage.pass(10);
  caller.says(1);
  flood(50);
  port.stage.pass(10);
  assertEquals([caller.answers, port.room.heard, caller.over], [["welcome"], ["n1: 1"], []]);
});

Deno.test("strangers do not take the places of servers that greeted, and these do not count as strangers", () => {
  const port = new Port({ strangersMax: 2 });
  const members = [port.member("n1"), port.member("n3")];
  const strangers = [1, 2, 3, 4].map((i) => port.stranger(`x${i}`));
  assertEquals(strangers.map(({ answers }) => answers), [["refused"], ["refused"], [], []]);
  for (const [i, member] of members.entries()) member.says(i);
  port.stage.pass(10);
  assertEquals([port.room.heard, members.map(({ over }) => over)], [["n1: 0", "n3: 1"], [[], []]]);
});

Deno.test("all connections together are bounded too", () => {
  const port = new Port({ connectionsMax: 3 });
  const [one, third] = [port.member("n1"), port.member("n3")];
  const [stranger, late] = [port.stranger("x1"), port.stranger("x2")];
  assertEquals([stranger.heard, late.heard], [[["refused", FULL, false]], []]);
  one.close();
  port.stage.pass(10);
  assertEquals([port.member("n1").answers, third.over], [["welcome"], []]);
});

Deno.test("no more strangers are told why than have a place; the others are closed without a word", () => {
  const port = new Port({ strangersMax: 2 });
  const strangers = Array.from({ length: 8 }, (_, i) => port.stage.call(`x${i}`, "n2"));
  port.stage.pass(10);
  assertEquals(strangers.map(({ answers }) => answers.length), [1, 1, 0, 0, 0, 0, 0, 0]);
  assertEquals(strangers.map(({ over }) => over.includes("connection reset")).slice(2), [
    ...[true, true, true, true],
    ...[false, false],
  ]);
});

Deno.test("a place is free as soon as its stranger goes or greets", () => {
  const port = new Port({ strangersMax: 1 });
  port.stranger("x1").close();
  port.stage.pass(10);
  port.member("n1");
  assertEquals(port.member("n3").answers, ["welcome"]);
  const second = port.stranger("x2");
  port.stranger("x3");
  assertEquals(second.answers, ["refused"]);
});

Deno.test("a flood of strangers of one host is one line", () => {
  const port = new Port({ strangersMax: 2 });
  for (let i = 0; i < 200; i++) port.stage.call("x", "n2");
  port.stage.pass(1000);
  assertEquals(port.refusals, [`warn refused a peer connection: ${FULL}`]);
});

Deno.test("a room that stops closes what dialled in, and takes nothing more", () => {
  const port = new Port();
  const caller = port.member("n1");
  const stranger = port.stranger("x1");
  caller.says(1);
  port.room.peers.stop();
  port.stage.pass(100);
  assertEquals([caller.over, stranger.over, port.room.heard], [
    ["connection reset"],
    ["connection reset"],
    [],
  ]);
  const late = port.stranger("n3");
  assertEquals(late.over, ["connection refused"]);
});

Deno.test("a port that is taken is told of", () => {
  const port = new Port();
  const twin = port.stage.room("n9", { members: ["n1"], host: "n2" });
  port.stage.pass(10);
  assertEquals(twin.traces.filter((trace) => trace.startsWith("error")), [
    "error cannot listen on n2:7101: the port is in use",
  ]);
});
