/**
 * What is on a server's disk, as properties see it: what it would give back if its power failed now.
 *
 * @module
 */
import type { Message } from "../../internal/raft/message.ts";
import type { HardState, LogIndex, ServerId } from "../../internal/raft/types.ts";
import type { PrefixHash } from "./ghost.ts";

export interface DurableState {
  readonly hardState: HardState;
  readonly lastIndex: LogIndex;
  /** The hash of the log up to there, `undefined` where the log is shorter. */
  prefixAt(index: LogIndex): PrefixHash | undefined;
}

/** Gives the disk of a server. */
export type Disks = (server: ServerId) => DurableState;

/** A message on its way out of a server. */
export interface Departure {
  readonly server: ServerId;
  readonly to: ServerId;
  readonly message: Message;
  /** For an acknowledgement: the hash of the log up to `matchIndex`, as it stood when the acknowledgement was made. */
  readonly acknowledged: PrefixHash | undefined;
}
