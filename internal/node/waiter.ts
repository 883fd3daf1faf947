/**
 * One command that waits for its answer, and where it is on its way.
 *
 * Keeps true: it is answered once; what it is told is no more than what is known (DESIGN, certainty of replies):
 *  - a command that never reached a log, and any read, can be refused for certain (`NOLEADER`, `BUSY`);
 *  - a write that may stand in somebody's log can only be `UNKNOWN` until it is applied.
 *
 * @module
 */
import type { CommandOrder, ReplySlot } from "../clients/backend.ts";
import { errorReply, type Reply } from "../codec/reply.ts";
import type { LogIndex, Millis } from "../raft/types.ts";

/** The commands of one connection, as far as their order matters. */
export class Order implements CommandOrder {
  readonly tag = "CommandOrder";
  /** The newest command that was submitted in this order and has no answer. */
  newest: Waiter | null = null;
  /** The newest write that was submitted in this order and has no answer. */
  newestWrite: Waiter | null = null;
}

/** Where a command is. Only `proposed` and `forwarded` writes may have happened. */
export type Stage =
  /** Not handed to anybody: waits for the end of the turn, or for a leader. */
  | "gathered"
  /** In our own log, or asked of the core; we led when we did it. */
  | "proposed"
  /** Sent to the leader. */
  | "forwarded"
  /** A read whose round is under way. */
  | "reading"
  | "answered";

export class Waiter {
  readonly access: "read" | "write";
  readonly command: Uint8Array;
  readonly order: Order;
  readonly deadline: Millis;
  readonly #slot: ReplySlot;
  stage: Stage = "gathered";
  /** An earlier write of the same client that a read must see. */
  readonly after: Waiter | null;
  /** The group of the turn to which it was gathered; see turn.ts. */
  group = 0;
  /** For a proposed write: its place in the log, 0 until the core told. For a read: what must be applied. */
  index: LogIndex = 0;
  /** For a forwarded command: the number under which the leader knows it. */
  forwardId = 0;

  constructor(
    access: "read" | "write",
    command: Uint8Array,
    order: Order,
    slot: ReplySlot,
    deadline: Millis,
  ) {
    this.access = access;
    this.command = command;
    this.order = order;
    this.#slot = slot;
    this.deadline = deadline;
    this.after = access === "read" ? order.newestWrite : null;
    order.newest = this;
    if (access === "write") order.newestWrite = this;
  }

  /** Whether a write may have happened, or may yet happen, for all this server knows. */
  get inDoubt(): boolean {
    return this.access === "write" && (this.stage === "proposed" || this.stage === "forwarded");
  }

  /** Tells the client; a second answer is dropped, since a deadline may have come first. */
  answer(reply: Reply): void {
    if (this.stage === "answered") return;
    this.stage = "answered";
    if (this.order.newest === this) this.order.newest = null;
    if (this.order.newestWrite === this) this.order.newestWrite = null;
    this.#slot.answer(reply);
  }

  /** Tells the client that it failed, as certainly as is known. */
  fail(what: string): void {
    this.answer(
      errorReply(
        this.inDoubt
          ? `UNKNOWN ${what}; the write may or may not have happened`
          : `NOLEADER ${what}; it did not happen, try again`,
      ),
    );
  }
}
