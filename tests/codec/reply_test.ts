/**
 * Kind: unit (golden bytes, malformed replies) and property.
 *
 * Invariant: a reply travels between servers and comes back as it was, an integer as a bigint; bytes that are no reply give a reason; an
 * error is one line, whoever wrote it.
 *
 * Learnt: arrays cost two levels of CBOR and maps three, so a reply of three arrays in each other is the deepest that travels.
 */
import { assert, assertEquals } from "@std/assert";
import { type CborValue, encodeCbor } from "../../internal/codec/cbor.ts";
import {
  decodeReplies,
  encodeReplies,
  errorReply,
  NULL,
  OK,
  type Reply,
} from "../../internal/codec/reply.ts";
import { randomReply, replyMakers } from "./makers.ts";
import { bytesOf, hexOf, join, mutated, randomBytes, randomOf, truncations } from "./support.ts";

function encodeReply(reply: Reply): Uint8Array {
  return encodeReplies([reply]);
}

/** The one reply that is there. */
function decodeReply(bytes: Uint8Array): Reply | string {
  const replies = decodeReplies(bytes);
  if (typeof replies === "string") return replies;
  const [reply] = replies;
  return replies.length === 1 && reply !== undefined ? reply : `${replies.length} replies`;
}

const GOLDEN: readonly (readonly [reply: Reply, hex: string])[] = [
  [OK, "82 00 624f4b"],
  [{ type: "simple", text: "" }, "82 00 60"],
  [errorReply("ERR no"), "82 01 66455252206e6f"],
  [{ type: "integer", value: 0n }, "82 02 6130"],
  [{ type: "integer", value: -(2n ** 63n) }, "82 02 74 2d39323233333732303336383534373735383038"],
  [{ type: "integer", value: 2n ** 63n - 1n }, "82 02 73 39323233333732303336383534373735383037"],
  [{ type: "bulk", bytes: bytesOf("0d0a00ff") }, "82 03 440d0a00ff"],
  [{ type: "bulk", bytes: new Uint8Array(0) }, "82 03 40"],
  [NULL, "81 04"],
  [{ type: "array", items: [] }, "82 05 80"],
  [{ type: "array", items: [NULL, OK] }, "82 05 82 8104 8200624f4b"],
  [{ type: "map", pairs: [] }, "82 06 80"],
  [{ type: "map", pairs: [[OK, NULL]] }, "82 06 81 82 8200624f4b 8104"],
];

for (const [reply, hex] of GOLDEN) {
  Deno.test(`the bytes ${hex} are the reply they always were`, () => {
    assertEquals(hexOf(encodeReply(reply)), hex.replaceAll(" ", ""));
    assertEquals(decodeReply(bytesOf(hex)), reply);
    for (const prefix of truncations(bytesOf(hex))) {
      assertEquals(decodeReply(prefix), prefix.length === 0 ? "0 replies" : "the value is cut short");
    }
    assertEquals(decodeReply(join(bytesOf(hex), bytesOf("00"))), "a reply is an array");
  });
}

for (const [type, make] of Object.entries(replyMakers)) {
  Deno.test(`every reply of type ${type} comes back`, () => {
    const random = randomOf(`reply/${type}`);
    for (let i = 0; i < 200; i++) {
      const reply = make(random, 8);
      assertEquals(decodeReply(encodeReply(reply)), reply);
    }
  });
}

Deno.test("the answers to a batch come back in their order and number, and are the bytes of each, one behind another", () => {
  const random = randomOf("reply/batch");
  for (let i = 0; i < 300; i++) {
    const replies = Array.from(
      { length: random.between(0, 6) },
      () => random.chance(1, 2) ? OK : randomReply(random, 8),
    );
    const bytes = encodeReplies(replies);
    assertEquals(hexOf(bytes), hexOf(join(...replies.map(encodeReply))));
    assertEquals(decodeReplies(bytes), replies);
    if (bytes.length > 0) assertEquals(typeof decodeReplies(bytes.subarray(1)), "string");
  }
});

Deno.test("an integer may be a number on its way in, and is a bigint on its way out", () => {
  for (const value of [0, -0, -1, 10, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    const back = decodeReply(encodeReply({ type: "integer", value }));
    assertEquals(back, { type: "integer", value: BigInt(value) });
  }
});

Deno.test("an error is one line: line breaks become one space", () => {
  const cases = [
    ["ERR a\r\nb", "ERR a b"],
    ["ERR a\n\n\r\nb\r", "ERR a b "],
    ["ERR a b", "ERR a b"],
  ] as const;
  for (const [text, line] of cases) {
    assertEquals(errorReply(text), { type: "error", text: line });
    const travelled = decodeReply(encodeReply({ type: "error", text }));
    assertEquals(travelled, { type: "error", text: line }, "one that another server wrote, too");
  }
});

const REFUSED: readonly (readonly [value: CborValue, reason: string])[] = [
  [0, "a reply is an array"],
  [null, "a reply is an array"],
  [bytesOf("8104"), "a reply is an array"],
  ["OK", "a reply is an array"],
  [[], "reply code is undefined"],
  [[7, 0], "reply code is 7"],
  [["0", "OK"], "reply code is 0"],
  [[true], "reply code is true"],
  [[0], "reply code is 0"],
  [[0, 1], "reply code is 0"],
  [[0, bytesOf("4f4b")], "reply code is 0"],
  [[1, null], "reply code is 1"],
  [[2, 5], "reply code is 2"],
  [[2, ""], "reply code is 2"],
  [[2, "-"], "reply code is 2"],
  [[2, "+1"], "reply code is 2"],
  [[2, " 1"], "reply code is 2"],
  [[2, "1\n"], "reply code is 2"],
  [[2, "1e3"], "reply code is 2"],
  [[2, "0x1"], "reply code is 2"],
  [[2, "1n"], "reply code is 2"],
  [[2, "1".repeat(20)], "reply code is 2"],
  [[3, "text"], "reply code is 3"],
  [[3, [1]], "reply code is 3"],
  [[5], "reply code is 5"],
  [[5, bytesOf("00")], "reply code is 5"],
  [[5, [4]], "a reply is an array"],
  [[5, [[4], [9]]], "reply code is 9"],
  [[5, [[5, [[3]]]]], "reply code is 3"],
  [[6, 0], "reply code is 6"],
  [[6, [4]], "a pair is an array"],
  [[6, [[]]], "a reply is an array"],
  [[6, [[[4]]]], "a reply is an array"],
  [[6, [[[4], [8]]]], "reply code is 8"],
  [[6, [[[8], [4]]]], "reply code is 8"],
  [[6, [[[4], [4]], [[4], 4]]], "a reply is an array"],
];

for (const [value, reason] of REFUSED) {
  Deno.test(`it is no reply: ${hexOf(encodeCbor(value))}`, () => {
    assertEquals(decodeReply(encodeCbor(value)), reason);
  });
}

Deno.test("arrays three deep travel, a fourth is refused where it arrives", () => {
  const nested = (depth: number): Reply => depth === 0 ? OK : { type: "array", items: [nested(depth - 1)] };
  assertEquals(decodeReply(encodeReply(nested(3))), nested(3));
  assertEquals(decodeReply(encodeReply(nested(4))), "arrays are nested deeper than 8");
});

Deno.test("damaged and random bytes give a reason or a reply that can be sent on, never an exception", () => {
  const random = randomOf("reply/fuzz");
  let replies = 0;
  for (let i = 0; i < 10_000; i++) {
    const bytes = i % 4 === 0
      ? randomBytes(random, 20)
      : mutated(random, encodeReply(randomReply(random, 8)));
    const reply = decodeReply(bytes);
    if (typeof reply === "string") continue;
    assertEquals(decodeReply(encodeReply(reply)), reply);
    replies++;
  }
  assert(replies > 1000, `only ${replies} were replies`);
});
