/**
 * The history of a simulated seed, checked as a whole by the linearizability checker, and written out for others to look at.
 *
 * The checks of history.ts are cheaper, stop at the very answer that is wrong, and see the state machines' own order; the search here sees nothing but
 * what clients saw, and so needs nothing to be right about the inside.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { latin1Of } from "../../internal/base/latin1.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import { Violation } from "../invariants/ghost.ts";
import { defaultLimits } from "../linearizability/budget.ts";
import { checkHistory } from "../linearizability/check.ts";
import { explain } from "../linearizability/explain.ts";
import { formatOperation } from "../linearizability/history_lines.ts";
import type { Answer, Operation } from "../linearizability/operation.ts";
import { explanationLines, headline } from "../linearizability/words.ts";
import { type History, type HistoryOperation, isList } from "./history.ts";

/** Many times what a seed takes; a seed that needs more is a failed one. */
const LIMITS = { ...defaultLimits, stepsMax: 10_000_000 };

/** What clients saw, as the checker takes it; reads that may be stale are no part of it. */
export function operationsOf({ operations }: History): readonly Operation[] {
  return operations.filter(({ staleMs }) => staleMs === null).map(operationOf);
}

function operationOf(
  { answeredAt, askedAt, client, key, kind, outcome, reply, value }: HistoryOperation,
): Operation {
  const isOk = outcome === "ok";
  return {
    client,
    key,
    op: kind === "read" ? "GET" : isList(key) ? "APPEND" : "SET",
    args: kind === "read" ? [] : [value],
    invoke: askedAt,
    return: isOk ? answeredAt : null,
    outcome: isOk ? "ok" : outcome === "refused" ? "fail" : "unknown",
    result: isOk && reply !== null ? answerOf(reply) : undefined,
  };
}

function answerOf(reply: Reply): Answer {
  switch (reply.type) {
    case "simple":
      return reply.text;
    case "error":
      return { error: reply.text };
    case "integer":
      return reply.value;
    case "bulk":
      return latin1Of(reply.bytes);
    case "null":
      return null;
    case "array":
      return reply.items.map(answerOf);
    case "map":
      throw new Violation("a command of the world is answered with a map");
  }
}

/** @throws {Violation} where the history is not linearizable, or has no verdict */
export function checkLinearizable(history: History): void {
  const { kind, failing: [first], undecided } = checkHistory(operationsOf(history), LIMITS);
  if (kind === "linearizable") return;
  if (first === undefined) {
    throw new Violation(`the history has no verdict: ${undecided[0]?.key}: ${undecided[0]?.why}`);
  }
  const nameOf = (place: number) => `operation ${place + 1}`;
  const explanation = explain(first, LIMITS);
  throw new Violation(
    [headline(explanation, nameOf), ...explanationLines(explanation, first.operations, nameOf)].join("\n  "),
  );
}

/** Writes the history as JSON lines for `raftline check`; `{seed}` in the path stands for the seed's number. */
export function writeHistory(history: History, path: string, seed: number): void {
  const lines = operationsOf(history).map((operation) => `${formatOperation(operation)}\n`);
  writeFileSync(path.replaceAll("{seed}", String(seed)), lines.join(""));
}
