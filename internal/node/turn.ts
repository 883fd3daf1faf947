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
import type { Waiter } from "./waiter.ts";

export interface Group {
  readonly reads: Waiter[];
  readonly writes: Waiter[];
}

/** Splits a turn's commands, in the order in which they arrived. */
export function groupsOf(waiters: readonly Waiter[]): readonly Group[] {
  const groups: Group[] = [{ reads: [], writes: [] }];
  for (const waiter of waiters) {
    waiter.group = groups.length;
    if (
      waiter.access === "read" && waiter.after?.stage === "gathered" && waiter.after.group === groups.length
    ) {
      groups.push({ reads: [], writes: [] });
      waiter.group = groups.length;
    }
    const last = must(groups.at(-1), "There is a last group");
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
  for (const [i, write] of writes.entries()) {
    if (i > from && (commands + write.count > commandsMax || bytes + write.byteLength > bytesMax)) {
      entries.push(entryOf(writes.slice(from, i), bytes));
      from = i;
      commands = 0;
      bytes = 0;
    }
    commands += write.count;
    bytes += write.byteLength;
  }
  entries.push(entryOf(writes.slice(from), bytes));
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
