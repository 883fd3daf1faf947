/**
 * Which raftline this is, and what runs it.
 *
 * @module
 */
import process from "node:process";
import manifest from "../deno.json" with { type: "json" };

export const version: string = manifest.version;

export function runtimeName(): string {
  const { deno, bun } = process.versions;
  if (deno !== undefined) return `deno ${deno}`;
  return bun === undefined ? `node ${process.version}` : `bun ${bun}`;
}
