/**
 * What happens as it grows: throughput, latency, memory and CPU time against one size at a time.
 *
 * @module
 */
import { Field, type FieldOptions } from "./field.ts";
import type { Mode } from "./load.ts";
import { longStart } from "./long_start.ts";
import type { Growth } from "./options.ts";
import { type Line, linePlot } from "./plot.ts";
import { median, tableOf } from "./report.ts";
import { subjectNamed } from "./subjects.ts";

export interface GrowthOptions extends FieldOptions {
  readonly subjects: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly quick: boolean;
}

/** A table and a plot. */
export interface Grown {
  readonly table: string;
  readonly svg: string;
}

interface Point {
  readonly size: number;
  readonly subject: string;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicros: number;
  readonly megabytes: number;
}

/** What grows, by which steps. */
interface Plan {
  readonly title: string;
  readonly head: string;
  readonly sizes: readonly number[];
  readonly mode: (size: number) => Partial<Mode>;
  readonly nodes?: (size: number) => number;
  /** Whether each size needs servers of its own. */
  readonly fresh: boolean;
  /** Who takes part at that size; without it everybody. */
  readonly subjects?: (size: number, all: readonly string[]) => readonly string[];
}

const PLANS: Readonly<Record<Exclude<Growth, "log">, Plan>> = {
  clients: {
    title: "SET/s against clients (256 B, 3 servers)",
    head: "clients",
    sizes: [1, 4, 16, 64, 256, 1024],
    mode: (clients) => ({ clients }),
    fresh: false,
  },
  value: {
    title: "SET/s against bytes of a value (64 clients, 3 servers)",
    head: "value bytes",
    sizes: [16, 256, 4096, 65_536, 1_048_576],
    mode: (valueBytes) => ({
      valueBytes,
      keys: Math.max(16, Math.min(10_000, Math.floor(2e8 / valueBytes))),
    }),
    fresh: true,
    // etcd keeps every value that ever was, and took 7.5 GB for each server in some seconds.
    subjects: (valueBytes, all) => valueBytes > 65_536 ? all.filter((name) => name !== "etcd") : all,
  },
  nodes: {
    title: "SET/s against servers (256 B, 64 clients)",
    head: "servers",
    sizes: [1, 3, 5, 7],
    mode: () => ({}),
    nodes: (size) => size,
    fresh: true,
  },
  keys: {
    title: "SET/s against keys (256 B, 64 clients, 3 servers)",
    head: "keys",
    sizes: [1e3, 1e4, 1e5, 1e6, 1e7],
    mode: (keys) => ({ keys }),
    fresh: true,
    // Three servers of each want more memory than the machine has.
    subjects: (keys, all) => keys > 1e6 ? all.filter((name) => name !== "etcd") : all,
  },
};

export async function grow(what: Growth, options: GrowthOptions): Promise<Grown> {
  return what === "log" ? await growLog(options) : await growLoad(PLANS[what], options);
}

async function growLoad(plan: Plan, options: GrowthOptions): Promise<Grown> {
  const { rounds, seconds, keys, valueBytes, subjects, quick } = options;
  const points: Point[] = [];
  let field: Field | null = null;
  const sizes = quick ? plan.sizes.slice(0, 3) : plan.sizes;
  try {
    for (const size of sizes) {
      const mode: Mode = {
        ...{ work: "set", clients: 64, pipeline: 1, spread: false, valueBytes, keys },
        ...plan.mode(size),
      };
      if (plan.fresh) {
        await field?.stop();
        field = null;
      }
      if (field === null) {
        const nodes = plan.nodes?.(size) ?? 3;
        const names = plan.subjects?.(size, subjects) ?? subjects;
        field = await Field.start(names.map((name) => subjectNamed(name, nodes)), options);
        await field.fill(mode.keys, mode.valueBytes);
      }
      for (const { subject, figures } of await field.rounds(mode, rounds, seconds)) {
        const of = (pick: (one: (typeof figures)[number]) => number) => median(figures.map(pick));
        points.push({
          size,
          subject: subject.name,
          perSecond: of((one) => one.perSecond),
          p50: of((one) => one.p50),
          p99: of((one) => one.p99),
          cpuMicros: of((one) => one.cpuMicros),
          megabytes: of((one) => one.megabytes),
        });
      }
    }
  } finally {
    await field?.stop();
  }
  const heads = [
    plan.head,
    "subject",
    "SET/s",
    "p50 ms",
    "p99 ms",
    "CPU µs/op, all servers",
    "MB, largest server",
  ];
  const table = tableOf(
    heads,
    points.map((one) => [
      one.size.toLocaleString("en-US"),
      one.subject,
      Math.round(one.perSecond).toLocaleString("en-US"),
      one.p50.toFixed(2),
      one.p99.toFixed(2),
      one.cpuMicros.toFixed(1),
      one.megabytes.toFixed(0),
    ]),
  );
  const lines: Line[] = subjects.map((name) => ({
    name,
    points: points.filter(({ subject }) => subject === name).map(({ size, perSecond }) => ({
      x: size,
      y: perSecond,
    })),
  }));
  return { table, svg: linePlot(plan.title, plan.head, lines) };
}

const MEGABYTES = [64, 256, 1024];

/** A start against the length of the log that is to be read; ours alone, since every rival keeps its log in another way. */
async function growLog(options: GrowthOptions): Promise<Grown> {
  const starts = [];
  for (const megabytes of options.quick ? MEGABYTES.slice(0, 1) : MEGABYTES) {
    starts.push(await longStart(megabytes * 2 ** 20, options.valueBytes, options));
  }
  const table = tableOf(
    ["MiB of log", "start, s", "MB/s", "MB of memory"],
    starts.map(({ bytes, seconds, megabytes }) => [
      (bytes / 2 ** 20).toFixed(0),
      seconds.toFixed(2),
      (bytes / 1e6 / seconds).toFixed(0),
      megabytes.toFixed(0),
    ]),
  );
  const points = starts.map(({ bytes, seconds }) => ({ x: bytes / 2 ** 20, y: seconds }));
  return {
    table,
    svg: linePlot("Seconds to start against MiB of log", "MiB of log", [{ name: "raftline", points }]),
  };
}
