/**
 * One outgoing connection to one other server: dial, greet, send, notice when it is dead, dial again.
 *
 * Keeps true:
 *  1. What waits is bounded; what does not fit is dropped and the sender told (`false`). The algorithm repeats itself.
 *  2. All messages of one turn leave in one write.
 *  3. A link whose other end does not answer pings is closed: bytes in a socket buffer are no evidence of delivery (N9, N18). What counts is
 *     how many pings found no answer, not the time that passed: a server that stalled itself asked nothing meanwhile (P2, P4).
 *  4. Nothing is sent to a server that did not prove to be the one meant: right cluster, right id, right version.
 *
 * Messages go one way on a link; the other server has a link of its own to us.
 *
 * @module
 */
import type { Random } from "../base/random.ts";
import { encodeFrame, FrameDecoder } from "../codec/frame.ts";
import { decodeHelloAnswer, encodeHello, GREETING_BYTES_MAX, type PeerIdentity } from "../codec/handshake.ts";
import { decodeMessage } from "../codec/message_codec.ts";
import type { PeerMessage } from "../codec/peer_message.ts";
import type { Alarm, Clock, Millis } from "../platform/clock.ts";
import type { Address, Connection, Network } from "../platform/network.ts";
import type { Trace } from "../platform/trace.ts";
import type { Complaints } from "./complaints.ts";
import type { FrameMaker } from "./frame_maker.ts";
import type { PeerLimits } from "./limits.ts";

export interface LinkOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly complaints: Complaints;
  /** Shared by all links, since several servers are told the same. */
  readonly frames: FrameMaker;
  readonly limits: PeerLimits;
  readonly self: PeerIdentity;
  readonly peerId: string;
  readonly address: Address;
}

export interface LinkEvents {
  onConnected(): void;
  onDisconnected(): void;
}

export class PeerLink {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  #connection: Connection | null = null;
  #isOpen = false;
  #stopped = false;
  #decoder = new FrameDecoder(GREETING_BYTES_MAX);
  #frames: Uint8Array[] = [];
  #frameBytes = 0;
  #flushes = false;
  readonly #flushSoon = () => this.#flush();
  #alarm: Alarm | null = null;
  #backoffMs: Millis;
  /** The number of the latest ping, and of the latest that was answered; they count on when the link breaks, so an old pong is known as one. */
  #ping = 0;
  #answered = 0;
  #lastAnswerAt: Millis = 0;
  /** Why we closed the connection ourselves. */
  #ownReason: string | null = null;
  /** Where the other server serves clients, as it told; kept when the link breaks. */
  clientAddress: string | null = null;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#backoffMs = options.limits.backoffMinMs;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  start(): void {
    this.#dial();
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm?.cancel();
    this.#flush();
    this.#connection?.end();
    this.#connection?.close();
    this.#connection = null;
    this.#isOpen = false;
  }

  /** Sends a message, or drops it and says `false`. */
  send(message: PeerMessage): boolean {
    const connection = this.#connection;
    if (!this.#isOpen || connection === null) return false;
    if (this.#frameBytes + connection.bytesQueued >= this.#options.limits.linkBytesMax) return false;
    this.#push(this.#options.frames.frameOf(message));
    return true;
  }

  #push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.#frameBytes += frame.length;
    if (this.#flushes) return;
    this.#flushes = true;
    this.#options.clock.soon(this.#flushSoon);
  }

  #flush(): void {
    this.#flushes = false;
    if (this.#frames.length === 0) return;
    this.#connection?.write(
      this.#frames.length === 1 ? this.#frames[0] ?? new Uint8Array(0) : join(this.#frames, this.#frameBytes),
    );
    this.#frames = [];
    this.#frameBytes = 0;
  }

  #dial(): void {
    const { network, clock, address, limits } = this.#options;
    this.#decoder = new FrameDecoder(GREETING_BYTES_MAX);
    this.#ownReason = null;
    const connection = network.connect(address);
    this.#connection = connection;
    const mine = (run: () => void) => {
      if (this.#connection === connection && !this.#stopped) run();
    };
    connection.listen({
      onOpen: () =>
        mine(() => connection.write(encodeFrame(encodeHello(this.#options.self, this.#options.peerId)))),
      onData: (chunk) => mine(() => this.#received(connection, chunk)),
      onEnd: () => mine(() => this.#drop(connection, "the other side ended the connection")),
      onDrain: () => {},
      onClose: (reason) => mine(() => this.#closed(this.#ownReason ?? reason)),
    });
    this.#alarm?.cancel();
    this.#alarm = clock.wakeAt(clock.now() + limits.handshakeMs, () => {
      mine(() => this.#drop(connection, `no greeting within ${limits.handshakeMs} ms`));
    });
  }

  #drop(connection: Connection, reason: string): void {
    this.#ownReason ??= reason;
    connection.close();
  }

  #received(connection: Connection, chunk: Uint8Array): void {
    this.#decoder.push(chunk);
    for (let body = this.#decoder.next(); body !== null; body = this.#decoder.next()) {
      if (typeof body === "string") return this.#drop(connection, body);
      const reason = this.#isOpen ? this.#heard(body) : this.#greeted(body);
      if (reason !== null) return this.#drop(connection, reason);
    }
  }

  /** On an open link only pongs come back. */
  #heard(body: Uint8Array): string | null {
    const message = decodeMessage(body);
    if (typeof message === "string") return message;
    if (message.kind !== "pong") return `${message.kind} came back on a link that only carries pongs back`;
    if (message.number > this.#answered && message.number <= this.#ping) {
      this.#answered = message.number;
      this.#lastAnswerAt = this.#options.clock.now();
    }
    return null;
  }

  #greeted(body: Uint8Array): string | null {
    const { self, peerId, address, complaints, trace } = this.#options;
    const answer = decodeHelloAnswer(body);
    if (typeof answer === "string") return answer;
    if (answer.kind === "refused") return `refused by the other side: ${answer.reason}`;
    if (answer.clusterId !== self.clusterId) {
      return `${address.host}:${address.port} is of cluster ${answer.clusterId}, this server of ${self.clusterId}`;
    }
    if (answer.serverId !== peerId) {
      return `${address.host}:${address.port} is ${answer.serverId}, not ${peerId}`;
    }
    this.#isOpen = true;
    this.#answered = this.#ping;
    this.#lastAnswerAt = this.#options.clock.now();
    this.#backoffMs = this.#options.limits.backoffMinMs;
    this.clientAddress = answer.clientAddress;
    complaints.forget(peerId);
    trace.event("info", "connected to peer", { peer: peerId, address: `${address.host}:${address.port}` });
    this.#alarm?.cancel();
    this.#pingLater();
    this.#events.onConnected();
    return null;
  }

  #pingLater(): void {
    const { clock, limits } = this.#options;
    this.#alarm = clock.wakeAt(clock.now() + limits.pingMs, () => {
      const connection = this.#connection;
      if (!this.#isOpen || connection === null || this.#stopped) return;
      // A late alarm (our own stall) first lets what arrived meanwhile be read.
      clock.soon(() => this.#pingNow(connection));
    });
  }

  #pingNow(connection: Connection): void {
    if (this.#connection !== connection || !this.#isOpen || this.#stopped) return;
    const { clock, limits } = this.#options;
    const unanswered = this.#ping - this.#answered;
    if (unanswered > limits.silenceMs / limits.pingMs) {
      const silentMs = Math.round(clock.now() - this.#lastAnswerAt);
      return this.#drop(connection, `no answer for ${silentMs} ms`);
    }
    // A ping for which there is no room finds no answer either.
    this.#ping++;
    if (this.#frameBytes + connection.bytesQueued < limits.linkBytesMax) {
      this.#push(this.#options.frames.frameOf({ kind: "ping", number: this.#ping }));
    }
    this.#pingLater();
  }

  #closed(reason: string): void {
    const { clock, random, limits, complaints, peerId } = this.#options;
    const wasOpen = this.#isOpen;
    this.#connection = null;
    this.#isOpen = false;
    this.#frames = [];
    this.#frameBytes = 0;
    complaints.say("warn", peerId, wasOpen ? "lost the link to peer" : "cannot reach peer", reason);
    const waitMs = this.#backoffMs / 2 + random.below(Math.ceil(this.#backoffMs / 2) + 1);
    this.#backoffMs = Math.min(this.#backoffMs * 2, limits.backoffMaxMs);
    this.#alarm?.cancel();
    this.#alarm = clock.wakeAt(clock.now() + waitMs, () => {
      if (!this.#stopped && this.#connection === null) this.#dial();
    });
    if (wasOpen) this.#events.onDisconnected();
  }
}

function join(parts: readonly Uint8Array[], total: number): Uint8Array {
  const joined = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
