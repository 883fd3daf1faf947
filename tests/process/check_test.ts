/**
 * Kind: integration (real processes).
 *
 * Invariant: `raftline check` ends with 0 for a linearizable history and nothing else, with 1 and a reason for one that is not, with 65 and a line number for
 * a line that is no operation, and with 2 and one line where it ran out of time or memory.
 *
 * Learnt: a file that lost its end in the middle of a line is such a line; one that is empty checks nothing and must not pass for good.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compiled, type Ended, fromSource, missingBinary, run } from "./harness.ts";

const program = missingBinary() === null ? compiled : fromSource;

const SET =
  `{"client":1,"key":"k","op":"SET","args":["a"],"invoke":0,"return":1,"outcome":"ok","result":"OK"}`;
const GET = `{"client":2,"key":"k","op":"GET","args":[],"invoke":2,"return":3,"outcome":"ok","result":"a"}`;
const STALE = GET.replace(`"a"}`, "null}");

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "raftline-check-"));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function check(text: string | Uint8Array, ...options: readonly string[]): Promise<Ended> {
  let ended: Ended | null = null;
  await inDirectory(async (directory) => {
    const file = join(directory, "history.jsonl");
    await writeFile(file, text);
    ended = await run(program, ["check", file, ...options]);
  });
  assert(ended !== null);
  return ended;
}

function assertRefused({ code, stdout, stderr }: Ended, expected: number, text: RegExp): void {
  assertEquals(stdout, "");
  assertMatch(stderr, /^raftline: [^\n]*\n$/);
  assertMatch(stderr, text);
  assertEquals(code, expected);
}

Deno.test("check: a linearizable history", async () => {
  const unknown = SET.replace(`"return":1,"outcome":"ok","result":"OK"`, `"outcome":"unknown"`);
  const failed = SET.replace(`"ok"`, `"fail"`);
  const { code, stdout, stderr } = await check([SET, GET, "", unknown, failed].join("\r\n"));
  assertEquals([code, stderr], [0, ""]);
  assertMatch(
    stdout,
    /history\.jsonl: linearizable: 4 operations \(2 ok, 1 failed, 1 unknown\) on 1 key, checked in/,
  );
});

Deno.test("check: one that is not, with a page", async () => {
  await inDirectory(async (directory) => {
    const [file, page] = [join(directory, "history.jsonl"), join(directory, "why.html")];
    await writeFile(file, `${SET}\n\n${STALE}\n`);
    const { code, stdout, stderr } = await run(program, ["check", "--report", page, file]);
    assertEquals([code, stderr], [1, ""]);
    const text =
      'the key "k" is not linearizable: client 2 asked GET at 2 and was answered nil at 3 (line 3)';
    assertStringIncludes(stdout, text);
    assertStringIncludes(stdout, 'it would have been right with "a"');
    assertStringIncludes(stdout, `the picture is in ${page}`);
    assertStringIncludes(await readFile(page, "utf8"), "<svg");
  });
});

Deno.test("check: other keys that fail are named", async () => {
  const { code, stdout } = await check(
    [STALE.replace("null", `"x"`), STALE.replace(`"k"`, `"l"`).replace("null", `"x"`)].join("\n"),
  );
  assertEquals(code, 1);
  assertStringIncludes(stdout, 'not linearizable either: "l"');
});

Deno.test("check: a page that cannot be written", async () => {
  const ended = await check(`${SET}\n${STALE}`, "--report", "/nowhere/why.html");
  assertEquals(ended.code, 74);
  assertMatch(
    ended.stderr,
    /^raftline: the history is not linearizable, and \/nowhere\/why.html cannot be written: [^\n]*\n$/,
  );
});

const BAD_LINES: readonly (readonly [name: string, text: string | Uint8Array, reason: RegExp])[] = [
  ["no JSON", `${SET}\nnonsense\n`, /history.jsonl, line 2: it is not JSON/],
  ["a line that lost its end", `${SET}\n\n${GET.slice(0, 40)}`, /line 3: it is not JSON/],
  ["an unknown command", SET.replace("SET", "LPUSH"), /line 1: "LPUSH" is no command of one key/],
  ["no UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), /line 1: it is not UTF-8; bytes are written/],
  ["nothing", "", /holds no operation/],
  ["blank lines", "\n\n \n", /holds no operation/],
];

for (const [name, text, reason] of BAD_LINES) {
  Deno.test(`check: ${name} is refused with 65`, async () => assertRefused(await check(text), 65, reason));
}

Deno.test("check: a file that is not there, words that do not fit", async () => {
  assertRefused(
    await run(program, ["check", "/nowhere/h.jsonl"]),
    74,
    /cannot read \/nowhere\/h.jsonl: ENOENT/,
  );
  assertRefused(await run(program, ["check"]), 64, /check is used as: raftline check .*HISTORY.jsonl/);
  assertRefused(await run(program, ["check", "a", "b"]), 64, /check takes no word b/);
  assertRefused(await run(program, ["check", "a", "--repot", "b"]), 64, /did you mean --report/);
});

/** As many writes at once as there are subsets to try: no read tells which came last, but one that fits none. */
const HARD = [
  ...Array.from(
    { length: 26 },
    (_, i) => SET.replace(`"client":1`, `"client":${10 + i}`).replace(`"a"`, `"${"x".repeat(i + 1)}"`),
  ),
  GET.replace("GET", "STRLEN").replace(`"a"}`, "999}"),
].join("\n");

Deno.test("check: a search that takes too long or too much has no verdict", async () => {
  const late = /history.jsonl: verdict unknown: the key "k": the time is up/;
  assertRefused(await check(HARD, "--timeout-seconds", "1"), 2, late);
  assertRefused(
    await check(HARD, "--memory-mb", "1"),
    2,
    /verdict unknown: the key "k": what was tried in vain takes/,
  );
});
