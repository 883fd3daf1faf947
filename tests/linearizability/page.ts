/**
 * The report of a history that is not linearizable, as one page that needs nothing else.
 *
 * @module
 */
import type { Explanation } from "./explain.ts";
import { escapeHtml, pictureOf } from "./picture.ts";
import type { KeyOperation } from "./problem.ts";
import { headline, type NameOf, remarks, shownOperation, shownText, shownTime, shownValue } from "./words.ts";

/** How many operations of the order the table shows, from its end. */
const ORDER_MAX = 40;

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1d2433, #e6e9f0); --pale: light-dark(#5c6475, #9aa3b5);
  --page: light-dark(#fff, #14171d); --lane: light-dark(#f4f6fa, #1b1f27); --line: light-dark(#cfd5e1, #39404e);
  --bar: light-dark(#dbe5f6, #2b3a55); --bar-edge: light-dark(#8aa6d6, #5b7bb5);
  --strong: light-dark(#ffe2a8, #5a4617); --strong-edge: light-dark(#c98a00, #d9a733);
  --bad: light-dark(#ffd3d0, #5c211f); --bad-edge: light-dark(#c62821, #ff7a70); --point: light-dark(#27406f, #b9cdf3); }
body { margin: 2rem auto; padding: 0 1.5rem; max-width: 100rem; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--page); }
h1 { font-size: 1.35rem; line-height: 1.35; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.pale { color: var(--pale); } .scroll { display: flex; overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
svg { display: block; flex: none; } svg.clients { position: sticky; left: 0; background: var(--page); border-right: 1px solid var(--line); } svg text { font: 11.2px ui-monospace, "DejaVu Sans Mono", monospace; fill: var(--ink); }
svg .client { font: 600 12px system-ui, sans-serif; fill: var(--pale); } .lane0 { fill: var(--lane); } .lane1 { fill: none; }
svg rect { stroke-width: 1.2; } .placed rect { fill: var(--bar); stroke: var(--bar-edge); }
.contradiction rect { fill: var(--strong); stroke: var(--strong-edge); }
.impossible rect { fill: var(--bad); stroke: var(--bad-edge); stroke-width: 2; } svg .cross { font-size: 15px; fill: var(--bad-edge); }
.open rect { fill: url(#open); stroke: var(--bar-edge); stroke-dasharray: 4 3; }
.open-from { stop-color: var(--bar); } .open-to { stop-color: var(--bar); stop-opacity: 0; }
circle { fill: var(--point); } svg .number { font-size: 9.5px; font-weight: 700; fill: var(--point); text-anchor: middle; }
.order { fill: none; stroke: var(--point); stroke-width: 1.2; stroke-opacity: .45; }
line.gap { stroke: var(--pale); stroke-dasharray: 2 4; } svg text.gap, svg .time { text-anchor: middle; fill: var(--pale); }
.tick { stroke: var(--line); }
table { border-collapse: collapse; } th, td { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top; }
th { color: var(--pale); font-weight: 500; } td.mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px; }
tr.bad td { background: var(--bad); } ul.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; }
.swatch { display: inline-block; width: 1.6em; height: .9em; border: 1.5px solid; border-radius: 3px; margin-right: .5em; vertical-align: -1px; }
`;

/** Rows of operations; texts are cut to what a table can hold. */
function table(heads: readonly string[], rows: readonly (readonly string[])[], badRow: number): string {
  const cells = (row: readonly string[]) =>
    row.map((cell, i) => `<td${i >= 3 ? ' class="mono"' : ""}>${escapeHtml(cell)}</td>`).join("");
  return `<table><tr>${heads.map((head) => `<th>${head}</th>`).join("")}</tr>${
    rows.map((row, i) => `<tr${i === badRow ? ' class="bad"' : ""}>${cells(row)}</tr>`).join("\n")
  }</table>`;
}

function cellsOf({ operation, place }: KeyOperation, nameOf: NameOf): readonly string[] {
  const { client, invoke, return: back, outcome } = operation;
  const end = outcome === "ok" && back !== null ? shownTime(back) : "?";
  return [nameOf(place), `client ${client}`, `${shownTime(invoke)} \u2013 ${end}`, shownOperation(operation)];
}

const KEY: readonly (readonly [css: string, meaning: string])[] = [
  ["background:var(--bad);border-color:var(--bad-edge)", "cannot be placed with its answer"],
  ["background:var(--strong);border-color:var(--strong-edge)", "contradicts it"],
  ["background:var(--bar);border-color:var(--bar-edge)", "placed in the order, at its numbered point"],
  [
    "border-color:var(--bar-edge);border-style:dashed",
    "outcome unknown, or not returned yet: may take effect at any later time",
  ],
];

export function pageOf(
  source: string,
  explanation: Explanation,
  history: readonly KeyOperation[],
  nameOf: NameOf,
): string {
  const { contradiction, impossible, key, order } = explanation;
  const capital = (text: string) => escapeHtml(text.charAt(0).toUpperCase() + text.slice(1));
  const shown = order.slice(-ORDER_MAX);
  const orderRows = shown.map(({ operation, leaves }, i) => {
    const [name = "", client = "", times = "", what = ""] = cellsOf(operation, nameOf);
    return [`${order.length - shown.length + i + 1}`, `${name}, ${client}`, times, what, shownValue(leaves)];
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(`${shownText(key)} is not linearizable`)}</title>
<style>${STYLE}</style>
</head>
<body>
<p class="pale">raftline check ${escapeHtml(source)}</p>
<h1>${capital(headline(explanation, nameOf))}.</h1>
${remarks(explanation, history, nameOf).map((text) => `<p>${capital(text)}.</p>`).join("\n")}
<div class="scroll">${pictureOf(explanation, history, nameOf)}</div>
<ul class="key">${
    KEY.map(([css, meaning]) => `<li><span class="swatch" style="${css}"></span>${meaning}</li>`).join("")
  }</ul>
<p class="pale">From left to right is the order of calls and returns, not to scale; numbers below are the history's own times.
A dotted line with +n stands for n operations that are not shown. The numbered points, joined by the line, are the longest order in which
everything that was answered before can have taken effect.</p>
<h2>${
    contradiction.length === 1
      ? "This answer alone is impossible"
      : `These ${contradiction.length} answers contradict each other, whatever the others were`
  }</h2>
${
    table(
      ["record", "client", "from \u2013 to", "operation"],
      contradiction.map((one) => cellsOf(one, nameOf)),
      contradiction.findIndex(({ place }) => place === impossible.place),
    )
  }
<h2>The order of what was answered before${
    shown.length < order.length ? `, the last ${shown.length} of ${order.length}` : ""
  }</h2>
${
    order.length === 0
      ? "<p>Nothing was.</p>"
      : table(["#", "record", "from \u2013 to", "operation", "leaves"], orderRows, -1)
  }
<script>document.querySelector(".impossible")?.scrollIntoView({ inline: "end", block: "nearest" });</script>
</body>
</html>
`;
}
