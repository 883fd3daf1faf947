/**
 * Kind: unit.
 *
 * Invariant: what servers say to each other is told apart by a code of its own for every kind; the rows of forwarded commands and
 * of their answers keep order, number and every field, and a row that is not what it should be spoils the whole message.
 *
 * Learnt: the file under test is types alone, so these tests are about what the types promise once they crossed the wire; the type checker
 * keeps the table of codes complete.
 */
import { assert, assertEquals } from "@std/assert";
import { type CborValue, decodeCbor, encodeCbor } from "../../internal/codec/cbor.ts";
import { encodeCommandBatch } from "../../internal/codec/command_batch.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { decodeMessage, encodeMessage } from "../../internal/codec/message_codec.ts";
import type { ForwardRequest, ForwardResponse, PeerMessage } from "../../internal/codec/peer_message.ts";
import { messageMakers } from "./makers.ts";
import { bytesOf, randomOf } from "./support.ts";

await loadCrc32c();

const CODES: { readonly [Kind in PeerMessage["kind"]]: number } = {
  requestVoteRequest: 1,
  requestVoteResponse: 2,
  appendEntriesRequest: 3,
  appendEntriesResponse: 4,
  preVoteRequest: 5,
  preVoteResponse: 6,
  installSnapshotRequest: 7,
  installSnapshotResponse: 8,
  timeoutNowRequest: 9,
  forwardRequest: 16,
  forwardResponse: 17,
  digestReport: 20,
  adminRequest: 21,
  adminResponse: 22,
  readIndexRequest: 23,
  readIndexResponse: 24,
};

Deno.test("every kind of message has a code of its own, and ping and pong two others", () => {
  const random = randomOf("peer message/codes");
  for (const [kind, make] of Object.entries(messageMakers)) {
    const decoded = decodeCbor(encodeMessage(make(random)));
    assert("value" in decoded && Array.isArray(decoded.value));
    assertEquals(decoded.value[0], { ...CODES, ping: 18, pong: 19 }[kind], kind);
  }
});

Deno.test("forwarded commands keep their order, equal ones stay apart, and reads stay reads", () => {
  const commands = encodeCommandBatch([bytesOf("40 01 6b")]);
  const sent: ForwardRequest = {
    kind: "forwardRequest",
    term: 3,
    life: Number.MAX_SAFE_INTEGER,
    requests: [
      { requestId: 2, access: "write", afterRequestId: 0, count: 1, commands },
      { requestId: 2, access: "write", afterRequestId: 0, count: 1, commands },
      { requestId: 1, access: "read", afterRequestId: 2, count: 2, commands: new Uint8Array(8) },
      {
        requestId: Number.MAX_SAFE_INTEGER,
        access: "read",
        afterRequestId: 0,
        count: 1,
        commands: encodeCommandBatch([new Uint8Array(70_000)]),
      },
    ],
  };
  assertEquals(decodeMessage(encodeMessage(sent)), sent);
  assertEquals(decodeMessage(encodeMessage({ ...sent, requests: [] })), { ...sent, requests: [] });
});

Deno.test("answers keep their order and their bytes", () => {
  const sent: ForwardResponse = {
    kind: "forwardResponse",
    life: 5,
    responses: [
      { requestId: 9, replies: bytesOf("8104") },
      { requestId: 9, replies: new Uint8Array(0) },
      { requestId: 1, replies: Uint8Array.from({ length: 256 }, (_, i) => i) },
    ],
  };
  assertEquals(decodeMessage(encodeMessage(sent)), sent);
  assertEquals(decodeMessage(encodeMessage({ ...sent, responses: [] })), { ...sent, responses: [] });
});

const BYTES = bytesOf("00000000");
const REQUEST: readonly CborValue[] = [1, true, 0, BYTES];
const RESPONSE: readonly CborValue[] = [1, BYTES];

const REQUEST_ROWS: readonly (readonly [row: CborValue, reason: string])[] = [
  [[], "an item of requests is no array of 4"],
  [[1, true, 0], "an item of requests is no array of 4"],
  [[1, true, 0, BYTES, 0], "an item of requests is no array of 4"],
  [BYTES, "an item of requests is no array of 4"],
  [4, "an item of requests is no array of 4"],
  [null, "an item of requests is no array of 4"],
  ["1234", "an item of requests is no array of 4"],
  [["1", true, 0, BYTES], "requestId is no number"],
  [[1, 1, 0, BYTES], "isWrite is neither true nor false"],
  [[1, "write", 0, BYTES], "isWrite is neither true nor false"],
  [[1, null, 0, BYTES], "isWrite is neither true nor false"],
  [[1, true, null, BYTES], "afterRequestId is no number"],
  [[1, true, 0, "00"], "commands is no byte string"],
  [[1, true, 0, [0]], "commands is no byte string"],
  [[null, null, null, null], "requestId is no number"],
  [[1, true, 0, new Uint8Array(0)], "there is no command"],
  [[1, true, 0, bytesOf("000000")], "3 bytes are left where a length has 4"],
  [[1, true, 0, bytesOf("02000000ff")], "a command has 2 bytes, 1 are left"],
  [[1, false, 0, bytesOf("0000000000")], "1 bytes are left where a length has 4"],
];

for (const [row, reason] of REQUEST_ROWS) {
  Deno.test(`a forward request is refused for one row ${JSON.stringify(row)}`, () => {
    for (const rows of [[row], [row, REQUEST], [REQUEST, row], [REQUEST, row, []]]) {
      assertEquals(decodeMessage(encodeCbor([16, 1, 1, rows])), reason);
    }
  });
}

const RESPONSE_ROWS: readonly (readonly [row: CborValue, reason: string])[] = [
  [[1], "an item of responses is no array of 2"],
  [[1, BYTES, BYTES], "an item of responses is no array of 2"],
  [BYTES, "an item of responses is no array of 2"],
  [["1", BYTES], "requestId is no number"],
  [[1, "text"], "replies is no byte string"],
  [[1, null], "replies is no byte string"],
];

for (const [row, reason] of RESPONSE_ROWS) {
  Deno.test(`a forward response is refused for one row ${JSON.stringify(row)}`, () => {
    for (const rows of [[row], [row, RESPONSE], [RESPONSE, row], [RESPONSE, row, []]]) {
      assertEquals(decodeMessage(encodeCbor([17, 1, rows])), reason);
    }
  });
}
