// @ts-check
/**
 * Which part of the run is looked at, and how times become places on the screen. Pure: a view is replaced, never changed.
 *
 * @module
 */

/**
 * @typedef {object} View
 * @property {number} from
 * @property {number} to
 * @property {number} cursor
 */

/** The shortest window, in milliseconds. */
const SHORTEST = 0.05;

/**
 * A window of that length or as near to it as there is, within the run.
 *
 * @param {View} view
 * @param {number} from
 * @param {number} to
 * @param {number} end
 * @returns {View}
 */
export function withWindow(view, from, to, end) {
  const whole = Math.max(end * 1.02, SHORTEST);
  const length = Math.min(Math.max(to - from, SHORTEST), whole);
  const middle = (from + to) / 2;
  const start = Math.min(Math.max(middle - length / 2, -whole * 0.01), whole - length);
  return { ...view, from: start, to: start + length };
}

/**
 * @param {View} view
 * @param {number} factor below 1 to see more closely
 * @param {number} around the moment that stays where it is
 * @param {number} end
 * @returns {View}
 */
export function zoomed(view, factor, around, end) {
  return withWindow(view, around - (around - view.from) * factor, around + (view.to - around) * factor, end);
}

/**
 * @param {View} view
 * @param {number} ms
 * @param {number} end
 * @returns {View}
 */
export function moved(view, ms, end) {
  return withWindow(view, view.from + ms, view.to + ms, end);
}

/**
 * Puts the cursor there, and brings it into the window.
 *
 * @param {View} view
 * @param {number} time
 * @param {number} end
 * @returns {View}
 */
export function withCursor(view, time, end) {
  const next = { ...view, cursor: time };
  const length = view.to - view.from;
  if (time >= view.from + length * 0.05 && time <= view.to - length * 0.05) return next;
  return withWindow(next, time - length / 2, time + length / 2, end);
}

/**
 * Round steps for an axis: 1, 2 or 5 times a power of ten.
 *
 * @param {number} length of the window
 * @param {number} most that fit
 * @returns {number}
 */
export function tickStep(length, most) {
  const least = length / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= least) ?? least;
}

/**
 * Puts spans into rows so that none covers another: the row of each, and how many there are.
 *
 * @param {readonly { readonly from: number, readonly to: number }[]} spans ordered by `from`
 * @param {number} most rows; where they do not suffice, spans cover each other in the last
 * @returns {{ rows: number[], count: number }}
 */
export function packRows(spans, most) {
  /** @type {number[]} */
  const ends = [];
  const rows = spans.map(({ from, to }) => {
    let row = ends.findIndex((end) => end <= from);
    if (row < 0) row = Math.min(ends.length, most - 1);
    ends[row] = Math.max(ends[row] ?? 0, to);
    return row;
  });
  return { rows, count: Math.max(1, ends.length) };
}
