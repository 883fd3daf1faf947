/**
 * Reads a history from a file or from standard input, a line at a time.
 *
 * Keeps true: a line that is not an operation ends the reading with its number; a file without operations is refused, since nothing was
 * checked; so is a last line that was cut short, as it is not JSON.
 *
 * @module
 */
import { createReadStream } from "node:fs";
import process from "node:process";
import { describeError, ExitCode, Refusal } from "../internal/base/errors.ts";
import { parseOperation } from "../tests/linearizability/history_lines.ts";
import { HistoryError, type Operation } from "../tests/linearizability/operation.ts";

/** A line longer than this is no operation; values have at most 8 MiB, and hex doubles them. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;
const NEWLINE = 10;

export interface HistoryFile {
  /** What it is called in messages. */
  readonly name: string;
  readonly operations: readonly Operation[];
  /** The line of each operation, from 1. */
  readonly lines: readonly number[];
}

/** `-` stands for standard input. @throws {Refusal} with exit code 65 or 74 */
export async function readHistory(path: string): Promise<HistoryFile> {
  const name = path === "-" ? "standard input" : path;
  const operations: Operation[] = [];
  const lines: number[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let number = 0;
  for await (const bytes of linesOf(path, name)) {
    number++;
    try {
      const line = textOf(bytes, decoder);
      // Blank lines separate nothing, and many editors leave one at the end.
      if (line.trim() === "") continue;
      operations.push(parseOperation(line));
      lines.push(number);
    } catch (cause) {
      if (!(cause instanceof HistoryError)) throw cause;
      throw new Refusal(ExitCode.damagedData, `${name}, line ${number}: ${cause.message}`);
    }
  }
  if (operations.length === 0) {
    throw new Refusal(ExitCode.damagedData, `${name} holds no operation, so there is nothing to check`);
  }
  return { name, operations, lines };
}

function textOf(bytes: Uint8Array, decoder: TextDecoder): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new HistoryError('it is not UTF-8; bytes are written {"hex":"00ff"}', { cause });
  }
}

/** The lines, without their ends. */
async function* linesOf(path: string, name: string): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  let number = 1;
  for await (const chunk of chunksOf(path, name)) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      yield joined(rest, chunk.subarray(from, end));
      rest = new Uint8Array(0);
      from = end + 1;
      number++;
    }
    rest = joined(rest, chunk.subarray(from));
    if (rest.length > LINE_BYTES_MAX) {
      throw new Refusal(
        ExitCode.damagedData,
        `${name}, line ${number}: it is longer than ${LINE_BYTES_MAX} bytes`,
      );
    }
  }
  if (rest.length > 0) yield rest;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

async function* chunksOf(path: string, name: string): AsyncGenerator<Uint8Array> {
  const stream = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: 1024 * 1024 });
  try {
    for await (const chunk of stream) {
      if (!(chunk instanceof Uint8Array)) throw new Error("a stream without an encoding gives bytes");
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal(ExitCode.diskIo, `cannot read ${name}: ${describeError(cause)}`, { cause });
  }
}
