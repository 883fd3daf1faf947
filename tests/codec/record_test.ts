/**
 * Kind: unit (golden bytes, malformed records) and property.
 *
 * Invariant: a record comes back as it was written or not at all: no prefix, no turned bit and no length leads to another record, to
 * an exception or to an allocation; an entry is encoded once and read without a copy.
 *
 * Learnt: the checksum hides what stands behind it, so each rule on the content needs a record that is wrong and sealed. A turned bit of the
 * length must be tried with more bytes behind the record, else "cut short" answers for the checksum.
 */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/base/assert.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import {
  allocatePayload,
  decodeEntries,
  decodeRecord,
  encodeCommit,
  encodeEntries,
  encodeHardState,
  encodeReset,
  encodeTruncate,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  recordOf,
} from "../../internal/codec/record.ts";
import type { ConfigurationValue, Entry, HardState } from "../../internal/raft/types.ts";
import { encodeConfiguration } from "../../internal/codec/configuration_codec.ts";
import { entriesOf } from "./makers.ts";
import {
  bitFlips,
  bytesOf,
  crc32cBitByBit,
  hexOf,
  join,
  mutated,
  randomBytes,
  randomNumber,
  randomOf,
  randomText,
  truncations,
  utf8,
  watchAllocations,
} from "./support.ts";

await loadCrc32c();

function recordBytes({ payload, configuration }: Entry): number {
  return RECORD_HEADER_BYTES + (configuration === null ? payload : encodeConfiguration(configuration)).length;
}

const MAX = Number.MAX_SAFE_INTEGER;
const NOTHING: Uint8Array = new Uint8Array(0);

function entry(index: number, term: number, kind: Entry["kind"] = "noop", payload = NOTHING): Entry {
  return { index, term, kind, payload, configuration: null, record: null };
}

const ONE_VOTER: ConfigurationValue = {
  voters: ["n1"],
  outgoing: [],
  learners: [],
  members: [{
    id: "n1",
    address: "h:1",
    incarnation: "",
    priority: 100,
    promote: false,
    replaces: null,
  }],
};

/** A record by its table, with a checksum that holds, whatever its content. */
function sealed(
  { kind = 1, term = 1n, index = 1n, payload = NOTHING, length = RECORD_HEADER_BYTES + payload.length }: {
    readonly kind?: number;
    readonly term?: bigint;
    readonly index?: bigint;
    readonly payload?: Uint8Array;
    readonly length?: number;
  },
): Uint8Array {
  const record = join(new Uint8Array(RECORD_HEADER_BYTES), payload);
  const view = new DataView(record.buffer);
  view.setUint32(0, length, true);
  view.setBigUint64(8, term, true);
  view.setBigUint64(16, index, true);
  view.setUint8(24, kind);
  view.setUint32(4, crc32cBitByBit(join(record.subarray(0, 4), record.subarray(8))), true);
  return record;
}

const GOLDEN: readonly (readonly [what: string, record: () => Uint8Array, hex: string])[] = [
  ["the no-op 1:1", () => recordOf(entry(1, 1)), "19000000 d0a51522 0100000000000000 0100000000000000 01"],
  [
    "a command",
    () => recordOf(entry(0x0102030405, 0x1a0b0c0d0e0f10, "command", utf8("abc"))),
    "1c000000 d59f7819 100f0e0d0c0b1a00 0504030201000000 02 616263",
  ],
  [
    "a configuration",
    () => recordOf({ ...entry(2, MAX, "configuration"), configuration: ONE_VOTER }),
    "2e000000 d2e16403 ffffffffffff1f00 0200000000000000 03 8481626e3180808186626e3163683a31601864f4f6",
  ],
  [
    "a vote",
    () => encodeHardState({ currentTerm: 7, votedFor: "n1" }),
    "1b000000 3b8d9fda 0700000000000000 0000000000000000 10 6e31",
  ],
  [
    "no vote",
    () => encodeHardState({ currentTerm: 0, votedFor: null }),
    "19000000 abebfa6b 0000000000000000 0000000000000000 10",
  ],
  [
    "a reset",
    () => encodeReset({ index: 9, term: 4 }),
    "19000000 0eb8f3bc 0400000000000000 0900000000000000 12",
  ],
  ["a commit", () => encodeCommit(9, 4), "19000000 0d3b984e 0400000000000000 0900000000000000 13"],
  ["a truncation", () => encodeTruncate(9, 4), "19000000 fa4ba3af 0400000000000000 0900000000000000 11"],
];

for (const [what, record, hex] of GOLDEN) {
  Deno.test(`the bytes of ${what} never change`, () => {
    assertEquals(hexOf(record()), hex.replaceAll(" ", ""));
    assert(typeof decodeRecord(bytesOf(hex), 0) !== "string");
  });
}

Deno.test("entries come back from their records, with the extremes of index, term and payload", () => {
  const random = randomOf("record/entries");
  for (let i = 0; i < 300; i++) {
    const count = random.between(0, 6);
    const termMin = randomNumber(random, 1);
    const first = randomNumber(random, 1, MAX - count);
    const entries = entriesOf(random, { first, count, termMin, termMax: MAX });
    encodeEntries(entries);
    const bytes = join(...entries.map(recordOf));
    assertEquals(bytes.length, entries.reduce((sum, each) => sum + recordBytes(each), 0));
    assertEquals(decodeEntries(bytes), entries);
  }
});

Deno.test("hard states and truncations come back", () => {
  const random = randomOf("record/others");
  for (let i = 0; i < 300; i++) {
    const vote = randomText(random, 12);
    const hardState: HardState = { currentTerm: randomNumber(random), votedFor: vote === "" ? null : vote };
    const state = encodeHardState(hardState);
    assertEquals(decodeRecord(state, 0), { record: { kind: "hardState", hardState }, end: state.length });
    const from = randomNumber(random, 1);
    const truncate = encodeTruncate(from, randomNumber(random));
    assertEquals(decodeRecord(truncate, 0), { record: { kind: "truncate", from }, end: RECORD_HEADER_BYTES });
  }
});

Deno.test("a record is read where it stands, and nothing is copied", () => {
  const first = entry(4, 2, "command", bytesOf("aa"));
  const second = entry(5, 3, "command", bytesOf("bbcc"));
  const bytes = join(bytesOf("ffffff"), recordOf(first), recordOf(second), bytesOf("ee"));
  const { value, allocated } = watchAllocations(() => decodeRecord(bytes, 3));
  assertEquals(value, { record: { kind: "entry", entry: first }, end: 29 });
  assertEquals(allocated, []);
  const found = decodeRecord(bytes, 29);
  assertEquals(found, { record: { kind: "entry", entry: second }, end: 56 });
  assert(typeof found !== "string" && found.record.kind === "entry");
  assertStrictEquals(found.record.entry.payload.buffer, bytes.buffer);
  assertStrictEquals(found.record.entry.record?.buffer, bytes.buffer);
});

Deno.test("an entry is encoded once, those without a record side by side in one allocation", () => {
  const [a, b, c] = [entry(1, 1), entry(2, 1, "command", utf8("b")), entry(3, 1)];
  const known = recordOf(b);
  assertEquals(watchAllocations(() => encodeEntries([a, b, c])).allocated, [recordBytes(a) + recordBytes(c)]);
  assertStrictEquals(b.record, known);
  assertEquals([a.record?.byteOffset, c.record?.byteOffset], [0, recordBytes(a)]);
  assertEquals(watchAllocations(() => encodeEntries([a, b, c])).allocated, []);
  assertStrictEquals(recordOf(a), a.record);
});

Deno.test("the record of an allocated payload is made around it, once, and is the same bytes", () => {
  const random = randomOf("record/around");
  for (let i = 0; i < 100; i++) {
    const bytes = randomBytes(random, 300);
    const payload = allocatePayload(bytes.length);
    payload.set(bytes);
    const [first, other, again] = [
      entry(i + 1, 7, "command", payload),
      entry(i + 2, 7, "command", bytes),
      entry(i + 3, 8, "command", payload),
    ];
    const { allocated } = watchAllocations(() => encodeEntries([first, other, again]));
    assertEquals(allocated, [recordBytes(other) + recordBytes(again)], "the room is for one record");
    assertStrictEquals(first.record?.buffer, payload.buffer);
    for (const made of [first, other, again]) {
      const plain = entry(made.index, made.term, made.kind, bytes);
      assertEquals(hexOf(recordOf(made)), hexOf(recordOf(plain)));
    }
    assertEquals(payload, bytes);
  }
});

Deno.test("what has no record is not encoded: numbers out of range, records that are too long", () => {
  for (const [index, term] of [[MAX + 1, 1], [1, MAX + 1], [-1, 1], [1, 0.5], [1, NaN]] as const) {
    assertThrows(() => recordOf(entry(index, term)), AssertionError, "at most 2^53 - 1");
  }
  assertEquals(RECORD_BYTES_MAX, 64 * 1024 * 1024);
  const payload = new Uint8Array(RECORD_BYTES_MAX - RECORD_HEADER_BYTES + 1);
  const tooLong = entry(1, 1, "command", payload);
  assertThrows(() => recordOf(tooLong), AssertionError, "no longer than the limit");
  const longest = entry(1, 1, "command", payload.subarray(1));
  const found = decodeRecord(recordOf(longest), 0);
  assert(typeof found !== "string");
  assertEquals(found.end, RECORD_BYTES_MAX);
});

const SAMPLES: readonly (readonly [what: string, record: Uint8Array])[] = [
  ["no-op", sealed({})],
  ["command", sealed({ kind: 2, term: 3n, index: 2n ** 53n - 1n, payload: utf8("a payload") })],
  ["hard state", sealed({ kind: 16, term: 2n ** 33n, index: 0n, payload: utf8("n1") })],
  ["truncate record", sealed({ kind: 17, index: 256n })],
];

for (const [what, record] of SAMPLES) {
  Deno.test(`no prefix of a ${what} is a record`, () => {
    for (const prefix of truncations(record)) {
      const reason = prefix.length < RECORD_HEADER_BYTES
        ? `a record header has 25 bytes, ${prefix.length} are left`
        : `record length is ${record.length}, ${prefix.length} bytes are left`;
      assertEquals(decodeRecord(prefix, 0), reason);
      assertEquals(decodeEntries(prefix), prefix.length === 0 ? [] : reason);
    }
  });

  Deno.test(`a ${what} with one turned bit is refused, at the end and with more behind it`, () => {
    const after = join(...Array.from({ length: 400 }, () => sealed({})));
    for (const { bit, damaged } of bitFlips(record)) {
      const alone = decodeRecord(damaged, 0);
      assert(typeof alone === "string", `bit ${bit}`);
      const followed = decodeRecord(join(damaged, after), 0);
      assert(typeof followed === "string", `bit ${bit}, with more behind it`);
      if (bit >= 32) {
        assert(/^record checksum is [0-9a-f]{8}, its bytes have [0-9a-f]{8}$/.test(alone), alone);
      }
    }
  });
}

for (const length of [0, 24, 64 * 1024 * 1024 + 1, 2 ** 31, 2 ** 32 - 1]) {
  Deno.test(`a record length of ${length} is refused though its checksum holds`, () => {
    const record = sealed({ length, payload: new Uint8Array(100) });
    const { value, allocated } = watchAllocations(() => decodeRecord(record, 0));
    assertEquals([value, allocated], [`record length is ${length}`, []]);
  });
}

const ABOVE = "term or index is above 2^53 - 1";

const WRONG: readonly (readonly [what: string, record: Uint8Array, reason: string])[] = [
  ["term 2^53", sealed({ term: 2n ** 53n }), ABOVE],
  ["term 2^64 - 1", sealed({ term: 2n ** 64n - 1n }), ABOVE],
  ["index 2^53", sealed({ index: 2n ** 53n }), ABOVE],
  ["index 2^63", sealed({ kind: 17, index: 2n ** 63n }), ABOVE],
  ["an entry without index", sealed({ index: 0n }), "an entry has index 0 and term 1"],
  ["an entry without term", sealed({ kind: 2, term: 0n }), "an entry has index 1 and term 0"],
  ["a configuration without index", sealed({ kind: 3, index: 0n }), "an entry has index 0 and term 1"],
  ["a reset without index", sealed({ kind: 18, index: 0n }), "a reset record has index 0 and term 1"],
  ["a reset without term", sealed({ kind: 18, term: 0n }), "a reset record has index 1 and term 0"],
  ["a commit of nothing", sealed({ kind: 19, index: 0n }), "a commit record has index 0"],
  ["a truncation from 0", sealed({ kind: 17, index: 0n }), "a truncate record begins at index 0"],
  ...[0, 4, 15, 20, 255].map((kind) => [`kind ${kind}`, sealed({ kind }), `record kind is ${kind}`] as const),
];

for (const [what, record, reason] of WRONG) {
  Deno.test(`a record is refused though its checksum holds: ${what}`, () => {
    assertEquals(decodeRecord(record, 0), reason);
    assertEquals(decodeEntries(record), reason);
  });
}

const at = (index: bigint, term: bigint) => sealed({ index, term });

const RUNS: readonly (readonly [what: string, run: readonly Uint8Array[], reason: string])[] = [
  ["a gap", [at(1n, 1n), at(3n, 1n)], "index 3 follows 1"],
  ["an index twice", [at(1n, 1n), at(1n, 1n)], "index 1 follows 1"],
  ["an index that falls", [at(2n, 1n), at(1n, 1n)], "index 1 follows 2"],
  ["a gap later on", [at(1n, 1n), at(2n, 1n), at(4n, 1n)], "index 4 follows 2"],
  ["a term that falls", [at(1n, 2n), at(2n, 1n)], "term 1 follows 2"],
  ["a vote", [at(1n, 1n), sealed({ kind: 16 })], "a hardState record stands among entries"],
  ["a truncation", [sealed({ kind: 17 })], "a truncate record stands among entries"],
  ["a byte behind", [at(1n, 1n), bytesOf("00")], "a record header has 25 bytes, 1 are left"],
];

for (const [what, run, reason] of RUNS) {
  Deno.test(`records are no run of entries: ${what}`, () =>
    assertEquals(decodeEntries(join(...run)), reason));
}

Deno.test("damaged and random bytes give a reason, never an exception", () => {
  const random = randomOf("record/fuzz");
  const entries = entriesOf(random, { first: 1, count: 3, termMin: 1, termMax: 9 });
  const run = join(...entries.map(recordOf));
  for (let i = 0; i < 3000; i++) {
    const bytes = i % 2 === 0 ? randomBytes(random, 80) : mutated(random, run);
    const decoded = decodeEntries(bytes);
    if (typeof decoded === "string") continue;
    assertEquals(
      decoded,
      entries.slice(0, decoded.length),
      "a mutation may leave or restore whole records, no other",
    );
  }
});
