/**
 * Kind: unit.
 *
 * Invariant: what a long run says on the way and at the end is what was counted: seeds, simulated hours, faults by class, seeds a second and
 * the time that is left.
 *
 * Learnt: a reason of several lines must not make a verdict of several lines.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { brokenLine, grouped, heldLine, progressLines, totalLines } from "../../cmd/simulate_words.ts";
import { type SeedSummary, Tally } from "../simulator/summary.ts";
import { faultClasses } from "../simulator/coverage.ts";

const HELD: SeedSummary = {
  seed: 7,
  verdict: "held",
  reason: "",
  simulatedMs: 36_000,
  events: 12_345,
  served: 900,
  asked: 1000,
  servedMs: 400,
  fired: [["crash", 3], ["loss", 1200]],
};

function tallyOf(...summaries: readonly SeedSummary[]): Tally {
  const tally = new Tally();
  for (const summary of summaries) tally.add(summary);
  return tally;
}

Deno.test("numbers have their thousands apart", () => {
  const table = [[0, "0"], [999, "999"], [1000, "1 000"], [1_234_567, "1 234 567"]] as const;
  for (const [value, text] of table) assertEquals(grouped(value), text);
  assertEquals(grouped(1234.5678, 2), "1 234.57");
});

Deno.test("a seed that held, and one that did not, are a line each", () => {
  assertEquals(
    heldLine(HELD, "00ff", 1234),
    "seed 7: everything held for 36.000 simulated seconds: 12 345 events, 1 203 faults, 900 of 1 000 operations served; " +
      "well again 400 ms after the last fault; trace 00ff; took 1.23 s",
  );
  const broken: SeedSummary = { ...HELD, verdict: "liveness", reason: "nothing\n  goes on" };
  assertEquals(
    brokenLine(broken, "raftline simulate --seed 7"),
    "seed 7: no progress at 36000.000 ms: nothing goes on; again: raftline simulate --seed 7",
  );
});

Deno.test("progress: seeds, hours, speed, faults by class, and what is left", () => {
  const tally = tallyOf(HELD, HELD, { ...HELD, fired: [["crash", 1], ["pause", 2]] });
  const [first = "", ...faults] = progressLines(tally, 12, 6000).split("\n");
  assertEquals(
    first,
    "3 of 12 seeds (25 %), 0.03 simulated hours at 18 x real time, 0.5 seeds/s, 2 409 faults, 18 s left",
  );
  assertEquals(faults, ["  faults: crash 7, pause 2, loss 2 400"]);
});

Deno.test("progress with every class of faults stays in lines that can be read, and says what is left in hours", () => {
  const tally = tallyOf({ ...HELD, fired: faultClasses.map((name) => [name, 1_000_000]) });
  const [first = "", ...faults] = progressLines(tally, 100_000, 1000).split("\n");
  assertStringIncludes(first, "27 h 47 min left");
  assert(faults.every((line) => line.length <= 110));
  for (const name of faultClasses) {
    assertMatch(faults.join("\n"), new RegExp(` ${name} 1 000 000(?:,|$)`, "m"));
  }
});

Deno.test("the end: the matrix, what never fired, the recovery, and the sums", () => {
  const lines = totalLines(tallyOf(HELD, { ...HELD, servedMs: 900 }, { ...HELD, verdict: "crash" }), 5, 9000)
    .split("\n");
  assertMatch(lines[0] ?? "", /class .*fault model .*fired .*seeds .*met in so many seeds/);
  assertEquals(lines.filter((line) => /^ *\d+ \w+ +[A-Z]+\d/.test(line)).length, faultClasses.length);
  assertMatch(lines.at(-3) ?? "", /^never fired: .*\bkill, .*; 0 pairs of the others never met$/);
  assertMatch(lines.at(-2) ?? "", /half of them within 900 ms, all within 900 ms$/);
  assertMatch(
    lines.at(-1) ?? "",
    /^3 seeds from 5 on, 1 did not hold: 0\.03 simulated hours, 37 035 events, 3 609 faults, 2 700 of 3 000 operations served; 9 s, /,
  );
});
