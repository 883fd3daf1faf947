/**
 * `raftline proxy`: a TCP proxy that breaks what goes through it, on order. The code is that of the tests (tests/process/proxy).
 *
 * @module
 */
import process from "node:process";
import { systemSeed } from "../internal/host/system_seed.ts";
import { Control } from "../tests/process/proxy/control.ts";
import { commandHelp } from "../tests/process/proxy/control_commands.ts";
import type { LinkPlan } from "../tests/process/proxy/link.ts";
import { Proxy } from "../tests/process/proxy/proxy.ts";
import { type CommandLine, type Flags, parseAddress, readFlags, showAddress } from "./flags.ts";

const CONTROL = { host: "127.0.0.1", port: 7300 };

export const proxyCommand: CommandLine = {
  name: "proxy",
  summary: "a TCP proxy that delays, drops, damages and cuts what goes through it, changed from netcat",
  usage: "[options] [NAME=LISTEN_HOST:PORT,TARGET_HOST:PORT ...]",
  takesWords: true,
  flags: [
    {
      name: "control",
      value: "HOST:PORT",
      help: "where it takes commands, one a line",
      default: "127.0.0.1:7300",
    },
    {
      name: "seed",
      value: "TEXT",
      help: "where all chance comes from",
      default: "a new one, which is printed",
    },
    {
      name: "buffer-bytes",
      value: "BYTES",
      help: "what may wait in each direction of a connection; above that its source is not read",
      default: "4194304",
    },
  ],
  examples: [
    "raftline proxy n1=127.0.0.1:8001,127.0.0.1:7001",
    "raftline serve --id n1 ... --dial 127.0.0.1:7102=127.0.0.1:9012   (and a link n1-n2=127.0.0.1:9012,127.0.0.1:7102)",
    "printf 'latency n1 100 20\\nstatus\\n' | nc -q1 127.0.0.1 7300",
    "printf 'drop n1:up\\nwait 3000\\nclear n1\\n' | nc -q5 127.0.0.1 7300",
    "",
    "commands of the control port (LINK is a name or a pattern such as n1-*, and may end in :up or :down;",
    "up is from who connects to the target; each answer ends in a line with ok or error:):",
    "",
    ...commandHelp(),
  ],
};

export async function proxy(args: readonly string[]): Promise<number> {
  const flags = readFlags(proxyCommand, args);
  const control = flags.address("control", CONTROL);
  const bufferBytesMax = flags.integer("buffer-bytes", 4 * 1024 * 1024, 1024, 2 ** 30);
  const plans = flags.words.map((word) => planOf(flags, word));
  const asked = new Promise<void>((resolve) => {
    process.on("SIGINT", () => resolve());
    process.on("SIGTERM", () => resolve());
  });
  const own = new Proxy(flags.text("seed") ?? systemSeed().slice(0, 12), { bufferBytesMax });
  for (const plan of plans) {
    const link = await own.open(plan);
    console.log(`${link.name} ${showAddress(link.address)} > ${showAddress(plan.target)}`);
  }
  const port = await Control.open(own, control);
  console.log(`control ${showAddress(port.address)}, seed ${own.seed}; Ctrl-C ends it`);
  await asked;
  await port.close();
  await own.close();
  return 0;
}

function planOf(flags: Flags, word: string): LinkPlan {
  const at = word.indexOf("=");
  const [listen, target, ...rest] = word.slice(at + 1).split(",").map(parseAddress);
  const isWhole = at > 0 && rest.length === 0;
  if (!isWhole || listen === null || listen === undefined || target === null || target === undefined) {
    throw flags.refuse(`${word} must be NAME=HOST:PORT,HOST:PORT, where to listen and where to lead`);
  }
  return { name: word.slice(0, at), listen, target };
}
