/**
 * The picture of a failing window: clients as lanes, operations as bars from call to return, the partial linearization as numbered points, and the
 * operation that cannot be placed.
 *
 * Keeps true: from left to right is the order of all shown calls and returns, and not a measure of time, so that every bar can be read; each point
 * stands within its bar, and the points stand from left to right in the order of the linearization. Where operations are left out, a gap says
 * how many.
 *
 * @module
 */
import type { Explanation } from "./explain.ts";
import type { KeyOperation } from "./problem.ts";
import { isRead } from "./string_model.ts";
import { type NameOf, shownOperation, shownRow, shownTime, shownValue } from "./words.ts";

/** How many operations are shown besides those of the contradiction: the last of the order, and others under way. */
const NEIGHBOURS_MAX = 10;
const UNDER_WAY_MAX = 6;
/** How much of a value a bar shows. */
const TEXT_MAX = 17;
/** Of the column of clients, which stays where it is while the picture is moved. */
const LABEL_WIDTH = 84;
const CHARACTER_WIDTH = 6.7;
const STEP = 16;
const GAP = 46;
const ROW = 48;
const BAR = 24;
const TOP = 34;

/** A call or a return; `x` is set by the layout. */
interface Moment {
  readonly bar: Bar;
  readonly isCall: boolean;
  readonly time: number;
  x: number;
}

interface Bar {
  readonly one: KeyOperation;
  /** Its number in the order, from 1; `null` where it is not placed. */
  readonly number: number | null;
  readonly kind: "impossible" | "contradiction" | "placed" | "open";
  readonly label: string;
  from: number;
  to: number;
  /** Where its point stands. */
  point: number;
  row: number;
}

/**
 * What is shown: the contradiction, the last operations of the order, and writes that were under way with the impossible one and could
 * yet have taken effect.
 */
function barsOf(explanation: Explanation, history: readonly KeyOperation[]): readonly Bar[] {
  const { contradiction, impossible, order } = explanation;
  const { invoke: from, return: to } = impossible.operation;
  const end = to ?? Infinity;
  const underWay = history.filter(({ operation: { op, outcome, invoke, return: back } }) =>
    !isRead(op) && outcome !== "fail" && invoke <= end && (outcome === "unknown" || (back ?? end) >= from)
  ).toSorted((a, b) => a.operation.invoke - b.operation.invoke).slice(-UNDER_WAY_MAX);
  const numbers = new Map(order.map(({ operation }, i) => [operation.place, i + 1]));
  const isShown = new Map<number, KeyOperation>(contradiction.map((one) => [one.place, one]));
  const around = order.slice(-NEIGHBOURS_MAX).map(({ operation }) => operation);
  for (const one of [...around, ...underWay]) if (!isShown.has(one.place)) isShown.set(one.place, one);
  return [...isShown.values()].map((one) => {
    const { outcome, return: back } = one.operation;
    const number = numbers.get(one.place) ?? null;
    const isOpen = outcome !== "ok" || (back ?? 0) > end || number === null;
    const kind = one.place === impossible.place
      ? "impossible"
      : contradiction.includes(one)
      ? "contradiction"
      : isOpen
      ? "open"
      : "placed";
    return {
      one,
      number,
      kind,
      label: shownOperation(one.operation, TEXT_MAX),
      from: 0,
      to: 0,
      point: 0,
      row: 0,
    };
  });
}

/** All calls and returns, in order, with their places from left to right; gives how wide it is. */
function layOut(bars: readonly Bar[], omitted: readonly number[]): readonly [readonly Moment[], number] {
  const moments: Moment[] = bars.flatMap((bar) => {
    const { invoke, return: back } = bar.one.operation;
    const call = { bar, isCall: true, time: invoke, x: 0 };
    return bar.kind === "open" ? [call] : [call, { bar, isCall: false, time: back ?? invoke, x: 0 }];
  });
  moments.sort((a, b) =>
    a.time - b.time || Number(b.isCall) - Number(a.isCall) || a.bar.one.place - b.bar.one.place
  );
  let x = 0;
  let last = -Infinity;
  for (const moment of moments) {
    const isGap = omitted.some((time) => time > last && time < moment.time);
    x += isGap ? GAP : STEP;
    last = moment.time;
    if (moment.isCall) moment.bar.from = x;
    else {
      x = Math.max(x, moment.bar.from + widthOf(moment.bar));
      moment.bar.to = x;
    }
    moment.x = x;
  }
  let end = x + STEP;
  for (const bar of bars) if (bar.kind === "open") end = Math.max(end, bar.from + widthOf(bar) + STEP);
  for (const bar of bars) if (bar.kind === "open") bar.to = end;
  return [moments, end + STEP];
}

function widthOf({ label, kind }: Bar): number {
  return label.length * CHARACTER_WIDTH + (kind === "impossible" ? 30 : 16);
}

/** Each point behind the calls of all before it, and in front of the next moment. */
function placePoints(bars: readonly Bar[], moments: readonly Moment[]): void {
  const ordered = bars.filter(({ number }) => number !== null)
    .toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0));
  const groups = new Map<number, Bar[]>();
  let latest = -1;
  for (const bar of ordered) {
    latest = Math.max(latest, moments.findIndex((moment) => moment.bar === bar && moment.isCall));
    groups.set(latest, [...groups.get(latest) ?? [], bar]);
  }
  for (const [at, group] of groups) {
    const from = moments[at]?.x ?? 0;
    const room = (moments[at + 1]?.x ?? from + 2 * STEP) - from;
    for (const [i, bar] of group.entries()) bar.point = from + room * (i + 1) / (group.length + 1);
  }
}

/** Gives each bar the first free row of its client; gives the clients with their rows. */
function stack(bars: readonly Bar[]): readonly Lane[] {
  const clients = [...new Set(bars.map(({ one }) => one.operation.client))].toSorted((a, b) => a - b);
  let next = 0;
  return clients.map((client) => {
    const first = next;
    const ends: number[] = [];
    for (const bar of bars.toSorted((a, b) => a.from - b.from)) {
      if (bar.one.operation.client !== client) continue;
      const free = ends.findIndex((end) => end < bar.from);
      const row = free < 0 ? ends.length : free;
      ends[row] = bar.to;
      bar.row = first + row;
    }
    next += ends.length;
    return [client, first, ends.length];
  });
}

export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(
    '"',
    "&quot;",
  );
}

/** The picture as two SVGs side by side, the column of clients and the rest; to be styled by the page that holds them. */
export function pictureOf(
  explanation: Explanation,
  history: readonly KeyOperation[],
  nameOf: NameOf,
): string {
  const { impossible, order } = explanation;
  const bars = barsOf(explanation, history);
  const isShown = new Set(bars.map(({ one }) => one.place));
  const end = impossible.operation.return ?? Infinity;
  const omitted = history.filter(({ operation, place }) =>
    !isShown.has(place) && operation.outcome !== "fail" && operation.invoke <= end
  ).map(({ operation }) => operation.invoke);
  const [moments, width] = layOut(bars, omitted);
  placePoints(bars, moments);
  const lanes = stack(bars);
  const rows = Math.max(0, ...lanes.map(([, row, count]) => row + count));
  const height = TOP + rows * ROW + 30;
  const parts = [
    ...lanes.map(laneOf),
    ...gapsOf(moments, omitted, height),
    ...timesOf(moments, height),
    lineOf(bars),
    ...bars.map((bar) => drawn(bar, width, nameOf, order[(bar.number ?? 0) - 1]?.leaves)),
  ];
  const title = "Operations of each client over time, and the order in which they can have taken effect";
  return `<svg class="clients" width="${LABEL_WIDTH}" height="${height}">${
    lanes.map((lane, i) => `${laneOf(lane, i)}${clientOf(lane)}`).join("")
  }</svg><svg width="${fixed(width)}" height="${height}" role="img" aria-label="${title}">
<defs><linearGradient id="open"><stop offset="0" class="open-from"/><stop offset="1" class="open-to"/></linearGradient></defs>
${parts.join("\n")}
</svg>`;
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function topOf(row: number): number {
  return TOP + row * ROW + 6;
}

/** A client, its first row, and how many it has. */
type Lane = readonly [client: number, row: number, rows: number];

function laneOf([, row, rows]: Lane, i: number): string {
  return `<rect class="lane${i % 2}" x="0" y="${TOP + row * ROW}" width="100%" height="${rows * ROW}"/>`;
}

function clientOf([client, row]: Lane): string {
  return `<text class="client" x="8" y="${topOf(row) + BAR / 2 + 4}">client ${client}</text>`;
}

/** Where operations are left out, between two moments. */
function gapsOf(moments: readonly Moment[], omitted: readonly number[], height: number): readonly string[] {
  return moments.flatMap((moment, i) => {
    const before = moments[i - 1];
    const from = before?.time ?? -Infinity;
    const count = omitted.filter((time) => time > from && time < moment.time).length;
    if (count === 0) return [];
    const x = ((before?.x ?? 0) + moment.x) / 2;
    return [
      `<line class="gap" x1="${fixed(x)}" x2="${fixed(x)}" y1="${TOP}" y2="${height - 26}"/>` +
      `<text class="gap" x="${fixed(x)}" y="${TOP - 6}">+${count}</text>`,
    ];
  });
}

/** Times at the bottom, as many as there is room for. */
function timesOf(moments: readonly Moment[], height: number): readonly string[] {
  let free = -Infinity;
  let last = NaN;
  return moments.flatMap(({ time, x }) => {
    const text = shownTime(time);
    const half = text.length * 3.4;
    if (time === last || x - half < free) return [];
    free = x + half + 8;
    last = time;
    return [
      `<line class="tick" x1="${fixed(x)}" x2="${fixed(x)}" y1="${height - 26}" y2="${height - 20}"/>` +
      `<text class="time" x="${fixed(x)}" y="${height - 8}">${text}</text>`,
    ];
  });
}

/** From point to point in the order of the linearization. */
function lineOf(bars: readonly Bar[]): string {
  const points = bars.filter(({ number }) => number !== null)
    .toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0))
    .map(({ point, row }) => `${fixed(point)},${fixed(topOf(row) + BAR)}`);
  return `<polyline class="order" points="${points.join(" ")}"/>`;
}

function drawn(bar: Bar, width: number, nameOf: NameOf, leaves: string | null | undefined): string {
  const { from, to, kind, label, number, one, point, row } = bar;
  const y = topOf(row);
  const isOpen = kind === "open";
  const right = isOpen ? width - 4 : to;
  const title = `${shownRow(one, nameOf)}${leaves === undefined ? "" : `; leaves ${shownValue(leaves)}`}`;
  const pieces = [
    `<title>${escapeHtml(title)}</title>`,
    `<rect x="${fixed(from)}" y="${fixed(y)}" width="${fixed(right - from)}" height="${BAR}" rx="5"/>`,
  ];
  const left = from + (kind === "impossible" ? 22 : 8);
  if (kind === "impossible") {
    pieces.push(`<text class="cross" x="${fixed(from + 6)}" y="${fixed(y + BAR / 2 + 5)}">\u2717</text>`);
  }
  pieces.push(`<text x="${fixed(left)}" y="${fixed(y + BAR / 2 + 4)}">${escapeHtml(label)}</text>`);
  if (number !== null) {
    pieces.push(
      `<circle cx="${fixed(point)}" cy="${y + BAR}" r="4.5"/>`,
      `<text class="number" x="${fixed(point)}" y="${y + BAR + 15}">${number}</text>`,
    );
  }
  return `<g class="${kind}">${pieces.join("")}</g>`;
}
