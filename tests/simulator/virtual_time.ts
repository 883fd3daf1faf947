/**
 * Virtual time: one queue of events for the whole world, ordered by time and then by when they were asked for.
 *
 * A server sees it through a `LifeClock`, which dies with the life of its process: no callback of a dead life ever runs. A
 * paused life runs nothing until it is resumed; then everything that was due runs, late, in order. A suspended one sleeps with
 * its clock: when it wakes up, no time has passed for it. A clock can run fast or slow, and change its rate.
 *
 * What is asked for now waits in a list, what is asked for later in a heap; most events of a world are of the first kind.
 *
 * @module
 */
import type { Alarm, Clock, Millis } from "../../internal/platform/clock.ts";

/** More than a rounding error of a time, less than any difference that matters. */
const ROUNDING_MS = 1e-6;

/** Something that will happen, unless it is cancelled. */
class Event implements Alarm {
  readonly at: Millis;
  readonly sequence: number;
  /** In whose life it happens; `null` for what the world does itself. */
  readonly life: LifeClock | null;
  /** What that life's clock must show; an alarm that finds it showing less rings again later. */
  readonly when: Millis;
  run: (() => void) | null;

  constructor(at: Millis, sequence: number, life: LifeClock | null, when: Millis, run: () => void) {
    this.at = at;
    this.sequence = sequence;
    this.life = life;
    this.when = when;
    this.run = run;
  }

  cancel(): void {
    this.run = null;
  }
}

export class VirtualTime {
  now: Millis = 0;
  #sequence = 0;
  readonly #heap: Event[] = [];
  /** What happens now, in the order in which it was asked for; those before `#head` are over. */
  #due: Event[] = [];
  #head = 0;

  /** Events that wait, those that were cancelled among them. */
  get waiting(): number {
    return this.#heap.length + this.#due.length - this.#head;
  }

  /** Calls back at that time, or now if it has passed; after everything that was asked for the same time before. */
  at(when: Millis, run: () => void): Alarm {
    return this.#ask(when, null, -Infinity, run);
  }

  /** The same, in that life. */
  atIn(life: LifeClock, when: Millis, run: () => void): Alarm {
    return this.#ask(when, life, -Infinity, run);
  }

  /** The same, once the clock of that life shows `local`. */
  alarmIn(life: LifeClock, when: Millis, local: Millis, run: () => void): Alarm {
    return this.#ask(when, life, local, run);
  }

  /** Runs the next event that is due by `until`; tells whether there was one. */
  step(until: Millis): boolean {
    while (true) {
      const event = this.#next(until);
      if (event === null) return false;
      if (event.run === null) continue;
      if (event.life === null) {
        const { run } = event;
        event.run = null;
        run();
      } else event.life.happen(event);
      return true;
    }
  }

  #ask(when: Millis, life: LifeClock | null, local: Millis, run: () => void): Event {
    if (when <= this.now) {
      const event = new Event(this.now, 0, life, local, run);
      this.#due.push(event);
      return event;
    }
    const event = new Event(when, this.#sequence++, life, local, run);
    this.#push(event);
    return event;
  }

  /** Takes out what comes next. What waits in the heap for this very moment was asked for before it came. */
  #next(until: Millis): Event | null {
    const first = this.#heap[0];
    if (first !== undefined && first.at <= this.now) return this.#pop(first);
    if (this.#head < this.#due.length) {
      const event = this.#due[this.#head++];
      if (this.#head === this.#due.length) {
        this.#due.length = 0;
        this.#head = 0;
      } else if (this.#head === 1024) {
        this.#due.splice(0, this.#head);
        this.#head = 0;
      }
      return event ?? null;
    }
    if (first === undefined || first.at > until) return null;
    this.now = first.at;
    return this.#pop(first);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, event)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(first: Event): Event {
    const heap = this.#heap;
    const last = heap.pop();
    const size = heap.length;
    if (last === undefined || size === 0) return first;
    let i = 0;
    while (true) {
      let child = 2 * i + 1;
      let least = heap[child];
      if (least === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, least)) {
        least = right;
        child++;
      }
      if (isBefore(last, least)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** Time as one life of one server sees it. */
export class LifeClock implements Clock {
  readonly #time: VirtualTime;
  /** How fast this clock runs, and what it would show at time 0: servers agree on neither. */
  #rate: number;
  #offset: Millis;
  #dead = false;
  #resumedAt: Millis = -Infinity;
  /** What happened while it was paused. */
  #missed: Event[] | null = null;
  /** What it shows as long as it is suspended. */
  #frozenAt: Millis | null = null;

  constructor(time: VirtualTime, rate = 1, offset: Millis = 0) {
    this.#time = time;
    this.#rate = rate;
    this.#offset = offset;
  }

  now(): Millis {
    return this.#frozenAt ?? this.#offset + this.#time.now * this.#rate;
  }

  wakeAt(when: Millis, callback: () => void): Alarm {
    return this.#time.alarmIn(this, this.#timeOf(when), when, callback);
  }

  soon(callback: () => void): void {
    this.#time.atIn(this, this.#time.now, callback);
  }

  /** Runs something in this life: now, when it is resumed, or never. */
  run(callback: () => void): void {
    if (this.#dead) return;
    if (this.#missed !== null) this.#time.atIn(this, this.#time.now, callback);
    else callback();
  }

  /** An event of this life is due. */
  happen(event: Event): void {
    if (this.#dead) return;
    if (this.#missed !== null) {
      this.#missed.push(event);
      return;
    }
    const { run, when } = event;
    if (run === null) return;
    if (this.now() < when) {
      // Who cancels holds the event that was asked for first.
      this.#time.alarmIn(this, this.#timeOf(when), when, () => {
        if (event.run === null) return;
        event.run = null;
        run();
      });
      return;
    }
    event.run = null;
    run();
  }

  /** The process sleeps; time goes on. */
  pause(): void {
    this.#missed ??= [];
  }

  /** The process sleeps, and its clock with it. */
  suspend(): void {
    if (this.#dead) return;
    this.#frozenAt ??= this.now();
    this.pause();
  }

  resume(): void {
    if (this.#frozenAt !== null) {
      this.#offset = this.#frozenAt - this.#time.now * this.#rate;
      this.#frozenAt = null;
    }
    const missed = this.#missed ?? [];
    this.#missed = null;
    this.#resumedAt = this.#time.now;
    // What a process finds in its queues when it wakes up, it handles one after another.
    for (const event of missed) this.#time.atIn(this, this.#time.now, () => this.happen(event));
  }

  get isPaused(): boolean {
    return this.#missed !== null;
  }

  /** Whether it sleeps, or woke up at this very moment, so that what it missed may still be in its queues. */
  get mayHaveMissed(): boolean {
    return this.isPaused || this.#time.now === this.#resumedAt;
  }

  /** From now on it runs at another rate; what it shows does not jump. */
  setRate(rate: number): void {
    if (this.#frozenAt !== null) {
      this.#rate = rate;
      return;
    }
    const shown = this.now();
    this.#rate = rate;
    this.#offset = shown - this.#time.now * rate;
  }

  die(): void {
    this.#dead = true;
    this.#missed = null;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** The world's time at which this clock shows `when`; never one at which it shows a little less, by rounding. */
  #timeOf(when: Millis): Millis {
    let at = (when - this.#offset) / this.#rate;
    while (this.#offset + at * this.#rate < when) at += ROUNDING_MS;
    return at;
  }
}
