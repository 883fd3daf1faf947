/**
 * When a snapshot is taken, who gets it, where one comes from, and what of the log may go because of it (dissertation chapter 5).
 *
 * A snapshot covers what is committed, which is the same everywhere; so whoever lacks entries that its leader left behind gets one
 * from any member that has it, and from the leader only where nobody else can help: the leader has enough to do.
 *
 * Keeps true:
 *  1. The log on disk goes only where a whole, durable snapshot covers it, and one older snapshot besides (D6).
 *  2. The log in memory holds what followers are likely to ask for, within a bound; what leaves it is applied and on our disk, and
 *     whoever lacks it can get a snapshot, which is taken for it if there is none yet.
 *  3. Taking one stops nobody: the state is captured at once and written while it goes on changing (S18).
 *  4. A transfer that is broken goes on where it was, with whoever has the same bytes; it ends only for lack of progress (S12, S20).
 *  5. What was received becomes the state in one step, after it was checked as a whole.
 *
 * @module
 */
import { must } from "../base/assert.ts";
import { describeError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { BulkMessage, SnapshotName, SnapshotPiece } from "../codec/bulk_message.ts";
import type { Restoration, StateMachine } from "../machine/machine.ts";
import type { Alarm, Clock, Millis } from "../platform/clock.ts";
import type { Trace } from "../platform/trace.ts";
import type { Input } from "../raft/input.ts";
import type { Raft } from "../raft/raft.ts";
import type { Entry, LogIndex, ServerId } from "../raft/types.ts";
import type { NodeLimits } from "./limits.ts";
import type { BulkLine, PeerRoom, SnapshotRoom } from "./ports.ts";

/** After a snapshot could not be taken, the next try waits so long. */
const RETRY_MS = 10_000;
/** The bytes that make a snapshot due are so many hundredths of what the limits say. */
const DUE_PERCENT_MIN = 75;
const DUE_PERCENT_MAX = 125;

export interface SnapshotKeeperOptions {
  readonly clusterId: string;
  readonly limits: NodeLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly machine: StateMachine;
  readonly room: SnapshotRoom;
  readonly peers: Pick<PeerRoom, "openBulk" | "isConnected">;
  readonly raft: Raft;
  /** Segments on disk that hold nothing beyond this index may go. */
  readonly discardOnDisk: (index: LogIndex) => void;
  readonly appliedIndex: () => LogIndex;
  readonly deliver: (input: Input) => void;
  /** The state in memory is not what was put there. */
  readonly damaged: (what: string) => void;
}

/** Somebody who waits for a snapshot that reaches so far. */
interface Waiting {
  readonly index: LogIndex;
  readonly done: (snapshot: SnapshotName | string) => void;
}

/** A snapshot on its way to us. */
interface Fetch {
  /** How far it has to reach. */
  readonly index: LogIndex;
  /** Who leads, and is asked last; `null` where nobody does. */
  readonly leaderId: ServerId | null;
  /** Who is asked too, although it may be no member as far as we know. */
  readonly strangers: readonly ServerId[];
  /** Whom we asked already, in vain. */
  readonly tried: Set<ServerId>;
  source: ServerId | null;
  line: BulkLine | null;
  /** The line on which a snapshot was offered: another one may not even be open yet. */
  offered: BulkLine | null;
  name: SnapshotName | null;
  /** The offset that comes next of what is asked for, of what arrives, and of what is here. */
  asked: number;
  arrived: number;
  here: number;
  progressAt: Millis;
  /** Pieces that arrived and wait for the disk. */
  readonly pieces: Uint8Array[];
  isWriting: boolean;
}

export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;
  /** What was applied since the state that the newest snapshot has. */
  #bytesSince = 0;
  #entriesSince = 0;
  /** Bytes of the entries in memory that were applied. */
  #bytesInMemory = 0;
  /** When the next snapshot is due, in hundredths of what the limits say. */
  #duePercent: number;
  #isTaking = false;
  /** What of that the snapshot covers that is being taken. */
  #covered = { bytes: 0, entries: 0 };
  #retryAt: Millis = -Infinity;
  readonly #waiting: Waiting[] = [];
  #fetch: Fetch | null = null;
  #watch: Alarm | null = null;
  /** A state that was received whole and waits for the core to say that it is wanted. */
  #restored: { readonly restoration: Restoration; readonly digest: number } | null = null;
  #isStopped = false;

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
    this.#duePercent = this.#drawDue();
  }

  /** What was applied while the log was read, since the newest snapshot; and bytes of those entries that are in memory. */
  replayed({ entries, bytes }: { readonly entries: number; readonly bytes: number }, inMemory: number): void {
    this.#entriesSince += entries;
    this.#bytesSince += bytes;
    this.#bytesInMemory += inMemory;
  }

  /** Entries that were applied, or found applied at the start. */
  applied(entry: Entry): void {
    this.#bytesSince += entry.payload.length;
    this.#entriesSince++;
    this.#bytesInMemory += entry.payload.length;
  }

  /** The end of a turn in which something was applied or became durable: is it time for anything? */
  tend(): void {
    if (this.#isStopped) return;
    if (this.#isDue()) this.#take();
    this.#trim();
  }

  /** Takes a snapshot of what is applied now; tells its name or why there is none. */
  takeNow(done: (snapshot: SnapshotName | string) => void): void {
    this.#waiting.push({ index: this.#options.appliedIndex(), done });
    this.#answerWaiting();
    if (this.#waiting.length > 0) this.#take();
  }

  stop(): void {
    this.#isStopped = true;
    this.#endFetch();
  }

  /* ---- taking ---- */

  #isDue(): boolean {
    const { snapshotEntries, snapshotBytes, snapshotRatio } = this.#options.limits;
    const bytes = Math.max(snapshotBytes, snapshotRatio * (this.#options.room.newest?.id.bytes ?? 0));
    const isMuch = this.#entriesSince >= snapshotEntries ||
      this.#bytesSince * 100 >= bytes * this.#duePercent;
    return isMuch && !this.#isTaking && this.#options.clock.now() >= this.#retryAt;
  }

  /**
   * All servers apply the same entries, so by the same rule all would take their snapshots at the same time, and nobody would be left to
   * acknowledge writes without delay. So each is due at another time.
   */
  #drawDue(): number {
    return this.#options.random.between(DUE_PERCENT_MIN, DUE_PERCENT_MAX);
  }

  #take(): void {
    const { machine, raft, room, clusterId, trace, clock } = this.#options;
    const index = this.#options.appliedIndex();
    if (this.#isTaking || index === 0) return;
    this.#isTaking = true;
    const term = raft.log.termAt(index);
    const { index: configurationIndex, configuration } = raft.configurationAt(index);
    const capture = machine.capture();
    const startedAt = clock.now();
    this.#covered = { bytes: this.#bytesSince, entries: this.#entriesSince };
    let isSound = true;
    const next = () => {
      const chunk = capture.next();
      if (chunk === null) isSound = capture.isSound;
      if (!isSound) throw new Error("the state in memory does not have the digest that it had");
      return chunk;
    };
    const meta = { clusterId, index, term, configurationIndex, configuration, digest: capture.digest };
    room.take(meta, next, (result) => {
      this.#isTaking = false;
      capture.release();
      if (this.#isStopped) return;
      if (!isSound) {
        return this.#options.damaged(
          `the values in memory do not add up to the digest they had at index ${index}`,
        );
      }
      if (result instanceof Error) {
        this.#retryAt = clock.now() + RETRY_MS;
        trace.event("warn", "a snapshot could not be taken", { index, reason: describeError(result) });
        for (const { done } of this.#waiting.splice(0)) {
          done(`no snapshot can be taken: ${describeError(result)}`);
        }
        return;
      }
      this.#bytesSince -= this.#covered.bytes;
      this.#entriesSince -= this.#covered.entries;
      this.#duePercent = this.#drawDue();
      trace.event("info", "took a snapshot", {
        index,
        bytes: result.id.bytes,
        ms: Math.round(clock.now() - startedAt),
      });
      this.#options.discardOnDisk(room.coveredIndex);
      this.#answerWaiting();
      if (this.#waiting.length > 0) this.#take();
    });
  }

  /** Whoever waits for no more than the newest snapshot has gets it. */
  #answerWaiting(): void {
    const id = this.#options.room.newest?.id;
    if (id === undefined) return;
    const ready = this.#waiting.filter(({ index }) => index <= id.index);
    const left = this.#waiting.filter(({ index }) => index > id.index);
    this.#waiting.splice(0, this.#waiting.length, ...left);
    for (const { done } of ready) done(id);
  }

  /** Lets go of the beginning of the log in memory, in few and large steps. */
  #trim(): void {
    const { limits, raft, deliver } = this.#options;
    const { logMemoryBytes, logMemoryEntries } = limits;
    const held = this.#options.appliedIndex() - raft.log.snapshotIndex;
    const slack = 5 / 4;
    if (this.#bytesInMemory <= logMemoryBytes * slack && held <= logMemoryEntries * slack) return;
    const isAsked = this.#isFollowerFetching();
    // Whoever fetches a snapshot needs what comes behind it (S20); but not at any price.
    if (isAsked && this.#bytesInMemory <= 4 * logMemoryBytes && held <= 4 * logMemoryEntries) return;
    const { durableIndex, snapshotIndex } = raft.view();
    const to = Math.min(this.#options.appliedIndex(), durableIndex);
    let bytes = this.#bytesInMemory;
    let entries = held;
    let index = snapshotIndex;
    while (index < to && (bytes > logMemoryBytes || entries > logMemoryEntries)) {
      index++;
      bytes -= raft.log.entryAt(index).payload.length;
      entries--;
    }
    if (index === snapshotIndex) return;
    this.#bytesInMemory = bytes;
    deliver({ kind: "discardPrefix", index });
  }

  #isFollowerFetching(): boolean {
    const now = this.#options.clock.now();
    for (const { mood, lastHeardAt } of this.#options.raft.progress.values()) {
      if (mood === "snapshot" && now - lastHeardAt < 5000) return true;
    }
    return false;
  }

  /* ---- giving ---- */

  /** Another server asks on a bulk connection. */
  onBulk(message: BulkMessage, answer: (message: BulkMessage) => void): void {
    if (this.#isStopped) return;
    const refuse = (reason: string) => answer({ kind: "snapshotRefusal", reason });
    switch (message.kind) {
      case "snapshotQuestion": {
        const applied = this.#options.appliedIndex();
        if (applied < message.index) return refuse(`index ${applied} is applied here, not ${message.index}`);
        this.#waiting.push({
          index: message.index,
          done: (name) => typeof name === "string" ? refuse(name) : answer({ kind: "snapshotOffer", name }),
        });
        this.#answerWaiting();
        if (this.#waiting.length > 0) this.#take();
        return;
      }
      case "snapshotPieceQuestion": {
        const { name, offset, length } = message;
        return this.#options.room.read(name, offset, length, (bytes) => {
          if (bytes instanceof Error) refuse(describeError(bytes));
          else answer({ kind: "snapshotPiece", name, offset, bytes });
        });
      }
      default:
        return refuse(`${message.kind} is an answer, and nobody asked`);
    }
  }

  /* ---- getting ---- */

  /** The leader says that we need a snapshot that reaches so far; or we lost what is before it, and nobody leads. */
  need(leaderId: ServerId | null, index: LogIndex, strangers: readonly ServerId[] = []): void {
    if (this.#isStopped || this.#fetch !== null) return;
    this.#fetch = {
      index,
      leaderId,
      strangers,
      tried: new Set(),
      source: null,
      line: null,
      offered: null,
      name: null,
      asked: 0,
      arrived: 0,
      here: 0,
      progressAt: this.#options.clock.now(),
      pieces: [],
      isWriting: false,
    };
    this.#options.trace.event(leaderId === null ? "debug" : "info", "needs a snapshot", {
      index,
      leader: leaderId,
    });
    this.#askSomebody(this.#fetch);
  }

  /** The state that was received takes the place of ours; the core says so. */
  install(): void {
    const { restoration, digest } = must(this.#restored, "A snapshot is installed that was received");
    this.#restored = null;
    const objection = restoration.finish(digest);
    if (objection !== null) return this.#options.damaged(objection);
    this.#bytesSince = 0;
    this.#entriesSince = 0;
    this.#covered = { bytes: 0, entries: 0 };
    this.#bytesInMemory = 0;
    this.#options.discardOnDisk(this.#options.room.coveredIndex);
  }

  /** Asks the next source: one that does not lead, if there is one. */
  #askSomebody(receipt: Fetch): void {
    const { raft, peers, trace } = this.#options;
    const members = raft.view().configuration.members.map(({ id }) => id);
    const others = [...new Set([...members, ...receipt.strangers])]
      .filter((id) => peers.isConnected(id) && !receipt.tried.has(id));
    const source = others.find((id) => id !== receipt.leaderId) ?? others[0] ?? receipt.leaderId;
    if (source === null || receipt.tried.has(source)) {
      // Everybody was asked. Whoever said that we need one will say it again.
      trace.event(receipt.leaderId === null ? "debug" : "warn", "nobody gave a snapshot", {
        index: receipt.index,
      });
      return this.#endFetch();
    }
    receipt.tried.add(source);
    receipt.source = source;
    receipt.progressAt = this.#options.clock.now();
    const mine = (run: () => void) => {
      if (this.#fetch === receipt && receipt.source === source) run();
    };
    const line = peers.openBulk(source, {
      onOpen: () => mine(() => line?.send({ kind: "snapshotQuestion", index: receipt.index })),
      onMessage: (message) => mine(() => this.#heard(receipt, message)),
      onClosed: (reason) => mine(() => this.#lost(receipt, reason)),
    });
    if (line === null) return this.#failed(receipt, "it is no member");
    receipt.line = line;
    this.#watchProgress(receipt);
  }

  #watchProgress(receipt: Fetch): void {
    const { clock, limits } = this.#options;
    // Compared as it was asked for: a difference of times may be a rounding error short, for ever.
    const deadline = receipt.progressAt + limits.snapshotProgressMs;
    this.#watch?.cancel();
    this.#watch = clock.wakeAt(deadline, () => {
      if (this.#fetch !== receipt) return;
      // It is not the source that is slow.
      if (receipt.isWriting) receipt.progressAt = clock.now();
      if (receipt.progressAt + limits.snapshotProgressMs > deadline) return this.#watchProgress(receipt);
      this.#failed(receipt, `no progress for ${Math.round(clock.now() - receipt.progressAt)} ms`);
    });
  }

  /** The source is gone. Where all of the snapshot is here, it takes as long as it takes until it is checked, and nobody is needed for that. */
  #lost(receipt: Fetch, reason: string): void {
    if (receipt.name === null || receipt.arrived < receipt.name.bytes) this.#failed(receipt, reason);
  }

  #failed(receipt: Fetch, reason: string): void {
    this.#options.trace.event("info", "a source of a snapshot failed", { source: receipt.source, reason });
    receipt.line?.close();
    receipt.line = null;
    receipt.pieces.length = 0;
    this.#askSomebody(receipt);
  }

  #endFetch(): void {
    this.#fetch?.line?.close();
    this.#fetch = null;
    this.#watch?.cancel();
    this.#watch = null;
  }

  #heard(receipt: Fetch, message: BulkMessage): void {
    switch (message.kind) {
      case "snapshotRefusal":
        return this.#failed(receipt, message.reason);
      case "snapshotOffer": {
        const { name } = message;
        const { line } = receipt;
        if (name.index < receipt.index) {
          return this.#failed(receipt, `it offers a snapshot of ${name.index} only`);
        }
        receipt.name = name;
        receipt.progressAt = this.#options.clock.now();
        return this.#options.room.receive(name, (offset) => {
          if (this.#fetch !== receipt || receipt.name !== name || receipt.line !== line) return;
          if (offset instanceof Error) return this.#broken(offset);
          receipt.offered = line;
          receipt.here = offset;
          receipt.asked = offset;
          receipt.arrived = offset;
          receipt.pieces.length = 0;
          this.#ask(receipt);
        });
      }
      case "snapshotPiece":
        return this.#arrived(receipt, message);
      default:
        return this.#failed(receipt, `${message.kind} came as an answer`);
    }
  }

  /** Pieces come in the order in which they were asked for: one that comes twice, or late, is none. */
  #arrived(receipt: Fetch, { name, offset, bytes }: SnapshotPiece): void {
    if (receipt.name === null || name.checksum !== receipt.name.checksum) return;
    if (offset !== receipt.arrived) return;
    if (bytes.length === 0 || offset + bytes.length > receipt.asked) {
      return this.#failed(receipt, `a piece of ${bytes.length} bytes came for offset ${offset}`);
    }
    receipt.arrived += bytes.length;
    receipt.pieces.push(bytes);
    this.#write(receipt, receipt.name);
  }

  /** Asks for the next pieces, as many as may be under way. */
  #ask(receipt: Fetch): void {
    const { snapshotPieceBytes, snapshotPiecesMax } = this.#options.limits;
    const { name, line, offered } = receipt;
    if (name === null || line === null || line !== offered) return;
    while (
      receipt.asked < name.bytes && receipt.asked - receipt.here < snapshotPieceBytes * snapshotPiecesMax
    ) {
      const length = Math.min(snapshotPieceBytes, name.bytes - receipt.asked);
      line.send({ kind: "snapshotPieceQuestion", name, offset: receipt.asked, length });
      receipt.asked += length;
    }
  }

  /** Puts the next piece that arrived on the disk. */
  #write(receipt: Fetch, name: SnapshotName): void {
    const piece = receipt.pieces[0];
    if (receipt.isWriting || piece === undefined) return;
    receipt.isWriting = true;
    receipt.pieces.shift();
    let restoration: Restoration | null = null;
    let digest = 0;
    const begin = (meta: { readonly digest: number }) => {
      digest = meta.digest;
      const begun = this.#options.machine.restore();
      restoration = begun;
      // It is finished, and becomes the state, when the core says so.
      return { take: (chunk: Uint8Array) => begun.take(chunk), finish: () => null };
    };
    this.#options.room.received(name, receipt.here, piece, begin, (result) => {
      receipt.isWriting = false;
      if (this.#fetch !== receipt || receipt.name !== name) return;
      if (result instanceof Error) return this.#failed(receipt, describeError(result));
      receipt.here += piece.length;
      receipt.progressAt = this.#options.clock.now();
      if (result === null) {
        this.#ask(receipt);
        return this.#write(receipt, name);
      }
      this.#endFetch();
      this.#restored = { restoration: must(restoration, "A whole snapshot was handed on"), digest };
      const { index, term, configuration, configurationIndex } = result.meta;
      this.#options.trace.event("info", "received a snapshot", { index, bytes: result.id.bytes });
      this.#options.deliver({ kind: "snapshotReceived", index, term, configuration, configurationIndex });
      this.#restored = null;
    });
  }

  /** Our own disk does not take it. The leader will say again that we need one. */
  #broken(error: Error): void {
    this.#options.trace.event("error", "a snapshot cannot be received", { reason: describeError(error) });
    this.#endFetch();
  }
}
