/**
 * One direction of one connection: takes chunks from a socket, and hands them to the other one as the faults of its lane have it.
 *
 * Keeps true: without faults that say otherwise, the bytes come out as they went in, in their order, and then the end, or the reset; no more than
 * `bufferBytesMax` and one chunk wait here, then the source is not read; with nobody to hand them to, bytes are thrown away, so that the
 * source feels nothing but silence.
 *
 * @module
 */
import type { Socket } from "node:net";
import { setImmediate } from "node:timers";
import type { Random } from "../../../internal/base/random.ts";
import type { Cut } from "./faults.ts";
import { Intake } from "./intake.ts";
import type { Lane } from "./lane.ts";
import type { Throttle } from "./throttle.ts";

/** What a waiting chunk costs besides its bytes. */
const CHUNK_COST = 256;

interface Waiting {
  /** `null` is the end. */
  readonly bytes: Uint8Array | null;
  readonly dueAt: number;
}

export interface PipeOptions {
  readonly lane: Lane;
  /** The connection's number on its link, from 1. */
  readonly number: number;
  readonly source: Socket | null;
  readonly destination: Socket | null;
  readonly isFramed: boolean;
  readonly bufferBytesMax: number;
  readonly random: Random;
  /** A generator for the bytes to flip, by the seed that was asked for. */
  readonly flipsOf: (seed: string) => Random;
  /** So many bytes went through as the cut asked for. */
  readonly onCut: (cut: Cut) => void;
}

export class Pipe {
  readonly #options: PipeOptions;
  readonly #lane: Lane;
  readonly #intake: Intake;
  #destination: Socket | null;
  #queue: Waiting[] = [];
  #cost = 0;
  #lastDueAt = -Infinity;
  #resetAt: number | null = null;
  #hasEnded = false;
  #isFinished = false;
  #isClosed = false;
  #isDeaf = false;
  #isHeldBack = false;
  /** Whether a segment is on its way and the next one waits for it. */
  #isStepping = false;
  /** Writes that have not reached the operating system. */
  #unflushed = 0;
  #turn: { readonly throttle: Throttle; readonly at: number; readonly bytes: number } | null = null;
  #timer: { readonly at: number; readonly handle: ReturnType<typeof setTimeout> } | null = null;
  #extraDelay: { readonly fault: unknown; readonly ms: number } | null = null;
  #cut: { readonly fault: Cut; left: number } | null = null;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#lane = options.lane;
    this.#destination = options.destination;
    this.#intake = new Intake({ ...options, pass: (bytes) => this.#enqueue(bytes) });
    this.#takeCut();
  }

  /** Whether the source has said its last byte. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether the destination has been told so. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** What waits here, in bytes. */
  get held(): number {
    return this.#cost;
  }

  /** Takes what the source sent. */
  take(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    this.#lane.counters.taken += chunk.length;
    if (this.#isDeaf) this.#lane.counters.dropped += chunk.length;
    if (this.#isDeaf || this.#destination === null) return;
    this.#intake.take(chunk);
    this.#pump();
  }

  /** The source has no more to say. */
  takeEnd(): void {
    if (this.#isClosed || this.#isDeaf || this.#hasEnded) return;
    this.#intake.end();
    this.#hasEnded = true;
    this.#enqueue(null);
    this.#pump();
  }

  /** The source broke. */
  takeReset(): void {
    if (this.#isClosed || this.#isDeaf || this.#resetAt !== null) return;
    this.#resetAt = this.#dueAt();
    this.#pump();
  }

  /** Sends a copy of something, behind what waits; says whether it could be taken. */
  insert(bytes: Uint8Array): boolean {
    if (this.#isClosed || this.#isDeaf || this.#hasEnded || this.#destination === null) return false;
    const isTaken = this.#intake.insert(bytes);
    this.#pump();
    return isTaken;
  }

  /** Nobody is there to hand anything to. */
  destinationGone(): void {
    this.#destination = null;
    this.#throwAway();
  }

  /** From now on everything vanishes, the end too. */
  deafen(): void {
    this.#isDeaf = true;
    this.#resetAt = null;
    this.#throwAway();
  }

  /** The faults have changed, or the destination is connected. */
  wake(): void {
    this.#takeCut();
    // What is under way comes no later than what is sent from now on.
    const { latencyMs, jitterMs } = this.#lane.faults;
    const latest = performance.now() + latencyMs + jitterMs + this.#extraMs();
    this.#queue = this.#queue.map(({ bytes, dueAt }) => ({ bytes, dueAt: Math.min(dueAt, latest) }));
    this.#lastDueAt = Math.min(this.#lastDueAt, latest);
    if (this.#resetAt !== null) this.#resetAt = Math.min(this.#resetAt, latest);
    this.#pump();
  }

  close(): void {
    this.#isClosed = true;
    this.#throwAway();
  }

  #enqueue(bytes: Uint8Array | null): void {
    this.#lastDueAt = this.#dueAt();
    this.#queue.push({ bytes, dueAt: this.#lastDueAt });
    this.#cost += costOf(bytes);
  }

  /** When what comes now is due: no earlier than what came before. */
  #dueAt(): number {
    const { latencyMs, jitterMs } = this.#lane.faults;
    const jitter = jitterMs > 0 ? this.#options.random.between(0, jitterMs) : 0;
    return Math.max(this.#lastDueAt, performance.now() + latencyMs + jitter + this.#extraMs());
  }

  /** How much later than others this connection is. */
  #extraMs(): number {
    const { reorder } = this.#lane.faults;
    if (reorder === null) return 0;
    if (reorder.newestDelayed !== null) {
      return this.#options.number <= reorder.newestDelayed ? reorder.ms : 0;
    }
    if (this.#extraDelay?.fault !== reorder) {
      this.#extraDelay = { fault: reorder, ms: this.#options.random.between(0, reorder.ms) };
    }
    return this.#extraDelay.ms;
  }

  #takeCut(): void {
    const { cut } = this.#lane.faults;
    if (cut === null) this.#cut = null;
    else if (this.#cut?.fault !== cut) this.#cut = { fault: cut, left: cut.bytes };
  }

  /** Sends what is due, until something has to be waited for. */
  #pump(): void {
    if (this.#isClosed) return;
    this.#stopTimer();
    while (this.#sendNext());
    this.#resetIfDue();
    this.#holdBack();
  }

  /** Whether there may be more to send at once. */
  #sendNext(): boolean {
    if (this.#isClosed || this.#isStepping || this.#lane.faults.paused) return false;
    if (this.#cut?.left === 0) {
      if (this.#unflushed === 0) this.#options.onCut(this.#cut.fault);
      return false;
    }
    const [head] = this.#queue;
    const destination = this.#destination;
    if (head === undefined || destination === null || destination.connecting) return false;
    const now = performance.now();
    if (head.dueAt > now) {
      this.#wait(head.dueAt);
      return false;
    }
    if (head.bytes === null) {
      this.#finish(destination);
      return false;
    }
    // The write that the operating system takes next wakes us.
    if (destination.writableNeedDrain) return false;
    const size = this.#sizeOfNext(head.bytes.length, now);
    if (size === null) return false;
    this.#send(destination, head.bytes, head.dueAt, size);
    return true;
  }

  /** How many bytes may go now; `null`: none before a timer that was set. */
  #sizeOfNext(bytes: number, now: number): number | null {
    const { faults: { segment }, throttle } = this.#lane;
    const size = Math.min(bytes, segment?.bytes ?? bytes, this.#cut?.left ?? bytes);
    if (throttle === null) return size;
    let turn = this.#turn;
    if (turn === null || turn.throttle !== throttle) {
      const piece = Math.min(size, throttle.pieceBytes);
      turn = { throttle, at: throttle.reserve(piece, now), bytes: piece };
    }
    this.#turn = turn.at > now ? turn : null;
    if (turn.at <= now) return Math.min(size, turn.bytes);
    this.#wait(turn.at);
    return null;
  }

  #send(destination: Socket, bytes: Uint8Array, dueAt: number, size: number): void {
    if (size === bytes.length) this.#queue.shift();
    else this.#queue[0] = { bytes: bytes.subarray(size), dueAt };
    this.#cost -= size === bytes.length ? costOf(bytes) : size;
    this.#lane.counters.sent += size;
    if (this.#cut !== null) this.#cut.left -= size;
    this.#unflushed++;
    const { segment } = this.#lane.faults;
    this.#isStepping = segment !== null;
    destination.write(bytes.subarray(0, size), () => {
      this.#unflushed--;
      if (segment === null) return this.#pump();
      const next = () => {
        this.#isStepping = false;
        this.#pump();
      };
      if (segment.gapMs === 0) setImmediate(next);
      else setTimeout(next, segment.gapMs);
    });
  }

  #finish(destination: Socket): void {
    if (this.#lane.faults.dropChance >= 1) return;
    this.#throwAway();
    this.#isFinished = true;
    destination.end();
  }

  #resetIfDue(): void {
    const { paused, dropChance } = this.#lane.faults;
    if (this.#resetAt === null || this.#isClosed || paused || dropChance >= 1) return;
    if (this.#resetAt > performance.now()) this.#wait(this.#resetAt);
    else {
      this.#throwAway();
      this.#destination?.resetAndDestroy();
    }
  }

  #throwAway(): void {
    this.#queue = [];
    this.#cost = 0;
    this.#turn = null;
    this.#stopTimer();
    this.#holdBack();
  }

  /** Reads the source, or does not. */
  #holdBack(): void {
    const { source, bufferBytesMax } = this.#options;
    const isFull = this.#cost >= (this.#isHeldBack ? bufferBytesMax / 2 : bufferBytesMax);
    if (isFull === this.#isHeldBack) return;
    this.#isHeldBack = isFull;
    if (isFull) source?.pause();
    else source?.resume();
  }

  #wait(until: number): void {
    if (this.#timer !== null && this.#timer.at <= until) return;
    this.#stopTimer();
    const ms = Math.max(1, Math.ceil(until - performance.now()));
    const handle = setTimeout(() => {
      this.#timer = null;
      this.#pump();
    }, ms);
    this.#timer = { at: until, handle };
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer.handle);
    this.#timer = null;
  }
}

function costOf(bytes: Uint8Array | null): number {
  return CHUNK_COST + (bytes?.length ?? 0);
}
