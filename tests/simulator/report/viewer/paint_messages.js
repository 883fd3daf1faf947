// @ts-check
/**
 * Messages: an arrow from lane to lane, from when it was sent until it arrived; one that never did ends in a cross.
 *
 * @module
 */
import { hasWords } from "./events.js";
import { BAND } from "./layout.js";
import { shownMs } from "./model.js";
import { cross, line } from "./paint_servers.js";

/** @typedef {import("../recording.ts").RecordedMessage} RecordedMessage */
/** @typedef {import("../recording.ts").Recording} Recording */
/** @typedef {import("./painter.js").Painter} Painter */

/** More are a grey field in which nobody finds anything. */
const DRAWN_MAX = 1500;
const LABELLED_MAX = 160;
/** How far an arrow goes that never arrives, in parts of its way, and how long that takes. */
const LOST_PART = 0.55;
const LOST_MS = 3;
const NARROW = 9;

/** What stays when there are too many. */
const IMPORTANT = new Set(["election", "snapshot"]);

/**
 * The messages to be drawn, and how many there would be.
 *
 * @param {Painter} painter
 * @param {Recording} recording
 * @param {{ classes: ReadonlySet<string>, words: readonly string[] }} filter
 * @returns {{ drawn: RecordedMessage[], left: number }}
 */
export function messagesIn({ view }, { messages }, { classes, words }) {
  const within = messages.filter(({ at, receivedAt, class: kind, from, to, text }) =>
    at <= view.to && (receivedAt ?? at + LOST_MS) >= view.from && classes.has(kind) &&
    hasWords({ who: `${from} ${to}`, text }, words)
  );
  if (within.length <= DRAWN_MAX) return { drawn: within, left: 0 };
  const important = within.filter(({ class: kind }) => IMPORTANT.has(kind)).slice(0, 2 * DRAWN_MAX);
  return { drawn: important, left: within.length - important.length };
}

/**
 * What an arrow says where there is room for little.
 *
 * @param {string} text
 * @returns {string}
 */
export function shortLabel(text) {
  const short = text.split(/, (?:prev|round|log|commit|T)/u)[0] ?? text;
  return short.length > 34 ? `${short.slice(0, 33)}\u2026` : short;
}

/**
 * @param {Painter} painter
 * @param {readonly RecordedMessage[]} messages
 */
export function paintMessages(painter, messages) {
  const { context, palette, layout } = painter;
  const middles = new Map(layout.servers.map(({ server, middle }) => [server.id, middle]));
  context.save();
  context.beginPath();
  context.rect(layout.left, 0, layout.right - layout.left, layout.height);
  context.clip();
  const isMany = messages.length > LABELLED_MAX;
  /** @type {[string, number, number, string][]} */
  const labels = [];
  for (const { at, receivedAt, from, to, class: kind, text, isCopy } of messages) {
    const [start, end] = [middles.get(from), middles.get(to)];
    if (start === undefined || end === undefined || from === to) continue;
    const down = end > start ? 1 : -1;
    const isLost = receivedAt === null;
    const [x1, y1] = [painter.x(at), start + down * (BAND / 2)];
    const target = end - down * (BAND / 2);
    const x2 = isLost
      ? painter.x(at) + Math.max(12, Math.min(40, LOST_MS * painter.scale))
      : painter.x(receivedAt);
    const y2 = isLost ? y1 + (target - y1) * LOST_PART : target;
    const colour = palette[kind] ?? "";
    context.strokeStyle = isLost ? palette["bad"] ?? "" : colour;
    context.globalAlpha = kind === "heartbeat" || kind === "response" || isMany ? 0.6 : 1;
    context.lineWidth = kind === "election" || kind === "append" || kind === "snapshot" ? 1.5 : 1;
    context.setLineDash(isCopy ? [3, 3] : []);
    line(painter, x1, y1, x2, y2);
    context.setLineDash([]);
    context.globalAlpha = 1;
    if (isLost) cross(painter, x2, y2, isMany ? 2 : 3.5, palette["bad"] ?? "");
    else if (!isMany || kind === "election") arrowHead(painter, x1, y1, x2, y2, colour);
    painter.hits.push({
      ...{ x1, y1, x2, y2, isLine: true, at },
      lines: [
        `${from} \u2192 ${to}: ${text}`,
        `sent ${shownMs(at)} ms, ${
          isLost ? "never arrived" : `arrived ${shownMs(receivedAt)} ms (+${shownMs(receivedAt - at)})`
        }${isCopy ? ", a copy" : ""}`,
      ],
    });
    if (!isMany) {
      labels.push([
        shortLabel(text),
        x1 + (x2 - x1) * 0.35,
        y1 + (y2 - y1) * 0.35,
        isLost ? palette["bad"] ?? "" : colour,
      ]);
    }
  }
  context.font = "10px system-ui, sans-serif";
  for (const [text, x, y, colour] of labels) {
    // Somewhere along the arrow there may be room.
    if (!painter.label(text, x + 5, y, colour)) painter.label(text, x + NARROW, y + 13, colour);
  }
  context.restore();
}

/**
 * @param {Painter} painter
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 * @param {string} colour
 */
function arrowHead({ context }, x1, y1, x2, y2, colour) {
  const angle = Math.atan2(y2 - y1, x2 - x1);
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(x2, y2);
  for (const side of [0.4, -0.4]) {
    context.lineTo(x2 - 7 * Math.cos(angle + side), y2 - 7 * Math.sin(angle + side));
  }
  context.fill();
}
