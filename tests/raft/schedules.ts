/**
 * All schedules, breadth-first: every state that several servers can come to when anything may happen next, as in the
 * specification's next-state relation, within bounds.
 *
 * The network holds a set of messages, as many as a bound says. Each can arrive at any time, and a bounded number of times stay under
 * way nevertheless; when more are sent than the network holds, any of them are lost, and every choice is gone into. So it reorders,
 * duplicates and loses; a message that is never delivered is as good as lost, so nothing is taken out otherwise. What would change
 * nothing if it arrived in the moment in which it is sent is lost at once. A server syncs its writes one by one; a crash loses those
 * that are not synced and starts the server again (one that keeps some of them is a sync and then a crash). A timer may ring at any time,
 * a leader's as often as it likes.
 *
 * States that differ by the names of the servers only are one: each is known by the smallest of its hashes under all namings, of 64
 * bits. Among ten million states two are taken for one with a chance of less than one to a hundred thousand.
 *
 * Checked in every state, besides what a life checks by itself: election safety (I1), log matching (I3), leader completeness of every leader
 * at any time (I4), state machine safety (I5), what is committed is durable on a quorum (I7), is never removed (I18) and is in the log
 * of whoever gets a vote (I19); reads cover what was committed when they were asked for (I28).
 *
 * @module
 */
import { must } from "../../internal/base/assert.ts";
import { majorityOf } from "../../internal/raft/configuration.ts";
import { Raft } from "../../internal/raft/raft.ts";
import type { Settings } from "../../internal/raft/state.ts";
import type { LogIndex, ServerId, Term } from "../../internal/raft/types.ts";
import { type PrefixHash, Violation } from "../invariants/ghost.ts";
import type { MakeRaft } from "./life.ts";
import {
  CRASH,
  Hashes,
  hashOf,
  type LifeState,
  Lives,
  MESSAGE,
  READ,
  type Step,
  SYNC,
  TIMEOUT,
  WRITE,
} from "./lives.ts";
import { Seen } from "./seen.ts";

/** How far the enumeration goes. */
export interface Bounds {
  readonly servers: number;
  /** Nobody campaigns beyond this term. */
  readonly terms: number;
  /** How many writes, reads and crashes there are, all servers together. */
  readonly writes: number;
  readonly reads: number;
  readonly crashes: number;
  /** How often somebody campaigns, all servers together. */
  readonly campaigns: number;
  /** How often a message is delivered and stays under way. */
  readonly duplicates: number;
  /** How many writes are unsynced at most, all servers together; what is more is synced at once, the oldest first. */
  readonly unsynced: number;
  /** How many messages are under way at most. */
  readonly messages: number;
  /** Steps from the beginning; states at this distance are checked and not left. */
  readonly depth?: number;
}

export interface Count {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** Nothing within the other bounds was left out for the sake of the depth. */
  readonly isComplete: boolean;
  /** Different states of one server, different messages, steps of cores. */
  readonly lives: number;
  readonly messages: number;
  readonly steps: number;
}

/** What an onlooker remembers: what was ever committed, when each part was first known, and who led each term. */
interface History {
  readonly number: number;
  readonly prefix: readonly PrefixHash[];
  readonly terms: readonly Term[];
  readonly leaders: readonly (ServerId | null)[];
}

/** A state of the cluster. */
interface Cluster {
  readonly number: number;
  readonly lives: readonly LifeState[];
  readonly history: History;
  readonly writes: number;
  readonly crashes: number;
  readonly campaigns: number;
  readonly duplicates: number;
  /** What was committed when each read was asked for. */
  readonly floors: readonly LogIndex[];
  /** Numbers of the messages under way, ascending. */
  readonly messages: readonly number[];
}

export class Schedules {
  readonly #bounds: Bounds;
  readonly #ids: readonly ServerId[];
  readonly #lives: Lives;
  readonly #histories: History[] = [];
  readonly #historiesByKey = new Map<string, History>();
  readonly #historyHashes: Hashes;
  readonly #namings: readonly ((id: ServerId) => string)[];
  readonly #seen = new Seen();
  readonly #counters = new Map<number, number>();
  readonly #counterHashes: Hashes;
  readonly #matching = new Set<number>();
  #transitions = 0;

  constructor(
    bounds: Bounds,
    settings: Partial<Settings> = {},
    makeRaft: MakeRaft = (options) => new Raft(options),
  ) {
    this.#bounds = bounds;
    const ids = ["A", "B", "C", "D", "E"].slice(0, bounds.servers);
    this.#ids = ids;
    this.#namings = permutations(ids).map((order) => (id: ServerId) => order[ids.indexOf(id)] ?? id);
    this.#historyHashes = new Hashes(this.#namings.length);
    this.#counterHashes = new Hashes(this.#namings.length);
    this.#lives = new Lives(ids, this.#namings, settings, makeRaft);
  }

  /** Goes through all states. @throws {Violation} with the way to it, if one breaks an invariant */
  run(progress: (depth: number, states: number, frontier: number) => void = () => {}): Count {
    const first: Cluster = {
      number: 0,
      lives: this.#ids.map((id) => this.#lives.birth(id)),
      history: this.#historyOf([0], [0], []),
      writes: 0,
      crashes: 0,
      campaigns: 0,
      duplicates: 0,
      floors: [],
      messages: [],
    };
    this.#isNew(first, 0, 0);
    let frontier = [first];
    let depth = 0;
    while (frontier.length > 0 && depth < (this.#bounds.depth ?? Infinity)) {
      const next: Cluster[] = [];
      for (const cluster of frontier) this.#expand(cluster, next);
      frontier = next;
      depth++;
      progress(depth, this.#seen.size, frontier.length);
    }
    return {
      states: this.#seen.size,
      transitions: this.#transitions,
      depth,
      isComplete: frontier.length === 0,
      lives: this.#lives.states.length,
      messages: this.#lives.messages.length,
      steps: this.#lives.taken,
    };
  }

  #expand(cluster: Cluster, next: Cluster[]): void {
    const bounds = this.#bounds;
    for (let place = 0; place < cluster.lives.length; place++) {
      const life = must(cluster.lives[place], "There is a server");
      const mayCampaign = cluster.campaigns < bounds.campaigns && life.term < bounds.terms;
      if (life.role === "leader" || mayCampaign) this.#try(cluster, place, TIMEOUT, next);
      if (life.pendingWrites > 0) this.#try(cluster, place, SYNC, next);
      if (cluster.crashes < bounds.crashes) this.#try(cluster, place, CRASH, next);
      if (life.role !== "leader") continue;
      if (cluster.writes < bounds.writes) this.#try(cluster, place, WRITE + cluster.writes, next);
      if (cluster.floors.length < bounds.reads) this.#try(cluster, place, READ + cluster.floors.length, next);
    }
    for (const number of cluster.messages) {
      this.#try(cluster, must(this.#lives.messages[number], "It was sent").place, MESSAGE + number, next);
    }
  }

  #try(cluster: Cluster, place: number, code: number, next: Cluster[]): void {
    const life = must(cluster.lives[place], "There is a server");
    try {
      const step = this.#stepOf(cluster, life, code);
      const isCounted = code === CRASH || (code >= WRITE && code < MESSAGE);
      if (!isCounted && this.#isIdle(cluster, life, step)) return;
      const child = this.#after(cluster, place, code, step);
      if (code < MESSAGE) return this.#send(child, cluster.messages, step, cluster, place, code, next);
      const left = cluster.messages.filter((number) => number !== code - MESSAGE);
      this.#send(child, left, step, cluster, place, code, next);
      if (cluster.duplicates === this.#bounds.duplicates) return;
      const again = { ...child, duplicates: child.duplicates + 1 };
      this.#send(again, cluster.messages, step, cluster, place, code, next);
    } catch (cause) {
      const way = [...this.#wayTo(cluster.number), this.#shown(place, code)];
      throw new Violation(`${cause instanceof Error ? cause.message : cause}\n${way.join("\n")}`, { cause });
    }
  }

  /** Whether a step changes nothing but what is under way, and that by nothing that would change anything. */
  #isIdle(cluster: Cluster, life: LifeState, step: Step): boolean {
    return step.to === life &&
      step.sent.every((number) => cluster.messages.includes(number) || this.#isInert(cluster, number));
  }

  /** Whether a message would change nothing if it arrived now, nor would what is answered. */
  #isInert(cluster: Cluster, number: number): boolean {
    const { place } = must(this.#lives.messages[number], "It was sent");
    const life = must(cluster.lives[place], "There is a server");
    const step = this.#lives.step(life, MESSAGE + number);
    return step.to === life && step.sent.every((answer) => this.#isInert(cluster, answer));
  }

  /** The step of one server; where there are more unsynced writes by it than the bound says, those of that server are synced at once. */
  #stepOf({ lives }: Cluster, life: LifeState, code: number): Step {
    let step = this.#lives.step(life, code);
    if (step.to.pendingWrites <= life.pendingWrites) return step;
    const others = lives.reduce((sum, { pendingWrites }) => sum + pendingWrites, -life.pendingWrites);
    while (step.to.pendingWrites > 0 && step.to.pendingWrites + others > this.#bounds.unsynced) {
      const { to, sent, granted, removed, readable } = this.#lives.step(step.to, SYNC);
      step = {
        to,
        sent: [...step.sent, ...sent.filter((number) => !step.sent.includes(number))],
        granted: [...step.granted, ...granted],
        removed: [...step.removed, ...removed],
        readable: [...step.readable, ...readable],
      };
    }
    return step;
  }

  #send(
    child: Cluster,
    left: readonly number[],
    { sent }: Step,
    parent: Cluster,
    place: number,
    code: number,
    next: Cluster[],
  ): void {
    const fresh = sent.filter((number) => !left.includes(number) && !this.#isInert(child, number));
    const messages = fresh.length === 0 ? left : [...left, ...fresh].sort(ascending);
    for (const kept of choices(messages, this.#bounds.messages)) {
      this.#reach({ ...child, messages: kept }, parent, place, code, next);
    }
  }

  #reach(child: Cluster, parent: Cluster, place: number, code: number, next: Cluster[]): void {
    this.#transitions++;
    const number = this.#isNew(child, parent.number, place * 2 ** 24 + code);
    if (number >= 0) next.push({ ...child, number });
  }

  #after(cluster: Cluster, place: number, code: number, step: Step): Cluster {
    const child: Cluster = {
      number: -1,
      lives: step.to === cluster.lives[place] ? cluster.lives : cluster.lives.with(place, step.to),
      history: this.#historyAfter(cluster.history, step.to),
      writes: cluster.writes + (code >= WRITE && code < READ ? 1 : 0),
      crashes: cluster.crashes + (code === CRASH ? 1 : 0),
      campaigns: cluster.campaigns + (code === TIMEOUT && cluster.lives[place]?.role !== "leader" ? 1 : 0),
      duplicates: cluster.duplicates,
      floors: code >= READ && code < MESSAGE
        ? [...cluster.floors, cluster.history.prefix.length - 1]
        : cluster.floors,
      messages: cluster.messages,
    };
    this.#check(cluster, child, place, step);
    return child;
  }

  /* ---- the checks ---- */

  #check(was: Cluster, is: Cluster, place: number, { to: life, granted, removed, readable }: Step): void {
    const { history, lives } = is;
    const isLogNew = life.prefix.at(-1) !== was.lives[place]?.prefix.at(-1);
    for (let other = 0; other < lives.length; other++) {
      const another = must(lives[other], "There is a server");
      if (other !== place && isLogNew) this.#checkMatching(life, another);
      if (another.role === "leader") checkComplete(another, history);
    }
    if (life.role === "leader" && life.commitIndex > 0) checkDurable(life, lives);
    for (const { index, hash } of removed) {
      if (was.history.prefix[index] === hash) {
        throw new Violation(`${life.id} removes ${index}, which is committed`);
      }
    }
    for (const candidate of granted) {
      const { prefix } = must(lives[this.#ids.indexOf(candidate)], "There is a server");
      if (prefix[life.commitIndex] !== history.prefix[life.commitIndex]) {
        throw new Violation(`${life.id} votes for ${candidate}, whose log lacks what is committed`);
      }
    }
    for (const { number, index } of readable) {
      if (index < (is.floors[number] ?? Infinity)) {
        throw new Violation(`${life.id} answers a read at ${index}, too early`);
      }
    }
  }

  #checkMatching(one: LifeState, other: LifeState): void {
    const pair = one.number * 2 ** 22 + other.number;
    if (this.#matching.has(pair)) return;
    for (let index = Math.min(one.terms.length, other.terms.length) - 1; index > 0; index--) {
      if (one.terms[index] !== other.terms[index]) continue;
      if (one.prefix[index] === other.prefix[index]) break;
      throw new Violation(
        `${one.id} and ${other.id} both have ${index}:${one.terms[index]}, with different prefixes`,
      );
    }
    this.#matching.add(pair);
  }

  #historyAfter(was: History, life: LifeState): History {
    const { id, role, term, commitIndex, prefix } = life;
    const agreed = Math.min(was.prefix.length - 1, commitIndex);
    if (was.prefix[agreed] !== prefix[agreed]) {
      throw new Violation(
        `${id} takes another entry for committed, up to ${agreed}, than was committed before`,
      );
    }
    const leader = was.leaders[term] ?? null;
    const isNews = role === "leader" && leader !== id;
    if (isNews && leader !== null) throw new Violation(`Two leaders in term ${term}: ${leader} and ${id}`);
    if (commitIndex < was.prefix.length && !isNews) return was;
    const leaders = [...was.leaders];
    if (isNews) leaders[term] = id;
    if (commitIndex < was.prefix.length) return this.#historyOf(was.prefix, was.terms, leaders);
    const committed = prefix.slice(0, commitIndex + 1);
    return this.#historyOf(committed, committed.map((_, index) => was.terms[index] ?? term), leaders);
  }

  #historyOf(
    prefix: readonly PrefixHash[],
    terms: readonly Term[],
    leaders: readonly (ServerId | null)[],
  ): History {
    const keyUnder = (name: (id: ServerId) => string) =>
      `${prefix.length} ${prefix.at(-1)} ${terms.join()} ${
        Array.from(leaders, (id) => id ? name(id) : "-").join()
      }`;
    const key = keyUnder((id) => id);
    let history = this.#historiesByKey.get(key);
    if (history === undefined) {
      history = { number: this.#histories.length, prefix, terms, leaders };
      this.#histories.push(history);
      this.#historiesByKey.set(key, history);
      this.#historyHashes.add(this.#namings.map((name) => hashOf(`history ${keyUnder(name)}`)));
    }
    return history;
  }

  /* ---- names ---- */

  /** The number of a state that was not seen before; -1 if it was, under whatever names. */
  #isNew(cluster: Cluster, parent: number, label: number): number {
    const { lives, history, messages } = cluster;
    const counter = this.#counterOf(cluster);
    const { hashes: ofLives, hashesOfMessages } = this.#lives;
    let bestA = 2 ** 32;
    let bestB = 2 ** 32;
    for (let naming = 0; naming < this.#namings.length; naming++) {
      let a = this.#historyHashes.a(history.number, naming) + this.#counterHashes.a(counter, naming);
      let b = this.#historyHashes.b(history.number, naming) + this.#counterHashes.b(counter, naming);
      for (const { number } of lives) {
        a += ofLives.a(number, naming);
        b += ofLives.b(number, naming);
      }
      for (const number of messages) {
        a += hashesOfMessages.a(number, naming);
        b += hashesOfMessages.b(number, naming);
      }
      a >>>= 0;
      b >>>= 0;
      if (a < bestA || (a === bestA && b < bestB)) {
        bestA = a;
        bestB = b;
      }
    }
    return this.#seen.add(bestA, bestB, parent, label);
  }

  #counterOf({ writes, crashes, campaigns, duplicates, floors }: Cluster): number {
    const bounds = this.#bounds;
    let key = (writes * (bounds.crashes + 1) + crashes) * (bounds.campaigns + 1) + campaigns;
    key = key * (bounds.duplicates + 1) + duplicates;
    for (let read = 0; read < bounds.reads; read++) key = key * 32 + (floors[read] ?? -1) + 1;
    let counter = this.#counters.get(key);
    if (counter === undefined) {
      counter = this.#counters.size;
      this.#counters.set(key, counter);
      this.#counterHashes.add(this.#namings.map(() => hashOf(`counters ${key}`)));
    }
    return counter;
  }

  #wayTo(number: number): string[] {
    const way: string[] = [];
    while (number > 0) {
      const { parent, label } = this.#seen.origin(number);
      way.push(this.#shown(Math.floor(label / 2 ** 24), label % 2 ** 24));
      number = parent;
    }
    return way.reverse();
  }

  #shown(place: number, code: number): string {
    const id = this.#ids[place];
    if (code === CRASH) return `${id} crashes and starts again`;
    const action = this.#lives.actionOf(code);
    if (action.kind !== "message") return `${id}: ${action.kind}`;
    return `${id} hears from ${action.from}: ${JSON.stringify(action.message)}`;
  }
}

function checkComplete({ id, term, prefix }: LifeState, history: History): void {
  let index = history.prefix.length - 1;
  while (index > 0 && (history.terms[index] ?? 0) >= term) index--;
  if (prefix[index] !== history.prefix[index]) {
    throw new Violation(`${id} leads term ${term} without the entries up to ${index}, committed before`);
  }
}

function checkDurable(leader: LifeState, lives: readonly LifeState[]): void {
  const index = leader.commitIndex;
  let count = 0;
  for (const { disk } of lives) if (disk.prefix[index] === leader.prefix[index]) count++;
  if (count < majorityOf(lives.length)) {
    throw new Violation(`${leader.id} takes ${index} for committed; it is durable on ${count} servers only`);
  }
}

/** All ways to keep at most so many; those that keep fewer than they could are left out. */
function choices(items: readonly number[], most: number): readonly (readonly number[])[] {
  if (items.length <= most) return [items];
  if (most === 0) return [[]];
  const [first, ...rest] = items;
  if (first === undefined) return [[]];
  return [...choices(rest, most - 1).map((kept) => [first, ...kept]), ...choices(rest, most)];
}

function permutations(items: readonly ServerId[]): readonly (readonly ServerId[])[] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest])
  );
}

function ascending(a: number, b: number): number {
  return a - b;
}
