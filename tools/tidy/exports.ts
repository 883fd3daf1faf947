/**
 * The names that a file hands out.
 *
 * Keeps true: every `export` of a name gives that name; one that is written in a way that this file does not read
 * (`export const { a } = …`) gives `null` and so a finding, not silence. Of `export const a = 1, b = 2` only the first
 * name is seen, and `export * from` hands out nothing of its own.
 *
 * @module
 */
import type { Token } from "./tokens.ts";

export interface Export {
  readonly name: string | null;
  readonly line: number;
  /** An interface or a type: it may be part of the signature of something else that is handed out. */
  readonly isType?: true;
}

const PREFIXES = new Set(["declare", "abstract", "async"]);
const DECLARATIONS = new Set(
  ["const", "let", "var", "function", "class", "interface", "type", "enum", "namespace"],
);

/** The names between braces, each the last word of its part: `a`, `type a`, `a as b`. */
function listedAt(code: readonly Token[], start: number): Export[] {
  const found: Export[] = [];
  for (let at = start; at < code.length; at++) {
    const token = code[at];
    if (token === undefined || token.text === "}") break;
    const after = code[at + 1]?.text;
    if (token.kind === "word" && (after === "," || after === "}")) {
      found.push({ name: token.text, line: token.line });
    }
  }
  return found;
}

function exportsAt(code: readonly Token[], start: number, line: number): readonly Export[] {
  let at = start;
  while (PREFIXES.has(code[at]?.text ?? "")) at++;
  const first = code[at]?.text;
  const list = first === "type" ? code[at + 1]?.text : first;
  if (list === "{") return listedAt(code, first === "type" ? at + 2 : at + 1);
  if (list === "*") {
    const as = first === "type" ? at + 2 : at + 1;
    return code[as]?.text === "as" ? [{ name: code[as + 1]?.text ?? null, line }] : [];
  }
  if (first === "default") return [{ name: "default", line }];
  if (first === undefined || !DECLARATIONS.has(first)) return [{ name: null, line }];
  at++;
  while (first === "const" && code[at]?.text === "enum" || first === "function" && code[at]?.text === "*") {
    at++;
  }
  const name = code[at];
  const isType = first === "interface" || first === "type";
  return [{ name: name?.kind === "word" ? name.text : null, line, ...(isType ? { isType } : {}) }];
}

/** The exports of a file, from its tokens without comments. */
export function exportsOf(code: readonly Token[]): readonly Export[] {
  return code.flatMap((token, at) => {
    const before = code[at - 1]?.text;
    const after = code[at + 1]?.text;
    const isStatement = token.kind === "word" && token.text === "export" && before !== "." && after !== ":";
    return isStatement ? exportsAt(code, at + 1, token.line) : [];
  });
}
