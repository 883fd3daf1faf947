// @ts-check
/**
 * The lanes of the servers: roles and terms, lives and sleeps, commits, writes to the disk.
 *
 * @module
 */
import { BAND } from "./layout.js";
import { lastUpTo, shownMs, sleepsOf } from "./model.js";
import { termColour } from "./painter.js";

/** @typedef {import("../recording.ts").Recording} Recording */
/** @typedef {import("./layout.js").ServerLane} ServerLane */
/** @typedef {import("./painter.js").Painter} Painter */

const TERM_STRIP = 5;
/** Commits are numbered where there is that much room for each, in pixels. */
const COMMIT_ROOM = 16;

/**
 * @param {Painter} painter
 * @param {Recording} recording
 * @param {ServerLane} lane
 */
function paintRoles(painter, { endedAt }, { server, middle, top, height }) {
  const { context, palette, view } = painter;
  const y = middle - BAND / 2;
  for (const { from, to } of server.lives) {
    const end = to ?? endedAt;
    let first = Math.max(0, lastUpTo(server.states, Math.max(from, view.from)));
    while (server.states[first] !== undefined && (server.states[first]?.at ?? 0) < from) first++;
    for (let i = first; i < server.states.length;) {
      const state = server.states[i];
      if (state === undefined || state.at > end || state.at >= view.to) break;
      let next = i + 1;
      for (; next < server.states.length; next++) {
        const other = server.states[next];
        if (
          other === undefined || other.role !== state.role || other.term !== state.term || other.at >= end
        ) break;
      }
      const until = Math.min(server.states[next]?.at ?? Infinity, end);
      const span = painter.span(state.at, Math.min(until, view.to), 0.5);
      i = next;
      if (span === null) continue;
      context.fillStyle = palette[state.role] ?? "";
      context.fillRect(span.x, y, span.width, BAND);
      context.fillStyle = termColour(state.term, painter.isDark);
      context.fillRect(span.x, y + BAND - TERM_STRIP, span.width, TERM_STRIP);
      if (span.width > 24) {
        context.font = "600 11px system-ui, sans-serif";
        context.fillStyle = palette[state.role === "follower" ? "ink" : "onband"] ?? "";
        const leader = state.role === "follower" && state.leaderId !== null ? ` of ${state.leaderId}` : "";
        const name = state.role === "preCandidate" ? "pre-candidate" : state.role;
        const fits = painter.textIn(
          `T${state.term} ${name}${leader}`,
          span.x + 4,
          y + (BAND - TERM_STRIP) / 2 + 1,
          span.width - 6,
        );
        if (!fits) {
          painter.textIn(`T${state.term}`, span.x + 4, y + (BAND - TERM_STRIP) / 2 + 1, span.width - 4);
        }
      }
      painter.area(span.x, y, span.width, BAND, state.at, [
        `${server.id} is ${state.role} in term ${state.term}`,
        `from ${shownMs(state.at)} ms${until === endedAt ? ", to the end" : ` to ${shownMs(until)} ms`}`,
        `vote ${state.votedFor ?? "none"}, leader ${
          state.leaderId ?? "none"
        }, log ${state.lastIndex}/T${state.lastTerm}, commit ${state.commitIndex} when it began`,
      ]);
    }
  }
  // Down is what no life covers.
  let at = 0;
  for (const { from, to, why } of [...server.lives, { from: Infinity, to: null, why: "" }]) {
    const span = painter.span(at, Math.min(from, view.to), 0.5);
    if (span !== null && span.width > 0.5 && from > at) {
      context.strokeStyle = palette["down"] ?? "";
      context.setLineDash([2, 3]);
      context.lineWidth = 1.5;
      line(painter, span.x, middle, span.x + span.width, middle);
      context.setLineDash([]);
      painter.area(span.x, top, span.width, height, at, [
        `${server.id} is down`,
        ...(from === Infinity ? [] : [`starts at ${shownMs(from)} ms`]),
      ]);
    }
    if (to === null) break;
    at = to;
    const x = painter.x(to);
    if (x < painter.layout.left || x > painter.layout.right) continue;
    cross(painter, x, middle, 6, palette["bad"] ?? "");
    painter.area(x - 6, middle - 9, 12, 18, to, [`${server.id} ends: ${why}`, `at ${shownMs(to)} ms`]);
  }
}

/**
 * @param {Painter} painter
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 */
export function line({ context }, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

/**
 * @param {Painter} painter
 * @param {number} x
 * @param {number} y
 * @param {number} size
 * @param {string} colour
 */
export function cross(painter, x, y, size, colour) {
  const { context } = painter;
  context.strokeStyle = colour;
  context.lineWidth = 2;
  line(painter, x - size, y - size, x + size, y + size);
  line(painter, x - size, y + size, x + size, y - size);
}

/**
 * @param {Painter} painter
 * @param {Recording} recording
 * @param {ServerLane} lane
 */
function paintSleeps(painter, recording, { server, middle }) {
  const { context, palette } = painter;
  for (const { from, to } of sleepsOf(recording, server.id)) {
    const span = painter.span(from, to);
    if (span === null) continue;
    const y = middle - BAND / 2 - 3;
    context.save();
    context.beginPath();
    context.rect(span.x, y, span.width, BAND + 6);
    context.clip();
    context.fillStyle = palette["page"] ?? "";
    context.globalAlpha = 0.55;
    context.fillRect(span.x, y, span.width, BAND + 6);
    context.globalAlpha = 1;
    context.strokeStyle = palette["fault"] ?? "";
    context.lineWidth = 1;
    for (let x = span.x - BAND - 6; x < span.x + span.width; x += 7) {
      line(painter, x, y + BAND + 6, x + BAND + 6, y);
    }
    context.restore();
    painter.area(span.x, y, span.width, BAND + 6, from, [
      `${server.id} sleeps`,
      `${shownMs(from)} to ${shownMs(to)} ms`,
    ]);
  }
}

/**
 * Where the commit index went up.
 *
 * @param {Painter} painter
 * @param {ServerLane} lane
 */
function paintCommits(painter, { server, middle }) {
  const { context, palette, view, layout } = painter;
  const y = middle + BAND / 2;
  let labelled = -Infinity;
  let drawn = -Infinity;
  context.font = "10px ui-monospace, 'DejaVu Sans Mono', monospace";
  const first = Math.max(1, lastUpTo(server.states, view.from));
  for (let i = first; i < server.states.length; i++) {
    const [was, is] = [server.states[i - 1], server.states[i]];
    if (was === undefined || is === undefined || is.at > view.to) break;
    if (is.commitIndex <= was.commitIndex) continue;
    const x = painter.x(is.at);
    if (x < layout.left || x - drawn < 0.7) continue;
    drawn = x;
    context.strokeStyle = palette["commit"] ?? "";
    context.lineWidth = 1.5;
    line(painter, x, y, x, y + 5);
    const text = String(is.commitIndex);
    const width = context.measureText(text).width;
    if (x - labelled > Math.max(COMMIT_ROOM, width + 4) && x + width < layout.right) {
      context.fillStyle = palette["commit"] ?? "";
      context.fillText(text, x + 2, y + 9);
      painter.taken.push({ x1: x, y1: y + 3, x2: x + width + 4, y2: y + 14 });
      labelled = x;
    }
    painter.area(x - 2, y, 4, 8, is.at, [
      `${server.id} commits up to ${is.commitIndex}`,
      `from ${was.commitIndex}, at ${shownMs(is.at)} ms`,
    ]);
  }
}

/**
 * Writes to the disk, from when they are asked for until they are durable.
 *
 * @param {Painter} painter
 * @param {Recording} recording
 * @param {ServerLane} lane
 */
function paintWrites(painter, { endedAt }, { server, middle }) {
  const { context, palette, view } = painter;
  const y = middle - BAND / 2 - 5;
  let drawn = -Infinity;
  // A write may take long: some that began before the window reach into it.
  for (let i = Math.max(0, lastUpTo(server.writes, view.from) - 20); i < server.writes.length; i++) {
    const write = server.writes[i];
    if (write === undefined || write.at > view.to) break;
    const life = server.lives.find(({ from, to }) => from <= write.at && (to === null || write.at <= to));
    const span = painter.span(write.at, write.stableAt ?? life?.to ?? endedAt, 0.5);
    if (span === null || span.x + span.width - drawn < 0.5) continue;
    drawn = span.x + span.width;
    context.fillStyle = palette[write.stableAt === null ? "bad" : "disk"] ?? "";
    context.fillRect(span.x, y, span.width, 3);
    const fate = write.stableAt === null
      ? "never durable"
      : `durable after ${shownMs(write.stableAt - write.at)} ms`;
    painter.area(span.x, y - 2, span.width, 7, write.at, [
      `${server.id} writes #${write.number}: ${write.text || "nothing new"}`,
      `at ${shownMs(write.at)} ms, ${fate}`,
    ]);
  }
}

/**
 * @param {Painter} painter
 * @param {Recording} recording
 */
export function paintServers(painter, recording) {
  for (const lane of painter.layout.servers) {
    paintRoles(painter, recording, lane);
    paintSleeps(painter, recording, lane);
    paintWrites(painter, recording, lane);
    paintCommits(painter, lane);
  }
}
