/**
 * Virtual time: one queue of events for the whole world, ordered by time and then by when they were asked for.
 *
 * A server sees it through a `LifeClock`, which dies with the life of its process: no callback of a dead life ever runs. A
 * paused life runs nothing until it is resumed; then everything that was due runs, late, in order.
 *
 * @module
 */
import type { Alarm, Clock, Millis } from "../../internal/platform/clock.ts";

/** More than a rounding error of a time, less than any difference that matters. */
const ROUNDING_MS = 1e-6;

interface Event {
  readonly at: Millis;
  readonly sequence: number;
  run: (() => void) | null;
}

export class VirtualTime {
  now: Millis = 0;
  #sequence = 0;
  readonly #heap: Event[] = [];

  /** Calls back at that time, or now if it has passed; after everything that was asked for the same time before. */
  at(when: Millis, run: () => void): Alarm {
    const event: Event = { at: Math.max(when, this.now), sequence: this.#sequence++, run };
    this.#push(event);
    return { cancel: () => event.run = null };
  }

  /** Runs the next event that is due by `until`; tells whether there was one. */
  step(until: Millis): boolean {
    while (true) {
      const first = this.#heap[0];
      if (first === undefined || first.at > until) return false;
      this.#pop();
      if (first.run === null) continue;
      this.now = first.at;
      first.run();
      return true;
    }
  }

  #before(a: Event, b: Event): boolean {
    return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || this.#before(above, event)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    while (true) {
      let child = 2 * i + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      let least = left;
      if (right !== undefined && this.#before(right, left)) {
        least = right;
        child++;
      }
      if (this.#before(last, least)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = last;
  }
}

/** Time as one life of one server sees it. */
export class LifeClock implements Clock {
  readonly #time: VirtualTime;
  /** How fast this clock runs, and what it shows at the beginning: servers agree on neither. */
  readonly #rate: number;
  readonly #offset: Millis;
  #dead = false;
  #paused: (() => void)[] | null = null;

  constructor(time: VirtualTime, rate = 1, offset: Millis = 0) {
    this.#time = time;
    this.#rate = rate;
    this.#offset = offset;
  }

  now(): Millis {
    return this.#offset + this.#time.now * this.#rate;
  }

  wakeAt(when: Millis, callback: () => void): Alarm {
    let cancelled = false;
    const alarm = this.#time.at(this.#timeOf(when), () => this.run(() => cancelled || callback()));
    return {
      cancel: () => {
        cancelled = true;
        alarm.cancel();
      },
    };
  }

  /** The world's time at which this clock shows `when`; never one at which it shows a little less, by rounding. */
  #timeOf(when: Millis): Millis {
    let at = (when - this.#offset) / this.#rate;
    while (this.#offset + at * this.#rate < when) at += ROUNDING_MS;
    return at;
  }

  soon(callback: () => void): void {
    this.#time.at(this.#time.now, () => this.run(callback));
  }

  /** Runs something in this life: now, when it is resumed, or never. */
  run(callback: () => void): void {
    if (this.#dead) return;
    if (this.#paused !== null) this.#paused.push(callback);
    else callback();
  }

  pause(): void {
    this.#paused ??= [];
  }

  resume(): void {
    const due = this.#paused ?? [];
    this.#paused = null;
    // What a process finds in its queues when it wakes up, it handles one after another.
    for (const callback of due) this.#time.at(this.#time.now, () => this.run(callback));
  }

  die(): void {
    this.#dead = true;
    this.#paused = null;
  }

  get isDead(): boolean {
    return this.#dead;
  }
}
