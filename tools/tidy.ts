/**
 * `deno run -A --no-check tools/tidy.ts [DIRECTORY]`: the house's own checks, for what no compiler and no linter knows.
 *
 * Keeps true: it reads and never writes; one line per finding and exit code 1, or one line of counts and 0.
 *
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { judge, lineOf } from "./tidy/rules.ts";
import { readTree } from "./tidy/tree.ts";

function main(root: string): number {
  const { findings, files, sources, imports, exports } = judge(readTree(root));
  for (const finding of findings) console.log(lineOf(finding));
  if (findings.length > 0) return 1;
  console.log(
    `tidy: ${files} files, ${sources} sources, ${imports} imports, ${exports} exports: nothing to say`,
  );
  return 0;
}

process.exitCode = main(process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url)));
