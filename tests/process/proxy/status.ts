/**
 * What a link is and does, as plain values and as lines for people.
 *
 * Keeps true: looking changes nothing; a line is one line, whatever the names hold.
 *
 * @module
 */
import { showAddress } from "../../../cmd/flags.ts";
import type { Address } from "../../../internal/platform/network.ts";
import { type Direction, showFaults } from "./faults.ts";
import type { Counters, Lane } from "./lane.ts";

/** A connection, as far as its status goes. */
interface Held {
  readonly pipes: Readonly<Record<Direction, { readonly held: number }>>;
}

export interface LinkSubject {
  readonly name: string;
  readonly address: Address;
  readonly target: Address;
  readonly lanes: Readonly<Record<Direction, Lane>>;
  readonly connections: ReadonlySet<Held>;
  readonly accepted: number;
  readonly isFramed: boolean;
  readonly isHalfOpen: boolean;
  readonly resetsNew: boolean;
  readonly refuses: boolean;
}

/** One direction of a link. */
export interface LaneStatus extends Readonly<Counters> {
  /** Each fault that is on, in one word. */
  readonly faults: readonly string[];
  /** Bytes that wait in it now. */
  readonly held: number;
}

export interface LinkStatus extends Readonly<Record<Direction, LaneStatus>> {
  readonly name: string;
  readonly address: Address;
  readonly target: Address;
  /** Connections that are there now, and that were ever accepted. */
  readonly connections: number;
  readonly accepted: number;
  /** Faults of the whole link, and `frames`. */
  readonly whole: readonly string[];
}

export function statusOf(subject: LinkSubject): LinkStatus {
  const { name, address, target, connections, accepted } = subject;
  const whole: readonly (readonly [string, boolean])[] = [
    ["frames", subject.isFramed],
    ["half-open", subject.isHalfOpen],
    ["reset", subject.resetsNew],
    ["refuse", subject.refuses],
  ];
  const lane = (direction: Direction): LaneStatus => ({
    ...subject.lanes[direction].counters,
    faults: showFaults(subject.lanes[direction].faults),
    held: [...connections].reduce((sum, { pipes }) => sum + pipes[direction].held, 0),
  });
  return {
    name,
    address,
    target,
    connections: connections.size,
    accepted,
    whole: whole.filter(([, isOn]) => isOn).map(([word]) => word),
    up: lane("up"),
    down: lane("down"),
  };
}

/** The link in one line, each direction in one more. */
export function showStatus({ name, address, target, connections, accepted, whole, up, down }: LinkStatus) {
  const lane = (
    direction: Direction,
    { faults, held, taken, sent, dropped, flipped, replayed }: LaneStatus,
  ) =>
    `  ${
      direction.padEnd(4)
    } taken=${taken} sent=${sent} held=${held} dropped=${dropped} flipped=${flipped} ` +
    `replayed=${replayed}${faults.length === 0 ? "" : `  ${faults.join(" ")}`}`;
  return [
    `${name} ${showAddress(address)} > ${
      showAddress(target)
    } connections=${connections} accepted=${accepted}` +
    `${whole.length === 0 ? "" : `  ${whole.join(" ")}`}`,
    lane("up", up),
    lane("down", down),
  ];
}
