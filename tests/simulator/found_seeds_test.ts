/**
 * Kind: property (simulation of whole servers), seeds that once found something.
 *
 * Invariant: what a seed found does not come back: each holds.
 *
 * Learnt: these were found before disks decayed, so in them they do not. A seed is the same run only as long as nothing in the world draws otherwise; so what it found in the product has a test of its own
 * wherever that can be told in fewer words, and this table is a second look.
 */
import { assertEquals } from "@std/assert";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import type { Decaying } from "./odds.ts";
import { runSeed } from "./run_seed.ts";

interface Found {
  readonly seed: number;
  readonly faultySeconds: number;
  readonly what: string;
  /** Disks did not decay yet when it was found, unless it says so. */
  readonly decaying?: Decaying;
}

const FOUND: readonly Found[] = [
  {
    seed: 1012557,
    faultySeconds: 4,
    what: "an alarm that rang a rounding error early was set for the same moment for ever",
  },
  { seed: 1012795, faultySeconds: 4, what: "a receipt of a snapshot went on behind a sync that had failed" },
  {
    seed: 1004329,
    faultySeconds: 4,
    what: "the reader of durable logs went on with a first segment that was made anew",
  },
  {
    seed: 1000040,
    faultySeconds: 4,
    what: "the core lost its quorum to a change that was under way when the faults ended",
  },
  { seed: 1007238, faultySeconds: 4, what: "the leader was not of the core, but of those that came back" },
  {
    seed: 1039217,
    faultySeconds: 4,
    what: "a change that came a second after the faults ended took the quorum of the core",
  },
  {
    seed: 3000525,
    faultySeconds: 4,
    what: "a disk was lost whose vote a change that was accepted just after it needed",
  },
  { seed: 1000074, faultySeconds: 4, what: "five split votes in a row" },
  {
    seed: 5001243,
    faultySeconds: 4,
    what:
      "bad sectors at the beginning, behind it and at the end of a segment were taken for a disk that reads nothing",
    decaying: "always",
  },
  {
    seed: 5103731,
    faultySeconds: 4,
    what: "the last read of a pipeline was never answered where nobody led",
    decaying: "always",
  },
  {
    seed: 13004331,
    faultySeconds: 4,
    what: "a life that ended while its disk stood still wrote once more when the disk let go",
    decaying: "always",
  },
  {
    seed: 70007824,
    faultySeconds: 4,
    what: "a log that was damaged and cut took the cut for where it had ended",
    decaying: "always",
  },
  {
    seed: 2372,
    faultySeconds: 12,
    what: "a disk that was emptied after it had lost a part: the leader knows of that loss, and says so",
  },
  {
    seed: 261,
    faultySeconds: 12,
    what: "the reader of durable logs did not read on where a segment rotted that it had not come to",
    decaying: "drawn",
  },
  {
    seed: 522,
    faultySeconds: 8,
    what: "the disk of a server that never was up was damaged, and nobody knew of the server",
    decaying: "everywhere",
  },
  {
    seed: 156,
    faultySeconds: 4,
    what: "a hole of which the others had only snapshots stayed, and nobody could lead",
    decaying: "everywhere",
  },
  {
    seed: 60516,
    faultySeconds: 4,
    what:
      "two that lost their snapshots got one, and had what followed it in a new term, and did not put it there",
    decaying: "everywhere",
  },
  {
    seed: 21000417,
    faultySeconds: 4,
    what:
      "a leader that was started again, and led nobody, was taken for the leader by two below their floors",
    decaying: "everywhere",
  },
  {
    seed: 46000363,
    faultySeconds: 4,
    what: "who came in by an entry that others had lost was not asked by them, nor found them itself",
    decaying: "everywhere",
  },
  {
    seed: 46000555,
    faultySeconds: 4,
    what: "who came in behind the holes of the others, and had what they lacked, was not asked",
    decaying: "everywhere",
  },
];

for (const { seed, faultySeconds, what, decaying = "never" } of FOUND) {
  Deno.test(`seed ${seed} holds, which found: ${what}`, async () => {
    await loadCrc32c();
    const { verdict, reason } = await runSeed(seed, { faultyMs: faultySeconds * 1000, decaying });
    assertEquals([verdict, reason], ["held", ""]);
  });
}
