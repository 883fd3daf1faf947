/**
 * `deno task mutants [--hunt | --write] [NAME…]`: puts known bugs back, one at a time, and wants the tests to notice.
 *
 * Keeps true: exit code 0 only if every mutant asked for was killed by the test that the table names; the sources are not touched.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Death, deathsIn, documentOf, medianOf, scenariosWith, shown } from "./mutants/document.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { allMutants, mutantGroups } from "./mutants/table.ts";
import { type Verdict, Workshop } from "./mutants/workshop.ts";

const OPTIONS: readonly string[] = ["--hunt", "--write"];
const root = fileURLToPath(new URL("..", import.meta.url));
/** Where a hunt looks: the tests that take seconds, by the room that was changed. */
const HUNTING_GROUNDS: Readonly<Record<string, readonly string[]>> = {
  raft: ["scenarios", "raft", "node"],
  base: ["base", "scenarios"],
};

function main(words: readonly string[]): number {
  const names = words.filter((word) => !OPTIONS.includes(word));
  const unknown = names.filter((name) => !allMutants.some((mutant) => mutant.name === name));
  if (unknown.length > 0) {
    console.error(`no such mutant or option: ${unknown.join(", ")}`);
    return 64;
  }
  const mutants = allMutants.filter(({ name }) => names.length === 0 || names.includes(name));
  const workshop = new Workshop(root);
  try {
    return words.includes("--hunt")
      ? hunt(workshop, mutants)
      : kill(workshop, mutants, words.includes("--write"));
  } finally {
    workshop.close();
  }
}

function kill(workshop: Workshop, mutants: readonly Mutant[], writes: boolean): number {
  const deaths = new Map<string, Death>();
  const alive: string[] = [];
  const unsound = workshop.unsound(mutants.map(({ killer }) => killer));
  for (const { file, test } of unsound) console.log(`NO TEST  "${test}" in ${file} does not pass as it is`);
  if (unsound.length > 0) return 1;
  for (const mutant of mutants) {
    const verdict = tried(workshop, mutant);
    if (verdict.kind === "killed") deaths.set(mutant.name, verdict);
    else alive.push(mutant.name);
    console.log(lineOf(mutant, verdict));
  }
  const sorted = [...deaths.values()].map(({ ms }) => ms).sort((a, b) => a - b);
  console.log(
    `${mutants.length} mutants, ${deaths.size} killed, median ${shown(medianOf(sorted))}, ` +
      `worst ${shown(sorted.at(-1) ?? 0)}`,
  );
  if (alive.length > 0) console.log(`not killed: ${alive.join(" ")}`);
  if (writes && alive.length === 0) {
    const [path, scenarios] = [`${root}/docs/mutants.md`, `${root}/docs/scenarios.md`];
    const known = new Map([...deathsIn(readFileSync(path, "utf8")), ...deaths]);
    writeFileSync(path, documentOf(mutantGroups, known));
    writeFileSync(scenarios, scenariosWith(readFileSync(scenarios, "utf8"), allMutants));
    spawnSync(process.execPath, ["fmt", "--quiet", path, scenarios], { cwd: root });
  }
  return alive.length === 0 ? 0 : 1;
}

function tried(workshop: Workshop, mutant: Mutant): Verdict {
  try {
    return workshop.with(mutant, () => workshop.run(mutant.killer));
  } catch (error) {
    return { kind: "unclear", output: error instanceof Error ? error.message : String(error) };
  }
}

function lineOf({ name, killer }: Mutant, verdict: Verdict): string {
  switch (verdict.kind) {
    case "killed":
      return `killed in ${shown(verdict.ms)}  ${name}  by "${verdict.by}"`;
    case "survived":
      return `SURVIVED  ${name}: ${verdict.ran} passed of "${killer.test}" in ${killer.file}`;
    case "unclear":
      return `UNCLEAR  ${name}: ${verdict.output.trim().split("\n").slice(0, 20).join("\n    ")}`;
  }
}

/** Tells of each mutant which of the quick tests notice it. */
function hunt(workshop: Workshop, mutants: readonly Mutant[]): number {
  let alive = 0;
  for (const mutant of mutants) {
    const room = mutant.file.split("/")[1] ?? "";
    const grounds = (HUNTING_GROUNDS[room] ?? [room]).map((one) => `tests/${one}/`);
    const failures = workshop.with(mutant, () => workshop.hunt(grounds));
    console.log(`${mutant.name}: ${failures.length === 0 ? "NOBODY notices" : `${failures.length} notice`}`);
    for (const { file, test, message } of failures) {
      console.log(`    ${file}: ${test.slice(0, 120)}\n        ${message.slice(0, 160)}`);
    }
    if (failures.length === 0) alive++;
  }
  return alive === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
