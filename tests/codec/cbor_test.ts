/**
 * Kind: unit (tables from RFC 8949 Appendix A, malformed input) and property.
 *
 * Invariant: every value of ours has one encoding and comes back from it; any other bytes are refused with a reason, without an
 * exception and before anything is allocated from a length that was only announced.
 *
 * Learnt: a library accepts tags, maps, floats and longer-than-needed numbers, and recurses as deep as it is told;
 * so each of the 256 first bytes must have its answer. Bytes that are no UTF-8 used to pass as replacement characters, so that two
 * encodings became one text.
 */
import { assert, assertEquals } from "@std/assert";
import * as cborg from "cborg";
import type { Random } from "../../internal/base/random.ts";
import { type CborValue, CborWriter, decodeCbor, encodeCbor } from "../../internal/codec/cbor.ts";
import {
  bytesOf,
  hexOf,
  join,
  mutated,
  randomBytes,
  randomNumber,
  randomOf,
  randomText,
  truncations,
  watchAllocations,
} from "./support.ts";

const CUT_SHORT = "the value is cut short";
const NOT_SHORTEST = "a number is not in its shortest form";

const upTo25 = Array.from({ length: 25 }, (_, i) => i + 1);

const GOLDEN: readonly (readonly [value: CborValue, hex: string])[] = [
  [0, "00"],
  [23, "17"],
  [24, "1818"],
  [255, "18ff"],
  [256, "190100"],
  [1000, "1903e8"],
  [65_535, "19ffff"],
  [65_536, "1a00010000"],
  [2 ** 32 - 1, "1affffffff"],
  [2 ** 32, "1b0000000100000000"],
  [Number.MAX_SAFE_INTEGER, "1b001fffffffffffff"],
  [false, "f4"],
  [true, "f5"],
  [null, "f6"],
  ["", "60"],
  ["a", "6161"],
  ['"\\', "62225c"],
  ["ü", "62c3bc"],
  ["水", "63e6b0b4"],
  ["𐅑", "64f0908591"],
  ["x".repeat(24), `7818${"78".repeat(24)}`],
  [new Uint8Array(0), "40"],
  [bytesOf("01020304"), "4401020304"],
  [new Uint8Array(256), `590100${"00".repeat(256)}`],
  [[], "80"],
  [[1, 2, 3], "83010203"],
  [[1, [2, 3], [4, 5]], "8301820203820405"],
  [upTo25, "98190102030405060708090a0b0c0d0e0f101112131415161718181819"],
];

for (const [value, hex] of GOLDEN) {
  Deno.test(`CBOR ${hex.length > 30 ? `${hex.slice(0, 30)}...` : hex} is what it stands for, both ways`, () => {
    assertEquals(hexOf(encodeCbor(value)), hex);
    assertEquals(decodeCbor(bytesOf(hex)), { value });
  });
}

const nested = (depth: number, inner = "80") => bytesOf("81".repeat(depth - 1) + inner);

const REFUSED: readonly (readonly [what: string, bytes: Uint8Array, reason: string])[] = [
  ["nothing", new Uint8Array(0), CUT_SHORT],
  ["two values", bytesOf("0000"), "1 bytes follow the value"],
  ["bytes after an array", bytesOf("8101ffffff"), "3 bytes follow the value"],
  ["a negative number", bytesOf("20"), "major type 1 is not allowed"],
  ["a map", bytesOf("a0"), "major type 5 is not allowed"],
  ["a tag", bytesOf("c000"), "major type 6 is not allowed"],
  ["a bignum", bytesOf("c24100"), "major type 6 is not allowed"],
  ["undefined", bytesOf("f7"), "simple value or float 23 is not allowed"],
  ["a simple value", bytesOf("f8ff"), "simple value or float 24 is not allowed"],
  ["a half float", bytesOf("f93c00"), "simple value or float 25 is not allowed"],
  ["a float", bytesOf("fa47c35000"), "simple value or float 26 is not allowed"],
  ["a double", bytesOf("fb3ff199999999999a"), "simple value or float 27 is not allowed"],
  ["a break", bytesOf("ff"), "simple value or float 31 is not allowed"],
  ["an indefinite array", bytesOf("9fff"), "indefinite or reserved lengths are not allowed"],
  ["an indefinite byte string", bytesOf("5f4100ff"), "indefinite or reserved lengths are not allowed"],
  ["an indefinite text", bytesOf("7f6161ff"), "indefinite or reserved lengths are not allowed"],
  ["a reserved length", bytesOf("1c"), "indefinite or reserved lengths are not allowed"],
  ["23 in two bytes", bytesOf("1817"), NOT_SHORTEST],
  ["255 in three bytes", bytesOf("1900ff"), NOT_SHORTEST],
  ["65535 in five bytes", bytesOf("1a0000ffff"), NOT_SHORTEST],
  ["2^32 - 1 in nine bytes", bytesOf("1b00000000ffffffff"), NOT_SHORTEST],
  ["a byte string with a long length", bytesOf("5801aa"), NOT_SHORTEST],
  ["an array with a long length", bytesOf("9800"), NOT_SHORTEST],
  ["2^53", bytesOf("1b0020000000000000"), "a number is above 2^53 - 1"],
  ["2^64 - 1", bytesOf("1bffffffffffffffff"), "a number is above 2^53 - 1"],
  ["a byte string of 2^64 - 1", bytesOf("5bffffffffffffffff"), "a number is above 2^53 - 1"],
  ["a byte string of 2^53 - 1", bytesOf("5b001fffffffffffff"), CUT_SHORT],
  ["a text of 2^32 - 1", bytesOf("7affffffff"), CUT_SHORT],
  ["an array of 2^20, empty", bytesOf("9a00100000"), CUT_SHORT],
  ["an array of 2^20 + 1", bytesOf("9a00100001"), "an array has 1048577 items, the limit is 1048576"],
  [
    "an array of 2^53 - 1",
    bytesOf("9b001fffffffffffff"),
    "an array has 9007199254740991 items, the limit is 1048576",
  ],
  ["arrays nine deep", nested(9), "arrays are nested deeper than 8"],
  ["arrays a million deep", nested(1_000_000), "arrays are nested deeper than 8"],
  ["a refused value with others behind it", bytesOf("83200000"), "major type 1 is not allowed"],
  ["a refused value deep inside", nested(8, "83000120"), "major type 1 is not allowed"],
];

for (const [what, bytes, reason] of REFUSED) {
  Deno.test(`CBOR is refused: ${what}`, () => {
    assertEquals(watchAllocations(() => decodeCbor(bytes)), { value: { reason }, allocated: [] });
  });
}

Deno.test("arrays eight deep and of 2^20 items are the most that is accepted", () => {
  assertEquals(decodeCbor(nested(8)), { value: [[[[[[[[]]]]]]]] });
  const decoded = decodeCbor(join(bytesOf("9a00100000"), new Uint8Array(2 ** 20).fill(0xf5)));
  assert("value" in decoded && Array.isArray(decoded.value));
  assertEquals([decoded.value.length, decoded.value.at(-1)], [2 ** 20, true]);
});

Deno.test("of the 256 first bytes only those of our part of CBOR begin a value", () => {
  for (let first = 0; first < 256; first++) {
    const [major, low] = [first >> 5, first & 31];
    // Behind the first byte stands a number in its shortest form, then as many zeros as it can announce.
    const number = { 24: "18", 25: "0100", 26: "00010000", 27: "0000000100000000" }[low] ?? "";
    const content = low < 24 ? low : low === 24 ? 24 : low === 25 ? 256 : 65_536;
    const bytes = join(
      Uint8Array.of(first),
      bytesOf(number),
      new Uint8Array(major === 0 || major > 4 ? 0 : content),
    );
    const huge = low === 27 && major !== 0;
    const ours = major === 7 ? low >= 20 && low <= 22 : [0, 2, 3, 4].includes(major) && low <= 27 && !huge;
    assertEquals("value" in decodeCbor(bytes), ours, `first byte ${hexOf(Uint8Array.of(first))}`);
  }
});

function randomValue(random: Random, depth: number): CborValue {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return randomNumber(random);
    case 1:
      return randomText(random, 70);
    case 2:
      return randomBytes(random, 300);
    case 3:
      return random.chance(1, 2);
    case 4:
      return null;
    default:
      return Array.from({ length: random.between(0, 5) }, () => randomValue(random, depth - 1));
  }
}

Deno.test("random values come back, and no prefix of theirs is a value", () => {
  const random = randomOf("cbor/round trip");
  for (let i = 0; i < 2000; i++) {
    const value = randomValue(random, 8);
    const bytes = encodeCbor(value);
    assertEquals(decodeCbor(bytes), { value });
    const cut = bytes.subarray(0, random.below(bytes.length));
    assertEquals(decodeCbor(cut), { reason: CUT_SHORT });
  }
  const all = encodeCbor(GOLDEN.map(([value]) => value));
  for (const prefix of truncations(all)) assertEquals(decodeCbor(prefix), { reason: CUT_SHORT });
});

Deno.test("a byte string is a view of what it came in, a text and a number are not", () => {
  const bytes = bytesOf("834301020361611818");
  const decoded = decodeCbor(bytes);
  bytes.fill(0);
  assertEquals(decoded, { value: [bytesOf("000000"), "a", 24] });
});

Deno.test("the library cborg writes the same bytes, and reads the same values out of them", () => {
  const random = randomOf("cbor/library");
  for (let i = 0; i < 3000; i++) {
    const value = i < GOLDEN.length ? GOLDEN[i]?.[0] ?? null : randomValue(random, 6);
    const bytes = encodeCbor(value);
    assertEquals(hexOf(bytes), hexOf(cborg.encode(value)));
    assertEquals(cborg.decode(bytes, { strict: true, allowIndefinite: false, allowBigInt: false }), value);
  }
});

Deno.test("a writer leaves its headroom alone, and grows as it must", () => {
  for (const capacity of [0, 1, 9, 1000]) {
    const writer = new CborWriter(5, capacity);
    writer.array(3);
    writer.bytesHead(400);
    writer.raw(new Uint8Array(150).fill(1));
    writer.raw(new Uint8Array(250).fill(2));
    writer.text("x".repeat(30));
    writer.null();
    const written = writer.finish();
    assertEquals(written.subarray(0, 5), new Uint8Array(5));
    const bytes = join(new Uint8Array(150).fill(1), new Uint8Array(250).fill(2));
    assertEquals(hexOf(written.subarray(5)), hexOf(encodeCbor([bytes, "x".repeat(30), null])));
  }
});

for (const hex of ["61 ff", "62 c3 28", "63 ed a0 80", "62 c0 80", `78 1e ${"61".repeat(29)}c3`]) {
  Deno.test(`bytes that are no UTF-8 are no text: ${hex.slice(0, 12)}`, () => {
    assertEquals(decodeCbor(bytesOf(hex)), { reason: "a text is not UTF-8" });
  });
}

Deno.test("damaged and random bytes give a reason or a value with exactly that encoding, never an exception", () => {
  const random = randomOf("cbor/fuzz");
  let values = 0;
  for (let i = 0; i < 30_000; i++) {
    const bytes = i % 2 === 0 ? randomBytes(random, 12) : mutated(random, encodeCbor(randomValue(random, 3)));
    const decoded = decodeCbor(bytes);
    if ("reason" in decoded) continue;
    assertEquals(hexOf(encodeCbor(decoded.value)), hexOf(bytes));
    values++;
  }
  assert(values > 1000, `only ${values} were values`);
});
