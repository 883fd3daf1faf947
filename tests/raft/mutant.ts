/**
 * A core with one mistake in it: the shipped sources, copied to a scratch folder, with one piece of text replaced. Never in a shipped path.
 *
 * @module
 */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Raft } from "../../internal/raft/raft.ts";
import type { MakeRaft } from "./life.ts";

export interface Mutation {
  /** A file of internal/raft. */
  readonly file: string;
  readonly text: string;
  readonly becomes: string;
}

export async function mutant({ file, text, becomes }: Mutation): Promise<MakeRaft> {
  const folder = mkdtempSync(join(tmpdir(), "raftline-mutant-"));
  for (const room of ["base", "raft"]) {
    cpSync(fileURLToPath(new URL(`../../internal/${room}`, import.meta.url)), join(folder, room), {
      recursive: true,
    });
  }
  const path = join(folder, "raft", file);
  const source = readFileSync(path, "utf8");
  if (source.split(text).length !== 2) {
    throw new Error(`Cannot mutate ${file}: "${text}" is not in it exactly once`);
  }
  writeFileSync(path, source.replace(text, () => becomes));
  const mutated: { readonly Raft: typeof Raft } = await import(
    pathToFileURL(join(folder, "raft", "raft.ts")).href
  );
  return (options) => new mutated.Raft(options);
}
