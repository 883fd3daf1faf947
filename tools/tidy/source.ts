/**
 * What the rules look at, and what they say.
 *
 * Keeps true: a rule is a function of these values alone; a file is read into tokens once, and paths are relative to the
 * root of the project, with slashes.
 *
 * @module
 */
import { type Export, exportsOf } from "./exports.ts";
import { type Import, importsOf } from "./imports.ts";
import { type Token, tokensOf } from "./tokens.ts";

/** Any text file of the project. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** A TypeScript file, read. */
export interface Source extends TextFile {
  readonly comments: readonly Token[];
  /** The tokens without comments. */
  readonly code: readonly Token[];
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** The comment that the file begins with, empty if it begins with something else. */
  readonly header: string;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly what: string;
}

export function sourceOf(path: string, text: string): Source {
  const tokens = tokensOf(text);
  const code = tokens.filter(({ kind }) => kind !== "comment");
  const first = tokens[0];
  return {
    path,
    text,
    comments: tokens.filter(({ kind }) => kind === "comment"),
    code,
    imports: importsOf(code),
    exports: exportsOf(code),
    header: first?.kind === "comment" ? first.text : "",
  };
}
