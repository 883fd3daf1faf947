/**
 * One direction of a link: what its connections share.
 *
 * @module
 */
import { type Faults, noFaults } from "./faults.ts";
import { Recorder } from "./recorder.ts";
import { Throttle } from "./throttle.ts";

/** What went that way since the link was opened. */
export interface Counters {
  /** Bytes that came from the source. */
  taken: number;
  /** Bytes that were handed on. */
  sent: number;
  /** Bytes that vanished on purpose. */
  dropped: number;
  /** Bytes that were damaged. */
  flipped: number;
  /** Chunks that were sent again. */
  replayed: number;
}

export class Lane {
  readonly recorder = new Recorder();
  readonly counters: Counters = { taken: 0, sent: 0, dropped: 0, flipped: 0, replayed: 0 };
  #faults = noFaults;
  #throttle: Throttle | null = null;

  get faults(): Faults {
    return this.#faults;
  }

  get throttle(): Throttle | null {
    return this.#throttle;
  }

  change(part: Partial<Faults>): void {
    const { bytesPerSecond } = this.#faults;
    this.#faults = { ...this.#faults, ...part };
    if (this.#faults.bytesPerSecond === bytesPerSecond) return;
    this.#throttle = this.#faults.bytesPerSecond === null ? null : new Throttle(this.#faults.bytesPerSecond);
  }
}
