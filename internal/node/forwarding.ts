/**
 * Commands on their way from the server that a client speaks with to the one that leads.
 *
 * Keeps true:
 *  1. A command is sent once. It is sent again only after the other side said for certain that it did not take it, and only
 *     if no later command of its client has an answer. Commands of one client are never with the leaders of two terms at a time; so
 *     none is overtaken: who refuses one for certain leads its term no more, and refuses those behind it too.
 *  2. It goes to the leader of one term, and is taken only while that term's leader still leads (L26).
 *  3. What was sent to a server whose connection broke is in doubt.
 *  4. A frame that arrives twice, or late, is taken once (N4): in one life of its sender request ids only count up, and a life that
 *     another one followed is over. Nor is it refused for certain by a server that may have taken it before.
 *  5. An answer is for the life that asked: the next life of a server counts its requests from 1 again.
 *  6. No more long answers are under way to a server than its connection has room for; who asks for short ones does not wait for them.
 *  7. No answer is longer than a frame may be: one that would be is told to be too long, and the connection between the servers stands.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { ReplySlot } from "../clients/backend.ts";
import type {
  ForwardedBatch,
  ForwardedReplies,
  ForwardResponse,
  PeerMessage,
} from "../codec/peer_message.ts";
import { decodeReplies, encodeReplies, errorReply, type Reply, replyBytes } from "../codec/reply.ts";
import type { Clock } from "../platform/clock.ts";
import type { ServerId, Term } from "../raft/types.ts";
import type { NodeLimits } from "./limits.ts";
import type { Waiter } from "./waiter.ts";

type Send = (to: ServerId, message: PeerMessage) => boolean;

/** What becomes of commands whose answers arrived. */
export interface ForwardOutcome {
  answer(waiter: Waiter, replies: readonly Reply[]): void;
  /** They were certainly not taken, and may be tried again. */
  again(waiter: Waiter): void;
  /** The answer cannot be read. */
  fail(waiter: Waiter, what: string): void;
}

interface Forwarded {
  readonly waiter: Waiter;
  readonly leaderId: ServerId;
}

/** The side that sends commands to the leader. */
export class Forwarder {
  readonly #limits: NodeLimits;
  readonly #life: number;
  readonly #send: Send;
  readonly #forwarded = new Map<number, Forwarded>();
  #forwardId = 0;
  /** What is to be answered to those for which room was kept. */
  #expectedBytes = 0;

  constructor(limits: NodeLimits, life: number, send: Send) {
    this.#limits = limits;
    this.#life = life;
    this.#send = send;
  }

  /** Sends these commands, in their order, to whoever leads that term. Gives back those that could not be sent. */
  forward(leaderId: ServerId, term: Term, waiters: readonly Waiter[]): Waiter[] {
    const { forwardCommandsMax, forwardBytesMax } = this.#limits;
    let from = 0;
    while (from < waiters.length) {
      const requests: ForwardedBatch[] = [];
      let commands = 0;
      let bytes = 0;
      let to = from;
      for (; to < waiters.length; to++) {
        const waiter = waiters[to];
        if (waiter === undefined) break;
        commands += waiter.count;
        bytes += waiter.byteLength;
        if (to > from && (commands > forwardCommandsMax || bytes > forwardBytesMax)) break;
        requests.push(this.#requestOf(waiter));
      }
      const batch = waiters.slice(from, to);
      if (!this.#send(leaderId, { kind: "forwardRequest", term, life: this.#life, requests })) {
        return waiters.slice(from);
      }
      for (const waiter of batch) {
        waiter.stage = "forwarded";
        waiter.order.sent++;
        waiter.order.sentTerm = term;
        this.#forwarded.set(waiter.forwardId, { waiter, leaderId });
      }
      from = to;
    }
    return [];
  }

  /** The leader answered. */
  answered(from: ServerId, message: ForwardResponse, outcome: ForwardOutcome): void {
    if (message.life !== this.#life) return;
    for (const { requestId, replies: bytes } of message.responses) {
      const forwarded = this.#forwarded.get(requestId);
      if (forwarded === undefined || forwarded.leaderId !== from) continue;
      const { waiter } = forwarded;
      const replies = decodeReplies(bytes);
      const wrong = typeof replies === "string"
        ? replies
        : replies.length !== waiter.count
        ? `${replies.length} replies to ${waiter.count} commands`
        : null;
      if (typeof replies === "string" || wrong !== null) {
        outcome.fail(waiter, `the answer of ${from} cannot be read: ${wrong}`);
      } else if (replies.every(isCertainRefusal) && waiter.sequence > waiter.order.answered) {
        this.#forwarded.delete(requestId);
        waiter.order.sent--;
        waiter.stage = "gathered";
        outcome.again(waiter);
      } else outcome.answer(waiter, replies);
    }
  }

  /** Everything that was sent to this server and has no answer. */
  lost(leaderId: ServerId): readonly Waiter[] {
    return [...this.#forwarded.values()].filter((forwarded) => forwarded.leaderId === leaderId).map((
      { waiter },
    ) => waiter);
  }

  /** Keeps room for the answers to this one, which are about so long; says whether there is. Asked again, it has it. */
  keepRoom(waiter: Waiter, answerBytes: () => number): boolean {
    if (waiter.expectedBytes !== null) return true;
    const bytes = answerBytes();
    if (bytes > 0 && this.#expectedBytes > 0) {
      if (this.#expectedBytes + bytes > this.#limits.forwardExpectedBytesMax) return false;
    }
    waiter.expectedBytes = bytes;
    this.#expectedBytes += bytes;
    return true;
  }

  /** This one has its answer. Tells whether that makes room for others. */
  forget(waiter: Waiter): boolean {
    const bytes = waiter.expectedBytes ?? 0;
    waiter.expectedBytes = null;
    this.#expectedBytes -= bytes;
    this.#forgetSent(waiter);
    return bytes > 0;
  }

  #forgetSent(waiter: Waiter): void {
    if (waiter.stage !== "forwarded") return;
    if (this.#forwarded.delete(waiter.forwardId)) waiter.order.sent--;
  }

  #requestOf(waiter: Waiter): ForwardedBatch {
    waiter.forwardId = ++this.#forwardId;
    const { access, batch: { bytes, from, to, count }, after } = waiter;
    // A write of this very batch has its number already, since it comes before the read.
    const afterRequestId = after !== null && after.stage !== "answered" ? after.forwardId : 0;
    return { requestId: waiter.forwardId, access, afterRequestId, count, commands: bytes.subarray(from, to) };
  }
}

/** The leader of the moment said no, so it did not happen; nobody's data is wrong. */
function isCertainRefusal(reply: Reply): boolean {
  return reply.type === "error" && reply.text.startsWith("NOLEADER ");
}

/** Where the answers to forwarded commands go: back to the server that sent them, together. */
export class ForwardSlot implements ReplySlot {
  readonly to: ServerId;
  readonly life: number;
  readonly requestId: number;
  readonly access: "read" | "write";
  readonly #count: number;
  readonly #replies: Reply[] = [];
  readonly #answered: (slot: ForwardSlot, replies: readonly Reply[]) => void;

  constructor(
    to: ServerId,
    life: number,
    requestId: number,
    access: "read" | "write",
    count: number,
    answered: (slot: ForwardSlot, replies: readonly Reply[]) => void,
  ) {
    this.to = to;
    this.life = life;
    this.requestId = requestId;
    this.access = access;
    this.#count = count;
    this.#answered = answered;
  }

  answer(reply: Reply): void {
    this.#replies.push(reply);
    if (this.#replies.length === this.#count) this.#answered(this, this.#replies);
  }
}

/** What the leading side knows of one sender. */
interface Sender {
  life: number;
  /** The highest request id taken in that life. */
  highest: number;
  /** Lives that are over. */
  readonly over: Set<number>;
  /** Writes of that life that wait, by request id. */
  readonly writes: Map<number, Waiter>;
}

/** Replies on their way to one life of one server. */
interface Outgoing {
  readonly to: ServerId;
  readonly life: number;
  readonly batches: { readonly count: number; readonly replies: ForwardedReplies }[];
}

/** The side that leads: remembers where answers go, and gathers those of one turn. */
export class ForwardSlots {
  readonly #limits: NodeLimits;
  readonly #clock: Clock;
  readonly #send: Send;
  readonly #senders = new Map<ServerId, Sender>();
  #outgoing: Outgoing[] = [];
  #flushes = false;
  readonly #slotAnswered = (slot: ForwardSlot, replies: readonly Reply[]) => this.#answered(slot, replies);

  constructor(limits: NodeLimits, clock: Clock, send: Send) {
    this.#limits = limits;
    this.#clock = clock;
    this.#send = send;
  }

  /** Whether this request was not seen before; remembers that it is now. */
  isNew(from: ServerId, life: number, requestId: number): boolean {
    const sender = this.#senders.get(from) ?? { life, highest: 0, over: new Set(), writes: new Map() };
    this.#senders.set(from, sender);
    if (sender.over.has(life)) return false;
    if (sender.life !== life) {
      sender.over.add(sender.life);
      sender.life = life;
      sender.highest = 0;
      sender.writes.clear();
    }
    if (requestId <= sender.highest) return false;
    sender.highest = requestId;
    return true;
  }

  /** Whether this request may have been taken before; changes nothing. */
  mayHaveTaken(from: ServerId, life: number, requestId: number): "no" | "yes" | "unclear" {
    const sender = this.#senders.get(from);
    if (sender === undefined) return "no";
    if (sender.life === life) return requestId <= sender.highest ? "yes" : "no";
    return sender.over.has(life) ? "yes" : "unclear";
  }

  /** A new term: what was forwarded in an earlier one is refused by its term, so the lives that are over may be forgotten. */
  newTerm(): void {
    for (const { over } of this.#senders.values()) over.clear();
  }

  slot(
    from: ServerId,
    life: number,
    requestId: number,
    access: "read" | "write",
    count: number,
  ): ForwardSlot {
    return new ForwardSlot(from, life, requestId, access, count, this.#slotAnswered);
  }

  /** A write of that server's was taken; reads may name it until it is answered. */
  took(from: ServerId, requestId: number, waiter: Waiter): void {
    assert(waiter.access === "write", "Reads are named by nobody");
    this.#senders.get(from)?.writes.set(requestId, waiter);
  }

  /** The write that a read names, if it still waits. */
  waiterOf(from: ServerId, requestId: number): Waiter | null {
    return this.#senders.get(from)?.writes.get(requestId) ?? null;
  }

  /** Sends what was answered so far. */
  flush(): void {
    this.#flushes = false;
    const { forwardCommandsMax, forwardBytesMax } = this.#limits;
    const all = this.#outgoing;
    this.#outgoing = [];
    for (const { to, life, batches } of all) {
      let responses: ForwardedReplies[] = [];
      let commands = 0;
      let bytes = 0;
      for (const { count, replies } of batches) {
        commands += count;
        bytes += replies.replies.length;
        if (responses.length > 0 && (commands > forwardCommandsMax || bytes > forwardBytesMax)) {
          this.#send(to, { kind: "forwardResponse", life, responses });
          responses = [];
          commands = count;
          bytes = replies.replies.length;
        }
        responses.push(replies);
      }
      // Where the answer cannot be sent, the other side's deadline tells its client what is known there.
      this.#send(to, { kind: "forwardResponse", life, responses });
    }
  }

  /** The answers as they can travel. */
  #shortened(access: "read" | "write", replies: readonly Reply[]): readonly Reply[] {
    const { forwardAnswerBytesMax } = this.#limits;
    const bytes = replies.reduce((sum, reply) => sum + replyBytes(reply), 0);
    if (bytes <= forwardAnswerBytesMax) return replies;
    const much = `${bytes} bytes of answers, of which a leader hands on ${forwardAnswerBytesMax} at once`;
    const error = errorReply(
      access === "read"
        ? `ERR ${much}: ask for less at once, or ask the leader`
        : `UNKNOWN ${much}: what was to be written is written`,
    );
    return replies.map(() => error);
  }

  #answered({ to, life, requestId, access }: ForwardSlot, all: readonly Reply[]): void {
    const replies = this.#shortened(access, all);
    const sender = this.#senders.get(to);
    if (sender?.life === life) sender.writes.delete(requestId);
    const one = { count: replies.length, replies: { requestId, replies: encodeReplies(replies) } };
    const outgoing = this.#outgoing.find((other) => other.to === to && other.life === life);
    if (outgoing === undefined) this.#outgoing.push({ to, life, batches: [one] });
    else outgoing.batches.push(one);
    if (this.#flushes) return;
    this.#flushes = true;
    this.#clock.soon(() => this.flush());
  }
}
