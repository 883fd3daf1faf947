/**
 * The answers that one connection waits for, in the order in which it asked.
 *
 * Keeps true: answers leave in the order of the requests, in whatever order they arrive; each request has one.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Reply } from "../codec/reply.ts";
import type { ReplySlot } from "./backend.ts";

/** The place of the answers to requests that were handed over together. */
class QueuedSlot implements ReplySlot {
  readonly #queue: ReplyQueue;
  readonly #translate: ((reply: Reply) => Reply) | null;
  /** Answers that have not come. */
  left: number;
  /** Answers that came before their turn. */
  held: Reply[] | null = null;

  constructor(queue: ReplyQueue, count: number, translate: ((reply: Reply) => Reply) | null) {
    this.#queue = queue;
    this.left = count;
    this.#translate = translate;
  }

  answer(reply: Reply): void {
    assert(this.left > 0, "A slot is answered once for each request");
    this.left--;
    this.#queue.take(this, this.#translate === null ? reply : this.#translate(reply));
  }
}

export class ReplyQueue {
  readonly #give: (reply: Reply) => void;
  #slots: QueuedSlot[] = [];
  #head = 0;
  #waiting = 0;

  /** `give` gets each answer when its turn comes. */
  constructor(give: (reply: Reply) => void) {
    this.#give = give;
  }

  /** How many answers are outstanding. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The place of the next requests' answers; `translate` changes each on its way out. */
  slot(count: number, translate: ((reply: Reply) => Reply) | null = null): ReplySlot {
    const slot = new QueuedSlot(this, count, translate);
    this.#slots.push(slot);
    this.#waiting += count;
    return slot;
  }

  /** Answers at once, if everything before it is answered; else when it is. */
  answerNow(reply: Reply): void {
    if (this.#waiting === 0) this.#give(reply);
    else this.slot(1).answer(reply);
  }

  /** An answer came: it is given out if its slot is at the front, and so is what it held up. */
  take(slot: QueuedSlot, reply: Reply): void {
    if (this.#slots[this.#head] !== slot) {
      (slot.held ??= []).push(reply);
      return;
    }
    this.#waiting--;
    this.#give(reply);
    if (slot.left === 0) this.#next();
  }

  /** The front slot is done; the next ones give what they hold, up to the first that is not done. */
  #next(): void {
    while (true) {
      this.#head++;
      const front = this.#slots[this.#head];
      if (front === undefined) {
        // Its memory is used again: most often there is one request at a time.
        this.#slots.length = 0;
        this.#head = 0;
        return;
      }
      const held = front.held ?? [];
      front.held = null;
      this.#waiting -= held.length;
      for (const reply of held) this.#give(reply);
      if (front.left > 0) break;
    }
    if (this.#head > 1024) {
      this.#slots.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
