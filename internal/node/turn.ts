/**
 * What arrived from clients in one turn of the loop, put into groups that the core can take as one write and one read, and the
 * writes of a group into entries.
 *
 * In a group the reads are asked for first, then the writes. So a read that follows a write of the same client opens the
 * next group; everything else joins the last one. Clients that only write, or only read, never open a second group.
 *
 * Keeps true: for each client, the order in which it asked is the order in which the core is asked.
 *
 * @module
 */
import { must } from "../base/assert.ts";
import { allocatePayload } from "../codec/record.ts";
import type { Order, Waiter } from "./waiter.ts";

export interface Group {
  readonly reads: Waiter[];
  readonly writes: Waiter[];
}

/**
 * The same commands, those of each client in the order in which it asked. Commands that come back from a leader come in any: it refuses
 * a read at once, and a write when something else stands in its place.
 */
export function inOrder(waiters: readonly Waiter[]): readonly Waiter[] {
  const newest = new Map<Order, number>();
  let isInOrder = true;
  for (const { order, sequence } of waiters) {
    if (sequence < (newest.get(order) ?? 0)) isInOrder = false;
    newest.set(order, sequence);
  }
  if (isInOrder) return waiters;
  const sorted = new Map<Order, Waiter[]>();
  for (const waiter of [...waiters].sort((a, b) => b.sequence - a.sequence)) {
    const own = sorted.get(waiter.order);
    if (own === undefined) sorted.set(waiter.order, [waiter]);
    else own.push(waiter);
  }
  return waiters.map(({ order }) => must(sorted.get(order)?.pop(), "Each client has as many places"));
}

/** Splits a turn's commands, in the order in which they arrived. */
export function groupsOf(waiters: readonly Waiter[]): readonly Group[] {
  let last: Group = { reads: [], writes: [] };
  const groups = [last];
  for (const waiter of waiters) {
    waiter.group = groups.length;
    if (
      waiter.access === "read" && waiter.after?.stage === "gathered" && waiter.after.group === groups.length
    ) {
      last = { reads: [], writes: [] };
      groups.push(last);
      waiter.group = groups.length;
    }
    (waiter.access === "read" ? last.reads : last.writes).push(waiter);
  }
  return groups;
}

/** Writes that share a log entry. */
export interface EntryPlan {
  readonly waiters: readonly Waiter[];
  readonly payload: Uint8Array;
}

/** Cuts writes into entries of at most so many commands and bytes; the writes of one waiter stay together. */
export function entriesOf(
  writes: readonly Waiter[],
  commandsMax: number,
  bytesMax: number,
): readonly EntryPlan[] {
  const entries: EntryPlan[] = [];
  let from = 0;
  let commands = 0;
  let bytes = 0;
  for (let i = 0; i < writes.length; i++) {
    const write = must(writes[i], "The loop ends before");
    if (i > from && (commands + write.count > commandsMax || bytes + write.byteLength > bytesMax)) {
      entries.push(entryOf(writes.slice(from, i), bytes));
      from = i;
      commands = 0;
      bytes = 0;
    }
    commands += write.count;
    bytes += write.byteLength;
  }
  entries.push(entryOf(from === 0 ? writes : writes.slice(from), bytes));
  return entries;
}

function entryOf(waiters: readonly Waiter[], bytes: number): EntryPlan {
  const payload = allocatePayload(bytes);
  let at = 0;
  for (let i = 0; i < waiters.length;) {
    const { batch } = must(waiters[i], "The loop ends before");
    // What was packed one behind another is copied in one go.
    let { to } = batch;
    for (i++; i < waiters.length; i++) {
      const next = waiters[i]?.batch;
      if (next?.bytes !== batch.bytes || next.from !== to) break;
      to = next.to;
    }
    payload.set(batch.bytes.subarray(batch.from, to), at);
    at += to - batch.from;
  }
  return { waiters, payload };
}
