/**
 * The command line of `deno task compare`.
 *
 * @module
 */
import type { Mode } from "./load.ts";
import { subjectNames } from "./subjects.ts";

export const USAGE =
  `usage: deno task compare [options] [SUBJECT...]     the same load on each subject in turn, round after round
       deno task compare --goals                      what is aimed at, and by how much it is reached or missed
       deno task compare --growth clients,value,nodes,keys,log   what happens as it grows

  --work set,get        what is asked                     --rounds 5         how often, subjects in turn
  --clients 1,64,256    connections                       --seconds 2        how long each takes, about
  --pipeline 1          commands under way on each        --value-bytes 256  --keys 100000
  --at leader           where the load goes, or spread    --nodes 3          servers of raftline and etcd
  --warm 30             seconds of load on each before anything is measured
  --driver redis-benchmark   or own: the same program loads everybody
  --data DIR            where the servers' data goes; a disk, not memory (default the system's temporary directory)
  --quick               few and short rounds, few keys    --install          installs the rivals by apt-get first
  --out DIR             also writes NAME.md and NAME.svg there: goals, compare, or growth-WHAT
subjects: ${subjectNames.join(", ")}, or the path of another build of raftline`;

export type Growth = "clients" | "value" | "nodes" | "keys" | "log";
const GROWTHS: readonly Growth[] = ["clients", "value", "nodes", "keys", "log"];

export interface Options {
  readonly task: "compare" | "goals" | "growth";
  readonly growth: readonly Growth[];
  readonly subjects: readonly string[];
  readonly modes: readonly Mode[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly valueBytes: number;
  readonly keys: number;
  readonly nodes: number;
  readonly useRedisBenchmark: boolean;
  readonly directory: string;
  readonly quick: boolean;
  readonly install: boolean;
  readonly out: string | null;
}

const SWITCHES = ["--goals", "--quick", "--install"];
const VALUES: Readonly<Record<string, string>> = {
  "--work": "set,get",
  "--clients": "1,64,256",
  "--pipeline": "1",
  "--at": "leader",
  "--rounds": "",
  "--seconds": "",
  "--warm": "",
  "--value-bytes": "256",
  "--keys": "",
  "--nodes": "3",
  "--driver": "redis-benchmark",
  "--data": "",
  "--growth": "",
  "--out": "",
};

/** `null` where the words make no sense. */
export function optionsOf(args: readonly string[], temporary: string): Options | null {
  const flags = new Map<string, string>();
  const names: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? "";
    if (SWITCHES.includes(word)) flags.set(word, "");
    else if (!word.startsWith("-")) names.push(word);
    else if (VALUES[word] === undefined || args[i + 1] === undefined) return null;
    else flags.set(word, args[++i] ?? "");
  }
  const quick = flags.has("--quick");
  const text = (flag: string, otherwise = VALUES[flag] ?? "") => flags.get(flag) ?? otherwise;
  const list = (flag: string) => text(flag).split(",").filter((word) => word !== "");
  const numbers = (flag: string) => list(flag).map(Number);
  const number = (flag: string, otherwise?: number) => Number(text(flag, otherwise?.toString()));
  const growth = list("--growth").flatMap((word) => GROWTHS.filter((one) => one === word));
  const valueBytes = number("--value-bytes");
  const keys = number("--keys", quick ? 10_000 : 100_000);
  const modes = list("--work").flatMap((work) =>
    numbers("--pipeline").flatMap((pipeline) =>
      numbers("--clients").flatMap((clients) =>
        list("--at").map((at): Mode => ({
          work: work === "get" ? "get" : "set",
          clients,
          pipeline,
          spread: at === "spread",
          valueBytes,
          keys,
        }))
      )
    )
  );
  const options: Options = {
    task: flags.has("--goals") ? "goals" : growth.length > 0 ? "growth" : "compare",
    growth,
    subjects: names,
    modes,
    rounds: number("--rounds", quick ? 3 : 5),
    seconds: number("--seconds", quick ? 1 : 2),
    warmSeconds: number("--warm", quick ? 1 : 30),
    valueBytes,
    keys,
    nodes: number("--nodes"),
    useRedisBenchmark: text("--driver") === "redis-benchmark",
    directory: text("--data", temporary),
    quick,
    install: flags.has("--install"),
    out: flags.get("--out") ?? null,
  };
  const counts = [options.rounds, options.seconds, valueBytes, keys, options.nodes];
  const all = [...counts, ...modes.flatMap(({ clients, pipeline }) => [clients, pipeline])];
  const isGrowthKnown = growth.length === list("--growth").length;
  return isGrowthKnown && all.every((one) => one > 0) ? options : null;
}
