// @ts-check
/// <reference lib="dom" />
/**
 * The page as a whole: one view of the run, changed by mouse and keys, drawn again after each change.
 *
 * @module
 */
import { eventsOf, hasWords, landmarks, nextEvent } from "./events.js";
import { layoutOf } from "./layout.js";
import { unpack } from "./model.js";
import { paintOverview, timeInOverview } from "./overview.js";
import { messagesIn, paintMessages } from "./paint_messages.js";
import { paintClients, paintFaults, paintGround, paintMarks, paintNames } from "./paint_rows.js";
import { paintServers } from "./paint_servers.js";
import { Painter, paletteOf } from "./painter.js";
import { element, eventList, linesAround, logTable, stateTable } from "./panels.js";
import { moved, withCursor, withWindow, zoomed } from "./view.js";

/** @typedef {import("../recording.ts").Recording} Recording */

const BEFORE_VIOLATION_MS = 250;
const BEHIND_VIOLATION_MS = 12;
const ZOOM = 1.25;
const OVERVIEW_HEIGHT = 128;
const NOTHING = {
  classes: /** @type {ReadonlySet<string>} */ (new Set()),
  words: /** @type {readonly string[]} */ ([]),
};

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function must(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page lacks ${id}`);
  return found;
}

/**
 * @param {string} id
 * @returns {HTMLCanvasElement}
 */
function canvas(id) {
  const found = must(id);
  if (!(found instanceof HTMLCanvasElement)) throw new Error(`${id} is no canvas`);
  return found;
}

/**
 * A canvas as sharp as the screen, with a context that counts in the page's pixels.
 *
 * @param {HTMLCanvasElement} element
 * @param {number} width
 * @param {number} height
 * @returns {CanvasRenderingContext2D}
 */
function contextOf(element, width, height) {
  const ratio = devicePixelRatio;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (element.width !== wide || element.height !== high) {
    element.width = wide;
    element.height = high;
    element.style.width = `${width}px`;
    element.style.height = `${height}px`;
  }
  const context = element.getContext("2d");
  if (context === null) throw new Error("there is no canvas to draw on");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.textBaseline = "middle";
  return context;
}

/** @param {Recording} recording */
function show(recording) {
  const { endedAt, verdict } = recording;
  const events = eventsOf(recording);
  const [picture, strip, tip, side] = [canvas("picture"), canvas("overview"), must("tip"), must("events")];
  const frame = must("frame");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let palette = paletteOf(document.body);
  let view = firstView();
  let filter = NOTHING;
  let shift = 0;
  /** @type {Painter | null} */
  let painter = null;
  let isAsked = false;
  let shownCursor = NaN;

  function firstView() {
    const cursor = endedAt;
    const whole = withWindow({ from: 0, to: endedAt, cursor }, 0, endedAt * 1.02, endedAt);
    return verdict === "held"
      ? whole
      : withWindow(whole, endedAt - BEFORE_VIOLATION_MS, endedAt + BEHIND_VIOLATION_MS, endedAt);
  }

  /** @param {import("./view.js").View} next */
  function look(next) {
    view = next;
    draw();
  }

  /** Once for all that changes before the next frame. */
  function draw() {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      paint();
      if (shownCursor !== view.cursor) panels();
      const hash = `#${view.from.toFixed(3)},${view.to.toFixed(3)},${view.cursor.toFixed(3)}`;
      history.replaceState(null, "", hash);
    });
  }

  function paint() {
    const width = frame.clientWidth;
    const layout = layoutOf(recording, width, frame.clientHeight);
    const context = contextOf(picture, width, layout.height);
    painter = new Painter(context, layout, view, palette, dark.matches);
    paintGround(painter);
    paintFaults(painter, recording);
    const { drawn, left } = messagesIn(painter, recording, filter);
    paintServers(painter, recording);
    paintMessages(painter, drawn);
    paintClients(painter, recording);
    paintMarks(painter, recording);
    paintNames(painter);
    const more = must("more");
    more.textContent = left === 0 ? "" : `${left} more messages in this window: zoom in to see them`;
    const stripContext = contextOf(strip, width, OVERVIEW_HEIGHT);
    paintOverview(stripContext, recording, view, palette, width, OVERVIEW_HEIGHT);
  }

  function panels() {
    shownCursor = view.cursor;
    must("states").replaceChildren(stateTable(recording, view.cursor));
    must("logs").replaceChildren(logTable(recording, view.cursor, dark.matches, shift));
    const { list, here } = eventList(linesAround(events, view.cursor, filter), view.cursor, go);
    side.replaceChildren(list);
    side.scrollTop = here.offsetTop - side.offsetTop - side.clientHeight * 0.7;
  }

  /** @param {number} at */
  function go(at) {
    look(withCursor(view, at, endedAt));
  }

  function readFilter() {
    const boxes = [...document.querySelectorAll("#classes input")];
    const words = /** @type {HTMLInputElement} */ (must("search")).value.toLowerCase().split(/\s+/).filter((
      word,
    ) => word !== "");
    filter = {
      classes: new Set(
        boxes.flatMap((box) => box instanceof HTMLInputElement && box.checked ? [box.value] : []),
      ),
      words,
    };
    shownCursor = NaN;
    draw();
  }

  /** @param {1 | -1} direction */
  function jump(direction) {
    const { value } = /** @type {HTMLSelectElement} */ (must("landmarks"));
    const is = value === "search"
      ? (/** @type {import("./events.js").Event} */ event) => hasWords(event, filter.words)
      : landmarks[value] ?? (() => false);
    const found = nextEvent(events, view.cursor, direction, is);
    if (found !== null) go(found.at);
  }

  /** @param {number} places */
  function shiftLogs(places) {
    shift = Math.max(0, shift + places);
    must("logs").replaceChildren(logTable(recording, view.cursor, dark.matches, shift));
  }

  /** @param {MouseEvent} event */
  function timeAt(event) {
    const { left, right } = painter?.layout ?? { left: 0, right: 1 };
    const x = event.clientX - picture.getBoundingClientRect().left;
    return view.from + (x - left) / (right - left) * (view.to - view.from);
  }

  /* ---- the mouse ---- */

  /** @type {{ x: number, from: number, moved: boolean } | null} */
  let drag = null;
  picture.addEventListener("mousedown", (event) => {
    drag = { x: event.clientX, from: view.from, moved: false };
    event.preventDefault();
  });
  addEventListener("mousemove", (event) => {
    if (drag === null || painter === null) return;
    const dx = event.clientX - drag.x;
    if (Math.abs(dx) > 3) drag.moved = true;
    if (drag.moved) look(moved(view, drag.from - dx / painter.scale - view.from, endedAt));
  });
  addEventListener("mouseup", (event) => {
    if (drag !== null && !drag.moved && painter !== null && event.target === picture) {
      const box = picture.getBoundingClientRect();
      const hit = painter.under(event.clientX - box.left, event.clientY - box.top);
      look({ ...view, cursor: hit?.at ?? Math.min(Math.max(0, timeAt(event)), endedAt) });
    }
    drag = null;
  });
  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (sideways || event.shiftKey) {
      const by = (sideways ? event.deltaX : event.deltaY) / (painter?.scale ?? 1);
      look(moved(view, by, endedAt));
    } else look(zoomed(view, ZOOM ** Math.sign(event.deltaY), timeAt(event), endedAt));
  }, { passive: false });
  picture.addEventListener("mousemove", (event) => {
    const box = picture.getBoundingClientRect();
    const hit = drag?.moved || painter === null
      ? null
      : painter.under(event.clientX - box.left, event.clientY - box.top);
    tip.hidden = hit === null;
    if (hit === null) return;
    tip.replaceChildren(...hit.lines.map((line) => element("div", "", line)));
    const [wide, high] = [tip.offsetWidth, tip.offsetHeight];
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - wide - 8))}px`;
    tip.style.top = `${
      event.clientY + 18 + high > innerHeight ? event.clientY - high - 10 : event.clientY + 18
    }px`;
  });
  picture.addEventListener("mouseleave", () => tip.hidden = true);

  let isOnStrip = false;
  const onStrip = (/** @type {MouseEvent} */ event) => {
    const time = timeInOverview(
      event.clientX - strip.getBoundingClientRect().left,
      frame.clientWidth,
      endedAt,
    );
    const half = (view.to - view.from) / 2;
    // From the whole run into it: a second is something to begin with.
    const near = half * 2 > endedAt * 0.9 ? 500 : half;
    look(
      withWindow(
        { ...view, cursor: Math.min(Math.max(0, time), endedAt) },
        time - near,
        time + near,
        endedAt,
      ),
    );
  };
  strip.addEventListener("mousedown", (event) => {
    isOnStrip = true;
    onStrip(event);
    event.preventDefault();
  });
  addEventListener("mousemove", (event) => {
    if (isOnStrip) onStrip(event);
  });
  addEventListener("mouseup", () => isOnStrip = false);

  /* ---- keys and buttons ---- */

  /** @type {Readonly<Record<string, () => void>>} */
  const keys = {
    "+": () => look(zoomed(view, 1 / ZOOM, view.cursor, endedAt)),
    "=": () => look(zoomed(view, 1 / ZOOM, view.cursor, endedAt)),
    "-": () => look(zoomed(view, ZOOM, view.cursor, endedAt)),
    "ArrowLeft": () => step(-1),
    "ArrowRight": () => step(1),
    "[": () => jump(-1),
    "]": () => jump(1),
    "0": () => look(withWindow(view, 0, endedAt * 1.02, endedAt)),
    "v": () => look({ ...firstView(), cursor: endedAt }),
    "/": () => must("search").focus(),
  };

  /**
   * To the next line of the list, or the one before.
   *
   * @param {1 | -1} direction
   */
  function step(direction) {
    const { before, behind } = linesAround(events, view.cursor, filter);
    const next = direction === 1 ? behind[0] : before.findLast(({ at }) => at < view.cursor - 0.0005);
    if (next !== undefined) go(next.at);
  }

  addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type === "search") {
      if (event.key === "Escape") event.target.blur();
      if (event.key === "Enter") jump(event.shiftKey ? -1 : 1);
      return;
    }
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  });
  for (
    const [id, key] of [["zoom-in", "+"], ["zoom-out", "-"], ["whole", "0"], ["end", "v"], ["before", "["], [
      "after",
      "]",
    ]]
  ) {
    must(id ?? "").addEventListener("click", () => keys[key ?? ""]?.());
  }
  must("older").addEventListener("click", () => shiftLogs(10));
  must("newer").addEventListener("click", () => shiftLogs(-10));
  must("classes").addEventListener("change", readFilter);
  must("search").addEventListener("input", readFilter);
  must("landmarks").append(
    ...["search", ...Object.keys(landmarks)].map((name) => element("option", "", name)),
  );
  /** @type {HTMLSelectElement} */ (must("landmarks")).value = "leaders";
  dark.addEventListener("change", () => {
    palette = paletteOf(document.body);
    shownCursor = NaN;
    draw();
  });
  new ResizeObserver(draw).observe(frame);

  const [from, to, cursor] = location.hash.slice(1).split(",").map(Number);
  if (from !== undefined && to !== undefined && cursor !== undefined && to > from) {
    view = withWindow({ from, to, cursor }, from, to, endedAt);
  }
  readFilter();
}

/** Begins, with the data that the page carries. */
export function main() {
  const data = unpack(JSON.parse(must("data").textContent ?? ""));
  show(/** @type {Recording} */ (data));
}
