/**
 * The prompt of `raftline cli`: lines with history and completion, until Ctrl-D.
 *
 * @module
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Address } from "../internal/platform/network.ts";
import { showAddress } from "./flags.ts";
import { isBlank } from "./lines.ts";
import { connectToAny, NoAnswer, type RespClient } from "./resp_client.ts";
import { showToPeople } from "./show.ts";

const HISTORY_LINES = 500;

/** Sends what is typed, first to this client; when its connection is lost, to the first of the addresses that answers. */
export async function prompt(addresses: readonly Address[], first: RespClient): Promise<number> {
  let client: RespClient = first;
  const history = new History(`${homedir()}/.raftline_history`);
  const names = await commandNames(client);
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    history: history.newestFirst(),
    historySize: HISTORY_LINES,
    prompt: `${showAddress(client.address)}> `,
    completer: (line: string) => [names.filter((name) => name.startsWith(line.toUpperCase())), line],
  });
  let left = false;
  // Ctrl-C leaves at once, also while an answer is waited for.
  lines.on("SIGINT", () => {
    console.log("");
    lines.close();
    process.exit(0);
  });
  lines.prompt();
  for await (const line of lines) {
    left = isLeaving(line);
    if (left) break;
    if (line.trim().toLowerCase() === "help") console.log(helpText(names));
    else if (!isBlank(new TextEncoder().encode(line))) {
      history.add(line);
      try {
        if (client.gone !== null) client = await connectToAny(addresses);
        console.log(await answerTo(client, line));
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        console.log(`(${error.message})`);
      }
      lines.setPrompt(`${client.gone === null ? showAddress(client.address) : "not connected"}> `);
    }
    lines.prompt();
  }
  // The shell's own prompt begins a line.
  if (!left) console.log("");
  lines.close();
  client.close();
  return 0;
}

/** Whether a line ends the session instead of being sent. */
export function isLeaving(line: string): boolean {
  return ["quit", "exit"].includes(line.trim().toLowerCase());
}

async function answerTo(client: RespClient, line: string): Promise<string> {
  try {
    return showToPeople(await client.sendLine(line));
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return `(${error.message}; whether the command took effect is not known)`;
  }
}

async function commandNames(client: RespClient): Promise<readonly string[]> {
  const answer = await client.send(["COMMAND", "LIST"]);
  if (answer.type !== "array") return [];
  return answer.items.flatMap((item) =>
    item.type === "bulk" ? [new TextDecoder().decode(item.bytes).toUpperCase()] : []
  ).sort();
}

function helpText(names: readonly string[]): string {
  return [
    "Type a command, as in SET greeting hello. Tab completes names, the arrows bring earlier lines; quit or Ctrl-D ends.",
    ...(names.length > 0 ? [`Commands: ${names.join(" ")}`] : []),
  ].join("\n");
}

/** The lines of earlier sessions. One that cannot be read or kept is no reason to stop. */
class History {
  readonly #file: string;
  readonly #lines: readonly string[];

  constructor(file: string) {
    this.#file = file;
    const lines = this.#read();
    this.#lines = lines.slice(-HISTORY_LINES);
    if (lines.length > 2 * HISTORY_LINES) {
      this.#quietly(() => writeFileSync(file, `${this.#lines.join("\n")}\n`, { mode: 0o600 }));
    }
  }

  newestFirst(): string[] {
    return this.#lines.toReversed();
  }

  add(line: string): void {
    this.#quietly(() => appendFileSync(this.#file, `${line}\n`, { mode: 0o600 }));
  }

  #read(): readonly string[] {
    let text = "";
    this.#quietly(() => text = readFileSync(this.#file, "utf8"));
    return text.split("\n").filter((line) => line !== "");
  }

  #quietly(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (process.env["RAFTLINE_DEBUG"] === "1") console.error(error);
    }
  }
}
