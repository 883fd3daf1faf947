/**
 * `raftline add`, `remove`, `replace`, `promote`, `demote`, `priority`, `transfer`, `snapshot`, `config`: what an operator asks of a
 * cluster, as `RAFT ...` to any server of it.
 *
 * Keeps true: the exit code is 0 only where the cluster said that it is done.
 *
 * @module
 */
import { Refusal } from "../internal/base/errors.ts";
import { type CommandLine, type Flag, type Flags, readFlags } from "./flags.ts";
import { type Answer, connectToAny, NoAnswer } from "./resp_client.ts";
import { showToPeople } from "./show.ts";
import { DEFAULT_ADDRESSES } from "./status.ts";

const connect: Flag = {
  name: "connect",
  value: "HOST:PORT,...",
  help: "servers to ask, until one answers",
  default: "127.0.0.1:7001,7002,7003",
};
const onlyIf: Flag = {
  name: "if",
  value: "INDEX",
  help: "only if the configuration is still that of this index (raftline config)",
};
const HIGHEST_INDEX = 999_999_999_999_999;

export const operatorLines: readonly CommandLine[] = [
  {
    name: "add",
    summary: "add a server that was started with --join; it votes once it has caught up",
    usage: "[options] ID HOST:PORT",
    takesWords: [2, 2],
    flags: [
      connect,
      { name: "learner", value: null, help: "it gets everything, and never votes" },
      {
        name: "priority",
        value: "N",
        help: "0 to 1000: who has more is preferred as leader",
        default: "100",
      },
      onlyIf,
    ],
    examples: ["raftline add n4 10.0.0.4:7101", "raftline add n5 10.0.0.5:7101 --learner"],
  },
  {
    name: "remove",
    summary: "remove a member for good; a server with that data is not let in again",
    usage: "[options] ID",
    takesWords: [1, 1],
    flags: [connect, onlyIf],
    examples: ["raftline remove n4"],
  },
  {
    name: "replace",
    summary: "put a new server in a voter's place, in one step, once it has caught up",
    usage: "[options] OLD NEW HOST:PORT",
    takesWords: [3, 3],
    flags: [connect, onlyIf],
    examples: ["raftline replace n2 n6 10.0.0.6:7101"],
  },
  {
    name: "promote",
    summary: "make a learner a voter",
    usage: "[options] ID",
    takesWords: [1, 1],
    flags: [connect, onlyIf],
    examples: ["raftline promote n5"],
  },
  {
    name: "demote",
    summary: "make a voter a learner",
    usage: "[options] ID",
    takesWords: [1, 1],
    flags: [connect, onlyIf],
    examples: ["raftline demote n5"],
  },
  {
    name: "priority",
    summary: "say which servers are preferred as leader",
    usage: "[options] ID N",
    takesWords: [2, 2],
    flags: [connect, onlyIf],
    examples: ["raftline priority n1 200"],
  },
  {
    name: "transfer",
    summary: "hand the lead over, to a voter or to whoever is fit",
    usage: "[options] [ID]",
    takesWords: [0, 1],
    flags: [connect],
    examples: ["raftline transfer", "raftline transfer n2"],
  },
  {
    name: "snapshot",
    summary: "make the server that answers take a snapshot now",
    usage: "[options]",
    takesWords: [0, 0],
    flags: [connect],
    examples: ["raftline snapshot --connect 10.0.0.2:7001"],
  },
  {
    name: "config",
    summary: "show who the members are, and since which index",
    usage: "[options]",
    takesWords: [0, 0],
    flags: [connect],
    examples: ["raftline config"],
  },
];

/** Ends with 1 where the cluster refused. */
export async function operate(line: CommandLine, args: readonly string[]): Promise<number> {
  const flags = readFlags(line, args);
  const request = requestOf(line, flags);
  const client = await connectToAny(flags.addresses("connect", DEFAULT_ADDRESSES));
  let answer: Answer;
  try {
    answer = await client.send(request);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    const text = `${error.message}; whether it happened is not known, raftline config shows it`;
    throw new Refusal(error.exitCode, text, { cause: error });
  } finally {
    client.close();
  }
  if (answer.type === "error") {
    console.error(`raftline: ${answer.text}`);
    return 1;
  }
  console.log(answer.type === "simple" ? answer.text : showToPeople(answer).trimEnd());
  return 0;
}

/** What is sent. */
function requestOf({ name }: CommandLine, flags: Flags): readonly string[] {
  const learner = flags.has("learner") ? ["LEARNER"] : [];
  const priority = flags.has("priority") ? ["PRIORITY", String(flags.integer("priority", 100, 0, 1000))] : [];
  const condition = flags.has("if") ? ["IF", String(flags.integer("if", 0, 0, HIGHEST_INDEX))] : [];
  return ["RAFT", name.toUpperCase(), ...flags.words, ...learner, ...priority, ...condition];
}
