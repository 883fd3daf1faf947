/**
 * All rules over all files.
 *
 * Keeps true: every rule sees every file that it is about; the findings come in the order of path and line.
 *
 * @module
 */
import { checkHabits } from "./habits.ts";
import { checkHeaders } from "./headers.ts";
import { checkLayers } from "./layers.ts";
import { checkUnusedExports, checkUnusedFiles, type ImportMap } from "./reach.ts";
import { type Finding, type Source, sourceOf, type TextFile } from "./source.ts";
import { checkTraces } from "./traces.ts";
import { checkWords } from "./words.ts";

export interface Verdict {
  readonly findings: readonly Finding[];
  /** How much was looked at. */
  readonly files: number;
  readonly sources: number;
  readonly imports: number;
  readonly exports: number;
}

/** The relevant part of deno.json's text. */
function importMapOf(text: string | undefined): ImportMap {
  const manifest: unknown = JSON.parse(text ?? "{}");
  if (typeof manifest !== "object" || manifest === null || !("imports" in manifest)) return {};
  const { imports } = manifest;
  if (typeof imports !== "object" || imports === null) return {};
  return Object.fromEntries(Object.entries(imports).filter(([, value]) => typeof value === "string"));
}

function checkSource(source: Source): readonly Finding[] {
  return [
    ...checkLayers(source.path, source.imports),
    ...checkWords(source),
    ...checkHeaders(source),
    ...checkHabits(source),
  ];
}

function byPlace(a: Finding, b: Finding): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.line - b.line;
}

/** What the house has to say about these files. */
export function judge(files: readonly TextFile[]): Verdict {
  const sources = files.filter(({ path }) => path.endsWith(".ts")).map(({ path, text }) =>
    sourceOf(path, text)
  );
  const map = importMapOf(files.find(({ path }) => path === "deno.json")?.text);
  const findings = [
    ...sources.flatMap(checkSource),
    ...checkUnusedFiles(sources, map),
    ...checkUnusedExports(sources, map),
    ...files.flatMap(checkTraces),
  ];
  const count = (of: (source: Source) => number) => sources.reduce((sum, source) => sum + of(source), 0);
  return {
    findings: findings.sort(byPlace),
    files: files.length,
    sources: sources.length,
    imports: count(({ imports }) => imports.length),
    exports: count(({ exports }) => exports.length),
  };
}

/** One line, as editors and people find their way by it. */
export function lineOf({ path, line, rule, what }: Finding): string {
  return `${path}:${line}: ${rule}: ${what}`;
}
