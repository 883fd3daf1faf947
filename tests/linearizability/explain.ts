/**
 * Why a key is not linearizable, as short as it can be said.
 *
 * Keeps true:
 *  - The impossible operation is the first, by its return, with whose answer the history has no order any more. Up to there, an operation that has
 *    not returned has an unknown outcome. Every history that begins a linearizable one is linearizable, so that first one is found by halving.
 *  - The order is one of everything that was answered before, and so the longest there is: the impossible operation cannot be added with its
 *    answer to it nor to any other. A write may be in it without its answer.
 *  - The contradiction is a set of operations whose answers cannot all be right, whatever the others were answered: it stays a contradiction when
 *    the others become unknown. That only ever allows more orders, so what is not linearizable then was not before. It is minimal: each of its
 *    operations is needed.
 *  - `isComplete` says that all of this is so. Where it is not, limits ended a search: there may be an earlier impossible operation, or a smaller
 *    contradiction; that it is one is certain all the same.
 *
 * @module
 */
import { must } from "../../internal/base/assert.ts";
import { Budget, type Limits } from "./budget.ts";
import type { KeyHistory } from "./check.ts";
import type { Answer } from "./operation.ts";
import { asUnknown, type KeyOperation, type Problem, problemOf } from "./problem.ts";
import { search } from "./search.ts";
import { isRead, stepOf, type Value } from "./string_model.ts";
import { replay } from "./witness.ts";

export interface Placed {
  readonly operation: KeyOperation;
  /** The value that it leaves. */
  readonly leaves: Value;
}

export interface Explanation {
  readonly key: string;
  readonly impossible: KeyOperation;
  readonly order: readonly Placed[];
  /** Answers that the impossible operation could have had, of those that were tried. */
  readonly possibleAnswers: readonly Answer[];
  /** In the order of their calls; the impossible operation is one of them. */
  readonly contradiction: readonly KeyOperation[];
  readonly isComplete: boolean;
}

/** So much may be spent on one question, and on all of them. */
const STEPS_OF_ONE = 300_000;
const STEPS_OF_ALL = 30_000_000;
/** How many values from the end of the order are asked whether they would have been an answer. */
const ANSWERS_TRIED = 10;

/** Explains a key that {@link checkHistory} found not to be linearizable. */
export function explain({ key, operations }: KeyHistory, limits: Limits): Explanation {
  return new Explainer(key, operations, limits).run();
}

/** What a search of a part of the history said. */
interface Found {
  readonly problem: Problem;
  readonly kind: "found" | "none" | "gaveUp";
  readonly order: readonly number[];
}

class Explainer {
  readonly #key: string;
  readonly #whole: Problem;
  readonly #budget: Budget;
  #isComplete = true;

  constructor(key: string, operations: readonly KeyOperation[], limits: Limits) {
    this.#key = key;
    this.#whole = problemOf(operations);
    this.#budget = new Budget({ ...limits, stepsMax: STEPS_OF_ALL }, 1);
    this.#budget.key = key;
  }

  run(): Explanation {
    // Halving: with the first `good` answers there is an order, with the first `bad` there is none.
    let good = 0;
    let bad = this.#whole.definite;
    let order: readonly Placed[] = [];
    while (good + 1 < bad) {
      const middle = (good + bad) >>> 1;
      const { kind, problem, order: found } = this.#search(this.#firstAnswers(middle));
      if (kind === "none") bad = middle;
      else good = middle;
      if (kind === "found") order = placedOf(problem, found);
      else if (kind === "gaveUp") this.#isComplete = false;
    }
    const impossible = this.#returning(bad);
    const known = this.#firstAnswers(bad);
    const contradiction = this.#reduce(known, impossible);
    const possibleAnswers = this.#possibleAnswers(known, impossible, order);
    return {
      key: this.#key,
      impossible,
      order,
      possibleAnswers,
      contradiction,
      isComplete: this.#isComplete,
    };
  }

  #search(history: readonly KeyOperation[]): Found {
    const problem = problemOf(history);
    this.#budget.allow(STEPS_OF_ONE);
    const result = search(problem, this.#budget);
    return { problem, kind: result.kind, order: result.kind === "found" ? result.order : [] };
  }

  /** The operation that returns as the `count`th. */
  #returning(count: number): KeyOperation {
    const number = this.#whole.byReturn[count - 1];
    return must(number === undefined ? null : this.#whole.operations[number], "Somebody returns");
  }

  /** The history up to the return of the `count`th operation that returns. */
  #firstAnswers(count: number): readonly KeyOperation[] {
    const { byReturn, callAt, definite, operations, returnAt } = this.#whole;
    const end = returnAt[byReturn[count - 1] ?? 0] ?? 0;
    return operations.flatMap((operation, i) => {
      if ((callAt[i] ?? 0) > end) return [];
      return [i < definite && (returnAt[i] ?? 0) > end ? asUnknown(operation) : operation];
    });
  }

  /** Makes as many answers unknown as it can, first many at once, then one by one. */
  #reduce(known: readonly KeyOperation[], impossible: KeyOperation): readonly KeyOperation[] {
    const others = known.filter((one) => one.operation.outcome === "ok" && one !== impossible);
    const writes = others.filter((one) => !isRead(one.operation.op));
    // Reads go first: what two writes and a read contradict is easier to see than what three reads do.
    let kept = [...others.filter((one) => isRead(one.operation.op)), ...writes];
    let hasGivenUp = false;
    for (let size = Math.max(kept.length >>> 1, 1); kept.length > 0; size = Math.max(size >>> 1, 1)) {
      const before = kept.length;
      hasGivenUp = false;
      for (let from = 0; from < kept.length;) {
        const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
        const isKept = new Set([impossible, ...rest]);
        const { kind } = this.#search(known.map((one) => isKept.has(one) ? one : asUnknown(one)));
        if (kind === "none") kept = rest;
        else from += size;
        if (kind === "gaveUp") hasGivenUp = true;
      }
      if (size === 1 && kept.length === before) break;
    }
    if (hasGivenUp) this.#isComplete = false;
    const byCall = (a: KeyOperation, b: KeyOperation) =>
      a.operation.invoke - b.operation.invoke || a.place - b.place;
    return [...kept, impossible].sort(byCall);
  }

  /** What the operation would have been answered at the values around it, where that leaves an order. */
  #possibleAnswers(
    known: readonly KeyOperation[],
    impossible: KeyOperation,
    order: readonly Placed[],
  ): readonly Answer[] {
    const { operation } = impossible;
    const values = new Set<Value>();
    for (const placed of order.toReversed()) if (values.size < ANSWERS_TRIED) values.add(placed.leaves);
    values.add(null);
    for (const { operation: { op, args } } of known.toReversed()) {
      if (values.size >= 2 * ANSWERS_TRIED) break;
      const after = stepOf(op, args, undefined).after(order.at(-1)?.leaves ?? null);
      if (after !== undefined) values.add(after);
    }
    const possible: Answer[] = [];
    const tried = new Set<string>();
    for (const value of values) {
      const answer = answerAt(operation.op, operation.args, value);
      const name = JSON.stringify(
        [typeof answer, answer],
        (_, part) => typeof part === "bigint" ? String(part) : part,
      );
      if (answer === undefined || tried.has(name)) continue;
      tried.add(name);
      const other = { ...impossible, operation: { ...operation, result: answer } };
      if (this.#search(known.map((one) => one === impossible ? other : one)).kind === "found") {
        possible.push(answer);
      }
    }
    return possible;
  }
}

function placedOf(problem: Problem, order: readonly number[]): readonly Placed[] {
  return replay(problem, order).map((leaves, i) => ({
    operation: must(problem.operations[order[i] ?? -1], "What is placed is there"),
    leaves,
  }));
}

/** What a command answers at a value: of all answers that come into question, the one that the model allows. */
function answerAt(op: string, args: readonly string[], value: Value): Answer | undefined {
  const text = value ?? "";
  const number = /^-?\d{1,19}$/.test(value ?? "0") ? BigInt(value ?? "0") : 0n;
  const by = /^-?\d{1,19}$/.test(args[0] ?? "") ? BigInt(args[0] ?? "0") : 1n;
  const answers: readonly Answer[] = [
    ...[value, "OK", null, 0, 1, text.length, text.length + (args[0] ?? "").length],
    ...[number + 1n, number - 1n, number + by, number - by, { error: "ERR" }, "string", "none", -1, -2],
  ];
  return answers.find((answer) => stepOf(op, args, answer).after(value) !== undefined);
}
