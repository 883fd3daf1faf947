/**
 * Kind: unit (a hand-made runtime); tests/process/freed_memory_test.ts has it with real processes.
 *
 * Invariant: a server's program is begun anew once, as the same process, with the same words and the allocator's settings; whoever has set one decides;
 * where it cannot be begun anew it is not the server's end.
 *
 * Learnt: Bun's `execve` throws where the file is missing, so there is something to go on from. A signal that is under way when the program is replaced
 * ends it, since it has no handler yet: Bun's profiler sends one for each look (SIGPWR), and nothing else was seen to.
 */
import { assertEquals } from "@std/assert";
import { keepFreedMemory } from "../../cmd/freed_memory.ts";

const VARIABLE = "MIMALLOC_PURGE_DELAY";
const HOLES = "MIMALLOC_PURGE_HOLES_MIN_INTERVAL";

interface Begun {
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A runtime that notes what would take its place. */
function runtime(env: Readonly<Record<string, string>>, fails = false, execArgv: readonly string[] = []) {
  const begun: Begun[] = [];
  return {
    begun,
    argv: ["bun", "main.ts", "serve", "--id", "1"],
    execArgv,
    env,
    execve(_: string, words: readonly string[], environment: Begun["environment"]): void {
      if (fails) throw new Error("ENOENT");
      begun.push({ words, environment });
    },
  };
}

Deno.test("the program is begun anew with the same words, and with the settings", () => {
  const one = runtime({ PATH: "/bin" });
  assertEquals(keepFreedMemory(one, true), null);
  const [begun, ...others] = one.begun;
  assertEquals(others, []);
  assertEquals(begun?.words.slice(-3), ["serve", "--id", "1"]);
  assertEquals(begun?.environment, { PATH: "/bin", [VARIABLE]: "30000", [HOLES]: "30000" });
});

Deno.test("one setting that is there stays beside the other", () => {
  const one = runtime({ [HOLES]: "5" });
  assertEquals(keepFreedMemory(one, true), null);
  assertEquals(one.begun.map(({ environment }) => environment), [{ [VARIABLE]: "30000", [HOLES]: "5" }]);
});

Deno.test("whoever has set it decides, and what was begun anew is not begun again", () => {
  for (const value of ["30000", "-1", ""]) {
    const one = runtime({ [VARIABLE]: value });
    assertEquals(keepFreedMemory(one, true), null);
    assertEquals(one.begun, []);
  }
});

Deno.test("a runtime with another allocator, or that cannot, goes on as it is", () => {
  const one = runtime({});
  assertEquals(keepFreedMemory(one, false), null);
  assertEquals(one.begun, []);
  assertEquals(keepFreedMemory({ argv: [], execArgv: [], env: {} }, true), null);
});

Deno.test("a runtime that was told something itself is left alone", () => {
  const one = runtime({}, false, ["--cpu-prof"]);
  assertEquals(keepFreedMemory(one, true), null);
  assertEquals(one.begun, []);
});

Deno.test("a failure is told", () => {
  assertEquals(String(keepFreedMemory(runtime({}, true), true)), "Error: ENOENT");
});
