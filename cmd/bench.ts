import type { CommandLine } from "./flags.ts";
export const benchCommand: CommandLine = {
  name: "bench",
  summary: "",
  usage: "",
  takesWords: false,
  flags: [],
  examples: [],
};
export function bench(_args: readonly string[]): Promise<number> {
  return Promise.resolve(1);
}
