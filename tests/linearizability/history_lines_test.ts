/**
 * Kind: unit (tables), property (round trip).
 *
 * Invariant: a line that is not an operation is refused with its reason in one line, nothing is guessed or rounded; what is written reads back
 * as the same operation, whatever its bytes.
 *
 * Learnt: JSON.parse takes 9007199254740993 for ...992 without a word, and half of a surrogate pair becomes U+FFFD in UTF-8.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { formatOperation, parseOperation } from "./history_lines.ts";
import { type Answer, HistoryError, type Operation } from "./operation.ts";

const GOOD = {
  client: 1,
  key: "k",
  op: "set",
  args: ["v"],
  invoke: 1,
  return: 2.5,
  outcome: "ok",
  result: "OK",
};

function line(changes: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...GOOD, ...changes });
}

Deno.test("a line is an operation", () => {
  assertEquals(parseOperation(line({})), { ...GOOD, op: "SET", outcome: "ok" });
  assertEquals(parseOperation(line({ args: ["\u00e9"] })).args, ["\xc3\xa9"]);
  assertEquals(parseOperation(line({ args: [{ hex: "00fF" }] })).args, ["\x00\xff"]);
  assertEquals(
    parseOperation(line({ return: undefined, outcome: "unknown", result: "?" })).result,
    undefined,
  );
  assertEquals(parseOperation(line({ op: "GET", args: undefined, result: null })).result, null);
  assertEquals(parseOperation(line({ op: "GET", args: [], result: undefined })).result, undefined);
  const big = "9007199254740993";
  assertEquals(parseOperation(line({ op: "INCR", args: [], result: big })).result, big);
  assertEquals(parseOperation(line({ op: "INCR", args: [], result: { error: "ERR no" } })).result, {
    error: "ERR no",
  });
  assertEquals(parseOperation(line({ op: "MGET", args: ["l"], result: ["a", null] })).result, ["a", null]);
  assertEquals(parseOperation(line({ outcome: "fail", op: "NONSENSE", result: 0.5 })).outcome, "fail");
});

const BAD: readonly (readonly [name: string, text: string, reason: string])[] = [
  ["no JSON", "{", "it is not JSON"],
  ["nothing", "", "it is not JSON"],
  ["a list", "[1]", "it is [1], and not an object"],
  [
    "a result of a thousand lists",
    `{"result":${"[".repeat(1e5)}${"]".repeat(1e5)},"x":1}`,
    '"x" is not known',
  ],
  ["the same in its place", line({}).replace('"OK"', "[".repeat(1e5) + "]".repeat(1e5)), "nested too deep"],
  ["an unknown field", line({ start: 1 }), 'the field "start" is not known'],
  ["no client", line({ client: undefined }), '"client" is missing'],
  ["half a client", line({ client: 1.5 }), '"client" is 1.5'],
  ["no key", line({ key: undefined }), '"key" is missing'],
  ["a number as key", line({ key: 7 }), '"key" has 7, it must be a text'],
  ["half of a character", line({ key: "\ud800" }), '"key" has half of a character'],
  ["odd hex", line({ key: { hex: "0" } }), '"key" has {"hex":"0"}'],
  ["no command", line({ op: undefined }), '"op" is missing'],
  ["an unknown command", line({ op: "LPUSH" }), '"LPUSH" is no command of one key'],
  ["the whole store", line({ op: "flushall", args: [] }), "FLUSHALL is about the whole store"],
  ["a word too many", line({ op: "GET" }), "GET takes 0 words behind the key, not 1"],
  ["a word too few", line({ args: [] }), "SET takes 1 to 4 words behind the key, not 0"],
  ["a word that is no text", line({ args: [7] }), '"args" has 7'],
  ["words that are no list", line({ args: "v" }), '"args" is "v"'],
  ["an option that is not there", line({ args: ["v", "EX"] }), 'SET knows no option "EX"'],
  ["no time", line({ invoke: undefined }), '"invoke" is missing'],
  ["a time as text", line({ invoke: "1" }), '"invoke" is "1"'],
  ["a time beyond exact numbers", line({ invoke: 2e16 }), "20000000000000000 is no time"],
  ["an end before the beginning", line({ return: 0 }), "it returned at 0 and was invoked at 1"],
  ["an answer without an end", line({ return: null }), "an operation with an answer lacks its return"],
  ["a time as text at the end", line({ return: "2" }), '"return" is "2"'],
  ["no outcome", line({ outcome: undefined }), '"outcome" is missing'],
  ["another outcome", line({ outcome: "info" }), '"outcome" is "info", it must be ok, fail or unknown'],
  ["a number that is not exact", line({ result: 9007199254740993 }), "does not carry exactly"],
  ["half a number", line({ result: 0.5 }), "does not carry exactly"],
  ["a truth", line({ result: true }), '"result" has true'],
  ["an amount that is none", line({ op: "INCRBY", args: ["x"] }), '"x" is no amount'],
  ["an index that is none", line({ op: "GETRANGE", args: ["x", "1"] }), '"x" is no index'],
];

for (const [name, text, reason] of BAD) {
  Deno.test(`a line that is refused: ${name}`, () => {
    const { message } = assertThrows(() => parseOperation(text), HistoryError);
    assertStringIncludes(message, reason);
    assert(!message.includes("\n"));
  });
}

Deno.test("what is written reads back as the same operation", () => {
  for (let seed = 0; seed < 500; seed++) {
    const random = new SeededRandom(`lines/${seed}`);
    const bytes = () =>
      Array.from({ length: random.below(5) }, () => String.fromCharCode(random.below(256))).join("");
    const answers: readonly Answer[] = [null, bytes(), random.below(1000), "OK", { error: "ERR x" }];
    const result = answers[random.below(answers.length)];
    const isOk = random.chance(1, 2);
    const [op, args]: readonly [string, readonly string[]] = random.chance(1, 2)
      ? ["APPEND", [bytes()]]
      : ["MGET", [bytes(), bytes()]];
    const operation: Operation = {
      client: random.below(9),
      key: bytes(),
      op,
      args,
      invoke: random.below(100) / 8,
      return: isOk ? 100 : null,
      outcome: isOk ? "ok" : "unknown",
      result: !isOk ? undefined : op === "MGET" ? [null, bytes(), bytes()] : result,
    };
    assertEquals(parseOperation(formatOperation(operation)), operation);
  }
});
