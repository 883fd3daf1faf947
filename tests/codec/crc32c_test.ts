/**
 * Kind: unit (known vectors) and property.
 *
 * Invariant: the checksum is CRC32C as RFC 3720 B.4 defines it, over the parts as if they stood one after another, whatever was
 * summed before; and nobody can use it before it was loaded.
 *
 * Learnt: RFC 3720 prints its results as bytes on the wire, lowest first; as numbers they read the other way round.
 */
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createCRC32 } from "hash-wasm";
import { AssertionError } from "../../internal/base/assert.ts";
import {
  crc32c,
  crc32cAround,
  crc32cGoneOn,
  crc32cOnRecord,
  crc32cOnSealed,
  loadCrc32c,
} from "../../internal/codec/crc32c.ts";
import { bitFlips, bytesOf, crc32cBitByBit, randomBytes, randomChunks, randomOf, utf8 } from "./support.ts";

// The first test of the file: the others load the checksum.
Deno.test("the checksum cannot be used before it was loaded", () => {
  assertThrows(() => crc32c(new Uint8Array(1)), AssertionError, "The checksum was loaded");
});

const READ_10 = `01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018
  28000000 00000000 02000000 00000000`;

const VECTORS: readonly (readonly [name: string, bytes: Uint8Array, checksum: number])[] = [
  ["nothing", new Uint8Array(0), 0],
  ["123456789", utf8("123456789"), 0xe3069283],
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["31 to 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ["an iSCSI Read (10) command", bytesOf(READ_10), 0xd9963a56],
];

for (const [name, bytes, checksum] of VECTORS) {
  Deno.test(`the checksum of ${name} is 0x${checksum.toString(16)}`, async () => {
    await loadCrc32c();
    assertEquals(crc32c(bytes), checksum);
    await loadCrc32c();
    assertEquals(crc32c(bytes), checksum, "neither an earlier sum nor a second load changes it");
  });
}

Deno.test("no parts have the checksum of nothing", async () => {
  await loadCrc32c();
  crc32c(utf8("something before"));
  assertEquals(crc32c(), 0);
});

Deno.test("it agrees with the definition, however the bytes are cut and wherever they lie in memory", async () => {
  await loadCrc32c();
  const random = randomOf("crc32c");
  for (
    const length of [
      ...Array(200).keys(),
      1023,
      1024,
      1025,
      2047,
      2048,
      2049,
      8191,
      8192,
      8193,
      8200,
      70_000,
      131_072,
      131_073,
      300_000,
    ]
  ) {
    const room = Uint8Array.from({ length: length + 8 }, () => random.below(256));
    const offset = random.below(8);
    const bytes = room.subarray(offset, offset + length);
    const expected = crc32cBitByBit(bytes);
    assertEquals(crc32c(bytes), expected, `${length} bytes`);
    const parts = randomChunks(random, bytes, Math.max(1, length));
    assertEquals(
      crc32c(new Uint8Array(0), ...parts, new Uint8Array(0)),
      expected,
      `${length} bytes in parts`,
    );
  }
});

Deno.test("around the place of the checksum is the same as in two parts, for short pieces and long ones", async () => {
  await loadCrc32c();
  const random = randomOf("crc32c/around");
  for (const length of [8, 9, 15, 16, 17, 100, 1031, 1032, 1033, 1034, 8200, 20_000]) {
    const room = Uint8Array.from({ length: length + 16 }, () => random.below(256));
    const at = random.below(8);
    const [head, rest] = [room.slice(at, at + 4), room.slice(at + 8, at + length)];
    const expected = crc32cBitByBit(Uint8Array.of(...head, ...rest));
    assertEquals(crc32cAround(room, at, at + length), expected, `${length} bytes`);
    room[at + 4] = (room[at + 4] ?? 0) ^ 0xff;
    assertEquals(crc32cAround(room, at, at + length), expected, "the four bytes do not count");
    room[at + length - 1] = (room[at + length - 1] ?? 0) ^ 1;
    const last = length === 8 ? expected : crc32cAround(room, at, at + length);
    assertEquals(last === expected, length === 8, "the last byte counts");
  }
});

Deno.test("going on over a piece that says its own checksum is the same as reading all of it", async () => {
  await loadCrc32c();
  const random = randomOf("crc32c/sealed");
  for (const length of [8, 9, 25, 300, 511, 512, 513, 1000, 5001, 65_544, 70_000]) {
    const before = randomBytes(random, random.below(100));
    const piece = Uint8Array.from({ length }, () => random.below(256));
    new DataView(piece.buffer).setUint32(4, crc32cAround(piece, 0, length), true);
    const expected = crc32cBitByBit(Uint8Array.of(...before, ...piece));
    assertEquals(crc32cOnSealed(crc32c(before), piece), expected, `${length} bytes`);
    assertEquals(crc32cGoneOn(crc32c(before), piece, 0, length), expected, `${length} bytes`);
    assertEquals(crc32cOnRecord(crc32c(before), piece), expected, `${length} bytes`);
    if (length === 8) continue;
    piece[length - 1] = (piece[length - 1] ?? 0) ^ 1;
    const damaged = crc32c(before, piece);
    assertNotEquals(crc32cOnSealed(crc32c(before), piece), damaged, "a wrong seal is no way to the sum");
  }
});

Deno.test("every turned bit and every two exchanged bytes change it", async () => {
  await loadCrc32c();
  const bytes = randomBytes(randomOf("crc32c/flips"), 60);
  const checksum = crc32c(bytes);
  for (const { bit, damaged } of bitFlips(bytes)) assertNotEquals(crc32c(damaged), checksum, `bit ${bit}`);
  for (let at = 1; at < bytes.length; at++) {
    const [left, right] = [bytes[at - 1] ?? 0, bytes[at] ?? 0];
    if (left === right) continue;
    const swapped = bytes.slice();
    swapped.set([right, left], at - 1);
    assertNotEquals(crc32c(swapped), checksum, `bytes ${at - 1} and ${at}`);
  }
});

Deno.test("it agrees with a published implementation, over long pieces of any length", async () => {
  await loadCrc32c();
  const hasher = await createCRC32(0x82f63b78);
  const random = randomOf("crc32c/published");
  const room = Uint8Array.from({ length: 400_000 }, () => random.below(256));
  for (let round = 0; round < 300; round++) {
    const length = random.below([1000, 3000, 12_000, 399_000][round % 4] ?? 1);
    const bytes = room.subarray(random.below(1000)).subarray(0, length);
    assertEquals(crc32c(bytes), Number.parseInt(hasher.init().update(bytes).digest(), 16), `${length} bytes`);
  }
});
