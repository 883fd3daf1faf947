/**
 * Kind: integration (the command in this process, small worlds).
 *
 * Invariant: `raftline simulate` ends with 0 only where every seed held; a seed that did not is one line that ends with the command that
 * shows it again, and exit code 1; what cannot be meant is refused with one line and exit code 64; a report is written where it is asked for.
 *
 * Learnt: a violation that a check throws in the middle of a step must reach the picture with that very step.
 */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { simulate, type SimulateSeams } from "../../cmd/simulate.ts";
import { ExitCode, Refusal } from "../../internal/base/errors.ts";
import { Violation } from "../invariants/ghost.ts";
import type { Observer } from "../simulator/observer.ts";
import { runSeed, type SeedOptions } from "../simulator/run_seed.ts";

/** The command, with what it said. */
async function said(
  args: readonly string[],
  run: typeof runSeed = runSeed,
): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  const seams: SimulateSeams = { run, print: (text) => lines.push(...text.split("\n")) };
  return { code: await simulate([...args], seams), lines };
}

/** Seeds whose first leader after two seconds breaks a promise, by our word. */
function brokenFrom(seed: number): typeof runSeed {
  return (number: number, options: SeedOptions = {}) => {
    if (number < seed) return runSeed(number, options);
    const observer: Observer = options.observer ?? {};
    const watch = observer.onStep?.bind(observer);
    observer.onStep = (at, id, view, effects) => {
      watch?.(at, id, view, effects);
      if (at > 1500 && view.role === "leader") {
        throw new Violation(`made by hand:\n${id} leads T${view.currentTerm}`);
      }
    };
    return runSeed(number, { ...options, observer });
  };
}

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "raftline-simulate-"));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const REFUSED: readonly (readonly [args: string, reason: RegExp])[] = [
  ["", /one of --seed, --seeds and --speed is needed, none is given/],
  ["--seed 1 --seeds 2", /is needed, --seed and --seeds are given/],
  ["--seed 1 --speed", /--seed and --speed are given/],
  ["--seed", /--seed lacks its value/],
  ["--seed x", /--seed is x, it must be a whole number from 0 to/],
  ["--seed -1", /--seed is -1|--seed lacks its value|unknown option -1/],
  ["--seed 1.5", /--seed is 1\.5/],
  ["--seed 1 --seed 2", /--seed is given 2 times/],
  ["--seeds 0", /--seeds is 0, it must be a whole number from 1 to/],
  ["--seeds 3 --processes 0", /--processes is 0/],
  ["--seed 1 --first 3", /--first does not go with --seed;/],
  ["--seed 1 --processes 2", /--processes does not go with --seed;/],
  ["--seeds 2 --history h.jsonl", /--history does not go with --seeds;/],
  ["--speed --report r.html", /--report does not go with --speed;/],
  ["--seed 1 --faulty-seconds 0", /--faulty-seconds is 0/],
  ["--seed 1 --decay no", /--decay is no, it must be drawn, always, never or everywhere/],
  ["--speed --decay always", /--decay does not go with --speed;/],
  ["--seed 1 --repot r.html", /unknown option --repot for simulate, did you mean --report\?/],
  ["--seed 1 more", /simulate takes no word more/],
];

for (const [args, reason] of REFUSED) {
  Deno.test(`simulate ${args} is refused`, async () => {
    const words = args === "" ? [] : args.split(" ");
    const error = await assertRejects(() => said(words), Refusal, undefined);
    assertMatch(error.message, reason);
    assert(!error.message.includes("\n"));
    assertEquals(error.exitCode, ExitCode.usage);
  });
}

Deno.test("one seed: what it drew first, then the verdict; the same again", async () => {
  const runs = [
    await said(["--seed", "3", "--faulty-seconds", "2"]),
    await said(["--seed", "3", "--faulty-seconds", "2"]),
  ];
  for (const { code, lines } of runs) {
    assertEquals(code, 0);
    assertMatch(lines[0] ?? "", /^servers +[35]$/);
    assertMatch(lines.at(-1) ?? "", /^seed 3: everything held for .* trace [0-9a-f]{16}; took /);
  }
  const withoutTime = runs.map(({ lines }) => lines.map((line) => line.replace(/; took .*/, "")));
  assertEquals(withoutTime[0], withoutTime[1]);
});

Deno.test("one seed that breaks a promise: one line, the command to run it again, exit code 1, and a picture", async () => {
  await inDirectory(async (directory) => {
    const [page, history] = [join(directory, "why.html"), join(directory, "h.jsonl")];
    const args = ["--seed", "3", "--faulty-seconds", "3", "--report", page, "--history", history];
    const { code, lines } = await said(args, brokenFrom(0));
    assertEquals(code, 1);
    const verdict = lines.filter((line) => line.startsWith("seed 3: "));
    assertEquals(verdict.length, 1);
    assertMatch(
      verdict[0] ?? "",
      /^seed 3: a promise is broken at \d+\.\d{3} ms: .*made by hand: n\d leads T\d+.*; again: .* simulate --seed 3 --faulty-seconds 3$/,
    );
    assertEquals(lines.at(-1), `the picture is in ${page}`);
    const html = await readFile(page, "utf8");
    assertMatch(html, /<h1>.*violation.*Seed 3: made by hand:/);
    assertStringIncludes(await readFile(history, "utf8"), '"op":');
  });
});

Deno.test("a range ends at the first seed that does not hold, unless told to go on; the matrix is printed all the same", async () => {
  await inDirectory(async (directory) => {
    const page = join(directory, "first.html");
    const range = ["--seeds", "4", "--first", "10", "--faulty-seconds", "2", "--quiet", "--report", page];
    const stopped = await said(range, brokenFrom(12));
    assertEquals(stopped.code, 1);
    assertEquals(stopped.lines.filter((line) => line.includes("; again: ")).length, 1);
    assertMatch(stopped.lines.at(-1) ?? "", /^3 seeds from 10 on, 1 did not hold: .* simulated hours/);
    assert(stopped.lines.some((line) => /^ +1 crash +D1 D2/.test(line)));
    assertMatch(await readFile(page, "utf8"), /Seed 12: made by hand:/);
    const gone = await said([...range, "--keep-going"], brokenFrom(12));
    assertEquals(gone.code, 1);
    assertEquals(gone.lines.filter((line) => line.includes("; again: ")).length, 2);
    assertMatch(gone.lines.at(-1) ?? "", /^4 seeds from 10 on, 2 did not hold/);
  });
});

Deno.test("a report that cannot be written", async () => {
  const args = ["--seed", "3", "--faulty-seconds", "1", "--report", "/nowhere/r.html"];
  const error = await assertRejects(() => said(args), Refusal, "/nowhere/r.html cannot be written: ENOENT");
  assertEquals(error.exitCode, ExitCode.diskIo);
});
