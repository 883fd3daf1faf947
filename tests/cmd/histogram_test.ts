/**
 * Kind: property (against sorted arrays).
 *
 * Invariant: a percentile is never below the true one, and above it by no more than one step: 1/128 of it, or of a microsecond where that is
 * more; the largest value is exact.
 *
 * Learnt: steps of a whole microsecond are too coarse for what is measured on one machine.
 */
import { assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { Histogram } from "../../cmd/histogram.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";

const SHARES = [0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1];

function filled(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram;
}

/** The value at that share of the sorted values. */
function exact(sorted: readonly number[], share: number): number {
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
}

/** A number in [0, 1). */
const unit = (random: Random) => random.uint32() / 2 ** 32;

const DISTRIBUTIONS: Readonly<Record<string, (random: Random) => number>> = {
  "all alike": () => 777,
  "small whole numbers": (random) => random.between(1, 200),
  "fractions": (random) => unit(random) * 300,
  "even": (random) => random.between(1, 100_000),
  "a long tail": (random) => 100 / (1 - unit(random)) ** 1.5,
  "many sizes": (random) => 2 ** (unit(random) * 36),
  "two humps": (random) => random.chance(1, 50) ? random.between(1e6, 2e6) : random.between(200, 400),
  "steps": (random) => 128 * 2 ** random.below(20) + random.below(2) - random.below(2),
};

for (const [name, draw] of Object.entries(DISTRIBUTIONS)) {
  Deno.test(`percentiles of ${name} are those of the sorted values`, () => {
    for (const count of [1, 2, 3, 10, 1000, 20_000]) {
      const random = new SeededRandom(`${name}/${count}`);
      const values = Array.from({ length: count }, () => draw(random));
      const histogram = filled(values);
      const sorted = values.toSorted((a, b) => a - b);
      for (const share of SHARES) {
        const [found, expected] = [histogram.percentile(share), exact(sorted, share)];
        assertGreaterOrEqual(found, expected, `${share} of ${count}`);
        assertLessOrEqual(found, expected + Math.max(1, expected) / 128, `${share} of ${count}`);
      }
      assertEquals([histogram.total, histogram.max], [count, sorted.at(-1)]);
      assertEquals(histogram.percentile(1), histogram.max);
    }
  });
}

Deno.test("an empty histogram is all zeros", () => {
  const histogram = new Histogram();
  assertEquals([histogram.total, histogram.max, ...SHARES.map((share) => histogram.percentile(share))], [
    0,
    0,
    ...SHARES.map(() => 0),
  ]);
});

Deno.test("a larger share has no smaller value", () => {
  const random = new SeededRandom("monotone");
  const histogram = filled(Array.from({ length: 500 }, () => 2 ** (unit(random) * 30)));
  let before = 0;
  for (let share = 0; share <= 1; share += 0.001) {
    const value = histogram.percentile(share);
    assertGreaterOrEqual(value, before);
    before = value;
  }
});

Deno.test("a value beyond all buckets is counted and does no harm", () => {
  const histogram = filled([100, 1e300]);
  assertEquals([histogram.total, histogram.max, histogram.percentile(1)], [2, 1e300, 1e300]);
  assertLessOrEqual(histogram.percentile(0.5), 101);
});

Deno.test("small values are right to within one percent too", () => {
  for (const value of [1, 2, 10, 60, 127]) {
    assertLessOrEqual(filled([value, value, value, 1000]).percentile(0.5), value * 1.01);
  }
});

Deno.test("a value that is counted several times is that value several times", () => {
  const [together, apart] = [new Histogram(), new Histogram()];
  for (const [value, times] of [[5, 3], [0.2, 1], [7000, 90], [5, 6]] as const) {
    together.add(value, times);
    for (let i = 0; i < times; i++) apart.add(value);
  }
  for (const share of SHARES) assertEquals(together.percentile(share), apart.percentile(share));
  assertEquals([together.total, together.max], [apart.total, apart.max]);
});

Deno.test("the ends of every doubling fall into a bucket that holds them", () => {
  for (let power = -7; power < 40; power++) {
    for (const value of [2 ** power, 2 ** power * (1 - 2 ** -52), 2 ** power * (1 + 2 ** -52)]) {
      const found = filled([value, value, 1e12]).percentile(0.5);
      assertGreaterOrEqual(found, value);
      assertLessOrEqual(found, value + Math.max(1, value) / 128);
    }
  }
});
