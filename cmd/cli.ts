import type { CommandLine } from "./flags.ts";
export const cliCommand: CommandLine = {
  name: "cli",
  summary: "",
  usage: "",
  takesWords: false,
  flags: [],
  examples: [],
};
export function cli(_args: readonly string[]): Promise<number> {
  return Promise.resolve(1);
}
