/**
 * The dialer's side of a greeting: a connection that was opened, said who we are, and heard who answers.
 *
 * Keeps true: nothing but the answer to the greeting is read before it is right; it has a size and a deadline; everything is told
 * once, and nothing after `onClosed`.
 *
 * @module
 */
import { encodeFrame, FrameDecoder } from "../codec/frame.ts";
import {
  decodeHelloAnswer,
  encodeHello,
  GREETING_BYTES_MAX,
  type Lane,
  type PeerIdentity,
} from "../codec/handshake.ts";
import type { Alarm, Clock } from "../platform/clock.ts";
import type { Address, Connection, Network } from "../platform/network.ts";

export interface GreeterOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly handshakeMs: number;
  readonly frameBytesMax: number;
  readonly self: PeerIdentity;
  readonly address: Address;
  /** Whom we mean to reach; empty for a question who is there. */
  readonly peerId: string;
  readonly lane: Lane;
}

export interface GreeterEvents {
  /** It is who we meant; gives a reason to close all the same. */
  onWelcome(identity: PeerIdentity): string | null;
  /** A frame came after the greeting; gives a reason to close. */
  onBody(body: Uint8Array): string | null;
  onDrain(): void;
  /** The connection is gone; `isNoMember` where the other side knows us for nobody of the cluster. */
  onClosed(reason: string, isNoMember: boolean): void;
}

export class Greeter {
  readonly #options: GreeterOptions;
  readonly #events: GreeterEvents;
  readonly #connection: Connection;
  readonly #decoder = new FrameDecoder(GREETING_BYTES_MAX);
  readonly #deadline: Alarm;
  #isWelcome = false;
  #isOver = false;
  #ownReason: string | null = null;
  #isNoMember = false;

  constructor(options: GreeterOptions, events: GreeterEvents) {
    this.#options = options;
    this.#events = events;
    const { network, clock, address, handshakeMs, self, peerId, lane } = options;
    const connection = network.connect(address);
    this.#connection = connection;
    this.#deadline = clock.wakeAt(clock.now() + handshakeMs, () => {
      this.drop(`no greeting within ${handshakeMs} ms`);
    });
    connection.listen({
      onOpen: () => {
        if (!this.#isOver) connection.write(encodeFrame(encodeHello(self, peerId, lane)));
      },
      onData: (chunk) => this.#received(chunk),
      onEnd: () => this.drop("the other side ended the connection"),
      onDrain: () => {
        if (!this.#isOver) events.onDrain();
      },
      onClose: (reason) => this.#closed(reason),
    });
  }

  /** Bytes that were written and not yet handed to the operating system. */
  get bytesQueued(): number {
    return this.#connection.bytesQueued;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isOver) this.#connection.write(bytes);
  }

  /** Closes the connection for that reason. */
  drop(reason: string): void {
    if (this.#isOver) return;
    this.#ownReason ??= reason;
    this.#connection.close();
  }

  /** Closes the connection, after what was written is sent if that is possible; tells nobody. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline.cancel();
    this.#connection.end();
    this.#connection.close();
  }

  #received(chunk: Uint8Array): void {
    if (this.#isOver) return;
    this.#decoder.push(chunk);
    for (let body = this.#decoder.next(); body !== null; body = this.#decoder.next()) {
      if (typeof body === "string") return this.drop(body);
      const reason = this.#isWelcome ? this.#events.onBody(body) : this.#answered(body);
      if (reason !== null) return this.drop(reason);
      if (this.#isOver) return;
    }
  }

  #answered(body: Uint8Array): string | null {
    const { self, peerId, address, lane } = this.#options;
    const answer = decodeHelloAnswer(body);
    if (typeof answer === "string") return answer;
    if (answer.kind === "refused") {
      this.#isNoMember = answer.isNoMember;
      return `refused by the other side: ${answer.reason}`;
    }
    const isQuestion = lane === "question";
    if (answer.clusterId !== self.clusterId && !(isQuestion && self.clusterId === "")) {
      return `${address.host}:${address.port} is of cluster ${answer.clusterId}, this server of ${self.clusterId}`;
    }
    if (answer.serverId !== peerId && !(isQuestion && peerId === "")) {
      return `${address.host}:${address.port} is ${answer.serverId}, not ${peerId}`;
    }
    this.#isWelcome = true;
    this.#deadline.cancel();
    this.#decoder.bodyBytesMax = this.#options.frameBytesMax;
    return this.#events.onWelcome(answer);
  }

  #closed(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline.cancel();
    this.#events.onClosed(this.#ownReason ?? reason, this.#isNoMember);
  }
}
