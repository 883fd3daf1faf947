/**
 * Kind: unit (golden bytes, malformed greetings) and property.
 *
 * Invariant: a greeting says who speaks, whom it means and in which version, and comes back as it was; anything else is refused with a
 * reason before one of its fields is believed.
 *
 * Learnt: the version is judged before the number of fields, so that a later version with more of them is told its version and not that it is
 * malformed.
 */
import { assert, assertEquals } from "@std/assert";
import { type CborValue, encodeCbor } from "../../internal/codec/cbor.ts";
import {
  decodeHello,
  decodeHelloAnswer,
  encodeHello,
  encodeRefused,
  encodeWelcome,
  GREETING_BYTES_MAX,
  type Lane,
  type PeerIdentity,
  PROTOCOL_VERSION,
} from "../../internal/codec/handshake.ts";
import { bytesOf, hexOf, mutated, randomBytes, randomOf, randomText, truncations } from "./support.ts";

const SELF: PeerIdentity = {
  clusterId: "c",
  serverId: "n1",
  incarnation: "i9",
  clientAddress: "h:1",
  peerAddress: "h:2",
};

const LANES: readonly Lane[] = ["control", "bulk", "question"];

const HELLO = "89 68 7261 6674 6c69 6e65 01 6163 626e31 626e32 626939 63683a31 63683a32 01";
const WELCOME = "87 67 7765 6c63 6f6d 65 01 6163 626e31 626939 63683a31 63683a32";
const REFUSED = "83 67 7265 6675 7365 64 626e6f f5";

Deno.test("the bytes of the three greetings never change", () => {
  assertEquals(hexOf(encodeHello(SELF, "n2", "bulk")), HELLO.replaceAll(" ", ""));
  assertEquals(hexOf(encodeWelcome(SELF)), WELCOME.replaceAll(" ", ""));
  assertEquals(hexOf(encodeRefused("no", true)), REFUSED.replaceAll(" ", ""));
  assertEquals(decodeHello(bytesOf(HELLO)), { ...SELF, version: 1, expectedId: "n2", lane: "bulk" });
  assertEquals(decodeHelloAnswer(bytesOf(WELCOME)), { kind: "welcome", version: 1, ...SELF });
  assertEquals(decodeHelloAnswer(bytesOf(REFUSED)), { kind: "refused", reason: "no", isNoMember: true });
});

Deno.test("greetings come back, with every field from empty to the longest", () => {
  const random = randomOf("handshake/round trip");
  const text = () => random.chance(1, 8) ? "x".repeat(256) : randomText(random, 60);
  for (let i = 0; i < 500; i++) {
    const self = {
      clusterId: text(),
      serverId: text(),
      incarnation: text(),
      clientAddress: text(),
      peerAddress: text(),
    };
    const expectedId = text();
    const lane = LANES[random.below(3)] ?? "control";
    const isNoMember = random.chance(1, 2);
    assertEquals(decodeHello(encodeHello(self, expectedId, lane)), {
      ...self,
      version: PROTOCOL_VERSION,
      expectedId,
      lane,
    });
    assertEquals(decodeHelloAnswer(encodeWelcome(self)), {
      kind: "welcome",
      version: PROTOCOL_VERSION,
      ...self,
    });
    assertEquals(decodeHelloAnswer(encodeRefused(expectedId, isNoMember)), {
      kind: "refused",
      reason: expectedId,
      isNoMember,
    });
  }
});

Deno.test("a long reason is cut to what the other side takes, and to what a greeting may have", () => {
  for (const letter of ["x", "水"]) {
    const refused = encodeRefused(letter.repeat(10_000), false);
    assertEquals(decodeHelloAnswer(refused), {
      kind: "refused",
      reason: letter.repeat(256),
      isNoMember: false,
    });
    assert(refused.length <= GREETING_BYTES_MAX);
    assertEquals(GREETING_BYTES_MAX, 1024);
  }
});

const LONG = "x".repeat(257);
const HELLO_FIELDS: readonly CborValue[] = ["raftline", 1, "c", "n1", "n2", "i9", "h:1", "h:2", 1];
const WELCOME_FIELDS: readonly CborValue[] = ["welcome", 1, "c", "n1", "i9", "h:1", "h:2"];
const HELLO_WRONG = "the greeting's fields are not what they should be";
const WELCOME_WRONG = "the fields of the answer to the greeting are not what they should be";
const NO_HELLO = "the greeting is not raftline's";
const NO_ANSWER = "the answer to the greeting is not raftline's";

const HELLOS: readonly (readonly [what: string, value: CborValue, reason: string])[] = [
  ["no array", "raftline", "a greeting is an array"],
  ["a number", 1, "a greeting is an array"],
  ["nothing", [], NO_HELLO],
  ["another name", HELLO_FIELDS.with(0, "Raftline"), NO_HELLO],
  ["a name as bytes", HELLO_FIELDS.with(0, bytesOf("72616674 6c696e65")), NO_HELLO],
  ["a welcome", WELCOME_FIELDS, NO_HELLO],
  ["no version", ["raftline"], NO_HELLO],
  ["a version as text", HELLO_FIELDS.with(1, "1"), NO_HELLO],
  ["version 0", HELLO_FIELDS.with(1, 0), "protocol version is 0, this server speaks 1"],
  ["version 2", HELLO_FIELDS.with(1, 2), "protocol version is 2, this server speaks 1"],
  ["version 2 with other fields", ["raftline", 2, 3], "protocol version is 2, this server speaks 1"],
  ["a field too few", HELLO_FIELDS.slice(0, -1), HELLO_WRONG],
  ["a field too many", [...HELLO_FIELDS, "more"], HELLO_WRONG],
  ["a lane that there is not", HELLO_FIELDS.with(8, 3), HELLO_WRONG],
  ["a lane by its name", HELLO_FIELDS.with(8, "bulk"), HELLO_WRONG],
];

for (const [what, value, reason] of HELLOS) {
  Deno.test(`a hello is refused: ${what}`, () => assertEquals(decodeHello(encodeCbor(value)), reason));
}

const ANSWERS: readonly (readonly [what: string, value: CborValue, reason: string])[] = [
  ["no array", null, "a greeting is an array"],
  ["nothing", [], NO_ANSWER],
  ["a hello", HELLO_FIELDS, NO_ANSWER],
  ["another word", WELCOME_FIELDS.with(0, "WELCOME"), NO_ANSWER],
  ["no version", ["welcome"], NO_ANSWER],
  ["a version as text", WELCOME_FIELDS.with(1, "1"), NO_ANSWER],
  ["version 2", WELCOME_FIELDS.with(1, 2), "protocol version is 2, this server speaks 1"],
  ["version 2 with other fields", ["welcome", 2], "protocol version is 2, this server speaks 1"],
  ["a field too few", WELCOME_FIELDS.slice(0, -1), WELCOME_WRONG],
  ["a field too many", [...WELCOME_FIELDS, "more"], WELCOME_WRONG],
  ["refused without a reason", ["refused"], NO_ANSWER],
  ["refused for a number", ["refused", 1, true], NO_ANSWER],
  ["refused with a reason alone", ["refused", "no"], NO_ANSWER],
  ["refused with a reason that is too long", ["refused", LONG, true], NO_ANSWER],
  ["refused with a field too many", ["refused", "no", true, true], NO_ANSWER],
];

for (const [what, value, reason] of ANSWERS) {
  Deno.test(`an answer is refused: ${what}`, () =>
    assertEquals(decodeHelloAnswer(encodeCbor(value)), reason));
}

Deno.test("every text of a greeting is a text of at most 256", () => {
  for (const value of [LONG, 1, true, null, bytesOf("6e31"), ["n1"]]) {
    for (let at = 2; at < 8; at++) {
      assertEquals(decodeHello(encodeCbor(HELLO_FIELDS.with(at, value))), HELLO_WRONG, `field ${at}`);
    }
    for (let at = 2; at < WELCOME_FIELDS.length; at++) {
      assertEquals(
        decodeHelloAnswer(encodeCbor(WELCOME_FIELDS.with(at, value))),
        WELCOME_WRONG,
        `field ${at}`,
      );
    }
  }
});

Deno.test("no prefix of a greeting is one", () => {
  for (const prefix of truncations(bytesOf(HELLO))) {
    assertEquals(decodeHello(prefix), "the value is cut short");
  }
  for (const hex of [WELCOME, REFUSED]) {
    for (const prefix of truncations(bytesOf(hex))) {
      assertEquals(decodeHelloAnswer(prefix), "the value is cut short");
    }
  }
});

Deno.test("damaged and random greetings give a reason or texts within the limit, never an exception", () => {
  const random = randomOf("handshake/fuzz");
  for (let i = 0; i < 6000; i++) {
    const sample = bytesOf([HELLO, WELCOME, REFUSED][i % 3] ?? "");
    const bytes = i % 4 === 0 ? randomBytes(random, 60) : mutated(random, sample);
    for (const greeting of [decodeHello(bytes), decodeHelloAnswer(bytes)]) {
      if (typeof greeting === "string") continue;
      if ("version" in greeting) assertEquals(greeting.version, PROTOCOL_VERSION);
      for (const [name, value] of Object.entries(greeting)) {
        const isText = typeof value === "string" && value.length <= 256;
        assert(name === "version" || name === "isNoMember" || isText, name);
      }
    }
  }
});
