/**
 * What clients asked and learned, and whether one store, used by one client at a time, could have answered so.
 *
 * Every written value is unique, and the order in which values were applied is known from the state machines. So linearizability of a
 * key needs no search: the log's order is the order of the writes, and each read stands behind the write whose value it saw. What is left
 * to check is time. Keys that begin with `l` are lists, written by APPEND: what is read there is every value in its order, and what APPEND
 * answers is its length.
 *
 * The properties are in tests/invariants: same_state (I5, I23), exactly_once (I26), no_phantom (I29), client_order (I28),
 * acknowledged_is_kept (I36), error_discipline (I38); this file knows where an answer stands.
 *
 * @module
 */
import { latin1Of } from "../../internal/base/latin1.ts";
import { decodeCommand, encodeCommand, Operation } from "../../internal/codec/command.ts";
import type { Reply } from "../../internal/codec/reply.ts";
import type { StateMachine } from "../../internal/machine/machine.ts";
import { checkKept } from "../invariants/acknowledged_is_kept.ts";
import { BoundedStaleness } from "../invariants/bounded_staleness.ts";
import { CLOCKS_WITHIN_PERMILLE } from "./odds.ts";
import { checkPipeline, ClientOrder } from "../invariants/client_order.ts";
import { checkAnswers, checkOutcome } from "../invariants/error_discipline.ts";
import { ExactlyOnce } from "../invariants/exactly_once.ts";
import { Violation } from "../invariants/ghost.ts";
import { NoPhantom } from "../invariants/no_phantom.ts";
import { SameState } from "../invariants/same_state.ts";

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
  /** For a read that may be stale: how old it may be, in milliseconds; `null` for all others. */
  readonly staleMs: number | null;
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
  /** The values, the first at 0. */
  readonly values: string[];
  /** Where each value ends in a list; empty for other keys. */
  readonly ends: number[];
}

/** Where a value was applied: in the order of its key, and in the common order of all commands, both from 0 and 1. */
interface Place {
  readonly position: number;
  readonly command: number;
}

/** A state machine that is watched. */
export interface WatchedMachine extends StateMachine {
  /** Says behind how many commands the state is that is restored next. */
  restoresAt(commands: number): void;
}

export class History {
  readonly operations: HistoryOperation[] = [];
  readonly #keys = new Map<string, KeyOrder>();
  readonly #places = new Map<string, Place>();
  readonly #order = new ClientOrder();
  readonly #once = new ExactlyOnce();
  readonly #staleness = new BoundedStaleness(CLOCKS_WITHIN_PERMILLE);
  readonly #phantoms = new NoPhantom();
  readonly #state = new SameState();
  #serial = 0;
  #answered = 0;
  isOver = false;
  readonly counts = { ok: 0, refused: 0, unknown: 0, reads: 0, stale: 0, full: 0 };
  /** Hears of every write that is acknowledged, with its place among all commands, from 0. */
  onAcknowledged: (operation: HistoryOperation, command: number) => void = () => {};

  /** Operations without an answer. */
  get pending(): number {
    return this.operations.length - this.#answered;
  }

  /** Clients ask nothing more. */
  stop(): void {
    this.isOver = true;
  }

  /** A write of a unique value, filled up to that many bytes. */
  write(pipeline: Pipeline, client: number, key: string, at: number, bytes = 0): HistoryOperation {
    const value = `v${++this.#serial};`.padEnd(bytes, ".");
    const operation = this.#operation("write", pipeline, client, key, value, at);
    this.#phantoms.asked(value);
    return operation;
  }

  read(
    pipeline: Pipeline,
    client: number,
    key: string,
    at: number,
    staleMs: number | null = null,
  ): HistoryOperation {
    return this.#operation("read", pipeline, client, key, "", at, staleMs);
  }

  /** The client learned something, or that it never will: its connection is gone. */
  answered(operation: HistoryOperation, reply: Reply | null, at: number): void {
    if (operation.outcome !== "pending") {
      throw new Violation(`an operation on ${operation.key} is answered twice`);
    }
    operation.reply = reply;
    this.#answered++;
    if (reply === null) {
      operation.outcome = "unknown";
      this.counts.unknown++;
      return;
    }
    operation.answeredAt = at;
    if (reply.type === "error") {
      operation.outcome = reply.text.startsWith("UNKNOWN ") ? "unknown" : "refused";
      this.counts[operation.outcome]++;
      if (reply.text.startsWith("BUSY disk full")) this.counts.full++;
      checkOutcome(operation);
      return;
    }
    operation.outcome = "ok";
    this.counts.ok++;
    if (operation.kind === "read") this.counts.reads++;
    const { key, client, kind, pipeline, floor, staleMs, askedAt } = operation;
    operation.position = kind === "write"
      ? this.#placeOfWrite(operation, reply)
      : this.#placeOfRead(operation, reply);
    if (pipeline.operations.length > 1) {
      checkPipeline(
        key,
        pipeline.operations.filter(({ outcome, staleMs }) => outcome === "ok" && staleMs === null),
      );
    }
    const who = `client ${client}`;
    const { position } = operation;
    if (staleMs === null) this.#order.answered(who, key, position, floor);
    else {
      this.counts.stale++;
      this.#staleness.read(who, key, position, askedAt, staleMs);
    }
    this.#staleness.told(key, position, at);
  }

  /** A state machine that is watched as it applies. */
  watch(machine: StateMachine, server: string, life: number): WatchedMachine {
    let count = 0;
    let restored = 0;
    this.#state.holds(0, machine.digest(), server);
    const who = `${server}/${life}`;
    return {
      expect: (bytes, places, count) => machine.expect(bytes, places, count),
      applyAt: (bytes, from, to) => {
        const place = count++;
        const command = bytes.subarray(from, to);
        if (this.#state.applies(place, command, who)) this.#apply(place, command, who);
        const reply = machine.applyAt(bytes, from, to);
        this.#state.replied(place, textOf(reply), who);
        this.#state.holds(count, machine.digest(), who);
        return reply;
      },
      readAt: (bytes, from, to) => machine.readAt(bytes, from, to),
      answerBytesAt: (bytes, from, to) => machine.answerBytesAt(bytes, from, to),
      read: (command) => machine.read(command),
      size: () => machine.size(),
      digest: () => machine.digest(),
      capture: () => machine.capture(),
      restore: () => {
        const restoration = machine.restore();
        return {
          take: (chunk) => restoration.take(chunk),
          finish: (digest) => {
            const objection = restoration.finish(digest);
            if (objection !== null) return objection;
            count = restored;
            this.#state.holds(count, machine.digest(), who);
            return null;
          },
        };
      },
      restoresAt: (commands) => restored = commands,
    };
  }

  /** A state behind so many commands must have had that digest. */
  checkState(count: number, digest: number, who: string): void {
    this.#state.holds(count, digest, who);
  }

  /** At the end: what was acknowledged was applied, what was refused was not, and everybody was answered. */
  check(): void {
    const isApplied = (value: string) => this.#places.has(value);
    checkKept(this.operations, isApplied);
    checkAnswers(this.operations, isApplied);
  }

  #operation(
    kind: "read" | "write",
    pipeline: Pipeline,
    client: number,
    key: string,
    value: string,
    askedAt: number,
    staleMs: number | null = null,
  ): HistoryOperation {
    const operation: HistoryOperation = {
      kind,
      client,
      key,
      value,
      staleMs,
      floor: this.#order.floorOf(key),
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
    let order = this.#keys.get(key);
    if (order === undefined) {
      order = { values: [], ends: [] };
      this.#keys.set(key, order);
    }
    return order;
  }

  /** A command takes its place in the common order. */
  #apply(command: number, bytes: Uint8Array, who: string): void {
    const decoded = decodeCommand(bytes);
    // Servers ask each other whether they hold the same.
    if (typeof decoded !== "string" && decoded.operation === Operation.check) return;
    if (
      typeof decoded === "string" ||
      (decoded.operation !== Operation.set && decoded.operation !== Operation.append)
    ) {
      throw new Violation(`${who} applies what nobody asked`);
    }
    const [key, value] = decoded.args.map(latin1Of);
    if (key === undefined || value === undefined) throw new Violation(`${who} applies what nobody asked`);
    this.#phantoms.applied(value, who);
    this.#once.applied(value, who);
    const order = this.#orderOf(key);
    order.values.push(value);
    if (isList(key)) order.ends.push((order.ends.at(-1) ?? 0) + value.length);
    this.#places.set(value, { position: order.values.length, command });
  }

  #placeOfWrite(operation: HistoryOperation, reply: Reply): number {
    const { key, value } = operation;
    this.#phantoms.told(value, `write of ${key}`);
    const place = this.#places.get(value);
    if (place === undefined) throw new Violation(`${value} has no place`);
    const end = this.#orderOf(key).ends[place.position - 1];
    if (isList(key) && (reply.type !== "integer" || Number(reply.value) !== end)) {
      throw new Violation(`APPEND to ${key} is answered with ${textOf(reply)}, the list ended at ${end}`);
    }
    this.onAcknowledged(operation, place.command);
    return place.position;
  }

  #placeOfRead({ key }: HistoryOperation, reply: Reply): number {
    if (reply.type === "null") return 0;
    const text = reply.type === "bulk" ? latin1Of(reply.bytes) : reply.type;
    if (!isList(key)) {
      this.#phantoms.told(text, `read of ${key}`);
      return this.#places.get(text)?.position ?? 0;
    }
    const { values, ends } = this.#orderOf(key);
    const position = ends.indexOf(text.length) + 1;
    if (position === 0 || text !== values.slice(0, position).join("")) {
      throw new Violation(`read of ${key} is answered with ${text}, which it never was`);
    }
    return position;
  }
}

export function isList(key: string): boolean {
  return key.startsWith("l");
}

/** Everything that a machine holds, as a text. */
export function contentOf(machine: Pick<StateMachine, "read">): string {
  const keys = machine.read(encodeCommand(Operation.keys, [Uint8Array.of(42)]));
  if (keys.type !== "array") return textOf(keys);
  return keys.items.map((key) => {
    const name = key.type === "bulk" ? key.bytes : new Uint8Array(0);
    return `${textOf(key)}=${textOf(machine.read(encodeCommand(Operation.get, [name])))}`;
  }).join("\n");
}

/** A reply as a text: equal replies have equal texts. */
function textOf(reply: Reply): string {
  switch (reply.type) {
    case "simple":
    case "error":
      return reply.text;
    case "integer":
      return String(reply.value);
    case "bulk":
      return latin1Of(reply.bytes);
    case "null":
      return "(null)";
    case "array":
      return reply.items.map(textOf).join(" ");
    case "map":
      return reply.pairs.map(([key, value]) => `${textOf(key)}: ${textOf(value)}`).join(" ");
  }
}
