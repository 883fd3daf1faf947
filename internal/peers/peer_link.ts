/**
 * One outgoing connection to one other server: dial, greet, send, notice when it is dead, dial again.
 *
 * Keeps true:
 *  1. What waits is bounded; what does not fit is dropped and the sender told (`false`). The algorithm repeats itself.
 *  2. All messages of one turn leave in one write.
 *  3. A link whose other end does not answer pings is closed: bytes in a socket buffer are no evidence of delivery (N9, N18). What counts
 *     is pings without an answer, not time: a server that stalled itself asked nothing meanwhile.
 *  4. Nothing is sent to a server that did not prove to be the one meant: right cluster, right id, right version.
 *
 * Messages go one way on a link; the other server has a link of its own to us.
 *
 * @module
 */
import { showAddress } from "../base/address.ts";
import { joined } from "../base/bytes.ts";
import type { Random } from "../base/random.ts";
import type { PeerIdentity } from "../codec/handshake.ts";
import { decodeMessage } from "../codec/message_codec.ts";
import type { PeerMessage } from "../codec/peer_message.ts";
import type { Alarm, Clock, Millis } from "../platform/clock.ts";
import type { Address, Network } from "../platform/network.ts";
import type { Trace } from "../platform/trace.ts";
import type { Complaints } from "./complaints.ts";
import type { FrameMaker } from "./frame_maker.ts";
import { Greeter } from "./greeter.ts";
import type { PeerLimits } from "./limits.ts";

export interface LinkOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly complaints: Complaints;
  readonly limits: PeerLimits;
  readonly frames: FrameMaker;
  readonly self: PeerIdentity;
  readonly peerId: string;
  /** Why whoever answers is not the member that is meant; `null` if it is. */
  readonly objection: (identity: PeerIdentity) => string | null;
}

export interface LinkEvents {
  onConnected(identity: PeerIdentity): void;
  onDisconnected(): void;
  /** The other server says that we are no member of the cluster. */
  onNoMember(): void;
}

export class PeerLink {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  #address: Address;
  #greeter: Greeter | null = null;
  #isOpen = false;
  #stopped = false;
  #frames: Uint8Array[] = [];
  #frameBytes = 0;
  #flushes = false;
  readonly #flushSoon = () => this.#flush();
  #alarm: Alarm | null = null;
  #backoffMs: Millis;
  /** Who answered there last. */
  #identity: PeerIdentity | null = null;
  /** The number of the latest ping, and of the latest that was answered; they count on when the link breaks, so an old pong is known as one. */
  #ping = 0;
  #answered = 0;
  #lastAnswerAt: Millis = 0;
  /** Where the other server serves clients, as it told; kept when the link breaks. */
  clientAddress: string | null = null;

  constructor(options: LinkOptions, address: Address, events: LinkEvents) {
    this.#options = options;
    this.#address = address;
    this.#events = events;
    this.#backoffMs = options.limits.backoffMinMs;
  }

  /** Whoever we are connected to may not be the one that is wanted there, now that more is known. */
  checkAgain(): void {
    const identity = this.#identity;
    const reason = identity === null || !this.#isOpen ? null : this.#options.objection(identity);
    if (reason !== null) this.#greeter?.drop(reason);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get address(): Address {
    return this.#address;
  }

  start(): void {
    this.#dial();
  }

  /** Dials there from now on; a link that stands stays. */
  moveTo(address: Address): void {
    if (showAddress(address) === showAddress(this.#address)) return;
    this.#address = address;
    if (!this.#isOpen) this.#greeter?.drop("the server moved");
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm?.cancel();
    this.#flush();
    this.#greeter?.stop();
    this.#greeter = null;
    this.#isOpen = false;
  }

  /** The other server is there, since it just dialled us: dials now instead of waiting for the next time. */
  hurry(): void {
    if (this.#stopped || this.#greeter !== null) return;
    this.#backoffMs = this.#options.limits.backoffMinMs;
    this.#dial();
  }

  /** Sends a message, or drops it and says `false`. */
  send(message: PeerMessage): boolean {
    const greeter = this.#greeter;
    if (!this.#isOpen || greeter === null) return false;
    if (this.#frameBytes + greeter.bytesQueued >= this.#options.limits.linkBytesMax) return false;
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
    this.#greeter?.write(
      this.#frames.length === 1 ? this.#frames[0] ?? new Uint8Array(0) : joined(this.#frames),
    );
    this.#frames = [];
    this.#frameBytes = 0;
  }

  #dial(): void {
    const { network, clock, limits, self, peerId } = this.#options;
    this.#alarm?.cancel();
    const greeter: Greeter = new Greeter(
      {
        network,
        clock,
        handshakeMs: limits.handshakeMs,
        frameBytesMax: GREETED_BYTES_MAX,
        self,
        address: this.#address,
        peerId,
        lane: "control",
      },
      {
        onWelcome: (identity) => this.#opened(identity),
        onBody: (body) => this.#heard(body),
        onDrain: () => {},
        onClosed: (reason, isNoMember) => this.#closed(reason, isNoMember),
      },
    );
    this.#greeter = greeter;
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

  #opened(identity: PeerIdentity): string | null {
    const { peerId, complaints, trace, clock, limits, objection } = this.#options;
    const reason = objection(identity);
    if (reason !== null) return reason;
    this.#isOpen = true;
    this.#identity = identity;
    this.#answered = this.#ping;
    this.#lastAnswerAt = clock.now();
    this.#backoffMs = limits.backoffMinMs;
    this.clientAddress = identity.clientAddress;
    complaints.forget(peerId);
    trace.event("info", "connected to peer", { peer: peerId, address: showAddress(this.#address) });
    this.#pingLater();
    this.#events.onConnected(identity);
    return null;
  }

  #pingLater(): void {
    const { clock, limits } = this.#options;
    const greeter = this.#greeter;
    this.#alarm = clock.wakeAt(clock.now() + limits.pingMs, () => {
      if (!this.#isOpen || this.#greeter !== greeter || this.#stopped) return;
      // A late alarm (our own stall) first lets what arrived meanwhile be read.
      clock.soon(() => this.#pingNow(greeter));
    });
  }

  #pingNow(greeter: Greeter | null): void {
    if (greeter === null || this.#greeter !== greeter || !this.#isOpen || this.#stopped) return;
    const { clock, limits, frames } = this.#options;
    const unanswered = this.#ping - this.#answered;
    if (unanswered > limits.silenceMs / limits.pingMs) {
      return greeter.drop(`no answer for ${Math.round(clock.now() - this.#lastAnswerAt)} ms`);
    }
    // A ping for which there is no room finds no answer either.
    this.#ping++;
    if (this.#frameBytes + greeter.bytesQueued < limits.linkBytesMax) {
      this.#push(frames.frameOf({ kind: "ping", number: this.#ping }));
    }
    this.#pingLater();
  }

  #closed(reason: string, isNoMember: boolean): void {
    if (this.#stopped) return;
    const { clock, random, limits, complaints, peerId } = this.#options;
    const wasOpen = this.#isOpen;
    this.#greeter = null;
    this.#isOpen = false;
    this.#frames = [];
    this.#frameBytes = 0;
    complaints.say("warn", peerId, wasOpen ? "lost the link to peer" : "cannot reach peer", reason);
    const waitMs = this.#backoffMs / 2 + random.below(Math.ceil(this.#backoffMs / 2) + 1);
    this.#backoffMs = Math.min(this.#backoffMs * 2, limits.backoffMaxMs);
    this.#alarm?.cancel();
    this.#alarm = clock.wakeAt(clock.now() + waitMs, () => {
      if (!this.#stopped && this.#greeter === null) this.#dial();
    });
    if (isNoMember) this.#events.onNoMember();
    if (wasOpen) this.#events.onDisconnected();
  }
}

/** What comes back on a link is pongs. */
const GREETED_BYTES_MAX = 1024;
