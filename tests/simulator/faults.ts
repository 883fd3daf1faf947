/**
 * Strikes: when which fault hits whom, and when it is over.
 *
 * Everything is drawn from one random stream, so a seed has the same strikes whatever the servers do.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import { type Odds, type Strike, strikes } from "./odds.ts";
import type { SimNetwork } from "./sim_network.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** What can be done to the world; each tells whether it could be done now. */
export interface Victims {
  readonly ids: readonly string[];
  readonly time: VirtualTime;
  readonly network: SimNetwork;
  /** Ends the life of a server that is up; it is started again after a while. */
  end(id: string, power: boolean): boolean;
  pause(id: string, forMs: number): boolean;
  slowDisk(id: string, forMs: number): boolean;
  /** The next operation of the kind fails. */
  failNext(id: string, strike: "syncError" | "writeError"): boolean;
  /** Operations of the kind fail for a while. */
  failFor(id: string, strike: "noSpace" | "readError", forMs: number): boolean;
  rot(id: string): boolean;
  dropClient(random: Random): boolean;
  /** A fault struck; for counts and pictures. */
  struck(strike: Strike, id: string | null): void;
}

/** Schedules the strikes of a seed until `stop` is called. */
export function scheduleStrikes(odds: Odds, random: Random, victims: Victims): { stop(): void } {
  let isOver = false;
  const { time } = victims;
  for (const strike of strikes) {
    const everyMs = odds.everyMs[strike];
    if (everyMs === 0) continue;
    const own = random.fork(strike);
    const next = () => {
      time.at(time.now + 1 + own.below(2 * everyMs), () => {
        if (isOver) return;
        const id = victims.ids[own.below(victims.ids.length)] ?? "n1";
        if (hit(strike, id, own, victims)) victims.struck(strike, isPartition(strike) ? null : id);
        next();
      });
    };
    next();
  }
  return { stop: () => isOver = true };
}

function isPartition(strike: Strike): boolean {
  return strike === "halves" || strike === "links" || strike === "clientGone";
}

function hit(strike: Strike, id: string, random: Random, victims: Victims): boolean {
  const { network, time } = victims;
  switch (strike) {
    case "crash":
      return victims.end(id, true);
    case "kill":
      return victims.end(id, false);
    case "pause":
      return victims.pause(id, 10 + random.below(3000));
    case "slowDisk":
      return victims.slowDisk(id, 200 + random.below(3000));
    case "syncError":
    case "writeError":
      return victims.failNext(id, strike);
    case "noSpace":
    case "readError":
      return victims.failFor(id, strike, 200 + random.below(3000));
    case "bitRot":
      return victims.rot(id);
    case "clientGone":
      return victims.dropClient(random);
    case "halves":
    case "alone":
    case "oneWay":
    case "links":
      for (const [from, to] of cutsOf(strike, id, random, victims.ids)) network.cut(from, to);
      time.at(time.now + 50 + random.below(4000), () => network.heal());
      return true;
    case "flap": {
      const other = victims.ids.find((candidate) => candidate !== id) ?? "n1";
      const periodMs = 20 + random.below(600);
      for (let i = 0; i < 8; i++) {
        time.at(time.now + i * periodMs, () => {
          if (i % 2 === 1) return network.heal();
          network.cut(id, other);
          network.cut(other, id);
        });
      }
      return true;
    }
  }
}

/** The directed links that a partition cuts. */
function cutsOf(
  strike: "halves" | "alone" | "oneWay" | "links",
  id: string,
  random: Random,
  ids: readonly string[],
): (readonly [string, string])[] {
  const side = new Set(ids.filter(() => random.chance(1, 2)));
  const silent = random.chance(1, 2);
  const cuts: (readonly [string, string])[] = [];
  for (const from of ids) {
    for (const to of ids) {
      if (from === to) continue;
      const isCut = strike === "halves"
        ? side.has(from) !== side.has(to)
        : strike === "alone"
        ? from === id || to === id
        : strike === "oneWay"
        ? (silent ? from : to) === id
        : random.chance(1, 3);
      if (isCut) cuts.push([from, to]);
    }
  }
  return cuts;
}
