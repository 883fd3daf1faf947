/**
 * Messages that wait for the disk.
 *
 * A vote and an acknowledgement are promises. A promise may leave this server only when the writes it rests on are stable
 * (dissertation 3.8). The core marks such a message with the number of the latest write it had asked for; here it waits until
 * that number is stable.
 *
 * Keeps true: a held message leaves only when its write is stable; held messages leave in the order in which they came.
 *
 * Leaves to others: choosing the number (raft/outbox.ts), syncing (storage).
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Message } from "../raft/message.ts";
import type { ServerId, WriteNumber } from "../raft/types.ts";

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
