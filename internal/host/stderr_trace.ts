/**
 * The operator's log: one line per event on standard error.
 *
 * Keeps true: an event is one line, whatever its fields hold (no log injection); a reader that is slow or gone neither blocks nor ends
 * the server (P9): what cannot be written is dropped and counted, and the count is said when writing works again.
 *
 * @module
 */
import process from "node:process";
import type { Trace, TraceLevel, TraceValue } from "../platform/trace.ts";

const ORDER: readonly TraceLevel[] = ["debug", "info", "warn", "error"];
const VALUE_CHARS_MAX = 400;
/** Bytes that may wait for a slow reader. */
const WAITING_BYTES_MAX = 256 * 1024;

export class StderrTrace implements Trace {
  readonly #threshold: number;
  #dropped = 0;

  constructor(threshold: TraceLevel) {
    this.#threshold = ORDER.indexOf(threshold);
    // A closed standard error must not end the server.
    process.stderr.on("error", () => this.#dropped++);
  }

  event(level: TraceLevel, event: string, fields: Readonly<Record<string, TraceValue>> = {}): void {
    if (ORDER.indexOf(level) < this.#threshold) return;
    if (process.stderr.writableLength > WAITING_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    const words = Object.entries(fields).map(([name, value]) => ` ${name}=${quote(value)}`).join("");
    const dropped = this.#dropped > 0 ? ` dropped=${this.#dropped}` : "";
    this.#dropped = 0;
    process.stderr.write(`${new Date().toISOString()} ${level} ${event}${words}${dropped}\n`);
  }
}

function quote(value: TraceValue): string {
  if (typeof value !== "string") return String(value);
  const text = value.length > VALUE_CHARS_MAX ? `${value.slice(0, VALUE_CHARS_MAX)}...` : value;
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
}
