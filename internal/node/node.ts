/**
 * The node: the one loop that joins the rooms.
 *
 * Inputs go into the core one at a time and its effects are performed in the order given; nothing here waits. What clients
 * ask in one turn is gathered and handed to the core at the end of the turn, as few and as large inputs as order allows.
 *
 * Keeps true:
 *  1. Effects of one input are all performed before the next input is looked at.
 *  2. A message that is a promise leaves only when its write is stable.
 *  3. Whoever waits is answered once: by the state machine, or with as much certainty as there is. A write that was handed to the
 *     core while we led, or sent to a leader, is `UNKNOWN` until it is applied; nothing is retried that could apply twice.
 *  4. Everything that waits is bounded in number, in bytes and in time.
 *
 * Leaves to others: deciding (raft), durability (storage), bytes (codec, peers), what a command means (machine).
 *
 * @module
 */
import { assert, AssertionError, assertNever, must } from "../base/assert.ts";
import { describeError, ExitCode, Refusal } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Backend, CommandOrder, NodeStatus, ReplySlot } from "../clients/backend.ts";
import type { ForwardRequest, PeerMessage } from "../codec/peer_message.ts";
import { errorReply, type Reply } from "../codec/reply.ts";
import type { StateMachine } from "../machine/machine.ts";
import type { Alarm, Clock, Millis } from "../platform/clock.ts";
import type { Trace } from "../platform/trace.ts";
import type { Effect, RefusalReason } from "../raft/effect.ts";
import type { Input, RequestId } from "../raft/input.ts";
import { Raft } from "../raft/raft.ts";
import type { Settings } from "../raft/state.ts";
import type { Entry, LogIndex, Recovered, Role, ServerId, Term, WriteNumber } from "../raft/types.ts";
import { Applier } from "./applier.ts";
import { Forwarder, type ForwardSlot, ForwardSlots } from "./forwarding.ts";
import { HeldMessages } from "./held_messages.ts";
import type { NodeLimits } from "./limits.ts";
import { Pending } from "./pending.ts";
import type { PeerRoom, Store } from "./ports.ts";
import { statusOf } from "./status.ts";
import { entriesOf, groupsOf } from "./turn.ts";
import { Order, Waiter } from "./waiter.ts";

/** Tells the lives of a server apart: 52 random bits. */
function lifeOf(random: Random): number {
  return random.below(2 ** 20) * 2 ** 32 + random.uint32();
}

/** How often what waits too long is looked for, and what found no leader is tried again. */
const SWEEP_MS = 50;

export interface NodeMember {
  readonly id: ServerId;
  readonly peerAddress: string;
}

export interface NodeOptions {
  readonly id: ServerId;
  readonly clusterId: string;
  /** Every voter, this server among them. */
  readonly members: readonly NodeMember[];
  readonly clientAddress: string;
  readonly settings: Settings;
  readonly limits: NodeLimits;
  readonly recovered: Recovered;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly store: Store;
  readonly peers: PeerRoom;
  readonly machine: StateMachine;
}

export interface NodeEvents {
  /** The server cannot go on; the process stops, with that code. Nothing was answered that is not so. */
  onFatal(refusal: Refusal): void;
  /** Every step of the core, for those who check it; costs nothing where it is left out. */
  onStep?(raft: Raft, effects: readonly Effect[]): void;
}

/** Writes that stand in the log together, and wait together. */
interface Proposed {
  readonly term: Term;
  readonly waiters: readonly Waiter[];
}

/** The same refusal for each of that many commands. */
function refuse(slot: ReplySlot, count: number, text: string): void {
  const reply = errorReply(text);
  for (let i = 0; i < count; i++) slot.answer(reply);
}

export class Node implements Backend {
  readonly #options: NodeOptions;
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #raft: Raft;
  readonly #held = new HeldMessages();
  readonly #applier: Applier;
  readonly #forwarder: Forwarder;
  readonly #forwardSlots: ForwardSlots;
  #events: NodeEvents | null = null;

  #role: Role;
  #term: Term;
  #leaderId: ServerId | null;
  /** The newest term that this life led. */
  #ledUpTo: Term = 0;

  readonly #inputs: Input[] = [];
  #stepping = false;
  #running = false;
  #alarm: Alarm | null = null;
  #alarmAt: Millis = Infinity;
  #sweep: Alarm | null = null;

  /** Everything that waits for an answer, oldest first. */
  readonly #pending = new Pending();
  /** What arrived in this turn. */
  #gathered: Waiter[] = [];
  #turnEnds = false;
  /** What found no leader; older than anything gathered. */
  #parked: Waiter[] = [];
  #requestId: RequestId = 0;
  /** Asked of the core and not accepted yet: the waiters of each entry. */
  readonly #asked = new Map<RequestId, readonly (readonly Waiter[])[]>();
  /** Accepted, by the place in the log. */
  readonly #proposed = new Map<LogIndex, Proposed>();
  readonly #reading = new Map<RequestId, readonly Waiter[]>();

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#trace = options.trace;
    this.#raft = new Raft({
      id: options.id,
      settings: options.settings,
      recovered: options.recovered,
      random: options.random.fork(`election/${options.id}`),
      now: options.clock.now(),
    });
    const view = this.#raft.view();
    this.#role = view.role;
    this.#term = view.currentTerm;
    this.#leaderId = view.leaderId;
    this.#applier = new Applier(options.machine, options.recovered.snapshotIndex);
    this.#forwarder = new Forwarder(
      options.limits,
      lifeOf(options.random.fork("life")),
      (to, message) => options.peers.send(to, message),
    );
    this.#forwardSlots = new ForwardSlots(
      options.limits,
      options.clock,
      (to, message) => options.peers.send(to, message),
    );
  }

  /** The core, for checkers. */
  get raft(): Raft {
    return this.#raft;
  }

  /** Begins to take part. Called once. */
  start(events: NodeEvents): void {
    assert(this.#events === null, "A node starts once");
    this.#events = events;
    this.#running = true;
    this.#options.store.listen({
      onStable: (upTo) => this.#onStable(upTo),
      onFailure: (refusal) => this.#die(refusal),
    });
    this.#options.peers.start({
      onMessage: (from, message) => this.#onPeerMessage(from, message),
      onConnected: () => this.#retryParked(),
      onDisconnected: (id) => this.#onDisconnected(id),
    });
    this.#setAlarm();
  }

  /** Takes no part any more. Whoever waits is told what is known. The disk is the caller's to close. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#alarm?.cancel();
    this.#sweep?.cancel();
    for (const waiter of this.#pending.list()) this.#fail(waiter, "this server is stopping");
    this.#forwardSlots.flush();
    this.#options.peers.stop();
  }

  /* ---- Backend: what clients ask ---- */

  newOrder(): CommandOrder {
    return new Order();
  }

  submit(
    order: CommandOrder,
    access: "read" | "write",
    commands: Uint8Array,
    count: number,
    slot: ReplySlot,
  ): void {
    assert(order instanceof Order, "An order comes from newOrder");
    this.#take(order, access, commands, count, slot);
  }

  /** Takes commands, or refuses them for certain. */
  #take(
    order: Order,
    access: "read" | "write",
    commands: Uint8Array,
    count: number,
    slot: ReplySlot,
  ): Waiter | null {
    const { limits } = this.#options;
    if (!this.#running) {
      refuse(slot, count, "NOLEADER this server is stopping; it did not happen, try another");
      return null;
    }
    const { commands: waiting, bytes } = this.#pending;
    if (waiting + count > limits.pendingCommandsMax || bytes >= limits.pendingBytesMax) {
      refuse(
        slot,
        count,
        `BUSY ${waiting} commands with ${bytes} bytes wait already; it did not happen, try again`,
      );
      return null;
    }
    const now = this.#clock.now();
    const waiter = new Waiter(access, commands, count, order, slot, now + limits.requestTimeoutMs);
    this.#pending.add(waiter);
    this.#gathered.push(waiter);
    this.#endTurnSoon();
    this.#sweep ??= this.#clock.wakeAt(now + SWEEP_MS, () => this.#sweepNow());
    return waiter;
  }

  status(): NodeStatus {
    return statusOf(this.#options, this.#raft.view(), this.#applier.appliedIndex);
  }

  /* ---- the turn ---- */

  #endTurnSoon(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    this.#clock.soon(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#turnEnds = false;
    if (!this.#running) return;
    const waiters = (this.#parked.length > 0 ? this.#parked.concat(this.#gathered) : this.#gathered)
      .filter(({ stage }) => stage === "gathered");
    this.#parked = [];
    this.#gathered = [];
    if (waiters.length === 0) return;
    if (this.#role === "leader") this.#askCore(waiters);
    else if (this.#leaderId === null) this.#parked = waiters;
    else this.#parked = this.#forwarder.forward(this.#leaderId, this.#term, waiters);
  }

  #askCore(waiters: readonly Waiter[]): void {
    const { entryCommandsMax, entryBytesMax } = this.#options.limits;
    for (const { reads, writes } of groupsOf(waiters)) {
      if (reads.length > 0) {
        const requestId = ++this.#requestId;
        for (const read of reads) read.stage = "reading";
        this.#reading.set(requestId, reads);
        this.#deliver({ kind: "readRequest", requestId, lease: false });
      }
      if (writes.length > 0) {
        const requestId = ++this.#requestId;
        for (const write of writes) write.stage = "proposed";
        const entries = entriesOf(writes, entryCommandsMax, entryBytesMax);
        this.#asked.set(requestId, entries.map(({ waiters }) => waiters));
        this.#deliver({ kind: "clientRequest", requestId, payloads: entries.map(({ payload }) => payload) });
      }
    }
  }

  /* ---- what the world tells ---- */

  #onStable(upTo: WriteNumber): void {
    if (!this.#running) return;
    for (const { to, message } of this.#held.release(upTo)) this.#options.peers.send(to, message);
    this.#deliver({ kind: "stable", upTo });
  }

  #onPeerMessage(from: ServerId, message: PeerMessage): void {
    if (!this.#running) return;
    switch (message.kind) {
      case "forwardRequest":
        return this.#onForwardRequest(from, message);
      case "forwardResponse":
        return this.#forwarder.answered(from, message, {
          answer: (waiter, replies) => this.#answer(waiter, replies),
          again: (waiter) => this.#parked.push(waiter),
          fail: (waiter, what) => this.#fail(waiter, what),
        });
      default:
        return this.#deliver({ kind: "message", from, message });
    }
  }

  /** Another server hands us what its clients ask; only the leader of the term that it had in mind takes it. */
  #onForwardRequest(from: ServerId, message: ForwardRequest): void {
    const leads = this.#role === "leader" && message.term === this.#term;
    for (const { requestId, access, afterRequestId, count, commands } of message.requests) {
      const slot = this.#forwardSlots.slot(from, message.life, requestId, count);
      if (!leads) {
        this.#refuseForwarded(from, message, access, count, slot);
        continue;
      }
      // Only what is meant for this term says anything about its sender's life.
      if (!this.#forwardSlots.isNew(from, message.life, requestId)) continue;
      const order = new Order();
      order.newestWrite = this.#forwardSlots.waiterOf(from, afterRequestId);
      const waiter = this.#take(order, access, commands, count, slot);
      if (waiter !== null && access === "write") this.#forwardSlots.took(from, requestId, waiter);
    }
  }

  /** Says that forwarded commands were not taken, if that is certain. */
  #refuseForwarded(
    from: ServerId,
    { term, life }: ForwardRequest,
    access: "read" | "write",
    count: number,
    slot: ForwardSlot,
  ): void {
    const { id } = this.#options;
    // The same frame may have come before, while we led (N4); a connection ends with this life, so an earlier life did not see it.
    const taken = access === "read" || term > this.#ledUpTo
      ? "no"
      : this.#forwardSlots.mayHaveTaken(from, life, slot.requestId);
    if (taken === "no") {
      refuse(slot, count, `NOLEADER ${id} does not lead term ${term}; it did not happen, try again`);
    } else if (taken !== "yes") {
      refuse(
        slot,
        count,
        `UNKNOWN ${id} does not lead term ${term} any more; the write may or may not have happened`,
      );
    }
  }

  #onDisconnected(id: ServerId): void {
    if (!this.#running) return;
    for (const waiter of this.#forwarder.lost(id)) {
      this.#fail(waiter, `the connection to the leader ${id} broke`);
    }
  }

  #retryParked(): void {
    if (this.#parked.length > 0) this.#endTurnSoon();
  }

  /* ---- the loop ---- */

  #deliver(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (
        let next = this.#inputs.shift();
        next !== undefined && this.#running;
        next = this.#inputs.shift()
      ) {
        const effects = this.#raft.step(this.#clock.now(), next);
        this.#events?.onStep?.(this.#raft, effects);
        for (const effect of effects) if (this.#running) this.#perform(effect);
      }
    } catch (error) {
      this.#inputs.length = 0;
      this.#die(
        new Refusal(ExitCode.brokenInvariant, `broken invariant: ${describeError(error)}`, { cause: error }),
      );
    } finally {
      this.#stepping = false;
    }
    this.#setAlarm();
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "write":
        return this.#options.store.write(effect);
      case "send":
        if (effect.after === null) this.#options.peers.send(effect.to, effect.message);
        else this.#held.hold({ to: effect.to, message: effect.message, after: effect.after });
        return;
      case "apply":
        for (const entry of effect.entries) this.#apply(entry);
        return;
      case "accepted":
        return this.#accepted(effect.requestId, effect.term, effect.firstIndex);
      case "refused":
        return this.#refused(effect.requestId, effect.reason);
      case "readable":
        return this.#readable(effect.requestId, effect.index);
      case "changed":
        return this.#changed(effect.role, effect.term, effect.leaderId);
      case "objection":
        return this.#trace.event("warn", "peer contradicts the protocol", {
          peer: effect.from,
          reason: effect.reason,
        });
      case "configuration":
        return;
      case "changeRefused":
      case "transferEnded":
      case "needSnapshot":
      case "installSnapshot":
        throw new AssertionError(`${effect.kind} answers what nobody asked for yet`);
      case "halt":
        return this.#die(new Refusal(ExitCode.brokenInvariant, `broken invariant: ${effect.reason}`));
      default:
        return assertNever(effect, "An effect has a known kind");
    }
  }

  #accepted(requestId: RequestId, term: Term, firstIndex: LogIndex): void {
    const entries = must(this.#asked.get(requestId), "The core accepts what it was asked");
    this.#asked.delete(requestId);
    entries.forEach((waiters, i) => {
      for (const waiter of waiters) waiter.index = firstIndex + i;
      this.#proposed.set(firstIndex + i, { term, waiters });
    });
  }

  #refused(requestId: RequestId, reason: RefusalReason): void {
    const waiters = this.#asked.get(requestId)?.flat() ?? this.#reading.get(requestId) ?? [];
    this.#asked.delete(requestId);
    this.#reading.delete(requestId);
    for (const waiter of waiters) {
      if (waiter.stage === "answered") continue;
      waiter.stage = "gathered";
      if (reason === "busy") {
        this.#settle(waiter);
        waiter.answerAll(
          errorReply(
            "BUSY the leader holds as many uncommitted writes as it may; it did not happen, try again",
          ),
        );
      } else this.#fail(waiter, "leadership was lost");
    }
  }

  #readable(requestId: RequestId, index: LogIndex): void {
    const waiters = must(this.#reading.get(requestId), "The core releases the reads that it was asked for");
    this.#reading.delete(requestId);
    for (const waiter of waiters) {
      if (waiter.stage === "answered") continue;
      const { after } = waiter;
      waiter.index = Math.max(index, after !== null && after.stage === "proposed" ? after.index : 0);
      this.#applier.read(waiter.index, {
        commands: waiter.commands,
        answer: (replies) => this.#answer(waiter, replies),
      });
    }
  }

  #apply(entry: Entry): void {
    const replies = this.#applier.apply(entry);
    const proposed = this.#proposed.get(entry.index);
    if (proposed === undefined) return;
    this.#proposed.delete(entry.index);
    // An entry of another term stands where ours stood: ours never happened (L27).
    if (proposed.term !== entry.term) {
      for (const waiter of proposed.waiters) {
        waiter.stage = waiter.stage === "answered" ? "answered" : "gathered";
        this.#fail(waiter, "another leader replaced it");
      }
      return;
    }
    const [only] = proposed.waiters;
    if (only !== undefined && proposed.waiters.length === 1) return this.#answer(only, replies);
    let from = 0;
    for (const waiter of proposed.waiters) {
      this.#answer(waiter, replies.slice(from, from + waiter.count));
      from += waiter.count;
    }
  }

  #changed(role: Role, term: Term, leaderId: ServerId | null): void {
    const led = this.#role === "leader";
    if (term !== this.#term) this.#forwardSlots.newTerm();
    this.#role = role;
    this.#term = term;
    this.#leaderId = leaderId;
    this.#trace.event("info", role === "leader" ? "became leader" : `is ${role}`, { term, leader: leaderId });
    if (role === "leader") this.#ledUpTo = term;
    if (led && role !== "leader") this.#lostLeadership();
    if (leaderId !== null) this.#retryParked();
  }

  #lostLeadership(): void {
    this.#applier.forgetReads();
    for (const waiter of this.#pending.list()) {
      if (waiter.stage === "proposed" || waiter.stage === "reading") {
        this.#fail(waiter, "leadership was lost");
      }
    }
    this.#proposed.clear();
    this.#reading.clear();
  }

  /* ---- answers ---- */

  #answer(waiter: Waiter, replies: readonly Reply[]): void {
    this.#settle(waiter);
    waiter.answer(replies);
  }

  #fail(waiter: Waiter, what: string): void {
    this.#settle(waiter);
    waiter.fail(what);
  }

  #settle(waiter: Waiter): void {
    this.#pending.remove(waiter);
    this.#forwarder.forget(waiter);
  }

  /* ---- time ---- */

  #setAlarm(): void {
    if (!this.#running) return;
    const wakeAt = this.#raft.wakeAt;
    // An alarm that rings too early only looks at the clock; one per election timeout is cheaper than one per message.
    if (this.#alarm !== null && this.#alarmAt <= wakeAt) return;
    this.#alarm?.cancel();
    this.#alarmAt = wakeAt;
    this.#alarm = Number.isFinite(wakeAt) ? this.#clock.wakeAt(wakeAt, () => this.#rang()) : null;
  }

  /** What had arrived by now is looked at before time is: a late alarm alone never starts an election (P4). */
  #rang(): void {
    this.#clock.soon(() => {
      this.#alarm = null;
      if (this.#running) this.#deliver({ kind: "tick" });
    });
  }

  #sweepNow(): void {
    this.#sweep = null;
    if (!this.#running) return;
    const now = this.#clock.now();
    for (
      let next = this.#pending.oldest;
      next !== null && next.deadline <= now;
      next = this.#pending.oldest
    ) {
      this.#fail(next, `no answer came within ${this.#options.limits.requestTimeoutMs} ms`);
    }
    this.#retryParked();
    if (this.#pending.commands > 0) this.#sweep = this.#clock.wakeAt(now + SWEEP_MS, () => this.#sweepNow());
  }

  #die(refusal: Refusal): void {
    if (!this.#running) return;
    this.#running = false;
    this.#alarm?.cancel();
    this.#sweep?.cancel();
    this.#events?.onFatal(refusal);
  }
}
