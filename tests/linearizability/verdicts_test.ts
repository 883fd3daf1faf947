/**
 * Kind: unit (tables of histories with a known verdict).
 *
 * Invariant: each kind of broken promise is seen, and what only looks like one is not.
 *
 * Learnt: the four histories of two and three clients that Porcupine and Knossos explain themselves with are here in this notation, with the
 * verdicts that they have there.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { checkHistory } from "./check.ts";
import { historyOf } from "./notation.ts";
import { HistoryError } from "./operation.ts";
import { bruteForce } from "./plain_search.ts";

type Case = readonly [name: string, history: string];

const GOOD: readonly Case[] = [
  ["nothing asked", ""],
  ["a key that nobody wrote", "c1 0-1 GET = nil"],
  ["one after another", "c1 0-1 SET a = OK \n c1 2-3 GET = a \n c1 4-5 SET b = OK \n c1 6-7 GET = b"],
  [
    "reads during a write see the old and the new (Porcupine's first example)",
    'c1 0-100 SET 100 = OK \n c2 25-75 GET = "100" \n c3 30-60 GET = nil',
  ],
  ["a read that began before the write returned", "c1 0-10 SET a = OK \n c2 5-20 GET = nil"],
  [
    "two writes at once, in the order that the reads say",
    "c1 0-10 SET a = OK \n c2 0-10 SET b = OK \n c3 11-12 GET = a",
  ],
  [
    "operations that touch are concurrent",
    "c1 0-10 SET a = OK \n c2 10-20 GET = nil \n c3 10-20 GET = a",
  ],
  [
    "one value that two clients wrote",
    "c1 0-1 SET a = OK \n c1 2-3 SET b = OK \n c2 4-5 SET a = OK \n c1 6-7 GET = a",
  ],
  ["an unknown write that never shows", "c1 0-? SET a \n c2 5-6 GET = nil \n c2 7-8 GET = nil"],
  ["an unknown write that shows at once", "c1 0-? SET a \n c2 5-6 GET = a"],
  ["an unknown write that shows late", "c1 0-? SET a \n c2 5-6 GET = nil \n c2 9-10 GET = a"],
  [
    "an unknown write that shows after others",
    "c1 0-? SET a \n c2 5-6 SET b = OK \n c2 7-8 GET = b \n c2 9-10 GET = a",
  ],
  [
    "an unknown append between two that say so",
    "c1 0-1 APPEND x = 1 \n c2 2-? APPEND yy \n c1 3-4 APPEND z = 4 \n c1 5-6 GET = xyyz",
  ],
  [
    "of three unknown appends, two",
    "c1 0-? APPEND a \n c2 0-? APPEND b \n c3 0-? APPEND c \n c4 1-2 GET = ca \n c4 3-4 APPEND d = 3",
  ],
  [
    "of three unknown INCRs, one",
    'c1 0-? INCR \n c2 0-? INCR \n c3 0-? INCR \n c4 1-2 INCR = 2 \n c4 3-4 GET = "2"',
  ],
  ["a failed write that does not show", "c1 0-1 SET a ! \n c1 2-3 GET = nil"],
  ["an unknown read says nothing", "c1 0-? GET \n c2 5-6 GET = nil"],
  [
    "a pipeline that is answered in one moment",
    "c1 0-9 SET a = OK \n c1 0-9 GET = a \n c1 0-9 SET b = OK \n c1 0-9 GET = b",
  ],
  ["counters", 'c1 0-5 INCR = 2 \n c2 0-5 INCR = 1 \n c1 6-7 DECRBY 3 = -1 \n c1 8-9 GET = "-1"'],
  ["INCR of a word is an error", "c1 0-1 SET a = OK \n c1 2-3 INCR = ERR \n c1 4-5 GET = a"],
  ["two SET NX at once, one wins", "c1 0-9 SET a NX = nil \n c2 0-9 SET b NX = OK \n c1 10-11 GET = b"],
  ["SET XX needs a value", "c1 0-1 SET a XX = nil \n c1 2-3 SET b = OK \n c1 4-5 SET c XX GET = b"],
  ["DEL counts what was there", "c1 0-1 SET a = OK \n c1 2-3 DEL = 1 \n c1 4-5 DEL = 0 \n c1 6-7 STRLEN = 0"],
  ["two DEL at once, one deletes", "c1 0-1 SET a = OK \n c1 2-9 DEL = 1 \n c2 2-9 DEL = 0"],
];

const BAD: readonly Case[] = [
  ["a value that nobody wrote", "c1 0-1 SET a = OK \n c1 2-3 GET = b"],
  ["a value from before its write", "c1 0-1 GET = a \n c2 2-3 SET a = OK"],
  ["a value of a write that failed", "c1 0-1 SET a ! \n c2 2-3 GET = a"],
  ["a lost update", "c1 0-1 SET a = OK \n c2 2-3 GET = nil"],
  ["a stale read", "c1 0-1 SET a = OK \n c2 2-3 SET b = OK \n c3 4-5 GET = a"],
  [
    "a stale read by a client that saw no write itself (Porcupine's second example)",
    'c1 0-100 SET 200 = OK \n c2 10-30 GET = "200" \n c3 40-90 GET = nil',
  ],
  [
    "two readers that disagree about the order (independent reads of independent writes)",
    `c1 0-10 SET a = OK \n c2 0-10 SET b = OK
     c3 11-12 GET = a \n c3 13-14 GET = b`,
  ],
  [
    "reordered within a client that pipelines",
    "c1 0-9 SET a = OK \n c1 0-9 GET = nil",
  ],
  [
    "reordered within a client: the second of two writes is the first",
    "c1 0-9 SET a = OK \n c1 0-9 SET b = OK \n c2 10-11 GET = a",
  ],
  ["a lost append", "c1 0-1 APPEND a = 1 \n c2 2-3 APPEND b = 1"],
  ["a lost append, seen by a read", "c1 0-1 APPEND a = 1 \n c2 2-3 APPEND b = 2 \n c1 4-5 GET = b"],
  ["appends the wrong way round", "c1 0-1 APPEND a = 1 \n c2 2-3 APPEND b = 2 \n c1 4-5 GET = ba"],
  ["an append that took effect twice", "c1 0-1 APPEND a = 1 \n c1 2-3 GET = aa"],
  ["a list that became shorter", "c1 0-? APPEND a \n c2 1-2 GET = a \n c2 3-4 GET = nil"],
  ["an INCR that took effect twice", "c1 0-1 INCR = 1 \n c1 2-3 INCR = 3"],
  ["two INCRs with one answer", "c1 0-9 INCR = 1 \n c2 0-9 INCR = 1"],
  [
    "an unknown write that shows, goes, and shows again",
    `c1 0-? SET a
     c2 1-2 GET = a \n c2 3-4 SET b = OK \n c2 5-6 GET = b \n c2 7-8 GET = a`,
  ],
  ["an unknown append that shows twice", "c1 0-? APPEND a \n c2 1-2 GET = a \n c2 3-4 GET = aa"],
  ["an unknown INCR that counts twice", "c1 0-? INCR \n c2 1-2 INCR = 3"],
  ["an unknown write from before it was asked", "c1 1-2 GET = a \n c2 3-? SET a"],
  ["two SET NX that both win", "c1 0-9 SET a NX = OK \n c2 0-9 SET b NX = OK"],
  ["two DEL that both delete", "c1 0-1 SET a = OK \n c1 2-9 DEL = 1 \n c2 2-9 DEL = 1"],
  ["DEL of nothing", "c1 0-1 DEL = 1"],
  ["a key that is there and has no value", "c1 0-1 SET a = OK \n c1 2-3 EXISTS = 0"],
  ["an empty value is not a missing one", 'c1 0-1 APPEND "" = 0 \n c1 2-3 GET = nil'],
  ["INCR of a number is no error", "c1 0-1 SET 7 = OK \n c1 2-3 INCR = ERR"],
  ["SET that answers a number", "c1 0-1 SET a = 3"],
  ["GET that answers an error", "c1 0-1 GET = ERR"],
  ["STRLEN of another value", "c1 0-1 SET abc = OK \n c1 2-3 STRLEN = 2"],
];

for (const [name, text] of GOOD) {
  Deno.test(`linearizable: ${name}`, () => assertVerdict(text, true));
}
for (const [name, text] of BAD) {
  Deno.test(`not linearizable: ${name}`, () => assertVerdict(text, false));
}

function assertVerdict(text: string, expected: boolean): void {
  const history = historyOf(text);
  const kind = expected ? "linearizable" : "notLinearizable";
  assertEquals(bruteForce(history.map((operation, place) => ({ operation, place }))), expected);
  assertEquals(checkHistory(history).kind, kind);
  // Where a record stands does not matter, but for the order in which a client asked.
  assertEquals(checkHistory(history.toSorted((a, b) => b.client - a.client)).kind, kind);
}

Deno.test("keys are checked apart, and each that fails is named", () => {
  const on = (key: string, text: string) => historyOf(text).map((operation) => ({ ...operation, key }));
  const verdict = checkHistory([
    ...on("good", "c1 0-1 SET a = OK \n c1 2-3 GET = a"),
    ...on("bad", "c1 4-5 GET = a"),
    ...on("worse", "c1 6-7 GET = b"),
  ]);
  assertEquals(verdict.kind, "notLinearizable");
  assertEquals(verdict.failing.map(({ key }) => key), ["bad", "worse"]);
  assertEquals([verdict.keys, verdict.operations], [3, 4]);
});

Deno.test("commands of several keys are checked for each key", () => {
  const several = (text: string, result: readonly (string | null)[] | number) =>
    historyOf(text).map((operation) =>
      operation.op === "MGET" || operation.op === "DEL" || operation.op === "EXISTS"
        ? { ...operation, result }
        : operation
    );
  const written = "c1 0-1 MSET a k2 b = OK\n";
  const kindOf = (text: string, result: readonly (string | null)[] | number) =>
    checkHistory(several(written + text, result)).kind;
  assertEquals(kindOf("c1 2-3 MGET k2 k3 = 0", ["a", "b", null]), "linearizable");
  assertEquals(kindOf("c1 2-3 MGET k2 k3 = 0", ["a", null, null]), "notLinearizable");
  assertEquals(kindOf("c1 2-3 MGET k2 k3 = 0", ["a", "b"]), "notLinearizable");
  assertEquals(kindOf("c1 2-3 DEL k2 k2 = 0", 2), "linearizable");
  assertEquals(kindOf("c1 2-3 DEL k2 k2 = 0", 3), "notLinearizable");
  assertEquals(kindOf("c1 2-3 DEL k2 k3 = 0", 0), "notLinearizable");
  assertEquals(kindOf("c1 2-3 DEL k2 k3 = 0", 3), "notLinearizable");
  // Which two of the three it were is not told: any would do.
  assertEquals(kindOf("c1 2-3 DEL k2 k3 = 0", 2), "linearizable");
  assertEquals(kindOf("c1 2-3 DEL k2 k3 = 0 \n c1 4-5 GET = a", 2), "notLinearizable");
  assertEquals(kindOf("c1 2-3 EXISTS k2 k2 = 0", 3), "linearizable");
});

Deno.test("what cannot be checked is refused by name", () => {
  assertThrows(() => checkHistory(historyOf("c1 0-1 FLUSHALL = OK")), HistoryError, "whole store");
  assertThrows(() => checkHistory(historyOf("c1 0-1 LPUSH a = 1")), HistoryError, '"LPUSH"');
  assertThrows(() => checkHistory(historyOf("c1 0-1 GET a = nil")), HistoryError, "GET takes 0 words");
  assertThrows(() => checkHistory(historyOf("c1 0-1 SET a EX 10 = OK")), HistoryError, '"EX"');
  assertThrows(() => checkHistory(historyOf("c1 0-1 SET a NX XX = OK")), HistoryError, "NX and XX");
  assertThrows(() => checkHistory(historyOf("c1 0-1 INCRBY x = 1")), HistoryError, "no amount");
  assertThrows(() => checkHistory(historyOf("c1 0-1 MSET a b = OK")), HistoryError, "a value for each key");
});

Deno.test("a search that is cut short has no verdict, and one bad key is enough for a bad one", () => {
  const limits = { stepsMax: 3, memoryBytesMax: 1e9 };
  const long = Array.from({ length: 5 }, (_, i) => `c1 ${2 * i}-${2 * i + 1} SET ${i} = OK`).join("\n");
  const verdict = checkHistory(historyOf(long), limits);
  assertEquals(verdict.kind, "unknown");
  assertEquals(verdict.undecided, [{ key: "k", why: "the search took more than 3 steps" }]);
  const many = Array.from({ length: 16 }, (_, i) => `c${i} 0-9 SET ${"x".repeat(i + 1)} = OK`).join("\n");
  const hard = historyOf(`${many}\n c1 10-11 STRLEN = 99`);
  assertEquals(checkHistory(hard).kind, "notLinearizable");
  assertEquals(checkHistory(hard, { stepsMax: 1e9, memoryBytesMax: 1e5 }).undecided, [
    { key: "k", why: "what was tried in vain takes more than 100000 bytes" },
  ]);
  const bad = historyOf("c1 0-1 GET = a").map((operation) => ({ ...operation, key: "bad" }));
  assertEquals(checkHistory([...historyOf(long), ...bad], limits).kind, "notLinearizable");
});
