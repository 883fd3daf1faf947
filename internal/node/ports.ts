/**
 * What the node needs of the rooms around it, as it needs it.
 *
 * The rooms themselves (storage, peers) have more to them; the node sees no more than this, and a test can stand in for them.
 *
 * @module
 */
import type { Refusal } from "../base/errors.ts";
import type { PeerMessage } from "../codec/peer_message.ts";
import type { WriteEffect } from "../raft/effect.ts";
import type { ServerId, WriteNumber } from "../raft/types.ts";

/** The disk, as far as the node minds it. */
export interface Store {
  /** Says who listens; once, before the first write. */
  listen(events: StoreEvents): void;
  /** Queues a write; writes become durable in the order in which they were queued. */
  write(effect: WriteEffect): void;
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
  /** Sends, or drops: `false` where it was certainly not sent. */
  send(to: ServerId, message: PeerMessage): boolean;
  isConnected(id: ServerId): boolean;
  /** Where that server serves clients, if it told. */
  clientAddressOf(id: ServerId): string | null;
  stop(): void;
}

export interface PeerRoomEvents {
  onMessage(from: ServerId, message: PeerMessage): void;
  onConnected(id: ServerId): void;
  /** What was sent on our connection to it and not answered is in doubt. */
  onDisconnected(id: ServerId): void;
}
