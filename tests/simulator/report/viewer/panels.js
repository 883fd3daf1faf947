// @ts-check
/// <reference lib="dom" />
/**
 * The side of the page: what every server was at the cursor, its log there, and what happened around it line by line.
 *
 * @module
 */
import { hasWords } from "./events.js";
import { lifeAt, logAt, shownMs, sleepsOf, stateAt } from "./model.js";
import { termColour } from "./painter.js";

/** @typedef {import("./events.js").Event} Event */
/** @typedef {import("../recording.ts").Recording} Recording */

/** Places of the log that are shown. */
const LOG_PLACES = 14;
/** Lines in front of the cursor and behind it. */
const LINES_BEFORE = 150;
const LINES_BEHIND = 100;

/**
 * An element with a class, a text and children.
 *
 * @param {string} name
 * @param {string} className
 * @param {readonly (Node | string)[]} children
 * @returns {HTMLElement}
 */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className !== "") made.className = className;
  made.append(...children);
  return made;
}

const COLUMNS = ["", "role", "term", "vote", "leader", "log ends", "durable", "commit", "snapshot"];

/**
 * @param {Recording} recording
 * @param {number} time
 * @returns {HTMLElement}
 */
export function stateTable(recording, time) {
  const rows = recording.servers.map((server) => {
    const [state, life] = [stateAt(server, time), lifeAt(server, time)];
    const sleeps = sleepsOf(recording, server.id).some(({ from, to }) => from <= time && time < to);
    const role = life === null ? "down" : state?.role ?? "starting";
    const cells = state === null ? ["", "", "", "", "", "", ""] : [
      `${state.term}`,
      state.votedFor ?? "\u2013",
      state.leaderId ?? "\u2013",
      `${state.lastIndex}/T${state.lastTerm}`,
      `${state.durableIndex}`,
      `${state.commitIndex}`,
      `${state.snapshotIndex}`,
    ];
    return element(
      "tr",
      life === null ? "gone" : "",
      element("th", "", server.id),
      element("td", "", element("span", `role ${role}`, role + (sleeps && life !== null ? ", asleep" : ""))),
      ...cells.map((text) => element("td", "", text)),
    );
  });
  return element(
    "table",
    "states",
    element("tr", "", ...COLUMNS.map((name) => element("th", "", name))),
    ...rows,
  );
}

/**
 * The logs around what is committed, each place coloured by its term; places that must be equal and are not are marked.
 *
 * @param {Recording} recording
 * @param {number} time
 * @param {boolean} isDark
 * @param {number} shift by how many places the window is moved back
 * @returns {HTMLElement}
 */
export function logTable(recording, time, isDark, shift) {
  const logs = recording.servers.map((server) => ({
    server,
    state: stateAt(server, time),
    isUp: lifeAt(server, time) !== null,
    ...logAt(server, time),
  }));
  const last = Math.max(1, ...logs.map(({ base, entries }) => base + entries.length));
  const end = Math.max(Math.min(LOG_PLACES, last), last - shift);
  const indexes = Array.from(
    { length: Math.min(LOG_PLACES, end) },
    (_, i) => end - Math.min(LOG_PLACES, end) + 1 + i,
  );
  /** @type {Map<number, Set<number>>} */
  const committed = new Map();
  for (const { base, entries, state } of logs) {
    for (const index of indexes) {
      const place = entries[index - base - 1];
      if (place === undefined || index > (state?.commitIndex ?? 0)) continue;
      committed.set(index, (committed.get(index) ?? new Set()).add(place));
    }
  }
  const rows = logs.map(({ server, state, base, entries, isUp }) => {
    const ends = base + entries.length;
    if (indexes[0] !== undefined && ends < indexes[0]) {
      const cell = element("td", "short", `\u2190 ends at ${ends}`);
      cell.setAttribute("colspan", String(indexes.length));
      return element("tr", isUp ? "" : "gone", element("th", "", server.id), cell);
    }
    const cells = indexes.map((index) => {
      const place = entries[index - base - 1];
      if (index <= base) return element("td", "gone", "\u00b7");
      const entry = place === undefined ? undefined : recording.entries[place];
      if (entry === undefined) return element("td", "", "");
      const classes = ["entry"];
      if (index <= (state?.commitIndex ?? 0)) classes.push("committed");
      if (index > (state?.durableIndex ?? 0)) classes.push("volatile");
      if ((committed.get(index)?.size ?? 0) > 1) classes.push("contradicts");
      const cell = element("td", classes.join(" "), String(entry.term));
      cell.style.background = termColour(entry.term, isDark);
      cell.title = `${server.id}, entry ${index} of term ${entry.term}: ${entry.text}`;
      return cell;
    });
    return element("tr", isUp ? "" : "gone", element("th", "", server.id), ...cells);
  });
  return element(
    "table",
    "logs",
    element("tr", "", element("th", "", ""), ...indexes.map((index) => element("th", "", String(index)))),
    ...rows,
  );
}

/**
 * The lines around the cursor that a filter leaves.
 *
 * @param {readonly Event[]} events
 * @param {number} time
 * @param {{ classes: ReadonlySet<string>, words: readonly string[] }} filter
 * @returns {{ before: Event[], behind: Event[] }}
 */
export function linesAround(events, time, { classes, words }) {
  const isShown = (/** @type {Event} */ event) =>
    (classes.has(event.class) || event.class === "verdict") && hasWords(event, words);
  /** @type {Event[]} */
  const before = [];
  /** @type {Event[]} */
  const behind = [];
  let place = events.findIndex(({ at }) => at > time + 0.0005);
  if (place < 0) place = events.length;
  for (let i = place - 1; i >= 0 && before.length < LINES_BEFORE; i--) {
    const event = events[i];
    if (event !== undefined && isShown(event)) before.push(event);
  }
  for (let i = place; i < events.length && behind.length < LINES_BEHIND; i++) {
    const event = events[i];
    if (event !== undefined && isShown(event)) behind.push(event);
  }
  return { before: before.reverse(), behind };
}

/**
 * @param {{ before: readonly Event[], behind: readonly Event[] }} lines
 * @param {number} time
 * @param {(at: number) => void} go
 * @returns {{ list: HTMLElement, here: HTMLElement }}
 */
export function eventList({ before, behind }, time, go) {
  const rowOf = (/** @type {Event} */ event) => {
    const row = element(
      "div",
      `event ${event.class}${event.isBad ? " bad" : ""}`,
      element("span", "at", shownMs(event.at)),
      element("span", "who", event.who),
      element("span", "text", event.text),
    );
    row.addEventListener("click", () => go(event.at));
    return row;
  };
  const here = element("div", "here", `cursor: ${shownMs(time)} ms`);
  const list = element("div", "", ...before.map(rowOf), here, ...behind.map(rowOf));
  return { list, here };
}
