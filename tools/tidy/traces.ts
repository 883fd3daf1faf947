/**
 * Rule `traces`: the project does not tell on which machine it was written.
 *
 * Keeps true: no text file holds a path into somebody's home or work directory, nor the address of a package registry;
 * deno.lock holds no address at all.
 *
 * @module
 */
import type { Finding, TextFile } from "./source.ts";

const PATH = /(?<![\w.~$})-])\/(?:work|home|root|Users)\/|\b[A-Z]:\\Users\\/u;
const REGISTRY =
  /https?:\/\/[^\s/"'`<>()]*(?:npmjs|npmmirror|registry|yarnpkg|jsr\.io|deno\.land|esm\.sh|unpkg|jsdelivr|artifactory|nexus|verdaccio|pypi|crates\.io)/iu;
const ADDRESS = /https?:\/\/[^\s"]*/u;

export function checkTraces({ path, text }: TextFile): readonly Finding[] {
  const patterns: readonly (readonly [pattern: RegExp, what: string])[] = path === "deno.lock"
    ? [[ADDRESS, "an address in the lock file"]]
    : [[PATH, "a path of one machine"], [REGISTRY, "the address of a registry"]];
  return text.split("\n").flatMap((line, i) =>
    patterns.flatMap(([pattern, what]) => {
      const found = pattern.exec(line)?.[0];
      return found === undefined ? [] : [{ path, line: i + 1, rule: "traces", what: `${what}: ${found}` }];
    })
  );
}
