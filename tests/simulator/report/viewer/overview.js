// @ts-check
/// <reference lib="dom" />
/**
 * The whole run on one strip: who led when, when faults struck, what became of the clients' operations, and which window is looked at.
 *
 * @module
 */
import { LEFT } from "./layout.js";
import { sleepsOf } from "./model.js";

/** @typedef {import("../recording.ts").Recording} Recording */
/** @typedef {import("./painter.js").Palette} Palette */
/** @typedef {import("./view.js").View} View */

const FAULTS = 8;
const ROW_GAP = 2;
const ANSWERS = 26;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Recording} recording
 * @param {View} view
 * @param {Palette} palette
 * @param {number} width
 * @param {number} height
 */
export function paintOverview(context, recording, view, palette, width, height) {
  const { servers, strikes, operations, endedAt, healedAt, verdict } = recording;
  const [left, right] = [LEFT, width - 8];
  const x = (/** @type {number} */ time) => left + time / Math.max(endedAt, 1) / 1.02 * (right - left);
  const colour = (/** @type {string} */ name) => palette[name] ?? "";
  context.fillStyle = colour("page");
  context.fillRect(0, 0, width, height);
  for (const { at, forMs } of strikes) {
    context.fillStyle = colour("faultsoft");
    context.fillRect(x(at), 2, Math.max(1.5, x(at + forMs) - x(at)), FAULTS - 1);
    context.fillStyle = colour("fault");
    context.fillRect(x(at), 2, 1.5, FAULTS - 1);
  }
  const row = (height - FAULTS - 6 - ANSWERS) / servers.length;
  servers.forEach((server, i) => {
    const y = FAULTS + 6 + i * row;
    for (const { from, to } of server.lives) {
      const own = server.states.filter(({ at }) => at >= from && (to === null || at < to));
      own.forEach((state, j) => {
        const until = own[j + 1]?.at ?? to ?? endedAt;
        context.fillStyle = colour(state.role);
        context.fillRect(
          x(state.at),
          y,
          Math.max(state.role === "follower" ? 0.5 : 1, x(until) - x(state.at)),
          row - ROW_GAP,
        );
      });
    }
    context.fillStyle = colour("fault");
    for (const { from, to } of sleepsOf(recording, server.id)) {
      context.fillRect(x(from), y + row / 2 - 1.5, x(to) - x(from), 2);
    }
    context.fillStyle = colour("pale");
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    context.fillText(server.id, left - 8, y + row / 2 - 1);
    context.textAlign = "left";
  });
  paintAnswers(context, operations, x, colour, right - left, height, endedAt);
  if (healedAt !== null) vertical(context, x(healedAt), height, colour("good"), 1.5);
  if (verdict !== "held") vertical(context, x(endedAt), height, colour("bad"), 2.5);
  context.fillStyle = colour("cursor");
  const [from, to] = [Math.max(left, x(view.from)), Math.min(right, Math.max(x(view.to), x(view.from) + 3))];
  context.globalAlpha = 0.14;
  context.fillRect(from, 0, to - from, height);
  context.globalAlpha = 1;
  context.strokeStyle = colour("cursor");
  context.lineWidth = 1.5;
  context.strokeRect(from, 0.75, to - from, height - 1.5);
}

/**
 * Answers, piled up by outcome.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Recording["operations"]} operations
 * @param {(time: number) => number} x
 * @param {(name: string) => string} colour
 * @param {number} width
 * @param {number} height
 * @param {number} endedAt
 */
function paintAnswers(context, operations, x, colour, width, height, endedAt) {
  const count = Math.max(1, Math.floor(width / 4));
  /** @type {{ ok: number, refused: number, unknown: number }[]} */
  const piles = Array.from({ length: count }, () => ({ ok: 0, refused: 0, unknown: 0 }));
  for (const { answeredAt, outcome } of operations) {
    const place = Math.min(count - 1, Math.floor((answeredAt ?? endedAt) / Math.max(endedAt, 1) * count));
    const pile = piles[place];
    if (pile !== undefined) pile[outcome === "pending" ? "unknown" : outcome]++;
  }
  const most = Math.max(1, ...piles.map(({ ok, refused, unknown }) => ok + refused + unknown));
  piles.forEach((pile, i) => {
    let y = height - 2;
    for (
      const [name, number]
        of /** @type {const} */ ([["good", pile.ok], ["refused", pile.refused], ["unknown", pile.unknown]])
    ) {
      const tall = number / most * (ANSWERS - 4);
      context.fillStyle = colour(name);
      context.fillRect(x(i / count * endedAt), y - tall, 3, tall);
      y -= tall;
    }
  });
  context.fillStyle = colour("pale");
  context.textAlign = "right";
  context.fillText("answers", LEFT - 8, height - ANSWERS / 2);
  context.textAlign = "left";
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} height
 * @param {string} colour
 * @param {number} width
 */
function vertical(context, x, height, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, height);
  context.stroke();
}

/**
 * The moment at a place of the strip.
 *
 * @param {number} x
 * @param {number} width
 * @param {number} endedAt
 * @returns {number}
 */
export function timeInOverview(x, width, endedAt) {
  return (x - LEFT) / (width - 8 - LEFT) * 1.02 * Math.max(endedAt, 1);
}
