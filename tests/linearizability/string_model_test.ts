/**
 * Kind: property (all commands over all values of a small set).
 *
 * Invariant: what a step says of itself is what its function does; the search's shortcuts rest on that. A missing key and an empty value are
 * not the same to GET, and are to STRLEN.
 *
 * Learnt: INCR to 1 finds a missing key or a 0, so it cannot say what it finds.
 */
import { assert, assertEquals } from "@std/assert";
import type { Answer } from "./operation.ts";
import { commandNames, isRead, type Step, stepOf, type Value } from "./string_model.ts";

const VALUES: readonly Value[] = [
  ...[
    null,
    "",
    "0",
    "1",
    "2",
    "-1",
    "3",
    "10",
    "01",
    "-0",
    "a",
    "b",
    "ab",
    "abc",
    "1a",
    "9223372036854775807",
  ],
];
const WORDS = ["", "0", "1", "-1", "2", "a", "ab", "9223372036854775807"];
const OPTIONS: readonly (readonly string[])[] = [[], ["NX"], ["xx"], ["GET"], ["NX", "GET"], ["XX", "GET"]];
const ANSWERS: readonly (Answer | undefined)[] = [
  ...[undefined, null, "OK", "", "a", "ab", "b", "string", "none", { error: "ERR" }],
  ...[0, 1, 2, 3, 4, -1, -2, "1", 10n, 9223372036854775807n, 9223372036854775808n],
];

interface Named {
  readonly name: string;
  readonly answer: Answer | undefined;
  readonly step: Step;
}

function steps(): readonly Named[] {
  const found: Named[] = [];
  const words: readonly (readonly string[])[] = [
    [],
    ...WORDS.map((word) => [word]),
    ...WORDS.flatMap((word) => OPTIONS.map((options) => [word, ...options])),
    ...["0", "1", "-1", "-2", "5"].flatMap((first) => ["0", "1", "-1", "-9"].map((last) => [first, last])),
  ];
  for (const op of commandNames) {
    for (const args of words) {
      for (const answer of ANSWERS) {
        try {
          found.push({
            name: `${op} ${args.join(" ")} = ${String(answer)}`,
            answer,
            step: stepOf(op, args, answer),
          });
        } catch {
          // Not a way to say this command.
          break;
        }
      }
    }
  }
  return found;
}

const ALL = steps();

Deno.test("what a step says of itself is what its function does", () => {
  assert(ALL.length > 3000);
  for (const { name, step } of ALL) {
    const { after, finds, findsLength, isBlind, isReadOnly, leaves, tail } = step;
    for (const value of VALUES) {
      const left = after(value);
      const where = `${name} at ${JSON.stringify(value)}`;
      if (isBlind) assert(left !== undefined && left === leaves, where);
      if (left === undefined) continue;
      if (isReadOnly) assertEquals(left, value, where);
      if (finds !== undefined) assertEquals(value, finds, where);
      if (findsLength !== undefined) assertEquals(value?.length ?? 0, findsLength, where);
      if (leaves !== undefined && left !== value) assertEquals(left, leaves, where);
      if (tail !== undefined) assertEquals(left, (value ?? "") + tail, where);
    }
  }
});

Deno.test("an answer that nobody knows leaves every value possible", () => {
  for (const { name, answer, step } of ALL) {
    if (answer === undefined) { for (const value of VALUES) assert(step.after(value) !== undefined, name); }
  }
});

Deno.test("reads never change anything, and every other command may", () => {
  for (const op of commandNames) {
    const own = ALL.filter(({ name }) => name.startsWith(`${op} `));
    const changes = own.some(({ step }) =>
      VALUES.some((value) => ![value, undefined].includes(step.after(value)))
    );
    assertEquals(changes, !isRead(op), op);
  }
});
