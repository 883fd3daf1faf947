/**
 * The page's program and style, as texts: the modules of viewer/ put one behind another as one script.
 *
 * Keeps true: each module stands behind those that it imports from, so the order below is one in which they can be read; and no two
 * modules hand out the same name. tests/simulator/report/page_test.ts asks for both.
 *
 * @module
 */
import eventsText from "./viewer/events.js" with { type: "text" };
import layoutText from "./viewer/layout.js" with { type: "text" };
import mainText from "./viewer/main.js" with { type: "text" };
import modelText from "./viewer/model.js" with { type: "text" };
import overviewText from "./viewer/overview.js" with { type: "text" };
import messagesText from "./viewer/paint_messages.js" with { type: "text" };
import rowsText from "./viewer/paint_rows.js" with { type: "text" };
import serversText from "./viewer/paint_servers.js" with { type: "text" };
import painterText from "./viewer/painter.js" with { type: "text" };
import panelsText from "./viewer/panels.js" with { type: "text" };
import viewText from "./viewer/view.js" with { type: "text" };
import styleText from "./viewer/style.css" with { type: "text" };

const MODULES = [
  modelText,
  eventsText,
  viewText,
  layoutText,
  painterText,
  serversText,
  messagesText,
  rowsText,
  overviewText,
  panelsText,
  mainText,
];

const EXPORT = /^export (?=(?:async )?(?:function|const|class) (\w+))/gm;

/** A module as one statement: what it hands out is known behind it, and the rest to nobody. */
function statementOf(text: string): string {
  const names = [...text.matchAll(EXPORT)].map(([, name]) => name).join(", ");
  const body = text.replaceAll(/^import [^;]*;\n/gm, "").replaceAll(EXPORT, "").replaceAll(
    /^\/\/[ /].*\n/gm,
    "",
  );
  return `const { ${names} } = (() => {\n${body}\nreturn { ${names} };\n})();\n`;
}

export const viewerScript = `"use strict";\n{\n${MODULES.map(statementOf).join("\n")}\nmain();\n}\n`;

export const viewerStyle = styleText;
