/**
 * The commands of `raftline`, by name.
 *
 * @module
 */
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { backup, backupCommand } from "./backup.ts";
import { bench, benchCommand } from "./bench.ts";
import { check, checkCommand } from "./check.ts";
import { cli, cliCommand } from "./cli.ts";
import { demo, demoCommand } from "./demo.ts";
import {
  logDump,
  logDumpCommand,
  logVerify,
  logVerifyCommand,
  snapshotInspect,
  snapshotInspectCommand,
} from "./data_tools.ts";
import { type CommandLine, divide, helpOf, nearest } from "./flags.ts";
import { operate, operatorLines } from "./operate.ts";
import { proxy, proxyCommand } from "./proxy.ts";
import { recover, recoverCommand } from "./recover.ts";
import { restore, restoreCommand } from "./restore.ts";
import { serve } from "./serve.ts";
import { serveCommand } from "./serve_options.ts";
import { simulate, simulateCommand } from "./simulate.ts";
import { status, statusCommand } from "./status.ts";
import { runtimeName, version } from "./version.ts";

interface Command {
  readonly line: CommandLine;
  /** Gives the exit code. */
  run(args: readonly string[]): Promise<number>;
}

const COMMANDS: readonly Command[] = [
  { line: serveCommand, run: serve },
  { line: demoCommand, run: demo },
  { line: cliCommand, run: cli },
  { line: statusCommand, run: status },
  { line: benchCommand, run: bench },
  ...operatorLines.map((line) => ({ line, run: (args: readonly string[]) => operate(line, args) })),
  { line: backupCommand, run: backup },
  { line: restoreCommand, run: restore },
  { line: recoverCommand, run: recover },
  { line: logVerifyCommand, run: logVerify },
  { line: logDumpCommand, run: logDump },
  { line: snapshotInspectCommand, run: snapshotInspect },
  { line: proxyCommand, run: proxy },
  { line: checkCommand, run: check },
  { line: simulateCommand, run: simulate },
];

/** Runs the command that the words name. */
export async function runCommand(given: readonly string[]): Promise<number> {
  const [name, ...args] = joined(given);
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const [wanted] = joined(args);
    const about = COMMANDS.find(({ line }) => line.name === wanted);
    console.log(about === undefined ? overview() : helpOf(about.line));
    return name === undefined ? ExitCode.usage : 0;
  }
  if (name === "--version" || name === "-V" || name === "version") {
    console.log(`raftline ${version} (${runtimeName()})`);
    return 0;
  }
  const command = COMMANDS.find(({ line }) => line.name === name);
  if (command === undefined) {
    const longer = COMMANDS.map(({ line }) => line.name).filter((other) => other.startsWith(`${name} `));
    if (longer.length > 0) {
      throw new Refusal(ExitCode.usage, `${name} needs a word more: ${longer.join(" or ")}`);
    }
    const known = nearest(name, COMMANDS.map(({ line }) => line.name));
    const meant = known === null ? "" : `, did you mean ${known}?`;
    throw new Refusal(ExitCode.usage, `unknown command ${name}${meant}; raftline --help lists the commands`);
  }
  const own = command.line.takesWords ? divide(command.line, args).options : args;
  if (own.includes("--help") || own.includes("-h")) {
    console.log(helpOf(command.line));
    return 0;
  }
  return await command.run(args);
}

/** Where the first two words name a command, they are one. */
function joined([first, second, ...rest]: readonly string[]): readonly string[] {
  const both = `${first} ${second}`;
  if (COMMANDS.some(({ line }) => line.name === both)) return [both, ...rest];
  return [first, second, ...rest].filter((word) => word !== undefined);
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ line }) => line.name.length)) + 2;
  return [
    `raftline ${version}: a replicated key-value store on Raft that speaks to netcat and to any Redis client`,
    "",
    "usage: raftline COMMAND [options]",
    "",
    ...COMMANDS.map(({ line }) => `  ${line.name.padEnd(width)}${line.summary}`),
    "",
    "raftline COMMAND --help says more; raftline --version says which this is.",
    "",
  ].join("\n");
}
