/**
 * Memory that is freed stays with the process for half a minute before the system gets it back.
 *
 * A server frees as much as it is told, in large pieces, and needs as much again at once. Bun's allocator (mimalloc) gives pages, and free
 * parts of them, back after a tenth of a second by default, and to get one again costs a fault, which fills it with zeros: a quarter of the
 * processor time of a pipeline of writes. The allocator reads its settings once, before anything of ours runs, from the environment; so the
 * program is begun anew, in the same process, with the settings in its environment.
 *
 * Keeps true: whoever sets a variable decides; where the program cannot be begun anew, it goes on as it is, and says so.
 *
 * @module
 */
import process from "node:process";
import { ownProgram } from "./own_program.ts";

/** How long pages of which nothing is used stay with the process, in milliseconds; -1 for ever. */
const PURGE_DELAY = "MIMALLOC_PURGE_DELAY";
/** How often the free parts of pages in use are given back, in milliseconds; a setting of Bun's own version of mimalloc. */
const HOLES_INTERVAL = "MIMALLOC_PURGE_HOLES_MIN_INTERVAL";
const DELAY_MS = String(30_000);

type Environment = Readonly<Record<string, string | undefined>>;

/** The part of a runtime's `process` that is needed. */
interface Runtime {
  readonly argv: readonly string[];
  /** Words for the runtime itself: whoever has some looks into it, and it is left alone. */
  readonly execArgv: readonly string[];
  readonly env: Environment;
}

/** One that can put another program in the place of its own (execve, POSIX). */
interface Replaceable extends Runtime {
  execve(file: string, words: readonly string[], environment: Environment): void;
}

function isReplaceable(runtime: Runtime): runtime is Replaceable {
  return "execve" in runtime && typeof runtime.execve === "function";
}

/**
 * Begins the program anew where its allocator has no setting yet, and does not return then; nothing may have been opened before. Gives the reason
 * where that failed.
 */
export function keepFreedMemory(runtime: Runtime = process, isBun = "Bun" in globalThis): unknown {
  const isSet = runtime.env[PURGE_DELAY] !== undefined || runtime.execArgv.length > 0;
  if (!isBun || isSet || !isReplaceable(runtime)) return null;
  const { command, before } = ownProgram();
  const words = [command, ...before, ...runtime.argv.slice(2)];
  try {
    runtime.execve(command, words, { [HOLES_INTERVAL]: DELAY_MS, ...runtime.env, [PURGE_DELAY]: DELAY_MS });
    return null;
  } catch (error) {
    return error;
  }
}
