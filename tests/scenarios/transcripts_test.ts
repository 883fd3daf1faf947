/**
 * Kind: unit (several cores, every step written by hand).
 *
 * Invariant: the scenarios of the bug catalogue (sections 3.1 to 3.6) end right, and everything on the way is as it was reviewed.
 *
 * Learnt: an update can accept a wrong transcript, so what matters is said by `expect` in the transcript itself.
 */
import { assertEquals } from "@std/assert";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { perform } from "./transcript.ts";

const folder = new URL("transcripts/", import.meta.url);

for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt")).sort()) {
  const file = new URL(name, folder);
  const text = readFileSync(file, "utf8");
  const title = text.split("\n")[0]?.replace(/^# /, "") ?? name;
  Deno.test(title, () => {
    const performed = perform(text);
    if (process.env["RAFTLINE_UPDATE"] === "1") {
      if (performed !== text) writeFileSync(file, performed);
    } else assertEquals(performed, text, `${name}: RAFTLINE_UPDATE=1 writes what happens now`);
  });
}
