/**
 * Kind: property, over every place that a value can have among words; and unit, of what the arena makes of it.
 *
 * Invariant: a copy that sums on its way brings the bytes, the zeros behind them and the checksum that a plain copy and a sum behind it
 * bring, and touches nothing else.
 *
 * Learnt: the first bytes of a value may share a word with the end of the key, and the last ones with zeros; short values have no two words
 * of their own, and go the plain way.
 */
import { assertEquals } from "@std/assert";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { Arena } from "../../internal/machine/arena.ts";
import {
  checksumOfWords,
  copySummed,
  type Memory,
  SUMMED_BYTES_MIN,
} from "../../internal/machine/checksum.ts";

function bytesFrom(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function memoryOf(bytes: Uint8Array): Memory {
  const { buffer } = bytes.slice();
  return { bytes: new Uint8Array(buffer), words: new Int32Array(buffer) };
}

const FIRST_WORD = 6;

Deno.test("a copy that sums brings what a copy and a sum bring, wherever the value begins and ends", () => {
  const random = new SeededRandom("summed copy");
  for (let before = 0; before <= 24; before++) {
    for (let length = SUMMED_BYTES_MIN; length <= 60; length++) {
      const end = FIRST_WORD + 2 * Math.ceil((before + length) / 8);
      const memory = bytesFrom(random, 4 * end + 24);
      const skipped = random.below(9);
      // A view of a part, as a payload is one of a frame.
      const source = bytesFrom(random, skipped + length + 20).subarray(4);
      const view = new DataView(source.buffer, source.byteOffset, source.length);
      const expected = memoryOf(memory);
      const target = 4 * FIRST_WORD + before;
      expected.bytes.fill(0, target, 4 * end);
      expected.bytes.set(source.subarray(skipped, skipped + length), target);
      const got = memoryOf(memory);
      const checksum = copySummed(view, skipped, skipped + length, got, target, FIRST_WORD, end);
      assertEquals(got.bytes, expected.bytes, `${length} bytes behind ${before}`);
      assertEquals(checksum, checksumOfWords(expected.words, FIRST_WORD, end), `${length} behind ${before}`);
    }
  }
});

Deno.test("pairs of an arena have the checksum of their bytes, put there by whichever way", () => {
  const random = new SeededRandom("pairs");
  for (let i = 0; i < 3000; i++) {
    const arena = new Arena();
    const key = bytesFrom(random, random.below(40));
    const source = bytesFrom(random, 400);
    const draw = () => {
      const from = random.below(100);
      return [from, from + random.below(random.chance(1, 2) ? 40 : 300)] as const;
    };
    const [from, to] = draw();
    const position = arena.append(7, key, 0, key.length, source, from, to);
    assertEquals(arena.valueAt(position), source.subarray(from, to));
    assertEquals(arena.checksumAt(position), arena.checksumNow(position));
    const again = draw();
    // The same array, then another one.
    for (const bytes of [source, bytesFrom(random, 400)]) {
      const value = bytes.subarray(...again);
      const other = new Arena();
      const fresh = other.append(7, key, 0, key.length, value.slice(), 0, value.length);
      if (!arena.overwrite(position, bytes, ...again)) break;
      assertEquals([arena.keyAt(position), arena.valueAt(position)], [key, value]);
      assertEquals(arena.checksumAt(position), other.checksumAt(fresh));
      assertEquals(arena.checksumNow(position), arena.checksumAt(position));
    }
  }
});
