/**
 * docs/mutants.md: which mutants there are, what each breaks, which test kills it, and in how long; and the mutants in docs/scenarios.md.
 *
 * Keeps true: what the document says of a mutant is what the table in the code says; only the times are from a run, and the
 * document says so.
 *
 * @module
 */
import type { Mutant } from "./mutant.ts";

const INTRODUCTION = `# Mutants

A mutant is a known bug that can be put back: a file, a place in it, and what stands there instead. They live in
\`tools/mutants/\`, never in the shipped code. \`deno task mutants\` puts each one into a copy of the sources, runs the
test named here, and wants it to fail, as a test and not for want of a program. A mutant that survives is a test that
is missing; one whose place is not found any more has to be written anew. \`deno task mutants NAME\` tries one,
\`--hunt NAME\` lists every quick test that it makes fail, \`--write\` writes what it measured into this file.
\`tests/mutants\` holds that this file names every mutant, that each still applies, and, in every run, that one of them,
the canary, dies.

The numbers are those of the catalogue of known Raft bugs (E elections, L replication, R reads, S snapshots, M members,
T transfer, W storage, X time and state) and of the fault model (N network, D disk, C clients, O operator). The scenarios that the
numbers name, and their tests, are in [scenarios.md](scenarios.md).
`;

const CAPTIONS = ["mutant", "known as", "what it breaks", "killed by", "in"];

/** How a mutant died. */
export interface Death {
  readonly ms: number;
  /** The whole name of the test. */
  readonly by: string;
}

/** The whole document, but for the formatting; with the deaths by the names of the mutants. */
export function documentOf(
  groups: readonly { readonly title: string; readonly mutants: readonly Mutant[] }[],
  deaths: ReadonlyMap<string, Death>,
): string {
  const parts = [INTRODUCTION];
  for (const { title, mutants } of groups) {
    parts.push(`## ${title}\n`, tableOf(CAPTIONS, mutants.map((mutant) => rowOf(mutant, deaths))));
  }
  const mutants = groups.flatMap((group) => group.mutants);
  const all = mutants.flatMap(({ name }) => deaths.get(name)?.ms ?? []).sort((a, b) => a - b);
  parts.push(
    "## In all\n",
    `${mutants.length} mutants, all killed. Median time to kill ${shown(medianOf(all))}, worst ${
      shown(all.at(-1) ?? 0)
    }, start of the test runner included; measured on two cores that were busy with other things.\n`,
  );
  return parts.join("\n");
}

/** docs/scenarios.md with the mutants of each scenario as the table has them; the rest of it is written by hand. */
export function scenariosWith(document: string, mutants: readonly Mutant[]): string {
  return document.split("\n").map((line) => {
    const row = /^(\| ([A-Z]\d+) +\|.*\|)[^|]*\|$/u.exec(line);
    const [, before, id] = row ?? [];
    const own = mutants.filter(({ catalogue }) => id !== undefined && catalogue.includes(id));
    return own.length === 0 ? line : `${before} ${own.map(({ name }) => `\`${name}\``).join(", ")} |`;
  }).join("\n");
}

/** What an earlier run wrote down. */
export function deathsIn(document: string): ReadonlyMap<string, Death> {
  const deaths = new Map<string, Death>();
  for (const line of document.split("\n")) {
    const row = /^\| `([\w-]+)` .*\| `[\w/]+`: (.*?) +\| (\d+\.\d) s +\|$/u.exec(line);
    const [, name, by, seconds] = row ?? [];
    if (name === undefined || by === undefined) continue;
    deaths.set(name, { by: by.replaceAll("\\|", "|"), ms: Math.round(Number(seconds) * 1000) });
  }
  return deaths;
}

/** What a row says whatever the run was: all but how the name of the test goes on, and the time. */
export function cellsOf({ name, catalogue, breaks, killer: { file, test } }: Mutant): readonly string[] {
  const where = file.replace(/^tests\//u, "").replace(/_test\.ts$/u, "");
  return [`\`${name}\``, catalogue.join(", "), breaks, `\`${where}\`: ${test.trimEnd()}`].map(escaped);
}

function rowOf(mutant: Mutant, deaths: ReadonlyMap<string, Death>): readonly string[] {
  const death = deaths.get(mutant.name);
  if (death === undefined) return [...cellsOf(mutant), ""];
  const killer = { ...mutant.killer, test: death.by };
  return [...cellsOf({ ...mutant, killer }), shown(death.ms)];
}

function tableOf(captions: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(captions), line(captions.map(() => "---")), ...rows.map(line), ""].join("\n");
}

function escaped(cell: string): string {
  return cell.replaceAll("|", "\\|");
}

export function medianOf(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function shown(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
