/**
 * Scrubbing of a server that is up: the steps by the clock, and what becomes of rot.
 *
 * What rotted in a closed segment is in the server's state, so it takes a snapshot of that, and lets go of the segment. Where the state lacks some
 * of it yet, and there are others to repair it from, the process ends: the next start finds the same, and does so (docs/repair.md). A
 * rotten snapshot is put aside, and a new one comes in its place.
 *
 * @module
 */
import { describeError, ExitCode, Refusal } from "../base/errors.ts";
import type { Alarm, Clock } from "../platform/clock.ts";
import type { Trace } from "../platform/trace.ts";
import type { Scrubber } from "./scrubber.ts";
import { serialOf } from "./segment.ts";
import { snapshotPlaceOf } from "./snapshot_file.ts";

type SnapshotPlace = Exclude<ReturnType<typeof snapshotPlaceOf>, null>;

const STEP_MS = 50;
/** After an error of the disk. */
const AGAIN_MS = 60_000;

export interface ScrubbingOptions {
  readonly clock: Clock;
  readonly scrubber: Scrubber;
  readonly bytesPerSecond: number;
  /** From the end of a round to the next one. */
  readonly pauseMs: number;
  readonly trace: Trace;
  readonly hasPeers: () => boolean;
  /** Puts a snapshot aside if it is damaged, and takes a new one; tells whether it was, or why nobody knows. */
  readonly replaceSnapshot: (place: SnapshotPlace, done: (result: boolean | Error) => void) => void;
  /** Takes a snapshot and lets go of what it covers up to that segment; tells whether it covers all of it. */
  readonly coverSegment: (serial: number, done: (isCovered: boolean) => void) => void;
  readonly fail: (refusal: Refusal) => void;
}

/** Begins; gives what ends it. */
export function startScrubbing(options: ScrubbingOptions): { stop(): Promise<void> } {
  const { clock } = options;
  let alarm: Alarm | undefined;
  let working: Promise<void> = Promise.resolve();
  let isOver = false;
  const later = (ms: number) => {
    if (!isOver) alarm = clock.wakeAt(clock.now() + ms, () => working = step(options).then(later));
  };
  later(Math.min(options.pauseMs, AGAIN_MS));
  return {
    stop: async () => {
      isOver = true;
      alarm?.cancel();
      await working;
      await options.scrubber.close();
    },
  };
}

/** Does a step; tells in how many milliseconds the next one comes. */
async function step(
  { scrubber, bytesPerSecond, pauseMs, trace, hasPeers, replaceSnapshot, coverSegment, fail }:
    ScrubbingOptions,
): Promise<number> {
  try {
    const found = await scrubber.step(Math.ceil(bytesPerSecond * STEP_MS / 1000));
    if (found === "more") return STEP_MS;
    if (found === "done") return pauseMs;
    const where = { file: found.file, offset: found.offset, reason: found.found };
    const name = found.file.slice(found.file.lastIndexOf("/") + 1);
    const snapshot = snapshotPlaceOf(name);
    if (snapshot !== null) {
      trace.event("error", "a snapshot is rotten: it is put aside, and a new one is taken", where);
      replaceSnapshot(snapshot, (result) => {
        if (result === true) return;
        const reason = result === false ? "it is whole when it is read again" : describeError(result);
        trace.event("warn", "a rotten snapshot is not put aside", { file: found.file, reason });
      });
    } else {
      const said = (isCovered: boolean) => {
        if (isCovered) {
          return trace.event(
            "error",
            "a part of the log is rotten: a snapshot stands for it from now on",
            where,
          );
        }
        if (!hasPeers()) {
          return trace.event(
            "error",
            "a part of the log is rotten: take a backup, and look at the disk",
            where,
          );
        }
        fail(
          new Refusal(
            ExitCode.diskIo,
            `rot in ${found.file} at offset ${found.offset}: ${found.found}; what was acknowledged is safe on the other servers; ` +
              `start again: it is repaired from them`,
          ),
        );
      };
      const serial = serialOf(name);
      if (serial === null) said(false);
      else coverSegment(serial, said);
    }
    return STEP_MS;
  } catch (error) {
    trace.event("warn", "the log cannot be read to look for rot", { reason: describeError(error) });
    return AGAIN_MS;
  }
}
