/**
 * Time as it passes on this machine: the monotonic clock of the runtime.
 *
 * @module
 */
import type { Alarm, Clock, Millis } from "../platform/clock.ts";

/** The longest wait that a timer of the runtime can take, in milliseconds. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class SystemClock implements Clock {
  /** What is to be called when this turn is over; one request to the runtime serves them all. */
  #soon: (() => void)[] = [];
  readonly #endTurn = () => this.#turnEnds();

  now(): Millis {
    return performance.now();
  }

  wakeAt(when: Millis, callback: () => void): Alarm {
    let timer: ReturnType<typeof setTimeout>;
    const arm = () => {
      const waitMs = Math.min(Math.max(0, Math.ceil(when - performance.now())), TIMER_MS_MAX);
      timer = setTimeout(() => {
        // Timers of the runtime may ring a little early.
        if (performance.now() < when) arm();
        else callback();
      }, waitMs);
    };
    arm();
    return { cancel: () => clearTimeout(timer) };
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
    if (this.#soon.length === 1) setImmediate(this.#endTurn);
  }

  #turnEnds(): void {
    // What a callback asks for in its turn is appended, and comes before the runtime looks at its sockets again.
    const callbacks = this.#soon;
    try {
      for (const callback of callbacks) callback();
    } finally {
      this.#soon = [];
    }
  }
}
