/**
 * What can happen to a server: the only way in.
 *
 * @module
 */
import type { Message } from "./message.ts";
import type { ServerId, WriteNumber } from "./types.ts";

/** Names a request of the shell's towards the core; the answer carries it. Never reused in one life of the process. */
export type RequestId = number;

export type Input =
  /** Time passed; said when `wakeAt` is reached. */
  | { readonly kind: "tick" }
  /** A peer's frame was decoded and found well formed. */
  | { readonly kind: "message"; readonly from: ServerId; readonly message: Message }
  /** Clients asked for changes: each payload becomes one entry, in this order. Answered by `accepted` or `refused`. */
  | {
    readonly kind: "clientRequest";
    readonly requestId: RequestId;
    readonly payloads: readonly Uint8Array[];
  }
  /** Clients asked for linearizable reads. Answered by `readable` or `refused`. */
  | { readonly kind: "readRequest"; readonly requestId: RequestId }
  /** Every write up to this number is synced. */
  | { readonly kind: "stable"; readonly upTo: WriteNumber };
