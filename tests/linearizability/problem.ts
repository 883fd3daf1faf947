/**
 * The history of one key, made ready for the search: who must happen, who may, and in which order calls and returns came.
 *
 * An operation with an answer is definite: it takes effect between its call and its return. A write with an unknown outcome is optional: it
 * takes effect at some time after its call, or never. A read whose answer nobody knows says nothing and is left out, as is whatever failed.
 *
 * Keeps true:
 *  - One event comes before another where its time is less. At one time calls come before returns, so operations that only touch are
 *    concurrent: a history is never refused for the grain of its clock.
 *  - Definite operations of one client on this key take effect in the order in which they were asked. A client that waits for each answer
 *    has that by its times; for a pipeline it is a promise of its own.
 *  - Optional operations that are the same command take effect in the order of their calls. They are interchangeable: where an order uses a
 *    later one and not an earlier one, or both the other way round, it stays an order when the two change places, since the earlier
 *    may stand wherever the later may. So nothing is lost, and k unknown INCRs are k + 1 cases instead of 2^k.
 *
 * @module
 */
import type { Operation } from "./operation.ts";
import { isRead, type Step, stepOf } from "./string_model.ts";

/** An operation on the key, and where its record stands in the whole history. */
export interface KeyOperation {
  readonly operation: Operation;
  readonly place: number;
}

export interface Problem {
  /** Definite ones in the order of their calls, then optional ones in the order of theirs; all arrays go by this number. */
  readonly operations: readonly KeyOperation[];
  readonly steps: readonly Step[];
  readonly definite: number;
  /** Places in the order of all calls and returns; definite operations only have a return. */
  readonly callAt: Int32Array;
  readonly returnAt: Int32Array;
  /** The operation that must have taken effect before this one may, or -1. */
  readonly predecessor: Int32Array;
  /** Definite operations, in the order of their returns. */
  readonly byReturn: readonly number[];
}

/** The operation as if its answer had never arrived. */
export function asUnknown({ operation, place }: KeyOperation): KeyOperation {
  return { operation: { ...operation, outcome: "unknown", return: null, result: undefined }, place };
}

function isDefinite({ operation }: KeyOperation): boolean {
  return operation.outcome === "ok";
}

/** Says nothing about the key: it failed, or is a read without an answer. */
function isSilent({ operation: { outcome, op, result } }: KeyOperation): boolean {
  return outcome === "fail" || (isRead(op) && (outcome === "unknown" || result === undefined));
}

function byTime(timeOf: (one: KeyOperation) => number): (a: KeyOperation, b: KeyOperation) => number {
  return (a, b) => timeOf(a) - timeOf(b) || a.place - b.place;
}

const invokedAt = ({ operation }: KeyOperation) => operation.invoke;
const returnedAt = ({ operation }: KeyOperation) => operation.return ?? Infinity;

/**
 * Prepares the operations of one key.
 *
 * @throws {HistoryError} where the model lacks a command
 */
export function problemOf(history: readonly KeyOperation[]): Problem {
  const speaking = history.filter((one) => !isSilent(one)).sort(byTime(invokedAt));
  const definite = speaking.filter(isDefinite);
  const optional = speaking.filter((one) => !isDefinite(one));
  const operations = [...definite, ...optional];
  const steps = operations.map(({ operation: { op, args, outcome, result } }) =>
    stepOf(op, args, outcome === "ok" ? result : undefined)
  );
  const byReturn = definite.map((_, i) => i).sort((a, b) => {
    const [first, second] = [definite[a], definite[b]];
    return first === undefined || second === undefined ? 0 : returnedAt(first) - returnedAt(second) || a - b;
  });
  const { callAt, returnAt } = placesOf(operations, definite.length, byReturn);
  const predecessor = predecessorsOf(operations, definite.length);
  return { operations, steps, definite: definite.length, callAt, returnAt, predecessor, byReturn };
}

/** Merges the calls of both kinds and the returns into one order. */
function placesOf(
  operations: readonly KeyOperation[],
  definite: number,
  byReturn: readonly number[],
): { readonly callAt: Int32Array; readonly returnAt: Int32Array } {
  const callAt = new Int32Array(operations.length);
  const returnAt = new Int32Array(definite);
  const timeOfCall = (i: number, end: number) => {
    const one = operations[i];
    return i < end && one !== undefined ? invokedAt(one) : Infinity;
  };
  let [call, optionalCall, back] = [0, definite, 0];
  for (let place = 0; back < definite || call < definite || optionalCall < operations.length; place++) {
    const [first, second] = [timeOfCall(call, definite), timeOfCall(optionalCall, operations.length)];
    const returning = operations[byReturn[back] ?? -1];
    const third = returning === undefined ? Infinity : returnedAt(returning);
    if (call < definite && first <= second && first <= third) callAt[call++] = place;
    else if (optionalCall < operations.length && second <= third) callAt[optionalCall++] = place;
    else returnAt[byReturn[back++] ?? 0] = place;
  }
  return { callAt, returnAt };
}

function predecessorsOf(operations: readonly KeyOperation[], definite: number): Int32Array {
  const predecessor = new Int32Array(operations.length).fill(-1);
  const lastOfClient = new Map<number, number>();
  const lastAlike = new Map<string, number>();
  for (const [i, { operation: { client, op, args } }] of operations.entries()) {
    if (i < definite) {
      predecessor[i] = lastOfClient.get(client) ?? -1;
      lastOfClient.set(client, i);
    } else {
      const command = JSON.stringify([op, ...args]);
      predecessor[i] = lastAlike.get(command) ?? -1;
      lastAlike.set(command, i);
    }
  }
  return predecessor;
}
