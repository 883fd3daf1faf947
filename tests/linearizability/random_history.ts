/**
 * Random histories: small ones that may be anything, and larger ones that are linearizable by construction.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type { Answer, Operation } from "./operation.ts";
import { stepOf, type Value } from "./string_model.ts";

/** A command and what it was answered. */
export type Asked = readonly [op: string, args: readonly string[], result: Answer];

/** Few commands over few values, so that chance makes good and bad histories of them. */
export const alphabets: Readonly<Record<string, readonly Asked[]>> = {
  register: [
    ["SET", ["a"], "OK"],
    ["SET", ["b"], "OK"],
    ["SET", ["c"], "OK"],
    ["GET", [], null],
    ["GET", [], "a"],
    ["GET", [], "b"],
    ["GET", [], "c"],
  ],
  list: [
    ["APPEND", ["a"], 1],
    ["APPEND", ["a"], 2],
    ["APPEND", ["b"], 1],
    ["APPEND", ["b"], 2],
    ["APPEND", ["ab"], 3],
    ["APPEND", [""], 0],
    ["GET", [], null],
    ["GET", [], ""],
    ["GET", [], "a"],
    ["GET", [], "ab"],
    ["GET", [], "aba"],
    ["STRLEN", [], 2],
    ["STRLEN", [], 0],
  ],
  counter: [
    ["INCR", [], 1],
    ["INCR", [], 2],
    ["DECR", [], 0],
    ["DECR", [], 1],
    ["INCRBY", ["2"], 2],
    ["INCRBY", ["2"], 3],
    ["GET", [], null],
    ["GET", [], "1"],
    ["GET", [], "2"],
  ],
  presence: [
    ["SET", ["a"], "OK"],
    ["SET", ["b", "NX"], "OK"],
    ["SET", ["b", "NX"], null],
    ["SET", ["c", "XX"], "OK"],
    ["SET", ["c", "XX"], null],
    ["SET", ["d", "GET"], "a"],
    ["SET", ["d", "GET"], null],
    ["SET", ["e", "NX", "GET"], "a"],
    ["SET", ["e", "XX", "GET"], null],
    ["DEL", [], 1],
    ["DEL", [], 0],
    ["EXISTS", [], 1],
    ["EXISTS", [], 0],
    ["GETDEL", [], "b"],
    ["GETDEL", [], null],
    ["SETNX", ["a"], 1],
    ["SETNX", ["a"], 0],
    ["GET", [], "a"],
    ["GET", [], "c"],
    ["GET", [], null],
  ],
  mixed: [
    ["SET", ["1"], "OK"],
    ["SET", ["x"], "OK"],
    ["APPEND", ["1"], 2],
    ["APPEND", ["1"], 1],
    ["INCR", [], 2],
    ["INCR", [], 12],
    ["INCR", [], { error: "ERR value is not an integer or out of range" }],
    ["DEL", [], 1],
    ["GET", [], "11"],
    ["GET", [], "x1"],
    ["GET", [], "2"],
    ["GETRANGE", ["0", "0"], "1"],
    ["STRLEN", [], 1],
    ["TYPE", [], "none"],
    ["TTL", [], -1],
  ],
};

/** A history of one key that may be anything: times and answers are drawn without regard to each other. */
export function anyHistory(
  random: Random,
  alphabet: readonly Asked[],
  count: number,
  clients: number,
): readonly Operation[] {
  const times = random.between(2, 3 * count);
  return Array.from({ length: count }, () => {
    const [op, args, result] = alphabet[random.below(alphabet.length)] ?? ["GET", [], null];
    const invoke = random.below(times);
    const outcome = random.chance(1, 4) ? "unknown" : random.chance(1, 20) ? "fail" : "ok";
    const client = random.below(clients);
    const at = outcome === "unknown" ? null : invoke + random.below(random.chance(1, 3) ? times : 4);
    return { client, key: "k", op, args, invoke, return: at, outcome, result };
  });
}

export interface Workload {
  readonly clients: number;
  readonly operations: number;
  readonly keys: readonly string[];
  /** A command for a key; `serial` makes it unlike others. */
  readonly command: (random: Random, key: string, serial: number) => readonly [string, readonly string[]];
  /** So many operations of a thousand have an unknown outcome, and half of those take effect, some of them late. */
  readonly unknownPermille: number;
}

/** Registers with unlike values, half of the operations reads. */
export function setOrGet(random: Random, _: string, serial: number): readonly [string, readonly string[]] {
  return random.chance(1, 2) ? ["SET", [`v${serial}`]] : ["GET", []];
}

/** Registers with few values, so that many orders explain a read. */
export function setOrGetFew(random: Random): readonly [string, readonly string[]] {
  return random.chance(1, 2) ? ["SET", [String(random.below(10))]] : ["GET", []];
}

/** Lists of unlike words. */
export function appendOrGet(random: Random, _: string, serial: number): readonly [string, readonly string[]] {
  return random.chance(1, 2) ? ["APPEND", [`${serial};`]] : ["GET", []];
}

/** Counters that only go up. */
export function incrOrGet(random: Random): readonly [string, readonly string[]] {
  return random.chance(1, 2) ? ["INCR", []] : ["GET", []];
}

/** Everything at once on one key; values are not unlike. */
export function anything(random: Random, _: string, serial: number): readonly [string, readonly string[]] {
  const commands: readonly (readonly [string, readonly string[]])[] = [
    ...[["SET", [String(serial % 7)]], ["APPEND", ["1"]], ["INCR", []], ["GET", []], ["GET", []]] as const,
    ...[["INCRBY", ["3"]], ["DECR", []], ["DEL", []], ["STRLEN", []], ["EXISTS", []]] as const,
  ];
  return commands[random.below(commands.length)] ?? ["GET", []];
}

interface Running {
  readonly operation: Operation;
  readonly applyAt: number;
}

/**
 * A history as clients of one store would have it: each asks, its command takes effect at one moment, and the answer arrives later. An unknown
 * outcome takes effect at its moment, or much later, or never.
 */
export function linearizableHistory(random: Random, workload: Workload): readonly Operation[] {
  const { clients, operations, keys, command, unknownPermille } = workload;
  const running: Running[] = [];
  for (let client = 0; client < clients; client++) {
    let now = random.below(100);
    for (let i = client; i < operations; i += clients) {
      const key = keys[random.below(keys.length)] ?? "k";
      const [op, args] = command(random, key, i);
      const invoke = now;
      let applyAt = invoke + random.below(100);
      const back = applyAt + random.below(100);
      const isUnknown = random.chance(unknownPermille, 1000);
      const fate = isUnknown ? random.below(4) : 0;
      if (fate === 1) applyAt += random.below(3000);
      else if (fate > 1) applyAt = Infinity;
      const outcome = isUnknown ? "unknown" : "ok";
      const operation = { client, key, op, args, invoke, return: isUnknown ? null : back, outcome } as const;
      running.push({ operation: { ...operation, result: undefined }, applyAt });
      now = back + 1 + random.below(20);
    }
  }
  const values = new Map<string, Value>();
  const done: Operation[] = [];
  for (const { operation, applyAt } of running.toSorted((a, b) => a.applyAt - b.applyAt)) {
    if (applyAt === Infinity) {
      done.push(operation);
      continue;
    }
    const found = values.get(operation.key) ?? null;
    const result = answerOf(operation, found);
    values.set(operation.key, stepOf(operation.op, operation.args, result).after(found) ?? null);
    done.push(operation.outcome === "ok" ? { ...operation, result } : operation);
  }
  return done.toSorted((a, b) => a.invoke - b.invoke);
}

/** What the store answers to the commands of the workloads above; numbers stay small there. */
function answerOf({ op, args }: Operation, found: Value): Answer {
  const by = op === "DECR" ? -1 : op === "INCR" ? 1 : Number(args[0]);
  switch (op) {
    case "SET":
      return "OK";
    case "GET":
      return found;
    case "STRLEN":
      return (found ?? "").length;
    case "EXISTS":
    case "DEL":
      return found === null ? 0 : 1;
    case "APPEND":
      return (found ?? "").length + (args[0] ?? "").length;
    default:
      return /^(0|-?[1-9]\d{0,14})$/.test(found ?? "0") ? Number(found ?? 0) + by : { error: "ERR" };
  }
}

/** A linearizable history of one key with few commands, many at once; some outcomes unknown, some clients pipeline. */
export function smallHistory(
  random: Random,
  alphabet: readonly Asked[],
  count: number,
  clients: number,
): readonly Operation[] {
  let value: Value = null;
  // From when on each client may ask again: for a pipeline it has asked, for others it has its answer.
  const free = new Array<number>(clients).fill(0);
  const history: Operation[] = [];
  for (let now = 0; history.length < count; now += random.below(3)) {
    const client = random.below(clients);
    const earliest = free[client] ?? 0;
    const found: Value = value;
    const possible: readonly Asked[] = alphabet.filter(([op, args, result]) =>
      stepOf(op, args, result).after(found) !== undefined
    );
    const drawn: Asked = possible[random.below(Math.max(possible.length, 1))] ?? ["GET", [], found];
    const [op, args, result]: Asked = drawn;
    if (earliest > now) continue;
    // It takes effect now, between its call and its return.
    const invoke = Math.max(earliest, now - random.below(6));
    const back = now + random.below(6);
    const isUnknown = random.chance(1, 4);
    if (!isUnknown || random.chance(1, 2)) value = stepOf(op, args, result).after(found) ?? null;
    free[client] = random.chance(1, 3) ? invoke : back + 1;
    const outcome = isUnknown ? "unknown" : "ok";
    history.push({ client, key: "k", op, args, invoke, return: isUnknown ? null : back, outcome, result });
  }
  return history;
}

/** The history with another answer, another command, or another time in one place. */
export function oneChanged(
  random: Random,
  history: readonly Operation[],
  alphabet: readonly Asked[],
): readonly Operation[] {
  const at = random.below(history.length);
  const [op, args, result] = alphabet[random.below(alphabet.length)] ?? ["GET", [], null];
  return history.map((operation, i) => {
    if (i !== at) return operation;
    if (random.chance(1, 2)) return { ...operation, op, args, result };
    const invoke = Math.max(0, operation.invoke + random.between(-6, 6));
    return { ...operation, invoke, return: operation.return === null ? null : invoke + random.below(4) };
  });
}
