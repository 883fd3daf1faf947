/**
 * Kind: property (small random histories against a search of all orders).
 *
 * Invariant: the checker of histories says what a search through every possible order says: exactly so for registers and lists, and for counters
 * it never accuses a history that has an order.
 *
 * Learnt: an append and a read that end at the same place are told apart: the append may not come after a read that saw it.
 */
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { checkHistory } from "./chaos/check.ts";
import { History, type Operation, type OperationName, type Outcome } from "./chaos/history.ts";

/** What one operation answers, and what the value is afterwards. */
function apply(
  value: string | null,
  { op, arg }: Operation,
): readonly [result: string, value: string | null] {
  switch (op) {
    case "set":
      return ["OK", arg];
    case "append":
      return [String(`${value ?? ""}${arg}`.length), `${value ?? ""}${arg}`];
    case "incr":
      return [String(Number(value ?? "0") + 1), String(Number(value ?? "0") + 1)];
    default:
      return [value ?? "-", value];
  }
}

/** Searches every order. */
function hasOrder(operations: readonly Operation[], value: string | null = null): boolean {
  const left = operations.filter(({ outcome }) => outcome !== "fail");
  if (left.every(({ outcome }) => outcome === "unknown")) return true;
  const firstReturn = Math.min(...left.map((one) => one.return ?? Infinity));
  return left.some((one) => {
    if (one.invoke > firstReturn) return false;
    const [result, after] = apply(value, one);
    if (one.outcome === "ok" && result !== (one.result ?? "-")) return false;
    return hasOrder(left.filter((other) => other !== one), after);
  });
}

const WRITES: readonly OperationName[] = ["set", "append", "incr"];

/** A small history: often that of a real object, with something bent. */
function draw(random: SeededRandom, write: OperationName): Operation[] {
  const count = random.between(2, 7);
  /** How far operations overlap. */
  const width = [2, 12, 25][random.below(3)] ?? 2;
  let value: string | null = null;
  const operations: Operation[] = [];
  for (let i = 0; i < count; i++) {
    const op = random.chance(1, 2) ? write : "get";
    const invoke = i * 10 - random.below(width);
    const arg = op === "get" || op === "incr" ? null : `<${i}>`;
    const outcome: Outcome = op === "get"
      ? "ok"
      : (["ok", "ok", "ok", "unknown", "fail"] as const)[random.below(5)] ??
        "ok";
    const operation: Operation = {
      client: i,
      key: "k",
      op,
      arg,
      invoke,
      return: null,
      outcome,
      result: null,
    };
    let result: string | null = null;
    if (outcome === "ok" || outcome === "unknown" && random.chance(1, 2)) {
      const [answer, after] = apply(value, operation);
      result = op === "get" ? value : answer;
      value = after;
    }
    const back = i * 10 + 1 + random.below(width);
    operations.push(outcome === "ok" ? { ...operation, return: back, result } : operation);
  }
  for (let bends = random.below(4); bends > 0; bends--) {
    const at = random.below(operations.length);
    const [one, other] = [operations[at], operations[random.below(operations.length)]];
    if (one?.outcome !== "ok" || other === undefined || one.op === "set") continue;
    const result = other.op === "set" ? other.arg : other.outcome === "ok" ? other.result : null;
    if (other.op !== "set" && other.op !== one.op) continue;
    operations[at] = { ...one, result };
  }
  return random.chance(1, 2) ? operations : operations.map((operation) => ({
    ...operation,
    invoke: operation.invoke + random.between(-8, 0),
  }));
}

for (const write of WRITES) {
  Deno.test(`the checker agrees with a search of all orders: ${write}`, () => {
    let bad = 0;
    for (let seed = 0; seed < 6000; seed++) {
      const operations = draw(new SeededRandom(`${write}/${seed}`), write);
      const isGood = hasOrder(operations);
      const problems = checkHistory(operations);
      const isAccused = problems.length > 0;
      if (!isGood) bad++;
      const shown = `seed ${seed}: ${JSON.stringify(operations, null, 1)}\n${problems.join("\n")}`;
      if (isGood) assert(!isAccused, shown);
      else if (write === "set") assert(isAccused, shown);
      else if (write === "append" && operations.some(({ op }) => op === "get")) {
        assertAccusedIfSeen(operations, isAccused, shown);
      }
    }
    assertGreater(bad, 400);
  });
}

/** A list is judged by its longest read; without one that comes last, only what it saw. */
function assertAccusedIfSeen(operations: readonly Operation[], isAccused: boolean, shown: string): void {
  const last = operations.reduce((a, b) => b.invoke > a.invoke ? b : a);
  const readsLast = last.op === "get" &&
    operations.every((one) => one === last || (one.return ?? -1) < last.invoke);
  if (readsLast) assert(isAccused, shown);
}

Deno.test("the checker names what is wrong", () => {
  const at = (
    invoke: number,
    back: number | null,
    op: OperationName,
    arg: string | null,
    result: string | null,
  ) => ({
    client: 1,
    key: "k",
    op,
    arg,
    invoke,
    return: back,
    outcome: back === null ? "unknown" as const : "ok" as const,
    result,
  });
  const cases: readonly (readonly [name: string, operations: readonly Operation[], expected: RegExp])[] = [
    [
      "a lost write",
      [at(1, 2, "set", "a", null), at(3, 4, "get", null, null)],
      /acknowledged write was lost/,
    ],
    ["never written", [at(3, 4, "get", null, "x")], /never written/],
    [
      "a stale read",
      [at(1, 2, "set", "a", null), at(3, 4, "set", "b", null), at(5, 6, "get", null, "a")],
      /came back behind/,
    ],
    [
      "two reads that go back",
      [
        at(1, 2, "set", "a", null),
        at(3, null, "set", "b", null),
        at(5, 6, "get", null, "b"),
        at(7, 8, "get", null, "a"),
      ],
      /came back behind/,
    ],
    ["an append twice", [at(1, 2, "append", "<1>", "3"), at(3, 4, "get", null, "<1><1>")], /happened twice/],
    ["a lost append", [at(1, 2, "append", "<1>", "3"), at(3, 4, "get", null, null)], /went back/],
    [
      "an append lost behind another one",
      [at(1, 2, "append", "<1>", "3"), at(3, 4, "append", "<2>", "3"), at(5, 6, "get", null, "<2>")],
      /is lost/,
    ],
    ["a number twice", [at(1, 2, "incr", null, "1"), at(1, 3, "incr", null, "1")], /given twice/],
    ["an increment twice", [at(1, 2, "incr", null, "1"), at(3, 4, "get", null, "2")], /above the 1/],
    ["a lost increment", [at(1, 2, "incr", null, "1"), at(3, 4, "get", null, null)], /below the 1/],
    [
      "refused and there",
      [{ ...at(1, 2, "set", "a", null), outcome: "fail" }, at(3, 4, "get", null, "a")],
      /refused for certain is there/,
    ],
  ];
  for (const [name, operations, expected] of cases) {
    assertMatch(checkHistory(operations).join("\n"), expected, name);
  }
});

Deno.test("a history is lines of JSON, and what is not settled is unknown", () => {
  const history = new History();
  history.invoke(1, "set", "k", "v").ok("OK");
  history.invoke(2, "get", "k").fail();
  history.invoke(3, "incr", "n");
  const lines = history.lines().trimEnd().split("\n").map((line): unknown => JSON.parse(line));
  assertEquals(lines.length, 3);
  const [first, second, third] = history.operations;
  assertEquals(lines[0], {
    ...{ client: 1, key: "k", op: "SET", args: ["v"], outcome: "ok", result: "OK" },
    ...{ invoke: first?.invoke, return: first?.return },
  });
  assertEquals([first?.outcome, second?.outcome, third?.outcome], ["ok", "fail", "unknown"]);
  assertEquals([first?.result, third?.return, second?.arg], ["OK", null, null]);
});
