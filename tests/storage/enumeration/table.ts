/**
 * Counts by row and column, and what was counted there; as text.
 *
 * @module
 */
import { must } from "../../../internal/base/assert.ts";

export class Table {
  readonly #columns: readonly string[];
  /** By row, by column, by what was counted. */
  readonly #rows = new Map<string, Map<string, Map<string, number>>>();

  /** The first column has the titles of the rows. */
  constructor(columns: readonly string[]) {
    this.#columns = columns;
  }

  add(row: string, column: string, what = ""): void {
    const cells = this.#rows.get(row) ?? new Map<string, Map<string, number>>();
    this.#rows.set(row, cells);
    const cell = cells.get(column) ?? new Map<string, number>();
    cells.set(column, cell);
    cell.set(what, (cell.get(what) ?? 0) + 1);
  }

  text(): string {
    const lines = [[...this.#columns]];
    for (const [row, cells] of [...this.#rows].sort()) {
      const texts = this.#columns.slice(1).map((column) =>
        [...cells.get(column) ?? []].map(([what, count]) => `${count} ${what}`.trim()).join(" + ")
      );
      lines.push([row, ...texts]);
    }
    const widths = this.#columns.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
    return lines.map((line) =>
      line.map((text, i) => text.padEnd(must(widths[i], "It has a width"))).join(" | ")
    )
      .join("\n");
  }
}
