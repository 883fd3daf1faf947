/**
 * The import lines of a file: what it asks of whom.
 *
 * Keeps true: every `import`, `export … from` and `import(…)` gives one entry; an import is type-only if the statement
 * says so (`import type`, `export type`), not if each of its names does; a specifier that is computed is `null`, so that
 * nobody takes it for harmless.
 *
 * @module
 */
import { type Token, unquoted } from "./tokens.ts";

export interface Import {
  /** As written; `null` if it is computed. */
  readonly specifier: string | null;
  readonly line: number;
  readonly typeOnly: boolean;
  /** The names in the other file; `*` stands for all of them, `default` for the default export. */
  readonly names: readonly string[];
}

/** Reads one statement from the tokens after `import` or `export`; `null` if it names no other file. */
function clauseAt(code: readonly Token[], start: number, line: number): Import | null {
  const names: string[] = [];
  let at = start;
  const second = code[at + 1];
  const typeOnly = code[at]?.text === "type" && second !== undefined && second.text !== "," &&
    !(second.text === "from" && code[at + 2]?.kind === "string");
  if (typeOnly) at++;
  for (let inBraces = false;; at++) {
    const token = code[at];
    if (token === undefined) return null;
    if (token.kind === "string") {
      // In front of it stands `from`, or nothing: then the file is imported for what it does.
      return { specifier: unquoted(token), line, typeOnly, names };
    }
    if (token.text === "{" || token.text === "}") inBraces = token.text === "{";
    else if (token.text === "*") names.push("*");
    else if (token.kind === "word") {
      const before = code[at - 1]?.text;
      const after = code[at + 1];
      if (token.text === "from" && after?.kind === "string") continue;
      if (token.text === "as" || before === "as") continue;
      if (inBraces && token.text === "type" && after?.kind === "word") continue;
      names.push(inBraces ? token.text : "default");
    } else if (token.text !== ",") return null;
  }
}

/** Reads `import(…)` from the token after the parenthesis. */
function dynamicAt(code: readonly Token[], at: number, line: number): Import {
  const argument = code[at];
  const end = code[at + 1]?.text;
  const literal = argument !== undefined && (argument.kind === "string" || argument.text.endsWith("`")) &&
    (end === ")" || end === ",");
  return { specifier: literal ? unquoted(argument) : null, line, typeOnly: false, names: ["*"] };
}

function isStatement(code: readonly Token[], at: number): boolean {
  return code[at]?.kind === "word" && code[at - 1]?.text !== "." && code[at + 1]?.text !== ":";
}

/** The imports of a file, from its tokens without comments. */
export function importsOf(code: readonly Token[]): readonly Import[] {
  const imports: Import[] = [];
  for (const [at, token] of code.entries()) {
    if (!isStatement(code, at)) continue;
    const next = code[at + 1];
    let found: Import | null = null;
    if (token.text === "import") {
      if (next?.text === "(") found = dynamicAt(code, at + 2, token.line);
      else if (next?.text !== ".") found = clauseAt(code, at + 1, token.line);
    } else if (token.text === "export") {
      const first = next?.text === "type" ? code[at + 2] : next;
      if (first?.text === "*" || first?.text === "{") found = clauseAt(code, at + 1, token.line);
      // `export { a };` has no `from`: what follows it is the next statement's.
      if (found !== null && !hasFrom(code, at)) found = null;
    }
    if (found !== null) imports.push(found);
  }
  return imports;
}

/** Whether the export list that begins here takes its names from another file. */
function hasFrom(code: readonly Token[], start: number): boolean {
  for (let at = start + 1; at < code.length; at++) {
    const text = code[at]?.text;
    if (text === "from" && code[at + 1]?.kind === "string") return true;
    if (text === ";" || text === "import" || text === "export") return false;
  }
  return false;
}
