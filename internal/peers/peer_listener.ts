/**
 * Connections that other servers make to us: accept, greet, decode, hand up.
 *
 * Keeps true:
 *  1. Nothing of a connection is used before its greeting is right; a greeting has a size and a deadline (N13 to N15).
 *  2. One connection per server counts, the newest; what an older one still brings is dropped (N3).
 *  3. What cannot be decoded closes the connection, and nothing of it is used (N11).
 *  4. The number of connections is bounded, and strangers cannot take the places of servers that are known.
 *
 * @module
 */
import { encodeFrame, FrameDecoder } from "../codec/frame.ts";
import {
  decodeHello,
  encodeRefused,
  encodeWelcome,
  GREETING_BYTES_MAX,
  type Hello,
  type PeerIdentity,
} from "../codec/handshake.ts";
import { decodeMessage, encodeMessageFrame } from "../codec/message_codec.ts";
import type { PeerMessage } from "../codec/peer_message.ts";
import type { Alarm, Clock } from "../platform/clock.ts";
import type { Address, Connection, Listener, Network } from "../platform/network.ts";
import type { Complaints } from "./complaints.ts";
import type { PeerLimits } from "./limits.ts";

export interface PeerListenerOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly complaints: Complaints;
  readonly limits: PeerLimits;
  readonly self: PeerIdentity;
  readonly isMember: (id: string) => boolean;
}

export interface PeerListenerEvents {
  onListening(address: Address): void;
  onListenError(error: Error): void;
  onMessage(from: string, message: PeerMessage): void;
}

/** One accepted connection. */
interface Incoming {
  readonly connection: Connection;
  readonly decoder: FrameDecoder;
  deadline: Alarm;
  /** Who it is, once it greeted. */
  serverId: string | null;
  lastHeardAt: number;
}

export class PeerListener {
  readonly #options: PeerListenerOptions;
  #events: PeerListenerEvents | null = null;
  #listener: Listener | null = null;
  readonly #incoming = new Set<Incoming>();
  readonly #current = new Map<string, Incoming>();

  constructor(options: PeerListenerOptions) {
    this.#options = options;
  }

  start(address: Address, events: PeerListenerEvents): void {
    this.#events = events;
    this.#listener = this.#options.network.listen(address, {
      onListening: (bound) => events.onListening(bound),
      onError: (error) => events.onListenError(error),
      onConnection: (connection) => this.#accept(connection),
    });
  }

  stop(): void {
    this.#events = null;
    this.#listener?.close();
    for (const incoming of [...this.#incoming]) {
      this.#forget(incoming);
      incoming.connection.close();
    }
  }

  #accept(connection: Connection): void {
    const { limits, clock } = this.#options;
    const strangers = this.#incoming.size - this.#current.size;
    const full = this.#incoming.size >= limits.connectionsMax || strangers >= limits.strangersMax;
    const incoming: Incoming = {
      connection,
      decoder: new FrameDecoder(GREETING_BYTES_MAX),
      serverId: null,
      lastHeardAt: clock.now(),
      deadline: clock.wakeAt(clock.now() + limits.handshakeMs, () => {
        this.#refuse(incoming, `no greeting within ${limits.handshakeMs} ms`);
      }),
    };
    this.#incoming.add(incoming);
    connection.listen({
      onOpen: () => {},
      onData: (chunk) => this.#received(incoming, chunk),
      onEnd: () => connection.close(),
      onDrain: () => {},
      onClose: () => this.#forget(incoming),
    });
    if (full) this.#refuse(incoming, "too many connections to the peer port");
  }

  #received(incoming: Incoming, chunk: Uint8Array): void {
    if (!this.#incoming.has(incoming)) return;
    incoming.lastHeardAt = this.#options.clock.now();
    incoming.decoder.push(chunk);
    for (let body = incoming.decoder.next(); body !== null; body = incoming.decoder.next()) {
      if (typeof body === "string") return this.#refuse(incoming, body);
      const reason = incoming.serverId === null
        ? this.#greet(incoming, body)
        : this.#hand(incoming, incoming.serverId, body);
      if (reason !== null) return this.#refuse(incoming, reason);
      if (!this.#incoming.has(incoming)) return;
    }
  }

  #hand(incoming: Incoming, from: string, body: Uint8Array): string | null {
    const message = decodeMessage(body);
    if (typeof message === "string") return message;
    if (message.kind === "ping") {
      incoming.connection.write(encodeMessageFrame({ kind: "pong", number: message.number }));
      return null;
    }
    if (message.kind === "pong") return "a pong came on a link that carries none this way";
    this.#events?.onMessage(from, message);
    return null;
  }

  #greet(incoming: Incoming, body: Uint8Array): string | null {
    const { self, limits, complaints } = this.#options;
    const hello = decodeHello(body);
    if (typeof hello === "string") return hello;
    const reason = this.#objection(hello);
    if (reason !== null) return reason;
    incoming.deadline.cancel();
    incoming.serverId = hello.serverId;
    incoming.decoder.bodyBytesMax = limits.frameBytesMax;
    const older = this.#current.get(hello.serverId);
    this.#current.set(hello.serverId, incoming);
    if (older !== undefined) {
      this.#incoming.delete(older);
      older.deadline.cancel();
      older.connection.close();
    }
    complaints.forget(strangerAt(incoming.connection));
    this.#watch(incoming);
    incoming.connection.write(encodeFrame(encodeWelcome(self)));
    return null;
  }

  #objection(hello: Hello): string | null {
    const { self, isMember } = this.#options;
    if (hello.clusterId !== self.clusterId) {
      return `server ${hello.serverId} is of cluster ${hello.clusterId}, this one is ${self.serverId} of ${self.clusterId}`;
    }
    if (hello.expectedId !== self.serverId) {
      return `server ${hello.serverId} looks for ${hello.expectedId}, this one is ${self.serverId}`;
    }
    if (hello.serverId === self.serverId) return `a server with our own id ${self.serverId} greets us`;
    if (!isMember(hello.serverId)) return `server ${hello.serverId} is no member of the cluster`;
    return null;
  }

  /** A dialer pings; one that falls silent is gone, however open the connection looks. */
  #watch(incoming: Incoming): void {
    const { clock, limits } = this.#options;
    const graceMs = 2 * (limits.silenceMs + limits.pingMs);
    incoming.deadline = clock.wakeAt(incoming.lastHeardAt + graceMs, () => {
      if (!this.#incoming.has(incoming)) return;
      if (clock.now() - incoming.lastHeardAt >= graceMs) incoming.connection.close();
      else this.#watch(incoming);
    });
  }

  #refuse(incoming: Incoming, reason: string): void {
    if (!this.#incoming.has(incoming)) return;
    this.#options.complaints.say(
      "warn",
      incoming.serverId ?? strangerAt(incoming.connection),
      "refused a peer connection",
      reason,
    );
    const greeted = incoming.serverId !== null;
    this.#forget(incoming);
    if (greeted) incoming.connection.close();
    else {
      incoming.connection.write(encodeFrame(encodeRefused(reason)));
      incoming.connection.end();
      // Whoever does not take the answer in time is cut off.
      const { clock, limits } = this.#options;
      clock.wakeAt(clock.now() + limits.handshakeMs, () => incoming.connection.close());
    }
  }

  #forget(incoming: Incoming): void {
    incoming.deadline.cancel();
    this.#incoming.delete(incoming);
    if (incoming.serverId !== null && this.#current.get(incoming.serverId) === incoming) {
      this.#current.delete(incoming.serverId);
    }
  }
}

/** Under which name a caller that did not greet yet is complained of: its host, since every call comes from another port. */
function strangerAt({ remote }: Connection): string {
  return `${remote.slice(0, Math.max(0, remote.lastIndexOf(":")))} dialling in`;
}
