/**
 * raftline: from the argument vector to a command, nothing else.
 *
 * @module
 */
import process from "node:process";
import { describeError, ExitCode, Refusal } from "./internal/base/errors.ts";
import { runCommand } from "./cmd/commands.ts";

/** Whatever goes wrong is one line and an exit code; `RAFTLINE_DEBUG=1` shows where it came from. */
function report(error: unknown): number {
  if (process.env["RAFTLINE_DEBUG"] === "1") console.error(error);
  console.error(`raftline: ${describeError(error)}`);
  return error instanceof Refusal ? error.exitCode : ExitCode.brokenInvariant;
}

runCommand(process.argv.slice(2)).catch(report).then((code) => process.exit(code));
