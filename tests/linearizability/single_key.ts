/**
 * Commands of several keys as operations of one key each.
 *
 * Keeps true: where the whole history is linearizable, so is that of each key by itself. The other way round does not hold: that the keys
 * of one MSET changed, or those of one MGET were read, at one and the same moment is lost here. Commands about the whole store have no part
 * that is about one key, and are refused.
 *
 * @module
 */
import { type Answer, HistoryError, type Operation } from "./operation.ts";

const SEVERAL_KEYS = new Set(["MGET", "MSET", "EXISTS", "DEL", "UNLINK"]);
const WHOLE_STORE = new Set(["FLUSHALL", "FLUSHDB", "DBSIZE", "KEYS", "SCAN"]);

/** The operations on single keys that an operation is made of: itself, where it has one key. */
export function singleKeyOperations(operation: Operation): readonly Operation[] {
  const { op, args } = operation;
  if (WHOLE_STORE.has(op)) {
    throw new HistoryError(`${op} is about the whole store: only commands of keys can be checked`);
  }
  const isSeveral = SEVERAL_KEYS.has(op) && (args.length > 0 || op === "MGET" || op === "MSET");
  if (!isSeveral) return [operation];
  switch (op) {
    case "MGET":
      return splitMget(operation);
    case "MSET":
      return splitMset(operation);
    default:
      return splitCount(operation);
  }
}

function splitMget(operation: Operation): readonly Operation[] {
  const { key, args, result } = operation;
  const keys = [key, ...args];
  return keys.map((one, i) => {
    // Anything but a list of the right length cannot be an answer of MGET, and is none of GET either.
    const answer: Answer | undefined = result === undefined
      ? undefined
      : isList(result) && result.length === keys.length
      ? result[i]
      : { error: "no list of values" };
    return { ...operation, key: one, op: "GET", args: [], result: answer };
  });
}

function isList(answer: Answer): answer is readonly Answer[] {
  return Array.isArray(answer);
}

/** The value that stands last for a key is the one that it gets. */
function splitMset(operation: Operation): readonly Operation[] {
  const words = [operation.key, ...operation.args];
  if (words.length % 2 !== 0) throw new HistoryError("MSET takes a value for each key");
  const values = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) values.set(words[i] ?? "", words[i + 1] ?? "");
  return [...values].map(([key, value]) => ({ ...operation, key, op: "SET", args: [value] }));
}

/** An answer that is the count of all keys or of none says what each key's was; any other does not. */
function splitCount(operation: Operation): readonly Operation[] {
  const { op, key, args, result } = operation;
  const all = [key, ...args];
  // DEL counts a key once however often it is named, EXISTS each time.
  const keys = [...new Set(all)];
  const most = op === "EXISTS" ? all.length : keys.length;
  const count = typeof result === "string" || typeof result === "bigint" ? Number(result) : result;
  let each: Answer | undefined;
  if (count === 0) each = 0;
  else if (count === most) each = 1;
  else if (count !== undefined && !(typeof count === "number" && count > 0 && count < most)) {
    each = { error: "no such count" };
  }
  return keys.map((one) => ({ ...operation, key: one, args: [], result: each }));
}
