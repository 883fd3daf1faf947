import type { CommandLine } from "./flags.ts";
export const statusCommand: CommandLine = {
  name: "status",
  summary: "",
  usage: "",
  takesWords: false,
  flags: [],
  examples: [],
};
export function status(_args: readonly string[]): Promise<number> {
  return Promise.resolve(1);
}
