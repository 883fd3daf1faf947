/**
 * `raftline cli`: one command, a pipe, or a prompt.
 *
 * @module
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import type { Address } from "../internal/platform/network.ts";
import { type CommandLine, readFlags, showAddress } from "./flags.ts";
import { type Answer, connectToAny, type RespClient } from "./resp_client.ts";
import { DEFAULT_ADDRESSES } from "./status.ts";

const HISTORY_LINES = 500;

export const cliCommand: CommandLine = {
  name: "cli",
  summary: "send one command, or those of a pipe, or those you type",
  usage: "[options] [COMMAND ARG...]",
  takesWords: true,
  flags: [
    {
      name: "connect",
      value: "HOST:PORT,...",
      help: "servers to try, until one answers",
      default: "127.0.0.1:7001,7002,7003",
    },
  ],
  examples: ["raftline cli SET greeting hello", "echo GET greeting | raftline cli", "raftline cli"],
};

export async function cli(args: readonly string[]): Promise<number> {
  const flags = readFlags(cliCommand, args);
  const addresses = flags.addresses("connect", DEFAULT_ADDRESSES);
  const client = await dial(addresses);
  const isTerminal = process.stdout.isTTY === true;
  if (flags.words.length > 0) {
    const answer = await client.send(flags.words).finally(() => client.close());
    console.log(show(answer, isTerminal));
    return answer.type === "error" ? 1 : 0;
  }
  return process.stdin.isTTY === true ? await prompt(addresses, client) : await pipe(client, isTerminal);
}

async function dial(addresses: readonly Address[]): Promise<RespClient> {
  try {
    return await connectToAny(addresses);
  } catch (error) {
    throw new Refusal(ExitCode.unavailable, error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

/** Every line of standard input is a command; answers come in order. */
async function pipe(client: RespClient, isTerminal: boolean): Promise<number> {
  let failed = false;
  const answers: Promise<void>[] = [];
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "") continue;
    answers.push(
      client.sendLine(line).then((answer) => {
        if (answer.type === "error") failed = true;
        console.log(show(answer, isTerminal));
      }),
    );
    if (answers.length >= 256) await Promise.all(answers.splice(0));
  }
  await Promise.all(answers);
  client.close();
  return failed ? 1 : 0;
}

async function prompt(addresses: readonly Address[], first: RespClient): Promise<number> {
  let client = first;
  const historyFile = `${homedir()}/.raftline_history`;
  const history = existsSync(historyFile)
    ? readFileSync(historyFile, "utf8").trim().split("\n").slice(-HISTORY_LINES)
    : [];
  const names = await commandNames(client);
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    history: history.reverse(),
    historySize: HISTORY_LINES,
    prompt: `${showAddress(client.address)}> `,
    completer: (line: string) => {
      const hits = names.filter((name) => name.startsWith(line.toUpperCase()));
      return [hits, line];
    },
  });
  lines.prompt();
  for await (const line of lines) {
    const word = line.trim().toLowerCase();
    if (word === "exit" || word === "quit") break;
    if (word === "help") {
      console.log("Type a command, as in SET greeting hello. Tab completes names; quit or Ctrl-D ends.");
    } else if (word !== "") {
      remember(historyFile, line);
      try {
        console.log(show(await client.sendLine(line), true));
      } catch (error) {
        console.log(
          `(${
            error instanceof Error ? error.message : String(error)
          }; whether the command took effect is not known)`,
        );
        client.close();
        try {
          client = await connectToAny(addresses);
          lines.setPrompt(`${showAddress(client.address)}> `);
        } catch (again) {
          console.log(`(${again instanceof Error ? again.message : String(again)})`);
        }
      }
    }
    lines.prompt();
  }
  lines.close();
  client.close();
  return 0;
}

async function commandNames(client: RespClient): Promise<readonly string[]> {
  const answer = await client.send(["COMMAND", "LIST"]);
  if (answer.type !== "array") return [];
  return answer.items.flatMap((item) =>
    item.type === "bulk" ? [new TextDecoder().decode(item.bytes).toUpperCase()] : []
  ).sort();
}

/** A history that cannot be kept is no reason to stop. */
function remember(file: string, line: string): void {
  try {
    appendFileSync(file, `${line}\n`, { mode: 0o600 });
  } catch (error) {
    if (process.env["RAFTLINE_DEBUG"] === "1") console.error(error);
  }
}

/** As redis-cli shows it: with quotes and types for people, as it is for programs. */
export function show(answer: Answer, forPeople: boolean, indent = ""): string {
  switch (answer.type) {
    case "simple":
      return answer.text;
    case "error":
      return forPeople ? `(error) ${answer.text}` : answer.text;
    case "integer":
      return forPeople ? `(integer) ${answer.text}` : answer.text;
    case "null":
      return forPeople ? "(nil)" : "";
    case "bulk": {
      const text = new TextDecoder().decode(answer.bytes);
      // Texts of several lines, such as INFO's, are for reading.
      return forPeople && !text.includes("\r\n") ? quote(answer.bytes) : text;
    }
    case "array": {
      if (!forPeople) return answer.items.map((item) => show(item, false)).join("\n");
      if (answer.items.length === 0) return "(empty array)";
      const width = String(answer.items.length).length;
      return answer.items.map((item, i) => {
        const label = `${String(i + 1).padStart(width)}) `;
        return (i === 0 ? "" : indent) + label + show(item, true, indent + " ".repeat(label.length));
      }).join("\n");
    }
  }
}

function quote(bytes: Uint8Array): string {
  const named: Readonly<Record<number, string>> = {
    10: "\\n",
    13: "\\r",
    9: "\\t",
    7: "\\a",
    8: "\\b",
    34: '\\"',
    92: "\\\\",
  };
  let text = "";
  for (const byte of bytes) {
    text += named[byte] ??
      (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`);
  }
  return `"${text}"`;
}
