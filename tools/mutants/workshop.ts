/**
 * A copy of the sources in which mutants are put to work and tests are run on them.
 *
 * Keeps true: the project's own files are read and never written; one mutant is in the copy at a time, and is out of it before
 * the next one comes; a test that fails because the changed code is no program at all has shown nothing, and does not count.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Killer, type Mutant, mutated } from "./mutant.ts";

const COPIED = ["internal", "tests", "cmd", "tools", "deps", "main.ts", "deno.json", "deno.lock"];
/** A mutant may make a test run for ever. */
const TEST_MS_MAX = 120_000;
/** What no bug that compiles says. */
const NO_PROGRAM = /\b(?:SyntaxError|ReferenceError)\b|does not provide an export/u;

export type Verdict =
  | { readonly kind: "killed"; readonly ms: number; readonly by: string }
  /** The tests that ran passed; none may have run. */
  | { readonly kind: "survived"; readonly ran: number }
  /** The run failed for another reason than a test of that name. */
  | { readonly kind: "unclear"; readonly output: string };

/** A test that failed, by its file and its whole name. */
export interface Failure {
  readonly file: string;
  readonly test: string;
  readonly message: string;
}

export class Workshop {
  readonly #directory: string;

  constructor(root: string) {
    this.#directory = mkdtempSync(join(tmpdir(), "raftline-mutants-"));
    for (const name of COPIED) cpSync(join(root, name), join(this.#directory, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.#directory, "node_modules"));
  }

  /** Puts the mutant into the copy while `run` runs. */
  with<T>(mutant: Mutant, run: () => T): T {
    const path = join(this.#directory, mutant.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, mutated(text, mutant));
    try {
      return run();
    } finally {
      writeFileSync(path, text);
    }
  }

  /** Runs the tests whose names begin so. */
  run({ file, test }: Killer): Verdict {
    const startedAt = performance.now();
    const { output, isOver } = this.#test([file, "--filter", test, "--fail-fast"]);
    const ms = performance.now() - startedAt;
    const failure = failuresIn(output).find((one) => one.test.startsWith(test));
    if (failure !== undefined && !NO_PROGRAM.test(failure.message)) {
      return { kind: "killed", ms, by: failure.test };
    }
    const ran = namesIn(output, "ok").length;
    if (isOver && ran > 0 && namesIn(output, "not ok").length === 0) return { kind: "survived", ran };
    return { kind: "unclear", output: isOver ? output : `${output}\nit does not come to an end` };
  }

  /** Which of these tests do not pass on the sources as they are; or are not there. A killer that fails anyway kills nothing. */
  unsound(killers: readonly Killer[]): readonly Killer[] {
    const files = Map.groupBy(killers, ({ file }) => file);
    return [...files].flatMap(([file, tests]) => {
      const names = tests.map(({ test }) => RegExp.escape(test)).join("|");
      const { output } = this.#test([file, "--filter", `/^(?:${names})/`]);
      return tests.filter(({ test }) =>
        !namesIn(output, "ok").some((name) => name.startsWith(test)) ||
        namesIn(output, "not ok").some((name) => name.startsWith(test))
      );
    });
  }

  /** Every test of these directories that fails. */
  hunt(directories: readonly string[]): readonly Failure[] {
    return directories.flatMap((directory) => failuresIn(this.#test([directory]).output));
  }

  close(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #test(words: readonly string[]): { readonly output: string; readonly isOver: boolean } {
    const command = ["test", "-A", "--no-check", "--cached-only", "--reporter=tap", ...words];
    const { stdout, stderr, error } = spawnSync(process.execPath, command, {
      cwd: this.#directory,
      env: { ...process.env, NO_COLOR: "1" },
      encoding: "utf8",
      maxBuffer: 256 * 1024 * 1024,
      timeout: TEST_MS_MAX,
    });
    return { output: `${stdout}\n${stderr}`, isOver: error === undefined };
  }
}

function namesIn(output: string, result: "ok" | "not ok"): readonly string[] {
  return [...output.matchAll(new RegExp(`^${result} \\d+ - (.*)$`, "gmu"))].map(([, name]) => name ?? "");
}

/** The failures in what `deno test --reporter=tap` printed. */
export function failuresIn(output: string): readonly Failure[] {
  const failures: Failure[] = [];
  const lines = output.split("\n");
  let file = "";
  for (const [i, line] of lines.entries()) {
    const begins = /^# (.*_test\.ts)$/u.exec(line)?.[1];
    if (begins !== undefined) file = begins.replace(/^\.\//u, "");
    const test = /^not ok \d+ - (.*)$/u.exec(line)?.[1];
    if (test !== undefined) failures.push({ file, test, message: lines[i + 2] ?? "" });
  }
  return failures;
}
