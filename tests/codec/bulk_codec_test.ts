/**
 * Kind: unit.
 *
 * Invariant: what servers say on a bulk connection comes back as it was said; whatever contradicts itself, or has a field that is not what it
 * should be, is refused with the reason, and no bytes of any kind throw.
 *
 * Learnt: a question that names one place for both ends, or turns them round, must end here, not in the log.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodeBulk, encodeBulkFrame } from "../../internal/codec/bulk_codec.ts";
import type { BulkMessage } from "../../internal/codec/bulk_message.ts";
import { type CborValue, encodeCbor } from "../../internal/codec/cbor.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { FRAME_HEADER_BYTES } from "../../internal/codec/frame.ts";
import { entriesOf } from "../scenarios/stage.ts";
import { bitFlips, randomBytes, randomOf, truncations } from "./support.ts";

await loadCrc32c();

const NAME = { index: 9, term: 2, bytes: 100, checksum: 7 };
const MESSAGES: readonly BulkMessage[] = [
  { kind: "snapshotQuestion", index: 9 },
  { kind: "snapshotOffer", name: NAME },
  { kind: "snapshotRefusal", reason: "none here" },
  { kind: "snapshotPieceQuestion", name: NAME, offset: 10, length: 20 },
  { kind: "snapshotPiece", name: NAME, offset: 10, bytes: Uint8Array.of(1, 2, 3) },
  { kind: "entriesQuestion", after: { index: 0, term: 0 }, to: { index: 1, term: 1 } },
  { kind: "entriesQuestion", after: { index: 7, term: 3 }, to: { index: 8, term: 3 } },
  { kind: "entriesPiece", entries: entriesOf("8:3 9:3 10:4") },
  { kind: "entriesRefusal", reason: "not both" },
];

function bodyOf(message: BulkMessage): Uint8Array {
  return encodeBulkFrame(message).subarray(FRAME_HEADER_BYTES);
}

Deno.test("every message comes back as it was", () => {
  for (const message of MESSAGES) {
    const decoded = decodeBulk(bodyOf(message));
    assert(typeof decoded !== "string", String(decoded));
    if (message.kind !== "entriesPiece") assertEquals(decoded, message);
    else {
      assert(decoded.kind === "entriesPiece");
      const plain = decoded.entries.map((entry) => ({ ...entry, record: null }));
      assertEquals(plain, entriesOf("8:3 9:3 10:4"));
    }
  }
});

const records = bodyOf({ kind: "entriesPiece", entries: entriesOf("8:3 9:3") }).subarray(-54);

const REFUSED: readonly (readonly [value: CborValue, reason: string])[] = [
  [7, "a message is an array"],
  [[31], "bulk message code is 31"],
  [[37, 1, 1, 2], "the fields of bulk message 37"],
  [[37, 1, 1, 2, 1, 1], "the fields of bulk message 37"],
  [[37, 1, "a", 2, 1], "the fields of bulk message 37"],
  [[37, 2, 1, 2, 1], "from behind 2:1 to 2:1"],
  [[37, 3, 1, 2, 1], "from behind 3:1 to 2:1"],
  [[37, 1, 2, 2, 1], "from behind 1:2 to 2:1"],
  [[37, 0, 1, 2, 1], "from behind 0:1 to 2:1"],
  [[37, 1, 0, 2, 1], "from behind 1:0 to 2:1"],
  [[38], "the fields of bulk message 38"],
  [[38, "records"], "the fields of bulk message 38"],
  [[38, new Uint8Array(0)], "a piece of a log is empty"],
  [[38, records.subarray(1)], "record"],
  [[38, records.subarray(0, 30)], "record"],
  [[39], "the fields of bulk message 39"],
  [[39, 1], "the fields of bulk message 39"],
];

Deno.test("what is not what it should be is refused with the reason", () => {
  assertEquals(typeof decodeBulk(encodeCbor([38, records])), "object", "as it is it would do");
  for (const [value, reason] of REFUSED) {
    const decoded = decodeBulk(encodeCbor(value));
    assert(typeof decoded === "string", reason);
    assertStringIncludes(decoded, reason);
  }
});

Deno.test("no bytes of any kind throw", () => {
  for (const message of MESSAGES) {
    const body = bodyOf(message);
    for (const { damaged } of bitFlips(body)) decodeBulk(damaged);
    for (const shorter of truncations(body)) decodeBulk(shorter);
  }
  const random = randomOf("bulk");
  for (let i = 0; i < 5000; i++) decodeBulk(randomBytes(random, 60));
});
