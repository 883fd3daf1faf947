/**
 * Messages that wait for the disk.
 *
 * A vote and an acknowledgement are promises. A promise may leave this server only when the writes it rests on are stable
 * (dissertation 3.8). The core marks such a message with the number of the latest write it had asked for; here it waits until
 * that number is stable.
 *
 * Keeps true: a held message leaves only when its write is stable; held messages leave in the order in which they came. An answer that waits
 * goes for a later one that says at least as much and waits for the same write, so what is held is bounded by the writes under way and
 * not by how long the disk takes (D16).
 *
 * Leaves to others: choosing the number (raft/outbox.ts), syncing (storage).
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { AppendEntriesResponse, Message } from "../raft/message.ts";
import type { ServerId, WriteNumber } from "../raft/types.ts";

type Said = Pick<AppendEntriesResponse, "term" | "requestTerm" | "epoch" | "round">;

export interface HeldMessage {
  readonly to: ServerId;
  readonly message: Message;
  readonly after: WriteNumber;
}

export class HeldMessages {
  readonly #waiting: HeldMessage[] = [];

  /** Takes a message whose promise is not on disk yet. */
  hold(held: HeldMessage): void {
    assert(
      (this.#waiting.at(-1)?.after ?? 0) <= held.after,
      "Messages are held in the order of their writes",
    );
    const latest = this.#waiting.at(-1);
    if (latest !== undefined && goesFor(latest, held)) this.#waiting.pop();
    this.#waiting.push(held);
  }

  /** Gives back, in order, every message whose write is stable now. */
  release(upTo: WriteNumber): readonly HeldMessage[] {
    let count = 0;
    for (const { after } of this.#waiting) {
      if (after > upTo) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}

/** Whether nobody misses the earlier answer where the later one arrives: as if it had been lost on the way. */
function goesFor(earlier: HeldMessage, later: HeldMessage): boolean {
  if (earlier.to !== later.to || earlier.after !== later.after) return false;
  const [was, is] = [earlier.message, later.message];
  if (was.kind === "installSnapshotResponse" && is.kind === "installSnapshotResponse") {
    return isSameTalk(was, is) && is.matchIndex >= was.matchIndex;
  }
  if (was.kind !== "appendEntriesResponse" || is.kind !== "appendEntriesResponse") return false;
  if (!isSameTalk(was, is) || was.success !== is.success) return false;
  return is.success ? is.matchIndex >= was.matchIndex : is.prevLogIndex === was.prevLogIndex;
}

function isSameTalk(was: Said, is: Said): boolean {
  return was.term === is.term && was.requestTerm === is.requestTerm && was.epoch === is.epoch &&
    was.round <= is.round;
}
