/**
 * Resource bounds and quiescence: queues stay within their limits, messages within theirs, and no timer is forgotten or left over
 * (I30, I31).
 *
 * Looked at now and then, since nothing here is undone by the next step.
 *
 * @module
 */
import type { Message } from "../../internal/raft/message.ts";
import type { Settings } from "../../internal/raft/state.ts";
import { Violation } from "./ghost.ts";

/** A message that leaves carries no more than it may. */
export function checkMessage(server: string, message: Message, settings: Settings): void {
  if (message.kind !== "appendEntriesRequest" || message.entries.length <= 1) return;
  const { entries } = message;
  let bytes = 0;
  for (const entry of entries) bytes += entry.payload.length;
  if (entries.length > settings.appendEntriesMax || bytes > settings.appendBytesMax) {
    throw new Violation(`${server} sends ${entries.length} entries with ${bytes} bytes in one message`);
  }
}

/** What a server holds at some moment. */
export interface Holdings {
  readonly server: string;
  /** Milliseconds by which its core's next moment has passed without its being told; 0 or less is well. */
  readonly lateMs: number;
  /** Connections that it dialled or accepted, from and to each other server. */
  readonly connections: readonly (readonly [other: string, count: number])[];
}

/** A clock's rounding. */
const LATE_MS = 0.01;

/**
 * A link broken by one side is dialled again while the other side still believes in it; each lasts no longer than its pings. More than a few
 * at a time mean that somebody forgets to close.
 */
const CONNECTIONS_MAX = 12;

export function checkHoldings({ server, lateMs, connections }: Holdings): void {
  if (lateMs > LATE_MS) {
    throw new Violation(`${server} has no alarm for a moment that passed ${lateMs} ms ago`);
  }
  for (const [other, count] of connections) {
    if (count > CONNECTIONS_MAX) throw new Violation(`${server} and ${other} have ${count} connections`);
  }
}

/** Events that may wait in the queue of the whole world: a few for each server, connection and client. */
export function checkQueue(waiting: number, servers: number, clients: number): void {
  const most = 400 + 400 * servers + 100 * clients;
  if (waiting > most) throw new Violation(`${waiting} events wait: timers are left over`);
}
