/**
 * What a seed is like: how many servers, which faults and how often, what clients do. Drawn from the seed itself (swarm), so that some seeds
 * have many kinds of faults and others only one, and printed before a failing seed's story.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import { calmNetwork, type NetworkFaults } from "./sim_network.ts";
import { decaysDrawn, type StrikeName, strikesDrawn } from "./strikes.ts";

/** What becomes of the servers outside the core when the faults end. */
export type Rest =
  /** Nobody is left outside. */
  | "well"
  /** Their processes are dead and stay so. */
  | "down"
  /** Their processes sleep for ever. */
  | "asleep"
  /** They run and reach nobody. */
  | "cutOff";

/** Losses with which servers live on. */
export interface Decay {
  /** The kinds that this seed has, and the mean time between two of any kind. */
  readonly strikes: readonly StrikeName[];
  readonly strikeEveryMs: number;
  /** Files are read again in rounds, so long after the round before; 0 for never. */
  readonly scrubPauseMs: number;
  /** When every disk is damaged at once, in disjoint places: at that part of a thousand of the time under faults; `null` for never. */
  readonly everywhereAt: number | null;
}

export const noDecay: Decay = { strikes: [], strikeEveryMs: 1000, scrubPauseMs: 0, everywhereAt: null };

const decayings = ["drawn", "never", "always", "everywhere"] as const;

/** Whether disks decay: as the seed draws it, never, in every seed, or all of them at once in every seed. */
export type Decaying = (typeof decayings)[number];

export function isDecaying(word: string | undefined): word is Decaying {
  return decayings.some((one) => one === word);
}

export interface Odds {
  readonly servers: number;
  /** How often a leader speaks, and for how long a follower waits before it campaigns. */
  readonly heartbeatMs: number;
  readonly electionMs: readonly [number, number];
  /** Small windows, batches and queues, so that their ends are reached. */
  readonly narrow: boolean;
  readonly segmentBytes: number;
  readonly network: NetworkFaults;
  /** The kinds of strikes that this seed has, and the mean time between two strikes of any kind. */
  readonly strikes: readonly StrikeName[];
  readonly strikeEveryMs: number;
  readonly decay: Decay;
  /** Clocks run wrong by up to this part of a thousand. */
  readonly driftPermille: number;
  readonly rest: Rest;
  /** The mean time between two wishes of an operator; 0 where there is none. */
  readonly operatorEveryMs: number;
  /** Servers that may become members later; without any the members stay. */
  readonly spares: number;
  /** How clients read: all of the leader, or each in a way of its own. */
  readonly reads: "leader" | "mixed";
  readonly clients: number;
  /** The longest that a client thinks between an answer and its next question. */
  readonly thinkMs: number;
  /** One question in so many is a pipeline of four; 0 for none. */
  readonly pipelineOneIn: number;
  /** How long written values are, at most. */
  readonly valueBytes: number;
  /** A snapshot is taken every so many entries, and so many stay in memory behind what is applied. */
  readonly snapshotEntries: number;
  readonly logMemoryEntries: number;
  /** A snapshot travels in pieces of this size, so many at a time. */
  readonly pieceBytes: number;
  readonly pieces: number;
  /** Servers compare their states every so many entries. */
  readonly divergenceEntries: number;
}

/** No clock of a world runs further from its time than this, unless its machine sleeps. */
export const CLOCKS_WITHIN_PERMILLE = 50;

const SPARES = 3;

/** In a stream of its own, so that a seed is what it was, save for the decay of its disks. */
function drawDecay(random: Random, decaying: Decaying): Decay {
  if (decaying === "never" || (decaying === "drawn" && random.chance(1, 3))) return noDecay;
  if (decaying === "everywhere") return { ...noDecay, everywhereAt: random.between(300, 950) };
  const [numerator, denominator] = random.chance(1, 2) ? [3, 4] : [1, 3];
  const strikes = decaysDrawn.filter(() => random.chance(numerator, denominator));
  const scrubs = strikes.includes("rotUnderneath") || random.chance(1, 4);
  return {
    strikes,
    strikeEveryMs: random.between(150, 1500),
    scrubPauseMs: scrubs ? random.between(100, 1000) : 0,
    everywhereAt: null,
  };
}

export function drawOdds(random: Random, decaying: Decaying = "drawn"): Odds {
  const sometimes = (value: () => number) => random.chance(1, 2) ? value() : 0;
  // Most often little, sometimes much.
  const permille = (most: number) =>
    sometimes(() => random.between(1, random.chance(1, 4) ? most : Math.ceil(most / 8)));
  const network: NetworkFaults = {
    latencyMs: random.chance(1, 4) ? [5, 60] : [0.05, 2],
    lossPermille: permille(240),
    duplicatePermille: permille(240),
    breakPermille: permille(20),
    replayPermille: permille(240),
    corruptPermille: permille(16),
    splitPermille: permille(400),
    delayPermille: permille(40),
  };
  const quiet = random.chance(1, 4);
  const [numerator, denominator] = random.chance(1, 2) ? [1, 2] : random.chance(1, 2) ? [1, 4] : [1, 8];
  const slow = random.chance(1, 8);
  const strikes = strikesDrawn.filter(() => random.chance(numerator, denominator));
  const isOperated = random.chance(2, 3);
  return {
    servers: random.chance(1, 3) ? 5 : 3,
    heartbeatMs: slow ? 100 : 50,
    electionMs: slow ? [1000, 2000] : [300, 600],
    narrow: random.chance(1, 4),
    segmentBytes: random.chance(1, 2) ? 16 * 1024 : 32 * 1024,
    network: quiet ? { ...calmNetwork, latencyMs: network.latencyMs } : network,
    strikes,
    strikeEveryMs: random.between(400, 4000),
    decay: drawDecay(random.fork("decay"), decaying),
    driftPermille: sometimes(() => random.between(1, 50)),
    rest: random.chance(1, 2)
      ? "well"
      : random.chance(1, 3)
      ? "down"
      : random.chance(1, 2)
      ? "asleep"
      : "cutOff",
    operatorEveryMs: isOperated ? random.between(100, 1500) : 0,
    spares: isOperated && random.chance(3, 4) ? SPARES : 0,
    // A clock that stops with its machine is beyond what a lease or an age in milliseconds can bear (R6).
    reads: !strikes.includes("suspend") && random.chance(1, 2) ? "mixed" : "leader",
    clients: random.between(1, 6),
    thinkMs: random.between(20, 300),
    pipelineOneIn: random.chance(1, 2) ? 5 : 0,
    valueBytes: random.chance(1, 3) ? 1500 : 16,
    // Some seeds take no snapshot; the others take few or many of their few hundred entries.
    ...(random.chance(1, 5) ? { snapshotEntries: 100_000, logMemoryEntries: 100_000 } : {
      snapshotEntries: random.chance(1, 3) ? random.between(40, 200) : random.between(3, 40),
      logMemoryEntries: random.chance(1, 3) ? random.between(20, 100) : random.between(1, 20),
    }),
    pieceBytes: random.chance(1, 2) ? 64 * 1024 : random.between(800, 4000),
    pieces: random.between(2, 8),
    divergenceEntries: random.between(10, 200),
  };
}
