/**
 * Kind: unit and property (against plain maps).
 *
 * Invariant: the table holds what was put there last, in whatever way its memory moved meanwhile; what it hands out stays as it is; memory
 * that nobody needs is given back; a picture shows one moment; keys come in the order of their hashes; the digest depends on the contents alone.
 *
 * Learnt: a value that is overwritten in its place must have its old padding cleared, else two tables with the same contents have different
 * checksums.
 */
import { assert, assertEquals, assertLess, assertNotEquals, assertThrows } from "@std/assert";
import { AssertionError, must } from "../../internal/base/assert.ts";
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { Arena } from "../../internal/machine/arena.ts";
import { checksumOfWords } from "../../internal/machine/checksum.ts";
import { KeyValueCapture } from "../../internal/machine/capture.ts";
import { Digest } from "../../internal/machine/digest.ts";
import { compareBytes, compareKeys, hashOf } from "../../internal/machine/key_hash.ts";
import { KeyIndex } from "../../internal/machine/key_index.ts";
import type { Pairs } from "../../internal/machine/table.ts";
import { KeyTable, positionsInOrder } from "../../internal/machine/key_table.ts";
import { colliding } from "./colliding.ts";

const HASHES: readonly (readonly [text: string, hash: number])[] = [
  ["", 0],
  ["test", 0xba6bd213],
  ["Hello, world!", 0xc0363e43],
  ["The quick brown fox jumps over the lazy dog", 0x2e4ff723],
];

for (const [text, hash] of HASHES) {
  Deno.test(`the hash of ${JSON.stringify(text)} never changes, wherever it stands`, () => {
    const bytes = bytesOfLatin1(`-${text}--`);
    assertEquals(hashOf(bytes, 1, 1 + text.length) >>> 0, hash);
    assertEquals(hashOf(bytesOfLatin1(text), 0, text.length) >>> 0, hash);
  });
}

Deno.test("a checksum tells any one word apart, and where words stand", () => {
  const random = new SeededRandom("checksum");
  for (let i = 0; i < 2000; i++) {
    const words = Int32Array.from({ length: 2 * random.between(1, 20) }, () => random.uint32());
    const before = checksumOfWords(words, 0, words.length);
    const at = random.below(words.length);
    const [was, other] = [words[at] ?? 0, random.uint32() | 0];
    words[at] = other;
    assertEquals(checksumOfWords(words, 0, words.length) === before, was === other);
    words[at] = was;
    const swapped = random.below(words.length);
    [words[at], words[swapped]] = [words[swapped] ?? 0, was];
    if (was !== words[at]) assertNotEquals(checksumOfWords(words, 0, words.length), before);
  }
});

/* ---- the index ---- */

/** Positions are numbers whose keys are texts that are given to them. */
class Texts implements Pairs {
  readonly #keys: Uint8Array[] = [];
  comparisons = 0;

  give(position: number, key: Uint8Array): void {
    this.#keys[position] = key;
  }

  keyAt(position: number): Uint8Array {
    return must(this.#keys[position], "Every position has a key");
  }

  hasKey(position: number, key: Uint8Array): boolean {
    return this.compareKey(position, key) === 0;
  }

  compareKey(position: number, key: Uint8Array): number {
    this.comparisons++;
    return compareBytes(this.keyAt(position), key);
  }
}

function findIn(index: KeyIndex, hash: number, key: Uint8Array): number {
  return index.find(hash, key, 0, key.length);
}

const KINDS: readonly (readonly [what: string, draw: (random: Random) => number])[] = [
  ["any", (random) => random.uint32() | 0],
  ["few", (random) => random.below(50) << 20],
  ["alike in their first bits", (random) => 0xabcde000 | random.below(4096)],
  ["alike in their last bits", (random) => random.below(4096) << 20 | 0x54321],
  ["all the same", () => -1],
];

for (const [what, draw] of KINDS) {
  Deno.test(`positions are found, replaced and removed where hashes are ${what}`, () => {
    const random = new SeededRandom(`index/${what}`);
    const texts = new Texts();
    const index = new KeyIndex(texts);
    const model = new Map<number, number>();
    const positions: number[] = [];
    let next = 0;
    const keyed = (position: number, key = bytesOfLatin1(`${random.below(1000)} ${position}`)) => {
      texts.give(position, key);
      return position;
    };
    for (let step = 0; step < 20_000; step++) {
      const at = random.below(positions.length || 1);
      const position = positions[at];
      const choice = random.below(10);
      if (position === undefined || choice < 6) {
        const hash = draw(random);
        index.add(hash, keyed(++next));
        model.set(next, hash);
        positions.push(next);
      } else if (choice < 8) {
        const hash = model.get(position) ?? 0;
        index.replace(hash, position, keyed(++next, texts.keyAt(position)));
        model.delete(position);
        model.set(next, hash);
        positions[at] = next;
      } else {
        index.remove(model.get(position) ?? 0, position);
        model.delete(position);
        positions[at] = positions.at(-1) ?? 0;
        positions.pop();
        assertEquals(findIn(index, draw(random), texts.keyAt(position)), 0);
      }
      if (step % 500 === 0) {
        for (const [position, hash] of model) {
          assertEquals(findIn(index, hash, texts.keyAt(position)), position);
        }
      }
    }
    assertEquals(index.size, model.size);
    for (const [position, hash] of model) {
      assertEquals([findIn(index, hash, texts.keyAt(position)), index.has(hash, position)], [position, true]);
    }
    const { comparisons } = texts;
    for (const [position, hash] of model) {
      // Among hashes that are too much alike nothing is guessed.
      const guess = index.guess(hash);
      assert(guess === 0 || model.get(guess) === hash, "what is guessed has the hash");
      if (what === "any") assertEquals([guess, index.guess(~hash)], [position, 0]);
    }
    assertEquals(texts.comparisons, comparisons, "no pair is looked at for a guess");
    const found: number[] = [];
    let last = 0;
    for (const { slots, count } of index.tablesFrom(0)) {
      const hashes = [...slots].flatMap((hash, i) => i % 2 === 0 && slots[i + 1] !== 0 ? [hash >>> 0] : []);
      found.push(...[...slots].filter((position, i) => i % 2 === 1 && position !== 0));
      assertEquals(hashes.length, count);
      if (count === 0) continue;
      assert(last <= Math.min(...hashes), "tables come in the order of hashes");
      last = Math.max(...hashes);
    }
    assertEquals(found.toSorted((a, b) => a - b), [...model.keys()].toSorted((a, b) => a - b));
  });
}

const SPREAD: readonly (readonly [what: string, hashOf: (i: number) => number])[] = [
  ["spread", (i) => Math.imul(i, 0x9e3779b1)],
  ["alike", (i) => i & 1],
];

for (const [what, hashOf] of SPREAD) {
  Deno.test(`a picture of an index of ${what} hashes stays, whatever changes; what it does not show is not copied`, () => {
    const random = new SeededRandom("picture");
    const texts = new Texts();
    for (let i = 1; i <= 60_000; i++) texts.give(i, bytesOfLatin1(String(i % 30_000)));
    const index = new KeyIndex(texts);
    for (let i = 1; i <= 5000; i++) index.add(hashOf(i), i);
    const picture = index.picture();
    const before = picture.map(({ slots }) => [...slots]);
    for (let i = 1; i <= 5000; i++) {
      if (random.chance(1, 2)) index.remove(hashOf(i), i);
      else index.replace(hashOf(i), i, 30_000 + i);
    }
    for (let i = 10_000; i < 20_000; i++) index.add(hashOf(i), i);
    assertEquals(picture.map(({ slots }) => [...slots]), before);
    index.forget();
    const tables = [...index.tablesFrom(0)];
    index.replace(hashOf(10_000), 10_000, 40_000);
    assertEquals([...index.tablesFrom(0)].filter((table) => !tables.includes(table)), []);
  });
}

/* ---- keys that were made to have the same hash ---- */

const FLOOD = 20_000;

Deno.test(`${FLOOD} keys that were made to collide cost a small multiple of as many others`, () => {
  const random = new SeededRandom("flood");
  const costs = [colliding, (number: number) => bytesOfLatin1(`key:${number}`)].map((keyOf) => {
    const texts = new Texts();
    const index = new KeyIndex(texts);
    const hash = (position: number) => hashOf(texts.keyAt(position), 0, texts.keyAt(position).length);
    for (let i = 1; i <= FLOOD; i++) {
      texts.give(i, keyOf(random.uint32()));
      texts.give(i + FLOOD, texts.keyAt(i));
      assertEquals(findIn(index, hash(i), texts.keyAt(i)), 0);
      index.add(hash(i), i);
    }
    for (let i = 1; i <= FLOOD; i++) {
      assertEquals(findIn(index, hash(i), texts.keyAt(i)), i);
      if (i % 2 === 0) index.remove(hash(i), i);
      else index.replace(hash(i), i, i + FLOOD);
    }
    assertEquals(index.size, FLOOD / 2);
    return texts.comparisons / (4 * FLOOD);
  });
  const [flood = 0, calm = 0] = costs;
  assertLess(calm, 1);
  // A search among 20,000 takes some 15 comparisons, and each change begins with one.
  assertLess(flood, 20);
});

Deno.test("keys that collide are found, walked over and pictured in one order, whatever the order they came in", () => {
  const keys = Array.from({ length: 3000 }, (_, i) => i % 3 === 0 ? bytesOfLatin1(`key:${i}`) : colliding(i));
  const value = bytesOfLatin1("value");
  const [some, others] = [keys, keys.toReversed()].map((ordered) => {
    const table = new KeyTable();
    for (const key of ordered) table.set(key, 0, key.length, key, 0, key.length);
    for (const key of keys.slice(0, 500)) table.delete(key, 0, key.length);
    for (const key of keys.slice(500, 1000)) table.set(key, 0, key.length, value, 0, value.length);
    return table;
  });
  const walked = (table: KeyTable | undefined) => {
    const found: string[] = [];
    // As SCAN does: some keys at a time, each time behind the last one.
    for (let last: Uint8Array | null = null, more = true; more;) {
      more = false;
      let count = 0;
      for (const key of must(table, "There are two").keysAfter(last)) {
        found.push([...key].join());
        last = key.slice();
        more = ++count === 100;
        if (more) break;
      }
    }
    return found;
  };
  const expected = keys.slice(500).toSorted((a, b) =>
    compareKeys(hashOf(a, 0, a.length), a, hashOf(b, 0, b.length), b)
  ).map((key) => [...key].join());
  assertEquals([walked(some), walked(others)], [expected, expected]);
  const picture = must(some, "There are two").show();
  const pictured = picture.tables.flatMap((one) => positionsInOrder(one, picture.pairs));
  assertEquals(pictured.map((position) => [...picture.pairs.keyAt(position)].join()), expected);
  assertEquals(some?.digest, others?.digest);
});

/* ---- the arena ---- */

Deno.test("memory is given back chunk by chunk, and its numbers are used again", () => {
  const arena = new Arena();
  const [key, value] = [bytesOfLatin1("key"), new Uint8Array(1000)];
  const put = () => arena.append(1, key, 0, key.length, value, 0, value.length);
  for (let round = 0; round < 5; round++) {
    const positions = Array.from({ length: 3000 }, put);
    assert(arena.bytesAllocated > 3_000_000);
    for (const position of positions) arena.remove(position);
    assertLess(arena.bytesAllocated, 300_000);
    assertLess(Math.max(...positions.map((position) => position >>> 15)), 30);
  }
});

/* ---- the table ---- */

const text = (bytes: Uint8Array | undefined) => bytes === undefined ? undefined : latin1Of(bytes);

function put(table: KeyTable, key: string, value: string): void {
  const bytes = bytesOfLatin1(`-${key}${value}-`);
  table.set(bytes, 1, 1 + key.length, bytes, 1 + key.length, bytes.length - 1);
}

function get(table: KeyTable, key: string): Uint8Array | undefined {
  const bytes = bytesOfLatin1(`--${key}`);
  return table.get(bytes, 2, bytes.length);
}

function remove(table: KeyTable, key: string): boolean {
  const bytes = bytesOfLatin1(key);
  return table.delete(bytes, 0, bytes.length);
}

/** A table that was filled with these pairs and nothing else. */
function fresh(model: ReadonlyMap<string, string>): KeyTable {
  const table = new KeyTable();
  for (const [key, value] of [...model].toSorted(([a], [b]) => a < b ? -1 : 1)) put(table, key, value);
  return table;
}

const SIZES: readonly (readonly [what: string, draw: (random: Random) => number])[] = [
  ["short", (random) => random.below(20)],
  ["of one length", () => 256],
  ["of many lengths", (random) => 2 ** random.below(14) + random.below(30)],
  ["around the length that stands alone", (random) => random.between(32_600, 32_800)],
  ["long", (random) => random.below(500_000)],
];

for (const [what, size] of SIZES) {
  Deno.test(`the table holds what a map holds, with values that are ${what}`, () => {
    const random = new SeededRandom(`table/${what}`);
    const table = new KeyTable();
    const model = new Map<string, string>();
    const steps = what === "long" ? 300 : what.startsWith("around") ? 1500 : 8000;
    const keys = Array.from({ length: steps / 10 }, (_, i) => "k".repeat(random.below(30)) + i);
    const handedOut: { readonly bytes: Uint8Array; readonly was: string }[] = [];
    for (let step = 0; step < steps; step++) {
      const key = keys[random.below(keys.length)] ?? "";
      if (random.chance(3, 4)) {
        const value = String.fromCharCode(random.below(256)).repeat(size(random));
        put(table, key, value);
        model.set(key, value);
      } else assertEquals(remove(table, key), model.delete(key));
      const look = keys[random.below(keys.length)] ?? "";
      const found = get(table, look);
      assertEquals(text(found), model.get(look));
      const bytes = bytesOfLatin1(look);
      assertEquals(table.lengthOf(bytes, 0, bytes.length), model.get(look)?.length ?? 0);
      assertEquals(table.has(bytes, 0, bytes.length), model.has(look));
      if (found !== undefined && handedOut.length < 500) {
        handedOut.push({ bytes: found, was: latin1Of(found) });
      }
    }
    for (const { bytes, was } of handedOut) {
      assertEquals(latin1Of(bytes) === was, true, "what was read stays");
    }
    assertEquals(table.size, model.size);
    assertEquals(table.digest, fresh(model).digest);
    const walked = [...table.keysAfter(null)].map((key) => key.slice());
    assertEquals(walked.map(latin1Of).toSorted(), [...model.keys()].toSorted());
    assertEquals([...table.keys()].map(latin1Of).toSorted(), [...model.keys()].toSorted());
    for (const [i, key] of walked.entries()) {
      const before = walked[i - 1];
      if (before === undefined) continue;
      const [low, high] = [hashOf(before, 0, before.length), hashOf(key, 0, key.length)];
      assert(compareKeys(low, before, high, key) < 0, "keys come in their order");
    }
    const middle = walked[walked.length >> 1] ?? null;
    const behind = walked.slice((walked.length >> 1) + 1).map(latin1Of);
    assertEquals([...table.keysAfter(middle)].map(latin1Of), behind);
  });
}

Deno.test("overwriting and removing for long leaves not much more memory than there are bytes", () => {
  const random = new SeededRandom("waste");
  const table = new KeyTable();
  const model = new Map<string, string>();
  for (let step = 0; step < 150_000; step++) {
    const key = `key ${random.below(4000)}`;
    if (random.chance(1, 10)) {
      remove(table, key);
      model.delete(key);
    } else {
      const value = String(step).padEnd(random.between(1, 4000), "v");
      put(table, key, value);
      model.set(key, value);
    }
  }
  let bytes = 0;
  for (const [key, value] of model) bytes += 24 + key.length + value.length;
  assertLess(table.bytesAllocated, bytes * 1.6 + 5 * 1024 * 1024);
  for (const [key, value] of model) assertEquals(text(get(table, key)) === value, true);
  assertEquals(table.digest, fresh(model).digest);
});

Deno.test("captures beside writes leave not much more memory than there are bytes, and pairs that came out are overwritten", () => {
  const random = new SeededRandom("captures");
  const table = new KeyTable();
  const keys = Array.from({ length: 20_000 }, (_, i) => `key ${i}`);
  for (const key of keys) put(table, key, "v".repeat(300));
  const full = table.bytesAllocated;
  const writes = (count: number) => {
    for (let i = 0; i < count; i++) put(table, keys[random.below(keys.length)] ?? "", "w".repeat(300));
  };
  let peak = 0;
  for (let round = 0; round < 12; round++) {
    const capture = new KeyValueCapture(table.show(), table.digest, () => table.hide());
    while (capture.next() !== null) writes(500);
    assert(capture.isSound);
    peak = Math.max(peak, table.bytesAllocated);
    writes(20_000);
  }
  assertLess(peak, full * 1.5 + 8 * 1024 * 1024);
  assertLess(table.bytesAllocated, full * 1.6);
  const picture = table.show();
  const last = must(picture.tables.at(-1), "There is a table");
  picture.passed(must(last.slots.find((hash, at) => at % 2 === 0 && hash !== 0), "It is not empty"));
  const before = table.bytesAllocated;
  // Half of them, all over memory: where they were put elsewhere, no chunk would be given back for it.
  for (const key of keys.slice(0, keys.length / 2)) put(table, key, "x".repeat(300));
  assertLess(table.bytesAllocated, before + 1024 * 1024);
  table.hide();
});

Deno.test("memory that changed by itself is found by its checksum", () => {
  const table = new KeyTable();
  for (let i = 0; i < 100; i++) put(table, `key ${i}`, "v".repeat(i));
  const { pairs, tables } = table.show();
  const sum = () => {
    const digest = new Digest();
    for (const one of tables) {
      for (const position of positionsInOrder(one, pairs)) digest.add(pairs.checksumNow(position));
    }
    return digest.value;
  };
  assertEquals(sum(), table.digest);
  const [position = 0] = tables.flatMap((one) => positionsInOrder(one, pairs)).filter((position) =>
    pairs.valueLengthAt(position) === 50
  );
  const value = pairs.valueAt(position);
  value[13] = (value[13] ?? 0) ^ 4;
  assertNotEquals(sum(), table.digest);
});

Deno.test("keys of the same hash stay apart, and stand in the order of their bytes whichever came first", () => {
  const byHash = new Map<number, string>();
  const pairs: (readonly [string, string])[] = [];
  for (let i = 0; pairs.length < 3; i++) {
    const bytes = bytesOfLatin1(`key ${i}`);
    const hash = hashOf(bytes, 0, bytes.length);
    const other = byHash.get(hash);
    if (other !== undefined) pairs.push([other, `key ${i}`]);
    byHash.set(hash, `key ${i}`);
  }
  const orders = [false, true].map((turned) => {
    const table = new KeyTable();
    for (const pair of pairs) {
      for (const key of turned ? pair.toReversed() : pair) put(table, key, `of ${key}`);
    }
    for (const key of pairs.flat()) assertEquals(text(get(table, key)), `of ${key}`);
    const walked = [...table.keysAfter(null)].map(latin1Of);
    for (const [i, key] of walked.entries()) {
      assertEquals([...table.keysAfter(bytesOfLatin1(key))].map(latin1Of), walked.slice(i + 1));
    }
    return walked;
  });
  assertEquals(orders[0], orders[1]);
  for (const pair of pairs) {
    const [first = "", second = ""] = pair.toSorted();
    assertEquals(orders[0]?.indexOf(second), (orders[0]?.indexOf(first) ?? -2) + 1);
  }
});

Deno.test("a value of which memory lost a bit is never handed out", () => {
  const random = new SeededRandom("rot in memory");
  for (const length of [1, 7, 256, 100_000]) {
    const table = new KeyTable();
    const key = bytesOfLatin1("key");
    const value = new Uint8Array(length).fill(7);
    table.set(key, 0, key.length, value, 0, length);
    const { pairs, tables } = table.show();
    const position = must(tables.flatMap((one) => positionsInOrder(one, pairs))[0], "One pair was put there");
    for (let i = 0; i < 50; i++) {
      const seen = pairs.valueAt(position);
      const at = random.below(length);
      const bit = 1 << random.below(8);
      seen[at] = (seen[at] ?? 0) ^ bit;
      assertThrows(() => table.get(key, 0, key.length), AssertionError, "Memory keeps what was put there");
      seen[at] = (seen[at] ?? 0) ^ bit;
      assertEquals(table.get(key, 0, key.length), value);
    }
  }
});
