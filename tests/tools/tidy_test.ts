/**
 * Kind: unit (table-driven) and integration (the program on a made-up tree).
 *
 * Invariant: every rule catches what it is there for and lets pass what looks like it; what stands in comments and strings
 * is never taken for code, and code between `${` and `}` never for a string. The program writes nothing.
 *
 * Learnt: a quote in a regular expression turns the rest of a file into a string for whoever takes `/` for a division; and
 * `any` is a fine name for a function of a generator, so only a type is meant.
 */
import { assertEquals } from "@std/assert";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { exportsOf } from "../../tools/tidy/exports.ts";
import { checkHabits } from "../../tools/tidy/habits.ts";
import { checkHeaders } from "../../tools/tidy/headers.ts";
import { importsOf } from "../../tools/tidy/imports.ts";
import { checkLayers } from "../../tools/tidy/layers.ts";
import { checkUnusedExports, checkUnusedFiles, type ImportMap } from "../../tools/tidy/reach.ts";
import { judge } from "../../tools/tidy/rules.ts";
import { type Finding, type Source, sourceOf } from "../../tools/tidy/source.ts";
import { tokensOf } from "../../tools/tidy/tokens.ts";
import { checkTraces } from "../../tools/tidy/traces.ts";
import { ignoredBy, readTree } from "../../tools/tidy/tree.ts";
import { checkWords } from "../../tools/tidy/words.ts";

const whats = (findings: readonly Finding[]) => findings.map(({ what }) => what);

/** What a rule says about one file. */
type Case = readonly [name: string, path: string, text: string, expected: readonly string[]];

function table(rule: string, check: (source: Source) => readonly Finding[], cases: readonly Case[]): void {
  for (const [name, path, text, expected] of cases) {
    Deno.test(`tidy: ${rule}: ${name}`, () => {
      assertEquals(whats(check(sourceOf(path, text))), expected);
    });
  }
}

// The tokenizer.

const WORDS: readonly (readonly [name: string, text: string, words: string])[] = [
  ["code", "let a = b.c;", "let a b c"],
  ["a comment to the end of the line", "a // b\nc", "a c"],
  ["a comment over lines", "a /* b\n * c\n */ d", "a d"],
  ["a comment that never ends", "a /* b", "a"],
  ["strings", `a "b 'c" 'd "e' f`, "a f"],
  ["a quote behind a backslash", String.raw`a "b\" c" d '\\' e`, "a d e"],
  ["a string that never ends ends with its line", `a "b\nc`, "a c"],
  ["a comment's sign in a string", `a "// b" c "/* d" e`, "a c e"],
  ["a template", "a `b 'c\nd` e", "a e"],
  ["code in a template", "a `b ${c + `d ${e} f`} g` h", "a c e h"],
  ["braces in a template's code", "`a ${{ b: { c } }} d ${e}` f", "b c e f"],
  ["a dollar without a brace, and one behind a backslash", "`$a \\${b} ${c} $` d", "c d"],
  ["a template that never ends", "a `b ${c", "a c"],
  ["a regular expression", `a = /b"[/'c]\\/d/gu; e`, "a e"],
  ["a regular expression after a word that expects a value", `return /'/.test(a)`, "return test a"],
  ["a regular expression after the head of a statement", `if (a) /'/.test(b)`, "if a test b"],
  ["a regular expression in a template", "`${/'/.exec(a)}` b", "exec a b"],
  ["a division", `a / b / c "d"`, "a b c"],
  ["a division after a parenthesis, an index and a count", `(a) / b["c"] / d++ / e / '/' / f`, "a b d e f"],
  ["a division after a property with a keyword's name", `a.of / b / "c" / d`, "a of b d"],
  ["private and foreign names", "this.#ab + ü + $c", "this #ab ü $c"],
];

for (const [name, text, words] of WORDS) {
  Deno.test(`tidy: tokens: ${name}`, () => {
    const found = tokensOf(text).filter(({ kind }) => kind === "word").map((token) => token.text);
    assertEquals(found.join(" "), words);
  });
}

Deno.test("tidy: tokens: nothing of the text is lost, and lines are counted through everything", () => {
  const text = 'a /* b\n */ `c\n${d}\n` + e;\n// f\n/g"/u "h" 1_000n != i!';
  const tokens = tokensOf(text);
  assertEquals(
    tokens.map((token) => token.text).join("").replaceAll(/\s/gu, ""),
    text.replaceAll(/\s/gu, ""),
  );
  assertEquals(tokens.filter(({ kind }) => kind === "word").map((token) => `${token.text}${token.line}`), [
    ...["a1", "d3", "e4", "i6"],
  ]);
});

// Imports and exports.

const IMPORTS: readonly (readonly [text: string, expected: readonly string[]])[] = [
  [`import a from "x";`, ["x default"]],
  [`import { a, type B, c as d } from "x";`, ["x a B c"]],
  [`import {\n  a,\n  b,\n} from "x";`, ["x a b"]],
  [`import type { A } from "x";`, ["x type A"]],
  [`import type A from "x";`, ["x type default"]],
  [`import type from "x";`, ["x default"]],
  [`import { type, from } from "x";`, ["x type from"]],
  [`import a, * as b from "x";`, ["x default *"]],
  [`import "x";`, ["x "]],
  [`import a from "x" with { type: "json" };`, ["x default"]],
  [`export { a, b as c } from "x";`, ["x a b"]],
  [`export type { A } from "x";`, ["x type A"]],
  [`export * from "x"; export * as y from "z";`, ["x *", "z *"]],
  [`const a = await import("x"); import("y", {});`, ["x *", "y *"]],
  ["import(`x`); import(`x${1}`); import(name);", ["x *", "null *", "null *"]],
  [`import.meta.url; a.import("x"); ({ import: "y" });`, []],
  [`export { a };\nimport b from "x";`, ["x default"]],
  [`export const from = "x"; export type A = "y";`, []],
  [`// import a from "x";\nconst b = 'import c from "y"';`, []],
];

for (const [text, expected] of IMPORTS) {
  Deno.test(`tidy: imports: ${text}`, () => {
    const found = importsOf(sourceOf("a.ts", text).code).map(({ specifier, typeOnly, names }) =>
      `${specifier} ${typeOnly ? "type " : ""}${names.join(" ")}`
    );
    assertEquals(found, expected);
  });
}

const EXPORTS: readonly (readonly [text: string, expected: readonly (string | null)[]])[] = [
  ["export const a = 1; export let b; const c = 2;", ["a", "b"]],
  ["export function a() {} export async function b() {} export function* c() {}", ["a", "b", "c"]],
  ["export class A {} export abstract class B {}", ["A", "B"]],
  ["export interface A {} export type B = A; export declare const c: B;", ["A", "B", "c"]],
  ["export enum A {} export const enum B {} export namespace C {}", ["A", "B", "C"]],
  ["export { a, b as c, type D };", ["a", "c", "D"]],
  ["export type { A };", ["A"]],
  [`export { a } from "x"; export * from "y"; export * as z from "z";`, ["a", "z"]],
  ["export default 1;", ["default"]],
  ["export const { a, b } = c;", [null]],
  ["a.export; ({ export: 1 }); // export const b = 1;", []],
];

for (const [text, expected] of EXPORTS) {
  Deno.test(`tidy: exports: ${text}`, () => {
    assertEquals(exportsOf(sourceOf("a.ts", text).code).map(({ name }) => name), expected);
  });
}

// The rules.

table("layers", ({ path, imports }) => checkLayers(path, imports), [
  ["a room sees itself", "internal/base/a.ts", `import "./b.ts";`, []],
  ["base sees nobody", "internal/base/a.ts", `import "../raft/b.ts";`, [
    "internal/base imports internal/raft/b.ts",
  ]],
  ["raft sees base", "internal/raft/a.ts", `import { b } from "../base/b.ts";`, []],
  [
    "raft sees no seam, not even its types",
    "internal/raft/a.ts",
    `import type { B } from "../platform/b.ts";`,
    [
      "internal/raft imports internal/platform/b.ts",
    ],
  ],
  ["platform does not see codec", "internal/platform/a.ts", `import "../codec/b.ts";`, [
    "internal/platform imports internal/codec/b.ts",
  ]],
  ["codec sees types of raft", "internal/codec/a.ts", `import type { B } from "../raft/b.ts";`, []],
  ["types are said to be types", "internal/codec/a.ts", `import { type B } from "../raft/b.ts";`, [
    "internal/codec imports more than types from internal/raft/b.ts: say `import type`",
  ]],
  ["storage sees no behaviour of raft", "internal/storage/a.ts", `import { b } from "../raft/b.ts";`, [
    "internal/storage imports more than types from internal/raft/b.ts: say `import type`",
  ]],
  ["neighbours do not see each other", "internal/storage/a.ts", `import type { B } from "../peers/b.ts";`, [
    "internal/storage imports internal/peers/b.ts",
  ]],
  ["nor by a re-export", "internal/clients/a.ts", `export { b } from "../machine/b.ts";`, [
    "internal/clients imports internal/machine/b.ts",
  ]],
  ["nor by a dynamic import", "internal/peers/a.ts", `const b = await import("../clients/b.ts");`, [
    "internal/peers imports internal/clients/b.ts",
  ]],
  ["node joins the rooms", "internal/node/a.ts", `import "../storage/b.ts"; import "../raft/b.ts";`, []],
  ["node does not see host", "internal/node/a.ts", `import "../host/b.ts";`, [
    "internal/node imports internal/host/b.ts",
  ]],
  [
    "host sees the seams and its modules",
    "internal/host/a.ts",
    `import "../platform/b.ts"; import "node:fs";`,
    [],
  ],
  ["host does not see codec", "internal/host/a.ts", `import "../codec/b.ts";`, [
    "internal/host imports internal/codec/b.ts",
  ]],
  ["host does not see the tests", "internal/host/a.ts", `import "../../tests/simulator/b.ts";`, [
    "internal/host imports tests/simulator/b.ts",
  ]],
  ["nothing inside sees cmd", "internal/node/a.ts", `import "../../cmd/b.ts";`, [
    "internal/node imports cmd/b.ts",
  ]],
  ["a module of the host", "internal/storage/a.ts", `import "node:fs";`, [
    "internal/storage imports node:fs, a module of the host",
  ]],
  ["a computed name", "internal/node/a.ts", "await import(name);", [
    "internal/node imports by a computed name",
  ]],
  ["a computed name in host", "internal/host/a.ts", "await import(name);", []],
  ["a package that the room may use", "tests/codec/a_test.ts", `import { b } from "hash-wasm";`, []],
  ["the same in another room", "internal/storage/a.ts", `import { b } from "hash-wasm";`, [
    "internal/storage imports the package hash-wasm",
  ]],
  ["a package in a scope", "cmd/a.ts", `import { b } from "@std/cli/parse-args";`, []],
  ["a package by its address", "cmd/a.ts", `import { b } from "npm:b@1";`, [
    "cmd imports the package npm:b@1",
  ]],
  ["a file of deps that is another room's", "internal/machine/a.ts", `import "../../deps/std_assert.ts";`, [
    "internal/machine imports deps/std_assert.ts",
  ]],
  ["its own file of deps", "cmd/a.ts", `import "@std/cli/parse-args";`, []],
  ["a beginning of a name is no room", "cmd/a.ts", `import "../internals/b.ts";`, [
    "cmd imports internals/b.ts",
  ]],
  [
    "cmd joins everything",
    "cmd/a.ts",
    `import "../internal/host/b.ts"; import "node:net"; import "./c.ts";`,
    [],
  ],
  ["cmd does not see the tests", "cmd/a.ts", `import "../tests/raft/b.ts";`, [
    "cmd imports tests/raft/b.ts",
  ]],
  ["cmd ships the checker of histories", "cmd/a.ts", `import "../tests/linearizability/b.ts";`, []],
  ["cmd ships the simulator", "cmd/a.ts", `import "../tests/simulator/b.ts";`, []],
  ["the checker sees base alone", "tests/linearizability/a.ts", `import "../../internal/machine/b.ts";`, [
    "tests/linearizability imports internal/machine/b.ts",
  ]],
  ["the checker has no host", "tests/linearizability/a.ts", `import "node:fs";`, [
    "tests/linearizability imports node:fs, a module of the host",
  ]],
  ["the simulator sees the checker", "tests/simulator/a.ts", `import "../linearizability/b.ts";`, []],
  ["main sees cmd", "main.ts", `import "./cmd/a.ts";`, []],
  ["main leaves the rest to cmd", "main.ts", `import "./internal/node/a.ts";`, [
    "main.ts imports internal/node/a.ts",
  ]],
  ["the simulator sees the node", "tests/simulator/a.ts", `import "../../internal/node/b.ts";`, []],
  ["the simulator does not see host", "tests/simulator/a.ts", `import "../../internal/host/b.ts";`, [
    "tests/simulator imports internal/host/b.ts",
  ]],
  [
    "other tests see both",
    "tests/platform/a.ts",
    `import "../simulator/b.ts"; import "../../internal/host/b.ts";`,
    [],
  ],
  ["a room that nobody knows", "internal/attic/a.ts", "", ["the file lies in no room that the rule knows"]],
]);

const banned = (...words: readonly string[]) => words.map((word) => `${word} is banned here`);

table("words", checkWords, [
  ["time", "internal/raft/a.ts", "Date.now(); performance.now();", banned("Date", "performance")],
  ["chance", "internal/machine/a.ts", "Math.random();", banned("Math.random")],
  ["other mathematics", "internal/machine/a.ts", "Math.floor(random.next());", []],
  ["timers", "internal/node/a.ts", "setTimeout(a); setInterval(a); setImmediate(a); queueMicrotask(a);", [
    ...banned("setTimeout", "setInterval", "setImmediate", "queueMicrotask"),
  ]],
  ["promises", "internal/codec/a.ts", "async function a(): Promise<void> { await b; }", [
    ...banned("async", "Promise", "await"),
  ]],
  ["the host", "internal/peers/a.ts", "fetch(a); Deno.b; Bun.c; process.d; globalThis.e;", [
    ...banned("fetch", "Deno", "Bun", "process", "globalThis"),
  ]],
  [
    "a module of the host",
    "internal/clients/a.ts",
    `import { b } from "node:buffer";`,
    banned("node:buffer"),
  ],
  ["code in a template", "internal/raft/a.ts", "`${Date.now()}`", banned("Date")],
  ["a property of that name", "internal/clients/a.ts", "a.process;", banned("process")],
  [
    "comments and strings",
    "internal/raft/a.ts",
    "// Date\n/* async */ `await ${a}` + 'Promise' + /fetch/u",
    [],
  ],
  ["words that hold such a word", "internal/raft/a.ts", "asyncId, updateDate, processId, Dates", []],
  ["the checker of histories", "tests/linearizability/a.ts", "Date.now();", banned("Date")],
  ["its tests", "tests/linearizability/a_test.ts", "Deno.test(a);", []],
  ["rooms that may", "internal/storage/a.ts", "await a;", []],
  ["the host's own room", "internal/host/a.ts", "Date.now(); setTimeout(a);", []],
]);

const NO_HEADER = "no comment at the beginning says what the file keeps true";
const NO_KIND = "the first line names no kind: unit, integration, property or chaos";

table("headers", checkHeaders, [
  ["a block", "internal/a.ts", "/**\n * What it is.\n */\nlet a;", []],
  ["a line", "tools/a.ts", "// What it is.\nlet a;", []],
  ["none", "cmd/a.ts", "let a; // a", [NO_HEADER]],
  ["one without words", "deps/a.ts", "/** */\nlet a;", [NO_HEADER]],
  ["an empty file", "internal/a.ts", "", [NO_HEADER]],
  ["other files may do without", "tests/raft/bag.ts", "let a;", []],
  ["a test's kind", "tests/a/b_test.ts", "/**\n * Kind: Property (random lives).\n */", []],
  ["a test's kind in one line", "tests/b_test.ts", "// CHAOS on real processes", []],
  ["a test without a kind", "tests/a/b_test.ts", "/** Invariant: all is well. */", [NO_KIND]],
  ["a kind by the way", "tests/a/b_test.ts", "/**\n * All is well.\n * A property.\n */", [NO_KIND]],
  ["a test without a comment", "tests/a/b_test.ts", "let a; // unit", [NO_KIND]],
]);

const ANY = "any: say which type, or unknown";
const POSTFIX = "!: say why it is not null, with must() or a check";

table("habits", checkHabits, [
  ["any of an annotation", "tests/a.ts", "let a: any; function b(c?: any): any {}", [ANY, ANY, ANY]],
  ["any among types", "cmd/a.ts", "a as any; let b: Map<string, any>; let c: Set<any>;", [ANY, ANY, ANY]],
  ["any in unions and lists", "cmd/a.ts", "type A = any; type B = C | any; type D = [any[]];", [
    ANY,
    ANY,
    ANY,
  ]],
  ["any as a default and in a condition", "cmd/a.ts", "type A<B = any> = B extends C ? D : any;", [ANY, ANY]],
  ["any as a name", "cmd/a.ts", "const any = 1; a.any(); a?.any; class B { any() {} } c ? d : any;", []],
  ["any in a text", "cmd/a.ts", "// any: any\n'a as any'", []],
  ["a value said not to be null", "cmd/a.ts", "a!.b; c()!; d[0]!; `e`! + this.of!; let f!: G;", [
    ...[POSTFIX, POSTFIX, POSTFIX, POSTFIX, POSTFIX, POSTFIX],
  ]],
  ["not", "cmd/a.ts", "!a; b != c; d !== e; f && !g; return !h; (!i); `${!j}`; typeof !k;\n!l;", []],
  ["orders to the compiler", "internal/a.ts", "// @ts-ignore\n/* @ts-expect-error: b */\n// @ts-nocheck", [
    ...["@ts-ignore in a comment", "@ts-expect-error in a comment", "@ts-nocheck in a comment"],
  ]],
  ["such an order in a string", "internal/a.ts", "'// @ts-ignore'", []],
  ["a way around a type", "internal/a.ts", "a as unknown as B;", [
    "as unknown as: no type follows from this",
  ]],
  ["a narrower way", "internal/a.ts", "a as unknown; b as C; const d: unknown = e;", []],
  ["notes", "internal/a.ts", "/*\n * TODO: a\n */ let b; // FIXME", [
    "TODO in a comment",
    "FIXME in a comment",
  ]],
  ["a note as a name", "internal/a.ts", "TODO();", [
    "TODO belongs into the project's list, not into the code",
  ]],
  ["the list of notes", "internal/a.ts", "// see TODO.md, or mastodon\n'TODO'", []],
  ["a test alone", "tests/a.ts", "Deno.test.only('a', b);", [".only( leaves the other tests out"]],
  ["something else alone", "tests/a.ts", "only(a); a.only; a.onlyOne();", []],
  ["printing in a room", "internal/a.ts", "console.log(a);", ["console.log outside the programs"]],
  ["printing in main", "main.ts", "console.log(a);", ["console.log outside the programs"]],
  ["printing in a program", "cmd/a.ts", "console.log(a);", []],
  ["another way of printing", "internal/a.ts", "a.log(b); console.error(c);", []],
]);

Deno.test("tidy: habits: a note is found on its own line of a comment", () => {
  const [finding] = checkHabits(sourceOf("internal/a.ts", "\n/*\n * TODO: a\n */"));
  assertEquals(finding?.line, 3);
});

/** Several files, each with its path. */
type Files = Readonly<Record<string, string>>;

const MAP: ImportMap = { "@std/assert": "./deps/std_assert.ts", "cborg": "npm:cborg@6" };

const REACHES: readonly (readonly [name: string, files: Files, unused: readonly string[]])[] = [
  ["a chain", { "main.ts": `import "./cmd/a.ts";`, "cmd/a.ts": `import "cborg";` }, []],
  ["by way of types and names", {
    "main.ts": `import type { A } from "./cmd/a.ts"; export { b } from "./cmd/b.ts"; import("./deps/c.ts");`,
    ...{ "cmd/a.ts": "", "cmd/b.ts": "", "deps/c.ts": "" },
  }, []],
  ["a circle that nobody enters", {
    ...{ "main.ts": "", "internal/a/b.ts": `import "./c.ts";`, "internal/a/c.ts": `import "./b.ts";` },
  }, ["internal/a/b.ts", "internal/a/c.ts"]],
  ["a test is no user", {
    ...{ "main.ts": "", "cmd/a.ts": "", "tests/a_test.ts": `import "../cmd/a.ts";` },
  }, ["cmd/a.ts"]],
  ["tests and tools are not shipped", { "main.ts": "", "tests/a.ts": "", "tools/a.ts": "" }, []],
  ["what is there for tests", {
    ...{ "main.ts": "", "deps/std_assert.ts": "", "tests/a_test.ts": `import "@std/assert";` },
  }, []],
  ["what is there for tests and has none", { "main.ts": "", "deps/std_assert.ts": "" }, [
    "deps/std_assert.ts",
  ]],
  ["what is there for tests and is shipped", {
    ...{
      "main.ts": `import "@std/assert";`,
      "deps/std_assert.ts": "",
      "tests/a.ts": `import "@std/assert";`,
    },
  }, ["deps/std_assert.ts"]],
];

for (const [name, files, unused] of REACHES) {
  Deno.test(`tidy: unused-files: ${name}`, () => {
    const sources = Object.entries(files).map(([path, text]) => sourceOf(path, text));
    assertEquals(checkUnusedFiles(sources, MAP).map(({ path }) => path), unused);
  });
}

const HANDED_OUT: readonly (readonly [name: string, files: Files, unused: readonly string[]])[] = [
  ["used by another file", {
    "cmd/a.ts": "export const a = 1;",
    "cmd/b.ts": `import { a as b } from "./a.ts";`,
  }, []],
  ["used by a test only", {
    "internal/x/a.ts": "export interface A {}",
    "tests/a_test.ts": `import type { A } from "../internal/x/a.ts";`,
  }, []],
  ["used by whoever takes all", {
    "cmd/a.ts": "export const a = 1;",
    "cmd/b.ts": `const { a } = await import("./a.ts");`,
  }, []],
  ["used by nobody", {
    "cmd/a.ts": "export const a = 1;\nexport class B {}",
    "cmd/b.ts": `import { B } from "./a.ts";`,
  }, ["no other file imports a"]],
  ["used by its own file only", { "cmd/a.ts": "export const a = 1; a;" }, ["no other file imports a"]],
  ["a type in a signature of its own file", {
    "cmd/a.ts": "export interface A {}\nexport const b = (a: A) => a;",
    "cmd/b.ts": `import { b } from "./a.ts";`,
  }, []],
  ["a type that nothing mentions", { "cmd/a.ts": "export type A = 1;" }, ["no other file imports A"]],
  ["a namesake is no user", {
    "cmd/a.ts": "export const a = 1;",
    "cmd/b.ts": `import { a } from "./c.ts";`,
  }, ["no other file imports a"]],
  ["handed on to nobody", {
    "cmd/a.ts": "export const a = 1;",
    "cmd/b.ts": `export { a } from "./a.ts";`,
  }, ["no other file imports a"]],
  ["not to be read", { "cmd/a.ts": "export const { a } = b;" }, [
    "the rule cannot read this export: export one name at a time",
  ]],
  ["tests hand out what they like", { "tests/a.ts": "export const a = 1;" }, []],
];

for (const [name, files, unused] of HANDED_OUT) {
  Deno.test(`tidy: unused-exports: ${name}`, () => {
    const sources = Object.entries(files).map(([path, text]) => sourceOf(path, text));
    assertEquals(whats(checkUnusedExports(sources, MAP)), unused);
  });
}

// Put together here, since this file is looked at too.
const HOME = ["", "home", "ada", "x"].join("/");
const WORK = ["", "work", "main"].join("/");
const SCHEME = ["https", "//"].join(":");

const TRACES: readonly (readonly [name: string, path: string, text: string, expected: readonly string[]])[] =
  [
    ["a home directory", "README.md", `see ${HOME}`, ["a path of one machine: /home" + "/"]],
    ["a work directory in a string", "cmd/a.ts", `"${WORK}"`, ["a path of one machine: /work" + "/"]],
    ["a file's address", "a.json", `"file://${HOME}"`, ["a path of one machine: /home" + "/"]],
    ["paths that are no machine's", "a.ts", "/var/lib/x /tmp/y ./work/z a/home/b ~/home/c `${d}/work/e`", []],
    ["a registry", "a.json", `${SCHEME}registry.npmjs.org/x`, [
      `the address of a registry: ${SCHEME}registry.npmjs`,
    ]],
    ["another registry", "a.sh", `${SCHEME}jsr.io/@std/x`, [`the address of a registry: ${SCHEME}jsr.io`]],
    ["another address", "README.md", `${SCHEME}raft.github.io and ${SCHEME}github.com/npm/registry`, []],
    ["a lock file with an address", "deno.lock", `"${SCHEME}a.b/c"`, [
      `an address in the lock file: ${SCHEME}a.b/c`,
    ]],
    ["a lock file without", "deno.lock", `"npm:cborg@6.1.5": "6.1.5"`, []],
  ];

for (const [name, path, text, expected] of TRACES) {
  Deno.test(`tidy: traces: ${name}`, () => {
    assertEquals(whats(checkTraces({ path, text: `\n${text}\n` })), expected);
    assertEquals(checkTraces({ path, text: `\n${text}\n` }).every(({ line }) => line === 2), true);
  });
}

// The tree and the program.

const GITIGNORE = "logs/\ndist\n\n# notes\n*.snap\n";

Deno.test("tidy: tree: what .gitignore names is left out, and only that", () => {
  const isIgnored = ignoredBy(GITIGNORE);
  assertEquals([".git", "logs", "dist", "a.snap"].map(isIgnored), [true, true, true, true]);
  assertEquals(["log", "logs.ts", "xsnap", "a.snap.ts", "notes", ".ci"].map(isIgnored), [
    ...[false, false, false, false, false, false],
  ]);
});

const CLEAN: Files = {
  "deno.json": `{ "imports": { "@std/assert": "./deps/std_assert.ts" } }`,
  "main.ts": `import { a } from "./cmd/a.ts";\na();\n`,
  "cmd/a.ts": "/** A command. */\nexport const a = () => console.log('a');\n",
  "deps/std_assert.ts": "/** For tests. */\nexport const b = 1;\n",
  "tests/a_test.ts": `/** Kind: unit. */\nimport { b } from "@std/assert";\n`,
};

Deno.test("tidy: all rules see all files, and the findings come in the order of the files", () => {
  const textFiles = (files: Files) => Object.entries(files).map(([path, text]) => ({ path, text }));
  const { findings, ...counts } = judge(textFiles(CLEAN));
  assertEquals(findings, []);
  assertEquals(counts, { files: 5, sources: 4, imports: 2, exports: 2 });
  const dirty = {
    ...CLEAN,
    "internal/raft/z.ts": `import "../host/b.ts";\nexport const c = Date.now()!;\n`,
    "README.md": `a\n${HOME}\n`,
  };
  assertEquals(judge(textFiles(dirty)).findings.map(({ path, line, rule }) => `${path}:${line}: ${rule}`), [
    "README.md:2: traces",
    "internal/raft/z.ts:1: layers",
    "internal/raft/z.ts:1: headers",
    "internal/raft/z.ts:1: unused-files",
    "internal/raft/z.ts:2: words",
    "internal/raft/z.ts:2: habits",
    "internal/raft/z.ts:2: unused-exports",
  ]);
});

function plant(root: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

async function runOn(root: string): Promise<readonly [code: number, lines: string]> {
  const tidy = new URL("../../tools/tidy.ts", import.meta.url).pathname;
  const args = ["run", "-A", "--no-check", tidy, root];
  const { code, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
  return [code, new TextDecoder().decode(stdout)];
}

Deno.test("tidy: the program ends with 0 and counts, or with 1 and findings, and writes nothing", async () => {
  const root = mkdtempSync(join(tmpdir(), "tidy-"));
  try {
    plant(root, { ...CLEAN, ".gitignore": GITIGNORE, "dist/b.ts": "let a: any;", "bytes": `\0${HOME}` });
    assertEquals(readTree(root).map(({ path }) => path), [".gitignore", ...Object.keys(CLEAN).toSorted()]);
    assertEquals(await runOn(root), [0, "tidy: 6 files, 4 sources, 2 imports, 2 exports: nothing to say\n"]);
    const before = readdirSync(root, { recursive: true }).length;
    plant(root, { "main.ts": `import { a } from "./cmd/a.ts";\n\na()!;\n` });
    assertEquals(await runOn(root), [1, `main.ts:3: habits: ${POSTFIX}\n`]);
    assertEquals(readdirSync(root, { recursive: true }).length, before);
  } finally {
    rmSync(root, { recursive: true });
  }
});
