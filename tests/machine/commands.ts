/**
 * Random commands over few keys and values that programs like to get wrong.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";

/** A character per byte. The empty key stays out: Redis leaves it out of `KEYS **`. */
const KEYS = [
  "k",
  "key",
  "counter",
  "*",
  "k[1]",
  "a b",
  "\r\n",
  "\0",
  "\xff\xfe",
  "\u00e9",
  "k".repeat(200),
  "K",
];

const INTEGERS = [
  ...["0", "1", "-1", "9", "10", "41", "-41"],
  ...["9223372036854775807", "-9223372036854775808", "9223372036854775806", "-9223372036854775807"],
  ...["4611686018427387904", "-4611686018427387904"],
];

/** What looks like an integer and is none. */
const ALMOST = [
  ...["", "-0", "+1", "007", "-01", " 1", "1 ", "1.0", "1e3", "0x10", "-", "--1", "1\0", "1\n"],
  ...["9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999999"],
];

const TEXTS = [
  ...["v", "hello world", "\r\n", "$-1\r\n", "*2\r\n", "-ERR no\r\n", "\0\0", "\xff", "\u00fc", "nil"],
  "x".repeat(300),
  String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i)),
];

const PATTERNS = [
  "*",
  "k*",
  "?",
  "[kK]",
  "[^k]*",
  "k\\[1\\]",
  "*[*]*",
  "\\*",
  "[a-l]*",
  "*r",
  "",
  "**",
  "[",
  "k[",
  "*\r*",
];

function of<T>(random: Random, list: readonly T[]): T {
  const item = list[random.below(list.length)];
  if (item === undefined) throw new Error("Cannot draw from an empty list");
  return item;
}

export function randomValue(random: Random): string {
  return of(random, of(random, [INTEGERS, INTEGERS, ALMOST, TEXTS]));
}

export function randomKey(random: Random): string {
  // Half of all commands meet at three keys.
  return random.chance(1, 2) ? of(random, KEYS.slice(0, 3)) : of(random, KEYS);
}

function keys(random: Random): string[] {
  return Array.from({ length: random.between(1, 4) }, () => randomKey(random));
}

function set(random: Random): string[] {
  const options = Array.from(
    { length: random.below(3) },
    () => of(random, ["NX", "XX", "GET", "nx", "xX", "get", "GET", "huh"]),
  );
  return ["SET", randomKey(random), randomValue(random), ...options];
}

function range(random: Random): string {
  return random.chance(1, 8) ? of(random, [...INTEGERS, ...ALMOST]) : String(random.between(-6, 6));
}

const MAKERS: readonly (readonly [weight: number, make: (random: Random) => string[]])[] = [
  [12, set],
  [8, (random) => ["GET", randomKey(random)]],
  [5, (random) => ["DEL", ...keys(random)]],
  [1, (random) => ["UNLINK", ...keys(random)]],
  [3, (random) => ["EXISTS", ...keys(random)]],
  [8, (random) => ["INCR", randomKey(random)]],
  [5, (random) => ["DECR", randomKey(random)]],
  [5, (random) => ["INCRBY", randomKey(random), of(random, random.chance(2, 3) ? INTEGERS : ALMOST)]],
  [5, (random) => ["DECRBY", randomKey(random), of(random, random.chance(2, 3) ? INTEGERS : ALMOST)]],
  [5, (random) => ["APPEND", randomKey(random), randomValue(random)]],
  [4, (random) => ["STRLEN", randomKey(random)]],
  [4, (random) => ["MGET", ...keys(random)]],
  [4, (random) => ["MSET", ...keys(random).flatMap((key) => [key, randomValue(random)])]],
  [1, (random) => ["MSET", ...keys(random)]],
  [3, () => ["DBSIZE"]],
  [4, (random) => ["KEYS", of(random, PATTERNS)]],
  [2, (random) => ["SETNX", randomKey(random), randomValue(random)]],
  [2, (random) => ["GETSET", randomKey(random), randomValue(random)]],
  [2, (random) => ["GETDEL", randomKey(random)]],
  [3, (random) => [of(random, ["GETRANGE", "SUBSTR"]), randomKey(random), range(random), range(random)]],
  [1, (random) => ["TYPE", randomKey(random)]],
  [1, (random) => [of(random, ["TTL", "PTTL"]), randomKey(random)]],
  [1, (random) => ["ECHO", randomValue(random)]],
  [
    1,
    (
      random,
    ) => [of(random, ["GET", "SET", "INCR", "APPEND", "dbsize", "KEYS", "del", "Mget"]), ...keys(random)],
  ],
];

const NAMES = MAKERS.flatMap(([weight, make]) => new Array<typeof make>(weight).fill(make));

/** A command as words of one character per byte; now and then everything is flushed. */
export function randomCommand(random: Random): string[] {
  return random.chance(1, 150) ? [of(random, ["FLUSHALL", "FLUSHDB"])] : of(random, NAMES)(random);
}
