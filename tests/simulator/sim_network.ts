/**
 * A simulated network: ordered byte streams between servers, over virtual time.
 *
 * Fault model. Each write takes a latency drawn at random and arrives whole or in pieces, in the order of its stream; streams overtake each
 * other, also an old connection's bytes those of the connection that follows it. Now and then a write is held up for long, and what is behind
 * it in its stream with it. A link between two servers can be cut in one direction or both: what is written meanwhile arrives when it is
 * mended, if both ends still want it, as TCP does it; a dial gets no answer. Cuts add up: a link is whole when each of them is mended. A
 * connection can break at any moment, in the middle of a frame too, and chunks arrive cut in pieces. To model what a lossy,
 * replaying or damaging path does to messages, a write between servers may also vanish whole, arrive twice, be followed by an old one of the
 * same pair of servers (also of an earlier connection), or have a bit flipped; writes are whole frames, so framing holds. Connections of
 * clients keep their bytes: there TCP's own promise is all that a client can rely on.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type {
  Address,
  Connection,
  ConnectionEvents,
  Listener,
  ListenerEvents,
  Network,
} from "../../internal/platform/network.ts";
import type { LifeClock, VirtualTime } from "./virtual_time.ts";

export interface NetworkFaults {
  /** Latency in milliseconds: drawn from [min, max]. */
  readonly latencyMs: readonly [number, number];
  /** Of a thousand writes, how many vanish, arrive twice, or break their connection. */
  readonly lossPermille: number;
  readonly duplicatePermille: number;
  readonly breakPermille: number;
  /** Old writes that come again, flipped bits, chunks that arrive in pieces, and writes that are held up. */
  readonly replayPermille: number;
  readonly corruptPermille: number;
  readonly splitPermille: number;
  readonly delayPermille: number;
}

/** A network that only takes its time. */
export const calmNetwork: NetworkFaults = {
  latencyMs: [0.05, 2],
  lossPermille: 0,
  duplicatePermille: 0,
  breakPermille: 0,
  replayPermille: 0,
  corruptPermille: 0,
  splitPermille: 0,
  delayPermille: 0,
};

/** Old writes remembered for each pair of servers. */
const RECORDED_MAX = 32;
/** A write that is held up takes from 2^3 to 2^11 ms more, each power equally likely: some pass every election timeout. */
const DELAY_POWER_MIN = 3;
const DELAY_POWER_MAX = 11;

interface Port {
  readonly server: string;
  readonly clock: LifeClock;
  readonly events: ListenerEvents;
}

export class SimNetwork {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #ports = new Map<string, Port>();
  /** How many cuts a directed link has. */
  readonly #cuts = new Map<string, number>();
  readonly #ends = new Set<End>();
  faults: NetworkFaults;
  readonly counts = { lost: 0, duplicated: 0, broken: 0, replayed: 0, corrupted: 0, split: 0, delayed: 0 };
  readonly #recorded = new Map<string, Uint8Array[]>();

  constructor(time: VirtualTime, random: Random, faults: NetworkFaults) {
    this.#time = time;
    this.#random = random;
    this.faults = faults;
  }

  /** The network as one life of one server sees it. */
  bodyFor(server: string, clock: LifeClock): Network {
    return {
      listen: (address, events) => this.#listen(server, clock, address, events),
      connect: (address) => this.#connect(server, clock, address),
    };
  }

  /** Nothing gets from one server to another any more, until mended as often as it was cut, or healed. */
  cut(from: string, to: string): void {
    const link = `${from}>${to}`;
    this.#cuts.set(link, (this.#cuts.get(link) ?? 0) + 1);
  }

  /** Takes one cut back. */
  mend(from: string, to: string): void {
    const link = `${from}>${to}`;
    const cuts = this.#cuts.get(link) ?? 0;
    if (cuts > 1) this.#cuts.set(link, cuts - 1);
    else if (this.#cuts.delete(link)) {
      for (const end of [...this.#ends]) {
        if (end.server === from && end.peer?.server === to) end.flush();
        if (end.server === to && end.peer?.server === from) end.noticeClose();
      }
    }
  }

  /** Takes all cuts back. */
  heal(): void {
    this.#cuts.clear();
    for (const end of [...this.#ends]) {
      end.flush();
      end.noticeClose();
    }
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from}>${to}`);
  }

  /** A process died: its ports are free, its connections break. */
  died(server: string): void {
    for (const [key, port] of this.#ports) if (port.server === server) this.#ports.delete(key);
    for (const end of [...this.#ends]) if (end.server === server) end.close();
  }

  /** Connections between these two, both directions of dialling; each has two ends. */
  connectionsBetween(one: string, other: string): number {
    let ends = 0;
    for (const { server, peer } of this.#ends) {
      if (
        peer !== null && (server === one && peer.server === other || server === other && peer.server === one)
      ) {
        ends++;
      }
    }
    return Math.ceil(ends / 2);
  }

  latency(): number {
    const [min, max] = this.faults.latencyMs;
    return min + this.#random.below(1000) * (max - min) / 1000;
  }

  /** How much longer this write takes. */
  delay(): number {
    if (!this.chance(this.faults.delayPermille)) return 0;
    this.counts.delayed++;
    const ms = 2 ** this.#random.between(DELAY_POWER_MIN, DELAY_POWER_MAX);
    return ms + this.#random.below(ms);
  }

  chance(permille: number): boolean {
    return permille > 0 && this.#random.below(1000) < permille;
  }

  cutPoint(length: number): number {
    return this.#random.below(length + 1);
  }

  get time(): VirtualTime {
    return this.#time;
  }

  /** Remembers a write of this pair of servers; gives an old one, if it is to come again. */
  record(from: string, to: string, bytes: Uint8Array): Uint8Array | null {
    const { replayPermille } = this.faults;
    if (replayPermille === 0) return null;
    const key = `${from}>${to}`;
    const recorded = this.#recorded.get(key) ?? [];
    this.#recorded.set(key, recorded);
    const old = this.chance(replayPermille) ? recorded[this.#random.below(recorded.length || 1)] : undefined;
    if (recorded.length < RECORDED_MAX) recorded.push(bytes.slice());
    else recorded[this.#random.below(RECORDED_MAX)] = bytes.slice();
    return old ?? null;
  }

  forget(end: End): void {
    this.#ends.delete(end);
  }

  #listen(server: string, clock: LifeClock, { host, port }: Address, events: ListenerEvents): Listener {
    const key = `${host}:${port}`;
    this.#time.atIn(clock, this.#time.now, () => {
      if (this.#ports.has(key)) {
        return events.onError(new Error(`cannot listen on ${key}: the port is in use`));
      }
      this.#ports.set(key, { server, clock, events });
      events.onListening({ host, port });
    });
    return { close: () => void this.#ports.delete(key) };
  }

  #connect(server: string, clock: LifeClock, { host, port }: Address): Connection {
    const near = new End(this, server, clock, `${host}:${port}`, isServer(server) && isServer(host));
    this.#ends.add(near);
    this.#time.at(this.#time.now + this.latency(), () => this.#arrive(near, `${host}:${port}`));
    return near;
  }

  /** A dial arrives at the other side, if it can. */
  #arrive(near: End, key: string): void {
    if (near.isClosed) return;
    const port = this.#ports.get(key);
    if (port === undefined || port.clock.isDead) return near.broke("connection refused");
    // A cut path swallows the dial; the dialer gives up by itself.
    if (this.isCut(near.server, port.server) || this.isCut(port.server, near.server)) return;
    const far = new End(this, port.server, port.clock, `${near.server}:0`, isServer(near.server));
    this.#ends.add(far);
    near.peer = far;
    far.peer = near;
    port.clock.run(() => {
      port.events.onConnection(far);
      far.opened(false);
    });
    this.#time.at(this.#time.now + this.latency(), () => near.opened(true));
  }
}

/** Servers are n1, n2 and so on; whoever else dials is a client. */
function isServer(name: string): boolean {
  return name.startsWith("n");
}

/** One end of a connection. */
class End implements Connection {
  readonly server: string;
  readonly remote: string;
  readonly #network: SimNetwork;
  readonly #clock: LifeClock;
  readonly #betweenServers: boolean;
  #events: ConnectionEvents | null = null;
  peer: End | null = null;
  isClosed = false;
  #isOpen = false;
  #paused = false;
  /** What arrived and was not taken yet: chunks, and the end. */
  #inbox: (Uint8Array | "end")[] = [];
  /** What was written while the path was cut. */
  #held: (Uint8Array | "end")[] = [];
  #lastArrival = 0;
  #writes = 0;
  readonly #deliver = () => this.#takeInbox();

  constructor(
    network: SimNetwork,
    server: string,
    clock: LifeClock,
    remote: string,
    betweenServers: boolean,
  ) {
    this.#betweenServers = betweenServers;
    this.#network = network;
    this.server = server;
    this.#clock = clock;
    this.remote = remote;
  }

  get bytesQueued(): number {
    let bytes = 0;
    for (const held of this.#held) if (held !== "end") bytes += held.length;
    return bytes;
  }

  listen(events: ConnectionEvents): void {
    this.#events = events;
  }

  opened(tell: boolean): void {
    if (this.isClosed || this.#isOpen) return;
    this.#isOpen = true;
    if (tell) this.#clock.run(() => this.isClosed || this.#events?.onOpen());
    this.#clock.run(this.#deliver);
  }

  write(bytes: Uint8Array): void {
    if (this.isClosed) return;
    const network = this.#network;
    const { lossPermille, duplicatePermille, breakPermille, corruptPermille } = network.faults;
    if (network.chance(breakPermille)) {
      network.counts.broken++;
      this.#transmit(bytes.slice(0, network.cutPoint(bytes.length)));
      return this.close();
    }
    const isGreeting = this.#writes++ === 0;
    if (!this.#betweenServers || isGreeting) return this.#transmit(bytes);
    if (network.chance(lossPermille)) {
      network.counts.lost++;
      return;
    }
    const old = this.peer === null ? null : network.record(this.server, this.peer.server, bytes);
    if (network.chance(corruptPermille)) {
      network.counts.corrupted++;
      const damaged = bytes.slice();
      const at = Math.min(network.cutPoint(damaged.length), damaged.length - 1);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << network.cutPoint(7));
      return this.#transmit(damaged);
    }
    this.#transmit(bytes);
    if (network.chance(duplicatePermille)) {
      network.counts.duplicated++;
      this.#transmit(bytes.slice());
    }
    if (old !== null) {
      network.counts.replayed++;
      this.#transmit(old.slice());
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#network.time.atIn(this.#clock, this.#network.time.now, this.#deliver);
  }

  end(): void {
    if (!this.isClosed) this.#transmit("end");
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#network.forget(this);
    const { peer } = this;
    const { time } = this.#network;
    time.atIn(this.#clock, time.now, () => this.#events?.onClose("we closed the connection"));
    // Bytes that are under way arrive before the close does.
    if (peer !== null) {
      time.at(Math.max(this.#lastArrival, time.now + this.#network.latency()), () => {
        if (!this.#network.isCut(this.server, peer.server)) peer.broke("connection reset");
      });
    }
  }

  /** The other side is gone. */
  broke(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#network.forget(this);
    this.#clock.run(() => this.#events?.onClose(reason));
  }

  /** The path is whole again: what was held goes on its way. */
  flush(): void {
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    for (const bytes of held) this.#transmit(bytes);
  }

  /** The path from the other side is whole again: that it closed meanwhile is heard now, behind the bytes that are under way. */
  noticeClose(): void {
    const { peer } = this;
    if (peer === null || !peer.isClosed) return;
    const { time } = this.#network;
    time.at(Math.max(peer.#lastArrival, time.now), () => this.broke("connection reset"));
  }

  #transmit(bytes: Uint8Array | "end"): void {
    const { peer } = this;
    const network = this.#network;
    if (peer === null || this.#held.length > 0 || network.isCut(this.server, peer.server)) {
      this.#held.push(bytes);
      return;
    }
    const at = Math.max(this.#lastArrival, network.time.now + network.latency() + network.delay());
    this.#lastArrival = at;
    network.time.at(at, () => peer.#arrived(bytes));
  }

  #arrived(bytes: Uint8Array | "end"): void {
    if (this.isClosed) return;
    this.#inbox.push(bytes);
    this.#clock.run(this.#deliver);
  }

  /** Whole, or in pieces, down to single bytes. */
  #hand(chunk: Uint8Array): void {
    const network = this.#network;
    if (!network.chance(network.faults.splitPermille)) return this.#events?.onData(chunk);
    network.counts.split++;
    const single = network.chance(100);
    for (let at = 0; at < chunk.length && !this.isClosed;) {
      const end = single ? at + 1 : Math.min(chunk.length, at + 1 + network.cutPoint(chunk.length));
      this.#events?.onData(chunk.slice(at, end));
      at = end;
    }
  }

  #takeInbox(): void {
    while (!this.isClosed && this.#isOpen && !this.#paused) {
      const next = this.#inbox.shift();
      if (next === undefined) return;
      if (next === "end") this.#events?.onEnd();
      else if (next.length > 0) this.#hand(next);
    }
  }
}
