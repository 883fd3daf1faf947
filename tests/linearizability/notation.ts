/**
 * Histories in short, for tests: one line an operation, on the key `k`.
 *
 * `c1 0-10 SET a = OK`: client 1 asks at 0 and is answered OK at 10. `c1 5-? APPEND x`: the outcome is unknown. `c1 5-9 SET a !`: it
 * failed. Answers are `nil`, a whole number, `ERR`, or a text as it is; a text that looks like one of these is put in quotes.
 *
 * @module
 */
import type { Answer, Operation } from "./operation.ts";

const LINE = /^c(\d+) (\d+)-(\d+|\?) (\w+)((?: (?!=|!)\S+)*)(?: = (.*)| (!))?$/;

export function historyOf(text: string): readonly Operation[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").map(operationOf);
}

function operationOf(line: string): Operation {
  const [, client, invoke, back, op = "", words = "", answer, failed] = LINE.exec(line) ?? [];
  if (client === undefined) throw new Error(`no operation: ${line}`);
  const isAnswered = answer !== undefined;
  return {
    client: Number(client),
    key: "k",
    op,
    args: words.trim() === "" ? [] : words.trim().split(" ").map((word) => word === `""` ? "" : word),
    invoke: Number(invoke),
    return: back === "?" ? null : Number(back),
    outcome: isAnswered ? "ok" : failed === undefined ? "unknown" : "fail",
    result: isAnswered ? answerOf(answer) : undefined,
  };
}

function answerOf(text: string): Answer {
  if (text === "nil") return null;
  if (text === "ERR") return { error: "ERR" };
  if (/^-?\d+$/.test(text)) return Number(text);
  return text.replace(/^"(.*)"$/, "$1");
}
