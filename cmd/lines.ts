/**
 * Lines of a byte stream, as bytes: nothing is decoded, so nothing is changed, and only a line feed ends a line.
 *
 * @module
 */
import { joined } from "../internal/base/bytes.ts";

const LF = 10;
const CR = 13;

/** The lines, without their ends; the last one may lack its end. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let at = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, at)) {
      yield lineOf([...parts, chunk.subarray(at, end)]);
      parts = [];
      at = end + 1;
    }
    if (at < chunk.length) parts.push(chunk.subarray(at));
  }
  if (parts.length > 0) yield lineOf(parts);
}

function lineOf(parts: readonly Uint8Array[]): Uint8Array {
  const line = joined(parts);
  return line[line.length - 1] === CR ? line.subarray(0, line.length - 1) : line;
}

/** Whether a line is one that a server passes over without an answer, as it does with an empty one. */
export function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 32 || (byte >= 9 && byte <= 13) || byte === 0);
}
