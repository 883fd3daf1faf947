/**
 * Kind: unit and property.
 *
 * Invariant: a number comes back from its bytes, lowest byte first; what does not fit is refused, never cut; nothing beside the number is
 * touched; a text of one character per byte is the bytes, in their order too.
 *
 * Learnt: JavaScript's bit operators give signed numbers, so the upper half of 32 bits has cases of its own.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/base/assert.ts";
import { isZero, readUint32, readUint53, writeUint32, writeUint53 } from "../../internal/base/bytes.ts";
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { SeededRandom } from "../../internal/base/random.ts";

const NUMBERS_32 = [0, 1, 255, 256, 65_535, 65_536, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const NUMBERS_53 = [...NUMBERS_32, 2 ** 32, 2 ** 32 + 1, 2 ** 52, 2 ** 53 - 2, 2 ** 53 - 1];

/** The bytes that a write at 2 leaves in a field of 0xee. */
function written(write: (bytes: Uint8Array, at: number) => void): number[] {
  const bytes = new Uint8Array(12).fill(0xee);
  write(bytes, 2);
  return [...bytes];
}

Deno.test("numbers of four bytes come back, beside untouched neighbours", () => {
  for (const value of NUMBERS_32) {
    const bytes = Uint8Array.from(written((bytes, at) => writeUint32(bytes, at, value)));
    assertEquals(readUint32(bytes, 2), value);
    assertEquals([...bytes.subarray(0, 2), ...bytes.subarray(6)], new Array(8).fill(0xee));
  }
});

Deno.test("numbers of eight bytes come back, beside untouched neighbours", () => {
  for (const value of NUMBERS_53) {
    const bytes = Uint8Array.from(written((bytes, at) => writeUint53(bytes, at, value)));
    assertEquals(readUint53(bytes, 2), value);
    assertEquals([...bytes.subarray(0, 2), ...bytes.subarray(10)], new Array(4).fill(0xee));
  }
});

Deno.test("the lowest byte comes first", () => {
  assertEquals(
    written((bytes, at) => writeUint32(bytes, at, 0x89abcdef)),
    [0xee, 0xee, 0xef, 0xcd, 0xab, 0x89, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee],
  );
  assertEquals(
    written((bytes, at) => writeUint53(bytes, at, 0x1f_2345_6789_abcd)),
    [0xee, 0xee, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x1f, 0x00, 0xee, 0xee],
  );
});

Deno.test("a number above 2^53 - 1 in the bytes is none", () => {
  assertEquals(readUint53(Uint8Array.of(255, 255, 255, 255, 255, 255, 0x1f, 0), 0), 2 ** 53 - 1);
  assertEquals(readUint53(Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0), 0), null);
  assertEquals(readUint53(new Uint8Array(8).fill(255), 0), null);
});

for (const value of [-1, 0.5, 2 ** 53, NaN, Infinity]) {
  Deno.test(`${value} is not written as eight bytes`, () => {
    assertThrows(() => writeUint53(new Uint8Array(8), 0, value), AssertionError, "2^53 - 1");
  });
}

Deno.test("a place that does not lie within the bytes is refused", () => {
  const bytes = new Uint8Array(8);
  assertThrows(() => readUint32(bytes, 5), AssertionError);
  assertThrows(() => writeUint32(bytes, 5, 0), AssertionError);
  assertThrows(() => readUint53(bytes, 1), AssertionError);
  assertThrows(() => writeUint53(bytes, 1, 0), AssertionError);
  assertEquals(readUint32(bytes, 4), 0);
});

Deno.test("zero means every byte from the first, without the last", () => {
  const bytes = Uint8Array.of(1, 0, 0, 0, 1);
  const cases: readonly (readonly [from: number, to: number, zero: boolean])[] = [
    [1, 4, true],
    [0, 4, false],
    [1, 5, false],
    [2, 2, true],
    [4, 4, true],
    [0, 1, false],
  ];
  for (const [from, to, zero] of cases) assertEquals(isZero(bytes, from, to), zero, `${from} to ${to}`);
});

Deno.test("any bytes survive as a text, also beyond the length that is converted at once", () => {
  const random = new SeededRandom("latin1");
  for (const length of [0, 1, 255, 4095, 4096, 4097, 8192, 10_000]) {
    const bytes = Uint8Array.from({ length }, () => random.below(256));
    const text = latin1Of(bytes);
    assertEquals(text.length, length);
    assertEquals(bytesOfLatin1(text), bytes);
  }
});

Deno.test("texts stand in the order of their bytes", () => {
  const random = new SeededRandom("order");
  const draw = () => Uint8Array.from({ length: random.between(0, 3) }, () => random.below(4) * 85);
  const compareBytes = (a: Uint8Array, b: Uint8Array) => {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const difference = (a[i] ?? 0) - (b[i] ?? 0);
      if (difference !== 0) return Math.sign(difference);
    }
    return Math.sign(a.length - b.length);
  };
  for (let i = 0; i < 2000; i++) {
    const [a, b] = [draw(), draw()];
    const [left, right] = [latin1Of(a), latin1Of(b)];
    assertEquals(left < right ? -1 : left > right ? 1 : 0, compareBytes(a, b));
  }
});
