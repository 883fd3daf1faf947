/**
 * What can be wrong with one direction of a link, as plain values.
 *
 * Keeps true: a set of faults is never changed, only replaced; every fault has one name, by which it is set, shown and cleared.
 *
 * @module
 */

/** `up` is from the client to the target, `down` the way back. */
export type Direction = "up" | "down";
export type Directions = Direction | "both";

export interface Cut {
  /** Each connection is closed after so many more bytes. */
  readonly bytes: number;
  /** The first connection that gets there is the last one to be cut. */
  readonly once: boolean;
  /** With a RST instead of a FIN. */
  readonly reset: boolean;
}

export interface Reorder {
  readonly ms: number;
  /** Connections up to this number are delayed by `ms`; `null`: each by a time of its own, drawn from 0 to `ms`. */
  readonly newestDelayed: number | null;
}

export interface Faults {
  readonly latencyMs: number;
  /** Up to so much more, drawn for each chunk. */
  readonly jitterMs: number;
  readonly bytesPerSecond: number | null;
  /** For each chunk; at 1 the ends and resets of connections vanish too. */
  readonly dropChance: number;
  readonly flip: { readonly chance: number; readonly seed: string } | null;
  readonly segment: { readonly bytes: number; readonly gapMs: number } | null;
  readonly cut: Cut | null;
  readonly reorder: Reorder | null;
  /** After each chunk. */
  readonly replayChance: number;
  readonly paused: boolean;
}

export const noFaults: Faults = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: null,
  dropChance: 0,
  flip: null,
  segment: null,
  cut: null,
  reorder: null,
  replayChance: 0,
  paused: false,
};

const DIRECTED = [
  "latency",
  "bandwidth",
  "drop",
  "flip",
  "segment",
  "cut",
  "reorder",
  "replay",
  "pause",
] as const;
const WHOLE = ["half-open", "reset", "refuse"] as const;

/** A fault of one direction. */
export type DirectedFault = typeof DIRECTED[number];
/** A fault of a whole link. */
export type WholeFault = typeof WHOLE[number];
export type FaultName = DirectedFault | WholeFault;
export const FAULT_NAMES: readonly FaultName[] = [...DIRECTED, ...WHOLE];

export function isDirected(name: FaultName): name is DirectedFault {
  return DIRECTED.some((directed) => directed === name);
}

/** The part that undoes one fault. */
export const undone: Readonly<Record<DirectedFault, Partial<Faults>>> = {
  latency: { latencyMs: 0, jitterMs: 0 },
  bandwidth: { bytesPerSecond: null },
  drop: { dropChance: 0 },
  flip: { flip: null },
  segment: { segment: null },
  cut: { cut: null },
  reorder: { reorder: null },
  replay: { replayChance: 0 },
  pause: { paused: false },
};

/** Each fault that is on, in one word. */
export function showFaults(faults: Faults): readonly string[] {
  const { latencyMs, jitterMs, bytesPerSecond, dropChance, flip, segment, cut, reorder, replayChance } =
    faults;
  return [
    latencyMs + jitterMs > 0 ? `latency=${latencyMs}ms${jitterMs > 0 ? `+${jitterMs}ms` : ""}` : "",
    bytesPerSecond !== null ? `bandwidth=${bytesPerSecond}B/s` : "",
    dropChance > 0 ? `drop=${dropChance}` : "",
    flip !== null ? `flip=${flip.chance}` : "",
    segment !== null ? `segment=${segment.bytes}B${segment.gapMs > 0 ? `/${segment.gapMs}ms` : ""}` : "",
    cut !== null ? `cut=${cut.bytes}B${cut.once ? "/once" : ""}${cut.reset ? "/rst" : ""}` : "",
    reorder !== null ? `reorder=${reorder.ms}ms${reorder.newestDelayed === null ? "/random" : ""}` : "",
    replayChance > 0 ? `replay=${replayChance}` : "",
    faults.paused ? "pause" : "",
  ].filter((word) => word !== "");
}

export function each(directions: Directions): readonly Direction[] {
  return directions === "both" ? ["up", "down"] : [directions];
}
