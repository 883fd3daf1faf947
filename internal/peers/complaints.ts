/**
 * Says each thing about each peer once, until all is well with it again.
 *
 * A server that is down is dialled many times a second, and a stranger may come back for ever; the operator wants one line for each reason
 * (reliability: CLOSE, log once per peer and reason). Peers and reasons that are remembered are bounded; the oldest are forgotten first.
 *
 * @module
 */
import type { Trace, TraceLevel } from "../platform/trace.ts";

const PEERS_MAX = 1024;
const REASONS_MAX = 16;

export class Complaints {
  readonly #trace: Trace;
  readonly #said = new Map<string, Set<string>>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** Says it, unless it was said about this peer before. Numbers make no difference: a time or a length is no new reason. */
  say(level: TraceLevel, peer: string, event: string, reason: string): void {
    const text = `${event}: ${reason}`.replaceAll(/\b\d+\b/g, "#");
    const said = this.#said.get(peer) ?? new Set();
    if (said.has(text)) return;
    said.add(text);
    forgetOldest(said, REASONS_MAX);
    this.#said.delete(peer);
    this.#said.set(peer, said);
    forgetOldest(this.#said, PEERS_MAX);
    this.#trace.event(level, event, { peer, reason });
  }

  /** All is well with this peer; the next complaint is news again. */
  forget(peer: string): void {
    this.#said.delete(peer);
  }
}

function forgetOldest(of: Map<string, unknown> | Set<string>, most: number): void {
  if (of.size <= most) return;
  const oldest = of.keys().next();
  if (oldest.done !== true) of.delete(oldest.value);
}
