// @ts-check
/**
 * What stands around the lanes of the servers: the axis, the faults, the clients, the cursor and the verdict.
 *
 * @module
 */
import { AXIS, BAND, FAULT_ROW } from "./layout.js";
import { shownMs } from "./model.js";
import { line } from "./paint_servers.js";
import { tickStep } from "./view.js";

/** @typedef {import("../recording.ts").Recording} Recording */
/** @typedef {import("./painter.js").Painter} Painter */

const TICK_ROOM = 90;
/** More operations than these have no words beside them. */
const LABELLED_MAX = 120;
const PROBE_CLIENT = 1000;

/**
 * The ground: lanes and the axis.
 *
 * @param {Painter} painter
 */
export function paintGround(painter) {
  const { context, palette, layout, view } = painter;
  context.fillStyle = palette["page"] ?? "";
  context.fillRect(0, 0, layout.right + 8, layout.height);
  layout.servers.forEach(({ top, height }, i) => {
    if (i % 2 === 1) return;
    context.fillStyle = palette["lane"] ?? "";
    context.fillRect(layout.left, top, layout.right - layout.left, height);
  });
  const step = tickStep(view.to - view.from, (layout.right - layout.left) / TICK_ROOM);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  context.font = "11px system-ui, sans-serif";
  context.lineWidth = 1;
  for (let i = Math.ceil(view.from / step); i * step <= view.to; i++) {
    if (i < 0) continue;
    const x = painter.x(i * step);
    context.strokeStyle = palette["line"] ?? "";
    line(painter, x, AXIS - 6, x, layout.height);
    context.fillStyle = palette["pale"] ?? "";
    context.textAlign = "center";
    if (x > layout.left + 20 && x < layout.right - 30) {
      context.fillText(`${shownMs(i * step, digits)} ms`, x, 10);
    }
    context.textAlign = "left";
  }
}

/**
 * @param {Painter} painter
 * @param {Recording} recording
 */
export function paintFaults(painter, { endedAt }) {
  const { context, palette, layout } = painter;
  context.font = "11px system-ui, sans-serif";
  /** @type {{ x: number, end: number, row: number, name: string, whom: string }[]} */
  const names = [];
  for (const { strike: { at, name, whom, forMs, what, rows }, row } of layout.faults) {
    const span = painter.span(at, Math.min(at + forMs, endedAt), 3);
    if (span === null) continue;
    const y = layout.faultsTop + row * FAULT_ROW;
    context.fillStyle = palette["faultsoft"] ?? "";
    context.fillRect(span.x, y, span.width, FAULT_ROW - 3);
    context.fillStyle = palette["fault"] ?? "";
    if (painter.x(at) >= layout.left) context.fillRect(span.x, y, 2.5, FAULT_ROW - 3);
    names.push({ x: span.x, end: span.x + span.width, row, name, whom });
    painter.area(span.x, y, Math.max(span.width, 6), FAULT_ROW - 3, at, [
      `${name}: ${what} (${rows})`,
      `${whom}, at ${shownMs(at)} ms${forMs > 0 ? ` for ${shownMs(forMs, 0)} ms` : ""}`,
    ]);
  }
  context.fillStyle = palette["ink"] ?? "";
  names.forEach(({ x, row, name, whom }, i) => {
    const next = names.slice(i + 1).find((other) => other.row === row);
    const room = (next?.x ?? layout.right) - x - 8;
    painter.textIn(`${name} ${whom}`, x + 5, layout.faultsTop + row * FAULT_ROW + 7.5, room);
  });
}

/**
 * @param {Painter} painter
 * @param {Recording} recording
 */
export function paintClients(painter, { endedAt }) {
  const { context, palette, layout } = painter;
  /** @type {[string, number, number][]} */
  const labels = [];
  context.font = "10px ui-monospace, 'DejaVu Sans Mono', monospace";
  for (const { top, bar, operations } of layout.clients) {
    for (const { operation: { at, answeredAt, outcome, server, text, reply, client }, row } of operations) {
      const span = painter.span(at, answeredAt ?? endedAt, 1.2);
      if (span === null || at > painter.view.to) continue;
      const y = top + 2 + row * (bar + 1);
      context.fillStyle = palette[outcome === "ok" ? "good" : outcome] ?? "";
      context.fillRect(span.x, y, span.width, bar);
      const words = `${server} ${text} \u2192 ${reply || "\u2026"}`;
      if (bar > 9 && span.width > 120) {
        context.fillStyle = palette[outcome === "pending" ? "ink" : "onband"] ?? "";
        painter.textIn(words, span.x + 3, y + bar / 2 + 0.5, span.width - 5);
      } else labels.push([words, span.x + span.width + 3, y + bar / 2 + 0.5]);
      painter.taken.push({ x1: span.x, y1: y, x2: span.x + span.width, y2: y + bar });
      const took = answeredAt === null
        ? "no answer by the end"
        : `${outcome} after ${shownMs(answeredAt - at)} ms: ${reply}`;
      painter.area(span.x, y, span.width, bar, at, [
        `client ${client} asks ${server}: ${text}`,
        `at ${shownMs(at)} ms, ${took}`,
      ]);
    }
  }
  if (labels.length > LABELLED_MAX) return;
  for (const [text, x, y] of labels) painter.label(text, x, y, palette["pale"] ?? "");
}

/**
 * The names of the lanes, in front of everything that reaches into their column.
 *
 * @param {Painter} painter
 */
export function paintNames({ context, palette, layout }) {
  context.fillStyle = palette["page"] ?? "";
  context.fillRect(0, 0, layout.left - 1, layout.height);
  context.textAlign = "right";
  const x = layout.left - 8;
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = palette["pale"] ?? "";
  if (layout.faultRows > 0) context.fillText("faults", x, layout.faultsTop + 8);
  for (const { client, top, height } of layout.clients) {
    const name = client < PROBE_CLIENT ? `client ${client}` : `probe ${client - PROBE_CLIENT}`;
    context.fillText(name, x, top + height / 2);
  }
  context.font = "600 14px system-ui, sans-serif";
  context.fillStyle = palette["ink"] ?? "";
  for (const { server, middle } of layout.servers) context.fillText(server.id, x, middle + 1);
  context.textAlign = "left";
}

/**
 * @param {Painter} painter
 * @param {number} time
 * @param {string} colour
 * @param {string} text
 * @param {number} width
 */
function mark(painter, time, colour, text, width) {
  const { context, layout, palette } = painter;
  const x = painter.x(time);
  if (x < layout.left || x > layout.right) return;
  context.strokeStyle = colour;
  context.lineWidth = width;
  line(painter, x, AXIS - 6, x, layout.height);
  if (text === "") return;
  context.font = "600 11px system-ui, sans-serif";
  const length = context.measureText(text).width + 10;
  const from = Math.min(Math.max(x - length / 2, layout.left), layout.right - length);
  context.fillStyle = colour;
  context.fillRect(from, 1, length, 18);
  context.fillStyle = palette["onband"] ?? "";
  context.fillText(text, from + 5, 10.5);
}

/**
 * The cursor, the end of the faults, and what was false: when, and on which servers as far as the reason names them.
 *
 * @param {Painter} painter
 * @param {Recording} recording
 */
export function paintMarks(painter, { healedAt, verdict, endedAt, reason }) {
  const { context, palette, view, layout } = painter;
  const colour = (/** @type {string} */ name) => palette[name] ?? "";
  const end = painter.span(endedAt, view.to);
  if (end !== null) {
    context.globalAlpha = 0.75;
    context.fillStyle = colour("line");
    context.fillRect(end.x, AXIS - 6, end.width, layout.height);
    context.globalAlpha = 1;
  }
  if (healedAt !== null) mark(painter, healedAt, colour("good"), "faults over", 1.5);
  const isAtEnd = Math.abs(view.cursor - endedAt) * painter.scale < 1;
  if (verdict === "held" || !isAtEnd) {
    mark(painter, view.cursor, colour("cursor"), `${shownMs(view.cursor)} ms`, 1);
  }
  if (verdict === "held") return;
  mark(painter, endedAt, colour("bad"), `violated at ${shownMs(endedAt)} ms`, 2.5);
  const x = painter.x(endedAt);
  if (x < layout.left || x > layout.right) return;
  const named = new Set(reason.join(" ").match(/\bn\d+\b/g));
  for (const { server, middle } of layout.servers) {
    if (!named.has(server.id)) continue;
    context.beginPath();
    context.arc(x, middle, BAND * 0.85, 0, 2 * Math.PI);
    context.stroke();
  }
}
