/**
 * Kind: property (random commands).
 *
 * Invariant: the sequential model that histories are checked with allows what the store answers to any command of one key, leaves the value that
 * the store has then, and allows no other answer.
 *
 * Learnt: nothing yet; the two were written without a look at each other, and agreed.
 */
import { assertEquals, assertGreater } from "@std/assert";
import { latin1Of } from "../../internal/base/latin1.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import type { Answer } from "../linearizability/operation.ts";
import { commandNames, stepOf, type Value } from "../linearizability/string_model.ts";
import { Local } from "./local.ts";

const SEQUENCES = 300;
const COMMANDS = 60;

const VALUES = ["", "a", "bc", "0", "7", "-3", "012", "9223372036854775807", "\xff\x00", "1 "];
const AMOUNTS = ["1", "-1", "5", "0", "9223372036854775807", "-9223372036854775807"];
const INDEXES = ["0", "1", "2", "-1", "-2", "-9", "9", "9223372036854775807"];
const OPTIONS = [[], [], ["NX"], ["XX"], ["GET"], ["nx", "get"], ["GET", "XX"]];

function oneOf<T>(random: Random, choices: readonly T[], otherwise: T): T {
  return choices[random.below(choices.length)] ?? otherwise;
}

function argsOf(op: string, random: Random): readonly string[] {
  switch (op) {
    case "SET":
      return [oneOf(random, VALUES, ""), ...oneOf<readonly string[]>(random, OPTIONS, [])];
    case "SETNX":
    case "GETSET":
    case "APPEND":
      return [oneOf(random, VALUES, "")];
    case "INCRBY":
    case "DECRBY":
      return [oneOf(random, AMOUNTS, "1")];
    case "GETRANGE":
    case "SUBSTR":
      return [oneOf(random, INDEXES, "0"), oneOf(random, INDEXES, "0")];
    default:
      return [];
  }
}

function answerOf(reply: Reply): Answer {
  switch (reply.type) {
    case "simple":
      return reply.text;
    case "error":
      return { error: reply.text };
    case "integer":
      return BigInt(reply.value);
    case "bulk":
      return latin1Of(reply.bytes);
    case "null":
      return null;
    default:
      throw new Error(`no command of one key answers with ${reply.type}`);
  }
}

/** Whether two answers say the same: `1` and `"1"` are one integer. */
function isSame(a: Answer, b: Answer): boolean {
  const plain = (answer: Answer) => typeof answer === "object" && answer !== null ? "error" : String(answer);
  return (a === null) === (b === null) && plain(a) === plain(b);
}

Deno.test("the model allows what the store answers, leaves what the store has, and allows nothing else", () => {
  const answers = new Map<string, Answer[]>();
  let refused = 0;
  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    const random = new SeededRandom(`model/${sequence}`);
    const local = new Local();
    let value: Value = null;
    for (let i = 0; i < COMMANDS; i++) {
      const op = oneOf(random, commandNames, "GET");
      const args = argsOf(op, random);
      const answer = answerOf(local.ask([op, "k", ...args]));
      const now = answerOf(local.ask(["GET", "k"]));
      const where = `seed model/${sequence}, ${op} ${JSON.stringify(args)} at ${JSON.stringify(value)}`;
      assertEquals(stepOf(op, args, answer).after(value), now, where);
      assertEquals(stepOf(op, args, undefined).after(value), now, where);
      const others = answers.get(op) ?? [];
      answers.set(op, others);
      for (const other of others) {
        if (isSame(other, answer)) continue;
        assertEquals(stepOf(op, args, other).after(value), undefined, `${where}, answered ${String(other)}`);
        refused++;
      }
      if (!others.some((other) => isSame(other, answer)) && others.length < 40) others.push(answer);
      value = typeof now === "string" ? now : null;
    }
  }
  assertEquals([...answers.keys()].toSorted(), commandNames.toSorted());
  assertGreater(refused, 100_000);
});
