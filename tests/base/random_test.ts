/**
 * Kind: unit and property.
 *
 * Invariant: a seed means the same numbers for ever and on every engine (a recorded seed replays a failure), draws stay within their
 * bounds and reach them, and a fork depends on the seed and the label alone.
 *
 * Learnt: the vectors were computed by a second implementation, in Python, from the definition of sfc32; the 100,000th number is there
 * since an error in 32-bit arithmetic may show late.
 */
import { assert, assertEquals, assertGreater, assertLess, assertNotEquals, assertThrows } from "@std/assert";
import { type Random, SeededRandom } from "../../internal/base/random.ts";

function take(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.uint32());
}

const VECTORS: readonly {
  readonly seed: string;
  readonly first: readonly number[];
  readonly hundredThousandth: number;
}[] = [
  {
    seed: "",
    first: [0xb83a3130, 0xab0183cc, 0xb7c62652, 0x9ee0e432, 0xca1f69f8, 0xb0d21cbf],
    hundredThousandth: 0xbbd71c5c,
  },
  {
    seed: "seed",
    first: [0xf305fd6f, 0x487844a5, 0x2e7122aa, 0x88a517e8, 0x5a94e720, 0x8a44a8],
    hundredThousandth: 0x2f24bfb8,
  },
  {
    seed: "seed/election/n1",
    first: [0x53cf3966, 0x8fcc871b, 0xbe184217, 0x1e47ec16, 0x1e9b7465, 0xdccbdfcc],
    hundredThousandth: 0x8930f536,
  },
  {
    seed: "w\u00f6rld",
    first: [0x10c7631c, 0x9c15be17, 0x371a2035, 0xf61e1ee4, 0x1f6ec6a0, 0xe069cf9b],
    hundredThousandth: 0xcf106c03,
  },
];

for (const { seed, first, hundredThousandth } of VECTORS) {
  Deno.test(`the numbers of the seed "${seed}" are the known ones`, () => {
    const random = new SeededRandom(seed);
    const numbers = take(random, 100_000);
    assertEquals(numbers.slice(0, first.length), first);
    assertEquals(numbers.at(-1), hundredThousandth);
  });
}

Deno.test("a fork is the stream of its own seed, whenever it is made, and moves nobody else's", () => {
  const [known] = VECTORS.slice(2);
  const parent = new SeededRandom("seed");
  const early = parent.fork("election/n1");
  take(parent, 7);
  take(early, 3);
  const late = parent.fork("election/n1");
  assertEquals(take(late, 6), known?.first);
  assertEquals(take(early, 3), known?.first.slice(3));
  const undisturbed = new SeededRandom("seed");
  take(undisturbed, 7);
  assertEquals(take(parent, 10), take(undisturbed, 10));
});

Deno.test("forks of other labels, and forks of forks, are other streams", () => {
  const root = new SeededRandom("seed");
  const streams = [root, root.fork("a"), root.fork("b"), root.fork("a").fork("a"), root.fork("")]
    .map((random) => take(random, 4).join());
  assertEquals(new Set(streams).size, streams.length);
  assertNotEquals(take(new SeededRandom("ab"), 4), take(new SeededRandom("ba"), 4));
});

Deno.test("a draw stays below its limit and reaches every number below it", () => {
  const random = new SeededRandom("bounds");
  for (const limit of [1, 2, 3, 7, 10]) {
    const drawn = new Set(Array.from({ length: 200 }, () => random.below(limit)));
    assertEquals([...drawn].sort((a, b) => a - b), Array.from({ length: limit }, (_, i) => i));
  }
  for (let i = 0; i < 1000; i++) {
    const drawn = random.below(2 ** 32);
    assert(Number.isInteger(drawn) && drawn >= 0 && drawn < 2 ** 32);
  }
});

Deno.test("the widest draw is the number itself", () => {
  const [a, b] = [new SeededRandom("wide"), new SeededRandom("wide")];
  assertEquals(Array.from({ length: 20 }, () => a.below(2 ** 32)), take(b, 20));
});

for (const limit of [0, -1, 1.5, 2 ** 32 + 1, NaN, Infinity]) {
  Deno.test(`a draw below ${limit} is refused`, () => {
    assertThrows(() => new SeededRandom("x").below(limit), RangeError, String(limit));
  });
}

Deno.test("a draw between two numbers includes both", () => {
  const random = new SeededRandom("between");
  const drawn = new Set(Array.from({ length: 300 }, () => random.between(-2, 3)));
  assertEquals([...drawn].sort((a, b) => a - b), [-2, -1, 0, 1, 2, 3]);
  assertEquals(random.between(5, 5), 5);
  assertThrows(() => random.between(3, 2), RangeError);
});

Deno.test("a chance of none in five never comes, five in five always, one in five about as often", () => {
  const random = new SeededRandom("chance");
  const hits = (numerator: number) =>
    Array.from({ length: 20_000 }, () => random.chance(numerator, 5)).filter((hit) => hit).length;
  assertEquals([hits(0), hits(5)], [0, 20_000]);
  // Four standard deviations are 226; the seed is fixed, so this never comes out otherwise.
  assertLess(Math.abs(hits(1) - 4000), 226);
});

Deno.test("numbers are spread evenly over high and low bits", () => {
  const random = new SeededRandom("spread");
  const high = new Array<number>(16).fill(0);
  const low = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) {
    const number = random.uint32();
    high[number >>> 28] = (high[number >>> 28] ?? 0) + 1;
    low[number & 15] = (low[number & 15] ?? 0) + 1;
  }
  for (const counts of [high, low]) {
    const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    // 15 degrees of freedom: above 37.7 once in a thousand; below 3.5 would be too even to be chance.
    assertLess(chiSquare, 37.7);
    assertGreater(chiSquare, 3.5);
  }
});
