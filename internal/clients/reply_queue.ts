/**
 * The answers that one connection waits for, in the order in which it asked.
 *
 * Keeps true: answers leave in the order of the requests, in whatever order they arrive.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { Reply } from "../codec/reply.ts";
import type { ReplySlot } from "./backend.ts";

/** The place of one answer. */
class QueuedSlot implements ReplySlot {
  readonly #queue: ReplyQueue;
  readonly #translate: ((reply: Reply) => Reply) | null;
  reply: Reply | null = null;

  constructor(queue: ReplyQueue, translate: ((reply: Reply) => Reply) | null) {
    this.#queue = queue;
    this.#translate = translate;
  }

  answer(reply: Reply): void {
    assert(this.reply === null, "A slot is answered once");
    this.reply = this.#translate === null ? reply : this.#translate(reply);
    this.#queue.release();
  }
}

export class ReplyQueue {
  readonly #give: (reply: Reply) => void;
  #slots: QueuedSlot[] = [];
  #head = 0;

  /** `give` gets each answer when its turn comes. */
  constructor(give: (reply: Reply) => void) {
    this.#give = give;
  }

  /** How many answers are outstanding. */
  get waiting(): number {
    return this.#slots.length - this.#head;
  }

  /** The place of the next request's answer; `translate` changes the answer on its way out. */
  slot(translate: ((reply: Reply) => Reply) | null = null): QueuedSlot {
    const slot = new QueuedSlot(this, translate);
    this.#slots.push(slot);
    return slot;
  }

  /** Answers at once, if everything before it is answered; else when it is. */
  answerNow(reply: Reply): void {
    if (this.waiting === 0) this.#give(reply);
    else this.slot().answer(reply);
  }

  /** Gives out what is at the front and answered. */
  release(): void {
    while (this.#head < this.#slots.length) {
      const reply = this.#slots[this.#head]?.reply ?? null;
      if (reply === null) break;
      this.#head++;
      this.#give(reply);
    }
    if (this.#head === this.#slots.length) {
      this.#slots = [];
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#slots.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
