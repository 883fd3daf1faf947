/**
 * Who the members are, and what counts as a quorum of them (dissertation chapter 4).
 *
 * Keeps true: every quorum of one configuration shares a server with every other quorum of it. All counting goes through here:
 * votes, commit index and read rounds use the same sets (R9, M5 of the bug catalogue).
 *
 * Joint configurations and learners will be further fields here; nobody else counts servers.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { ServerId } from "./types.ts";

export class Configuration {
  /** Who votes and counts, in a fixed order. */
  readonly voters: readonly ServerId[];

  constructor(voters: readonly ServerId[]) {
    assert(voters.length >= 1, "A configuration has at least one voter");
    assert(new Set(voters).size === voters.length, "A configuration names every voter once");
    this.voters = [...voters].sort(byId);
  }

  isVoter(id: ServerId): boolean {
    return this.voters.includes(id);
  }

  /** How many voters make a quorum: more than half, also of an even number (L25). */
  get quorumSize(): number {
    return Math.floor(this.voters.length / 2) + 1;
  }

  /** Whether these servers hold a quorum; servers that do not vote do not count. */
  isQuorum(servers: ReadonlySet<ServerId>): boolean {
    let count = 0;
    for (const id of this.voters) if (servers.has(id)) count++;
    return count >= this.quorumSize;
  }

  /** The largest number that a quorum has reached, where `reached` tells each voter's. */
  quorumReached(reached: (id: ServerId) => number): number {
    const numbers = this.voters.map(reached).sort(descending);
    const result = numbers[this.quorumSize - 1];
    assert(result !== undefined, "A quorum is not larger than the set of voters");
    return result;
  }
}

/** Orders ids by their UTF-16 code units, the same on every engine and in every locale. */
function byId(a: ServerId, b: ServerId): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function descending(a: number, b: number): number {
  return b - a;
}
