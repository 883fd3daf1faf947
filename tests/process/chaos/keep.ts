/**
 * What is left of a run that failed: data directories, logs, history and the order of events, in a directory of their own under logs/.
 *
 * @module
 */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Arena } from "./arena.ts";
import type { History } from "./history.ts";

const logs = new URL("../../../logs/", import.meta.url).pathname;

/** Keeps everything; gives the directory, as seen from the project's root. */
export function keep(arena: Arena, history: History, name: string): string {
  const directory = `logs/${`${name}-${arena.seed}-${Date.now()}`.replaceAll(/[^\w.-]+/g, "-")}`;
  const path = join(logs, directory.slice("logs/".length));
  mkdirSync(path, { recursive: true });
  for (const [id, log] of arena.logs) writeFileSync(join(path, `${id}.log`), log);
  writeFileSync(join(path, "history.jsonl"), history.lines());
  writeFileSync(join(path, "events.txt"), `${arena.events.join("\n")}\n`);
  cpSync(arena.cluster.directory, join(path, "data"), { recursive: true });
  return directory;
}
