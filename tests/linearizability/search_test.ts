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
