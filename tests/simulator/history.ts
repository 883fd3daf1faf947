/**
 * What clients asked and learned, and whether one store, used by one client at a time, could have answered so.
 *
 * Every written value is unique, and the order in which values were applied is known from the state machines. So linearizability of a
 * key needs no search: the log's order is the order of the writes, and each read stands behind the write whose value it saw. What is left
 * to check is time: nothing may be answered from before what had been answered when it was asked. Keys that begin with `l` are lists, written
 * by APPEND: what is read there is every value in its order, and what APPEND answers is its length.
 *
 * Checked: state machines apply the same commands (I5, I23 in small); a value is applied at most once (I26), and was written by somebody (I29);
 * a refused write is never applied (I38); an acknowledged one is (I36); a read or an acknowledged write comes no earlier in the log than
 * what was answered before it was asked (I28); and within a pipeline, each command comes after the one before it.
 *
 * @module
 */
import { decodeCommand, Operation } from "../../internal/codec/command.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import type { StateMachine } from "../../internal/machine/machine.ts";
import { Violation } from "../invariants/ghost.ts";

/** The commands that one client sent without waiting in between. */
export interface Pipeline {
  readonly operations: HistoryOperation[];
}

export interface HistoryOperation {
  readonly kind: "read" | "write";
  readonly client: number;
  readonly key: string;
  /** Written by a write; unique. */
  readonly value: string;
  /** How far the order of the key had got, as far as anybody had been told, when this was asked. */
  readonly floor: number;
  readonly pipeline: Pipeline;
  outcome: "pending" | "ok" | "refused" | "unknown";
  /** When it was asked and answered, in simulated milliseconds. */
  readonly askedAt: number;
  answeredAt: number | null;
  /** What it was answered with; for people and checkers. */
  reply: Reply | null;
  /** Where it stands in the order of its key, once answered. */
  position: number;
}

/** The writes of one key in the order in which they were applied; positions count from 1. */
interface KeyOrder {
  readonly positions: Map<string, number>;
  /** Where each value ends in a list; empty for other keys. */
  readonly ends: number[];
  /** The highest position that anybody was told of. */
  told: number;
}

export class History {
  readonly operations: HistoryOperation[] = [];
  readonly #keys = new Map<string, KeyOrder>();
  readonly #written = new Map<string, HistoryOperation>();
  readonly #applied: string[] = [];
  #serial = 0;
  isOver = false;
  readonly counts = { ok: 0, refused: 0, unknown: 0, reads: 0 };

  /** Clients ask nothing more. */
  stop(): void {
    this.isOver = true;
  }

  write(pipeline: Pipeline, client: number, key: string, at: number): HistoryOperation {
    const operation = this.#operation("write", pipeline, client, key, `v${++this.#serial};`, at);
    this.#written.set(operation.value, operation);
    return operation;
  }

  read(pipeline: Pipeline, client: number, key: string, at: number): HistoryOperation {
    return this.#operation("read", pipeline, client, key, "", at);
  }

  /** The client learned something, or that it never will: its connection is gone. */
  answered(operation: HistoryOperation, reply: Reply | null, at: number): void {
    if (operation.outcome !== "pending") {
      throw new Violation(`an operation on ${operation.key} is answered twice`);
    }
    operation.reply = reply;
    if (reply === null) {
      operation.outcome = "unknown";
      this.counts.unknown++;
      return;
    }
    operation.answeredAt = at;
    if (reply.type === "error") {
      operation.outcome = reply.text.startsWith("UNKNOWN ") ? "unknown" : "refused";
      this.counts[operation.outcome]++;
      if (operation.kind === "read" && operation.outcome === "unknown") {
        throw new Violation("a read has an unknown outcome");
      }
      return;
    }
    operation.outcome = "ok";
    this.counts.ok++;
    if (operation.kind === "read") this.counts.reads++;
    const order = this.#orderOf(operation.key);
    const position = positionOf(operation, order, reply);
    if (position < operation.floor) {
      throw new Violation(
        `client ${operation.client} is answered with ${operation.key} at position ${position}; ` +
          `position ${operation.floor} had been told when it asked`,
      );
    }
    operation.position = position;
    checkOrder(operation);
    order.told = Math.max(order.told, position);
  }

  /** A state machine that is watched as it applies. */
  watch(machine: StateMachine, server: string, life: number): StateMachine {
    let count = 0;
    return {
      apply: (command) => {
        this.#apply(count++, command, `${server}/${life}`);
        return machine.apply(command);
      },
      read: (command) => machine.read(command),
      size: () => machine.size(),
      digest: () => machine.digest(),
      capture: () => machine.capture(),
      restore: () => machine.restore(),
    };
  }

  /** At the end: what was acknowledged was applied, what was refused was not. */
  check(): void {
    for (const operation of this.operations) {
      if (operation.kind === "read") continue;
      const isApplied = this.#orderOf(operation.key).positions.has(operation.value);
      if (operation.outcome === "ok" && !isApplied) {
        throw new Violation(`${operation.value} was acknowledged and is lost`);
      }
      if (operation.outcome === "refused" && isApplied) {
        throw new Violation(`${operation.value} was refused and is applied`);
      }
      if (operation.outcome === "pending") throw new Violation(`${operation.value} was never answered`);
    }
  }

  #operation(
    kind: "read" | "write",
    pipeline: Pipeline,
    client: number,
    key: string,
    value: string,
    askedAt: number,
  ): HistoryOperation {
    const floor = this.#orderOf(key).told;
    const operation: HistoryOperation = {
      kind,
      client,
      key,
      value,
      floor,
      pipeline,
      outcome: "pending",
      askedAt,
      answeredAt: null,
      reply: null,
      position: 0,
    };
    pipeline.operations.push(operation);
    this.operations.push(operation);
    return operation;
  }

  #orderOf(key: string): KeyOrder {
    const order = this.#keys.get(key) ?? { positions: new Map<string, number>(), ends: [], told: 0 };
    this.#keys.set(key, order);
    return order;
  }

  #apply(place: number, command: Uint8Array, who: string): void {
    const decoded = decodeCommand(command);
    if (
      typeof decoded === "string" ||
      (decoded.operation !== Operation.set && decoded.operation !== Operation.append)
    ) {
      throw new Violation(`${who} applies what nobody asked`);
    }
    const [key, value] = decoded.args.map((arg) => new TextDecoder().decode(arg));
    if (key === undefined || value === undefined || !this.#written.has(value)) {
      throw new Violation(`${who} applies what nobody asked`);
    }
    const before = this.#applied[place];
    if (before !== undefined) {
      if (before !== value) {
        throw new Violation(`${who} applies ${value} as command ${place}, another applied ${before}`);
      }
      return;
    }
    const order = this.#orderOf(key);
    if (order.positions.has(value)) throw new Violation(`${who} applies ${value} twice`);
    this.#applied.push(value);
    order.positions.set(value, order.positions.size + 1);
    if (isList(key)) order.ends.push((order.ends.at(-1) ?? 0) + value.length);
  }
}

export function isList(key: string): boolean {
  return key.startsWith("l");
}

/** Where in the order of its key an answer stands. */
function positionOf({ kind, key, value }: HistoryOperation, order: KeyOrder, reply: Reply): number {
  const never = (what: string) =>
    new Violation(`${kind} of ${key} is answered with ${what}, which was never applied`);
  if (kind === "write") {
    const position = order.positions.get(value);
    if (position === undefined) throw never(value);
    if (isList(key) && (reply.type !== "integer" || reply.value !== order.ends[position - 1])) {
      throw new Violation(
        `APPEND to ${key} is answered with ${JSON.stringify(reply)}, the list ended at ${
          order.ends[position - 1]
        }`,
      );
    }
    return position;
  }
  if (reply.type === "null") return 0;
  if (reply.type !== "bulk") throw never(reply.type);
  const text = new TextDecoder().decode(reply.bytes);
  if (!isList(key)) {
    const position = order.positions.get(text);
    if (position === undefined) throw never(text);
    return position;
  }
  const position = order.ends.indexOf(text.length) + 1;
  const expected = [...order.positions.keys()].slice(0, position).join("");
  if (position === 0 || text !== expected) throw never(text);
  return position;
}

/** In its pipeline, a command sees what came before it and nothing of what came after, whichever is answered first. */
function checkOrder({ kind, key, position, pipeline: { operations } }: HistoryOperation): void {
  const answered = operations.filter(({ outcome }) => outcome === "ok");
  for (let i = 1; i < answered.length; i++) {
    const [first, second] = [answered[i - 1], answered[i]];
    if (first === undefined || second === undefined) continue;
    const inOrder = second.kind === "write"
      ? first.position < second.position
      : first.position <= second.position;
    if (!inOrder) {
      throw new Violation(
        `a pipeline on ${key}: ${first.kind} at ${first.position}, then ${second.kind} at ${second.position} (${kind} ${position} is new)`,
      );
    }
  }
}
