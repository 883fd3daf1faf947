/**
 * Kind: unit (golden bytes, one wrong field at a time) and property.
 *
 * Invariant: every kind of message comes back as it was; whatever else arrives is a reason that names what is wrong, never an
 * exception and never a message that breaks a rule of the core.
 *
 * Learnt: a message has one encoding, so "what is accepted encodes to the very bytes that arrived" checks every field of every damaged
 * message without saying what it should be.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type CborValue, decodeCbor, encodeCbor } from "../../internal/codec/cbor.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame, FrameDecoder } from "../../internal/codec/frame.ts";
import {
  decodeMessage,
  encodeMessage,
  encodeMessageFrame,
  type WireMessage,
} from "../../internal/codec/message_codec.ts";
import { encodeHardState, recordOf } from "../../internal/codec/record.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { messageMakers } from "./makers.ts";
import { bytesOf, hexOf, join, mutated, randomBytes, randomOf, truncations, utf8 } from "./support.ts";

await loadCrc32c();

const MAX = Number.MAX_SAFE_INTEGER;
const NOTHING: Uint8Array = new Uint8Array(0);

function entry(index: number, term: number): Entry {
  return { index, term, kind: "command", payload: utf8("x"), configuration: null, record: null };
}

const NOOP_1_1 = "19000000 d0a51522 0100000000000000 0100000000000000 01";

const GOLDEN: { readonly [Kind in WireMessage["kind"]]: readonly [message: WireMessage, hex: string] } = {
  requestVoteRequest: [
    { kind: "requestVoteRequest", term: 5, lastLogIndex: 300, lastLogTerm: 4, transfer: true },
    "85 01 05 19012c 04 f5",
  ],
  requestVoteResponse: [
    { kind: "requestVoteResponse", term: MAX, voteGranted: true },
    "83 02 1b001fffffffffffff f5",
  ],
  appendEntriesRequest: [
    {
      kind: "appendEntriesRequest",
      term: 2,
      prevLogIndex: 0,
      prevLogTerm: 0,
      leaderCommit: 7,
      round: 24,
      health: { diskMs: 25, loopMs: 3 },
      epoch: 4,
      entries: [{ index: 1, term: 1, kind: "noop", payload: NOTHING, configuration: null, record: null }],
    },
    `8a 03 02 00 00 07 1818 1819 03 04 5819 ${NOOP_1_1}`,
  ],
  appendEntriesResponse: [
    {
      kind: "appendEntriesResponse",
      term: 3,
      requestTerm: 2,
      success: false,
      prevLogIndex: 10,
      round: 1,
      matchIndex: 0,
      hintIndex: 7,
      hintTerm: 1,
      epoch: 2,
    },
    "8a 04 03 02 f4 0a 01 00 07 01 02",
  ],
  preVoteRequest: [
    { kind: "preVoteRequest", term: 5, lastLogIndex: 300, lastLogTerm: 5, round: 6 },
    "85 05 05 19012c 05 06",
  ],
  preVoteResponse: [
    { kind: "preVoteResponse", term: 5, voteGranted: false, round: 6 },
    "84 06 05 f4 06",
  ],
  installSnapshotRequest: [
    {
      kind: "installSnapshotRequest",
      term: 5,
      snapshotIndex: 300,
      snapshotTerm: 4,
      round: 6,
      health: { diskMs: 0, loopMs: 1 },
    },
    "87 07 05 19012c 04 06 00 01",
  ],
  installSnapshotResponse: [
    {
      kind: "installSnapshotResponse",
      term: 5,
      requestTerm: 5,
      round: 6,
      matchIndex: 301,
      epoch: 0,
    },
    "86 08 05 05 06 19012d 00",
  ],
  timeoutNowRequest: [
    { kind: "timeoutNowRequest", term: 5, lastLogIndex: 300 },
    "83 09 05 19012c",
  ],
  forwardRequest: [
    {
      kind: "forwardRequest",
      term: 2,
      life: 9,
      requests: [
        { requestId: 1, access: "write", afterRequestId: 0, count: 1, commands: bytesOf("0100000008") },
        {
          requestId: 2,
          access: "read",
          afterRequestId: 1,
          count: 2,
          commands: bytesOf("01000000 44 00000000"),
        },
      ],
    },
    "84 10 02 09 82  84 01 f5 00 45 0100000008  84 02 f4 01 49 01000000 44 00000000",
  ],
  forwardResponse: [
    { kind: "forwardResponse", life: 9, responses: [{ requestId: 1, replies: bytesOf("8104") }] },
    "83 11 09 81  82 01 428104",
  ],
  digestReport: [{ kind: "digestReport", index: 4096, digest: MAX }, "83 14 191000 1b001fffffffffffff"],
  adminRequest: [
    { kind: "adminRequest", term: 3, life: 9, requestId: 1, words: ["remove", "n4"] },
    "85 15 03 09 01 82 66 72656d6f7665 62 6e34",
  ],
  adminResponse: [
    { kind: "adminResponse", life: 9, requestId: 1, reply: bytesOf("01") },
    "84 16 09 01 41 01",
  ],
  readIndexRequest: [{ kind: "readIndexRequest", term: 3, life: 9, requestId: 1 }, "84 17 03 09 01"],
  readIndexResponse: [
    { kind: "readIndexResponse", life: 9, requestId: 1, index: 300 },
    "84 1818 09 01 19012c",
  ],
  ping: [{ kind: "ping", number: 24 }, "82 12 1818"],
  pong: [{ kind: "pong", number: 0 }, "82 13 00"],
};

for (const [kind, [message, hex]] of Object.entries(GOLDEN)) {
  Deno.test(`the bytes of a ${kind} never change`, () => {
    const bytes = encodeMessage(message);
    assertEquals(hexOf(bytes), hex.replaceAll(" ", ""));
    assertEquals(decodeMessage(bytes), message);
  });

  Deno.test(`no prefix of a ${kind} is a message, nor is one with a byte behind it`, () => {
    const bytes = bytesOf(hex);
    for (const prefix of truncations(bytes)) assertEquals(decodeMessage(prefix), "the value is cut short");
    assertEquals(decodeMessage(join(bytes, bytesOf("00"))), "1 bytes follow the value");
  });
}

for (const [kind, make] of Object.entries(messageMakers)) {
  Deno.test(`every ${kind} comes back, with the extremes of its fields`, () => {
    const random = randomOf(`message/${kind}`);
    for (let i = 0; i < 300; i++) {
      const message = make(random);
      assertEquals(decodeMessage(encodeMessage(message)), message);
    }
  });
}

Deno.test("the frame of every message has the checksum of its bytes, and reads as without it", () => {
  const random = randomOf("message/frames");
  for (let i = 0; i < 400; i++) {
    const message = i % 2 === 0
      ? messageMakers.appendEntriesRequest(random)
      : requestWith(randomBytes(random, random.below(3000)));
    const frame = encodeMessageFrame(message);
    assertEquals(frame, encodeFrame(encodeMessage(message)));
    const decoder = new FrameDecoder(frame.length);
    decoder.push(frame);
    const body = decoder.next();
    assert(body instanceof Uint8Array);
    assertEquals(decodeMessage(body, decoder.checksum), message);
  }
});

Deno.test("a record with a wrong checksum is refused in a frame with the right one", () => {
  const random = randomOf("message/records");
  for (const length of [0, 100, 486, 487, 488, 3000]) {
    for (let i = 0; i < 20; i++) {
      const payload = Uint8Array.from({ length }, () => random.below(256));
      const body = encodeMessage(requestWith(payload));
      const at = body.length - 25 - length + 4 + random.below(4);
      body[at] = (body[at] ?? 0) ^ (1 << random.below(8));
      const decoder = new FrameDecoder(body.length);
      decoder.push(encodeFrame(body));
      const found = decoder.next();
      assert(found instanceof Uint8Array);
      const reason = decodeMessage(found, decoder.checksum);
      assert(typeof reason === "string" && reason.startsWith("record checksum is"), `${length}: ${reason}`);
      assertEquals(decodeMessage(found), reason);
    }
  }
});

function requestWith(payload: Uint8Array): WireMessage {
  const entry: Entry = { index: 1, term: 1, kind: "command", payload, configuration: null, record: null };
  recordOf(entry);
  return {
    kind: "appendEntriesRequest",
    term: 2,
    prevLogIndex: 0,
    prevLogTerm: 0,
    leaderCommit: 7,
    round: 24,
    health: { diskMs: 25, loopMs: 3 },
    epoch: 4,
    entries: [entry],
  };
}

/** The fields after the code, in order, with the reason when one is of another type. */
const FIELDS: { readonly [Kind in WireMessage["kind"]]: readonly string[] } = {
  preVoteRequest: [
    "term is no number",
    "lastLogIndex is no number",
    "lastLogTerm is no number",
    "round is no number",
  ],
  preVoteResponse: ["term is no number", "voteGranted is neither true nor false", "round is no number"],
  installSnapshotRequest: [
    "term is no number",
    "snapshotIndex is no number",
    "snapshotTerm is no number",
    "round is no number",
    "diskMs is no number",
    "loopMs is no number",
  ],
  installSnapshotResponse: [
    "term is no number",
    "requestTerm is no number",
    "round is no number",
    "matchIndex is no number",
    "epoch is no number",
  ],
  timeoutNowRequest: ["term is no number", "lastLogIndex is no number"],
  requestVoteRequest: [
    "term is no number",
    "lastLogIndex is no number",
    "lastLogTerm is no number",
    "transfer is neither true nor false",
  ],
  requestVoteResponse: ["term is no number", "voteGranted is neither true nor false"],
  appendEntriesRequest: [
    "term is no number",
    "prevLogIndex is no number",
    "prevLogTerm is no number",
    "leaderCommit is no number",
    "round is no number",
    "diskMs is no number",
    "loopMs is no number",
    "epoch is no number",
    "entries is no byte string",
  ],
  appendEntriesResponse: [
    "term is no number",
    "requestTerm is no number",
    "success is neither true nor false",
    "prevLogIndex is no number",
    "round is no number",
    "matchIndex is no number",
    "hintIndex is no number",
    "hintTerm is no number",
    "epoch is no number",
  ],
  forwardRequest: ["term is no number", "life is no number", "requests is no array"],
  forwardResponse: ["life is no number", "responses is no array"],
  digestReport: ["index is no number", "digest is no number"],
  adminRequest: [
    "term is no number",
    "life is no number",
    "requestId is no number",
    "words is no array of texts",
  ],
  adminResponse: ["life is no number", "requestId is no number", "reply is no byte string"],
  readIndexRequest: ["term is no number", "life is no number", "requestId is no number"],
  readIndexResponse: ["life is no number", "requestId is no number", "index is no number"],
  ping: ["number is no number"],
  pong: ["number is no number"],
};

function fieldsOf(hex: string): readonly CborValue[] {
  const decoded = decodeCbor(bytesOf(hex));
  assert("value" in decoded && Array.isArray(decoded.value));
  return decoded.value;
}

const ONE_OF_EACH: readonly CborValue[] = [0, "text", true, null, NOTHING, []];

function typeOf(value: CborValue | undefined): string {
  return value instanceof Uint8Array
    ? "bytes"
    : Array.isArray(value)
    ? "array"
    : value === null
    ? "null"
    : typeof value;
}

Deno.test("a field of another type is refused by its name", () => {
  for (const [kind, reasons] of Object.entries(FIELDS)) {
    const fields = fieldsOf(Object.entries(GOLDEN).find(([name]) => name === kind)?.[1][1] ?? "");
    assertEquals(fields.length, reasons.length + 1, kind);
    for (const [i, reason] of reasons.entries()) {
      for (const value of ONE_OF_EACH.filter((each) => typeOf(each) !== typeOf(fields[i + 1]))) {
        assertEquals(
          decodeMessage(encodeCbor(fields.with(i + 1, value))),
          reason,
          `${kind}, ${typeOf(value)}`,
        );
      }
    }
  }
});

Deno.test("a field too many and one too few are refused", () => {
  for (const [, hex] of Object.values(GOLDEN)) {
    const fields = fieldsOf(hex);
    const [code, count] = [fields[0], fields.length];
    const more = decodeMessage(encodeCbor([...fields, 0]));
    assertEquals(more, `message ${String(code)} has ${count + 1} fields, not ${count}`);
    const fewer = decodeMessage(encodeCbor(fields.slice(0, -1)));
    assertEquals(fewer, `message ${String(code)} has ${count - 1} fields, not ${count}`);
  }
});

const records = (...entries: readonly Entry[]) => join(...entries.map(recordOf));
const vote = encodeHardState({ currentTerm: 1, votedFor: "n1" });

/** Pairs at the edge of each rule: the first is refused for the reason, the second is accepted. */
const RULES:
  readonly (readonly [refused: readonly CborValue[], reason: string, accepted: readonly CborValue[]])[] = [
    [[1, 0, 0, 0, false], "term is 0", [1, 1, 0, 0, false]],
    [[1, 5, 9, 5, false], "lastLogTerm is 5, term is 5", [1, 5, 9, 4, false]],
    [[1, MAX, 9, MAX, false], `lastLogTerm is ${MAX}, term is ${MAX}`, [1, MAX, MAX, MAX - 1, false]],
    [[3, 0, 0, 0, 0, 0, 0, 0, 0, NOTHING], "term is 0", [3, 1, 0, 0, 0, 0, 0, 0, 0, NOTHING]],
    [[3, 2, 1, 3, 0, 0, 0, 0, 0, NOTHING], "prevLogTerm is 3, term is 2", [
      3,
      2,
      1,
      2,
      0,
      0,
      0,
      0,
      0,
      NOTHING,
    ]],
    [[3, 2, 0, 1, 0, 0, 0, 0, 0, NOTHING], "prevLogIndex is 0 and prevLogTerm is 1", [
      3,
      2,
      1,
      1,
      0,
      0,
      0,
      0,
      0,
      NOTHING,
    ]],
    [[3, 2, 1, 0, 0, 0, 0, 0, 0, NOTHING], "prevLogIndex is 1 and prevLogTerm is 0", [
      3,
      2,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      NOTHING,
    ]],
    [[3, 2, 1, 1, 0, 0, 0, 0, 0, records(entry(1, 1))], "entry 1 follows prevLogIndex 1", [
      3,
      2,
      1,
      1,
      0,
      0,
      0,
      0,
      0,
      records(entry(2, 1)),
    ]],
    [
      [3, 2, 1, 1, 0, 0, 0, 0, 0, records(entry(3, 1))],
      "entry 3 follows prevLogIndex 1",
      [3, 2, 2, 1, 0, 0, 0, 0, 0, records(entry(3, 1))],
    ],
    [
      [3, 3, 1, 2, 0, 0, 0, 0, 0, records(entry(2, 1))],
      "term 1 follows prevLogTerm 2",
      [3, 3, 1, 2, 0, 0, 0, 0, 0, records(entry(2, 2))],
    ],
    [
      [3, 2, 1, 1, 0, 0, 0, 0, 0, records(entry(2, 1), entry(3, 3))],
      "an entry has term 3, term is 2",
      [3, 3, 1, 1, 0, 0, 0, 0, 0, records(entry(2, 1), entry(3, 3))],
    ],
    [
      [3, 2, 1, 1, 0, 0, 0, 0, 0, records(entry(2, 1), entry(4, 1))],
      "index 4 follows 2",
      [3, 2, 1, 1, 0, 0, 0, 0, 0, records(entry(2, 1), entry(3, 1))],
    ],
    [
      [3, 2, 1, 1, 0, 0, 0, 0, 0, vote],
      "a hardState record stands among entries",
      [3, 2, MAX - 1, 1, MAX, MAX, 0, 0, 0, records(entry(MAX, 2))],
    ],
    [
      [3, 2, 1, 1, 0, 0, 0, 0, 0, utf8("no record")],
      "a record header has 25 bytes, 9 are left",
      [3, 2, MAX, 2, 0, 0, 0, 0, 0, NOTHING],
    ],
    [[4, 2, 3, false, 0, 0, 0, 0, 0, 0], "requestTerm is 3, term is 2", [4, 3, 3, false, 0, 0, 0, 0, 0, 0]],
    [[4, 3, 2, true, 0, 0, 0, 0, 0, 0], "success is for term 2, term is 3", [
      4,
      3,
      2,
      false,
      0,
      0,
      0,
      0,
      0,
      0,
    ]],
    [[4, 3, 3, true, 5, 0, 4, 0, 0, 0], "matchIndex is 4, prevLogIndex is 5", [
      4,
      3,
      3,
      true,
      5,
      0,
      5,
      0,
      0,
      0,
    ]],
    [[4, 3, 3, true, MAX, 0, 0, 0, 0, 0], `matchIndex is 0, prevLogIndex is ${MAX}`, [
      4,
      3,
      3,
      false,
      MAX,
      0,
      0,
      0,
      0,
      0,
    ]],
    [[5, 5, 9, 6, 1], "lastLogTerm is 6, term is 5", [5, 5, 9, 5, 1]],
    [[7, 5, 0, 1, 0, 0, 0], "snapshotIndex is 0 and snapshotTerm is 1", [7, 5, 1, 1, 0, 0, 0]],
    [[7, 5, 1, 0, 0, 0, 0], "snapshotIndex is 1 and snapshotTerm is 0", [7, 5, 1, 5, 0, 0, 0]],
    [[7, 5, 1, 6, 0, 0, 0], "snapshotTerm is 6, term is 5", [7, 6, 1, 6, 0, 0, 0]],
    [[8, 5, 6, 0, 0, 0], "requestTerm is 6, term is 5", [8, 6, 6, 0, 0, 0]],
    [[8, 6, 5, 0, 3, 0], "matchIndex is for term 5, term is 6", [8, 6, 5, 0, 0, 0]],
    [[9, 0, 3], "term is 0", [9, 1, 3]],
  ];

for (const [refused, reason, accepted] of RULES) {
  Deno.test(`message ${String(refused[0])} is refused: ${reason}`, () => {
    assertEquals(decodeMessage(encodeCbor(refused)), reason);
    const message = decodeMessage(encodeCbor(accepted));
    assert(typeof message !== "string", String(message));
    assertEquals(hexOf(encodeMessage(message)), hexOf(encodeCbor(accepted)));
  });
}

const NO_MESSAGES: readonly (readonly [value: CborValue, reason: string])[] = [
  [0, "a message is an array"],
  ["ping", "a message is an array"],
  [null, "a message is an array"],
  [NOTHING, "a message is an array"],
  [[], "message code is undefined"],
  [[0], "message code is 0"],
  [[10, 1, 2, 3], "message code is 10"],
  [[15, 1], "message code is 15"],
  [[25, 1], "message code is 25"],
  [[MAX, 1], `message code is ${MAX}`],
  [["18", 1], "message code is 18"],
  [["constructor", 1], "message code is constructor"],
  [[true, 1], "message code is true"],
  [[null, 1], "message code is null"],
  [[[18, 1]], "message code is 18,1"],
];

Deno.test("what is no message is refused with what it is", () => {
  for (const [value, reason] of NO_MESSAGES) assertEquals(decodeMessage(encodeCbor(value)), reason);
});

Deno.test("an entry that arrived keeps its record, and goes on without being encoded again", () => {
  const sent = entry(2, 1);
  const body = encodeMessage({
    kind: "appendEntriesRequest",
    health: { diskMs: 0, loopMs: 0 },
    epoch: 0,
    term: 1,
    prevLogIndex: 1,
    prevLogTerm: 1,
    leaderCommit: 0,
    round: 0,
    entries: [sent],
  });
  const message = decodeMessage(body);
  assert(typeof message !== "string" && message.kind === "appendEntriesRequest");
  const [arrived] = message.entries;
  assert(arrived !== undefined);
  const record = arrived.record;
  assertEquals(record, sent.record);
  assertEquals(hexOf(encodeMessage(message)), hexOf(body));
  assertStrictEquals(arrived.record, record);
});

Deno.test("damaged and random bodies give a reason or a message of exactly these bytes, never an exception", () => {
  const random = randomOf("message/fuzz");
  const makers = Object.values(messageMakers);
  let messages = 0;
  for (let i = 0; i < 20_000; i++) {
    const make = makers[i % makers.length] ?? messageMakers.ping;
    const body = i % 5 === 0 ? randomBytes(random, 30) : mutated(random, encodeMessage(make(random)));
    const message = decodeMessage(body);
    if (typeof message === "string") continue;
    assertEquals(hexOf(encodeMessage(message)), hexOf(body));
    messages++;
  }
  assert(messages > 1000, `only ${messages} were messages`);
});
