/**
 * What the node needs of the rooms around it, as it needs it.
 *
 * The rooms themselves (storage, peers) have more to them; the node sees no more than this, and a test can stand in for them.
 *
 * @module
 */
import type { Refusal } from "../base/errors.ts";
import type { BulkMessage, SnapshotName } from "../codec/bulk_message.ts";
import type { PeerIdentity } from "../codec/handshake.ts";
import type { PeerMessage } from "../codec/peer_message.ts";
import type { WriteEffect } from "../raft/effect.ts";
import type { ConfigurationValue, LogIndex, ServerId, Term, WriteNumber } from "../raft/types.ts";

/** The disk, as far as the node minds it. */
export interface Store {
  /** Says who listens; once, before the first write. */
  listen(events: StoreEvents): void;
  /** The disk is full: nothing more is taken from clients. */
  readonly isFull: boolean;
  /** Whether entries that a leader sends find room. */
  readonly takesEntries: boolean;
  /** Queues a write; writes become durable in the order in which they were queued. */
  write(effect: WriteEffect): void;
  /** Nothing else is to join what was queued in this turn: it goes to the disk now, if nothing else is on its way there. */
  begin(): void;
  /** Entries up to `index` are not needed on disk any more. */
  discard(index: LogIndex): void;
  /** All that was lost is on the disk again: the mark of the loss may go. */
  endRepair(): void;
  /**
   * What is on the disk is older than what was there. Notes a loss of that number, so that the next start knows of it, and tells when that
   * is durable. Nothing is written afterwards.
   */
  noteLoss(epoch: number, done: () => void): void;
}

export interface StoreEvents {
  /** Every write up to this number is on the disk. */
  onStable(upTo: WriteNumber): void;
  /** The disk failed for good; nothing will become stable any more. */
  onFailure(refusal: Refusal): void;
}

/** The other servers, as far as the node minds them. */
export interface PeerRoom {
  start(events: PeerRoomEvents): void;
  /** Who the other members are from now on; `refusesStrangers` where this server knows it better than any caller. */
  setMembers(members: readonly PeerMember[], refusesStrangers: boolean): void;
  /** Opens a bulk connection to a member; `null` where it is none. */
  openBulk(to: ServerId, events: BulkLineEvents): BulkLine | null;
  /** Asks who listens at an address, written as `host:port`; tells who it is, or why nobody knows. */
  askWho(address: string, done: (who: PeerIdentity | string) => void): void;
  /** Sends, or drops: `false` where it was certainly not sent. */
  send(to: ServerId, message: PeerMessage): boolean;
  isConnected(id: ServerId): boolean;
  /** Where that server serves clients, if it told. */
  clientAddressOf(id: ServerId): string | null;
  stop(): void;
}

/** A member as the peers' room needs it. */
export interface PeerMember {
  readonly id: ServerId;
  readonly address: string;
  readonly incarnation: string;
}

/** A bulk connection that we opened. */
export interface BulkLine {
  send(message: BulkMessage): void;
  close(): void;
}

export interface BulkLineEvents {
  onOpen(): void;
  onMessage(message: BulkMessage): void;
  onClosed(reason: string): void;
}

export interface PeerRoomEvents {
  onMessage(from: ServerId, message: PeerMessage): void;
  /** Another server asks for something on a bulk connection that it opened. */
  onBulk(from: ServerId, message: BulkMessage, answer: (message: BulkMessage) => void): void;
  /** A member told who and where it is. */
  onIntroduced(id: ServerId, incarnation: string, peerAddress: string): void;
  /** A member told that it does not know us for one. */
  onNoMember(id: ServerId): void;
  onConnected(id: ServerId): void;
  /** What was sent on our connection to it and not answered is in doubt. */
  onDisconnected(id: ServerId): void;
}

/** Of which place a snapshot is, and what is known there. */
export interface SnapshotPlace {
  readonly clusterId: string;
  readonly index: LogIndex;
  readonly term: Term;
  readonly configurationIndex: LogIndex;
  readonly configuration: ConfigurationValue;
  readonly digest: number;
}

/** A whole snapshot on our disk. */
export interface KeptSnapshot {
  readonly meta: SnapshotPlace;
  readonly id: SnapshotName;
}

/** Begins to take a state from its chunks. */
type Begin = (
  meta: SnapshotPlace,
) => { take(chunk: Uint8Array): string | null; finish(): string | null };

/** The snapshots on disk, as far as the node minds them. Every question is answered once, in a later turn. */
export interface SnapshotRoom {
  readonly newest: KeptSnapshot | null;
  /** Up to which index the log on disk is not needed any more. */
  readonly coveredIndex: LogIndex;
  take(
    place: SnapshotPlace,
    next: () => Uint8Array | null,
    done: (result: KeptSnapshot | Error) => void,
  ): void;
  read(name: SnapshotName, offset: number, length: number, done: (result: Uint8Array | Error) => void): void;
  receive(name: SnapshotName, done: (result: number | Error) => void): void;
  received(
    name: SnapshotName,
    offset: number,
    bytes: Uint8Array,
    begin: Begin,
    done: (result: KeptSnapshot | null | Error) => void,
  ): void;
}
