/**
 * Operations and explanations in words, for the terminal, the page and error messages.
 *
 * Keeps true: every text is one line of printable characters, whatever bytes a history has, and long values are cut in their middle.
 *
 * @module
 */
import type { Explanation } from "./explain.ts";
import type { Answer, Operation } from "./operation.ts";
import type { KeyOperation } from "./problem.ts";
import { isRead, type Value } from "./string_model.ts";

const TEXT_MAX = 32;
/** How many operations of an order are shown, from its end. */
const ORDER_MAX = 12;
const LISTED_MAX = 12;

/** Bytes in quotes; what is not printable ASCII as `\xff`. */
export function shownText(bytes: string, max = TEXT_MAX): string {
  const half = (max - 1) >>> 1;
  const cut = bytes.length <= max
    ? bytes
    : `${bytes.slice(0, half)}\u2026${bytes.slice(bytes.length - half)}`;
  const printable = cut.replaceAll(
    /[^\x20-\x7e\u2026]|["\\]/g,
    (char) =>
      char === '"' || char === "\\" ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return `"${printable}"`;
}

export function shownAnswer(answer: Answer | undefined, max = TEXT_MAX): string {
  if (answer === undefined) return "?";
  if (answer === null) return "nil";
  if (typeof answer === "string") return answer === "OK" ? "OK" : shownText(answer, max);
  if (typeof answer !== "object") return String(answer);
  return "error" in answer ? "an error" : `[${answer.map((one) => shownAnswer(one, max)).join(", ")}]`;
}

export function shownValue(value: Value): string {
  return value === null ? "nil" : shownText(value);
}

/** `SET "v" NX → OK`; without its key. */
export function shownOperation({ op, args, outcome, result }: Operation, max = TEXT_MAX): string {
  const word = (arg: string, i: number) =>
    i > 0 && /^\w+$/.test(arg) ? arg.toUpperCase() : shownText(arg, max);
  const end = outcome === "ok" ? shownAnswer(result, max) : outcome === "fail" ? "failed" : "unknown";
  return `${[op, ...args.map(word)].join(" ")} \u2192 ${end}`;
}

/** A time, to three decimals. */
export function shownTime(time: number): string {
  return String(Math.round(time * 1000) / 1000);
}

function shownTimes({ invoke, return: back, outcome }: Operation): string {
  return `${shownTime(invoke)} to ${outcome === "unknown" || back === null ? "?" : shownTime(back)}`;
}

/** What a record of the history is called: its line, or its number. */
export type NameOf = (place: number) => string;

/** One line of a table of operations. */
export function shownRow({ operation, place }: KeyOperation, nameOf: NameOf): string {
  return `${nameOf(place)}, client ${operation.client}, ${shownTimes(operation)}: ${
    shownOperation(operation)
  }`;
}

/** The sentence that says it all. */
export function headline({ key, impossible: { operation, place } }: Explanation, nameOf: NameOf): string {
  return `the key ${
    shownText(key)
  } is not linearizable: client ${operation.client} asked ${operation.op} at ` +
    `${shownTime(operation.invoke)} and was answered ${shownAnswer(operation.result)} at ` +
    `${shownTime(operation.return ?? Infinity)} ` +
    `(${nameOf(place)}), which no order explains`;
}

/** What else there is to say, a sentence each. */
export function remarks(
  { impossible, possibleAnswers, isComplete }: Explanation,
  history: readonly KeyOperation[],
  nameOf: NameOf,
): readonly string[] {
  const { op, result } = impossible.operation;
  const found: string[] = [];
  if (possibleAnswers.length > 0) {
    found.push(
      `it would have been right with ${listed(possibleAnswers.map((answer) => shownAnswer(answer)), "or")}`,
    );
  }
  if (op === "GET" && typeof result === "string") {
    found.push(...departure(result, possibleAnswers), ...origin(result, impossible, history, nameOf));
  }
  if (!isComplete) found.push("the search for a shorter explanation was cut short");
  return found;
}

/** Where a long value stops being a possible one. */
function departure(value: string, possible: readonly Answer[]): readonly string[] {
  const right = possible.find((answer) => typeof answer === "string" && answer.length > TEXT_MAX);
  if (typeof right !== "string" || value.length <= TEXT_MAX) return [];
  let at = 0;
  while (at < value.length && value[at] === right[at]) at++;
  const [has, lacks] = [value.slice(at, at + TEXT_MAX), right.slice(at, at + TEXT_MAX)];
  const then = has === "" ? "ends" : `has ${shownText(has)}`;
  return [`its first ${at} bytes are right; then it ${then} where ${shownText(lacks)} should come`];
}

/** Who writes a value, on keys whose values are written whole. */
function origin(
  value: string,
  reader: KeyOperation,
  history: readonly KeyOperation[],
  nameOf: NameOf,
): readonly string[] {
  const writes = history.filter(({ operation: { op } }) => !isRead(op));
  if (!writes.every(({ operation: { op } }) => WRITES_WHOLE.has(op))) return [];
  const sources = writes.filter(({ operation: { args } }) => args[0] === value);
  if (sources.length === 0) return [`nobody writes ${shownText(value)}`];
  const named = sources.map(({ operation, place }) =>
    `${nameOf(place)}${noteOn(operation, reader.operation)}`
  );
  return [`${shownText(value)} comes from ${listed(named, "or")}`];
}

const WRITES_WHOLE = new Set(["SET", "GETSET", "SETNX", "DEL", "UNLINK", "GETDEL"]);

function noteOn(source: Operation, reader: Operation): string {
  if (source.outcome === "fail") return ", which failed";
  if (source.invoke > (reader.return ?? 0)) return ", which is asked only later";
  return source.outcome === "unknown" ? ", whose outcome is unknown" : "";
}

function listed(words: readonly string[], last: string): string {
  const some = words.slice(0, LISTED_MAX);
  if (words.length > LISTED_MAX) return `${some.join(", ")} and ${words.length - LISTED_MAX} more`;
  return some.length < 2 ? some.join("") : `${some.slice(0, -1).join(", ")} ${last} ${some.at(-1)}`;
}

/** The explanation as lines for a terminal, the headline not included. */
export function explanationLines(
  explanation: Explanation,
  history: readonly KeyOperation[],
  nameOf: NameOf,
): readonly string[] {
  const { contradiction, impossible, order } = explanation;
  const shown = order.slice(-ORDER_MAX);
  const mark = (one: KeyOperation) =>
    one.place === impossible.place ? "   <- cannot be placed with this answer" : "";
  return [
    ...remarks(explanation, history, nameOf),
    contradiction.length === 1
      ? "this answer alone is impossible:"
      : `these ${contradiction.length} answers contradict each other:`,
    ...contradiction.map((one) => `  ${shownRow(one, nameOf)}${mark(one)}`),
    order.length === 0
      ? "nothing can be placed before it"
      : `the longest order of what was answered before it, ${
        shown.length < order.length ? `the last ${shown.length} of ${order.length}` : `${order.length} in all`
      }:`,
    ...shown.map(({ operation, leaves }, i) =>
      `  ${order.length - shown.length + i + 1}. ${shownRow(operation, nameOf)}   leaves ${
        shownValue(leaves)
      }`
    ),
  ];
}
