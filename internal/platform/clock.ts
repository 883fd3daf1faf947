/**
 * The seam to time: monotonic milliseconds, alarms, and the end of a turn.
 *
 * @module
 */

/** Milliseconds on a clock that never goes back; only differences mean something. May have a fraction. */
export type Millis = number;

/** A callback that was asked for and has not come yet. */
export interface Alarm {
  /** Takes the request back; harmless after the callback came. */
  cancel(): void;
}

export interface Clock {
  /** The time now. */
  now(): Millis;
  /** Calls back once, not before `when`; later if the process was busy or asleep. */
  wakeAt(when: Millis, callback: () => void): Alarm;
  /**
   * Calls back once, after everything that had arrived by now was delivered. Where a turn's work is gathered. What such a callback
   * asks for in its turn comes at the same end of turn, after everything that was asked for before.
   */
  soon(callback: () => void): void;
}
