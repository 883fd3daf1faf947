/**
 * Kind: unit (tables), property (random histories).
 *
 * Invariant: what is said of a bad history is true of it, by the search without shortcuts: everything before the impossible operation has an order, the
 * contradiction is one, each of its operations is needed, and each answer that is called possible is.
 *
 * Learnt: leaving a write out of a history proves nothing, since its readers then read what nobody wrote; making it unknown does.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { defaultLimits } from "./budget.ts";
import { checkHistory } from "./check.ts";
import { explain, type Explanation } from "./explain.ts";
import { historyOf } from "./notation.ts";
import type { Operation } from "./operation.ts";
import { plainSearch } from "./plain_search.ts";
import { asUnknown, type KeyOperation } from "./problem.ts";
import { alphabets, linearizableHistory, oneChanged, setOrGet, smallHistory } from "./random_history.ts";

function explained(history: readonly Operation[]): Explanation | null {
  const { failing: [first] } = checkHistory(history);
  return first === undefined ? null : explain(first, defaultLimits);
}

interface Case {
  readonly name: string;
  readonly history: string;
  /** Numbers of lines. */
  readonly impossible: number;
  readonly contradiction: readonly number[];
  readonly order: readonly number[];
  readonly possible: readonly unknown[];
}

const CASES: readonly Case[] = [
  {
    name: "a stale read among others",
    history: `c1 0-1 SET a = OK
      c2 0-9 GET = nil
      c1 2-3 SET b = OK
      c2 10-11 GET = b
      c3 10-19 SET c = OK
      c1 14-15 GET = a
      c2 20-21 GET = c`,
    impossible: 5,
    contradiction: [0, 2, 5],
    order: [1, 0, 2, 3],
    possible: ["b", "c"],
  },
  {
    name: "a value that nobody wrote",
    history: `c1 0-1 SET a = OK \n c1 2-3 GET = x`,
    impossible: 1,
    contradiction: [1],
    order: [0],
    possible: ["a"],
  },
  {
    name: "a lost append, of which nobody knows until the next",
    history: `c1 0-1 APPEND aa = 2 \n c2 2-3 APPEND bb = 2 \n c3 4-5 GET = bb`,
    impossible: 1,
    contradiction: [0, 1],
    order: [0],
    possible: [4],
  },
  {
    name: "a counter that counts twice",
    history: `c1 0-1 INCR = 1 \n c1 2-3 INCR = 3`,
    impossible: 1,
    // However often the other counted: it was asked once.
    contradiction: [1],
    order: [0],
    possible: [2],
  },
];

for (const { name, history, impossible, contradiction, order, possible } of CASES) {
  Deno.test(`explained: ${name}`, () => {
    const found = explained(historyOf(history));
    assert(found !== null && found.isComplete);
    assertEquals(found.impossible.place, impossible);
    assertEquals(found.contradiction.map(({ place }) => place), contradiction);
    assertEquals(found.order.map(({ operation }) => operation.place), order);
    const plain = (answer: unknown) => typeof answer === "bigint" ? Number(answer) : answer;
    assertEquals(found.possibleAnswers.map(plain).toSorted(), possible);
  });
}

/** The history as it was known when the operation returned. */
function knownAt(history: readonly KeyOperation[], last: KeyOperation): readonly KeyOperation[] {
  const end = last.operation.return ?? 0;
  return history.filter(({ operation }) => operation.invoke <= end).map((one) =>
    // Of those that return at that moment, the later ones in the order of calls are not known yet.
    (one.operation.return ?? 0) < end || one.place === last.place ? one : asUnknown(one)
  );
}

for (const [name, alphabet] of Object.entries(alphabets)) {
  Deno.test(`what is said of a bad history is true of it: ${name}`, () => {
    let count = 0;
    for (let seed = 0; seed < 500; seed++) {
      const random = new SeededRandom(`explain/${name}/${seed}`);
      const small = smallHistory(random, alphabet, random.between(3, 9), random.between(2, 5));
      // Times are unlike, so that it is clear which operation returned first.
      const history = oneChanged(random, small, alphabet).map((one, i) => ({
        ...one,
        client: i,
        return: one.return === null ? null : one.return + (i + 1) / 100,
      }));
      const found = explained(history);
      if (found === null) continue;
      count++;
      const where = `seed explain/${name}/${seed}: ${JSON.stringify(history)}`;
      const { impossible, contradiction, order, possibleAnswers } = found;
      assert(found.isComplete, where);
      const known = knownAt(history.map((operation, place) => ({ operation, place })), impossible);
      const before = known.map((one) => one.place === impossible.place ? asUnknown(one) : one);
      assertEquals([plainSearch(known), plainSearch(before)], [false, true], where);
      const placed = new Set(order.map(({ operation }) => operation.place));
      const isRead = (op: string) => ["GET", "STRLEN", "EXISTS", "GETRANGE", "TYPE", "TTL"].includes(op);
      for (const { operation, place } of before) {
        if (operation.outcome === "ok") assert(placed.has(place), where);
        if (isRead(operation.op) && operation.outcome === "unknown") assert(!placed.has(place), where);
      }
      const places = contradiction.map(({ place }) => place);
      const isContradiction = (without: number | null) =>
        plainSearch(
          known.map((one) => places.includes(one.place) && one.place !== without ? one : asUnknown(one)),
        ) === false;
      assert(isContradiction(null), where);
      for (const place of places) assert(!isContradiction(place), where);
      for (const result of possibleAnswers) {
        const other = known.map((one) =>
          one.place === impossible.place ? { ...one, operation: { ...one.operation, result } } : one
        );
        assertEquals(plainSearch(other), true, where);
      }
    }
    assertGreater(count, 50);
  });
}

Deno.test("of a long history, what is said is short", () => {
  const random = new SeededRandom("explain/long");
  const workload = { clients: 6, operations: 3000, keys: ["k"], command: setOrGet, unknownPermille: 20 };
  const history = linearizableHistory(random, workload);
  const reads = history.filter(({ op, outcome }) => op === "GET" && outcome === "ok");
  const [old, late] = [reads[100], reads[1000]];
  const found = explained(history.map((one) => one === late ? { ...one, result: old?.result } : one));
  assert(found !== null && found.isComplete);
  assertEquals(history[found.impossible.place], late);
  assertEquals(found.contradiction.length, 3);
  assertGreater(found.possibleAnswers.length, 0);
});
