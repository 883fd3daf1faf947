/**
 * Whether a history can be that of one copy of the data, key by key.
 *
 * Values that are written are unique, which makes that cheap to decide, and exactly, for each of the three kinds of keys:
 *  - registers (`set`, `get`): each value's operations span a zone; two values that each must have been there alone for some time may not
 *    overlap in it (Gibbons and Korach, "Testing Shared Memories", 1997);
 *  - lists (`append`, `get`): the longest read is the order of the appends; whoever comes later in time must see and be no less;
 *  - counters (`incr`, `get`): what is answered is the order.
 *
 * Keeps true: what it names is wrong in any system that is linearizable; unknown operations may have happened at any time after they were
 * asked, or never.
 *
 * @module
 */
import type { Operation } from "./history.ts";

/** Everything that is wrong with a history, a line each; nothing for a good one. */
export function checkHistory(operations: readonly Operation[]): readonly string[] {
  const byKey = new Map<string, Operation[]>();
  for (const operation of operations) {
    const own = byKey.get(operation.key);
    if (own === undefined) byKey.set(operation.key, [operation]);
    else own.push(operation);
  }
  return [...byKey].flatMap(([key, own]) => checkKey(own).map((what) => `${key}: ${what}`));
}

function checkKey(operations: readonly Operation[]): readonly string[] {
  const names = new Set(operations.filter(({ op }) => op !== "get").map(({ op }) => op));
  if (names.size > 1 || names.has("del")) {
    return [`cannot check a key with ${[...names].join(" and ")}`];
  }
  if (names.has("append")) return checkList(operations);
  if (names.has("incr")) return checkCounter(operations);
  return checkRegister(operations);
}

/** When it was over; what is unknown may go on for ever. */
function returned({ return: at }: Operation): number {
  return at ?? Infinity;
}

function show({ client, op, arg, invoke, return: at, outcome, result }: Operation): string {
  const short = (text: string | null) =>
    text === null ? "nothing" : JSON.stringify(text.length > 60 ? `...${text.slice(-60)}` : text);
  const asked = arg === null ? op : `${op} ${short(arg)}`;
  return `client ${client} ${asked} [${invoke}, ${at ?? "?"}] ${outcome === "ok" ? short(result) : outcome}`;
}

/* ---- registers ---- */

/** All that was done with one value. */
interface Zone {
  /** Nothing wrote what a key holds at first. */
  readonly write: Operation | null;
  readonly reads: Operation[];
  /** It was there at the latest then, and still there then. */
  from: number;
  to: number;
}

function checkRegister(operations: readonly Operation[]): readonly string[] {
  const problems: string[] = [];
  const zones = new Map<string | null, Zone>([[null, {
    write: null,
    reads: [],
    from: -Infinity,
    to: -Infinity,
  }]]);
  for (const write of operations) {
    if (write.op !== "set" || write.arg === null) continue;
    if (zones.has(write.arg)) problems.push(`the value ${write.arg} is written twice: the test is wrong`);
    zones.set(write.arg, { write, reads: [], from: returned(write), to: write.invoke });
  }
  for (const read of operations) {
    if (read.op !== "get" || read.outcome !== "ok") continue;
    const zone = zones.get(read.result);
    if (zone === undefined) {
      problems.push(`never written: ${show(read)}`);
      continue;
    }
    if (zone.write?.outcome === "fail") {
      problems.push(`what was refused for certain is there: ${show(zone.write)}; ${show(read)}`);
    }
    if (zone.write !== null && returned(read) < zone.write.invoke) {
      problems.push(`read before it was written: ${show(read)}; ${show(zone.write)}`);
    }
    zone.reads.push(read);
    zone.from = Math.min(zone.from, returned(read));
    zone.to = Math.max(zone.to, read.invoke);
  }
  // What was refused, and what nobody knows of and nobody saw, tells nothing.
  const told = [...zones.values()].filter(({ write, reads }) =>
    write === null || write.outcome === "ok" || reads.length > 0
  );
  const alone = told.filter(({ from, to }) => from < to).sort((a, b) => a.from - b.from);
  for (const [i, zone] of alone.entries()) {
    const next = alone[i + 1];
    if (next !== undefined && next.from < zone.to) problems.push(`${went(zone, next)}`);
  }
  for (const zone of told) {
    if (zone.from < zone.to) continue;
    const around = lastBefore(alone, zone.to);
    if (around !== null && around.from < zone.to && zone.from < around.to) problems.push(went(around, zone));
  }
  return problems;
}

/** The last zone that begins before that time. */
function lastBefore(sorted: readonly Zone[], at: number): Zone | null {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.from ?? Infinity) < at) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1] ?? null;
}

/** Says how a value came back, or was passed over. */
function went(a: Zone, b: Zone): string {
  const told = (zone: Zone) => {
    const operations = [...zone.write === null ? [] : [zone.write], ...zone.reads];
    const first = operations.reduce<Operation | null>(
      (best, one) => best === null || returned(one) < returned(best) ? one : best,
      null,
    );
    const last = operations.reduce<Operation | null>(
      (best, one) => best === null || one.invoke > best.invoke ? one : best,
      null,
    );
    const parts = [...new Set([first, last])].map((one) => one === null ? "" : show(one));
    return zone.write === null ? `nothing yet, ${parts.join(" and ")}` : parts.join(" and ");
  };
  return `a value came back behind another one, or an acknowledged write was lost: ${told(a)}; ${told(b)}`;
}

/* ---- lists and counters: operations with a place in one order ---- */

interface Placed {
  readonly operation: Operation;
  readonly place: number;
}

/** Whoever was asked after another one had its answer may not stand before it; a write not at the same place either. */
function checkOrder(placed: readonly Placed[]): readonly string[] {
  const problems: string[] = [];
  const byReturn = placed.filter(({ operation }) => operation.return !== null)
    .sort((a, b) => returned(a.operation) - returned(b.operation));
  const byInvoke = [...placed].sort((a, b) => a.operation.invoke - b.operation.invoke);
  let next = 0;
  let farthest: Placed | null = null;
  for (const one of byInvoke) {
    for (; next < byReturn.length; next++) {
      const other = byReturn[next];
      if (other === undefined || returned(other.operation) >= one.operation.invoke) break;
      if (farthest === null || other.place > farthest.place) farthest = other;
    }
    if (farthest === null) continue;
    const isBehind = one.operation.op === "get" ? one.place < farthest.place : one.place <= farthest.place;
    if (isBehind) {
      problems.push(`went back: ${show(farthest.operation)}; then ${show(one.operation)}`);
    }
  }
  return problems;
}

function checkList(operations: readonly Operation[]): readonly string[] {
  const problems: string[] = [];
  const reads = operations.filter(({ op, outcome }) => op === "get" && outcome === "ok");
  const longest = reads.map(({ result }) => result ?? "").reduce((a, b) => b.length > a.length ? b : a, "");
  const appends = operations.filter(({ op }) => op === "append");
  const placed: Placed[] = [];
  const covered = new Map<number, number>();
  const told = new Map<number, Operation>();
  for (const append of appends) {
    const token = append.arg ?? "";
    const at = longest.indexOf(token);
    const end = at + token.length;
    if (at >= 0 && longest.indexOf(token, at + 1) >= 0) problems.push(`it happened twice: ${show(append)}`);
    if (at >= 0 && append.outcome === "fail") {
      problems.push(`what was refused for certain is there: ${show(append)}`);
    }
    if (append.outcome === "ok") {
      // One that no read goes far enough to see stands where it was told; the order below says whether a read should have.
      const place = at >= 0 ? end : Number(append.result);
      if (at < 0 && place <= longest.length) {
        problems.push(`an acknowledged append is lost: ${show(append)}`);
      } else if (append.result !== String(place)) {
        problems.push(`it was answered with another length than ${place}: ${show(append)}`);
      }
      const twin = told.get(place);
      if (twin !== undefined) problems.push(`one place was given twice: ${show(twin)}; ${show(append)}`);
      told.set(place, append);
      placed.push({ operation: append, place });
    } else if (at >= 0) placed.push({ operation: append, place: end });
    if (at >= 0) covered.set(at, end);
  }
  let at = 0;
  while (at < longest.length) {
    const end = covered.get(at);
    if (end === undefined) {
      problems.push(`never written: ${JSON.stringify(longest.slice(at, at + 40))} at ${at} of the list`);
      break;
    }
    at = end;
  }
  for (const read of reads) {
    const text = read.result ?? "";
    if (!longest.startsWith(text)) {
      problems.push(`no beginning of what was read at the longest: ${show(read)}`);
    }
    placed.push({ operation: read, place: text.length });
  }
  return [...problems, ...checkOrder(placed)];
}

function checkCounter(operations: readonly Operation[]): readonly string[] {
  const problems: string[] = [];
  const incrs = operations.filter(({ op }) => op === "incr");
  const placed: Placed[] = [];
  const seen = new Map<string, Operation>();
  for (const operation of operations) {
    if (operation.outcome !== "ok") continue;
    const result = operation.result ?? "0";
    const place = Number(result);
    placed.push({ operation, place });
    if (operation.op !== "incr") continue;
    const twin = seen.get(result);
    if (twin !== undefined) problems.push(`one number was given twice: ${show(twin)}; ${show(operation)}`);
    seen.set(result, operation);
  }
  const sorted = incrs.filter(({ outcome }) => outcome !== "fail").map(({ invoke }) => invoke).sort((a, b) =>
    a - b
  );
  const acknowledged = incrs.filter(({ outcome }) => outcome === "ok").map(returned).sort((a, b) => a - b);
  for (const { operation, place } of placed) {
    const most = countBefore(sorted, returned(operation) + 0.5);
    const least = countBefore(acknowledged, operation.invoke);
    if (place > most) problems.push(`above the ${most} increments that were asked for: ${show(operation)}`);
    if (place < least) problems.push(`below the ${least} that were acknowledged: ${show(operation)}`);
  }
  return [...problems, ...checkOrder(placed)];
}

/** How many of the sorted times are before that one. */
function countBefore(sorted: readonly number[], at: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? Infinity) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
