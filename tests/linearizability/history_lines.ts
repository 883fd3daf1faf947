/**
 * Histories as JSON lines: one object for each operation; docs/history.md describes the format for whoever writes one.
 *
 * Keeps true: what is read is what was meant, or refused: an unknown field, a number that JSON cannot carry exactly, half of a character, an
 * operation that ends before it begins, a command that cannot be checked. What is written reads back as the same operation.
 *
 * @module
 */
import { bytesOfLatin1, latin1Of } from "../../internal/base/latin1.ts";
import { checkTimes } from "./check.ts";
import { type Answer, HistoryError, type Operation } from "./operation.ts";
import { singleKeyOperations } from "./single_key.ts";
import { stepOf } from "./string_model.ts";

const FIELDS = new Set(["client", "key", "op", "args", "invoke", "return", "outcome", "result"]);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads one line.
 *
 * @throws {HistoryError} where it is not an operation that can be checked
 */
export function parseOperation(line: string): Operation {
  try {
    return operationOf(line);
  } catch (error) {
    if (error instanceof RangeError) throw new HistoryError("it is nested too deep", { cause: error });
    throw error;
  }
}

function operationOf(line: string): Operation {
  const record = recordOf(line);
  for (const name of Object.keys(record)) {
    if (!FIELDS.has(name)) throw new HistoryError(`the field ${JSON.stringify(name)} is not known`);
  }
  const { client, key, op, args = [], invoke, return: back = null, outcome, result } = record;
  if (typeof client !== "number" || !Number.isSafeInteger(client)) {
    throw new HistoryError(`"client" is ${shown(client)}, it must be a whole number`);
  }
  if (typeof op !== "string" || op === "") {
    throw new HistoryError(`"op" is ${shown(op)}, it must be a command`);
  }
  if (!Array.isArray(args)) throw new HistoryError(`"args" is ${shown(args)}, it must be a list of texts`);
  if (typeof invoke !== "number") throw new HistoryError(`"invoke" is ${shown(invoke)}, it must be a number`);
  if (back !== null && typeof back !== "number") {
    throw new HistoryError(`"return" is ${shown(back)}, it must be a number or null`);
  }
  if (outcome !== "ok" && outcome !== "fail" && outcome !== "unknown") {
    throw new HistoryError(`"outcome" is ${shown(outcome)}, it must be ok, fail or unknown`);
  }
  const operation: Operation = {
    client,
    key: bytesOf(key, "key"),
    op: op.toUpperCase(),
    args: args.map((arg) => bytesOf(arg, "args")),
    invoke,
    return: back,
    outcome,
    result: outcome === "ok" && result !== undefined ? answerOf(result) : undefined,
  };
  checkTimes(operation);
  // What failed says nothing, whatever it was.
  if (outcome !== "fail") {
    for (const { op, args, result } of singleKeyOperations(operation)) stepOf(op, args, result);
  }
  return operation;
}

function recordOf(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new HistoryError("it is not JSON", { cause });
  }
  if (!isRecord(value)) throw new HistoryError(`it is ${shown(value)}, and not an object`);
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A text as its bytes, or `{"hex": "00ff"}`. */
function bytesOf(value: unknown, field: string): string {
  if (typeof value === "string") {
    if (/^[\0-\x7f]*$/.test(value)) return value;
    if (!value.isWellFormed()) {
      throw new HistoryError(`"${field}" has half of a character; bytes are written {"hex":"00ff"}`);
    }
    return latin1Of(encoder.encode(value));
  }
  const hex = isRecord(value) && Object.keys(value).length === 1 ? value["hex"] : undefined;
  if (typeof hex !== "string" || !/^(?:[0-9a-fA-F]{2})*$/.test(hex)) {
    const has = value === undefined ? "is missing" : `has ${shown(value)}`;
    throw new HistoryError(`"${field}" ${has}, it must be a text or {"hex":"00ff"}`);
  }
  let bytes = "";
  for (let i = 0; i < hex.length; i += 2) bytes += String.fromCharCode(parseInt(hex.slice(i, i + 2), 16));
  return bytes;
}

function answerOf(value: unknown): Answer {
  if (value === null) return null;
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) {
      throw new HistoryError(
        `"result" is ${value}, which JSON does not carry exactly; write its digits as a text`,
      );
    }
    return value;
  }
  if (Array.isArray(value)) return value.map(answerOf);
  if (isRecord(value) && Object.keys(value).length === 1 && typeof value["error"] === "string") {
    return { error: value["error"] };
  }
  return bytesOf(value, "result");
}

/** A value as it stands in the line, cut short. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

/** Writes one line, without its end. */
export function formatOperation(operation: Operation): string {
  const { client, key, op, args, invoke, return: back, outcome, result } = operation;
  return JSON.stringify({
    client,
    key: jsonOf(key),
    op,
    args: args.map(jsonOf),
    invoke,
    return: back,
    outcome,
    ...(result === undefined ? {} : { result: jsonOfAnswer(result) }),
  });
}

type Json = string | number | null | { readonly [name: string]: Json } | readonly Json[];

function jsonOf(bytes: string): Json {
  if (/^[\0-\x7f]*$/.test(bytes)) return bytes;
  try {
    return decoder.decode(bytesOfLatin1(bytes));
  } catch {
    // Not UTF-8, so it is written as bytes: that is the answer.
    const hex = Array.from(bytes, (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
    return { hex: hex.join("") };
  }
}

function isList(answer: Answer): answer is readonly Answer[] {
  return Array.isArray(answer);
}

function jsonOfAnswer(answer: Answer): Json {
  if (answer === null) return null;
  if (typeof answer === "string") return jsonOf(answer);
  if (typeof answer === "bigint") {
    return Number.isSafeInteger(Number(answer)) ? Number(answer) : String(answer);
  }
  if (typeof answer === "number") return answer;
  return isList(answer) ? answer.map(jsonOfAnswer) : { error: answer.error };
}
