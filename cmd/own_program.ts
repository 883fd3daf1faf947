/**
 * How this very program was started, to start it again.
 *
 * @module
 */
import process from "node:process";

export interface OwnProgram {
  readonly command: string;
  /** What stands in front of the name of a command. */
  readonly before: readonly string[];
}

export function ownProgram(): OwnProgram {
  const [, script] = process.argv;
  if (process.versions["deno"] !== undefined) {
    return { command: process.execPath, before: ["run", "-A", "--no-check", script ?? "main.ts"] };
  }
  // A compiled binary has no script on any disk; its second word is a name inside itself.
  const compiled = script === undefined || script.startsWith("/$bunfs/") || script.startsWith("B:\\~BUN\\");
  return { command: process.execPath, before: compiled ? [] : [script] };
}
