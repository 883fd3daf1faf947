/**
 * What an onlooker outside the servers remembers: the history against which every property is checked.
 *
 * The ghost sees each step of each server (`observe`), keeps a chained hash of every log prefix per server, and hands the
 * step to each property. A chained hash makes "the same entry and the same prefix" one comparison, so a step costs
 * in proportion to the entries it touched, not to the log (models: amortised O(1) per event).
 *
 * @module
 */
import type { Effect } from "../../internal/raft/effect.ts";
import type { Raft, StateView } from "../../internal/raft/raft.ts";
import type { Entry, LogIndex, ServerId, Term } from "../../internal/raft/types.ts";

/** A property that turned out false. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** One step of one server, as seen from outside. */
export interface Observation {
  readonly server: ServerId;
  /** `null` for the first look at a server after its start. */
  readonly was: StateView | null;
  readonly is: StateView;
  readonly effects: readonly Effect[];
  /** What came into its log: all that it came back with after a start, what it wrote in a step. */
  readonly entered: readonly Entered[];
  /** The first place from which it removed its log in a step, with the hash up to there; `null` where it removed nothing. */
  readonly removed: Pick<Entered, "index" | "hash"> | null;
  /** Its log as it is now. */
  readonly log: Raft["log"];
}

/** An entry's place, and the hash of the log up to there. */
export interface Entered {
  readonly index: LogIndex;
  readonly term: Term;
  readonly hash: PrefixHash;
}

const NONE: readonly Entered[] = [];

/** A property; throws a `Violation` where an observation breaks it. Sees the ghost as it is after the step. */
export interface Property {
  /** Its name, and where it comes from. */
  readonly name: string;
  check(observation: Observation, ghost: Ghost): void;
}

/** Identifies an entry together with everything before it. */
export type PrefixHash = number;

export class Ghost {
  readonly #properties: readonly Property[];
  readonly #views = new Map<ServerId, StateView>();
  readonly #prefixes = new Map<ServerId, PrefixHash[]>();
  readonly #lost = new Map<ServerId, PrefixHash[][]>();
  /** What was ever committed: the hash of the prefix that ends at each index. Only grows. */
  readonly #committed: PrefixHash[] = [0];
  /** In which term each index was first known to be committed; never falls along the log. */
  readonly #committedIn: Term[] = [0];

  constructor(properties: readonly Property[]) {
    this.#properties = properties;
  }

  /** A server was born, or born again, with that state; gives the picture of it. */
  started(server: ServerId, raft: Raft): StateView {
    const prefix = this.#covered(server, raft.log.snapshotIndex);
    const entered: Entered[] = [];
    for (let index = raft.log.snapshotIndex + 1; index <= raft.log.lastIndex; index++) {
      entered.push(this.#extend(prefix, raft.log.entryAt(index)));
    }
    this.#prefixes.set(server, prefix);
    const is = raft.view();
    this.#look({ server, was: null, is, effects: [], entered, removed: null, log: raft.log });
    return is;
  }

  /** A server took a step; gives the picture of it afterwards. */
  stepped(server: ServerId, raft: Raft, effects: readonly Effect[]): StateView {
    let prefix = this.prefixOf(server);
    let entered = NONE;
    let removed: Observation["removed"] = null;
    for (const effect of effects) {
      if (effect.kind !== "write") continue;
      if (effect.reset !== null) {
        prefix = this.#covered(server, effect.reset.index);
        this.#prefixes.set(server, prefix);
      }
      if (effect.truncateFrom !== null) {
        removed ??= { index: effect.truncateFrom, hash: prefix[effect.truncateFrom] ?? -1 };
        prefix.length = effect.truncateFrom;
      }
      if (effect.append.length === 0) continue;
      const written: Entered[] = [...entered];
      for (const entry of effect.append) written.push(this.#extend(prefix, entry));
      entered = written;
    }
    const is = raft.view();
    const was = this.#views.get(server) ?? null;
    this.#look({ server, was, is, effects, entered, removed, log: raft.log });
    return is;
  }

  /** The hashes of a server's log prefixes, by index. */
  prefixOf(server: ServerId): PrefixHash[] {
    const prefix = this.#prefixes.get(server);
    if (prefix === undefined) throw new Error(`Cannot look up the log of ${server}: it never started`);
    return prefix;
  }

  /** A server's disk loses a part of its log: what it held until now is remembered. Who never was up held nothing. */
  loses(server: ServerId): void {
    const held = this.#prefixes.get(server);
    if (held !== undefined) this.#lost.set(server, [...this.#lost.get(server) ?? [], held]);
  }

  /** Whether a server's log holds that prefix, or held it before it was damaged. */
  everHeld(server: ServerId, index: LogIndex, hash: PrefixHash | undefined): boolean {
    return this.prefixOf(server)[index] === hash ||
      (this.#lost.get(server) ?? []).some((prefix) => prefix[index] === hash);
  }

  /** The highest index that any server ever knew to be committed. */
  get committedIndex(): LogIndex {
    return this.#committed.length - 1;
  }

  /** The hash of the prefix that was committed at `index`, if it was. */
  committedHash(index: LogIndex): PrefixHash | undefined {
    return this.#committed[index];
  }

  /** The hashes of what was committed up to that index. */
  coveredUpTo(index: LogIndex): PrefixHash[] {
    return this.#committed.slice(0, index + 1);
  }

  /** The highest index that was known to be committed in a term before `term`. */
  committedBefore(term: Term): LogIndex {
    let index = this.committedIndex;
    while ((this.#committedIn[index] ?? 0) >= term && index > 0) index--;
    return index;
  }

  /** Notes that `index` was committed as `hash`, first seen in `term`; used by the property that watches it. */
  commit(index: LogIndex, hash: PrefixHash, term: Term): void {
    if (index !== this.#committed.length) {
      throw new Error(`Cannot commit ${index} after ${this.committedIndex}`);
    }
    this.#committed.push(hash);
    this.#committedIn.push(term);
  }

  /** Every server's latest picture. */
  get views(): ReadonlyMap<ServerId, StateView> {
    return this.#views;
  }

  #look(observation: Observation): void {
    this.#views.set(observation.server, observation.is);
    for (const property of this.#properties) property.check(observation, this);
  }

  /** The hashes up to an index that a server has from a snapshot; so it was committed, by whomever. */
  #covered(server: ServerId, index: LogIndex): PrefixHash[] {
    if (index > this.committedIndex) {
      throw new Violation(`${server} has a snapshot of index ${index}, which nobody committed`);
    }
    return this.coveredUpTo(index);
  }

  #extend(prefix: PrefixHash[], entry: Entry): Entered {
    const { index, term } = entry;
    if (index !== prefix.length) throw new Violation(`Log gap: entry ${index} follows ${prefix.length - 1}`);
    const hash = chain(prefix[index - 1] ?? 0, entry);
    prefix.push(hash);
    return { index, term, hash };
  }
}

/** Folds an entry into the hash of what is before it; 52 bits, integer arithmetic only. */
export function chain(before: PrefixHash, { term, index, kind, payload, configuration }: Entry): PrefixHash {
  let a = Math.imul((before >>> 0) ^ 0x9e3779b9, 0x85ebca6b);
  let b = Math.imul(Math.floor(before / 2 ** 26) ^ 0xc2b2ae35, 0x27d4eb2f);
  const extra = configuration === null ? "" : JSON.stringify(configuration);
  const bytes = payload.length;
  const total = 3 + bytes + extra.length;
  for (let i = 0; i < total; i++) {
    const value = i >= 3
      ? i - 3 < bytes ? payload[i - 3] ?? 0 : extra.charCodeAt(i - 3 - bytes)
      : i === 0
      ? term
      : i === 1
      ? index
      : kind.charCodeAt(0);
    a = Math.imul(a ^ value, 0x01000193) ^ (b >>> 13);
    b = Math.imul(b ^ value ^ (a >>> 15), 0x5bd1e995);
  }
  a ^= a >>> 16;
  b ^= b >>> 15;
  return (a >>> 6) * 2 ** 26 + (b >>> 6);
}
