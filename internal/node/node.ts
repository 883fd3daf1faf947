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
 *     core while we led, or sent to a leader, is in doubt until something is applied at its place in the log: then it happened, or never
 *     will. `UNKNOWN` is the answer where that takes too long. Nothing is retried that could apply twice.
 *  4. Everything that waits is bounded in number, in bytes and in time.
 *  5. Commands of one client are handed on in the order in which they were asked, to one leader at a time.
 *
 * Leaves to others: deciding (raft), durability (storage), bytes (codec, peers), what a command means (machine).
 *
 * @module
 */
import { assert, assertNever, must } from "../base/assert.ts";
import { describeError, ExitCode, Refusal } from "../base/errors.ts";
import { bytesOfLatin1 } from "../base/latin1.ts";
import type { Random } from "../base/random.ts";
import type { Backend, CommandOrder, NodeStatus, ReadMode, ReplySlot } from "../clients/backend.ts";
import { parseAdminCommand } from "../codec/admin_command.ts";
import { encodeCommand, Operation } from "../codec/command.ts";
import type { SnapshotName } from "../codec/bulk_message.ts";
import {
  type CommandBatch,
  encodeCommandBatch,
  endOfCommand,
  startOfCommand,
} from "../codec/command_batch.ts";
import type { AdminRequest, ForwardRequest, PeerMessage, ReadIndexRequest } from "../codec/peer_message.ts";
import { decodeReplies, encodeReplies, errorReply, type Reply } from "../codec/reply.ts";
import type { StateMachine } from "../machine/machine.ts";
import type { Alarm, Clock, Millis } from "../platform/clock.ts";
import type { Trace } from "../platform/trace.ts";
import { Configuration } from "../raft/configuration.ts";
import type { Effect, RefusalReason } from "../raft/effect.ts";
import type { Input, RequestId } from "../raft/input.ts";
import { Raft } from "../raft/raft.ts";
import type { Settings } from "../raft/state.ts";
import type {
  ConfigurationValue,
  Entry,
  LogIndex,
  Recovered,
  Remnant,
  Role,
  ServerId,
  Term,
  WriteNumber,
} from "../raft/types.ts";
import { Admin } from "./admin.ts";
import { Backups } from "./backups.ts";
import { Applier, type PlacedReads } from "./applier.ts";
import { Divergence } from "./divergence.ts";
import { Forwarder, type ForwardSlot, ForwardSlots } from "./forwarding.ts";
import { Gathering } from "./gathering.ts";
import { HeldMessages } from "./held_messages.ts";
import type { NodeLimits } from "./limits.ts";
import { LocalReads } from "./local_reads.ts";
import { Pending } from "./pending.ts";
import type { PeerRoom, SnapshotRoom, Store } from "./ports.ts";
import type { Replay } from "./replay.ts";
import { Questions } from "./questions.ts";
import { Remains } from "./remains.ts";
import { Roster } from "./roster.ts";
import { SnapshotKeeper } from "./snapshot_keeper.ts";
import { statusOf } from "./status.ts";
import { entriesOf, groupsOf, inOrder } from "./turn.ts";
import { Order, Waiter } from "./waiter.ts";

/** Tells the lives of a server apart: 52 random bits. */
function lifeOf(random: Random): number {
  return random.below(2 ** 20) * 2 ** 32 + random.uint32();
}

/** How long an operator's command may take before whoever handed it over says that it does not know. */
const ADMIN_MS = 15_000;

const LEADER_READS: ReadMode = { kind: "leader" };

/** Where an answer goes that nobody waits for. */
const NOBODY: ReplySlot = { answer: () => {} };

/** How long a leader with a full disk waits before it hands the lead over once more. */
const FULL_LEAD_MS = 10_000;

/** How often what waits too long is looked for, and what found no leader is tried again. */
const SWEEP_MS = 50;

export interface NodeOptions {
  readonly id: ServerId;
  readonly clusterId: string;
  /** Which birth of this id it is, and where others reach it; addresses are empty until the server listens. */
  readonly self: {
    readonly incarnation: string;
    readonly peerAddress: string;
    readonly clientAddress: string;
  };
  readonly settings: Settings;
  readonly limits: NodeLimits;
  readonly recovered: Recovered;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly store: Store;
  readonly snapshots: SnapshotRoom;
  /** What can be read of a log that was lost, behind the damage: entries that stood one after another. */
  readonly remnants?: Remnant[];
  readonly peers: PeerRoom;
  /** As it was restored from the snapshot that `recovered` begins with; and further on, as the replay says. */
  readonly machine: StateMachine;
  readonly replay?: Replay;
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
  readonly #gathering: Gathering;
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
  /** Of them: how many commands, and whether there are reads. */
  #gatheredCommands = 0;
  #gatheredReads = false;
  /** What was gathered waits for others until then at most. */
  #holdAlarm: Alarm | null = null;
  #turnEnds = false;
  /** Whether it was said that this server is no member any more. */
  #saidRemoved = false;
  /** The disk failed, and the lead is being handed over. */
  #parting: { readonly requestId: RequestId; readonly refusal: Refusal } | null = null;
  #turnBegan: Millis = 0;
  readonly #endsTurn = () => this.#endTurn();
  /** What found no leader; older than anything gathered. */
  #parked: Waiter[] = [];
  #requestId: RequestId = 0;
  /** Asked of the core and not accepted yet: the waiters of each entry. */
  readonly #asked = new Map<RequestId, readonly (readonly Waiter[])[]>();
  /** Accepted, by the place in the log. */
  readonly #proposed = new Map<LogIndex, Proposed>();
  readonly #reading = new Map<RequestId, readonly Waiter[]>();
  /** Indexes for reads that other servers, or we, answer from their own state. */
  readonly #indexing = new Map<RequestId, (index: LogIndex | null) => void>();

  readonly #keeper: SnapshotKeeper;
  readonly #remains: Remains;
  readonly #questions: Questions;
  readonly #localReads: LocalReads;
  readonly #admin: Admin;
  readonly #backups: Backups;
  readonly #roster: Roster;
  readonly #divergence: Divergence;
  /** Members that say that we are none. */
  readonly #strangers = new Set<ServerId>();
  #tends = false;
  readonly #tendsNow = () => {
    this.#tends = false;
    if (!this.#running) return;
    this.#keeper.tend();
    this.#roster.tend();
  };
  /** Told when this server leads no more and nobody waits, or when that takes too long. */
  #retired: { readonly done: () => void; readonly deadline: Millis } | null = null;
  /** Its clients get no more than what they asked before. */
  #isDraining = false;
  /** What the core was told of the room on our disk. */
  #takesEntries = true;
  /** With a full disk the lead is not handed over again before. */
  #staysUntil: Millis = -Infinity;
  /** Nobody took the lead when it was to be handed over. */
  #mustKeepLead = false;

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
    this.#applier = new Applier(
      options.machine,
      options.replay?.appliedIndex ?? options.recovered.snapshotIndex,
      (index, digest) => this.#checked(index, digest),
    );
    this.#gathering = new Gathering(options.limits);
    const life = lifeOf(options.random.fork("life"));
    const send = (to: ServerId, message: PeerMessage) => options.peers.send(to, message);
    this.#forwarder = new Forwarder(options.limits, life, send);
    this.#questions = new Questions(life, options.clock, send);
    const deliver = (input: Input) => this.#deliver(input);
    const nextRequestId = () => ++this.#requestId;
    const { clock, clusterId, limits, trace, machine, peers } = options;
    const raft = this.#raft;
    this.#keeper = new SnapshotKeeper({
      clusterId,
      limits,
      clock,
      random: options.random.fork(`snapshots/${options.id}`),
      trace,
      machine,
      room: options.snapshots,
      peers,
      raft,
      discardOnDisk: (index) => options.store.discard(index),
      appliedIndex: () => this.#applier.appliedIndex,
      deliver,
      damaged: (what) => this.#diverged(what),
    });
    this.#remains = new Remains({
      id: options.id,
      remnants: options.remnants ?? [],
      raft,
      peers,
      clock,
      trace,
      patienceMs: options.settings.electionTimeoutMaxMs,
      deliver,
      needSnapshot: (index, others) => this.#keeper.need(null, index, others),
      forgets: () => this.#setMembers(raft.view().configuration),
    });
    this.#backups = new Backups({
      room: options.snapshots,
      appliedIndex: () => this.#applier.appliedIndex,
      askIndex: (done) => this.#askIndex(done),
      whenApplied: (index, done) => this.#applier.whenApplied(index, done),
      takeSnapshot: (done) => this.#keeper.takeNow(done),
    });
    this.#localReads = new LocalReads({
      clock,
      appliedIndex: () => this.#applier.appliedIndex,
      askIndex: (done) => this.#askIndex(done),
      answerAt: (index, waiter) => this.#answerAt(index, waiter),
      refuse: (waiter, text) => this.#answerAll(waiter, text),
    });
    this.#admin = new Admin({ clusterId, clock, raft, peers, deliver, nextRequestId });
    this.#roster = new Roster(
      { clock, raft, deliver, nextRequestId },
      options.id,
      options.self,
    );
    this.#divergence = options.replay?.divergence ?? new Divergence(limits.divergenceEntries);
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
      onFailure: (refusal) => this.#storeFailed(refusal),
    });
    const { configuration, commitIndex } = this.#raft.view();
    this.#setMembers(configuration);
    this.#options.peers.start({
      onMessage: (from, message) => this.#onPeerMessage(from, message),
      onBulk: (_, message, answer) => {
        if (message.kind === "entriesQuestion") this.#remains.onQuestion(message, answer);
        else this.#keeper.onBulk(message, answer);
      },
      onConnected: (id) => {
        this.#strangers.delete(id);
        if (!this.#isRemoved()) this.#saidRemoved = false;
        this.#retryParked();
        // Whoever comes back shows what it has by its answer to something that is sent from now on: a round of its own.
        if (this.#role === "leader") this.#confirmIndex(() => {});
      },
      onDisconnected: (id) => this.#onDisconnected(id),
      onIntroduced: (id, incarnation, peerAddress) => {
        this.#roster.introduced(id, incarnation, peerAddress);
        this.#remains.introduced(id);
        this.#tendSoon();
      },
      onNoMember: (id) => this.#onNoMember(id),
    });
    this.#goOnFromReplay();
    // What was known to be committed when the disk was last written is applied without asking anybody.
    for (let index = this.#applier.appliedIndex + 1; index <= commitIndex && this.#running; index++) {
      this.#apply(this.#raft.log.entryAt(index));
    }
    this.#remains.start();
    this.#setAlarm();
    this.#sweepSoon();
  }

  /** Counts what was applied before the node was made. */
  #goOnFromReplay(): void {
    const { replay } = this.#options;
    if (replay === undefined) return;
    let bytes = 0;
    for (let index = this.#raft.log.snapshotIndex + 1; index <= replay.appliedIndex; index++) {
      bytes += this.#raft.log.entryAt(index).payload.length;
    }
    this.#keeper.replayed(replay.applied, bytes);
    if (replay.difference !== null) this.#diverged(replay.difference);
  }

  /**
   * Hands the lead over if this server has it, takes nothing more from its clients, answers who waits, and tells when that is done or
   * took as long as a command may. So a server can leave without leaving anybody in doubt.
   */
  retire(done: () => void): void {
    if (!this.#running) return done();
    this.#retired = { done, deadline: this.#clock.now() + this.#options.limits.requestTimeoutMs };
    this.#mustKeepLead = false;
    if (this.#role === "leader" && this.#raft.view().configuration.voters.length > 1) {
      this.#deliver({ kind: "transferLeadership", requestId: ++this.#requestId, to: null });
    }
    this.#sweepSoon();
  }

  /** Takes no part any more. Whoever waits is told what is known. The disk is the caller's to close. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#alarm?.cancel();
    this.#sweep?.cancel();
    this.#holdAlarm?.cancel();
    for (const waiter of this.#pending.list()) this.#fail(waiter, "this server is stopping");
    this.#questions.stop();
    this.#admin.lostLeadership();
    this.#keeper.stop();
    this.#remains.stop();
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
    batch: CommandBatch,
    slot: ReplySlot,
    reads: ReadMode = order.reads,
  ): void {
    assert(order instanceof Order, "An order comes from newOrder");
    this.#take(order, access, batch, slot, reads, false);
  }

  answerBytes(bytes: Uint8Array, from: number, to: number): number {
    return this.#options.machine.answerBytesAt(bytes, from, to);
  }

  admin(words: readonly string[], answer: (reply: Reply) => void): void {
    const command = parseAdminCommand(words);
    if (typeof command === "string") return answer(errorReply(`ERR ${command}`));
    if (!this.#running) return answer(errorReply("NOLEADER this server is stopping; it did not happen"));
    if (this.#role === "leader") {
      this.#sweepSoon();
      return this.#admin.execute(command, answer);
    }
    const leader = this.#leaderId;
    if (leader === null) {
      return answer(errorReply("NOLEADER no leader is known; it did not happen, try again"));
    }
    this.#sweepSoon();
    const request = (life: number, requestId: number) =>
      ({ kind: "adminRequest", term: this.#term, life, requestId, words }) as const;
    this.#questions.ask(leader, ADMIN_MS, request, (message) => {
      if (message === "unsent") {
        return answer(
          errorReply(`NOLEADER the leader ${leader} cannot be reached; it did not happen, try again`),
        );
      }
      if (typeof message === "string" || message.kind !== "adminResponse") {
        return answer(
          errorReply(`UNKNOWN the leader ${leader} did not answer; it may happen or not: see RAFT CONFIG`),
        );
      }
      const replies = decodeReplies(message.reply);
      const [reply] = typeof replies === "string" ? [] : replies;
      answer(reply ?? errorReply(`UNKNOWN the answer of the leader ${leader} cannot be read`));
    });
  }

  takeSnapshot(answer: (reply: Reply) => void): void {
    if (this.#applier.appliedIndex === 0) return answer(errorReply("ERR nothing is applied here yet"));
    this.#keeper.takeNow((snapshot) =>
      answer(
        typeof snapshot === "string"
          ? errorReply(`ERR ${snapshot}`)
          : { type: "simple", text: `OK snapshot of index ${snapshot.index}, ${snapshot.bytes} bytes` },
      )
    );
  }

  prepareBackup(mayBeStale: boolean, answer: (reply: Reply) => void): void {
    this.#backups.prepare(mayBeStale, answer);
  }

  readBackup(name: SnapshotName, offset: number, length: number, answer: (reply: Reply) => void): void {
    this.#backups.read(name, offset, length, answer);
  }

  ageMs(): number | null {
    return this.#role === "leader" ? 0 : this.#localReads.ageMs;
  }

  /** Takes commands, or refuses them for certain. */
  #take(
    order: Order,
    access: "read" | "write",
    batch: CommandBatch,
    slot: ReplySlot,
    reads: ReadMode,
    isForwarded: boolean,
  ): Waiter | null {
    const { limits } = this.#options;
    const { count } = batch;
    if (!this.#running || (this.#isDraining && !isForwarded)) {
      refuse(slot, count, "NOLEADER this server is stopping; it did not happen, try another");
      return null;
    }
    if (this.#leaderId === null && this.#isRemoved()) {
      refuse(slot, count, "NOLEADER this server is no member any more; it did not happen, ask a member");
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
    if (this.#gathered.length === 0) this.#beginTurn();
    else this.#endTurnSoon();
    const deadline = this.#turnBegan + limits.requestTimeoutMs;
    const waiter = new Waiter(access, batch, order, slot, deadline, reads, isForwarded);
    this.#pending.add(waiter);
    this.#gathered.push(waiter);
    this.#gatheredCommands += count;
    if (access === "read") this.#gatheredReads = true;
    return waiter;
  }

  status(): NodeStatus {
    return statusOf(this.#options, this.#raft.view(), {
      appliedIndex: this.#applier.appliedIndex,
      snapshotIndex: this.#options.snapshots.newest?.id.index ?? 0,
      isRemoved: this.#isRemoved(),
    });
  }

  /* ---- the turn ---- */

  /** The first command of a turn: what comes until its end is looked at together, and waits since now. */
  #beginTurn(): void {
    this.#turnBegan = this.#clock.now();
    this.#endTurnSoon();
    this.#sweepSoon();
  }

  #endTurnSoon(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    this.#clock.soon(this.#endsTurn);
  }

  #endTurn(): void {
    this.#turnEnds = false;
    if (!this.#running || this.#holds()) return;
    const gathered = this.#gathered.filter(({ stage }) => stage === "gathered");
    const parked = this.#parked.filter(({ stage }) => stage === "gathered");
    this.#gathered = [];
    this.#gatheredCommands = 0;
    this.#gatheredReads = false;
    this.#parked = [];
    if (gathered.length + parked.length === 0) return;
    // What was gathered is in order, unless something comes back that was handed on before.
    const ready = this.#readyOf(parked.length === 0 ? gathered : inOrder(parked.concat(gathered)));
    if (ready.length === 0) return;
    if (this.#role === "leader") this.#askCore(ready);
    else if (this.#leaderId === null) this.#park(ready);
    else this.#park(this.#forwarder.forward(this.#leaderId, this.#term, ready));
  }

  /** Whether the writes of this turn wait for those of later ones. */
  #holds(): boolean {
    if (
      this.#role !== "leader" || this.#gathered.length === 0 || this.#gatheredReads ||
      this.#parked.length > 0 || this.#isDraining
    ) return false;
    const now = this.#clock.now();
    const until = this.#gathering.holdsUntil(now, {
      gathered: this.#gatheredCommands,
      all: this.#pending.commands,
      isUnderWay: this.#proposed.size > 0 || this.#asked.size > 0,
    });
    if (until === null) return false;
    // What comes meanwhile waits since it came, as far as its own deadline goes.
    this.#turnBegan = now;
    this.#holdAlarm ??= this.#clock.wakeAt(until, () => {
      this.#holdAlarm = null;
      this.#endTurnSoon();
    });
    return true;
  }

  /** Puts commands in front of everything that is parked: they are older. */
  #park(waiters: readonly Waiter[]): void {
    if (waiters.length > 0) this.#parked = [...waiters, ...this.#parked];
  }

  /**
   * Those that may be handed on now, in their order; takes out what is answered here or refused, and parks what must wait for earlier
   * commands of its client: such as are with the leader of another term, or are being read here.
   */
  #readyOf(waiters: readonly Waiter[]): readonly Waiter[] {
    const ready: Waiter[] = [];
    const held: Waiter[] = [];
    const blocked = new Set<Order>();
    for (const waiter of waiters) {
      const { order, reads, access, sequence } = waiter;
      if (sequence < order.answered) {
        this.#fail(waiter, "a later command of the same client was answered first");
        continue;
      }
      if (waiter.isForwarded && this.#role !== "leader") {
        this.#fail(waiter, "leadership was lost");
        continue;
      }
      const isElsewhere = order.sent > 0 && (order.sentTerm !== this.#term || this.#role === "leader");
      const isLocal = access === "read" && this.#role !== "leader" &&
        (reads.kind === "follower" || reads.kind === "stale") && order.newestWrite === null;
      if (
        blocked.has(order) || isElsewhere || (order.local > 0 && !isLocal) ||
        (!isLocal && this.#role !== "leader" && !this.#keepRoom(waiter))
      ) {
        blocked.add(order);
        held.push(waiter);
      } else if (isLocal) {
        waiter.isLocal = true;
        waiter.stage = "reading";
        order.local++;
        this.#localReads.take(waiter, reads.kind === "stale" ? reads.ms : null);
      } else ready.push(waiter);
    }
    this.#park(held);
    return ready;
  }

  /** Not where it is used: a function made there costs memory for each command, where none is forwarded too. */
  #keepRoom(waiter: Waiter): boolean {
    return this.#forwarder.keepRoom(waiter, () => this.#answerBytesOf(waiter));
  }

  #askCore(waiters: readonly Waiter[]): void {
    const { entryCommandsMax, entryBytesMax } = this.#options.limits;
    for (const { reads, writes } of groupsOf(waiters)) {
      for (const lease of reads.length > 0 ? [true, false] : []) {
        const together = reads.filter((read) => (read.reads.kind === "lease") === lease);
        if (together.length === 0) continue;
        const requestId = ++this.#requestId;
        for (const read of together) read.stage = "reading";
        this.#reading.set(requestId, together);
        this.#deliver({ kind: "readRequest", requestId, lease });
      }
      if (writes.length > 0 && this.#options.store.isFull) this.#refuseForSpace(writes);
      else if (writes.length > 0) {
        const requestId = ++this.#requestId;
        for (const write of writes) write.stage = "proposed";
        const entries = entriesOf(writes, entryCommandsMax, entryBytesMax);
        this.#asked.set(requestId, entries.map(({ waiters }) => waiters));
        this.#deliver({ kind: "clientRequest", requestId, payloads: entries.map(({ payload }) => payload) });
      }
    }
  }

  #refuseForSpace(writes: readonly Waiter[]): void {
    for (const write of writes) {
      this.#answerAll(write, "BUSY disk full at the leader; it did not happen, try again");
    }
    this.#leaveLead();
  }

  /* ---- what the world tells ---- */

  #onStable(upTo: WriteNumber): void {
    if (!this.#running) return;
    for (const { to, message } of this.#held.release(upTo)) this.#options.peers.send(to, message);
    this.#deliver({ kind: "stable", upTo });
    this.#tendSoon();
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
      case "digestReport":
        return this.#digestTold(from, message.index, message.digest);
      case "adminRequest":
        return this.#onAdminRequest(from, message);
      case "readIndexRequest":
        return this.#onReadIndexRequest(from, message);
      case "adminResponse":
      case "readIndexResponse":
        return this.#questions.answered(from, message);
      default:
        this.#noteRoom();
        return this.#deliver({ kind: "message", from, message });
    }
  }

  /** The core hears of it when our disk has no room for entries any more, and when it has. */
  #noteRoom(): void {
    const { takesEntries } = this.#options.store;
    if (takesEntries === this.#takesEntries) return;
    this.#takesEntries = takesEntries;
    this.#deliver({ kind: "room", takesEntries });
  }

  /** A leader with a full disk lets another server lead, now and then: one that has space may be among them. */
  #leaveLead(): void {
    const now = this.#clock.now();
    if (now < this.#staysUntil || this.#raft.view().configuration.voters.length < 2) return;
    this.#staysUntil = now + FULL_LEAD_MS;
    this.#deliver({ kind: "transferLeadership", requestId: ++this.#requestId, to: null });
  }

  /**
   * Nothing is written any more, so this life ends. A leader hands the lead over first, if somebody is fit to take it within an election
   * timeout: what it acknowledges until then is on the disks of a majority of the others (W1, dissertation 3.10).
   */
  #storeFailed(refusal: Refusal): void {
    if (!this.#running || this.#parting !== null) return;
    if (this.#role !== "leader" || this.#raft.view().configuration.voters.length < 2) {
      return this.#die(refusal);
    }
    const requestId = ++this.#requestId;
    this.#parting = { requestId, refusal };
    this.#trace.event("error", "the disk failed: the lead is handed over before this server ends", {});
    this.#deliver({ kind: "transferLeadership", requestId, to: null });
  }

  /** Another server hands us what its clients ask; only the leader of the term that it had in mind takes it. */
  #onForwardRequest(from: ServerId, message: ForwardRequest): void {
    const leads = this.#role === "leader" && message.term === this.#term;
    for (const { requestId, access, afterRequestId, count, commands } of message.requests) {
      const slot = this.#forwardSlots.slot(from, message.life, requestId, access, count);
      if (!leads) {
        this.#refuseForwarded(from, message, access, count, slot);
        continue;
      }
      // Only what is meant for this term says anything about its sender's life.
      if (!this.#forwardSlots.isNew(from, message.life, requestId)) continue;
      const order = new Order();
      order.newestWrite = this.#forwardSlots.waiterOf(from, afterRequestId);
      const batch = { bytes: commands, from: 0, to: commands.length, count };
      const waiter = this.#take(order, access, batch, slot, LEADER_READS, true);
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
    this.#questions.lost(id);
  }

  /** Another server hands us an operator's command. */
  #onAdminRequest(from: ServerId, { term, life, requestId, words }: AdminRequest): void {
    const { peers, id } = this.#options;
    const answer = (reply: Reply) => {
      peers.send(from, { kind: "adminResponse", life, requestId, reply: encodeReplies([reply]) });
    };
    if (this.#role !== "leader" || term !== this.#term) {
      return answer(errorReply(`NOLEADER ${id} does not lead term ${term}; it did not happen, try again`));
    }
    const command = parseAdminCommand(words);
    if (typeof command === "string") return answer(errorReply(`ERR ${command}`));
    this.#sweepSoon();
    this.#admin.execute(command, answer);
  }

  /** Another server wants to know up to where a read of its own must have applied the log. */
  #onReadIndexRequest(from: ServerId, { term, life, requestId }: ReadIndexRequest): void {
    const answer = (index: LogIndex | null) => {
      this.#options.peers.send(from, { kind: "readIndexResponse", life, requestId, index: index ?? 0 });
    };
    if (this.#role !== "leader" || term !== this.#term) return answer(null);
    this.#confirmIndex(answer);
  }

  /** A round of ours confirms an index; `null` where the lead was lost instead. */
  #confirmIndex(done: (index: LogIndex | null) => void): void {
    const requestId = ++this.#requestId;
    this.#indexing.set(requestId, done);
    this.#deliver({ kind: "readRequest", requestId, lease: false });
  }

  /** Asks whoever leads up to where a read must have applied the log. */
  #askIndex(done: (index: LogIndex | string) => void): void {
    const unclear = "leadership was lost; it did not happen, try again";
    if (this.#role === "leader") return this.#confirmIndex((index) => done(index ?? unclear));
    const leader = this.#leaderId;
    if (leader === null) return done("no leader is known; it did not happen, try again");
    this.#sweepSoon();
    const request = (life: number, requestId: number) =>
      ({ kind: "readIndexRequest", term: this.#term, life, requestId }) as const;
    this.#questions.ask(leader, this.#options.limits.requestTimeoutMs, request, (message) => {
      if (typeof message === "string" || message.kind !== "readIndexResponse" || message.index === 0) {
        done(`the leader ${leader} did not confirm the read; it did not happen, try again`);
      } else done(message.index);
    });
  }

  #onNoMember(id: ServerId): void {
    this.#strangers.add(id);
    // It may have known before anybody said so; an operator hears of it when it is turned away.
    if (this.#saidRemoved || !this.#isRemoved()) return;
    this.#saidRemoved = true;
    this.#trace.event("error", "this server is no member of the cluster any more: it may be stopped", {
      said: [...this.#strangers].join(","),
    });
  }

  /** Whether this server is no member, as far as it knows, or as a majority of the voters that it knows say. */
  #isRemoved(): boolean {
    const { configuration: { voters, members }, configurationIndex, commitIndex } = this.#raft.view();
    const isMember = members.some(({ id }) => id === this.#options.id);
    if (!isMember && members.length > 0 && configurationIndex <= commitIndex) return true;
    const said = voters.filter((id) => this.#strangers.has(id)).length;
    return said > 0 && said * 2 >= voters.length;
  }

  #setMembers({ members }: ConfigurationValue): void {
    const leads = this.#role === "leader";
    // Whoever leads knows who is a member; whoever lost a part of its log may not, and needs those that it named.
    const named = leads ? [] : this.#remains.named;
    const known = new Map([...named, ...members].map((member) => [member.id, member]));
    known.delete(this.#options.id);
    this.#options.peers.setMembers([...known.values()], leads);
  }

  /** Nobody will lead here: whoever waits for a leader is told so while it is certain that nothing happened. */
  #failParked(): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const waiter of parked) {
      if (waiter.stage === "gathered") this.#fail(waiter, "this server does not serve any more");
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
        // The leader waits for our disk; what it said is committed is so whenever we apply it.
        if (this.#role === "follower") this.#options.store.begin();
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
        this.#trace.event("info", "members", {
          index: effect.index,
          voters: effect.configuration.voters.join(","),
          outgoing: effect.configuration.outgoing.join(","),
          learners: effect.configuration.learners.join(","),
        });
        this.#roster.changed();
        return this.#setMembers(effect.configuration);
      case "changeRefused":
        this.#roster.answered(effect.requestId);
        return this.#admin.changeRefused(effect.requestId, effect.reason);
      case "transferEnded":
        if (this.#parting?.requestId === effect.requestId) return this.#die(this.#parting.refusal);
        if (effect.reason !== null) {
          this.#trace.event("warn", "the lead was not handed over", { reason: effect.reason });
          this.#mustKeepLead = true;
          this.#retryParked();
        }
        return this.#admin.transferEnded(effect.requestId, effect.reason);
      case "needSnapshot":
        return this.#keeper.need(effect.leaderId, effect.index);
      case "installSnapshot":
        return this.#installSnapshot(effect.index);
      case "repaired":
        this.#trace.event("info", "the log is repaired");
        return this.#options.store.endRepair();
      case "rolledBack":
        return this.#rolledBack(effect.epoch);
      case "halt":
        return this.#die(new Refusal(ExitCode.brokenInvariant, `broken invariant: ${effect.reason}`));
      default:
        return assertNever(effect, "An effect has a known kind");
    }
  }

  /** Our disk has less than we acknowledged: the next start repairs that, and this life ends. */
  #rolledBack(epoch: number): void {
    this.#options.store.noteLoss(epoch, () =>
      this.#die(
        new Refusal(
          ExitCode.diskIo,
          "this server has less than it acknowledged: its data is an old copy, or its disk lost what it had synced; what was " +
            "acknowledged is safe on the other servers; start again: it is repaired from them",
        ),
      ));
  }

  #accepted(requestId: RequestId, term: Term, firstIndex: LogIndex): void {
    if (this.#roster.answered(requestId) || this.#admin.accepted(requestId, firstIndex)) return;
    const entries = must(this.#asked.get(requestId), "The core accepts what it was asked");
    this.#asked.delete(requestId);
    entries.forEach((waiters, i) => {
      const index = firstIndex + i;
      for (const waiter of waiters) waiter.index = index;
      // What we proposed there when we led before is out of our log; whether out of everybody's is not known.
      for (const waiter of this.#proposed.get(index)?.waiters ?? []) {
        this.#fail(waiter, "leadership was lost");
      }
      this.#proposed.set(index, { term, waiters });
    });
  }

  #refused(requestId: RequestId, reason: RefusalReason): void {
    const index = this.#indexing.get(requestId);
    this.#indexing.delete(requestId);
    if (index !== undefined) return index(null);
    if (this.#roster.answered(requestId)) return;
    const what = reason === "transferring" ? "the lead is being handed over" : "leadership was lost";
    if (this.#admin.refused(requestId, `NOLEADER ${what}; it did not happen, try again`)) return;
    const waiters = this.#asked.get(requestId)?.flat() ?? this.#reading.get(requestId) ?? [];
    this.#asked.delete(requestId);
    this.#reading.delete(requestId);
    for (const waiter of waiters) {
      if (waiter.stage === "answered") continue;
      waiter.stage = "gathered";
      // Whoever leads next will take it: it waits until that is known.
      if (reason === "transferring") this.#parked.push(waiter);
      else if (reason === "busy") {
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
    const asked = this.#indexing.get(requestId);
    this.#indexing.delete(requestId);
    if (asked !== undefined) return asked(index);
    const waiters = must(this.#reading.get(requestId), "The core releases the reads that it was asked for");
    this.#reading.delete(requestId);
    this.#applier.foresee(waiters);
    for (const waiter of waiters) {
      if (waiter.stage === "answered") continue;
      const { after } = waiter;
      this.#answerAt(Math.max(index, after !== null && after.stage === "proposed" ? after.index : 0), waiter);
    }
  }

  /** Answers a read as soon as that index is applied. */
  #answerAt(index: LogIndex, waiter: Waiter): void {
    if (waiter.stage === "answered") return;
    waiter.index = index;
    const reads: PlacedReads = {
      batch: waiter.batch,
      answer: (replies) => this.#answer(waiter, replies),
    };
    if (this.#applier.read(index, reads)) waiter.placed = reads;
  }

  #apply(entry: Entry): void {
    const replies = this.#applier.apply(entry);
    this.#keeper.applied(entry);
    this.#tendSoon();
    if (this.#divergence.isDue(entry.index)) this.#reportDigest(entry.index);
    if (entry.configuration !== null) this.#admin.applied(entry.index, entry.configuration);
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
    let from = 0;
    this.#gathering.served(replies.length, this.#clock.now());
    if (this.#gathered.length > 0) this.#endTurnSoon();
    for (const waiter of proposed.waiters) {
      this.#answer(waiter, replies, from);
      from += waiter.count;
    }
  }

  #changed(role: Role, term: Term, leaderId: ServerId | null): void {
    const led = this.#role === "leader";
    if (term !== this.#term) this.#forwardSlots.newTerm();
    this.#role = role;
    this.#term = term;
    this.#leaderId = leaderId;
    this.#roster.changed();
    this.#trace.event("info", role === "leader" ? "became leader" : `is ${role}`, { term, leader: leaderId });
    if (role === "leader") {
      this.#ledUpTo = term;
      this.#divergence.reset();
    }
    if (led !== (role === "leader")) this.#setMembers(this.#raft.view().configuration);
    if (led && role !== "leader") this.#lostLeadership();
    if (role !== "leader" && this.#parting !== null) return this.#die(this.#parting.refusal);
    if (leaderId !== null || led) this.#retryParked();
    this.#tendSoon();
  }

  /**
   * Reads are refused for certain. Writes stand in our log, and may be in the next leader's: what is committed at their place tells, as long
   * as they may wait.
   */
  #lostLeadership(): void {
    for (const waiter of this.#pending.list()) {
      if (waiter.stage === "reading" && !waiter.isLocal) this.#fail(waiter, "leadership was lost");
    }
    this.#reading.clear();
    this.#admin.lostLeadership();
  }

  /** A snapshot takes the place of the state. What waited for an entry that it covers may be in it, or not. */
  #installSnapshot(index: LogIndex): void {
    this.#keeper.install();
    if (!this.#running) return;
    for (const [at, { waiters }] of this.#proposed) {
      if (at > index) continue;
      this.#proposed.delete(at);
      for (const waiter of waiters) this.#fail(waiter, "a snapshot took the place of the log");
    }
    this.#applier.installed(index);
    this.#trace.event("info", "goes on from a snapshot", { index });
  }

  /* ---- whether everybody has the same state ---- */

  #reportDigest(index: LogIndex): void {
    const digest = this.#options.machine.digest();
    this.#divergence.note(index, digest);
    if (this.#role === "leader") this.#digestTold(this.#options.id, index, digest);
    else if (this.#leaderId !== null) {
      this.#options.peers.send(this.#leaderId, { kind: "digestReport", index, digest });
    }
  }

  /** A server told the digest of its state; once a quorum told the same, it goes into the log. */
  #digestTold(from: ServerId, index: LogIndex, digest: number): void {
    if (this.#role !== "leader") return;
    const configuration = new Configuration(this.#raft.view().configuration);
    const agreed = this.#divergence.told(from, index, digest, (servers) => configuration.isQuorum(servers));
    if (agreed === null) return;
    const args = [agreed.index, agreed.digest].map((number) => bytesOfLatin1(String(number)));
    const bytes = encodeCommandBatch([encodeCommand(Operation.check, args)]);
    const batch = { bytes, from: 0, to: bytes.length, count: 1 };
    this.#take(new Order(), "write", batch, NOBODY, LEADER_READS, false);
  }

  #checked(index: LogIndex, digest: number): void {
    const difference = this.#divergence.agreed(index, digest);
    if (difference !== null) this.#diverged(difference);
  }

  #diverged(what: string): void {
    this.#die(
      new Refusal(
        ExitCode.brokenInvariant,
        `the state of this server is not what it must be: ${what}; what was acknowledged is safe on the other servers; ` +
          `remove its data directory and add it again under a new id, and look at the memory of this machine`,
      ),
    );
  }

  /* ---- answers ---- */

  #answer(waiter: Waiter, replies: readonly Reply[], from = 0): void {
    this.#settle(waiter);
    waiter.answer(replies, from);
  }

  #fail(waiter: Waiter, what: string): void {
    this.#settle(waiter);
    waiter.fail(what);
  }

  #answerAll(waiter: Waiter, text: string): void {
    this.#settle(waiter);
    waiter.answerAll(errorReply(text));
  }

  #settle(waiter: Waiter): void {
    this.#pending.remove(waiter);
    if (waiter.placed !== null) this.#applier.forget(waiter.index, waiter.placed);
    waiter.placed = null;
    // Whoever waits for room may have it now.
    if (this.#forwarder.forget(waiter) && this.#parked.length > 0) this.#endTurnSoon();
  }

  #answerBytesOf({ batch: { bytes, from, to } }: Waiter): number {
    let sum = 0;
    for (let at = from; at < to;) {
      const start = startOfCommand(at);
      at = endOfCommand(bytes, at);
      sum += this.#options.machine.answerBytesAt(bytes, start, at);
    }
    return sum;
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

  /** Work that need not be done within the turn that made it necessary: snapshots, the roster. */
  #tendSoon(): void {
    if (this.#tends) return;
    this.#tends = true;
    this.#clock.soon(this.#tendsNow);
  }

  #sweepSoon(): void {
    if (!this.#running) return;
    this.#sweep ??= this.#clock.wakeAt(this.#clock.now() + SWEEP_MS, () => this.#sweepNow());
  }

  #sweepNow(): void {
    this.#sweep = null;
    if (!this.#running) return;
    this.#questions.sweep();
    this.#admin.sweep();
    this.#roster.tend();
    const now = this.#clock.now();
    for (
      let next = this.#pending.oldest;
      next !== null && next.deadline <= now;
      next = this.#pending.oldest
    ) {
      this.#fail(next, `no answer came within ${this.#options.limits.requestTimeoutMs} ms`);
    }
    if (this.#isDraining || (this.#leaderId === null && this.#isRemoved())) this.#failParked();
    this.#retryParked();
    this.#tellRetired();
    const isNeeded = this.#pending.commands > 0 || this.#questions.isBusy || this.#admin.isBusy ||
      this.#retired !== null || this.#roster.isBusy;
    if (isNeeded) this.#sweepSoon();
  }

  /** Whoever waits for us to be dispensable hears of it. */
  #tellRetired(): void {
    if (this.#retired === null) return;
    const isAlone = this.#mustKeepLead || this.#raft.view().configuration.voters.length <= 1;
    if (this.#role !== "leader" || isAlone) this.#isDraining = true;
    const isDone = this.#isDraining && this.#pending.commands === 0;
    if (!isDone && this.#clock.now() < this.#retired.deadline) return;
    const { done } = this.#retired;
    this.#retired = null;
    done();
  }

  #die(refusal: Refusal): void {
    if (!this.#running) return;
    this.#running = false;
    this.#alarm?.cancel();
    this.#sweep?.cancel();
    this.#holdAlarm?.cancel();
    this.#events?.onFatal(refusal);
  }
}
