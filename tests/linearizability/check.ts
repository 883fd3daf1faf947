/**
 * Whether a history is linearizable: what every client was told, one store could have told them, that is used by one client at a time.
 *
 * Each key is checked by itself, which is sound and complete for operations on one key (P-compositionality; Herlihy and Wing call it locality).
 * For commands of several keys it is necessary and not sufficient, see single_key.ts; and that a client's pipelined commands to different
 * keys take effect in their order is not looked at.
 *
 * Keeps true: "linearizable" is said of a key only with an order that replays; "not linearizable" only after the whole search; whatever
 * ends early is "unknown". The same history and limits give the same verdict.
 *
 * Source: Wing and Gong, "Testing and verifying concurrent objects" (1993); Lowe, "Testing for linearizability" (2017); Horn and Kroening,
 * "Faster linearizability checking via P-compositionality" (2015).
 *
 * @module
 */
import { Budget, defaultLimits, type Limits } from "./budget.ts";
import { HistoryError, type Operation } from "./operation.ts";
import { type KeyOperation, problemOf } from "./problem.ts";
import { search } from "./search.ts";
import { singleKeyOperations } from "./single_key.ts";
import { replay } from "./witness.ts";

/** A key with what the history has about it. */
export interface KeyHistory {
  readonly key: string;
  readonly operations: readonly KeyOperation[];
}

export interface Verdict {
  /** Not linearizable where a key is not; else unknown where a key is; else linearizable. */
  readonly kind: "linearizable" | "notLinearizable" | "unknown";
  readonly keys: number;
  readonly operations: number;
  /** Operations placed, over all attempts. */
  readonly steps: number;
  /** The keys that are not linearizable, in the order in which the history names them. */
  readonly failing: readonly KeyHistory[];
  /** The keys whose search ended early, and why. */
  readonly undecided: readonly { readonly key: string; readonly why: string }[];
}

/**
 * Checks a history, its operations in any order; operations of one client that were asked at one time in the order in which it asked them.
 *
 * @throws {HistoryError} where a command cannot be checked
 */
export function checkHistory(operations: readonly Operation[], limits: Limits = defaultLimits): Verdict {
  const histories = historiesOf(operations);
  const budget = new Budget(limits, histories.length);
  const failing: KeyHistory[] = [];
  const undecided: { key: string; why: string }[] = [];
  for (const history of histories) {
    budget.key = history.key;
    const problem = problemOf(history.operations);
    const result = search(problem, budget);
    if (result.kind === "found") replay(problem, result.order);
    else if (result.kind === "none") failing.push(history);
    else undecided.push({ key: history.key, why: result.why });
    budget.keysDone++;
  }
  return {
    kind: failing.length > 0 ? "notLinearizable" : undecided.length > 0 ? "unknown" : "linearizable",
    keys: histories.length,
    operations: operations.length,
    steps: budget.steps,
    failing,
    undecided,
  };
}

/** @throws {HistoryError} where an operation ends before it began */
export function checkTimes({ invoke, return: back, outcome }: Operation): void {
  if (!(Math.abs(invoke) <= Number.MAX_SAFE_INTEGER)) throw new HistoryError(`${invoke} is no time`);
  if (back === null && outcome === "ok") {
    throw new HistoryError("an operation with an answer lacks its return");
  }
  if (back !== null && !(back >= invoke && back <= Number.MAX_SAFE_INTEGER)) {
    throw new HistoryError(`it returned at ${back} and was invoked at ${invoke}`);
  }
}

function historiesOf(operations: readonly Operation[]): readonly KeyHistory[] {
  const byKey = new Map<string, KeyOperation[]>();
  for (let place = 0; place < operations.length; place++) {
    const whole = operations[place];
    if (whole === undefined) continue;
    checkTimes(whole);
    for (const operation of singleKeyOperations(whole)) {
      const own = byKey.get(operation.key);
      if (own === undefined) byKey.set(operation.key, [{ operation, place }]);
      else own.push({ operation, place });
    }
  }
  return [...byKey].map(([key, own]) => ({ key, operations: own }));
}
