/**
 * Plots as SVG: bars for subjects side by side, lines for what grows. Axes are logarithmic, since rivals are several times apart.
 *
 * @module
 */

const COLOURS = ["#1f6feb", "#8b949e", "#d29922", "#cf222e", "#8250df", "#1a7f37", "#bf3989", "#57606a"];
const FONT = 'font-family="sans-serif" font-size="12"';

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function text(x: number, y: number, words: string, more = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${FONT} ${more}>${escaped(words)}</text>`;
}

function svg(width: number, height: number, parts: readonly string[]): string {
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  const ground = `<rect width="${width}" height="${height}" fill="white"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${[ground, ...parts].join("\n")}\n</svg>\n`;
}

/** 12,345 as 12.3k; small ones with what matters of them. */
function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)}M`;
  if (value >= 1e3) return `${(value / 1e3).toPrecision(3)}k`;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}

export interface Bar {
  readonly group: string;
  readonly name: string;
  readonly value: number;
}

/** Places on a logarithmic axis, and its lines at powers of ten. */
function logAxis(values: readonly number[], from: number, to: number) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const at = (value: number) => from + (Math.log10(value) - low) / (high - low) * (to - from);
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { at, ticks };
}

const BAR_HEIGHT = 15;
const LABELS_WIDTH = 200;

/** Groups of bars, one below the other. */
export function barPlot(title: string, bars: readonly Bar[]): string {
  const groups = [...new Set(bars.map(({ group }) => group))];
  const names = [...new Set(bars.map(({ name }) => name))];
  const width = 900;
  const parts: string[] = [text(10, 20, title, 'font-weight="bold"')];
  const positive = bars.filter(({ value }) => value > 0);
  const axis = logAxis(positive.map(({ value }) => value), LABELS_WIDTH, width - 60);
  let y = 40;
  const lines: string[] = [];
  for (const group of groups) {
    parts.push(text(10, y + 12, group, 'font-weight="bold"'));
    for (const { name, value } of positive.filter((bar) => bar.group === group)) {
      const colour = COLOURS[names.indexOf(name) % COLOURS.length];
      const length = Math.max(1, axis.at(value) - LABELS_WIDTH);
      lines.push(
        text(LABELS_WIDTH - 6, y + 12, name, 'text-anchor="end"'),
        `<rect x="${LABELS_WIDTH}" y="${y + 1}" width="${length.toFixed(1)}" height="${
          BAR_HEIGHT - 2
        }" fill="${colour}"/>`,
        text(LABELS_WIDTH + length + 4, y + 12, short(value)),
      );
      y += BAR_HEIGHT;
    }
    y += 10;
  }
  const grid = axis.ticks.flatMap((tick) => [
    `<line x1="${axis.at(tick).toFixed(1)}" y1="36" x2="${
      axis.at(tick).toFixed(1)
    }" y2="${y}" stroke="#dddddd"/>`,
    text(axis.at(tick), y + 14, short(tick), 'text-anchor="middle" fill="#777777"'),
  ]);
  return svg(width, y + 24, [...parts, ...grid, ...lines]);
}

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Lines over a logarithmic ground. */
export function linePlot(title: string, xTitle: string, lines: readonly Line[]): string {
  const [width, height] = [640, 400];
  const [left, right, top, bottom] = [60, 150, 40, 50];
  const points = lines.flatMap((line) => line.points);
  const x = logAxis(points.map((point) => point.x), left, width - right);
  const y = logAxis(points.map((point) => point.y), height - bottom, top);
  const grid = [
    ...x.ticks.flatMap((tick) => [
      `<line x1="${x.at(tick).toFixed(1)}" y1="${top}" x2="${x.at(tick).toFixed(1)}" y2="${
        height - bottom
      }" stroke="#eeeeee"/>`,
      text(x.at(tick), height - bottom + 16, short(tick), 'text-anchor="middle" fill="#777777"'),
    ]),
    ...y.ticks.flatMap((tick) => [
      `<line x1="${left}" y1="${y.at(tick).toFixed(1)}" x2="${width - right}" y2="${
        y.at(tick).toFixed(1)
      }" stroke="#eeeeee"/>`,
      text(left - 6, y.at(tick) + 4, short(tick), 'text-anchor="end" fill="#777777"'),
    ]),
  ];
  const drawn = lines.flatMap((line, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = line.points.map((point) => `${x.at(point.x).toFixed(1)},${y.at(point.y).toFixed(1)}`);
    const rowY = top + 14 + 18 * i;
    return [
      `<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...path.map((place) => {
        const [cx, cy] = place.split(",");
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`;
      }),
      `<rect x="${width - right + 14}" y="${rowY - 9}" width="10" height="10" fill="${colour}"/>`,
      text(width - right + 30, rowY, line.name),
    ];
  });
  return svg(width, height, [
    text(10, 20, title, 'font-weight="bold"'),
    text((left + width - right) / 2, height - 12, xTitle, 'text-anchor="middle"'),
    ...grid,
    ...drawn,
  ]);
}
