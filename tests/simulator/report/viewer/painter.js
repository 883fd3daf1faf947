// @ts-check
/// <reference lib="dom" />
/**
 * What all parts of the picture draw with: colours, places, texts that do not cover each other, and what lies under the pointer.
 *
 * @module
 */

/** @typedef {import("./layout.js").Layout} Layout */
/** @typedef {import("./view.js").View} View */

/** @typedef {Readonly<Record<string, string>>} Palette */

/** The names of the colours, each a custom property of the page. */
const COLOURS = [
  ...["ink", "pale", "page", "lane", "line", "bad", "badsoft", "fault", "faultsoft", "cursor"],
  ...["good", "unknown", "refused", "pending"],
  ...["follower", "preCandidate", "candidate", "leader", "down", "onband"],
  ...["election", "append", "heartbeat", "response", "snapshot", "shell", "disk", "commit"],
];

/**
 * @param {Element} element
 * @returns {Palette}
 */
export function paletteOf(element) {
  const style = getComputedStyle(element);
  const probe = document.createElement("span");
  element.append(probe);
  const palette = Object.fromEntries(COLOURS.map((name) => {
    // A probe: the property itself may be a function of the colour scheme.
    probe.style.color = style.getPropertyValue(`--${name}`);
    return [name, getComputedStyle(probe).color];
  }));
  probe.remove();
  return palette;
}

/**
 * Neighbouring terms look different from each other.
 *
 * @param {number} term
 * @param {boolean} isDark
 * @returns {string}
 */
export function termColour(term, isDark) {
  const hue = (term * 137.5 + 20) % 360;
  return isDark ? `hsl(${hue} 45% 32%)` : `hsl(${hue} 62% 80%)`;
}

/**
 * @typedef {object} Hit
 * @property {number} x1
 * @property {number} y1
 * @property {number} x2
 * @property {number} y2
 * @property {boolean} isLine or else a rectangle
 * @property {number} at
 * @property {readonly string[]} lines
 */

export class Painter {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Layout} layout
   * @param {View} view
   * @param {Palette} palette
   * @param {boolean} isDark
   */
  constructor(context, layout, view, palette, isDark) {
    this.context = context;
    this.layout = layout;
    this.view = view;
    this.palette = palette;
    this.isDark = isDark;
    /** @type {Hit[]} */
    this.hits = [];
    /** @type {{ x1: number, y1: number, x2: number, y2: number }[]} */
    this.taken = [];
    this.scale = (layout.right - layout.left) / (view.to - view.from);
  }

  /**
   * @param {number} time
   * @returns {number}
   */
  x(time) {
    return this.layout.left + (time - this.view.from) * this.scale;
  }

  /**
   * Where a span is on the screen, cut to it; `null` where it is not on it.
   *
   * @param {number} from
   * @param {number} to
   * @param {number} [least] the least width
   * @returns {{ x: number, width: number } | null}
   */
  span(from, to, least = 1) {
    const { left, right } = this.layout;
    const [a, b] = [this.x(from), Math.max(this.x(to), this.x(from) + least)];
    if (b < left || a > right) return null;
    const x = Math.max(a, left);
    return { x, width: Math.min(b, right) - x };
  }

  /**
   * Writes a text, cut to a width, if something of it is left.
   *
   * @param {string} text
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @returns {boolean}
   */
  textIn(text, x, y, width) {
    const { context } = this;
    let shown = text;
    if (context.measureText(text).width > width) {
      const per = context.measureText("0").width;
      const letters = Math.floor(width / per) - 1;
      if (letters < 2) return false;
      shown = `${text.slice(0, letters)}\u2026`;
    }
    context.fillText(shown, x, y);
    return true;
  }

  /**
   * Writes a text where no other one is yet.
   *
   * @param {string} text
   * @param {number} x
   * @param {number} y of its middle
   * @param {string} colour
   * @returns {boolean}
   */
  label(text, x, y, colour) {
    const { context, layout } = this;
    const width = context.measureText(text).width;
    const box = { x1: x - 2, y1: y - 7, x2: x + width + 2, y2: y + 7 };
    if (box.x1 < layout.left || box.x2 > layout.right) return false;
    if (this.taken.some((one) => box.x1 < one.x2 && one.x1 < box.x2 && box.y1 < one.y2 && one.y1 < box.y2)) {
      return false;
    }
    this.taken.push(box);
    context.globalAlpha = 0.8;
    context.fillStyle = this.palette["page"] ?? "";
    context.fillRect(box.x1, box.y1 + 1, width + 4, 12);
    context.globalAlpha = 1;
    context.fillStyle = colour;
    context.fillText(text, x, y);
    return true;
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   * @param {number} at
   * @param {readonly string[]} lines
   */
  area(x, y, width, height, at, lines) {
    this.hits.push({ x1: x, y1: y, x2: x + width, y2: y + height, isLine: false, at, lines });
  }

  /**
   * What lies under a point; lines before areas, later ones before earlier ones.
   *
   * @param {number} x
   * @param {number} y
   * @returns {Hit | null}
   */
  under(x, y) {
    /** @type {Hit | null} */
    let best = null;
    let bestDistance = 6;
    for (const hit of this.hits) {
      if (!hit.isLine) {
        if (bestDistance === 6 && x >= hit.x1 - 2 && x <= hit.x2 + 2 && y >= hit.y1 && y <= hit.y2) {
          best = hit;
        }
        continue;
      }
      const distance = distanceTo(hit, x, y);
      if (distance < bestDistance) [best, bestDistance] = [hit, distance];
    }
    return best;
  }
}

/**
 * @param {Hit} line
 * @param {number} x
 * @param {number} y
 * @returns {number}
 */
function distanceTo({ x1, y1, x2, y2 }, x, y) {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const square = dx * dx + dy * dy;
  const part = square === 0 ? 0 : Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / square));
  return Math.hypot(x - x1 - part * dx, y - y1 - part * dy);
}
