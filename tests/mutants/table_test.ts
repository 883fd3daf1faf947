/**
 * Kind: unit.
 *
 * Invariant: every mutant applies to the sources as they are, and docs/mutants.md says of each what the table in the code says, and of
 * no other.
 *
 * Learnt: a mutant that quietly stopped to apply is how a catch gets lost: whoever changes the text under one has to write it anew.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertMatch, assertThrows } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { cellsOf, deathsIn, documentOf } from "../../tools/mutants/document.ts";
import { mutated } from "../../tools/mutants/mutant.ts";
import { allMutants, mutantGroups } from "../../tools/mutants/table.ts";
import { failuresIn } from "../../tools/mutants/workshop.ts";

function textOf(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
}

for (const mutant of allMutants) {
  Deno.test(`the mutant ${mutant.name} applies`, () => {
    assert(mutated(textOf(mutant.file), mutant) !== textOf(mutant.file));
    assert(mutant.file.startsWith("internal/"), "a bug in what is shipped");
    assert(existsSync(fileURLToPath(new URL(`../../${mutant.killer.file}`, import.meta.url))));
    assert(mutant.killer.test !== "", "a test has a name");
    for (const entry of mutant.catalogue) assertMatch(entry, /^[A-Z]\d{1,2}$/);
    assertGreaterOrEqual(mutant.catalogue.length, 1);
  });
}

Deno.test("there are at least forty mutants, each with a name of its own", () => {
  assertGreaterOrEqual(new Set(allMutants.map(({ name }) => name)).size, 40);
  assertEquals(new Set(allMutants.map(({ name }) => name)).size, allMutants.length);
});

Deno.test("docs/mutants.md says what the table says: deno task mutants --write", () => {
  const rows = textOf("docs/mutants.md").split("\n").filter((line) => line.startsWith("| `"))
    .map((line) => line.slice(2, -2).split(/(?<!\\) \| /).map((cell) => cell.trim()));
  assertEquals(rows.map(([name]) => name), allMutants.map(({ name }) => `\`${name}\``));
  for (const [i, mutant] of allMutants.entries()) {
    const [name, catalogue, breaks, killer] = cellsOf(mutant);
    assertEquals(rows[i]?.slice(0, 3), [name, catalogue, breaks]);
    assert(rows[i]?.[3]?.startsWith(killer ?? ""), `${name}: ${rows[i]?.[3]} is not ${killer}`);
  }
  for (const cells of rows) assertMatch(cells.at(-1) ?? "", /^\d+\.\d s$/);
});

Deno.test("a document is read as it was written, so that a part of it can be measured anew", () => {
  const deaths = new Map(allMutants.map(({ name }, i) => [name, { by: `L1: a | b, ${i}`, ms: i * 100 }]));
  assertEquals(deathsIn(documentOf(mutantGroups, deaths)), deaths);
});

Deno.test("a mutant changes one place, or is refused", () => {
  const mutant = {
    name: "x",
    catalogue: ["E1"],
    breaks: "",
    file: "a.ts",
    find: "b",
    replace: "$&",
    killer: { file: "", test: "" },
  };
  assertEquals(mutated("abc", mutant), "a$&c");
  for (const text of ["ac", "abcb", ""]) assertThrows(() => mutated(text, mutant), Error, "times in a.ts");
  assertThrows(() => mutated("abc", { ...mutant, replace: "b" }), Error, "changes nothing");
});

Deno.test("failures are read from what the runner prints", () => {
  const printed = [
    "TAP version 14",
    "# ./tests/a_test.ts",
    "ok 1 - fine",
    "not ok 2 - L1: bad",
    "  ---",
    '  {"message":"Error: why"}',
    "  ...",
  ].join("\n");
  assertEquals(failuresIn(printed), [
    { file: "tests/a_test.ts", test: "L1: bad", message: '  {"message":"Error: why"}' },
  ]);
});
