/**
 * The search as the textbooks have it, to compare the real one with: Wing and Gong with Lowe's memoisation, and no shortcut at all.
 *
 * It reads the times of the operations themselves and shares only the model.
 *
 * @module
 */
import type { KeyOperation } from "./problem.ts";
import { isRead, type Step, stepOf, type Value } from "./string_model.ts";

interface Plain {
  readonly place: number;
  readonly client: number;
  readonly invoke: number;
  /** Infinity for an operation that may never take effect. */
  readonly return: number;
  readonly step: Step;
}

function plainOf(history: readonly KeyOperation[]): readonly Plain[] {
  return history.flatMap(({ operation, place }) => {
    const { client, invoke, op, args, outcome, result } = operation;
    if (outcome === "fail" || (isRead(op) && (outcome === "unknown" || result === undefined))) return [];
    const isKnown = outcome === "ok";
    const step = stepOf(op, args, isKnown ? result : undefined);
    return [{ place, client, invoke, return: isKnown ? operation.return ?? Infinity : Infinity, step }];
  });
}

/** Whether the first must take effect before the second. */
function isBefore(a: Plain, b: Plain): boolean {
  if (a.return < b.invoke) return true;
  const areDefinite = a.return < Infinity && b.return < Infinity;
  return areDefinite && a.client === b.client &&
    (a.invoke < b.invoke || (a.invoke === b.invoke && a.place < b.place));
}

/** Whether the history of one key is linearizable; `null` after so many steps without an answer. */
export function plainSearch(history: readonly KeyOperation[], stepsMax = Infinity): boolean | null {
  const operations = plainOf(history);
  const before = operations.map((b) => operations.flatMap((a, i) => a !== b && isBefore(a, b) ? [i] : []));
  const isPlaced = operations.map(() => false);
  const tried = new Set<string>();
  let steps = 0;
  const complete = (value: Value): boolean | null => {
    if (operations.every((one, i) => isPlaced[i] === true || one.return === Infinity)) return true;
    if (++steps > stepsMax) return null;
    const key = JSON.stringify([isPlaced.map(Number).join(""), value]);
    if (tried.has(key)) return false;
    tried.add(key);
    for (const [i, { step }] of operations.entries()) {
      if (isPlaced[i] === true || before[i]?.some((other) => isPlaced[other] === false)) continue;
      const after = step.after(value);
      if (after === undefined) continue;
      isPlaced[i] = true;
      const found = complete(after);
      isPlaced[i] = false;
      if (found !== false) return found;
    }
    return false;
  };
  return complete(null);
}

/**
 * The definition itself: whether some order of the definite operations and of some others is one that times and model allow. Every order is
 * tried, as far as it is allowed.
 */
export function bruteForce(history: readonly KeyOperation[]): boolean {
  const operations = plainOf(history);
  const extend = (order: readonly Plain[], value: Value): boolean => {
    if (operations.every((one) => one.return === Infinity || order.includes(one))) return true;
    return operations.some((one) => {
      if (order.includes(one) || order.some((earlier) => isBefore(one, earlier))) return false;
      const after = one.step.after(value);
      return after !== undefined && extend([...order, one], after);
    });
  };
  return extend([], null);
}
