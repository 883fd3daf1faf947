/**
 * Kind: integration (real processes).
 *
 * Invariant: the same seed is the same run on both runtimes, by the program that ships: the same odds, the same verdict, the same trace hash
 * (I37); seeds in several processes are the same seeds; an interrupted run says how far it came, and is no success.
 *
 * Learnt: see tests/cmd/simulate_test.ts for what needs no process.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { compiled, fromSource, missingBinary, type Program, run, Running } from "./harness.ts";

const ignore = missingBinary() !== null;
const program = ignore ? fromSource : compiled;

async function seedOn(program: Program, seed: number): Promise<string> {
  const { code, stdout, stderr } = await run(
    program,
    ["simulate", "--seed", String(seed), "--faulty-seconds", "6"],
    120_000,
  );
  assertEquals([code, stderr], [0, ""], stdout);
  assertMatch(stdout, / trace [0-9a-f]{16}; took /);
  return stdout.replace(/; took .*/, "");
}

Deno.test({
  name: "the same seed has the same odds, events and trace hash on Deno and on Bun",
  ignore,
  fn: async () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      assertEquals(await seedOn(compiled, seed), await seedOn(fromSource, seed));
    }
  },
});

Deno.test("seeds in two processes are the seeds of one", async () => {
  const sums: string[] = [];
  for (const processes of ["1", "2"]) {
    const args = [
      "simulate",
      "--seeds",
      "7",
      "--first",
      "3",
      "--faulty-seconds",
      "2",
      "--processes",
      processes,
    ];
    const { code, stdout, stderr } = await run(program, args, 120_000);
    assertEquals([code, stderr], [0, ""], stdout);
    assertMatch(stdout, /\n7 seeds from 3 on, all held: /);
    sums.push(stdout.replace(/ operations served; .*/, ""));
  }
  assertEquals(sums[0], sums[1]);
});

Deno.test("a run that is interrupted prints its matrix and ends with 2", async () => {
  for (const processes of ["1", "2"]) {
    const args = ["simulate", "--seeds", "100000", "--faulty-seconds", "1", "--processes", processes];
    const running = new Running(program, args);
    // There is no line that says that it began; one that comes too early ends the process by itself.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    running.signal("SIGINT");
    const { code, stdout, stderr } = await running.ended;
    assertMatch(stderr, /^raftline: interrupted after \d+ of 100000 seeds, which held\n$/);
    assertMatch(stdout, /\n\d+ seeds? from 1 on, all held: /);
    assertEquals(code, 2);
  }
});
