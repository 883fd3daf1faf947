/**
 * `raftline cli`: one command, a pipe, or a prompt.
 *
 * Keeps true: what is shown to programs is what the server sent, byte for byte; where the connection is lost, it is said how many commands
 * have no answer.
 *
 * @module
 */
import process from "node:process";
import { Refusal } from "../internal/base/errors.ts";
import { latin1Of } from "../internal/base/latin1.ts";
import { type CommandLine, readFlags } from "./flags.ts";
import { isBlank, linesOf } from "./lines.ts";
import { endWhereUnwritten, writeOut } from "./output.ts";
import { isLeaving, prompt } from "./prompt.ts";
import { type Answer, connectToAny, NoAnswer, type RespClient } from "./resp_client.ts";
import { showToPeople, showToPrograms } from "./show.ts";
import { DEFAULT_ADDRESSES } from "./status.ts";

/** Commands of a pipe that may wait for their answers. */
const WAITING_MAX = 256;
/** Longer lines are not looked at. */
const LEAVING_MAX = 100;

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

/** Ends with 1 where a command was answered with an error. */
export async function cli(args: readonly string[]): Promise<number> {
  const flags = readFlags(cliCommand, args);
  const addresses = flags.addresses("connect", DEFAULT_ADDRESSES);
  const client = await connectToAny(addresses);
  endWhereUnwritten();
  if (flags.words.length === 0) {
    return process.stdin.isTTY === true ? await prompt(addresses, client) : await pipe(client);
  }
  try {
    const answer = await client.send(flags.words);
    await print(answer);
    return answer.type === "error" ? 1 : 0;
  } catch (error) {
    throw error instanceof NoAnswer ? uncertain(error, 1) : error;
  } finally {
    client.close();
  }
}

/** Returns when it is written: what a slow reader did not take yet would end with the process. */
function print(answer: Answer): Promise<void> {
  return writeOut(process.stdout.isTTY === true ? `${showToPeople(answer)}\n` : showToPrograms(answer));
}

function uncertain(error: NoAnswer, commands: number): Refusal {
  const what = commands === 1 ? "the command took" : `the last ${commands} commands took`;
  return refusal(error, `whether ${what} effect is not known`);
}

function refusal(error: NoAnswer, more: string): Refusal {
  return new Refusal(error.exitCode, `${error.message}; ${more}`, { cause: error });
}

/** Every line of standard input is a command; answers come in order. */
async function pipe(client: RespClient): Promise<number> {
  let failed = false;
  const unanswered: NoAnswer[] = [];
  const answered = (answer: Answer) => {
    if (answer.type === "error") failed = true;
    return print(answer);
  };
  const lost = (error: unknown) => {
    if (!(error instanceof NoAnswer)) throw error;
    unanswered.push(error);
  };
  let waiting: Promise<void>[] = [];
  let unsent: NoAnswer | null = null;
  for await (const line of linesOf(process.stdin)) {
    if (isBlank(line)) continue;
    if (line.length < LEAVING_MAX && isLeaving(latin1Of(line))) break;
    unsent = client.gone;
    if (unsent !== null) break;
    waiting.push(client.sendLine(line).then(answered, lost));
    if (waiting.length < WAITING_MAX) continue;
    await Promise.all(waiting);
    waiting = [];
  }
  await Promise.all(waiting);
  client.close();
  const [first] = unanswered;
  if (first !== undefined) throw uncertain(first, unanswered.length);
  if (unsent !== null) throw refusal(unsent, "the rest of the input was not sent");
  return failed ? 1 : 0;
}
