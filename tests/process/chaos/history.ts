/**
 * What clients asked and what they were told, in the order of the clock of one process.
 *
 * Keeps true: an operation is on record from before its first byte leaves; what is not known is `unknown` and has no return time, so a checker
 * may take it to happen at any later time, or never.
 *
 * The lines that `lines` gives are what `raftline check` reads: one JSON object per operation, commands and answers as they were on the wire.
 *
 * @module
 */

export type OperationName = "set" | "get" | "append" | "incr" | "del";
/** `fail`: it certainly did not happen and never will. */
export type Outcome = "ok" | "fail" | "unknown";

export interface Operation {
  readonly client: number;
  readonly key: string;
  readonly op: OperationName;
  readonly arg: string | null;
  /** Microseconds. */
  readonly invoke: number;
  readonly return: number | null;
  readonly outcome: Outcome;
  /** The value read, the length or the number answered; `null` for a key that is not there, and for what has no answer. */
  readonly result: string | null;
}

/** An operation under way. */
export class Pending {
  readonly key: string;
  readonly #history: History;
  readonly #index: number;

  constructor(history: History, index: number, key: string) {
    this.#history = history;
    this.#index = index;
    this.key = key;
  }

  ok(result: string | null): void {
    this.#history.settle(this.#index, "ok", result);
  }

  fail(): void {
    this.#history.settle(this.#index, "fail", null);
  }
}

export class History {
  readonly #operations: Operation[] = [];

  get operations(): readonly Operation[] {
    return this.#operations;
  }

  /** Something is about to be asked. Until it is settled, it is unknown. */
  invoke(client: number, op: OperationName, key: string, arg: string | null = null): Pending {
    this.#operations.push({
      client,
      key,
      op,
      arg,
      invoke: microsNow(),
      return: null,
      outcome: "unknown",
      result: null,
    });
    return new Pending(this, this.#operations.length - 1, key);
  }

  settle(index: number, outcome: "ok" | "fail", result: string | null): void {
    const operation = this.#operations[index];
    if (operation === undefined || operation.outcome !== "unknown") {
      throw new Error(`operation ${index} is settled twice, or never was`);
    }
    this.#operations[index] = { ...operation, return: microsNow(), outcome, result };
  }

  count(outcome: Outcome): number {
    return this.#operations.filter((operation) => operation.outcome === outcome).length;
  }

  /** JSON lines. */
  lines(): string {
    return this.#operations.map((operation) => `${JSON.stringify(recordOf(operation))}\n`).join("");
  }
}

function recordOf({ client, key, op, arg, invoke, return: back, outcome, result }: Operation) {
  const isNumber = outcome === "ok" && (op === "append" || op === "incr" || op === "del");
  return {
    client,
    key,
    op: op.toUpperCase(),
    args: arg === null ? [] : [arg],
    invoke,
    return: back,
    outcome,
    result: isNumber ? Number(result) : result,
  };
}

function microsNow(): number {
  return Math.round(performance.now() * 1000);
}
