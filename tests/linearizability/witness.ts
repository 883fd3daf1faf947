/**
 * Replays an order of operations: whether it is a linearization, by the definition alone.
 *
 * Keeps true: this looks at the model and at times, and shares nothing with the search. So a history is never called linearizable on the word
 * of the search: an order that does not replay is a fault of ours and stops the check.
 *
 * @module
 */
import { assert } from "../../internal/base/assert.ts";
import type { Problem } from "./problem.ts";
import type { Value } from "./string_model.ts";

/** The values that the operations leave, one after another. Numbers are those of the problem.
 *
 * @throws {AssertionError} where the order is not a linearization
 */
export function replay(problem: Problem, order: readonly number[]): readonly Value[] {
  const { callAt, definite, operations, predecessor, returnAt, steps } = problem;
  const isPlaced = new Uint8Array(operations.length);
  const values: Value[] = [];
  let value: Value = null;
  let latestCall = -1;
  for (const number of order) {
    const step = steps[number];
    assert(step !== undefined && isPlaced[number] === 0, "An operation takes effect once");
    isPlaced[number] = 1;
    const before = predecessor[number] ?? -1;
    assert(before < 0 || isPlaced[before] === 1, "A client's operations take effect in their order");
    latestCall = Math.max(latestCall, callAt[number] ?? 0);
    const isInTime = number >= definite || latestCall < (returnAt[number] ?? 0);
    assert(isInTime, "An operation takes effect between its call and its return");
    const after: Value | undefined = step.after(value);
    assert(after !== undefined, "Every answer is the one that the model gives");
    value = after;
    values.push(value);
  }
  const placed = isPlaced.subarray(0, definite).reduce((sum, one) => sum + one, 0);
  assert(placed === definite, "Every operation with an answer takes effect");
  return values;
}
