/**
 * Rule `words`: the deterministic rooms ask the runtime for nothing, neither time nor chance nor a promise.
 *
 * Keeps true: in those rooms none of the words below is in the code, as whatever: a property or a local of such a name is
 * refused too, since who reads it must not have to wonder. Comments and strings may say what they like. Tests that lie in such a room
 * are exempt, as is one file by name: the checksum's WebAssembly is compiled once, before anything else runs.
 *
 * @module
 */
import type { Finding, Source } from "./source.ts";

const ROOMS = /^(?:internal\/(?:raft|machine|node|codec|peers|clients)|tests\/linearizability)\//u;

const WORDS = new Set([
  ...["Date", "performance", "setTimeout", "setInterval", "setImmediate", "queueMicrotask"],
  ...["async", "await", "Promise", "fetch", "Deno", "Bun", "process", "globalThis"],
]);

const EXEMPT = new Set(["internal/codec/crc32c.ts"]);

export function checkWords({ path, code, imports }: Source): readonly Finding[] {
  if (!ROOMS.test(path) || EXEMPT.has(path) || path.endsWith("_test.ts")) return [];
  const words = code.flatMap(({ kind, text, line }, at) => {
    const isRandom = text === "Math" && code[at + 1]?.text === "." && code[at + 2]?.text === "random";
    if (kind !== "word" || !isRandom && !WORDS.has(text)) return [];
    return [{ path, line, rule: "words", what: `${isRandom ? "Math.random" : text} is banned here` }];
  });
  const modules = imports.filter(({ specifier }) => specifier?.startsWith("node:")).map(
    ({ line, specifier }) => ({ path, line, rule: "words", what: `${specifier} is banned here` }),
  );
  return [...words, ...modules];
}
