/**
 * Commands of one client that wait for their answers together, and where they are on their way.
 *
 * They are all reads or all writes; the writes stand in one entry of the log, so what is known of one is known of all.
 *
 * Keeps true: each command is answered once, in their order; what it is told is no more than what is known (DESIGN, certainty of replies):
 *  - a command that never reached a log, and any read, can be refused for certain (`NOLEADER`, `BUSY`);
 *  - a write that may stand in somebody's log can only be `UNKNOWN` until it is applied.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import type { CommandOrder, ReadMode, ReplySlot } from "../clients/backend.ts";
import type { CommandBatch } from "../codec/command_batch.ts";
import { errorReply, type Reply } from "../codec/reply.ts";
import type { LogIndex, Millis, Term } from "../raft/types.ts";
import type { PlacedReads } from "./applier.ts";

/** The commands of one connection, as far as their order matters. */
export class Order implements CommandOrder {
  readonly tag = "CommandOrder";
  reads: ReadMode = { kind: "leader" };
  /** How many commands of this order are with the leader of `sentTerm`. */
  sent = 0;
  sentTerm: Term = 0;
  /** How many reads of this order are being answered here. */
  local = 0;
  /** Counts the commands of this order, and the newest that has an answer. */
  sequence = 0;
  answered = 0;
  /** The newest commands that were submitted in this order and have no answer. */
  newest: Waiter | null = null;
  /** The newest writes that were submitted in this order and have no answer. */
  newestWrite: Waiter | null = null;
}

/** Where the commands are. Only `proposed` and `forwarded` writes may have happened. */
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
  readonly batch: CommandBatch;
  readonly order: Order;
  readonly deadline: Millis;
  readonly #slot: ReplySlot;
  /** How fresh a read has to be. */
  readonly reads: ReadMode;
  /** Whether another server handed it over: then it goes no further (features: a hop limit of one). */
  readonly isForwarded: boolean;
  readonly sequence: number;
  /** Whether it is a read that is being answered here. */
  isLocal = false;
  stage: Stage = "gathered";
  /** Earlier writes of the same client that reads must see. */
  readonly after: Waiter | null;
  /** The group of the turn to which it was gathered; see turn.ts. */
  group = 0;
  /** For proposed writes: their place in the log, 0 until the core told. For reads: what must be applied. */
  index: LogIndex = 0;
  /** For reads that wait in the applier: as what they stand there. */
  placed: PlacedReads | null = null;
  /** About how long the answers to it will be, once somebody looked; counted among what is under way from the leader. */
  expectedBytes: number | null = null;
  /** For forwarded commands: the number under which the leader knows them. */
  forwardId = 0;
  /** The links of pending.ts. */
  isPending = false;
  older: Waiter | null = null;
  newer: Waiter | null = null;

  constructor(
    access: "read" | "write",
    batch: CommandBatch,
    order: Order,
    slot: ReplySlot,
    deadline: Millis,
    reads: ReadMode,
    isForwarded: boolean,
  ) {
    this.access = access;
    this.batch = batch;
    this.order = order;
    this.#slot = slot;
    this.deadline = deadline;
    this.reads = reads;
    this.isForwarded = isForwarded;
    this.sequence = ++order.sequence;
    this.after = access === "read" ? order.newestWrite : null;
    order.newest = this;
    if (access === "write") order.newestWrite = this;
  }

  /** Whether writes may have happened, or may yet happen, for all this server knows. */
  get inDoubt(): boolean {
    return this.access === "write" && (this.stage === "proposed" || this.stage === "forwarded");
  }

  /** How many commands there are, and their bytes. */
  get count(): number {
    return this.batch.count;
  }

  get byteLength(): number {
    return this.batch.to - this.batch.from;
  }

  /**
   * Tells the client, one reply for each command, from a place in `replies` on; a second answer is dropped, since a deadline may have
   * come first.
   */
  answer(replies: readonly Reply[], from = 0): void {
    const end = from + this.count;
    assert(end <= replies.length, "Every command has its reply");
    if (!this.#close()) return;
    for (let i = from; i < end; i++) this.#slot.answer(must(replies[i], "There are as many replies"));
  }

  /** Tells the client the same for every command. */
  answerAll(reply: Reply): void {
    if (!this.#close()) return;
    for (let i = 0; i < this.count; i++) this.#slot.answer(reply);
  }

  /** Tells the client that it failed, as certainly as is known. */
  fail(what: string): void {
    this.answerAll(
      errorReply(
        this.inDoubt
          ? `UNKNOWN ${what}; the write may or may not have happened`
          : `NOLEADER ${what}; it did not happen, try again`,
      ),
    );
  }

  /** Tells whether there was no answer yet. */
  #close(): boolean {
    if (this.stage === "answered") return false;
    this.stage = "answered";
    this.order.answered = Math.max(this.order.answered, this.sequence);
    if (this.isLocal) this.order.local--;
    if (this.order.newest === this) this.order.newest = null;
    if (this.order.newestWrite === this) this.order.newestWrite = null;
    return true;
  }
}
