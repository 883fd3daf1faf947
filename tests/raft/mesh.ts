/**
 * The mesh: several cores that are linked by a graph, with virtual time. A message takes a few milliseconds, a write none; a link
 * that the graph lacks loses everything, and the graph stays as it is.
 *
 * Keeps true: the Raft properties are checked after every step of every core (theatre.ts); the same seed gives the same run.
 *
 * @module
 */
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { configurationOfVoters, majorityOf } from "../../internal/raft/configuration.ts";
import type { Settings } from "../../internal/raft/state.ts";
import type { LogIndex, Millis, ServerId, Term } from "../../internal/raft/types.ts";
import { type Envelope, Theatre } from "../scenarios/theatre.ts";

/** Which messages arrive: `has(from, to)`. */
export interface Graph {
  readonly ids: readonly ServerId[];
  has(from: ServerId, to: ServerId): boolean;
}

/** The directed graph whose links are the bits of a number, in the order of `from`, then of `to`. */
export function directedGraph(ids: readonly ServerId[], bits: number): Graph {
  return graphOf(ids, pairsOf(ids).flatMap(([a, b]) => [[a, b], [b, a]] as const), bits);
}

/** The undirected graph whose edges are the bits of a number. */
export function undirectedGraph(ids: readonly ServerId[], bits: number): Graph {
  const one = graphOf(ids, pairsOf(ids), bits);
  return { ids, has: (from, to) => one.has(from, to) || one.has(to, from) };
}

/** Who has two-way links to a quorum, itself included. */
export function capableOf(graph: Graph): readonly ServerId[] {
  return graph.ids.filter((id) => linksOf(graph, id).length >= majorityOf(graph.ids.length));
}

/** With whom it has a two-way link, itself included. */
export function linksOf({ ids, has }: Graph, id: ServerId): readonly ServerId[] {
  return ids.filter((other) => other === id || (has(id, other) && has(other, id)));
}

function pairsOf(ids: readonly ServerId[]): (readonly [ServerId, ServerId])[] {
  return ids.flatMap((a, i) => ids.slice(i + 1).map((b) => [a, b] as const));
}

function graphOf(
  ids: readonly ServerId[],
  pairs: readonly (readonly [ServerId, ServerId])[],
  bits: number,
): Graph {
  const links = new Set(pairs.filter((_, i) => ((bits >> i) & 1) === 1).map(([from, to]) => `${from}>${to}`));
  return { ids, has: (from, to) => links.has(`${from}>${to}`) };
}

interface UnderWay {
  readonly at: Millis;
  readonly envelope: Envelope;
}

const WRITE_EVERY_MS = 350;
const DELAY_MAX_MS = 20;

export class Mesh {
  readonly ids: readonly ServerId[];
  readonly #theatre: Theatre;
  readonly #random: Random;
  #underWay: UnderWay[] = [];
  #nextWriteAt: Millis = 0;
  #requestId = 0;
  #steps = 0;

  constructor(ids: readonly ServerId[], seed: string, settings: Partial<Settings> = {}) {
    this.ids = ids;
    const configuration = configurationOfVoters(ids);
    this.#theatre = new Theatre(ids.map((id) => ({ id, configuration })), settings, () => {}, seed);
    this.#random = new SeededRandom(seed).fork("delays");
  }

  get now(): Millis {
    return this.#theatre.now;
  }

  get steps(): number {
    return this.#steps;
  }

  /** From now on only these links carry anything; what is under way elsewhere is lost. */
  impose({ ids, has }: Graph): void {
    this.#underWay = this.#underWay.filter(({ envelope: { from, to } }) => has(from, to));
    this.#theatre.mendAll();
    for (const from of ids) {
      for (const to of ids) if (from !== to && !has(from, to)) this.#theatre.cut(from, to);
    }
  }

  /** Time passes until that server leads: elected, or handed the lead. */
  untilLeads(id: ServerId): void {
    for (let tries = 0; this.leaders.join() !== id; tries++) {
      if (tries > 10) throw new Error(`Cannot make ${id} lead; the leaders are "${this.leaders.join()}"`);
      this.pass(3000);
      const [leader] = this.leaders;
      if (leader === undefined || leader === id) continue;
      this.#theatre.input(leader, { kind: "transferLeadership", requestId: ++this.#requestId, to: id });
      this.#send();
      this.pass(1000);
    }
  }

  /** Time passes; whoever takes itself for the leader is asked for a write now and then. `look` sees every step. */
  pass(ms: Millis, look: () => void = () => {}): void {
    const until = this.now + ms;
    while (true) {
      const message = this.#underWay[0];
      const sleeper = this.#nextToWake();
      const at = Math.min(message?.at ?? Infinity, sleeper.at, this.#nextWriteAt);
      if (at > until) break;
      this.#theatre.now = Math.max(this.now, at);
      if (at === this.#nextWriteAt) this.#write();
      else if (at === message?.at) this.#arrive(message.envelope);
      else this.#theatre.input(sleeper.id, { kind: "tick" });
      this.#send();
      this.#steps++;
      look();
    }
    this.#theatre.now = until;
  }

  /** Time passes until somebody is just asked for a write; nobody else knows of it yet. */
  untilWrites(): void {
    this.pass(this.#nextWriteAt - this.now);
  }

  get leaders(): readonly ServerId[] {
    return this.ids.filter((id) => this.#view(id).role === "leader");
  }

  get maxTerm(): Term {
    return Math.max(...this.ids.map((id) => this.#view(id).currentTerm));
  }

  commitIndexOf(id: ServerId): LogIndex {
    return this.#view(id).commitIndex;
  }

  /** Whether the log of one is newer than that of another (3.6.1). */
  isNewer(one: ServerId, other: ServerId): boolean {
    const [a, b] = [this.#view(one), this.#view(other)];
    return a.lastTerm !== b.lastTerm ? a.lastTerm > b.lastTerm : a.lastIndex > b.lastIndex;
  }

  #view(id: ServerId) {
    const view = this.#theatre.ghost.views.get(id);
    if (view === undefined) throw new Error(`Cannot find ${id}`);
    return view;
  }

  #nextToWake(): { readonly id: ServerId; readonly at: Millis } {
    let first = { id: "", at: Infinity };
    for (const [id, { raft }] of this.#theatre.actors) {
      if (raft.wakeAt < first.at) first = { id, at: raft.wakeAt };
    }
    return first;
  }

  #write(): void {
    this.#nextWriteAt = this.now + WRITE_EVERY_MS;
    for (const id of this.leaders) {
      this.#theatre.input(id, {
        kind: "clientRequest",
        requestId: ++this.#requestId,
        payloads: [Uint8Array.of(this.#requestId & 255, this.#requestId >> 8)],
      });
    }
  }

  #arrive(envelope: Envelope): void {
    this.#underWay.shift();
    this.#theatre.envelopes.push(envelope);
    this.#theatre.deliver(this.#theatre.envelopes.length - 1);
  }

  /** What the cores said is under way from now on; what one says to another arrives in order. */
  #send(): void {
    const { envelopes } = this.#theatre;
    for (const envelope of envelopes) {
      const { from, to } = envelope;
      const before = this.#underWay.findLast((one) => one.envelope.from === from && one.envelope.to === to);
      const at = Math.max(this.now + this.#random.between(1, DELAY_MAX_MS), before?.at ?? 0);
      const place = this.#underWay.findLastIndex((one) => one.at <= at) + 1;
      this.#underWay.splice(place, 0, { at, envelope });
    }
    envelopes.length = 0;
  }
}
