import type { CommandLine } from "./flags.ts";
export const demoCommand: CommandLine = {
  name: "demo",
  summary: "",
  usage: "",
  takesWords: false,
  flags: [],
  examples: [],
};
export function demo(_args: readonly string[]): Promise<number> {
  return Promise.resolve(1);
}
