/**
 * Kind: unit.
 *
 * Invariant: docs/scenarios.md is true: every number of the catalogue's sections 3.1 to 3.6 is in it once and in order, with a test that
 * exists, and with the mutants that name it; or it says why not.
 *
 * Learnt: a table that nobody checks is a wish. Half of what a first version of it would have claimed was not so: the transcripts had
 * the titles and not the scenarios.
 */
import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { scenariosWith } from "../../tools/mutants/document.ts";
import { allMutants } from "../../tools/mutants/table.ts";

const root = new URL("../../", import.meta.url);
const SECTIONS = [["E", 23], ["L", 29], ["R", 10], ["S", 20], ["M", 19], ["T", 6]] as const;
const TRANSCRIPTS = "scenarios/transcripts";

interface Row {
  readonly id: string;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
  readonly mutants: readonly string[];
  /** What is said in the place of tests, or of mutants. */
  readonly why: string;
}

const rows: readonly Row[] = readFileSync(new URL("docs/scenarios.md", root), "utf8").split("\n")
  .filter((line) => /^\| [A-Z]\d+ /.test(line))
  .map((line) => {
    const [id = "", , tests = "", mutants = ""] = line.slice(1, -1).split("|").map((cell) => cell.trim());
    const named = [...tests.matchAll(/`([\w/]+)`: ([^<]+)/g)].map(([, file = "", name = ""]) => ({
      file,
      name: name.trim(),
    }));
    const isNamed = /^`/.test(mutants);
    return {
      id,
      tests: named,
      mutants: isNamed ? [...mutants.matchAll(/`([\w-]+)`/g)].map(([, name = ""]) => name) : [],
      why: named.length === 0 ? tests : isNamed ? "" : mutants,
    };
  });

/** Whether the tests of a file have one whose name begins so, or says so where it is put together. */
function hasTest(file: string, name: string): boolean {
  if (file === TRANSCRIPTS) {
    const folder = new URL(`tests/${TRANSCRIPTS}/`, root);
    return readdirSync(folder).some((one) =>
      readFileSync(new URL(one, folder), "utf8").startsWith(`# ${name}`)
    );
  }
  const text = readFileSync(new URL(`tests/${file}_test.ts`, root), "utf8");
  return ['"', "`", "} "].some((before) => text.includes(before + name));
}

Deno.test("every scenario of the catalogue is in the table, once and in order", () => {
  const wanted = SECTIONS.flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
  );
  assertEquals(rows.map(({ id }) => id), wanted);
});

for (const { id, tests, mutants, why } of rows) {
  Deno.test(`what the table says of ${id} is so`, () => {
    for (const { file, name } of tests) assert(hasTest(file, name), `${file} has no test "${name}"`);
    assertEquals(
      [...mutants],
      allMutants.filter(({ catalogue }) => catalogue.includes(id)).map(({ name }) => name),
    );
    if (tests.length === 0) assert(/^does not apply: .{30}/.test(why), why);
    else if (mutants.length === 0) assert(/^no mutant: .{30}/.test(why), why);
  });
}

Deno.test("the mutants in it are written by deno task mutants --write, and nothing else is", () => {
  const [mutant] = allMutants;
  const one = mutant === undefined ? [] : [{ ...mutant, name: "new-one", catalogue: ["E2", "L22"] }];
  const before =
    "| E1 | a | `x`: E1 | `old` |\n| E2  | b | `x`: E2 | no mutant: none |\n| E22 | c | d | e |\ntext | f |";
  assertEquals(
    scenariosWith(before, one),
    before.replace("| no mutant: none |", "| `new-one` |"),
  );
});

Deno.test("a test that is not there is not found", () => {
  assert(!hasTest(TRANSCRIPTS, "E99: "));
  assert(!hasTest("scenarios/elections", "E99: "));
});
