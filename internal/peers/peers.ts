/**
 * The face of the peers' room: links to all the other members, and a port for theirs.
 *
 * Keeps true: there is a link to every other member of the newest configuration. Whoever of the cluster calls is let in and has a link
 * too, since a leader may be newer than the configuration that we know (dissertation 4.1); but not a member whose data is of another
 * birth than the configuration says (M11, O2, O6), nor a server that we saw leave, nor, on the leader, who is no member.
 *
 * @module
 */
import { parseAddress } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { BulkMessage } from "../codec/bulk_message.ts";
import type { Hello, PeerIdentity } from "../codec/handshake.ts";
import type { PeerMessage } from "../codec/peer_message.ts";
import type { Alarm, Clock, Millis } from "../platform/clock.ts";
import type { Address, Network } from "../platform/network.ts";
import type { Trace } from "../platform/trace.ts";
import { BulkChannel, type BulkEvents } from "./bulk_channel.ts";
import { Complaints } from "./complaints.ts";
import { FrameMaker } from "./frame_maker.ts";
import type { PeerLimits } from "./limits.ts";
import { PeerLink } from "./peer_link.ts";
import { PeerListener } from "./peer_listener.ts";
import { askWho } from "./question.ts";

/** Callers that are no members, as far as we know, and answered all the same. */
const ACQUAINTANCES_MAX = 32;

export interface PeersOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly limits: PeerLimits;
  readonly self: PeerIdentity;
  readonly listenAt: Address;
  onListening(address: Address): void;
  onListenError(error: Error): void;
}

/** A member as this room needs it. */
export interface PeerMember {
  readonly id: string;
  /** As `host:port`; a hint, which a greeting may correct. */
  readonly address: string;
  /** Empty while nobody knows. */
  readonly incarnation: string;
}

export interface PeersEvents {
  onMessage(from: string, message: PeerMessage): void;
  onBulk(from: string, message: BulkMessage, answer: (message: BulkMessage) => void): void;
  onConnected(id: string): void;
  onDisconnected(id: string): void;
  /** A member said who and where it is. */
  onIntroduced(id: string, incarnation: string, peerAddress: string): void;
  /** A member says that we are none. */
  onNoMember(id: string): void;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #complaints: Complaints;
  readonly #links = new Map<string, PeerLink>();
  readonly #members = new Map<string, PeerMember>();
  /** Who was a member and is none any more. */
  readonly #departedAt = new Map<string, Millis>();
  readonly #listener: PeerListener;
  readonly #frames = new FrameMaker();
  #refusesStrangers = false;
  #departing: Alarm | null = null;
  #events: PeersEvents | null = null;
  #isStopped = false;

  constructor(options: PeersOptions) {
    this.#options = options;
    const { network, clock, limits, self, trace } = options;
    this.#complaints = new Complaints(trace);
    this.#listener = new PeerListener({
      network,
      clock,
      limits,
      self,
      complaints: this.#complaints,
      objection: (hello) => this.#objection(hello),
    });
  }

  start(events: PeersEvents): void {
    assert(this.#events === null, "The peers' room starts once");
    this.#events = events;
    this.#listener.start(this.#options.listenAt, {
      onListening: (address) => this.#options.onListening(address),
      onListenError: (error) => this.#options.onListenError(error),
      onMessage: (from, message) => events.onMessage(from, message),
      onBulk: (from, message, answer) => events.onBulk(from, message, answer),
      onGreeted: ({ serverId, incarnation, peerAddress }) => {
        this.#introduced(serverId, incarnation, peerAddress);
        this.#links.get(serverId)?.hurry();
      },
    });
    for (const link of this.#links.values()) link.start();
  }

  /** Who the other members are from now on; `refusesStrangers` where this server knows it better than any caller. */
  setMembers(members: readonly PeerMember[], refusesStrangers: boolean): void {
    this.#refusesStrangers = refusesStrangers;
    const now = this.#options.clock.now();
    for (const id of this.#members.keys()) if (!this.#departedAt.has(id)) this.#departedAt.set(id, now);
    this.#members.clear();
    for (const member of members) {
      this.#members.set(member.id, member);
      this.#departedAt.delete(member.id);
    }
    for (const { id, address } of members) this.#link(id, address);
    if (this.#isStopped) return;
    // Who came in before its birth was known may turn out to be of another one; not a word of it counts any more.
    for (const link of this.#links.values()) link.checkAgain();
    this.#listener.checkBirths((id, incarnation) => this.#reincarnation(id, incarnation));
    // What was said to a server that leaves, and what it has to answer, may still be under way.
    const { clock, limits } = this.#options;
    this.#departing ??= clock.wakeAt(now + limits.departureMs, () => this.#partFromStrangers());
  }

  /** Sends, or drops: `false` where it was certainly not sent. */
  send(to: string, message: PeerMessage): boolean {
    return this.#links.get(to)?.send(message) ?? false;
  }

  /** Opens a bulk connection to a member; `null` where it is none. */
  openBulk(to: string, events: BulkEvents): BulkChannel | null {
    const address = this.#links.get(to)?.address;
    if (address === undefined || this.#isStopped) return null;
    const { network, clock, limits, self } = this.#options;
    const { handshakeMs, frameBytesMax, bulkIdleMs } = limits;
    return new BulkChannel(
      { network, clock, handshakeMs, frameBytesMax, self, address, peerId: to, lane: "bulk" },
      bulkIdleMs,
      events,
    );
  }

  /** Asks who listens at an address; tells who it is, or why nobody knows. */
  askWho(text: string, done: (who: PeerIdentity | string) => void): void {
    const address = parseAddress(text);
    if (address === null) return done(`${text} is no address`);
    const { network, clock, limits, self } = this.#options;
    askWho({ network, clock, handshakeMs: limits.handshakeMs, self, address }, done);
  }

  isConnected(id: string): boolean {
    return this.#links.get(id)?.isOpen ?? false;
  }

  clientAddressOf(id: string): string | null {
    return this.#links.get(id)?.clientAddress ?? null;
  }

  stop(): void {
    this.#isStopped = true;
    this.#departing?.cancel();
    for (const link of this.#links.values()) link.stop();
    this.#listener.stop();
  }

  #link(id: string, text: string): void {
    const address = parseAddress(text);
    if (address === null) {
      this.#complaints.say("error", id, "the address of a member cannot be read", text);
      return;
    }
    const known = this.#links.get(id);
    if (known !== undefined) return known.moveTo(address);
    const { network, clock, limits, self, trace, random } = this.#options;
    const link = new PeerLink(
      {
        network,
        clock,
        limits,
        self,
        trace,
        complaints: this.#complaints,
        frames: this.#frames,
        random: random.fork(`link/${id}`),
        peerId: id,
        objection: (identity) => this.#reincarnation(id, identity.incarnation),
      },
      address,
      {
        onConnected: ({ incarnation, peerAddress }) => {
          this.#introduced(id, incarnation, peerAddress);
          this.#events?.onConnected(id);
        },
        onDisconnected: () => this.#events?.onDisconnected(id),
        onNoMember: () => this.#events?.onNoMember(id),
      },
    );
    this.#links.set(id, link);
    if (this.#events !== null && !this.#isStopped) link.start();
  }

  /** A member that is somewhere else than the configuration says is dialled where it says it is. */
  #introduced(id: string, incarnation: string, peerAddress: string): void {
    const address = parseAddress(peerAddress);
    const link = this.#links.get(id);
    if (link !== undefined && address !== null && !link.isOpen) link.moveTo(address);
    const acquaintances = this.#links.size - this.#members.size;
    if (link === undefined && !this.#isStopped && acquaintances < ACQUAINTANCES_MAX) {
      this.#link(id, peerAddress);
    }
    this.#events?.onIntroduced(id, incarnation, peerAddress);
  }

  #partFromStrangers(): void {
    const { clock, limits } = this.#options;
    const now = clock.now();
    // Each has its time: another one's departure may be what rang.
    const until = (id: string) => (this.#departedAt.get(id) ?? -Infinity) + limits.departureMs;
    const mayStay = (id: string) => this.#isKnown(id) || until(id) > now;
    const next = Math.min(...[...this.#departedAt.keys()].map(until).filter((at) => at > now));
    this.#departing = Number.isFinite(next) ? clock.wakeAt(next, () => this.#partFromStrangers()) : null;
    for (const [id, link] of this.#links) {
      if (mayStay(id)) continue;
      this.#links.delete(id);
      const wasOpen = link.isOpen;
      link.stop();
      if (wasOpen) this.#events?.onDisconnected(id);
    }
    this.#listener.checkAgain(mayStay);
  }

  /** Whether it is a member, or may be one for all that we know. */
  #isKnown(id: string): boolean {
    return this.#members.has(id) || (!this.#refusesStrangers && !this.#departedAt.has(id));
  }

  #objection(
    { serverId, incarnation }: Hello,
  ): { readonly reason: string; readonly isNoMember: boolean } | null {
    if (!this.#isKnown(serverId)) {
      return { reason: `server ${serverId} is no member of the cluster`, isNoMember: true };
    }
    const reason = this.#reincarnation(serverId, incarnation);
    return reason === null ? null : { reason, isNoMember: true };
  }

  /** A server that lost its data comes back as another one under the same name: it may have promised what it does not know. */
  #reincarnation(id: string, incarnation: string): string | null {
    const known = this.#members.get(id)?.incarnation ?? "";
    if (known === "" || known === incarnation) return null;
    return `server ${id} is not the one that is a member: its data is of another birth; ` +
      `remove ${id}, and add it again under a new id`;
  }
}
