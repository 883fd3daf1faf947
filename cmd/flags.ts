/**
 * Options of the command line: declared once, read, checked, and shown by `--help`.
 *
 * Keeps true: an option that is not declared, a value that cannot be read and a word too many are each refused with one line and exit
 * code 64; nothing is guessed.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { parseAddress, showAddress } from "../internal/base/address.ts";
import type { Address } from "../internal/platform/network.ts";

/** One option, by its name without the dashes. */
export interface Flag {
  readonly name: string;
  /** What stands behind it in the help; `null` for a switch. */
  readonly value: string | null;
  readonly help: string;
  /** Shown in the help; the command itself knows what to do without the option. */
  readonly default?: string;
}

/** A command, as far as its command line goes. */
export interface CommandLine {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly flags: readonly Flag[];
  readonly examples: readonly string[];
  /**
   * Words that are no options: `false` for none; `true` where everything from the first of them on is theirs, options too; or how many at
   * least and at most, in front of the options, behind them or between them.
   */
  readonly takesWords: boolean | readonly [least: number, most: number];
}

/** What was given. */
export class Flags {
  readonly #command: string;
  readonly #values: ReadonlyMap<string, string>;
  readonly #switches: ReadonlySet<string>;
  readonly words: readonly string[];

  constructor(
    command: string,
    values: ReadonlyMap<string, string>,
    switches: ReadonlySet<string>,
    words: readonly string[],
  ) {
    this.#command = command;
    this.#values = values;
    this.#switches = switches;
    this.words = words;
  }

  has(name: string): boolean {
    return this.#values.has(name) || this.#switches.has(name);
  }

  text(name: string): string | null {
    return this.#values.get(name) ?? null;
  }

  /** A whole number within bounds, both included. */
  integer(name: string, otherwise: number, min: number, max: number): number {
    const text = this.#values.get(name);
    if (text === undefined) return otherwise;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      throw this.refuse(`--${name} is ${text}, it must be a whole number from ${min} to ${max}`);
    }
    return value;
  }

  /** One of a few words. */
  choice<Word extends string>(name: string, otherwise: Word, words: readonly Word[]): Word {
    const text = this.#values.get(name);
    if (text === undefined) return otherwise;
    const found = words.find((word) => word === text);
    if (found === undefined) throw this.refuse(`--${name} is ${text}, it must be one of ${words.join(", ")}`);
    return found;
  }

  address(name: string, otherwise: Address): Address {
    const text = this.#values.get(name);
    if (text === undefined) return otherwise;
    const address = parseAddress(text);
    if (address === null) throw this.refuse(`--${name} is ${text}, it must be HOST:PORT`);
    return address;
  }

  addresses(name: string, otherwise: readonly Address[]): readonly Address[] {
    const text = this.#values.get(name);
    if (text === undefined) return otherwise;
    return text.split(",").map((word) => {
      const address = parseAddress(word);
      if (address === null) {
        throw this.refuse(`--${name} has ${word || "an empty word"}, it must be HOST:PORT,HOST:PORT,...`);
      }
      return address;
    });
  }

  /** A refusal that says where help is. */
  refuse(reason: string): Refusal {
    return new Refusal(ExitCode.usage, `${reason}; raftline ${this.#command} --help lists the options`);
  }
}

export { parseAddress, showAddress };

/** An argument vector, divided: the options and their values, and everything behind them. */
export interface Divided {
  readonly options: readonly string[];
  readonly words: readonly string[];
}

/**
 * Finds where the options end: at `--`, which belongs to neither side, or before the first word that is no option and no value of one.
 *
 * The parser below would take a `--` away that stands among the words of a command.
 */
export function divide({ flags, takesWords }: CommandLine, args: readonly string[]): Divided {
  const takesValue = (arg: string) => flags.some(({ name, value }) => value !== null && arg === `--${name}`);
  const options: string[] = [];
  const words: string[] = [];
  let at = 0;
  while (at < args.length) {
    const arg = args[at] ?? "";
    if (arg === "--") return { options, words: [...words, ...args.slice(at + 1)] };
    if (isOption(arg)) {
      const end = at + (takesValue(arg) ? 2 : 1);
      options.push(...args.slice(at, end));
      at = end;
    } else if (typeof takesWords !== "boolean") {
      words.push(arg);
      at++;
    } else break;
  }
  return { options, words: [...words, ...args.slice(at)] };
}

/** A lone dash is a word, as everywhere. */
function isOption(arg: string): boolean {
  return arg.startsWith("-") && arg !== "-";
}

/**
 * Reads the words behind a command's name.
 *
 * @throws {Refusal} with exit code 64
 */
export function readFlags(command: CommandLine, args: readonly string[]): Flags {
  const named = command.flags.filter(({ value }) => value !== null).map(({ name }) => name);
  const switches = command.flags.filter(({ value }) => value === null).map(({ name }) => name);
  const refuse = (reason: string) =>
    new Refusal(ExitCode.usage, `${reason}; raftline ${command.name} --help lists the options`);
  const { options, words } = divide(command, args);
  for (const option of options) {
    // The parser below takes any value but `false` for "on".
    const [, name = "", value] = /^--([^=]+)=(.*)$/s.exec(option) ?? [];
    if (switches.includes(name) && value !== "true" && value !== "false") {
      throw refuse(`--${name} takes no value, but ${value || "an empty one"} is given`);
    }
  }
  const parsed = parseArgs(options, {
    string: named,
    boolean: switches,
    collect: named,
    unknown: (arg, key) => {
      if (key === undefined) return true;
      const known = nearest(arg.replace(/^-+/, "").split("=")[0] ?? "", [...named, ...switches]);
      throw refuse(
        `unknown option ${arg.split("=")[0]} for ${command.name}${
          known === null ? "" : `, did you mean --${known}?`
        }`,
      );
    },
  });
  const values = new Map<string, string>();
  for (const name of named) {
    const given = parsed[name];
    if (!Array.isArray(given) || given.length === 0) continue;
    if (given.length > 1) throw refuse(`--${name} is given ${given.length} times`);
    const value: unknown = given[0];
    if (typeof value !== "string" || value === "") throw refuse(`--${name} lacks its value`);
    values.set(name, value);
  }
  const [least, most] = typeof command.takesWords === "boolean"
    ? [0, command.takesWords ? Infinity : 0]
    : command.takesWords;
  const extra = words[most];
  if (extra !== undefined) throw refuse(`${command.name} takes no word ${extra || "that is empty"}`);
  if (words.length < least || (least > 0 && words.includes(""))) {
    throw refuse(`${command.name} is used as: raftline ${command.name} ${command.usage}`);
  }
  return new Flags(command.name, values, new Set(switches.filter((name) => parsed[name] === true)), words);
}

/** The name that is at most two letters away. */
export function nearest(word: string, names: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = 3;
  for (const name of names) {
    const distance = editDistance(word, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The help of one command. */
export function helpOf({ name, summary, usage, flags, examples }: CommandLine): string {
  const rows = flags.map(({ name, value, help, default: otherwise }) => ({
    left: `  --${name}${value === null ? "" : ` ${value}`}`,
    right: otherwise === undefined ? help : `${help} (default ${otherwise})`,
  }));
  const width = Math.max(0, ...rows.map(({ left }) => left.length)) + 2;
  return [
    `raftline ${name}: ${summary}`,
    "",
    `usage: raftline ${name} ${usage}`.trimEnd(),
    ...(rows.length === 0
      ? []
      : ["", "options:", ...rows.map(({ left, right }) => left.padEnd(width) + right)]),
    ...(examples.length === 0 ? [] : ["", "examples:", ...examples.map((example) => `  ${example}`)]),
    "",
  ].join("\n");
}
