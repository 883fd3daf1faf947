/**
 * The sequential model: one key that holds a string or nothing, under the commands of one key.
 *
 * A command together with its answer is a step: a partial function from the value that it finds to the value that it leaves, undefined
 * where the command would have answered otherwise. The rest of a step are facts about that function, which the search's shortcuts rest on.
 *
 * Keeps true: `after` alone is the model; each other field only says what `after` implies, and is left out where that is not certain. An
 * answer that the command can never give makes a step that is possible nowhere; it is the store's fault, not the recorder's.
 *
 * Source: the Redis command reference. Written without a look at internal/machine, which a test compares with it.
 *
 * @module
 */
import { type Answer, HistoryError } from "./operation.ts";

/** What a key holds; `null` where it is missing. */
export type Value = string | null;

export interface Step {
  /** The value that it leaves, or `undefined` where it cannot have been answered so. */
  readonly after: (value: Value) => Value | undefined;
  /** It leaves every value as it was. */
  readonly isReadOnly: boolean;
  /** It is possible everywhere, and leaves `leaves` whatever it finds. */
  readonly isBlind: boolean;
  /** The only value at which it is possible. */
  readonly finds: Value | undefined;
  /** The only length at which it is possible; a missing key has length 0. */
  readonly findsLength: number | undefined;
  /** What it leaves wherever it changes anything. */
  readonly leaves: Value | undefined;
  /** What it adds to the end, wherever it is possible. */
  readonly tail: string | undefined;
}

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/;

function int64Of(text: string): bigint | null {
  if (!INTEGER.test(text)) return null;
  const value = BigInt(text);
  return value >= INT64_MIN && value <= INT64_MAX ? value : null;
}

function lengthOf(value: Value): number {
  return value === null ? 0 : value.length;
}

/** An integer reply; 64 bits do not fit into every number, so digits will do as well. */
function integerOf(answer: Answer): bigint | null {
  if (typeof answer === "bigint") return answer;
  if (typeof answer === "number") return Number.isSafeInteger(answer) ? BigInt(answer) : null;
  return typeof answer === "string" && INTEGER.test(answer) ? BigInt(answer) : null;
}

function isError(answer: Answer): boolean {
  return typeof answer === "object" && answer !== null && "error" in answer;
}

type After = Step["after"];

/** The facts of a step in one order, so that all steps have one shape. */
function step(
  after: After,
  isReadOnly: boolean,
  isBlind: boolean,
  finds?: Value,
  leaves?: Value,
  findsLength?: number,
  tail?: string,
): Step {
  return { after, isReadOnly, isBlind, finds, findsLength, leaves, tail };
}

/** Possible nowhere. */
export const IMPOSSIBLE: Step = step(() => undefined, true, false);

/** A look at the value, possible where `holds`. */
function looks(holds: (value: Value) => boolean): Step {
  return step((value) => holds(value) ? value : undefined, true, false);
}

/** A look that is possible at one value only. */
function finds(expected: Value): Step {
  const after = (value: Value) => value === expected ? value : undefined;
  return step(after, true, false, expected, undefined, lengthOf(expected));
}

/** A write that does not ask what was there. */
function puts(leaves: Value): Step {
  return step(() => leaves, false, true, undefined, leaves);
}

/** A write that is possible at one value only. */
function replaces(expected: Value, leaves: Value): Step {
  const after = (value: Value) => value === expected ? leaves : undefined;
  return step(after, false, false, expected, leaves, lengthOf(expected));
}

/** A write that is possible only where there is a value. */
function putsWhereThere(leaves: Value): Step {
  return step((value) => value === null ? undefined : leaves, false, false, undefined, leaves);
}

/** A write that happens only where `holds`, with an answer that nobody knows. */
function putsWhere(holds: (value: Value) => boolean, leaves: Value): Step {
  return step((value) => holds(value) ? leaves : value, false, false, undefined, leaves);
}

const IS_THERE = looks((value) => value !== null);
const IS_MISSING = finds(null);

function isOldValue(answer: Answer): answer is Value {
  return answer === null || typeof answer === "string";
}

function getStep(answer: Answer): Step {
  return isOldValue(answer) ? finds(answer) : IMPOSSIBLE;
}

function strlenStep(answer: Answer): Step {
  const length = Number(integerOf(answer) ?? -1);
  if (length < 0) return IMPOSSIBLE;
  const after = (value: Value) => lengthOf(value) === length ? value : undefined;
  return step(after, true, false, undefined, undefined, length);
}

function presenceStep(answer: Answer, there: Answer, missing: Answer): Step {
  const isSame = (expected: Answer) =>
    typeof expected === "string" ? answer === expected : integerOf(answer) === integerOf(expected);
  return isSame(there) ? IS_THERE : isSame(missing) ? IS_MISSING : IMPOSSIBLE;
}

function rangeOf(value: string, first: bigint, last: bigint): string {
  const length = BigInt(value.length);
  const fromEnd = (index: bigint) => index < 0n ? (index + length < 0n ? 0n : index + length) : index;
  if (first < 0n && last < 0n && first > last) return "";
  const [from, to] = [fromEnd(first), fromEnd(last)];
  return from > to || length === 0n ? "" : value.slice(Number(from), Number(to < length ? to : length) + 1);
}

function getrangeStep(first: string, last: string, answer: Answer): Step {
  const [from, to] = [indexOf(first), indexOf(last)];
  return looks((value) => rangeOf(value ?? "", from, to) === answer);
}

function indexOf(text: string): bigint {
  const index = int64Of(text);
  if (index === null) throw new HistoryError(`${JSON.stringify(text)} is no index`);
  return index;
}

function setStep([value = "", ...options]: readonly string[], answer: Answer | undefined): Step {
  if (options.length === 0 && (answer === undefined || answer === "OK")) return puts(value);
  const flags = new Set(options.map((option) => option.toUpperCase()));
  const [nx, xx, get] = [flags.has("NX"), flags.has("XX"), flags.has("GET")];
  const other = [...flags].find((flag) => flag !== "NX" && flag !== "XX" && flag !== "GET");
  if (other !== undefined) throw new HistoryError(`SET knows no option ${JSON.stringify(other)}`);
  if (nx && xx) throw new HistoryError("SET cannot have NX and XX");
  if (answer === undefined) {
    if (nx) return putsWhere((found) => found === null, value);
    return xx ? putsWhere((found) => found !== null, value) : puts(value);
  }
  if (get) {
    if (!isOldValue(answer)) return IMPOSSIBLE;
    const isRefused = answer === null ? xx : nx;
    return isRefused ? finds(answer) : replaces(answer, value);
  }
  if (answer === "OK") return nx ? replaces(null, value) : xx ? putsWhereThere(value) : puts(value);
  if (answer !== null) return IMPOSSIBLE;
  return nx ? IS_THERE : xx ? IS_MISSING : IMPOSSIBLE;
}

function setnxStep(value: string, answer: Answer | undefined): Step {
  if (answer === undefined) return putsWhere((found) => found === null, value);
  const count = integerOf(answer);
  return count === 1n ? replaces(null, value) : count === 0n ? IS_THERE : IMPOSSIBLE;
}

function delStep(answer: Answer | undefined): Step {
  if (answer === undefined) return puts(null);
  const count = integerOf(answer);
  return count === 1n ? putsWhereThere(null) : count === 0n ? IS_MISSING : IMPOSSIBLE;
}

function getdelStep(answer: Answer | undefined): Step {
  if (answer === undefined) return puts(null);
  if (!isOldValue(answer)) return IMPOSSIBLE;
  return answer === null ? IS_MISSING : replaces(answer, null);
}

function appendStep(tail: string, answer: Answer | undefined): Step {
  const grown = (value: Value) => (value ?? "") + tail;
  if (answer === undefined) return step(grown, false, false, undefined, undefined, undefined, tail);
  const before = Number(integerOf(answer) ?? -1) - tail.length;
  if (before < 0) return IMPOSSIBLE;
  const after = (value: Value) => lengthOf(value) === before ? grown(value) : undefined;
  return step(after, false, false, undefined, undefined, before, tail);
}

function incrStep(amount: string, isNegated: boolean, answer: Answer | undefined): Step {
  const given = int64Of(amount);
  if (given === null || (isNegated && given === INT64_MIN)) {
    throw new HistoryError(`${JSON.stringify(amount)} is no amount`);
  }
  const by = isNegated ? -given : given;
  /** What it leaves, or `null` where it is an error. */
  const sumAt = (value: Value): string | null => {
    const found = int64Of(value ?? "0");
    const sum = found === null ? null : found + by;
    return sum === null || sum > INT64_MAX || sum < INT64_MIN ? null : String(sum);
  };
  if (answer === undefined) return step((value) => sumAt(value) ?? value, false, false);
  if (isError(answer)) return looks((value) => sumAt(value) === null);
  const sum = integerOf(answer);
  if (sum === null || sum > INT64_MAX || sum < INT64_MIN) return IMPOSSIBLE;
  const leaves = String(sum);
  const found = sum - by;
  if (found > INT64_MAX || found < INT64_MIN) return IMPOSSIBLE;
  // A missing key counts as 0, so only another number says for certain what was there.
  if (found !== 0n) return replaces(String(found), leaves);
  const after = (value: Value) => value === null || value === "0" ? leaves : undefined;
  return step(after, false, false, undefined, leaves);
}

interface Command {
  /** How many words stand behind the key. */
  readonly words: readonly [min: number, max: number];
  readonly isReadOnly?: true;
  readonly stepOf: (args: readonly string[], answer: Answer | undefined) => Step;
}

function reading(words: number, stepOf: (args: readonly string[], answer: Answer) => Step): Command {
  const orNothing = (args: readonly string[], answer: Answer | undefined) =>
    answer === undefined ? looks(() => true) : stepOf(args, answer);
  return { words: [words, words], isReadOnly: true, stepOf: orNothing };
}

function writing(words: number, stepOf: Command["stepOf"]): Command {
  return { words: [words, words], stepOf };
}

const GETRANGE = reading(2, ([first = "", last = ""], answer) => getrangeStep(first, last, answer));
const TTL = reading(0, (_, answer) => presenceStep(answer, -1, -2));
const DEL = writing(0, (_, answer) => delStep(answer));

const COMMANDS: ReadonlyMap<string, Command> = new Map(Object.entries({
  GET: reading(0, (_, answer) => getStep(answer)),
  STRLEN: reading(0, (_, answer) => strlenStep(answer)),
  EXISTS: reading(0, (_, answer) => presenceStep(answer, 1, 0)),
  TYPE: reading(0, (_, answer) => presenceStep(answer, "string", "none")),
  TTL,
  PTTL: TTL,
  GETRANGE,
  SUBSTR: GETRANGE,
  SET: { words: [1, 4], stepOf: setStep },
  SETNX: writing(1, ([value = ""], answer) => setnxStep(value, answer)),
  GETSET: writing(1, ([value = ""], answer) => setStep([value, "GET"], answer)),
  GETDEL: writing(0, (_, answer) => getdelStep(answer)),
  DEL,
  UNLINK: DEL,
  APPEND: writing(1, ([tail = ""], answer) => appendStep(tail, answer)),
  INCR: writing(0, (_, answer) => incrStep("1", false, answer)),
  DECR: writing(0, (_, answer) => incrStep("1", true, answer)),
  INCRBY: writing(1, ([amount = ""], answer) => incrStep(amount, false, answer)),
  DECRBY: writing(1, ([amount = ""], answer) => incrStep(amount, true, answer)),
}));

/** The commands of one key, by name. */
export const commandNames: readonly string[] = [...COMMANDS.keys()];

/**
 * The step of a command and its answer; `undefined` for an answer that nobody knows.
 *
 * @throws {HistoryError} where the model has no such command
 */
export function stepOf(op: string, args: readonly string[], answer: Answer | undefined): Step {
  const command = COMMANDS.get(op);
  if (command === undefined) throw new HistoryError(`${JSON.stringify(op)} is no command of one key`);
  const [min, max] = command.words;
  if (args.length < min || args.length > max) {
    const wanted = min === max ? String(min) : `${min} to ${max}`;
    throw new HistoryError(`${op} takes ${wanted} words behind the key, not ${args.length}`);
  }
  return command.stepOf(args, answer);
}

/** Whether the command never changes anything. */
export function isRead(op: string): boolean {
  return COMMANDS.get(op)?.isReadOnly ?? false;
}
