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

/** What no command caught; `serve` has a listener of its own, which stops the server in order. */
function last(event: "uncaughtException" | "unhandledRejection"): void {
  process.on(event, (error) => {
    if (process.listenerCount(event) === 1) process.exit(report(error));
  });
}

last("uncaughtException");
last("unhandledRejection");
runCommand(process.argv.slice(2)).catch(report).then((code) => process.exit(code));
