/**
 * Kind: integration (whole rooms on the simulated network).
 *
 * Invariant: two rooms find each other and carry messages both ways in order; a link that breaks or falls silent is told of once, dialled
 * again with growing patience, and holds no more than it may.
 *
 * Learnt: bytes written into a cut path are taken without complaint; only the missing pong tells.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertMatch } from "@std/assert";
import { encodeFrame } from "../../internal/codec/frame.ts";
import { encodeMessage } from "../../internal/codec/message_codec.ts";
import { defaultPeerLimits } from "../../internal/peers/limits.ts";
import { LATENCY_MS, message, PeerStage, type Room } from "./stage.ts";

const { departureMs, pingMs, silenceMs, handshakeMs, backoffMinMs, backoffMaxMs } = defaultPeerLimits;
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/* ---- meeting ---- */

Deno.test("two rooms connect, tell so once, and know where the other serves clients", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  assertEquals([one.peers.isConnected("n2"), one.peers.clientAddressOf("n2")], [false, null]);
  stage.pass(60_000);
  assertEquals([one.changes, other.changes], [["+n2"], ["+n1"]]);
  assertEquals([one.peers.isConnected("n2"), one.peers.clientAddressOf("n2")], [true, "n2:7001"]);
  assertEquals([one.traces, other.traces], [["info connected to peer"], ["info connected to peer"]]);
});

Deno.test("messages go both ways, in order, and are told with their sender", () => {
  const stage = new PeerStage();
  const [one, other, third] = stage.rooms(["n1", "n2", "n3"]);
  assert(one !== undefined && other !== undefined && third !== undefined);
  stage.pass(100);
  for (const number of numbers(1, 50)) {
    assert(one.say("n2", number) && other.say("n1", 100 + number) && one.say("n3", 200 + number));
    if (number % 7 === 0) stage.pass(1);
  }
  stage.pass(100);
  assertEquals(other.heard, numbers(1, 50).map((number) => `n1: ${number}`));
  assertEquals(one.heard, numbers(101, 150).map((number) => `n2: ${number}`));
  assertEquals(third.heard, numbers(201, 250).map((number) => `n1: ${number}`));
});

Deno.test("all messages of one turn leave in one write", () => {
  const stage = new PeerStage();
  const [one] = stage.pair();
  stage.pass(100);
  one.writes.length = 0;
  for (const number of numbers(1, 5)) one.say("n2", number);
  assertEquals(one.writes, []);
  stage.pass(0);
  assertEquals(one.writes, [5 * encodeFrame(encodeMessage(message(1))).length]);
});

Deno.test("what cannot be sent is said not to be", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  assertEquals(one.say("n2", 1), false, "not connected yet");
  stage.pass(100);
  assertEquals([one.say("n3", 2), one.say("n1", 3)], [false, false], "nobody we know");
  assertEquals(one.say("n2", 4), true);
  stage.pass(100);
  assertEquals(other.heard, ["n1: 4"]);
});

Deno.test("a stream that arrives byte by byte carries the same messages", () => {
  const stage = new PeerStage({ splitPermille: 1000 });
  const [one, other] = stage.pair();
  stage.pass(100);
  for (const number of numbers(1, 40)) one.say("n2", number, number * 10);
  stage.pass(100);
  assertEquals(other.heard, numbers(1, 40).map((number) => `n1: ${number}`));
  assertEquals(stage.network.counts.split > 0, true);
});

Deno.test("a server that comes back and dials in is dialled at once, however long it was away", () => {
  const stage = new PeerStage();
  const one = stage.room("n1", { members: ["n2"] });
  // Long enough for the patience of n1 to have grown to its most; then n2 starts right after a dial.
  stage.pass(20_000);
  const before = one.dials.length;
  while (one.dials.length === before) stage.pass(1);
  stage.pass(10);
  const other = stage.room("n2", { members: ["n1"] });
  stage.pass(8 * LATENCY_MS);
  assertEquals([other.changes, one.changes], [["+n1"], ["+n2"]]);
  assertEquals(one.dials.length, before + 2);
});

Deno.test("a link that stands, or is being dialled, is not dialled again when the other side dials in", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  stage.pass(60_000);
  assertEquals([one.dials.length, other.dials.length], [1, 1]);
});

/* ---- breaking ---- */

Deno.test("a break is told once, and the link comes back", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  stage.pass(100);
  stage.kill(other);
  stage.pass(LATENCY_MS);
  assertEquals([one.changes, one.peers.isConnected("n2"), one.say("n2", 1)], [["+n2", "-n2"], false, false]);
  stage.pass(5000);
  assertEquals(one.changes, ["+n2", "-n2"]);
  const again = stage.room("n2", { members: ["n1"] });
  stage.pass(backoffMaxMs + 100);
  assertEquals([one.changes, again.changes], [["+n2", "-n2", "+n2"], ["+n1"]]);
  one.say("n2", 7);
  stage.pass(100);
  assertEquals(again.heard, ["n1: 7"]);
});

Deno.test("an operator reads one line for a server that is down, and another when it is back", () => {
  const stage = new PeerStage();
  const one = stage.room("n1", { members: ["n2"] });
  stage.pass(30_000);
  assertEquals(one.dials.length > 20, true);
  assertEquals(one.traces, ["warn cannot reach peer: connection refused"]);
  const other = stage.room("n2", { members: ["n1"] });
  stage.pass(2000);
  stage.kill(other);
  stage.pass(30_000);
  assertEquals(one.traces.slice(1), [
    "info connected to peer",
    "warn lost the link to peer: connection reset",
    "warn cannot reach peer: connection refused",
  ]);
});

/** How long it waited between one failure and the next dial. */
function waits({ dials }: Room): number[] {
  return dials.slice(1).map(({ at }, i) => at - (dials[i]?.at ?? 0) - LATENCY_MS);
}

function assertBackoff(found: readonly number[]): void {
  let backoff = backoffMinMs;
  for (const wait of found) {
    assertGreaterOrEqual(wait, backoff / 2);
    assertLessOrEqual(wait, backoff + 1);
    backoff = Math.min(backoff * 2, backoffMaxMs);
  }
}

Deno.test("the waits between dials double up to a bound, with jitter, and begin anew after a success", () => {
  const stage = new PeerStage();
  const one = stage.room("n1", { members: ["n2"] });
  stage.pass(20_000);
  const found = waits(one);
  assertBackoff(found);
  const late = found.slice(6);
  assertEquals(new Set(late).size > late.length / 2, true, "the waits are not all alike");
  const other = stage.room("n2", { members: ["n1"] });
  stage.pass(2000);
  assertEquals(one.changes, ["+n2"]);
  one.dials.length = 0;
  const brokenAt = stage.time.now;
  stage.kill(other);
  stage.pass(20_000);
  assertGreaterOrEqual(one.dials[0]?.at ?? 0, brokenAt + LATENCY_MS + backoffMinMs / 2);
  assertLessOrEqual(one.dials[0]?.at ?? Infinity, brokenAt + LATENCY_MS + backoffMinMs + 1);
  // The first wait was the shortest one already, so the next may be twice as long.
  assertBackoff([backoffMinMs, ...waits(one)]);
});

Deno.test("two servers that lose the same third do not dial it in step", () => {
  const stage = new PeerStage();
  const rooms = ["n1", "n2"].map((id) => stage.room(id, { members: ["n3"] }));
  stage.pass(20_000);
  const [one = [], other = []] = rooms.map(waits);
  assertEquals(one.filter((wait, i) => wait === other[i]).length < one.length / 4, true);
});

Deno.test("a dial that nobody answers is given up in time and tried again", () => {
  const stage = new PeerStage();
  const [one] = stage.pair();
  stage.cut("n1", "n2");
  stage.pass(handshakeMs);
  assertEquals([one.dials.length, one.complaints], [1, [
    `warn cannot reach peer: no greeting within ${handshakeMs} ms`,
  ]]);
  stage.pass(backoffMinMs + 1);
  assertEquals(one.dials.length, 2);
  stage.network.heal();
  stage.pass(handshakeMs + backoffMaxMs + 100);
  assertEquals([one.changes, one.complaints.length], [["+n2"], 1]);
});

/* ---- departure ---- */

Deno.test("who departs is heard for its own grace, whoever departed shortly before", () => {
  const stage = new PeerStage();
  const [one, other, third] = stage.rooms(["n1", "n2", "n3"]);
  assert(one !== undefined && other !== undefined && third !== undefined);
  stage.pass(1000);
  const connected = () => ["n2", "n3"].map((id) => one.peers.isConnected(id));
  one.knows(["n3"]);
  stage.pass(departureMs - 100);
  one.knows([]);
  assertEquals(connected(), [true, true]);
  stage.pass(200);
  assertEquals(connected(), [false, true]);
  stage.pass(departureMs - 300);
  assertEquals(connected(), [false, true]);
  stage.pass(300);
  assertEquals(connected(), [false, false]);
});

/* ---- silence ---- */

for (const direction of ["both ways", "of the answers only", "of the questions only"]) {
  Deno.test(`a cut ${direction} ends the link in time, once, and it comes back with the path`, () => {
    const stage = new PeerStage();
    const [one] = stage.pair();
    stage.pass(1000);
    if (direction !== "of the answers only") stage.network.cut("n1", "n2");
    if (direction !== "of the questions only") stage.network.cut("n2", "n1");
    stage.pass(silenceMs - pingMs);
    assertEquals(one.changes, ["+n2"], "a pause is no silence");
    stage.pass(3 * pingMs + 10);
    assertEquals([one.changes, one.peers.isConnected("n2")], [["+n2", "-n2"], false]);
    assertMatch(one.complaints[0] ?? "", /^warn lost the link to peer: no answer for \d+ ms$/);
    stage.pass(10_000);
    assertEquals(one.changes, ["+n2", "-n2"]);
    stage.network.heal();
    stage.pass(handshakeMs + backoffMaxMs + 100);
    assertEquals(one.changes, ["+n2", "-n2", "+n2"]);
  });
}

Deno.test("a cut that heals before the silence is long enough breaks nothing and loses nothing", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  stage.pass(1000);
  stage.cut("n1", "n2");
  for (const number of numbers(1, 5)) one.say("n2", number);
  stage.pass(silenceMs - pingMs);
  assertEquals(other.heard, []);
  stage.network.heal();
  stage.pass(10_000);
  assertEquals([one.changes, other.changes], [["+n2"], ["+n1"]]);
  assertEquals(other.heard, numbers(1, 5).map((number) => `n1: ${number}`));
});

Deno.test("a server that stalls for a moment keeps its links", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  stage.pass(1000);
  one.clock.pause();
  stage.pass(silenceMs - pingMs);
  one.clock.resume();
  stage.pass(10_000);
  assertEquals([one.changes, other.changes], [["+n2"], ["+n1"]]);
});

for (const stallMs of [silenceMs + 2 * pingMs + 1, 2 * silenceMs]) {
  Deno.test(`a server that stalled itself for ${stallMs} ms does not take its links for dead, where every ping was answered`, () => {
    const stage = new PeerStage();
    const [one] = stage.pair();
    stage.pass(1000);
    for (let stall = 0; stall < 3; stall++) {
      one.clock.pause();
      stage.pass(stallMs);
      one.clock.resume();
      stage.pass(3 * pingMs);
    }
    // The other side may give up its own link to a server that does not answer; that is for it to judge.
    assertEquals([one.changes, one.complaints], [["+n2"], []]);
  });
}

Deno.test("after a stall of its own a server still notices a dead link in time", () => {
  const stage = new PeerStage();
  const [one] = stage.pair();
  stage.pass(1000);
  one.clock.pause();
  stage.pass(silenceMs);
  stage.cut("n1", "n2");
  one.clock.resume();
  stage.pass(silenceMs - pingMs);
  assertEquals(one.changes, ["+n2"]);
  stage.pass(3 * pingMs + 10);
  assertEquals(one.changes, ["+n2", "-n2"]);
});

/* ---- bounds ---- */

Deno.test("what waits on a link is bounded: more is dropped and said to be, and what was taken arrives", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair({ linkBytesMax: 10_000 });
  stage.pass(100);
  stage.cut("n1", "n2");
  const size = encodeFrame(encodeMessage(message(1, 1000))).length;
  const taken: number[] = [];
  for (const number of numbers(1, 50)) {
    if (one.say("n2", number, 1000)) taken.push(number);
    // Some wait in the room, some in the connection.
    if (number % 4 === 0) stage.pass(0);
  }
  assertEquals(taken, numbers(1, Math.ceil(10_000 / size)));
  stage.network.heal();
  stage.pass(100);
  assertEquals(other.heard, taken.map((number) => `n1: ${number}`));
  assertEquals(one.say("n2", 99), true);
  stage.pass(100);
  assertEquals(other.heard.at(-1), "n1: 99");
  assertEquals(one.changes, ["+n2"]);
});

Deno.test("one message may pass the bound, so that nothing is too long to be sent", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair({ linkBytesMax: 100 });
  stage.pass(100);
  assertEquals([one.say("n2", 1, 5000), one.say("n2", 2)], [true, false]);
  stage.pass(100);
  assertEquals(one.say("n2", 3), true);
  stage.pass(100);
  assertEquals(other.heard, ["n1: 1", "n1: 3"]);
});

Deno.test("a full link is still given up when it is silent", () => {
  const stage = new PeerStage();
  const [one] = stage.pair({ linkBytesMax: 100 });
  stage.pass(100);
  stage.cut("n1", "n2");
  one.say("n2", 1, 5000);
  stage.pass(silenceMs + 3 * pingMs);
  assertEquals(one.changes, ["+n2", "-n2"]);
});

Deno.test("what waited on a link that broke does not come on the next one", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  stage.pass(100);
  one.say("n2", 1);
  // Dies in the same turn: the message is lost with the connection.
  stage.kill(other);
  stage.pass(100);
  const again = stage.room("n2", { members: ["n1"] });
  stage.pass(2000);
  one.say("n2", 2);
  stage.pass(100);
  assertEquals(again.heard, ["n1: 2"]);
});

/* ---- stopping ---- */

Deno.test("a room that stops sends what it took, dials no more and tells of nothing", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  stage.pass(1000);
  one.say("n2", 1);
  one.peers.stop();
  assertEquals([one.peers.isConnected("n2"), one.say("n2", 2)], [false, false]);
  const dials = one.dials.length;
  stage.pass(20_000);
  assertEquals([one.dials.length, one.changes], [dials, ["+n2"]]);
  assertEquals([other.heard, other.changes], [["n1: 1"], ["+n1", "-n1"]]);
});

/* ---- chaos ---- */

for (let seed = 0; seed < 12; seed++) {
  Deno.test(`with connections breaking at random, changes alternate and nothing old comes, seed ${seed}`, () => {
    const stage = new PeerStage(
      { breakPermille: 40, splitPermille: 300, latencyMs: [0.1, 20] },
      `links/${seed}`,
    );
    const rooms = stage.rooms(["n1", "n2", "n3"]);
    let number = 0;
    for (let turn = 0; turn < 2000; turn++) {
      for (const room of rooms) for (const { id } of rooms) if (id !== room.id) room.say(id, ++number);
      stage.pass(5);
    }
    assert(stage.network.counts.broken > 100);
    for (const room of rooms) {
      for (const { id } of rooms) {
        if (id === room.id) continue;
        const changes = room.changes.filter((change) => change.endsWith(id)).map((change) => change[0]);
        assertEquals(changes, changes.map((_, i) => i % 2 === 0 ? "+" : "-"));
        assertEquals(room.peers.isConnected(id), changes.at(-1) === "+");
        const heard = room.heard.filter((text) => text.startsWith(id)).map((text) => Number(text.slice(4)));
        assert(heard.length > 100);
        assertEquals(
          heard,
          [...new Set(heard)].sort((a, b) => a - b),
          "each at most once, in the order of sending",
        );
      }
    }
  });
}

Deno.test("damage and replay on the way break links and pass for no message", () => {
  const stage = new PeerStage({ corruptPermille: 200, replayPermille: 100, latencyMs: [0.1, 5] }, "damage");
  const rooms = stage.rooms(["n1", "n2"]);
  const sent = new Set<string>();
  for (let number = 1; number <= 2000; number++) {
    for (const room of rooms) {
      const to = room.id === "n1" ? "n2" : "n1";
      if (room.say(to, number, number % 50)) sent.add(`${room.id}: ${number}`);
    }
    stage.pass(10);
  }
  assert(stage.network.counts.corrupted > 100 && stage.network.counts.replayed > 20);
  for (const room of rooms) {
    assert(room.heard.length > 200);
    assertEquals(room.heard.filter((text) => !sent.has(text)), []);
  }
});

Deno.test("whose birth turns out to be another than the member's is not heard from that moment on", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  stage.pass(1000);
  one.knows(["n2"], false, { n2: "life of n2" });
  other.say("n1", 1);
  stage.pass(100);
  assertEquals([one.changes, one.heard], [["+n2"], ["n2: 1"]], "it is the one that is meant");
  one.knows(["n2"], false, { n2: "an earlier life of n2" });
  other.say("n1", 2);
  stage.pass(5000);
  other.say("n1", 3);
  stage.pass(100);
  assertEquals([one.changes, one.heard], [["+n2", "-n2"], ["n2: 1"]]);
  assertEquals(one.say("n2", 1), false);
});
