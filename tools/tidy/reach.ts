/**
 * Rules `unused-files` and `unused-exports`: what nobody uses is not there.
 *
 * Keeps true: every file that is shipped can be reached by imports from main.ts, except what deps/ holds for the tests,
 * which is named below, must have its user in tests/ and may not be reached from main.ts; every name that
 * a shipped file exports is imported by another file, a test or a tool if need be; a type may instead stand in a signature
 * of its own file, since whoever calls that must be able to say what it takes and gives.
 *
 * @module
 */
import { posix } from "node:path";
import type { Import } from "./imports.ts";
import type { Finding, Source } from "./source.ts";

/** The import map of deno.json: a name, or the beginning of one, to what it stands for. */
export type ImportMap = Readonly<Record<string, string>>;

const SHIPPED = /^(?:internal|cmd|deps)\//u;
const HANDS_OUT = /^(?:internal|cmd)\//u;
const FOR_TESTS = new Set(["deps/std_assert.ts"]);

/** The file of the project that an import leads to, `null` if it leads out of it. */
function targetOf(path: string, { specifier }: Import, map: ImportMap): string | null {
  if (specifier === null) return null;
  if (specifier.startsWith(".")) return posix.join(posix.dirname(path), specifier);
  const mapped = map[specifier];
  return mapped?.startsWith(".") ? posix.normalize(mapped) : null;
}

/** All files that can be reached from those, themselves included. */
function reachableFrom(roots: readonly string[], sources: readonly Source[], map: ImportMap): Set<string> {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const waiting = [...roots];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const source = byPath.get(path);
    if (source === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const one of source.imports) {
      const target = targetOf(path, one, map);
      if (target !== null) waiting.push(target);
    }
  }
  return reached;
}

export function checkUnusedFiles(sources: readonly Source[], map: ImportMap): readonly Finding[] {
  const finding = (path: string, what: string) => ({ path, line: 1, rule: "unused-files", what });
  const paths = sources.map(({ path }) => path);
  const shipped = reachableFrom(["main.ts"], sources, map);
  const tested = reachableFrom(paths.filter((path) => path.startsWith("tests/")), sources, map);
  return paths.filter((path) => SHIPPED.test(path)).flatMap((path) => {
    if (!FOR_TESTS.has(path)) {
      return shipped.has(path) ? [] : [finding(path, "main.ts does not reach this file")];
    }
    if (shipped.has(path)) return [finding(path, "this file is for tests only, and main.ts reaches it")];
    return tested.has(path) ? [] : [finding(path, "no test reaches this file")];
  });
}

export function checkUnusedExports(sources: readonly Source[], map: ImportMap): readonly Finding[] {
  const used = new Map<string, Set<string>>();
  for (const { path, imports } of sources) {
    for (const one of imports) {
      const target = targetOf(path, one, map);
      if (target === null || target === path) continue;
      const names = used.get(target) ?? new Set();
      used.set(target, names);
      for (const name of one.names) names.add(name);
    }
  }
  return sources.filter(({ path }) => HANDS_OUT.test(path)).flatMap(({ path, code, exports }) => {
    const names = used.get(path);
    const timesSaid = (name: string) =>
      code.filter(({ kind, text }) => kind === "word" && text === name).length;
    return exports.flatMap(({ name, line, isType }) => {
      const finding = (what: string) => [{ path, line, rule: "unused-exports", what }];
      if (name === null) return finding("the rule cannot read this export: export one name at a time");
      const isUsed = names?.has(name) || names?.has("*") || isType && timesSaid(name) > 1;
      return isUsed ? [] : finding(`no other file imports ${name}`);
    });
  });
}
