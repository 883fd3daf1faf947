/**
 * Kind: integration (a page of the documentation against the tests).
 *
 * Invariant: docs/faults.md has every fault of network, process, operator and client that real processes can be put under, and each test that it
 * names is there; a fault of the chaos tests that names no row, or that no row names, is found.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { readFileSync } from "node:fs";
import { FAULTS } from "./chaos/faults.ts";

const text = readFileSync(new URL("../../docs/faults.md", import.meta.url), "utf8");

/** What the fault model gives to real processes; P10 is for the simulator. */
const ROWS = [["N", 19], ["P", 9], ["O", 14], ["C", 11]] as const;
/** There is nothing to be tested yet. */
const NONE_YET = ["O13"];

interface Named {
  readonly row: string;
  readonly file: string;
  readonly name: string;
}

const rows = [...text.matchAll(/^\| ([NPOC]\d+) +\|.*\| ([^|]*) \|$/gm)].map(([, row = "", tests = ""]) => ({
  row,
  tests: tests.trim(),
}));

/** `file`: a name; a name more in the same file; `another`: ... */
const named: readonly Named[] = rows.flatMap(({ row, tests }) => {
  let file = "";
  return tests.split("; ").filter((part) => part !== "none yet").map((part) => {
    const found = /^`([^`]+)`: (.*)$/.exec(part);
    if (found !== null) file = found[1] ?? "";
    return { row, file, name: (found?.[2] ?? part).trim() };
  });
});

Deno.test("docs/faults.md: every row is there once, in order, and has a test", () => {
  const expected = ROWS.flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
  );
  assertEquals(rows.map(({ row }) => row), expected);
  const without = expected.filter((row) => !named.some((one) => one.row === row));
  assertEquals(without, NONE_YET);
});

Deno.test("docs/faults.md: every test that it names is there", () => {
  assertGreater(named.length, 80);
  const missing = named.filter(({ file, name }) => {
    if (name.startsWith("fault: ")) return !FAULTS.some((fault) => `fault: ${fault.name}` === name);
    const source = readFileSync(new URL(file, import.meta.url), "utf8");
    // Names that are put together from parts are given by the part that stands in the source.
    return !source.includes(name);
  });
  assertEquals(missing, []);
});

Deno.test("docs/faults.md: every fault of the chaos tests says which rows it is, and the page names it", () => {
  for (const { name, rows: own } of FAULTS) assert(own.length > 0, `${name} names no row`);
  const ofThisPage = FAULTS.filter(({ rows: own }) => own.some((row) => /^[NPOC]/.test(row)));
  const unnamed = ofThisPage.filter((fault) => !named.some(({ name }) => name === `fault: ${fault.name}`));
  assertEquals(unnamed.map(({ name }) => name), []);
});
