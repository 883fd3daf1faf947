// @ts-check
/**
 * A recording as the page has it, and what was so at a moment.
 *
 * @module
 */

/** @typedef {import("../recording.ts").Recording} Recording */
/** @typedef {import("../recording.ts").RecordedServer} RecordedServer */
/** @typedef {import("../recording.ts").ServerState} ServerState */
/** @typedef {import("../recording.ts").LifeSpan} LifeSpan */

/** Strikes that make a process sleep. */
const SLEEPS = new Set(["pause", "suspend"]);

/**
 * The last of a list, ordered by `at`, that is not later than `time`; -1 for none.
 *
 * @param {readonly { readonly at: number }[]} list
 * @param {number} time
 * @returns {number}
 */
export function lastUpTo(list, time) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.at ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * @param {RecordedServer} server
 * @param {number} time
 * @returns {ServerState | null}
 */
export function stateAt({ states }, time) {
  return states[lastUpTo(states, time)] ?? null;
}

/**
 * The life that a server was in, or `null` where it was down.
 *
 * @param {RecordedServer} server
 * @param {number} time
 * @returns {LifeSpan | null}
 */
export function lifeAt({ lives }, time) {
  return lives.find(({ from, to }) => from <= time && (to === null || time < to)) ?? null;
}

/**
 * When a server's process slept.
 *
 * @param {Recording} recording
 * @param {string} id
 * @returns {{ from: number, to: number }[]}
 */
export function sleepsOf({ strikes, healedAt, endedAt }, id) {
  return strikes.filter(({ name, whom }) => SLEEPS.has(name) && whom === id).map(({ at, forMs }) => ({
    from: at,
    to: Math.min(at + forMs, at <= (healedAt ?? 0) ? healedAt ?? endedAt : endedAt),
  }));
}

/**
 * A server's log at a moment: where it begins, and the places of its entries.
 *
 * @param {RecordedServer} server
 * @param {number} time
 * @returns {{ base: number, entries: readonly number[] }}
 */
export function logAt({ log }, time) {
  let base = 0;
  /** @type {number[]} */
  let entries = [];
  for (const change of log) {
    if (change.at > time) break;
    if (change.reset) {
      base = change.from - 1;
      entries = [];
    } else entries.length = Math.max(0, Math.min(entries.length, change.from - 1 - base));
    entries.push(...change.entries);
  }
  return { base, entries };
}

/**
 * Rows of a table that was packed column names first.
 *
 * @param {{ readonly columns: readonly string[], readonly rows: readonly (readonly unknown[])[] }} packed
 * @returns {Record<string, unknown>[]}
 */
function unpackRows({ columns, rows }) {
  return rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]])));
}

/**
 * Undoes `packed` of pack.ts.
 *
 * @param {unknown} value
 * @returns {unknown}
 */
export function unpack(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(unpack);
  if ("columns" in value && "rows" in value && Array.isArray(value.columns) && Array.isArray(value.rows)) {
    return unpackRows({ columns: value.columns, rows: value.rows.map((row) => row.map(unpack)) });
  }
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, unpack(one)]));
}

/**
 * A time for people, in milliseconds.
 *
 * @param {number} ms
 * @param {number} [digits]
 * @returns {string}
 */
export function shownMs(ms, digits = 3) {
  const [whole = "", rest] = ms.toFixed(digits).split(".");
  return whole.replaceAll(/\B(?=(\d{3})+$)/g, "\u202f") + (rest === undefined ? "" : `.${rest}`);
}
