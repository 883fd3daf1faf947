/**
 * `@std/cli/parse-args`, typed.
 *
 * The code is the published `@std/cli`, which npm has without types as `deno-std`. To take the original itself, point
 * the import map's line for `@std/cli/parse-args` at `jsr:@std/cli@1/parse-args` and delete this file.
 *
 * @module
 */
import * as std from "deno-std/cli/parse_args.js";

/** What `parseArgs` found: the words that are no options under `_`, every option under its name. */
export type ParsedArgs = { _: (string | number)[] } & Record<string, unknown>;

/** The options of `parseArgs` that this project uses. */
export interface ParseOptions {
  readonly boolean?: readonly string[];
  readonly string?: readonly string[];
  readonly collect?: readonly string[];
  readonly alias?: Readonly<Record<string, string>>;
  readonly stopEarly?: boolean;
  readonly "--"?: boolean;
  /** Called for each word or option that was not declared; `false` leaves it out of the result. */
  readonly unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Reads an argument vector; see `@std/cli`. */
export const parseArgs: (args: readonly string[], options?: ParseOptions) => ParsedArgs = std.parseArgs;
