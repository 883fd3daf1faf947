/**
 * Standard output for commands that write much of it.
 *
 * Keeps true: a slow reader slows the writer down, so memory stays bounded; a reader that had enough ends the command as a success; what
 * cannot be written ends it with one line.
 *
 * @module
 */
import process from "node:process";
import { describeError, ExitCode } from "../internal/base/errors.ts";

/** Lines are gathered up to here. */
const GATHERED_CHARS = 64 * 1024;

let isListening = false;

/** From now on the process ends where its output cannot be written, whoever writes. */
export function endWhereUnwritten(): void {
  if (!isListening) process.stdout.on("error", unwritten);
  isListening = true;
}

/** Returns when the reader took it, or the system did in its place. */
export function writeOut(bytes: Uint8Array | string): Promise<void> {
  endWhereUnwritten();
  return new Promise((resolve) => {
    try {
      process.stdout.write(bytes, (error) => error ? unwritten(error) : resolve());
    } catch (error) {
      unwritten(error);
    }
  });
}

/** Ends the process: what cannot be shown is of no use. */
function unwritten(error: unknown): never {
  const code = error instanceof Error && "code" in error ? error.code : "";
  if (code === "EPIPE") process.exit(0);
  console.error(`raftline: cannot write to standard output: ${describeError(error)}`);
  process.exit(ExitCode.diskIo);
}

/** Lines for standard output, many at a time. */
export class LineWriter {
  #text = "";

  async line(text: string): Promise<void> {
    this.#text += `${text}\n`;
    if (this.#text.length >= GATHERED_CHARS) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text !== "") await writeOut(text);
  }
}
