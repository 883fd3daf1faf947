/**
 * The face of the peers' room: links to all the others, and a port for theirs.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { PeerIdentity } from "../codec/handshake.ts";
import type { PeerMessage } from "../codec/peer_message.ts";
import type { Clock } from "../platform/clock.ts";
import type { Address, Network } from "../platform/network.ts";
import type { Trace } from "../platform/trace.ts";
import { Complaints } from "./complaints.ts";
import { FrameMaker } from "./frame_maker.ts";
import type { PeerLimits } from "./limits.ts";
import { PeerLink } from "./peer_link.ts";
import { PeerListener } from "./peer_listener.ts";

export interface PeersOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly limits: PeerLimits;
  readonly self: PeerIdentity;
  readonly listenAt: Address;
  /** The other members. */
  readonly members: readonly { readonly id: string; readonly address: Address }[];
  onListening(address: Address): void;
  onListenError(error: Error): void;
}

export interface PeersEvents {
  onMessage(from: string, message: PeerMessage): void;
  onConnected(id: string): void;
  onDisconnected(id: string): void;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #links = new Map<string, PeerLink>();
  readonly #listener: PeerListener;
  #started = false;

  constructor(options: PeersOptions) {
    this.#options = options;
    const { network, clock, limits, self, trace } = options;
    const complaints = new Complaints(trace);
    this.#listener = new PeerListener({
      network,
      clock,
      limits,
      self,
      complaints,
      isMember: (id) => this.#links.has(id),
    });
  }

  start(events: PeersEvents): void {
    assert(!this.#started, "The peers' room starts once");
    this.#started = true;
    const { network, clock, limits, self, trace, random, members, listenAt } = this.#options;
    const complaints = new Complaints(trace);
    const frames = new FrameMaker();
    for (const { id, address } of members) {
      const link = new PeerLink(
        {
          network,
          clock,
          limits,
          self,
          trace,
          complaints,
          frames,
          random: random.fork(`link/${id}`),
          peerId: id,
          address,
        },
        { onConnected: () => events.onConnected(id), onDisconnected: () => events.onDisconnected(id) },
      );
      this.#links.set(id, link);
    }
    this.#listener.start(listenAt, {
      onListening: (address) => this.#options.onListening(address),
      onListenError: (error) => this.#options.onListenError(error),
      onMessage: (from, message) => events.onMessage(from, message),
    });
    for (const link of this.#links.values()) link.start();
  }

  /** Sends, or drops: `false` where it was certainly not sent. */
  send(to: string, message: PeerMessage): boolean {
    return this.#links.get(to)?.send(message) ?? false;
  }

  isConnected(id: string): boolean {
    return this.#links.get(id)?.isOpen ?? false;
  }

  clientAddressOf(id: string): string | null {
    return this.#links.get(id)?.clientAddress ?? null;
  }

  stop(): void {
    for (const link of this.#links.values()) link.stop();
    this.#listener.stop();
  }
}
