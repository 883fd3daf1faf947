/**
 * Which faults a seed has, and how often: drawn from the seed itself (swarm), so that some seeds have many kinds and others only one.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type { NetworkFaults } from "./sim_network.ts";

/** Faults that strike now and then, with the fault model's numbers. */
export const strikes = [
  /** Power fails: what was not synced is kept, lost or torn, names too (D1, D2, D3, D17). */
  "crash",
  /** The process dies, the machine lives on (P1). */
  "kill",
  /** The process sleeps and wakes up (P4). */
  "pause",
  /** Two halves (N5). */
  "halves",
  /** One server alone (N5). */
  "alone",
  /** One server is heard by nobody, or hears nobody (N6). */
  "oneWay",
  /** Single directed links at random (N7). */
  "links",
  /** A link that comes and goes (N17). */
  "flap",
  /** Syncs take up to half a second (D16). */
  "slowDisk",
  /** One sync fails and its pages are dropped (D12). */
  "syncError",
  /** One write fails, half done (D11). */
  "writeError",
  /** No space is left for a while (D13). */
  "noSpace",
  /** Reads fail for a while at a start (D10). */
  "readError",
  /** A bit flips at rest, in front of the last batch (D4). */
  "bitRot",
  /** A client goes away in the middle of a command (C5). */
  "clientGone",
] as const;

export type Strike = (typeof strikes)[number];

/** Faults of single writes on the network. */
export const networkFaults = ["loss", "duplicate", "break", "replay", "corrupt", "split"] as const;

export interface Odds {
  readonly servers: number;
  readonly network: NetworkFaults;
  /** Mean milliseconds between strikes of a kind, over all servers; 0 for never. */
  readonly everyMs: Readonly<Record<Strike, number>>;
  /** Clocks run wrong by up to this part of a thousand. */
  readonly driftPermille: number;
  readonly clients: number;
  readonly thinkMs: number;
}

export function drawOdds(random: Random): Odds {
  const sometimes = (value: () => number) => random.chance(1, 2) ? value() : 0;
  const seldom = (value: () => number) => random.chance(1, 4) ? value() : 0;
  const slow = random.chance(1, 4);
  const network: NetworkFaults = {
    latencyMs: slow ? [5, 60] : [0.05, 2],
    lossPermille: sometimes(() => random.between(1, 60)),
    duplicatePermille: sometimes(() => random.between(1, 60)),
    breakPermille: sometimes(() => random.between(1, 10)),
    replayPermille: sometimes(() => random.between(1, 60)),
    corruptPermille: seldom(() => random.between(1, 5)),
    splitPermille: seldom(() => random.between(1, 100)),
  };
  const everyMs: Record<Strike, number> = {
    crash: sometimes(() => random.between(2000, 10_000)),
    kill: sometimes(() => random.between(2000, 10_000)),
    pause: sometimes(() => random.between(2000, 10_000)),
    halves: seldom(() => random.between(3000, 10_000)),
    alone: seldom(() => random.between(3000, 10_000)),
    oneWay: seldom(() => random.between(3000, 10_000)),
    links: seldom(() => random.between(3000, 10_000)),
    flap: seldom(() => random.between(3000, 10_000)),
    slowDisk: seldom(() => random.between(3000, 10_000)),
    syncError: seldom(() => random.between(4000, 12_000)),
    writeError: seldom(() => random.between(4000, 12_000)),
    noSpace: seldom(() => random.between(6000, 15_000)),
    readError: seldom(() => random.between(4000, 12_000)),
    bitRot: seldom(() => random.between(6000, 20_000)),
    clientGone: sometimes(() => random.between(1000, 5000)),
  };
  return {
    servers: random.chance(1, 3) ? 5 : 3,
    network,
    everyMs,
    driftPermille: sometimes(() => random.between(1, 50)),
    clients: random.between(1, 6),
    thinkMs: random.between(10, 150),
  };
}
