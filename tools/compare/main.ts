/**
 * `deno task compare`: raftline and its rivals side by side, on one machine, under the same load.
 *
 * Others may use the machine meanwhile, so the figures to judge by are the ratios to the first subject within one round and
 * the CPU time per operation; what is shown is the median over the rounds.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { missingBinary } from "../../tests/process/harness.ts";
import { Field } from "./field.ts";
import { type Goal, measureGoals } from "./goals.ts";
import { grow } from "./growth.ts";
import { present } from "./install.ts";
import { showMode } from "./load.ts";
import { type Options, optionsOf, USAGE } from "./options.ts";
import { barPlot } from "./plot.ts";
import { figuresTable, type Row, rowsOf, tableOf } from "./report.ts";
import { subjectNamed } from "./subjects.ts";

const GROWN = ["raftline", "etcd"];
const COMPARED = ["raftline", "ceiling", "etcd", "redis", "nats", "zookeeper"];

function keep(options: Options, name: string, words: string, svg: string | null): void {
  if (options.out === null) return;
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, `${name}.md`), `${machine()}\n\n${words}\n`);
  if (svg !== null) writeFileSync(join(options.out, `${name}.svg`), svg);
}

function machine(): string {
  const [cpu] = cpus();
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${cpus().length} x ${
    cpu?.model ?? "?"
  }, ${memory} GiB, Linux ${release()}; all servers and the load on it.`;
}

async function compare(options: Options): Promise<void> {
  const names = options.subjects.length > 0 ? options.subjects : COMPARED;
  const subjects = present(names.map((name) => subjectNamed(name, options.nodes)), options.install);
  for (const { name, durability, reads } of subjects) console.log(`${name}: ${durability}; reads: ${reads}`);
  const rows: Row[] = [];
  const field = await Field.start(subjects, options);
  try {
    await field.fill(options.keys, options.valueBytes);
    for (const mode of options.modes) {
      const now = rowsOf(mode, await field.rounds(mode, options.rounds, options.seconds));
      console.log(`\n${figuresTable(now)}`);
      rows.push(...now);
    }
  } finally {
    await field.stop();
  }
  const durabilities = subjects.map(({ name, durability, reads }) =>
    `- ${name}: ${durability}; reads: ${reads}.`
  );
  const bars = rows.map(({ mode, subject, perSecond }) => ({
    group: showMode(mode),
    name: subject,
    value: perSecond,
  }));
  const title = `Operations per second, ${options.valueBytes} B`;
  keep(options, "compare", `${durabilities.join("\n")}\n\n${figuresTable(rows)}`, barPlot(title, bars));
}

function verdict({ reach }: Goal): string {
  if (reach >= 1) return `reached, ${reach.toFixed(2)} x`;
  return reach > 0 ? `MISSED, ${(1 / reach).toFixed(2)} x short` : "MISSED";
}

async function goals(options: Options): Promise<number> {
  present(["etcd", "redis"].map((name) => subjectNamed(name)), options.install);
  const all: Goal[] = [];
  const rows = await measureGoals({
    ...options,
    memoryKeys: options.quick ? 100_000 : 1_000_000,
    logBytes: options.quick ? 2 ** 27 : 2 ** 30,
    trials: options.quick ? 2 : 7,
  }, (goal) => {
    console.error(`${goal.work}: ${goal.measured}, aim ${goal.aim}: ${verdict(goal)}`);
    all.push(goal);
  });
  const heads = ["work", "aim", "measured", "verdict"];
  const cells = (goal: Goal) => [goal.work, goal.aim, goal.measured, verdict(goal)];
  // What goes beyond the table stands behind it.
  const isBeyond = ({ aim }: Goal) => aim.endsWith("ceiling");
  const ordered = [...all.filter((goal) => !isBeyond(goal)), ...all.filter(isBeyond)];
  const table = tableOf(heads, ordered.map(cells));
  console.log(`${table}\n\n${figuresTable(rows)}`);
  const bars = ordered.map((goal) => ({ group: goal.work, name: "aim = 1", value: goal.reach }));
  keep(
    options,
    "goals",
    `${table}\n\n${figuresTable(rows)}`,
    barPlot("Times as good as was aimed at (1: just reached)", bars),
  );
  return ordered.some((goal) => !isBeyond(goal) && goal.reach < 1) ? 1 : 0;
}

async function growth(options: Options): Promise<void> {
  const names = options.subjects.length > 0 ? options.subjects : GROWN;
  present(names.map((name) => subjectNamed(name)), options.install);
  for (const what of options.growth) {
    const { table, svg } = await grow(what, { ...options, subjects: names });
    console.log(`\n${table}`);
    keep(options, `growth-${what}`, table, svg);
  }
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2), tmpdir());
  if (options === null) {
    console.error(USAGE);
    return 64;
  }
  const missing = missingBinary();
  if (missing !== null) {
    console.error(missing);
    return 69;
  }
  console.log(machine());
  switch (options.task) {
    case "compare":
      await compare(options);
      return 0;
    case "growth":
      await growth(options);
      return 0;
    case "goals":
      return await goals(options);
  }
}

process.exit(await main());
