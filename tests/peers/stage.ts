/**
 * Rooms of peers on one simulated network, and hand-made callers and answerers for what no honest server says.
 *
 * @module
 */
import { SeededRandom } from "../../internal/base/random.ts";
import type { BulkMessage } from "../../internal/codec/bulk_message.ts";
import { encodeCommandBatch } from "../../internal/codec/command_batch.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../../internal/codec/cbor.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeFrame, FrameDecoder } from "../../internal/codec/frame.ts";
import { encodeHello, type PeerIdentity } from "../../internal/codec/handshake.ts";
import { encodeMessage } from "../../internal/codec/message_codec.ts";
import type { PeerMessage } from "../../internal/codec/peer_message.ts";
import { defaultPeerLimits, type PeerLimits } from "../../internal/peers/limits.ts";
import { Peers } from "../../internal/peers/peers.ts";
import type { Address, Connection, Network } from "../../internal/platform/network.ts";
import type { Trace } from "../../internal/platform/trace.ts";
import { calmNetwork, type NetworkFaults, SimNetwork } from "../simulator/sim_network.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";

await loadCrc32c();

export const LATENCY_MS = 1;
const PORT = 7101;

export interface RoomOptions {
  readonly clusterId?: string;
  /** Where it is, if not where its id says. */
  readonly host?: string;
  /** The other members, and where they are if not where their ids say. */
  readonly members: Readonly<Record<string, string>> | readonly string[];
  readonly limits?: Partial<PeerLimits>;
  /** Whether it leads, so that it knows who is a member. */
  readonly leads?: boolean;
}

/** One server's room, with everything that it told. */
export class Room {
  readonly id: string;
  readonly peers: Peers;
  readonly clock: LifeClock;
  /** What came, as `from: text`. */
  readonly heard: string[] = [];
  /** `+n2` for a link that came, `-n2` for one that went, as told to the node. */
  readonly changes: string[] = [];
  /** `warn event: reason`, or without a reason the level and the event. */
  readonly traces: string[] = [];
  /** When it dialled, and whom. */
  readonly dials: { readonly at: number; readonly host: string }[] = [];
  /** How long each write was. */
  readonly writes: number[] = [];
  /** Who told us who and where it is. */
  readonly introduced = new Map<string, string>();
  /** Answers what comes on a bulk connection. */
  onBulk: (message: BulkMessage, answer: (message: BulkMessage) => void) => void = () => {};
  #leads: boolean;

  constructor(stage: PeerStage, id: string, { clusterId, host, members, limits, leads }: RoomOptions) {
    this.id = id;
    this.#leads = leads ?? false;
    this.clock = new LifeClock(stage.time);
    const trace: Trace = {
      event: (level, event, fields) =>
        this.traces.push(
          `${level} ${event}${fields?.["reason"] === undefined ? "" : `: ${fields["reason"]}`}`,
        ),
    };
    this.peers = new Peers({
      network: this.#watched(stage, stage.network.bodyFor(host ?? id, this.clock)),
      clock: this.clock,
      random: new SeededRandom(`room/${id}`),
      trace,
      limits: { ...defaultPeerLimits, ...limits },
      self: identity(id, clusterId, host),
      listenAt: addressOf(host ?? id),
      onListening: () => {},
      onListenError: (error) => this.traces.push(`error ${error.message}`),
    });
    this.knows(members);
    this.peers.start({
      onMessage: (from, message) => this.heard.push(`${from}: ${textOf(message)}`),
      onBulk: (from, message, answer) => {
        this.heard.push(`bulk ${from}: ${message.kind}`);
        this.onBulk(message, answer);
      },
      onIntroduced: (peer, incarnation, address) => this.introduced.set(peer, `${incarnation} at ${address}`),
      onNoMember: (peer) => this.changes.push(`no member, says ${peer}`),
      onConnected: (peer) => this.changes.push(`+${peer}`),
      onDisconnected: (peer) => this.changes.push(`-${peer}`),
    });
  }

  /** Who the others are from now on; `leads` where it knows so better than any caller. */
  knows(
    members: RoomOptions["members"],
    leads = this.#leads,
    lives: Readonly<Record<string, string>> = {},
  ): void {
    this.#leads = leads;
    const hosts = Array.isArray(members)
      ? members.map((member) => [member, member] as const)
      : Object.entries(members);
    const known = hosts.map(([id, host]) => ({
      id,
      address: `${host}:${PORT}`,
      incarnation: lives[id] ?? "",
    }));
    this.peers.setMembers(known, leads);
  }

  say(to: string, number: number, bytes = 0): boolean {
    return this.peers.send(to, message(number, bytes));
  }

  /** What was told about peers that went wrong. */
  get complaints(): string[] {
    return this.traces.filter((trace) => trace.startsWith("warn"));
  }

  #watched(stage: PeerStage, network: Network): Network {
    return {
      listen: (address, events) => network.listen(address, events),
      connect: (address) => {
        this.dials.push({ at: stage.time.now, host: address.host });
        const connection = network.connect(address);
        const write = connection.write.bind(connection);
        connection.write = (bytes) => {
          this.writes.push(bytes.length);
          write(bytes);
        };
        return connection;
      },
    };
  }
}

export class PeerStage {
  readonly time = new VirtualTime();
  readonly network: SimNetwork;

  constructor(faults: Partial<NetworkFaults> = {}, seed = "peers") {
    this.network = new SimNetwork(this.time, new SeededRandom(seed), {
      ...calmNetwork,
      latencyMs: [LATENCY_MS, LATENCY_MS],
      ...faults,
    });
  }

  room(id: string, options: RoomOptions): Room {
    return new Room(this, id, options);
  }

  /** Rooms that know each other. */
  rooms(ids: readonly string[], limits: Partial<PeerLimits> = {}): Room[] {
    return ids.map((id) => this.room(id, { members: ids.filter((other) => other !== id), limits }));
  }

  /** Two that know each other. */
  pair(limits: Partial<PeerLimits> = {}): readonly [Room, Room] {
    const [one, other] = this.rooms(["n1", "n2"], limits);
    if (one === undefined || other === undefined) throw new Error("A pair has two");
    return [one, other];
  }

  /** Somebody who dials by hand, and got through if anybody is there. */
  call(host: string, to: string): Stranger {
    const caller = new Stranger(this.network.bodyFor(host, new LifeClock(this.time)).connect(addressOf(to)));
    this.pass(3 * LATENCY_MS);
    return caller;
  }

  /** Somebody who answers by hand where a server should be. */
  answer(host: string, onCall: (stranger: Stranger) => void): void {
    this.network.bodyFor(host, new LifeClock(this.time)).listen(addressOf(host), {
      onListening: () => {},
      onError: (error) => {
        throw error;
      },
      onConnection: (connection) => onCall(new Stranger(connection)),
    });
  }

  pass(ms: number): this {
    const until = this.time.now + ms;
    while (this.time.step(until));
    this.time.now = until;
    return this;
  }

  /** The process of a room dies: it says and hears no more. */
  kill(room: Room): void {
    room.clock.die();
    this.network.died(room.id);
  }

  cut(one: string, other: string): void {
    this.network.cut(one, other);
    this.network.cut(other, one);
  }
}

/** One end of a connection in a test's hands: says any bytes, and keeps what it hears. */
export class Stranger {
  readonly #connection: Connection;
  readonly #decoder = new FrameDecoder(1 << 20);
  /** The body of each frame, decoded. */
  readonly heard: CborValue[] = [];
  /** `ended`, then why it closed. */
  readonly over: string[] = [];
  onHeard: () => void = () => {};

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.listen({
      onOpen: () => {},
      onData: (chunk) => {
        this.#decoder.push(chunk);
        for (let body = this.#decoder.next(); body !== null; body = this.#decoder.next()) {
          if (typeof body === "string") throw new Error(body);
          const decoded = decodeCbor(body);
          if ("reason" in decoded) throw new Error(decoded.reason);
          this.heard.push(decoded.value);
        }
        this.onHeard();
      },
      onEnd: () => this.over.push("ended"),
      onDrain: () => {},
      onClose: (reason) => this.over.push(reason),
    });
  }

  raw(bytes: Uint8Array): this {
    this.#connection.write(bytes);
    return this;
  }

  body(value: CborValue): this {
    return this.raw(encodeFrame(encodeCbor(value)));
  }

  greet(self: PeerIdentity, expectedId: string): this {
    return this.raw(encodeFrame(encodeHello(self, expectedId, "control")));
  }

  says(number: number): this {
    return this.raw(encodeFrame(encodeMessage(message(number))));
  }

  close(): void {
    this.#connection.close();
  }

  /** The first word of each frame. */
  get answers(): string[] {
    return this.heard.map((value) => Array.isArray(value) ? String(value[0]) : "?");
  }
}

export function identity(serverId: string, clusterId = "test", host = serverId): PeerIdentity {
  return {
    clusterId,
    serverId,
    incarnation: `life of ${serverId}`,
    clientAddress: `${serverId}:7001`,
    peerAddress: `${host}:${PORT}`,
  };
}

function addressOf(host: string): Address {
  return { host, port: PORT };
}

/** A message that is told apart by its number, with so many bytes of luggage. */
export function message(number: number, bytes = 0): PeerMessage {
  return {
    kind: "forwardRequest",
    term: 1,
    life: 1,
    requests: [{
      requestId: number,
      access: "read",
      afterRequestId: 0,
      count: 1,
      commands: encodeCommandBatch([new Uint8Array(bytes)]),
    }],
  };
}

function textOf(message: PeerMessage): string {
  return message.kind === "forwardRequest" ? String(message.requests[0]?.requestId) : message.kind;
}
