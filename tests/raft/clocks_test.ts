/**
 * Kind: property.
 *
 * Invariant: a read that is answered on the strength of a lease covers everything that was committed anywhere by then, whatever clocks,
 * disks, loops and links do, as long as no clock is further off than the drift that was told. `RAFTLINE_CLOCKS_TIMES=100` runs that
 * many times as many.
 *
 * Learnt: the bag has no time, so leases were only tried where somebody had thought of it. With clocks as far off as they may be, timeouts that
 * hardly differ, and leaders that are cut off, a lease that forgets the drift is found in the second run; one that counts the answers of
 * followers who are not loyal (transcript r6_no_lease_from_the_disloyal) was not found in 600; nor is one in which lives end often, since hardly any lease lasts.
 */
import process from "node:process";
import { assertGreater, assertMatch, assertThrows } from "@std/assert";
import { Clocks } from "./clocks.ts";

const MORE = Number(process.env["RAFTLINE_CLOCKS_TIMES"] ?? 1);

function run(seeds: number, isHonest: boolean): Clocks["counts"] {
  const total = { leaders: 0, committed: 0, leases: 0, rounds: 0, crashes: 0, changes: 0 };
  for (let seed = 0; seed < seeds; seed++) {
    const clocks = new Clocks(`clocks/${seed}`, isHonest);
    try {
      clocks.pass(60_000);
    } catch (cause) {
      throw new Error(`seed clocks/${seed}`, { cause });
    }
    const { leaders, committed, leases, rounds, crashes, changes } = clocks.counts;
    total.leaders += leaders;
    total.committed += committed;
    total.leases += leases;
    total.rounds += rounds;
    total.crashes += crashes;
    total.changes += changes;
  }
  return total;
}

Deno.test("R5, R6: a lease covers what is committed, whatever clocks, disks, loops and links do", () => {
  const seeds = 60 * MORE;
  for (const [what, count] of Object.entries(run(seeds, true))) assertGreater(count, seeds, what);
});

Deno.test("clocks that drift further than the leases were told break the same runs", () => {
  const error = assertThrows(() => run(60, false), Error);
  assertMatch(String(error.cause), /releases a read at \d+; \d+ was committed when it was asked/);
});
