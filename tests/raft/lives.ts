/**
 * All states of one server that the enumeration met, and all steps between them, each taken once.
 *
 * A state is known by its key. A step out of a state is taken on a core that stands in it: one that is at hand, or one that is led there
 * again from its last birth by the same actions.
 *
 * @module
 */
import { must } from "../../internal/base/assert.ts";
import type { Message } from "../../internal/raft/message.ts";
import type { Settings } from "../../internal/raft/state.ts";
import type { LogIndex, Role, ServerId, Term } from "../../internal/raft/types.ts";
import type { PrefixHash } from "../invariants/ghost.ts";
import { type Disk, emptyDisk } from "./disk.ts";
import { type Action, keyOfMessage, Life, type MakeRaft, type Naming, type Outcome } from "./life.ts";

/** Two numbers of 32 bits that stand for a text. */
export type Hash64 = readonly [number, number];

/** A message that was ever sent. */
export interface Sent {
  readonly from: ServerId;
  readonly to: ServerId;
  readonly message: Message;
  /** The receiver's place among the servers. */
  readonly place: number;
}

/** One state of one server. */
export interface LifeState {
  readonly number: number;
  readonly id: ServerId;
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: ServerId | null;
  readonly commitIndex: LogIndex;
  readonly pendingWrites: number;
  /** Hashes of the log's prefixes, and the terms of its entries, by index. */
  readonly prefix: readonly PrefixHash[];
  readonly terms: readonly Term[];
  readonly disk: Disk;
  /** How it was reached: from which state by what; from nothing, it was born with its disk. */
  readonly origin: { readonly from: LifeState; readonly action: Action } | null;
  /** The steps out of it that were taken, by what was done. */
  readonly steps: Map<number, Step>;
}

/** A step of one server. */
export interface Step extends Pick<Outcome, "granted" | "removed" | "readable"> {
  readonly to: LifeState;
  /** Numbers of messages. */
  readonly sent: readonly number[];
}

/** What can be done, as a number: these, or `MESSAGE` and above for the arrival of a message. */
export const TIMEOUT = 0;
export const SYNC = 1;
export const CRASH = 2;
export const WRITE = 3;
export const READ = 8;
export const MESSAGE = 16;

const AT_HAND_MAX = 4000;

export class Lives {
  readonly states: LifeState[] = [];
  readonly messages: Sent[] = [];
  readonly hashes: Hashes;
  readonly hashesOfMessages: Hashes;
  readonly #ids: readonly ServerId[];
  readonly #namings: readonly Naming[];
  readonly #settings: Partial<Settings>;
  readonly #makeRaft: MakeRaft;
  readonly #byKey = new Map<string, LifeState>();
  readonly #messagesByKey = new Map<string, number>();
  /** Cores that stand in a state, oldest first. */
  readonly #atHand = new Map<LifeState, Life>();
  /** How many steps were taken on cores. */
  taken = 0;

  constructor(
    ids: readonly ServerId[],
    namings: readonly Naming[],
    settings: Partial<Settings>,
    makeRaft: MakeRaft,
  ) {
    this.#ids = ids;
    this.#namings = namings;
    this.#settings = settings;
    this.#makeRaft = makeRaft;
    this.hashes = new Hashes(namings.length);
    this.hashesOfMessages = new Hashes(namings.length);
  }

  birth(id: ServerId, disk: Disk = emptyDisk()): LifeState {
    return this.#known(new Life(id, this.#ids, disk, this.#settings, this.#makeRaft), null);
  }

  /** The step that a state takes when that is done to it; always the same. */
  step(state: LifeState, code: number): Step {
    const known = state.steps.get(code);
    if (known !== undefined) return known;
    const step = code === CRASH
      ? { to: this.birth(state.id, state.disk), sent: [], granted: [], removed: [], readable: [] }
      : this.#take(state, this.actionOf(code));
    state.steps.set(code, step);
    return step;
  }

  actionOf(code: number): Action {
    if (code >= MESSAGE) return { kind: "message", ...must(this.messages[code - MESSAGE], "It was sent") };
    if (code >= READ) return { kind: "read", number: code - READ };
    if (code >= WRITE) return { kind: "write", number: code - WRITE };
    return { kind: code === SYNC ? "sync" : "timeout" };
  }

  #take(state: LifeState, action: Action): Step {
    const life = this.#atHand.get(state) ?? this.#ledTo(state);
    this.#atHand.delete(state);
    this.taken++;
    const outcome = life.take(action);
    const to = this.#known(life, { from: state, action });
    const sent = new Set(outcome.sent.map((one) => this.#sent(state.id, one)));
    return { ...outcome, to, sent: [...sent] };
  }

  #ledTo(state: LifeState): Life {
    const actions: Action[] = [];
    let birth = state;
    while (birth.origin !== null) {
      actions.push(birth.origin.action);
      birth = birth.origin.from;
    }
    const life = new Life(birth.id, this.#ids, birth.disk, this.#settings, this.#makeRaft);
    for (const action of actions.reverse()) life.take(action);
    this.taken += actions.length;
    return life;
  }

  /** The state that this core stands in; keeps the core at hand. */
  #known(life: Life, origin: LifeState["origin"]): LifeState {
    const texts = this.#namings.map((naming) => life.key(naming));
    const key = must(texts[0], "There is the naming that changes nothing");
    let state = this.#byKey.get(key);
    if (state === undefined) {
      const { role, currentTerm, votedFor, commitIndex } = life.raft.variables;
      state = {
        number: this.states.length,
        id: life.id,
        role,
        term: currentTerm,
        votedFor,
        commitIndex,
        pendingWrites: life.pendingWrites,
        prefix: [...life.prefix],
        terms: life.terms,
        disk: {
          hardState: life.disk.hardState,
          entries: [...life.disk.entries],
          prefix: [...life.disk.prefix],
        },
        origin,
        steps: new Map(),
      };
      this.states.push(state);
      this.hashes.add(texts.map(hashOf));
      this.#byKey.set(key, state);
    }
    this.#atHand.delete(state);
    this.#atHand.set(state, life);
    if (this.#atHand.size > AT_HAND_MAX) {
      for (const oldest of this.#atHand.keys()) {
        this.#atHand.delete(oldest);
        break;
      }
    }
    return state;
  }

  #sent(from: ServerId, { to, message }: { readonly to: ServerId; readonly message: Message }): number {
    const text = keyOfMessage(message);
    const key = `${from}>${to} ${text}`;
    const known = this.#messagesByKey.get(key);
    if (known !== undefined) return known;
    const number = this.messages.length;
    this.messages.push({ from, to, message, place: this.#ids.indexOf(to) });
    this.hashesOfMessages.add(this.#namings.map((name) => hashOf(`${name(from)}>${name(to)} ${text}`)));
    this.#messagesByKey.set(key, number);
    return number;
  }
}

/** Hashes of things that are numbered from 0, each under several namings; flat, since every state of the cluster asks for many. */
export class Hashes {
  readonly #namings: number;
  #size = 0;
  #a = new Uint32Array(1024);
  #b = new Uint32Array(1024);

  constructor(namings: number) {
    this.#namings = namings;
  }

  /** The hashes of the next thing. */
  add(hashes: readonly Hash64[]): void {
    while (this.#size + hashes.length > this.#a.length) {
      this.#a = grown(this.#a);
      this.#b = grown(this.#b);
    }
    for (const [a, b] of hashes) {
      this.#a[this.#size] = a;
      this.#b[this.#size++] = b;
    }
  }

  a(number: number, naming: number): number {
    return this.#a[number * this.#namings + naming] ?? 0;
  }

  b(number: number, naming: number): number {
    return this.#b[number * this.#namings + naming] ?? 0;
  }
}

/** The same numbers in an array of twice the length. */
export function grown(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}

/** Integer arithmetic only, so every engine agrees. */
export function hashOf(text: string): Hash64 {
  let a = 0x9e3779b9 | 0;
  let b = 0x85ebca6b | 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
    a = (a << 13) | (a >>> 19);
    b = (b << 11) | (b >>> 21);
  }
  a = Math.imul(a ^ (a >>> 16) ^ b, 0x85ebca6b);
  b = Math.imul(b ^ (b >>> 15) ^ a, 0xc2b2ae35);
  a ^= a >>> 13;
  b ^= b >>> 16;
  a = Math.imul(a ^ b, 0x27d4eb2f);
  b = Math.imul(b ^ (a >>> 15), 0x165667b1);
  return [(a ^ (a >>> 15)) >>> 0, (b ^ (b >>> 13)) >>> 0];
}
