/**
 * Kind: property (exhaustive small and random larger histories).
 *
 * Invariant: the search says of a history what the definition says of it, with pipelines and unknown outcomes. Compared are all histories of up to
 * four operations of few commands with brute force, and random ones of up to ten with the textbook's search, which has no shortcuts.
 *
 * Learnt: chance alone makes mostly hopeless histories, which every shortcut gets right; half of the random ones here are
 * linearizable ones of the same commands with one answer or one time changed.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { checkHistory } from "./check.ts";
import type { Answer, Operation } from "./operation.ts";
import { bruteForce, plainSearch } from "./plain_search.ts";
import { alphabets, anyHistory, type Asked, oneChanged, smallHistory } from "./random_history.ts";

const RANDOM_HISTORIES = 6000;
const LONGER_HISTORIES = 800;

function isLinearizable(history: readonly Operation[]): boolean {
  const { kind } = checkHistory(history);
  assert(kind !== "unknown");
  return kind === "linearizable";
}

const placed = (history: readonly Operation[]) => history.map((operation, place) => ({ operation, place }));

/** The ways in which calls and returns of so many operations can follow each other, as pairs of times. */
function schedules(operations: number): readonly (readonly (readonly [number, number])[])[] {
  const found: (readonly [number, number])[][] = [];
  const extend = (times: readonly (readonly [number, number])[], open: readonly number[], now: number) => {
    if (times.length === operations && open.length === 0) found.push([...times]);
    if (times.length < operations) extend([...times, [now, -1]], [...open, times.length], now + 1);
    for (const one of open) {
      const closed = times.map((time, i): readonly [number, number] => i === one ? [time[0], now] : time);
      extend(closed, open.filter((other) => other !== one), now + 1);
    }
  };
  extend([], [], 0);
  return found;
}

/** `undefined` for an unknown outcome. */
type Command = readonly [op: string, args: readonly string[], result: Answer | undefined];

/** Every history of so many of these commands, each of a client of its own. */
function* allHistories(commands: readonly Command[], operations: number): Generator<readonly Operation[]> {
  const total = commands.length ** operations;
  for (const times of schedules(operations)) {
    for (let choice = 0; choice < total; choice++) {
      let rest = choice;
      yield times.map(([invoke, back], client) => {
        const [op, args, result] = commands[rest % commands.length] ?? ["GET", [], null];
        rest = Math.floor(rest / commands.length);
        const outcome = result === undefined ? "unknown" : "ok";
        return { client, key: "k", op, args, invoke, return: back, outcome, result };
      });
    }
  }
}

const FEW: Readonly<Record<string, readonly Command[]>> = {
  "a register": [
    ...[["SET", ["a"], "OK"], ["SET", ["b"], "OK"], ["SET", ["a"], undefined]] as const,
    ...[["GET", [], "a"], ["GET", [], "b"]] as const,
  ],
  "a list": [
    ...[["APPEND", ["a"], 1], ["APPEND", ["b"], 2], ["APPEND", ["a"], undefined]] as const,
    ...[["GET", [], "ab"], ["STRLEN", [], 1]] as const,
  ],
  "a counter": [
    ...[["INCR", [], 1], ["INCR", [], 2], ["INCR", [], undefined]] as const,
    ...[["DECR", [], 0], ["GET", [], "1"]] as const,
  ],
  "a key that comes and goes": [
    ...[["SET", ["a"], undefined], ["SET", ["b", "NX"], "OK"], ["DEL", [], 1]] as const,
    ...[["DEL", [], undefined], ["GETDEL", [], "a"]] as const,
  ],
};

for (const [name, commands] of Object.entries(FEW)) {
  Deno.test(`every history of up to four operations on ${name} is judged as by brute force`, () => {
    let good = 0;
    let count = 0;
    for (const operations of [1, 2, 3, 4]) {
      for (const history of allHistories(commands, operations)) {
        const expected = bruteForce(placed(history));
        if (isLinearizable(history) !== expected) assertEquals(history, expected ? "good" : "bad");
        count++;
        if (expected) good++;
      }
    }
    assertGreater(count, 60_000);
    assertGreater(good, count / 50);
  });
}

/** Longer ones of few unlike values, where the search has to turn back, over more operations than a word has bits. */
const LONGER: Readonly<Record<string, readonly Asked[]>> = {
  "register of three values": [
    ...[["SET", ["a"], "OK"], ["SET", ["b"], "OK"], ["SET", ["c"], "OK"]] as const,
    ...[["GET", [], "a"], ["GET", [], "b"], ["GET", [], "c"]] as const,
  ],
  "list of two words": [
    ...[["APPEND", ["a"], 1], ["APPEND", ["b"], 2], ["APPEND", ["a"], 3], ["APPEND", ["b"], 3]] as const,
    ...[["APPEND", ["a"], 4], ["APPEND", ["b"], 5], ["GET", [], "ab"], ["GET", [], "aba"]] as const,
    ...[["GET", [], "abb"], ["GET", [], "abab"], ["STRLEN", [], 3], ["GET", [], "ababa"]] as const,
  ],
  "counter that goes up and down": [
    ...[["INCR", [], 1], ["INCR", [], 2], ["DECR", [], 1], ["DECR", [], 0]] as const,
    ...[["GET", [], "1"], ["GET", [], "2"], ["INCRBY", ["2"], 2]] as const,
  ],
  "key that comes and goes": [
    ...[["SET", ["a"], "OK"], ["SET", ["b", "XX"], "OK"], ["SETNX", ["c"], 1], ["DEL", [], 1]] as const,
    ...[["GETDEL", [], "b"], ["GET", [], "a"], ["EXISTS", [], 0], ["STRLEN", [], 1]] as const,
  ],
};

for (const [name, alphabet] of Object.entries(LONGER)) {
  Deno.test(`longer histories of a ${name} are judged as by the search without shortcuts`, () => {
    const counts = { good: 0, bad: 0, tooLong: 0 };
    for (let seed = 0; seed < LONGER_HISTORIES; seed++) {
      const random = new SeededRandom(`longer/${name}/${seed}`);
      let history = smallHistory(random, alphabet, random.between(12, 48), random.between(3, 8));
      for (let changes = random.below(6); changes > 0; changes--) {
        history = oneChanged(random, history, alphabet);
      }
      const expected = plainSearch(placed(history), 20_000);
      if (expected === null) counts.tooLong++;
      else {
        assertEquals(isLinearizable(history), expected, `seed longer/${name}/${seed}`);
        counts[expected ? "good" : "bad"]++;
      }
    }
    assertGreater(counts.good, LONGER_HISTORIES / 5);
    assertGreater(counts.bad, LONGER_HISTORIES / 20);
  });
}

/** Chance, or a linearizable history, whole or with one thing changed. */
function draw(random: Random, alphabet: readonly Asked[]): readonly Operation[] {
  if (random.chance(1, 3)) return anyHistory(random, alphabet, random.between(1, 9), random.between(1, 6));
  const history = smallHistory(random, alphabet, random.between(3, 10), random.between(2, 6));
  return random.chance(1, 3) ? history : oneChanged(random, history, alphabet);
}

for (const [name, alphabet] of Object.entries(alphabets)) {
  Deno.test(`random histories of a ${name} are judged as by the search without shortcuts`, () => {
    let good = 0;
    for (let seed = 0; seed < RANDOM_HISTORIES; seed++) {
      const history = draw(new SeededRandom(`${name}/${seed}`), alphabet);
      const expected = plainSearch(placed(history));
      assertEquals(isLinearizable(history), expected, `seed ${name}/${seed}: ${JSON.stringify(history)}`);
      if (expected) good++;
    }
    assertGreater(good, RANDOM_HISTORIES / 4);
    assertGreater(RANDOM_HISTORIES - good, RANDOM_HISTORIES / 4);
  });
}
