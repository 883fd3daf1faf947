/**
 * Kind: integration (whole rooms, and hand-made callers and answerers, on the simulated network).
 *
 * Invariant: nothing is sent to a server, and nothing taken from one, that did not prove to be the one meant: right cluster, right id, right
 * version, a member. Both sides say why, in one line each, however often it is tried.
 *
 * Learnt: the dialler tries again for ever, so a line for each try would fill a disk.
 */
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import type { CborValue } from "../../internal/codec/cbor.ts";
import { PROTOCOL_VERSION } from "../../internal/codec/handshake.ts";
import { encodeFrame } from "../../internal/codec/frame.ts";
import { encodeMessage } from "../../internal/codec/message_codec.ts";
import { defaultPeerLimits } from "../../internal/peers/limits.ts";
import { identity, PeerStage, type Room, type RoomOptions, type Stranger } from "./stage.ts";

const { handshakeMs, pingMs, silenceMs } = defaultPeerLimits;

interface Misfit {
  readonly name: string;
  /** Who dials, and how it is made; it always means to reach n2. */
  readonly dialler: { readonly id: string; readonly options: RoomOptions };
  readonly listener: { readonly id: string; readonly options: RoomOptions };
  readonly reason: string;
}

const MISFITS: readonly Misfit[] = [
  {
    name: "a server of another cluster",
    dialler: { id: "n1", options: { members: ["n2"], clusterId: "other" } },
    listener: { id: "n2", options: { members: { n1: "nowhere" } } },
    reason: "server n1 is of cluster other, this one is n2 of test",
  },
  {
    name: "a server that is looked for at the wrong address",
    dialler: { id: "n1", options: { members: { n2: "n3" } } },
    listener: { id: "n3", options: { members: { n1: "nowhere" } } },
    reason: "server n1 looks for n2, this one is n3",
  },
  {
    name: "a server that is no member, by a leader, which knows who is",
    dialler: { id: "n1", options: { members: ["n2"] } },
    listener: { id: "n2", options: { members: { n3: "nowhere" }, leads: true } },
    reason: "server n1 is no member of the cluster",
  },
  {
    name: "a second server with our id",
    dialler: { id: "n2", options: { members: ["n2"], host: "n1" } },
    listener: { id: "n2", options: { members: { n1: "nowhere" } } },
    reason: "a server with our own id n2 greets us",
  },
];

for (const { name, dialler, listener, reason } of MISFITS) {
  Deno.test(`${name} is refused, and both sides say so once`, () => {
    const stage = new PeerStage();
    const from = stage.room(dialler.id, dialler.options);
    const to = stage.room(listener.id, listener.options);
    stage.pass(20_000);
    assertGreater(from.dials.length, 10);
    const told = reason.includes("no member") ? from.dials.map(() => "no member, says n2") : [];
    assertEquals([from.changes, to.changes, from.heard, to.heard], [told, [], [], []]);
    assertEquals(from.traces, [`warn cannot reach peer: refused by the other side: ${reason}`]);
    const others = to.traces.filter((trace) => !trace.startsWith("warn cannot reach peer"));
    assertEquals(others, [`warn refused a peer connection: ${reason}`]);
    assertEquals([from.say("n2", 1), from.peers.isConnected("n2")], [false, false]);
  });
}

/* ---- greetings of strangers ---- */

const hello = (version: unknown) =>
  [
    "raftline",
    version,
    "test",
    "n1",
    "n2",
    "life of n1",
    "n1:7001",
    "n1:7101",
    0,
  ] as CborValue[];

const GREETINGS: readonly (readonly [name: string, say: (caller: Stranger) => void, reason: RegExp])[] = [
  [
    "another version of the protocol",
    (caller) => caller.body(hello(PROTOCOL_VERSION + 1)),
    new RegExp(`^protocol version is ${PROTOCOL_VERSION + 1}, this server speaks ${PROTOCOL_VERSION}$`),
  ],
  ["another protocol", (caller) => caller.body(["etcd", 1]), /^the greeting is not raftline's$/],
  ["a greeting without its last field", (caller) => caller.body(hello(1).slice(0, 8)), /fields are not/],
  ["a greeting with one field more", (caller) => caller.body([...hello(1), "x"]), /fields are not/],
  ["a greeting that is no list", (caller) => caller.body("raftline"), /^a greeting is an array$/],
  ["a message before the greeting", (caller) => caller.says(1), /^the greeting is not raftline's$/],
  [
    "a web browser",
    (caller) => caller.raw(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: n2\r\n\r\n")),
    /^frame length is 1195725856, the limit is 1024$/,
  ],
  [
    "a greeting that is too long",
    (caller) => caller.body("x".repeat(1100)),
    /^frame length is 1103, the limit is 1024$/,
  ],
  [
    "a damaged greeting",
    (caller) => {
      const frame = encodeFrame(Uint8Array.of(1, 2, 3));
      frame[9] = 7;
      caller.raw(frame);
    },
    /^frame checksum does not match$/,
  ],
  ["bytes that are no value", (caller) => caller.raw(encodeFrame(Uint8Array.of(0xff, 0xff))), /^.+$/],
  ["nothing at all", () => {}, new RegExp(`^no greeting within ${handshakeMs} ms$`)],
  [
    "half a greeting",
    (caller) => caller.raw(Uint8Array.of(0, 0, 0)),
    new RegExp(`within ${handshakeMs} ms$`),
  ],
];

for (const [name, say, reason] of GREETINGS) {
  Deno.test(`${name} is answered with a reason and the end, and nothing after it is taken`, () => {
    const stage = new PeerStage();
    const room = stage.room("n2", { members: { n1: "nowhere" } });
    const caller = stage.call("n1", "n2");
    say(caller);
    stage.pass(handshakeMs + 10);
    caller.greet(identity("n1"), "n2").says(1);
    stage.pass(100);
    assertEquals([caller.answers, caller.over[0], room.heard], [["refused"], "ended", []]);
    const [answer] = caller.heard;
    const told = Array.isArray(answer) ? String(answer[1]) : "";
    assertMatch(told, reason);
    assertEquals(room.traces.filter((trace) => trace.startsWith("warn refused")), [
      `warn refused a peer connection: ${told}`,
    ]);
    stage.pass(handshakeMs);
    assertEquals(caller.over.length, 2, "who does not go is put out");
  });
}

Deno.test("one host is complained of once for each reason, in whatever order they come", () => {
  const stage = new PeerStage();
  const room = stage.room("n2", { members: { n1: "nowhere" }, leads: true });
  const greet = (id: string) => {
    stage.call("n1", "n2").greet(identity(id), "n2");
    stage.pass(50);
  };
  for (const id of ["n7", "n7", "n7", "n8", "n7"]) greet(id);
  assertEquals(
    room.traces.filter((trace) => trace.startsWith("warn refused")),
    ["n7", "n8"].map((id) => `warn refused a peer connection: server ${id} is no member of the cluster`),
  );
});

Deno.test("after a greeting from that host went well, the same complaint is news again", () => {
  const stage = new PeerStage();
  const room = stage.room("n2", { members: { n1: "nowhere" }, leads: true });
  for (const id of ["n7", "n1", "n7", "n7"]) {
    stage.call("n1", "n2").greet(identity(id), "n2");
    stage.pass(50);
  }
  assertEquals(room.traces.filter((trace) => trace.startsWith("warn refused")).length, 2);
});

/* ---- answers of strangers ---- */

const welcome = (
  version: number,
  clusterId: string,
  id: string,
) => ["welcome", version, clusterId, id, "life", "x:1", "n2:7101"];

const ANSWERS: readonly (readonly [name: string, say: (answerer: Stranger) => void, reason: string])[] = [
  [
    "another version of the protocol",
    (answerer) => answerer.body(welcome(PROTOCOL_VERSION + 1, "test", "n2")),
    `protocol version is ${PROTOCOL_VERSION + 1}, this server speaks ${PROTOCOL_VERSION}`,
  ],
  [
    "another cluster",
    (answerer) => answerer.body(welcome(PROTOCOL_VERSION, "other", "n2")),
    "n2:7101 is of cluster other, this server of test",
  ],
  [
    "another server",
    (answerer) => answerer.body(welcome(PROTOCOL_VERSION, "test", "n3")),
    "n2:7101 is n3, not n2",
  ],
  [
    "no answer to a greeting",
    (answerer) => answerer.body(["hello"]),
    "the answer to the greeting is not raftline's",
  ],
  [
    "a welcome without its last field",
    (answerer) => answerer.body(welcome(PROTOCOL_VERSION, "test", "n2").slice(0, 6)),
    "the fields of the answer to the greeting are not what they should be",
  ],
  [
    "a Redis server",
    (answerer) => answerer.raw(new TextEncoder().encode("-ERR Protocol error\r\n")),
    "frame length is 759517778, the limit is 1024",
  ],
  ["silence", () => {}, `no greeting within ${handshakeMs} ms`],
  ["the end", (answerer) => answerer.close(), "connection reset"],
];

for (const [name, say, reason] of ANSWERS) {
  Deno.test(`who dials and hears ${name} sends nothing and says so once`, () => {
    const stage = new PeerStage();
    const calls: Stranger[] = [];
    stage.answer("n2", (answerer) => {
      calls.push(answerer);
      answerer.onHeard = () => say(answerer);
    });
    const room = stage.room("n1", { members: ["n2"] });
    for (let second = 0; second < 20; second++) {
      assertEquals(room.say("n2", 1), false);
      stage.pass(1000);
    }
    assertGreater(calls.length, 5);
    assertEquals(calls.flatMap(({ answers }) => answers).filter((word) => word !== "raftline"), []);
    assertEquals([room.changes, room.traces], [[], [`warn cannot reach peer: ${reason}`]]);
  });
}

/** A room with a link to a hand-made n2 that welcomed it. */
function welcomed(stage: PeerStage): { readonly room: Room; readonly answerer: () => Stranger } {
  let latest: Stranger | null = null;
  stage.answer("n2", (answerer) => {
    latest = answerer;
    answerer.onHeard = () => {
      answerer.onHeard = () => {};
      answerer.body(welcome(PROTOCOL_VERSION, "test", "n2"));
    };
  });
  const room = stage.room("n1", { members: ["n2"] });
  stage.pass(10);
  assertEquals(room.changes, ["+n2"]);
  return {
    room,
    answerer: () => {
      assert(latest !== null);
      return latest;
    },
  };
}

Deno.test("a message that comes back on a link breaks it and is not taken", () => {
  const stage = new PeerStage();
  const { room, answerer } = welcomed(stage);
  answerer().says(1);
  stage.pass(10);
  assertEquals([room.changes, room.heard], [["+n2", "-n2"], []]);
  assertEquals(room.complaints, [
    "warn lost the link to peer: forwardRequest came back on a link that only carries pongs back",
  ]);
});

Deno.test("a pong that answers no ping of ours is no sign of life", () => {
  const stage = new PeerStage();
  const { room, answerer } = welcomed(stage);
  for (let passed = 0; passed < silenceMs + 3 * pingMs; passed += pingMs / 2) {
    for (const number of [0, 1, 1000]) {
      answerer().raw(encodeFrame(encodeMessage({ kind: "pong", number })));
    }
    stage.pass(pingMs / 2);
  }
  assertEquals(room.changes, ["+n2", "-n2"]);
});

Deno.test("an old pong that comes again does not undo a newer one", () => {
  const stage = new PeerStage();
  const { room, answerer } = welcomed(stage);
  const pong = (number: number) => answerer().raw(encodeFrame(encodeMessage({ kind: "pong", number })));
  answerer().onHeard = () => {
    const heard = answerer().heard.at(-1);
    const number = Array.isArray(heard) ? Number(heard[1]) : 0;
    pong(number);
    pong(1);
  };
  stage.pass(10 * silenceMs);
  assertEquals(room.changes, ["+n2"]);
  assertGreater(answerer().heard.length, 2 * silenceMs / pingMs);
});

Deno.test("nonsense on an open link breaks it", () => {
  const stage = new PeerStage();
  const { room, answerer } = welcomed(stage);
  answerer().raw(new TextEncoder().encode("nonsense and more"));
  stage.pass(10);
  assertEquals(room.changes, ["+n2", "-n2"]);
  assertMatch(
    room.complaints[0] ?? "",
    /^warn lost the link to peer: frame length is \d+, the limit is 1024$/,
  );
});

Deno.test("an other side that ends the connection is dialled again", () => {
  const stage = new PeerStage();
  const { room, answerer } = welcomed(stage);
  const first = answerer();
  first.close();
  stage.pass(500);
  assertEquals([room.changes, answerer() === first], [["+n2", "-n2", "+n2"], false]);
});

Deno.test("a link that is lost twice for the same reason is lost twice for the operator", () => {
  const stage = new PeerStage();
  const { room, answerer } = welcomed(stage);
  answerer().close();
  stage.pass(500);
  answerer().close();
  stage.pass(500);
  const once = ["warn lost the link to peer: connection reset", "info connected to peer"];
  assertEquals(room.traces, ["info connected to peer", ...once, ...once]);
});
