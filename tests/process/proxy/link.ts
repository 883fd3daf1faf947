/**
 * One named way from a listening port to a target, and the faults on it.
 *
 * Keeps true: every connection that it accepted is on record until both its sockets are closed; a fault holds for connections that exist and for
 * those to come, until it is cleared, unless its method says otherwise.
 *
 * Directions: `up` is from the client to the target, `down` the way back.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import type { Random } from "../../../internal/base/random.ts";
import type { Address } from "../../../internal/platform/network.ts";
import { ProxiedConnection } from "./connection.ts";
import {
  type Cut,
  type DirectedFault,
  type Direction,
  type Directions,
  each,
  type FaultName,
  type Faults,
  isDirected,
  undone,
} from "./faults.ts";
import { Lane } from "./lane.ts";
import { listen, type Listening, stopListening } from "./listen.ts";
import { type LinkStatus, statusOf } from "./status.ts";

export interface LinkPlan {
  readonly name: string;
  /** Port 0 takes one that is free. */
  readonly listen: Address;
  readonly target: Address;
}

export interface LinkSettings {
  readonly random: Random;
  /** So much may wait in each direction of each connection before its source is not read. */
  readonly bufferBytesMax: number;
  /** Connections above that many are reset. */
  readonly connectionsMax: number;
}

export class Link {
  readonly #plan: LinkPlan;
  readonly #settings: LinkSettings;
  readonly #lanes: Readonly<Record<Direction, Lane>> = { up: new Lane(), down: new Lane() };
  readonly #connections = new Set<ProxiedConnection>();
  #listening: Listening | null = null;
  #address: Address;
  #accepted = 0;
  #isFramed = false;
  #isHalfOpen = false;
  #resetsNew = false;

  private constructor(plan: LinkPlan, settings: LinkSettings) {
    this.#plan = plan;
    this.#settings = settings;
    this.#address = plan.listen;
  }

  /** @throws {Refusal} where the port cannot be had */
  static async open(plan: LinkPlan, settings: LinkSettings): Promise<Link> {
    const link = new Link(plan, settings);
    await link.#accept();
    return link;
  }

  get name(): string {
    return this.#plan.name;
  }

  /** Where it listens. */
  get address(): Address {
    return this.#address;
  }

  /** Everything comes later by `ms`, and by a time drawn for each chunk from 0 to `jitterMs`; the order stays. */
  latency(directions: Directions, ms: number, jitterMs = 0): void {
    this.#change(directions, { latencyMs: ms, jitterMs });
  }

  /** All connections together get no more than so many bytes per second; 0 takes the limit away. */
  bandwidth(directions: Directions, bytesPerSecond: number): void {
    this.#change(directions, { bytesPerSecond: bytesPerSecond === 0 ? null : bytesPerSecond });
  }

  /**
   * Bytes vanish: with that chance for each chunk (each frame, after `frames`). At 1 the ends and resets of connections are not told either,
   * until it is cleared. What vanished is not made up for: the streams have a hole then.
   */
  drop(directions: Directions, chance = 1): void {
    this.#change(directions, { dropChance: chance });
  }

  /** Each byte is damaged with that chance. The same seed hits the same bytes of the same connections. */
  flip(directions: Directions, chance: number, seed = ""): void {
    this.#change(directions, { flip: chance === 0 ? null : { chance, seed } });
  }

  /** Writes of no more than so many bytes, each on its own, so long after the one before; 0 bytes ends that. */
  segment(directions: Directions, bytes = 1, gapMs = 0): void {
    this.#change(directions, { segment: bytes === 0 ? null : { bytes, gapMs } });
  }

  /** Each connection is closed after so many more bytes; `once`: only the first that gets there; `reset`: with a RST. */
  cut(directions: Directions, bytes: number, options: { once?: boolean; reset?: boolean } = {}): void {
    for (const direction of each(directions)) {
      this.#change(direction, {
        cut: { bytes, once: options.once ?? false, reset: options.reset ?? false },
      });
    }
  }

  /**
   * What connections that exist now say comes later by `ms`, and so after what those say that are opened later; `random`: each connection,
   * also a later one, is late by a time of its own, drawn from 0 to `ms`. See `reset` for a client that has to dial again.
   */
  reorder(directions: Directions, ms: number, options: { random?: boolean } = {}): void {
    const newestDelayed = options.random ? null : this.#accepted;
    this.#change(directions, { reorder: ms === 0 ? null : { ms, newestDelayed } });
  }

  /** After each chunk an earlier one comes again with that chance, be it of an earlier connection. */
  replay(directions: Directions, chance: number): void {
    this.#change(directions, { replayChance: chance });
  }

  /**
   * Sends once more, on the newest connection, the chunk (or frame) that came `back` chunks ago, 1 being the last one. Gives how many bytes
   * it has; `null` where nothing so old is remembered, or no connection is there.
   */
  replayNow(direction: Direction, back = 1): number | null {
    const chunk = this.#lanes[direction].recorder.back(back);
    const newest = [...this.#connections].at(-1);
    if (chunk === null || newest === undefined) return null;
    return newest.pipes[direction].insert(chunk) ? chunk.length : null;
  }

  /** Connections to come are taken for streams of raftline's frames, so that drop and replay hit whole frames. No fault by itself. */
  frames(isFramed: boolean): void {
    this.#isFramed = isFramed;
  }

  /** Nothing is forwarded, new connections are accepted but lead nowhere. Clearing it resets the connections that were under it. */
  halfOpen(): void {
    this.#isHalfOpen = true;
    for (const connection of this.#connections) connection.halfOpen();
  }

  /**
   * Resets the connections that exist. With a `side`, that side alone is reset now, and the other one still gets what is under way, and
   * then the end. `andNew`: new connections are reset as well, until it is cleared. Gives how many there were.
   */
  reset(options: { side?: "client" | "target"; andNew?: boolean } = {}): number {
    if (options.andNew) this.#resetsNew = true;
    const connections = [...this.#connections];
    for (const connection of connections) {
      if (options.side === undefined) connection.reset();
      else connection.resetSide(options.side);
    }
    return connections.length;
  }

  /** Nobody listens any more; connections that exist are left alone. */
  async refuse(): Promise<void> {
    if (this.#listening === null) return;
    const listening = this.#listening;
    this.#listening = null;
    await stopListening(listening);
  }

  /** Nothing is handed on, ends and resets neither; everything waits, and what finds no room is not read. */
  pause(directions: Directions): void {
    this.#change(directions, { paused: true });
  }

  resume(directions: Directions): void {
    this.#change(directions, { paused: false });
  }

  /**
   * Takes one fault away, or all. Faults of the whole link go with both directions.
   *
   * @throws {Refusal} where the link refused, and its port cannot be had again
   */
  async clear(directions: Directions = "both", fault: FaultName | null = null): Promise<void> {
    const isOff = (name: FaultName) => fault === null ? directions === "both" : fault === name;
    if (fault === null || isDirected(fault)) this.#clearDirected(directions, fault);
    if (isOff("reset")) this.#resetsNew = false;
    if (isOff("half-open")) this.#endHalfOpen();
    if (isOff("refuse")) await this.#accept();
  }

  status(): LinkStatus {
    return statusOf({
      name: this.name,
      target: this.#plan.target,
      address: this.#address,
      lanes: this.#lanes,
      connections: this.#connections,
      accepted: this.#accepted,
      isFramed: this.#isFramed,
      isHalfOpen: this.#isHalfOpen,
      resetsNew: this.#resetsNew,
      refuses: this.#listening === null,
    });
  }

  /** Stops listening and drops all connections. */
  async close(): Promise<void> {
    const stopped = this.refuse();
    const connections = [...this.#connections];
    for (const connection of connections) connection.destroy();
    await stopped;
  }

  async #accept(): Promise<void> {
    if (this.#listening !== null) return;
    this.#listening = await listen(this.#address, (socket) => this.#take(socket));
    this.#address = this.#listening.address;
  }

  #take(client: Socket): void {
    if (this.#resetsNew || this.#connections.size >= this.#settings.connectionsMax) {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const number = ++this.#accepted;
    const { random, bufferBytesMax } = this.#settings;
    const target = this.#isHalfOpen ? null : connect({ ...this.#plan.target, allowHalfOpen: true });
    const connection = new ProxiedConnection({
      number,
      client,
      target,
      lanes: this.#lanes,
      isFramed: this.#isFramed,
      bufferBytesMax,
      random: random.fork(String(number)),
      flipsOf: (direction, seed) => random.fork(`flip/${seed}/${number}/${direction}`),
      onCut: (direction, cut) => this.#onCut(direction, cut),
      onOver: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    if (this.#isHalfOpen) connection.halfOpen();
  }

  #onCut(direction: Direction, cut: Cut): void {
    if (cut.once && this.#lanes[direction].faults.cut === cut) this.#clearDirected(direction, "cut");
  }

  #clearDirected(directions: Directions, fault: DirectedFault | null): void {
    const parts = fault === null ? Object.values(undone) : [undone[fault]];
    this.#change(directions, Object.assign({}, ...parts));
  }

  #endHalfOpen(): void {
    this.#isHalfOpen = false;
    const connections = [...this.#connections].filter(({ isHalfOpen }) => isHalfOpen);
    for (const connection of connections) connection.reset();
  }

  #change(directions: Directions, part: Partial<Faults>): void {
    for (const direction of each(directions)) {
      this.#lanes[direction].change(part);
      const connections = [...this.#connections];
      for (const { pipes } of connections) pipes[direction].wake();
    }
  }
}
