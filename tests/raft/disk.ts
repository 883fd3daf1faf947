/**
 * The disk of a server in the bag: what a crash leaves, and what must be on it before a promise leaves.
 *
 * Checks I10 and I11: votes, requests for votes and acknowledgements leave only when what they promise is durable; and I28, where a read is
 * released.
 *
 * @module
 */
import type { SendEffect, WriteEffect } from "../../internal/raft/effect.ts";
import type { Message } from "../../internal/raft/message.ts";
import type { Entry, HardState, LogIndex, ServerId } from "../../internal/raft/types.ts";
import { chain, type PrefixHash, Violation } from "../invariants/ghost.ts";

export interface Disk {
  hardState: HardState;
  entries: Entry[];
  /** Hashes of the prefixes of `entries`, by index. */
  prefix: PrefixHash[];
}

export function emptyDisk(): Disk {
  return { hardState: { currentTerm: 0, votedFor: null }, entries: [], prefix: [0] };
}

export function applyWrite(disk: Disk, write: WriteEffect): void {
  if (write.hardState !== null) disk.hardState = write.hardState;
  if (write.truncateFrom !== null) {
    disk.entries.length = write.truncateFrom - 1;
    disk.prefix.length = write.truncateFrom;
  }
  for (const entry of write.append) {
    disk.prefix.push(chain(disk.prefix[disk.entries.length] ?? 0, entry));
    disk.entries.push(entry);
  }
}

/** A message that waits for its write, and the hash of the log up to where it acknowledges, if it does. */
export interface Held {
  readonly send: SendEffect;
  readonly hash: PrefixHash | undefined;
}

/** A message as it is sent, when the sender's log has those prefixes. */
export function heldOf(send: SendEffect, prefix: readonly (PrefixHash | undefined)[]): Held {
  const { message } = send;
  const isAcknowledgement = message.kind === "appendEntriesResponse" && message.success;
  return { send, hash: prefix[isAcknowledgement ? message.matchIndex : -1] };
}

/** A read is released at that index; `floor` is what was committed when it was asked for (I28). */
export function checkRead(id: ServerId, index: LogIndex, floor: LogIndex | undefined): void {
  if (floor !== undefined && index >= floor) return;
  throw new Violation(`${id} releases a read at ${index}; ${floor} was committed when it was asked`);
}

/** A message leaves; `hash` is that of the log up to where it acknowledges, if it does. */
export function checkPromise(
  id: ServerId,
  disk: Disk,
  to: ServerId,
  message: Message,
  hash: PrefixHash | undefined,
): void {
  const durable = disk.hardState;
  const mustBe = (holds: boolean, what: string) => {
    if (holds) return;
    throw new Violation(`${id} sends ${message.kind} of term ${message.term} before ${what} is durable`);
  };
  if (message.kind === "requestVoteRequest") {
    mustBe(
      durable.currentTerm > message.term ||
        (durable.currentTerm === message.term && durable.votedFor === id),
      "its own vote",
    );
  }
  if (message.kind === "requestVoteResponse") {
    mustBe(durable.currentTerm >= message.term, "its term");
    if (message.voteGranted) {
      mustBe(durable.currentTerm > message.term || durable.votedFor === to, "its vote");
    }
  }
  if (message.kind === "appendEntriesResponse") {
    mustBe(durable.currentTerm >= message.term, "its term");
    if (message.success && durable.currentTerm === message.term) {
      mustBe(hash !== undefined && disk.prefix[message.matchIndex] === hash, `index ${message.matchIndex}`);
    }
  }
}
