/**
 * Connections that other servers make to us: accept, greet, decode, hand up.
 *
 * Keeps true:
 *  1. Nothing of a connection is used before its greeting is right; a greeting has a size and a deadline (N13 to N15).
 *  2. One connection per server counts, the newest; what an older one still brings is dropped (N3).
 *  3. What cannot be decoded closes the connection, and nothing of it is used (N11).
 *  4. The number of connections is bounded; strangers cannot take the places of servers that are known, nor keep one out that dials in: where
 *     they are too many, the one that has waited longest goes. Who knows the greeting says it at once (N14).
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
  type Lane,
  type PeerIdentity,
} from "../codec/handshake.ts";
import { decodeBulk, encodeBulkFrame } from "../codec/bulk_codec.ts";
import type { BulkMessage } from "../codec/bulk_message.ts";
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
  /** Why a server is not let in, and whether that is because it is no member; `null` if it is let in. */
  readonly objection: (hello: Hello) => { readonly reason: string; readonly isNoMember: boolean } | null;
}

export interface PeerListenerEvents {
  onListening(address: Address): void;
  onListenError(error: Error): void;
  onMessage(from: string, message: PeerMessage): void;
  /** Somebody asks for something on a bulk connection; answers go back on it. */
  onBulk(from: string, message: BulkMessage, answer: (message: BulkMessage) => void): void;
  /** A member greeted us, and said where it is. */
  onGreeted(hello: Hello): void;
}

/** One accepted connection. */
interface Incoming {
  readonly connection: Connection;
  readonly decoder: FrameDecoder;
  deadline: Alarm;
  /** Who it is, once it greeted, and of which birth. */
  serverId: string | null;
  incarnation: string;
  lane: Lane;
  lastHeardAt: number;
}

export class PeerListener {
  readonly #options: PeerListenerOptions;
  #events: PeerListenerEvents | null = null;
  #listener: Listener | null = null;
  readonly #incoming = new Set<Incoming>();
  readonly #current = new Map<string, Incoming>();
  /** Connections that were told why they are refused, and when they are cut off if they do not take it. */
  readonly #leaving = new Map<Connection, Alarm>();

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

  /** Closes what servers have open that are not let in any more. */
  checkAgain(isLetIn: (id: string) => boolean): void {
    for (const incoming of [...this.#incoming]) {
      if (incoming.serverId === null || isLetIn(incoming.serverId)) continue;
      this.#forget(incoming);
      incoming.connection.close();
    }
  }

  /** Closes at once what servers have open whose birth is not that of the member. */
  checkBirths(objection: (id: string, incarnation: string) => string | null): void {
    for (const incoming of [...this.#incoming]) {
      const { serverId, incarnation } = incoming;
      const reason = serverId === null ? null : objection(serverId, incarnation);
      if (reason !== null) this.#refuse(incoming, reason);
    }
  }

  stop(): void {
    this.#events = null;
    this.#listener?.close();
    for (const incoming of [...this.#incoming]) {
      this.#forget(incoming);
      incoming.connection.close();
    }
    for (const connection of [...this.#leaving.keys()]) {
      this.#left(connection);
      connection.close();
    }
  }

  #accept(connection: Connection): void {
    const { limits, clock } = this.#options;
    const incoming: Incoming = {
      connection,
      decoder: new FrameDecoder(GREETING_BYTES_MAX),
      serverId: null,
      incarnation: "",
      lane: "control",
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
      onClose: () => {
        this.#left(connection);
        this.#forget(incoming);
      },
    });
    this.#makeRoom();
  }

  /** Where strangers are too many, or connections, the oldest stranger goes. */
  #makeRoom(): void {
    const { connectionsMax, strangersMax } = this.#options.limits;
    const strangers = this.#incoming.size - this.#current.size;
    if (strangers <= strangersMax && this.#incoming.size <= connectionsMax) return;
    for (const incoming of this.#incoming) {
      if (incoming.serverId === null) return this.#refuse(incoming, "too many connections to the peer port");
    }
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
    if (incoming.lane === "bulk") return this.#handBulk(incoming, from, body);
    const message = decodeMessage(body, incoming.decoder.checksum);
    if (typeof message === "string") return message;
    if (message.kind === "ping") {
      incoming.connection.write(encodeMessageFrame({ kind: "pong", number: message.number }));
      return null;
    }
    if (message.kind === "pong") return "a pong came on a link that carries none this way";
    this.#events?.onMessage(from, message);
    return null;
  }

  #handBulk(incoming: Incoming, from: string, body: Uint8Array): string | null {
    const message = decodeBulk(body);
    if (typeof message === "string") return message;
    this.#events?.onBulk(from, message, (answer) => {
      if (this.#incoming.has(incoming)) incoming.connection.write(encodeBulkFrame(answer));
    });
    return null;
  }

  #greet(incoming: Incoming, body: Uint8Array): string | null {
    const { self, limits, complaints } = this.#options;
    const hello = decodeHello(body);
    if (typeof hello === "string") return hello;
    const objection = this.#objection(hello);
    if (objection !== null) {
      this.#refuse(incoming, objection.reason, objection.isNoMember);
      return null;
    }
    if (hello.lane === "question") return this.#answerQuestion(incoming);
    incoming.deadline.cancel();
    incoming.serverId = hello.serverId;
    incoming.incarnation = hello.incarnation;
    incoming.lane = hello.lane;
    incoming.decoder.bodyBytesMax = limits.frameBytesMax;
    const place = `${hello.lane} ${hello.serverId}`;
    const older = this.#current.get(place);
    this.#current.set(place, incoming);
    if (older !== undefined) {
      this.#incoming.delete(older);
      older.deadline.cancel();
      older.connection.close();
    }
    complaints.forget(strangerAt(incoming.connection));
    this.#watch(incoming);
    incoming.connection.write(encodeFrame(encodeWelcome(self)));
    this.#events?.onGreeted(hello);
    return null;
  }

  /** Says who we are, and ends. */
  #answerQuestion(incoming: Incoming): null {
    this.#forget(incoming);
    this.#tellAndClose(incoming, encodeWelcome(this.#options.self));
    return null;
  }

  #objection(hello: Hello): { readonly reason: string; readonly isNoMember: boolean } | null {
    const reason = this.#contradiction(hello);
    if (reason !== null) return { reason, isNoMember: false };
    return hello.lane === "question" ? null : this.#options.objection(hello);
  }

  #contradiction(hello: Hello): string | null {
    const { self } = this.#options;
    const isQuestion = hello.lane === "question";
    if (hello.clusterId !== self.clusterId && !(isQuestion && hello.clusterId === "")) {
      return `server ${hello.serverId} is of cluster ${hello.clusterId}, this one is ${self.serverId} of ${self.clusterId}`;
    }
    if (hello.expectedId !== self.serverId && !(isQuestion && hello.expectedId === "")) {
      return `server ${hello.serverId} looks for ${hello.expectedId}, this one is ${self.serverId}`;
    }
    if (hello.serverId === self.serverId && !isQuestion) {
      return `a server with our own id ${self.serverId} greets us`;
    }
    return null;
  }

  /**
   * A dialer pings; one that falls silent is gone, however open the connection looks. On a bulk connection it asks, and is silent while it
   * waits for the answer, which may be a snapshot that has yet to be taken.
   */
  #watch(incoming: Incoming): void {
    const { clock, limits } = this.#options;
    const graceMs = incoming.lane === "bulk"
      ? limits.bulkIdleMs + limits.silenceMs
      : 2 * (limits.silenceMs + limits.pingMs);
    incoming.deadline = clock.wakeAt(incoming.lastHeardAt + graceMs, () => {
      if (!this.#incoming.has(incoming)) return;
      // Compared as it was asked for: the difference of the two times may be a rounding error less.
      if (clock.now() >= incoming.lastHeardAt + graceMs) incoming.connection.close();
      else this.#watch(incoming);
    });
  }

  #refuse(incoming: Incoming, reason: string, isNoMember = false): void {
    if (!this.#incoming.has(incoming)) return;
    this.#options.complaints.say(
      "warn",
      incoming.serverId ?? strangerAt(incoming.connection),
      "refused a peer connection",
      reason,
    );
    const greeted = incoming.serverId !== null;
    this.#forget(incoming);
    if (greeted || this.#leaving.size >= this.#options.limits.strangersMax) incoming.connection.close();
    else this.#tellAndClose(incoming, encodeRefused(reason, isNoMember));
  }

  /** Says a last word; whoever does not take the answer in time is cut off. */
  #tellAndClose({ connection }: Incoming, answer: Uint8Array): void {
    const { clock, limits } = this.#options;
    connection.write(encodeFrame(answer));
    connection.end();
    this.#leaving.set(connection, clock.wakeAt(clock.now() + limits.handshakeMs, () => connection.close()));
  }

  #left(connection: Connection): void {
    this.#leaving.get(connection)?.cancel();
    this.#leaving.delete(connection);
  }

  #forget(incoming: Incoming): void {
    incoming.deadline.cancel();
    this.#incoming.delete(incoming);
    const place = `${incoming.lane} ${incoming.serverId}`;
    if (this.#current.get(place) === incoming) this.#current.delete(place);
  }
}

/** Under which name a caller that did not greet yet is complained of: its host, since every call comes from another port. */
function strangerAt({ remote }: Connection): string {
  return `${remote.slice(0, Math.max(0, remote.lastIndexOf(":")))} dialling in`;
}
