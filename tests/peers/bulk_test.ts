/**
 * Kind: unit (two rooms on a simulated network).
 *
 * Invariant: snapshots travel on a connection of their own: what they do there, and what becomes of it, is nothing to the link that carries
 * heartbeats (S18).
 *
 * Learnt: whole clusters fetch snapshots in the simulator, where every connection is as fast as the next; that the lanes are two
 * was said by no test.
 */
import { assert, assertEquals } from "@std/assert";
import type { BulkMessage } from "../../internal/codec/bulk_message.ts";
import type { BulkChannel } from "../../internal/peers/bulk_channel.ts";
import { defaultPeerLimits } from "../../internal/peers/limits.ts";
import { LATENCY_MS, PeerStage, type Room } from "./stage.ts";

const NAME = { index: 9, term: 2, bytes: 20 << 20, checksum: 5 };
const PIECE_BYTES = 1 << 20;

/** A bulk connection of one room to another, with everything that came on it. */
function bulk(room: Room, to: string) {
  const heard: BulkMessage[] = [];
  const over: string[] = [];
  let opened = 0;
  const channel: BulkChannel | null = room.peers.openBulk(to, {
    onOpen: () => opened++,
    onMessage: (message) => heard.push(message),
    onClosed: (reason) => over.push(reason),
  });
  assert(channel !== null);
  return { channel, heard, over, isOpen: () => opened === 1 };
}

/** Gives pieces of a snapshot to whoever asks. */
function serve(room: Room): void {
  room.onBulk = (message, answer) => {
    if (message.kind === "snapshotQuestion") answer({ kind: "snapshotOffer", name: NAME });
    if (message.kind === "snapshotPieceQuestion") {
      const { name, offset, length } = message;
      answer({ kind: "snapshotPiece", name, offset, bytes: new Uint8Array(length) });
    }
  };
}

Deno.test("S18: twenty megabytes on the bulk connection are not in front of a single word on the link", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  serve(other);
  stage.pass(100);
  const { channel, heard, isOpen } = bulk(one, "n2");
  stage.pass(10 * LATENCY_MS);
  assert(isOpen());
  channel.send({ kind: "snapshotQuestion", index: 9 });
  stage.pass(4 * LATENCY_MS);
  assertEquals(heard.map(({ kind }) => kind), ["snapshotOffer"]);
  for (let offset = 0; offset < NAME.bytes; offset += PIECE_BYTES) {
    channel.send({ kind: "snapshotPieceQuestion", name: NAME, offset, length: PIECE_BYTES });
  }
  stage.pass(LATENCY_MS);
  assertEquals([one.say("n2", 1), other.say("n1", 2)], [true, true], "no queue is full");
  stage.pass(LATENCY_MS);
  assertEquals(other.heard.at(-1), "n1: 1");
  assertEquals(one.heard, ["n2: 2"]);
  stage.pass(1000);
  const offsets = heard.slice(1).map((message) => message.kind === "snapshotPiece" ? message.offset : -1);
  assertEquals(offsets, Array.from({ length: 20 }, (_, i) => i * PIECE_BYTES));
  assertEquals([one.changes, other.changes], [["+n2"], ["+n1"]]);
});

Deno.test("a bulk connection that ends, or falls silent, takes no link with it", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair({ bulkIdleMs: 500 });
  stage.pass(100);
  const first = bulk(one, "n2");
  stage.pass(10 * LATENCY_MS);
  first.channel.close();
  assertEquals(first.over, [], "who closes it needs no telling");
  const second = bulk(one, "n2");
  stage.pass(1000);
  assertEquals(second.over.length, 1, "nobody said anything for half a second");
  assertEquals([one.changes, other.changes], [["+n2"], ["+n1"]]);
  one.say("n2", 7);
  stage.pass(10 * LATENCY_MS);
  assertEquals(other.heard.at(-1), "n1: 7");
});

Deno.test("who waits for a snapshot that is being taken is waited for, on both sides, for as long as on a bulk connection nothing need be said", () => {
  const stage = new PeerStage();
  const [one, other] = stage.pair();
  let offer = () => {};
  other.onBulk = (_, answer) => {
    offer = () => answer({ kind: "snapshotOffer", name: NAME });
  };
  stage.pass(100);
  const { channel, heard, over } = bulk(one, "n2");
  stage.pass(10 * LATENCY_MS);
  channel.send({ kind: "snapshotQuestion", index: 9 });
  stage.pass(defaultPeerLimits.bulkIdleMs - 1000);
  assertEquals(over, []);
  offer();
  stage.pass(10 * LATENCY_MS);
  assertEquals(heard.map(({ kind }) => kind), ["snapshotOffer"]);
  stage.pass(defaultPeerLimits.bulkIdleMs + 1000);
  assertEquals(over.length, 1, "and no longer");
});

Deno.test("there is no bulk connection to a server that is no member", () => {
  const stage = new PeerStage();
  const [one] = stage.pair();
  assertEquals(one.peers.openBulk("n9", { onOpen: () => {}, onMessage: () => {}, onClosed: () => {} }), null);
});
