/**
 * Says the same thing about the same peer once, until something else is to be said.
 *
 * A server that is down is dialled many times a second; its operator wants one line (reliability: CLOSE, log once per peer and
 * reason). The number of peers remembered is bounded; the oldest is forgotten first.
 *
 * @module
 */
import type { Trace, TraceLevel } from "../platform/trace.ts";

const PEERS_MAX = 1024;

export class Complaints {
  readonly #trace: Trace;
  readonly #last = new Map<string, string>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** Says it, unless it was the last thing said about this peer. */
  say(level: TraceLevel, peer: string, event: string, reason: string): void {
    const text = `${event}: ${reason}`;
    if (this.#last.get(peer) === text) return;
    this.#last.delete(peer);
    this.#last.set(peer, text);
    if (this.#last.size > PEERS_MAX) {
      const oldest = this.#last.keys().next();
      if (oldest.done !== true) this.#last.delete(oldest.value);
    }
    this.#trace.event(level, event, { peer, reason });
  }

  /** All is well with this peer; the next complaint is news again. */
  forget(peer: string): void {
    this.#last.delete(peer);
  }
}
