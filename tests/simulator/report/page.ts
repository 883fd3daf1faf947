/**
 * A run as one page that needs nothing else: the picture, the states, the logs and the events at any moment of it.
 *
 * Keeps true: nothing that a run holds can end the page's own tags; it works from a file, without a network.
 *
 * @module
 */
import { escapeHtml } from "../../linearizability/picture.ts";
import { packed } from "./pack.ts";
import type { Recording } from "./recording.ts";
import { viewerScript, viewerStyle } from "./viewer_source.ts";

/** What can be hidden: its name in the data, its name for people, whether it is shown at first. */
const CLASSES: readonly (readonly [value: string, label: string, colour: string, isShown: boolean])[] = [
  ["election", "elections", "election", true],
  ["append", "appends", "append", true],
  ["heartbeat", "heartbeats", "heartbeat", true],
  ["response", "answers to appends", "response", true],
  ["snapshot", "snapshots", "snapshot", true],
  ["shell", "forwards and reads", "shell", true],
  ["state", "states", "ink", true],
  ["disk", "disk", "disk", true],
  ["note", "notes", "pale", false],
  ["client", "clients", "good", true],
  ["fault", "faults", "fault", true],
];

const LEGEND: readonly (readonly [css: string, meaning: string])[] = [
  ["background:var(--follower)", "follower"],
  ["background:var(--preCandidate)", "pre-candidate"],
  ["background:var(--candidate)", "candidate"],
  ["background:var(--leader)", "leader; below: the term's colour"],
  ["border-top:2px dotted var(--down)", "down"],
  ["background:repeating-linear-gradient(135deg,var(--fault) 0 1px,transparent 1px 4px)", "asleep"],
  ["border-top:3px solid var(--disk)", "write until durable"],
  ["border-left:2px solid var(--commit)", "commit"],
  ["background:var(--good)", "answered"],
  ["background:var(--refused)", "refused"],
  ["background:var(--unknown)", "unknown"],
  ["background:var(--pending)", "no answer yet"],
];

const VERDICTS = {
  held: "held",
  correctness: "violation",
  liveness: "no progress",
  crash: "unexpected end",
} as const;

function definitions(rows: readonly (readonly [string, string | number])[]): string {
  return `<dl>${
    rows.map(([name, value]) =>
      `<div><dt>${escapeHtml(name)}</dt><dd class="mono">${escapeHtml(String(value))}</dd></div>`
    ).join("")
  }</dl>`;
}

/** JSON that no tag can be made of. */
function dataOf(recording: Recording): string {
  return JSON.stringify(packed(recording)).replaceAll("<", "\\u003c");
}

export function pageOf(recording: Recording): string {
  const { seed, verdict, reason, command, traceHash, servers, endedAt, operations, messages, odds, faults } =
    recording;
  const isHeld = verdict === "held";
  const title = `seed ${seed}: ${VERDICTS[verdict]}`;
  const at = `${(endedAt / 1000).toFixed(3)} s`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${viewerStyle}</style>
</head>
<body class="${isHeld ? "" : "violated"}">
<header>
<h1><span class="badge">${VERDICTS[verdict]}</span>${
    isHeld
      ? `Seed ${seed}: everything held for ${at}`
      : `Seed ${seed}: ${escapeHtml(reason[0] ?? verdict)} (at ${at})`
  }</h1>
${isHeld ? "" : `<pre class="reason">${escapeHtml(reason.join("\n"))}</pre>`}
<div class="facts">again: <code>${
    escapeHtml(command)
  }</code> \u00b7 trace <code>${traceHash}</code> \u00b7 ${servers.length} servers,
${messages.length} messages, ${operations.length} operations, ${recording.strikes.length} strikes</div>
<details><summary>odds that the seed drew, and faults that fired</summary>${definitions(odds)}<h2>fired</h2>${
    definitions(faults)
  }</details>
</header>
<div id="top"><canvas id="overview"></canvas>
<div id="legend">${
    LEGEND.map(([css, meaning]) => `<span><i class="dot" style="${css}"></i>${meaning}</span>`).join("")
  }</div></div>
<div id="tools">
<div class="row"><button id="zoom-in" title="+">zoom in</button><button id="zoom-out" title="-">zoom out</button>
<button id="whole" title="0">whole run</button><button id="end" title="v">${
    isHeld ? "begin anew" : "to the violation"
  }</button></div>
<div class="row"><button id="before" title="[">\u25c0</button><select id="landmarks" title="what the arrows jump to"></select>
<button id="after" title="]">\u25b6</button><input id="search" type="search" placeholder="only what has these words: n2 vote" title="/"></div>
<div id="classes">${
    CLASSES.map(([value, label, colour, isShown]) =>
      `<label><input type="checkbox" value="${value}"${
        isShown ? " checked" : ""
      }><i class="dot" style="background:var(--${colour})"></i>${label}</label>`
    ).join("")
  }</div>
</div>
<div id="main"><div id="frame"><canvas id="picture"></canvas></div><div id="more"></div></div>
<aside>
<section><h2>At the cursor</h2><div id="states"></div></section>
<section><h2>Logs <button id="older">older</button><button id="newer">newer</button><span class="keys">number: term; green: committed; pale: not durable</span></h2><div id="logs"></div></section>
<section style="border:0;padding-bottom:0"><h2>What happened <span class="keys">\u2190 \u2192 line by line, + \u2212 zoom, [ ] jump, wheel zooms, drag moves</span></h2></section>
<div id="events"></div>
</aside>
<div id="tip" hidden></div>
<noscript>This page draws with JavaScript.</noscript>
<script type="application/json" id="data">${dataOf(recording)}</script>
<script>
${viewerScript.replaceAll("</", "<\\/")}</script>
</body>
</html>
`;
}
