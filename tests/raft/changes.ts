/**
 * Two changes of members in a row on a theatre, and a leader that dies after one of the messages.
 *
 * A run begins with a settled configuration and A as leader. The first change is asked for, messages arrive one by one in the order in
 * which they were sent, time passes when none is under way, until the change is settled; then the second one. After the chosen message, or
 * when a change was just asked for, the leader dies, or is cut off; what it had sent and nobody got arrives or is lost. Another server campaigns first, as chosen; the dead one comes back, and
 * what is left of the changes goes on.
 *
 * What a configuration should be is told by a model of three lines for each change, which knows nothing of joint consensus.
 *
 * @module
 */
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import type { Effect } from "../../internal/raft/effect.ts";
import type { ConfigurationChange } from "../../internal/raft/input.ts";
import type { ConfigurationValue, Member, ServerId } from "../../internal/raft/types.ts";
import { Theatre } from "../scenarios/theatre.ts";
import type { MakeRaft } from "./life.ts";

export const IDS: readonly ServerId[] = ["A", "B", "C", "D"];

/** Who votes, who learns, and which learners are to vote by themselves, in whose place: all that a change is about. */
export interface Shape {
  readonly voters: readonly ServerId[];
  readonly learners: readonly ServerId[];
}

/** A change, and who would be what after it; `null` for a change that must be refused. */
export interface Planned {
  readonly name: string;
  readonly change: ConfigurationChange;
  readonly leadsTo: Shape | null;
}

function memberOf(id: ServerId, promote: boolean, replaces: ServerId | null): Member {
  return { id, address: `${id}:1`, incarnation: "", priority: 100, promote, replaces };
}

/** Every change that can be asked for over the four ids, allowed or not. */
export function changesOf({ voters, learners }: Shape): readonly Planned[] {
  const planned: Planned[] = [];
  const plan = (name: string, change: ConfigurationChange, leadsTo: Shape | null) =>
    planned.push({ name, change, leadsTo });
  for (const id of IDS) {
    const isVoter = voters.includes(id);
    const isLearner = learners.includes(id);
    const isMember = isVoter || isLearner;
    const isLast = isVoter && voters.length === 1;
    plan(
      `add ${id}`,
      { kind: "add", member: memberOf(id, false, null) },
      isMember ? null : { voters, learners: [...learners, id] },
    );
    plan(
      `add ${id} to vote`,
      { kind: "add", member: memberOf(id, true, null) },
      isMember ? null : { voters: [...voters, id], learners },
    );
    for (const old of isMember ? [] : voters) {
      plan(
        `replace ${old} by ${id}`,
        { kind: "add", member: memberOf(id, true, old) },
        { voters: [...voters.filter((one) => one !== old), id], learners },
      );
    }
    plan(
      `remove ${id}`,
      { kind: "remove", id },
      !isMember || isLast
        ? null
        : { voters: voters.filter((one) => one !== id), learners: learners.filter((one) => one !== id) },
    );
    plan(
      `promote ${id}`,
      { kind: "promote", id },
      isLearner ? { voters: [...voters, id], learners: learners.filter((one) => one !== id) } : null,
    );
    plan(
      `demote ${id}`,
      { kind: "demote", id },
      isVoter && !isLast ? { voters: voters.filter((one) => one !== id), learners: [...learners, id] } : null,
    );
    plan(
      `update ${id}`,
      { kind: "update", members: [memberOf(id, false, null)] },
      isMember ? { voters, learners } : null,
    );
  }
  return planned;
}

export function shown({ voters, learners }: Shape): string {
  return `${[...voters].sort().join("")}/${[...learners].sort().join("")}`;
}

/** When the leader dies, and what comes then. */
export interface Crash {
  /** After so many events: a change is asked for, a message arrives. */
  readonly after: number;
  /** Whether it dies, or is cut off from everybody for as long and knows nothing of it. */
  readonly isCutOff: boolean;
  /** Whether what it sent and nobody got is lost with it. */
  readonly isSilent: boolean;
  /** Who campaigns first, if it can: the how-manieth of the others. */
  readonly heir: number;
}

export interface Run {
  /** How often a change was asked for or a message arrived until it was settled. */
  readonly events: number;
  readonly hasCrashed: boolean;
  /** Which of the changes were refused, and why. */
  readonly refused: readonly string[];
  readonly end: Shape;
}

const HEARTBEAT_MS = 400;
const LIVE_MS = 3000;

export class Changes {
  readonly #theatre: Theatre;
  readonly #crash: Crash | null;
  readonly #refused: string[] = [];
  #events = 0;
  #hasCrashed = false;
  #requestId = 0;
  #leader: ServerId = "A";

  constructor(start: Shape, crash: Crash | null, makeRaft?: MakeRaft) {
    const all = configurationOfVoters([...start.voters, ...start.learners]);
    const configuration: ConfigurationValue = {
      voters: [...start.voters].sort(),
      outgoing: [],
      learners: [...start.learners].sort(),
      members: all.members.map(({ id }) => memberOf(id, false, null)),
    };
    const births = IDS.map((id) => ({
      id,
      configuration: configuration.members.some((member) => member.id === id) ? configuration : null,
    }));
    this.#theatre = new Theatre(
      births,
      { heartbeatMs: HEARTBEAT_MS },
      (_, effect) => this.#hear(effect),
      "changes",
      makeRaft,
    );
    this.#crash = crash;
  }

  /** @throws if an invariant breaks, or if the cluster does not end live */
  run(changes: readonly Planned[]): Run {
    this.#theatre.timeout("A");
    this.#theatre.pass(1500);
    for (const { change } of changes) {
      const leader = this.#liveLeader();
      this.#theatre.input(leader, {
        kind: "changeConfiguration",
        requestId: ++this.#requestId,
        change,
        ifIndex: null,
      });
      if (!this.#diesNow()) this.#settle();
      // Whoever is to vote must have been heard for a while.
      this.#theatre.pass(1500);
    }
    const end = this.#checkLive();
    return { events: this.#events, hasCrashed: this.#hasCrashed, refused: this.#refused, end };
  }

  #hear(effect: Effect): void {
    if (effect.kind === "changeRefused") this.#refused.push(effect.reason);
    if (effect.kind === "halt") throw new Error(`halts: ${effect.reason}`);
    if (effect.kind === "objection") throw new Error(`objects to ${effect.from}: ${effect.reason}`);
  }

  /** Messages and time until the change is done with, one way or the other; and the crash, if its moment comes. */
  #settle(): void {
    for (let steps = 0; !this.#isSettled(); steps++) {
      if (steps > 3000) throw new Error("the change is never settled");
      const { envelopes } = this.#theatre;
      if (envelopes.length === 0) {
        this.#passToNext();
        continue;
      }
      this.#theatre.deliver(0);
      if (this.#diesNow()) return;
    }
  }

  /** Counts what happened; tells whether the leader died of it. */
  #diesNow(): boolean {
    this.#events++;
    this.#leader = this.#leaders()[0] ?? this.#leader;
    if (this.#crash === null || this.#crash.after !== this.#events) return false;
    this.#die(this.#crash);
    return true;
  }

  /** Nothing is under way, and whoever leads has no change to finish. */
  #isSettled(): boolean {
    const [leader] = this.#leaders();
    if (leader === undefined || this.#theatre.envelopes.length > 0) return false;
    const { configuration, configurationIndex, commitIndex } = this.#view(leader);
    return configuration.outgoing.length === 0 && configurationIndex <= commitIndex &&
      configuration.voters.includes(leader) && configuration.members.every(({ promote }) => !promote);
  }

  #die({ isCutOff, isSilent, heir }: Crash): void {
    const theatre = this.#theatre;
    const dead = this.#leader;
    const others = IDS.filter((id) => id !== dead);
    this.#hasCrashed = true;
    if (!isSilent) {
      theatre.envelopes.filter(({ from }) => from === dead).forEach(() => this.#deliverFrom(dead));
    }
    if (!isCutOff) theatre.crash(dead, 0);
    for (const other of others) {
      theatre.cut(dead, other);
      theatre.cut(other, dead);
    }
    theatre.deliverAll();
    theatre.timeout(others[heir] ?? dead);
    theatre.pass(LIVE_MS);
    theatre.mendAll();
    if (!isCutOff) theatre.restart(dead);
    theatre.pass(LIVE_MS);
  }

  #deliverFrom(id: ServerId): void {
    this.#theatre.deliver(this.#theatre.envelopes.findIndex(({ from }) => from === id));
  }

  #passToNext(): void {
    const next = [...this.#theatre.actors.values()].filter(({ isUp }) => isUp)
      .reduce((first, one) => one.raft.wakeAt < first.raft.wakeAt ? one : first);
    this.#theatre.timeout(next.id);
  }

  /** Who takes itself for the leader; the one of the newest term first. */
  #leaders(): readonly ServerId[] {
    return IDS.filter((id) => this.#theatre.actor(id).isUp && this.#view(id).role === "leader")
      .sort((a, b) => this.#view(b).currentTerm - this.#view(a).currentTerm);
  }

  #view(id: ServerId) {
    return this.#theatre.actor(id).raft.view();
  }

  #liveLeader(): ServerId {
    const [leader] = this.#leaders();
    if (leader === undefined) throw new Error("nobody leads");
    return leader;
  }

  /** Somebody leads, has nothing left to settle, commits a write, and every member hears of it. */
  #checkLive(): Shape {
    this.#theatre.pass(1000);
    const leader = this.#liveLeader();
    const before = this.#view(leader);
    if (!this.#isSettled()) throw new Error(`${leader} does not finish the change`);
    this.#theatre.input(leader, {
      kind: "clientRequest",
      requestId: ++this.#requestId,
      payloads: [Uint8Array.of(1)],
    });
    this.#theatre.pass(1000);
    const { voters, learners, members } = before.configuration;
    for (const { id } of members) {
      const { commitIndex } = this.#view(id);
      if (commitIndex <= before.lastIndex) {
        throw new Error(`${id} has only ${commitIndex}, after ${before.lastIndex} comes a write`);
      }
    }
    return { voters, learners };
  }
}
