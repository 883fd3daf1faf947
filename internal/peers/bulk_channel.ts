/**
 * A bulk connection to one server: questions out, answers in; it is dialled when it is needed and not dialled again by itself.
 *
 * Keeps true: the asker bounds what is under way, by what it asks for; a channel that is silent for too long is closed.
 *
 * @module
 */
import { decodeBulk, encodeBulkFrame } from "../codec/bulk_codec.ts";
import type { BulkMessage } from "../codec/bulk_message.ts";
import type { Alarm } from "../platform/clock.ts";
import { Greeter, type GreeterOptions } from "./greeter.ts";

export interface BulkEvents {
  onOpen(): void;
  onMessage(message: BulkMessage): void;
  /** The channel is gone; nothing else is told afterwards. */
  onClosed(reason: string): void;
}

export class BulkChannel {
  readonly #greeter: Greeter;
  readonly #options: GreeterOptions;
  readonly #idleMs: number;
  #idle: Alarm | null = null;
  #isClosed = false;

  constructor(options: GreeterOptions, idleMs: number, events: BulkEvents) {
    this.#options = options;
    this.#idleMs = idleMs;
    this.#greeter = new Greeter(options, {
      onWelcome: () => {
        this.#watch();
        events.onOpen();
        return null;
      },
      onBody: (body) => {
        const message = decodeBulk(body);
        if (typeof message === "string") return message;
        this.#watch();
        events.onMessage(message);
        return null;
      },
      onDrain: () => {},
      onClosed: (reason) => {
        this.#isClosed = true;
        this.#idle?.cancel();
        events.onClosed(reason);
      },
    });
  }

  send(message: BulkMessage): void {
    this.#greeter.write(encodeBulkFrame(message));
  }

  /** Closes the channel; tells nobody. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#idle?.cancel();
    this.#greeter.stop();
  }

  #watch(): void {
    const { clock } = this.#options;
    this.#idle?.cancel();
    this.#idle = clock.wakeAt(clock.now() + this.#idleMs, () => {
      this.#greeter.drop(`nothing came for ${this.#idleMs} ms`);
    });
  }
}
