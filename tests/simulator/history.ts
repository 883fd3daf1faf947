/**
 * What clients asked and learned, and whether one store, used by one client at a time, could have answered so.
 *
 * Every written value is unique, and the order in which values were applied is known from the state machines. So linearizability of a
 * key needs no search: the log's order is the order of the writes, and each read stands behind the write whose value it saw. What is left
 * to check is time: nothing may be answered from before what had been answered when it was asked.
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
  readonly server: string;
  readonly ended: () => void;
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
  /** Where it stands in the order of its key, once answered. */
  position: number;
}

/** The writes of one key in the order in which they were applied; positions count from 1. */
interface KeyOrder {
  readonly positions: Map<string, number>;
  /** The highest position that anybody was told of. */
  told: number;
}

export class History {
  readonly operations: HistoryOperation[] = [];
  readonly #keys = new Map<string, KeyOrder>();
  readonly #written = new Map<string, HistoryOperation>();
  readonly #applied: string[] = [];
  readonly #pipelines = new Set<Pipeline>();
  #serial = 0;
  isOver = false;
  readonly counts = { ok: 0, refused: 0, unknown: 0, reads: 0 };

  /** Clients ask nothing more. */
  stop(): void {
    this.isOver = true;
  }

  pipeline(server: string, ended: () => void): Pipeline {
    const pipeline: Pipeline = { server, ended, operations: [] };
    this.#pipelines.add(pipeline);
    return pipeline;
  }

  write(pipeline: Pipeline, client: number, key: string): HistoryOperation {
    const operation = this.#operation("write", pipeline, client, key, `v${++this.#serial}`);
    this.#written.set(operation.value, operation);
    return operation;
  }

  read(pipeline: Pipeline, client: number, key: string): HistoryOperation {
    return this.#operation("read", pipeline, client, key, "");
  }

  answered(operation: HistoryOperation, reply: Reply): void {
    if (operation.outcome !== "pending") {
      throw new Violation(`an operation on ${operation.key} is answered twice`);
    }
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
    const value = operation.kind === "write"
      ? operation.value
      : reply.type === "bulk"
      ? new TextDecoder().decode(reply.bytes)
      : null;
    const position = value === null ? 0 : order.positions.get(value);
    if (position === undefined) {
      throw new Violation(
        `${operation.kind} of ${operation.key} is answered with ${value}, which was never applied`,
      );
    }
    if (position < operation.floor) {
      throw new Violation(
        `client ${operation.client} is answered with ${operation.key}=${value}, position ${position}; ` +
          `position ${operation.floor} had been told when it asked`,
      );
    }
    operation.position = position;
    checkOrder(operation);
    order.told = Math.max(order.told, position);
  }

  /** A server died: what was asked of it has no answer. */
  died(server: string): void {
    for (const pipeline of this.#pipelines) {
      if (pipeline.server !== server) continue;
      this.#pipelines.delete(pipeline);
      for (const operation of pipeline.operations) {
        if (operation.outcome !== "pending") continue;
        operation.outcome = "unknown";
        this.counts.unknown++;
        pipeline.ended();
      }
    }
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
      position: 0,
    };
    pipeline.operations.push(operation);
    this.operations.push(operation);
    return operation;
  }

  #orderOf(key: string): KeyOrder {
    const order = this.#keys.get(key) ?? { positions: new Map<string, number>(), told: 0 };
    this.#keys.set(key, order);
    return order;
  }

  #apply(place: number, command: Uint8Array, who: string): void {
    const decoded = decodeCommand(command);
    if (typeof decoded === "string" || decoded.operation !== Operation.set) {
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
  }
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
