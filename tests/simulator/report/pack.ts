/**
 * A recording with the names of its columns written once for each table instead of once for each row; the page undoes it.
 *
 * Keeps true: what the page unpacks is what was packed, but for times, which keep three decimals, and for members that are `undefined`.
 *
 * @module
 */

/** Shorter lists are no tables. */
const TABLE_ROWS = 4;

export function packed(value: unknown): unknown {
  if (typeof value === "number") return Math.round(value * 1000) / 1000;
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return packedList(value);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, packed(one)]));
}

function packedList(list: readonly unknown[]): unknown {
  const columns = list.length < TABLE_ROWS ? null : commonColumns(list);
  if (columns === null) return list.map(packed);
  return {
    columns,
    rows: list.map((row) => columns.map((column) => packed(Reflect.get(Object(row), column)))),
  };
}

/** The members that every row has, where they are all that any row has. */
function commonColumns(rows: readonly unknown[]): readonly string[] | null {
  const columns = columnsOf(rows[0]);
  if (columns === null) return null;
  const isAlike = (row: unknown) => columnsOf(row)?.join(" ") === columns.join(" ");
  return rows.every(isAlike) ? columns : null;
}

function columnsOf(row: unknown): readonly string[] | null {
  return row === null || typeof row !== "object" || Array.isArray(row) ? null : Object.keys(row);
}
