/**
 * `deno task soak --minutes N [--seed TEXT]`: everything that strikes, on real processes, for N minutes, with figures while it goes on and a
 * verdict at its end. Exit code 0 if all is well, 1 if not.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { readFlags } from "../cmd/flags.ts";
import { Soak, type SoakFigures } from "../tests/process/chaos/soak.ts";
import { compiled, missingBinary } from "../tests/process/harness.ts";

const TELL_MS = 10_000;

const soakLine = {
  name: "soak",
  summary: "chaos on real processes for a long time, with a verdict",
  usage: "[options]",
  takesWords: false,
  flags: [
    { name: "minutes", value: "N", help: "how long", default: "5" },
    {
      name: "seed",
      value: "TEXT",
      help: "where all chance comes from",
      default: "a new one, which is printed",
    },
    {
      name: "profile",
      value: "wan|lan",
      help: "timeouts of the servers; wan where the machine has other things to do",
      default: "lan",
    },
    { name: "round-seconds", value: "N", help: "after so long everything is checked", default: "20" },
  ],
  examples: ["deno task soak --minutes 60"],
} as const;

function clock(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${two(seconds / 3600)}:${two(seconds / 60 % 60)}:${two(seconds % 60)}`;
}

function show(figures: SoakFigures, rate: number | null): string {
  const { acknowledged, refused, unknown, classes, failovers, worstGapMs, worstRecoveryMs, leader, servers } =
    figures;
  const struck = [...classes].map(([name, count]) => `${name} ${count}`).join(", ");
  const alive = servers.map(({ id, memoryBytes, descriptors }) =>
    `${id}${id === leader ? "*" : ""} ${(memoryBytes / 1024 / 1024).toFixed(0)} MiB ${descriptors} fd`
  ).join(", ");
  return `${clock(figures.seconds)} round ${figures.round} | ${acknowledged} operations` +
    `${
      rate === null ? "" : ` (${rate.toFixed(0)}/s)`
    }, ${refused} refused, ${unknown} unknown | ${struck} | ` +
    `${failovers} failovers, worst unavailability ${worstGapMs.toFixed(0)} ms, ` +
    `after healing ${worstRecoveryMs.toFixed(0)} ms | ${alive}`;
}

async function soak(args: readonly string[]): Promise<number> {
  const flags = readFlags(soakLine, args);
  const minutes = flags.integer("minutes", 5, 1, 100_000);
  const roundSeconds = flags.integer("round-seconds", 20, 5, 3600);
  const profile = flags.choice("profile", "lan", ["wan", "lan"]);
  const seed = flags.text("seed") ?? String(Date.now() % 1_000_000);
  const missing = missingBinary();
  if (missing !== null) {
    console.error(missing);
    return 1;
  }
  console.log(`seed ${seed}, ${minutes} minutes; Ctrl-C ends it after the round that is under way`);
  const own = await Soak.start({ seed, seconds: minutes * 60, roundSeconds, program: compiled, profile });
  process.on("SIGINT", () => own.end());
  let before = 0;
  const telling = setInterval(() => {
    const { figures } = own;
    console.log(show(figures, (figures.acknowledged - before) / (TELL_MS / 1000)));
    before = figures.acknowledged;
  }, TELL_MS);
  const { figures, problems, growth, kept } = await own.run().finally(() => clearInterval(telling));
  mkdirSync("logs", { recursive: true });
  const eventsFile = `logs/soak-${seed.replaceAll(/[^\w.-]+/g, "-")}-events.txt`;
  writeFileSync(eventsFile, `${own.events.join("\n")}\n`);
  console.log(`\n${show(figures, figures.acknowledged / figures.seconds)}\n`);
  const strikes = [...figures.strikes].sort(([a], [b]) => a < b ? -1 : 1);
  for (const [name, count] of strikes) console.log(`  ${String(count).padStart(5)} ${name}`);
  console.log(
    `\n${growth.length === 0 ? "no process lived long enough to tell whether it grows" : growth.join("\n")}`,
  );
  console.log(`what happened when: ${eventsFile}`);
  if (problems.length === 0) {
    console.log("\nverdict: all is well");
    return 0;
  }
  console.log(`\nverdict: NOT WELL\n${problems.join("\n")}`);
  if (kept !== null) console.log(`kept in ${kept}`);
  console.log(
    `to repeat it: deno task soak --minutes ${minutes} --round-seconds ${roundSeconds} --profile ${profile} --seed ${seed}`,
  );
  return 1;
}

process.exitCode = await soak(process.argv.slice(2));
