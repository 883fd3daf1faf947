/**
 * What is kept of commands that clients began and did not complete, over all clients: a budget, and a deadline while it runs short.
 *
 * A client may take as long as it likes for a command while there is memory for it. Once half of the budget is in use, whoever began its command
 * longer ago than the deadline is cut off; once all of it is, whoever began first is, at once. What was not complete did not happen,
 * so the error says so for certain.
 *
 * Keeps true: what is kept is within the budget, but for what is not worth counting; nobody is cut off who has completed what it began; the
 * longest at work goes first, so whoever sends without delay is cut off last.
 *
 * @module
 */
import type { Alarm, Clock, Millis } from "../platform/clock.ts";
import type { Trace } from "../platform/trace.ts";
import type { ClientLimits } from "./limits.ts";

/** Less is not worth counting: ten thousand clients would have ten megabytes of it. */
const SHORT_BYTES = 1024;

/** Somebody of whose command a part has come. */
export interface HalfSender {
  readonly remote: string;
  /** Ends it with these words; what it began is thrown away. */
  cutOff(text: string): void;
}

interface Kept {
  bytes: number;
  /** Which of its commands it is. */
  readonly command: number;
  readonly since: Millis;
}

export class HalfSent {
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #limits: ClientLimits;
  /** Who began first stands first. */
  readonly #senders = new Map<HalfSender, Kept>();
  #bytes = 0;
  #alarm: Alarm | null = null;

  constructor(clock: Clock, trace: Trace, limits: ClientLimits) {
    this.#clock = clock;
    this.#trace = trace;
    this.#limits = limits;
  }

  /** How much is kept, as far as it counts. */
  get bytes(): number {
    return this.#bytes;
  }

  /** So much is kept of the command under way, which is this client's so-many-eth. */
  keeps(sender: HalfSender, bytes: number, command: number): void {
    if (bytes <= SHORT_BYTES) return this.forget(sender);
    const kept = this.#senders.get(sender);
    if (kept?.command === command) {
      this.#bytes += bytes - kept.bytes;
      kept.bytes = bytes;
    } else {
      this.forget(sender);
      this.#senders.set(sender, { bytes, command, since: this.#clock.now() });
      this.#bytes += bytes;
    }
    this.#relieve();
  }

  /** Nothing is kept for this client. */
  forget(sender: HalfSender): void {
    const kept = this.#senders.get(sender);
    if (kept === undefined) return;
    this.#senders.delete(sender);
    this.#bytes -= kept.bytes;
  }

  get #isShort(): boolean {
    return 2 * this.#bytes > this.#limits.halfSentBytesMax;
  }

  #relieve(): void {
    const { halfSentBytesMax, halfSentMs } = this.#limits;
    const now = this.#clock.now();
    for (const [sender, { since }] of this.#senders) {
      const isLate = this.#isShort && since + halfSentMs <= now;
      if (!isLate && this.#bytes <= halfSentBytesMax) break;
      const bytes = this.#bytes;
      this.forget(sender);
      this.#trace.event("warn", "cut off a client that was slow to send", {
        client: sender.remote,
        kept: bytes,
        ms: Math.round(now - since),
      });
      sender.cutOff(
        `ERR ${bytes} bytes of commands that are not complete are kept for all clients; this one was begun ` +
          `${Math.floor((now - since) / 1000)} s ago, before the others: it did not happen, send it again`,
      );
    }
    this.#watch();
  }

  /** Looks again when the first one is late, if memory is short. */
  #watch(): void {
    if (this.#alarm !== null || !this.#isShort) return;
    for (const { since } of this.#senders.values()) {
      this.#alarm = this.#clock.wakeAt(since + this.#limits.halfSentMs, () => {
        this.#alarm = null;
        this.#relieve();
      });
      return;
    }
  }
}
