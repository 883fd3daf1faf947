/**
 * What counts as a quorum of the members (dissertation chapter 4).
 *
 * Keeps true: every quorum of one configuration shares a server with every other quorum of it, and a quorum of a joint one is a
 * quorum of each of its halves (4.3; M5). All counting goes through here: votes, commit index, read rounds and the check
 * that a leader is heard use the same sets (R9, M8). Learners never count.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { ConfigurationValue, Member, ServerId } from "./types.ts";

/** The configuration of a server that was not told who the members are: nobody. */
export const NO_MEMBERS: ConfigurationValue = { voters: [], outgoing: [], learners: [], members: [] };

export class Configuration {
  readonly value: ConfigurationValue;
  readonly #voters: ReadonlySet<ServerId>;
  readonly #members: ReadonlyMap<ServerId, Member>;

  constructor(value: ConfigurationValue) {
    this.value = value;
    this.#voters = new Set([...value.voters, ...value.outgoing]);
    this.#members = new Map(value.members.map((member) => [member.id, member]));
    for (const id of this.#voters) assert(this.#members.has(id), "Every voter is a member");
    assert(value.voters.length > 0 || this.#members.size === 0, "Members have voters among them");
  }

  /** Whether it has a vote, in the old or the new half. */
  isVoter(id: ServerId): boolean {
    return this.#voters.has(id);
  }

  /** Whether nobody else has a vote. */
  isSoleVoter(id: ServerId): boolean {
    return this.#voters.size === 1 && this.#voters.has(id);
  }

  isMember(id: ServerId): boolean {
    return this.#members.has(id);
  }

  get isJoint(): boolean {
    return this.value.outgoing.length > 0;
  }

  /** Everybody with a vote in either half, in a fixed order. */
  get voters(): readonly ServerId[] {
    return [...this.#voters];
  }

  /** Everybody who gets the log. */
  get members(): readonly Member[] {
    return this.value.members;
  }

  member(id: ServerId): Member | null {
    return this.#members.get(id) ?? null;
  }

  /** Whether these servers hold a quorum of every half; servers that do not vote do not count. */
  isQuorum(servers: ReadonlySet<ServerId>): boolean {
    const { voters, outgoing } = this.value;
    return isMajority(voters, servers) && (outgoing.length === 0 || isMajority(outgoing, servers));
  }

  /** The largest number that a quorum of every half has reached, where `reached` tells each voter's; -Infinity without voters. */
  quorumReached(reached: (id: ServerId) => number): number {
    const { voters, outgoing } = this.value;
    const number = majorityReached(voters, reached);
    return outgoing.length === 0 ? number : Math.min(number, majorityReached(outgoing, reached));
  }
}

/** How many of so many voters are more than half, also of an even number (L25). */
export function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

function isMajority(voters: readonly ServerId[], servers: ReadonlySet<ServerId>): boolean {
  let count = 0;
  for (const id of voters) if (servers.has(id)) count++;
  return count >= majorityOf(voters.length);
}

/** Counted for each number on its own: voters are few, and sorting that many takes a microsecond longer. */
function majorityReached(voters: readonly ServerId[], reached: (id: ServerId) => number): number {
  const numbers = voters.map(reached);
  const needed = majorityOf(voters.length);
  let best = -Infinity;
  for (const number of numbers) {
    if (number <= best) continue;
    let count = 0;
    for (const other of numbers) if (other >= number) count++;
    if (count >= needed) best = number;
  }
  return best;
}

/** Orders ids by their UTF-16 code units, the same on every engine and in every locale. */
export function byId(a: ServerId, b: ServerId): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A configuration of these voters and nobody else, of which nothing more is known. */
export function configurationOfVoters(voters: readonly ServerId[]): ConfigurationValue {
  const sorted = [...voters].sort(byId);
  return { voters: sorted, outgoing: [], learners: [], members: sorted.map((id) => memberOf(id)) };
}

/** A member with nothing special about it. */
function memberOf(id: ServerId, address = ""): Member {
  return { id, address, incarnation: "", priority: 100, promote: false, replaces: null };
}
