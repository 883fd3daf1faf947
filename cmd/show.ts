/**
 * Answers, as people and as programs want them.
 *
 * @module
 */
import type { Answer } from "./resp_client.ts";

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);
const LF = 10;

/** As redis-cli shows it at a terminal: with quotes and types. */
export function showToPeople(answer: Answer, indent = ""): string {
  switch (answer.type) {
    case "simple":
      return answer.text;
    case "error":
      return `(error) ${answer.text}`;
    case "integer":
      return `(integer) ${answer.text}`;
    case "null":
      return "(nil)";
    case "bulk": {
      const text = new TextDecoder().decode(answer.bytes);
      // Texts of several lines, such as INFO's, are for reading.
      return text.includes("\r\n") ? text : quote(answer.bytes);
    }
    case "array": {
      if (answer.items.length === 0) return "(empty array)";
      const width = String(answer.items.length).length;
      return answer.items.map((item, i) => {
        const label = `${String(i + 1).padStart(width)}) `;
        return (i === 0 ? "" : indent) + label + showToPeople(item, indent + " ".repeat(label.length));
      }).join("\n");
    }
  }
}

/** As it is, byte for byte, and a line feed; the items of an array are lines. */
export function showToPrograms(answer: Answer): Uint8Array {
  const parts: Uint8Array[] = [];
  gather(answer, parts);
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length + 1, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
    joined[at++] = LF;
  }
  return joined;
}

function gather(answer: Answer, lines: Uint8Array[]): void {
  if (answer.type === "bulk") lines.push(answer.bytes);
  else if (answer.type !== "array") lines.push(encoder.encode(answer.type === "null" ? "" : answer.text));
  else if (answer.items.length === 0) lines.push(NOTHING);
  else for (const item of answer.items) gather(item, lines);
}

function quote(bytes: Uint8Array): string {
  const named: Readonly<Record<number, string>> = {
    10: "\\n",
    13: "\\r",
    9: "\\t",
    7: "\\a",
    8: "\\b",
    34: '\\"',
    92: "\\\\",
  };
  let text = "";
  for (const byte of bytes) {
    text += named[byte] ??
      (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`);
  }
  return `"${text}"`;
}
