/**
 * Kind: unit.
 *
 * Invariant: a series that leaks is told from one that warms up, one that a garbage collector saws, and one that jumps once; too short a series is
 * not judged.
 */
import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { growthOf } from "./chaos/growth.ts";

const MB = 1_000_000;
const ALLOWED = { permille: 100, slack: 24 * MB };

interface Case {
  readonly name: string;
  readonly grows: boolean | null;
  readonly samples: number;
  /** Of a sample, `t` from 0 to 1, and a random number from 0 to 1. */
  readonly value: (t: number, chance: number) => number;
}

const cases: readonly Case[] = [
  { name: "flat, with noise", grows: false, samples: 300, value: (_, chance) => (100 + 60 * chance) * MB },
  {
    name: "warms up, and stays",
    grows: false,
    samples: 300,
    value: (t) => Math.min(60 + 900 * t, 250) * MB,
  },
  {
    name: "comes closer and closer to where it stays",
    grows: false,
    samples: 300,
    value: (t, chance) => (300 - 200 * Math.exp(-8 * t) + 5 * chance) * MB,
  },
  { name: "a saw", grows: false, samples: 300, value: (t) => (80 + 150 * ((t * 11.3) % 1)) * MB },
  { name: "jumps once, late", grows: false, samples: 300, value: (t) => (t < 0.7 ? 100 : 220) * MB },
  { name: "falls", grows: false, samples: 300, value: (t) => (300 - 100 * t) * MB },
  { name: "leaks", grows: true, samples: 300, value: (t, chance) => (80 + 120 * t + 30 * chance) * MB },
  {
    name: "leaks under a saw",
    grows: true,
    samples: 300,
    value: (t) => (80 + 150 * t + 40 * ((t * 40) % 1)) * MB,
  },
  { name: "leaks less than is allowed", grows: false, samples: 300, value: (t) => (100 + 20 * t) * MB },
  { name: "too short to tell", grows: null, samples: 20, value: (t) => 1000 * t * MB },
];

for (const { name, grows, samples, value } of cases) {
  Deno.test(`growth: ${name}`, () => {
    const random = new SeededRandom(name);
    const series = Array.from({ length: samples }, (_, i) => value(i / samples, random.below(1000) / 1000));
    assertEquals(growthOf(series, ALLOWED)?.grows ?? null, grows);
  });
}
