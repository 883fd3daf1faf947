/**
 * Kind: property, on this runtime and on Bun in a process of its own.
 *
 * Invariant: every way to copy brings the same bytes to the same place and touches no others, where the arrays are parts of longer ones
 * too; places outside of either array are refused by all of them.
 *
 * Learnt: `Buffer`'s `copy` cuts short what does not fit, and says nothing; `set` throws. On Bun a view of a socket's chunk costs another
 * copy of the chunk, an object that is told when it goes, and an entry in a list.
 */
import { assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { bufferCopy, systemCopy } from "../../internal/host/system_copy.ts";
import { missingProgram } from "../process/harness.ts";
import { objectionsTo, usualCopy } from "./copy_contract.ts";

// The usual way comes last, so that it is what the process goes on with.
for (const [name, way] of [["the buffer's", bufferCopy], ["the usual", usualCopy]] as const) {
  Deno.test(`${name} way to copy brings the bytes to their place, and no others`, () => {
    assertEquals(objectionsTo(way, 3000), []);
    assertEquals(systemCopy, null);
  });
}

Deno.test({
  name: "so does every way on Bun",
  ignore: missingProgram("bun") !== null,
  fn: () => {
    const program = new URL("./copy_on_bun.ts", import.meta.url).pathname;
    const { stdout, stderr } = spawnSync("bun", [program], { encoding: "utf8" });
    assertEquals([stdout, stderr], ["ok: 2 ways, the buffer's is taken\n", ""]);
  },
});
