/**
 * Medians over the rounds, and what a table says of them.
 *
 * The ratio of two subjects is the median of the ratios of each round, so that what happened to the machine in one round does not
 * count for one of them alone.
 *
 * @module
 */
import type { Figures, Rounds } from "./field.ts";
import { type Mode, showMode } from "./load.ts";

/** One row of a table. */
export interface Row {
  readonly mode: Mode;
  readonly subject: string;
  readonly perSecond: number;
  readonly perSecondRatio: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly cpuMicros: number;
  readonly cpuMicrosRatio: number;
  readonly busiestMicros: number;
  readonly clientCpuMicros: number;
  readonly megabytes: number;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}

/** The median of the ratios of one figure, round by round. */
export function ratioOf(of: Rounds, to: Rounds, pick: (one: Figures) => number): number {
  return median(of.figures.map((one, i) => {
    const other = to.figures[i];
    return other === undefined ? Number.NaN : pick(one) / pick(other);
  }));
}

export function rowsOf(mode: Mode, all: readonly Rounds[]): readonly Row[] {
  return all.map((rounds) => {
    const of = (pick: (one: Figures) => number) => median(rounds.figures.map(pick));
    const first = all[0] ?? rounds;
    return {
      mode,
      subject: rounds.subject.name,
      perSecond: Math.round(of((one) => one.perSecond)),
      perSecondRatio: ratioOf(rounds, first, (one) => one.perSecond),
      p50: of((one) => one.p50),
      p99: of((one) => one.p99),
      p999: of((one) => one.p999),
      cpuMicros: of((one) => one.cpuMicros),
      cpuMicrosRatio: ratioOf(rounds, first, (one) => one.cpuMicros),
      busiestMicros: of((one) => one.busiestMicros),
      clientCpuMicros: of((one) => one.clientCpuMicros),
      megabytes: of((one) => one.megabytes),
    };
  });
}

const HEADS = [
  ...["work", "subject", "op/s", "to 1st", "p50 ms", "p99 ms", "p99.9 ms"],
  ...["CPU µs/op, all servers", "to 1st", "busiest server", "the load", "MB, largest server"],
];

function cellsOf(row: Row): readonly string[] {
  return [
    showMode(row.mode),
    row.subject,
    row.perSecond.toLocaleString("en-US"),
    row.perSecondRatio.toFixed(2),
    ...[row.p50, row.p99, row.p999].map((ms) => ms.toFixed(2)),
    row.cpuMicros.toFixed(1),
    row.cpuMicrosRatio.toFixed(2),
    row.busiestMicros.toFixed(1),
    row.clientCpuMicros.toFixed(1),
    row.megabytes.toFixed(0),
  ];
}

/** A table in Markdown, padded, so that it can be read as it stands. */
export function tableOf(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((cells) => cells[i]?.length ?? 0)));
  const isNumber = heads.map((_, i) =>
    rows.length > 0 && rows.every((cells) => /^[\d.,-]+$/u.test(cells[i] ?? ""))
  );
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, i) => isNumber[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)).join(
        " | ",
      )
    } |`;
  const ruler = widths.map((width, i) => isNumber[i] ? `${"-".repeat(width - 1)}:` : "-".repeat(width));
  return [line(heads), `| ${ruler.join(" | ")} |`, ...rows.map(line)].join("\n");
}

export function figuresTable(rows: readonly Row[]): string {
  return tableOf(HEADS, rows.map(cellsOf));
}
