/**
 * Kind: unit (what was found × what the state covers × whether there are others).
 *
 * Invariant: rot in a closed segment lets a snapshot of the state stand for it. Where the state lacks some of it yet, the process ends if others
 * can repair it, and goes on, saying so, if it is alone. A rotten footer ends no process: nothing is lost by it.
 *
 * Learnt: the start after such an end would find the footer as it is, and end again.
 */
import { assertEquals } from "@std/assert";
import type { Refusal } from "../../internal/base/errors.ts";
import type { Rot } from "../../internal/storage/scrubber.ts";
import { startScrubbing } from "../../internal/storage/scrubbing.ts";
import { letPromisesRun } from "../platform/drive.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";
import { Log } from "./lab.ts";

const COVERED = "a part of the log is rotten: a snapshot stands for it from now on";
const ALONE = "a part of the log is rotten: take a backup, and look at the disk";
const FOOTER = "the footer of a segment is rotten, and nothing is lost by it";

interface Case {
  readonly isLoss: boolean;
  readonly isCovered: boolean;
  readonly hasPeers: boolean;
  readonly says: readonly string[];
  readonly ends: boolean;
}

const CASES: readonly Case[] = [
  { isLoss: true, isCovered: true, hasPeers: true, says: [COVERED], ends: false },
  { isLoss: true, isCovered: true, hasPeers: false, says: [COVERED], ends: false },
  { isLoss: true, isCovered: false, hasPeers: true, says: [], ends: true },
  { isLoss: true, isCovered: false, hasPeers: false, says: [ALONE], ends: false },
  { isLoss: false, isCovered: true, hasPeers: true, says: [COVERED], ends: false },
  { isLoss: false, isCovered: true, hasPeers: false, says: [COVERED], ends: false },
  { isLoss: false, isCovered: false, hasPeers: true, says: [FOOTER], ends: false },
  { isLoss: false, isCovered: false, hasPeers: false, says: [FOOTER], ends: false },
];

for (const { isLoss, isCovered, hasPeers, says, ends } of CASES) {
  const what = isLoss ? "a batch" : "a footer";
  const where = `${isCovered ? "covered by a snapshot" : "not covered"}, ${
    hasPeers ? "with" : "without"
  } others`;
  Deno.test(`${what} that rotted, ${where}: ${ends ? "the process ends" : says.join()}`, async () => {
    const time = new VirtualTime();
    const log = new Log();
    const failures: Refusal[] = [];
    const rot: Rot = { file: "data/log/log-0000000003.seg", offset: 9, found: "rot", isLoss };
    const found: (Rot | "done")[] = [rot];
    const asked: (readonly [serial: number, covered: number])[] = [];
    const scrubbing = startScrubbing({
      clock: new LifeClock(time),
      scrubber: {
        step: () => Promise.resolve(found.shift() ?? "done"),
        close: () => Promise.resolve(),
      },
      bytesPerSecond: 1000,
      pauseMs: 1000,
      trace: log,
      hasPeers: () => hasPeers,
      store: {
        discardThrough: (serial, covered) => {
          asked.push([serial, covered]);
          return isCovered;
        },
      },
      snapshots: { newest: null, putAside: () => {} },
      takeSnapshot: (done) => done(),
      fail: (refusal) => failures.push(refusal),
    });
    time.step(Number.MAX_SAFE_INTEGER);
    await letPromisesRun();
    assertEquals(asked, [[3, 0]]);
    assertEquals(log.said.map(({ event }) => event), says);
    assertEquals(failures.map(({ exitCode }) => exitCode), ends ? [74] : []);
    await scrubbing.stop();
  });
}
