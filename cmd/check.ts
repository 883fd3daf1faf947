/**
 * `raftline check`: whether a history of clients is linearizable, and if not, why.
 *
 * Keeps true: it ends with 0 only where every key was searched to its end and has an order. A check that ran out of time or memory says so, on
 * standard error and by its exit code, whatever else it found to be good.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { describeError, ExitCode, Refusal } from "../internal/base/errors.ts";
import { defaultLimits, type Limits, type Progress } from "../tests/linearizability/budget.ts";
import { checkHistory, type Verdict } from "../tests/linearizability/check.ts";
import { explain, type Explanation } from "../tests/linearizability/explain.ts";
import { pageOf } from "../tests/linearizability/page.ts";
import { explanationLines, headline, shownText } from "../tests/linearizability/words.ts";
import { type CommandLine, readFlags } from "./flags.ts";
import { type HistoryFile, readHistory } from "./history_file.ts";

const NOT_LINEARIZABLE = 1;
/** On a terminal, and elsewhere. */
const PROGRESS_EVERY_MS = [1000, 10_000] as const;
/** So many other keys that fail are named. */
const NAMES_MAX = 8;

export const checkCommand: CommandLine = {
  name: "check",
  summary: "tell whether what clients recorded is linearizable",
  usage: "[options] HISTORY.jsonl (or - for standard input)",
  takesWords: [1, 1],
  flags: [
    { name: "report", value: "FILE.html", help: "where it is not, write a page with a picture of why" },
    { name: "timeout-seconds", value: "COUNT", help: "give up after so long", default: "300" },
    {
      name: "memory-mb",
      value: "COUNT",
      help: "give up where the search of a key takes more",
      default: "1024",
    },
    { name: "quiet", value: null, help: "no progress" },
  ],
  examples: [
    "raftline check history.jsonl",
    "raftline check history.jsonl --report why.html",
    "each line is one operation, a JSON object; docs/history.md says more:",
    '  {"client":1,"key":"k","op":"SET","args":["v"],"invoke":10,"return":12.5,"outcome":"ok","result":"OK"}',
    '  {"client":2,"key":"k","op":"GET","args":[],"invoke":11,"return":13,"outcome":"ok","result":null}',
    '  {"client":3,"key":"k","op":"APPEND","args":["x"],"invoke":12,"return":null,"outcome":"unknown"}',
    "exit codes: 0 linearizable, 1 not linearizable, 2 no verdict, 65 a line is no operation",
  ],
};

export async function check(args: readonly string[]): Promise<number> {
  const flags = readFlags(checkCommand, args);
  const seconds = flags.integer("timeout-seconds", 300, 1, 1_000_000);
  const megabytes = flags.integer("memory-mb", 1024, 1, 1_000_000);
  const report = flags.text("report");
  const file = await readHistory(flags.words[0] ?? "-");
  const startedAt = performance.now();
  const limitsOf = (doing: string): Limits => ({
    ...defaultLimits,
    stepsMax: Number.MAX_SAFE_INTEGER,
    memoryBytesMax: megabytes * 1024 * 1024,
    onProgress: progressOf(doing, startedAt, seconds, flags.has("quiet")),
  });
  const verdict = checkHistory(file.operations, limitsOf("checking"));
  const took = `${((performance.now() - startedAt) / 1000).toFixed(2)} s`;
  switch (verdict.kind) {
    case "linearizable":
      console.log(`${file.name}: linearizable: ${countsOf(file, verdict)}, checked in ${took}`);
      return 0;
    case "unknown":
      throw new Refusal(ExitCode.verdictUnknown, `${file.name}: verdict unknown: ${undecidedOf(verdict)}`);
    case "notLinearizable":
      tell(file, verdict, limitsOf("looking for a short reason"), report);
      return NOT_LINEARIZABLE;
  }
}

/** Shows how far it is, and says when the time is up. */
function progressOf(
  doing: string,
  startedAt: number,
  seconds: number,
  isQuiet: boolean,
): (progress: Progress) => boolean {
  const everyMs = PROGRESS_EVERY_MS[process.stderr.isTTY === true ? 0 : 1];
  let shownAt = startedAt;
  return ({ key, keys, keysDone, operations, placed, steps }) => {
    const now = performance.now();
    if (!isQuiet && now - shownAt >= everyMs) {
      shownAt = now;
      console.error(
        `${doing}: key ${keysDone + 1} of ${keys}, ${shownText(key)}: ` +
          `${placed} of ${operations} operations placed, ${steps} steps, ${
            ((now - startedAt) / 1000).toFixed(0)
          } s`,
      );
    }
    return now - startedAt < seconds * 1000;
  };
}

function countsOf({ operations }: HistoryFile, { keys }: Verdict): string {
  const count = (outcome: string) => operations.filter((one) => one.outcome === outcome).length;
  return `${operations.length} operations (${count("ok")} ok, ${count("fail")} failed, ${
    count("unknown")
  } unknown) on ${keys} ${keys === 1 ? "key" : "keys"}`;
}

function undecidedOf({ undecided }: Verdict): string {
  const [first, ...others] = undecided;
  if (first === undefined) return "nothing was checked";
  const more = others.length === 0 ? "" : `, and ${others.length} more keys`;
  return `the key ${shownText(first.key)}: ${first.why}${more}`;
}

/** Says why, and writes the page if one is wanted. */
function tell(
  file: HistoryFile,
  { failing, undecided }: Verdict,
  limits: Limits,
  report: string | null,
): void {
  const [first, ...others] = failing;
  if (first === undefined) return;
  const nameOf = (place: number) => `line ${file.lines[place] ?? "?"}`;
  const explanation: Explanation = explain(first, limits);
  console.log(`${file.name}: ${headline(explanation, nameOf)}`);
  for (const line of explanationLines(explanation, first.operations, nameOf)) console.log(`  ${line}`);
  if (others.length > 0) {
    const names = others.slice(0, NAMES_MAX).map(({ key }) => shownText(key)).join(", ");
    console.log(`not linearizable either: ${names}${others.length > NAMES_MAX ? ", ..." : ""}`);
  }
  if (undecided.length > 0) console.log(`without a verdict: ${undecided.length} keys`);
  if (report === null) return;
  try {
    writeFileSync(report, pageOf(file.name, explanation, first.operations, nameOf));
  } catch (cause) {
    const what = `the history is not linearizable, and ${report} cannot be written: ${describeError(cause)}`;
    throw new Refusal(ExitCode.diskIo, what, { cause });
  }
  console.log(`the picture is in ${report}`);
}
