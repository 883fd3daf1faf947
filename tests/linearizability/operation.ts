/**
 * One operation of a client: what it asked, when, and what it learned.
 *
 * Every text is a byte string with one character per byte, as in the rest of the house; history_lines.ts turns JSON into this and back.
 *
 * @module
 */

/** What a command answered. `{ error }` is an error reply of a command that was executed, such as INCR of a word. */
export type Answer = null | string | number | bigint | { readonly error: string } | readonly Answer[];

export interface Operation {
  /** Whose it is. Operations of one client on one key take effect in the order in which they were asked, pipelined or not. */
  readonly client: number;
  readonly key: string;
  /** The command, in capitals. */
  readonly op: string;
  /** The words behind the key. */
  readonly args: readonly string[];
  /** When it was asked and answered, in any unit that never goes back; `null` where it never was. */
  readonly invoke: number;
  readonly return: number | null;
  /** `fail`: it did not happen and never will. `unknown`: it may happen at any time from `invoke` on, or never. */
  readonly outcome: "ok" | "fail" | "unknown";
  /** `undefined` where it was not kept: any answer will do. */
  readonly result: Answer | undefined;
}

/** A history that cannot be checked, and why, in one line. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
}
