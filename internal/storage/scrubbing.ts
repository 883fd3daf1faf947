/**
 * Scrubbing of a server that is up: the steps by the clock, and what becomes of rot.
 *
 * What rotted in a closed segment is in the server's state, so it takes a snapshot of that, and lets go of the segment. Where the state lacks some
 * of it yet, and there are others to repair it from, the process ends: the next start finds the same, and does so (docs/repair.md). A
 * rotten snapshot is put aside, and a new one comes in its place. A rotten footer is the end of no process: nothing is lost by it.
 *
 * @module
 */
import { describeError, ExitCode, Refusal } from "../base/errors.ts";
import type { Alarm, Clock } from "../platform/clock.ts";
import type { Trace } from "../platform/trace.ts";
import type { Rot, Scrubber } from "./scrubber.ts";
import { serialOf } from "./segment.ts";
import type { SnapshotDesk } from "./snapshot_desk.ts";
import { snapshotPlaceOf } from "./snapshot_file.ts";
import type { StableStore } from "./stable_store.ts";

type SnapshotPlace = Exclude<ReturnType<typeof snapshotPlaceOf>, null>;

const STEP_MS = 50;
/** After an error of the disk. */
const AGAIN_MS = 60_000;

export interface ScrubbingOptions {
  readonly clock: Clock;
  readonly scrubber: Pick<Scrubber, "step" | "close">;
  readonly bytesPerSecond: number;
  /** From the end of a round to the next one. */
  readonly pauseMs: number;
  readonly trace: Trace;
  readonly hasPeers: () => boolean;
  readonly store: Pick<StableStore, "discardThrough">;
  readonly snapshots: Pick<SnapshotDesk, "newest" | "putAside">;
  /** Takes a snapshot of the state as it is now; calls back when it was taken, or was not. */
  readonly takeSnapshot: (done: () => void) => void;
  /** Hears of each snapshot that was put aside. */
  readonly onAside?: () => void;
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
async function step(options: ScrubbingOptions): Promise<number> {
  const { scrubber, bytesPerSecond, pauseMs, trace } = options;
  try {
    const found = await scrubber.step(Math.ceil(bytesPerSecond * STEP_MS / 1000));
    if (found === "more") return STEP_MS;
    if (found === "done") return pauseMs;
    const name = found.file.slice(found.file.lastIndexOf("/") + 1);
    const snapshot = snapshotPlaceOf(name);
    if (snapshot !== null) replaceSnapshot(options, found, snapshot);
    else coverSegment(options, found, serialOf(name));
    return STEP_MS;
  } catch (error) {
    trace.event("warn", "the log cannot be read to look for rot", { reason: describeError(error) });
    return AGAIN_MS;
  }
}

function replaceSnapshot(
  { trace, snapshots, takeSnapshot, onAside }: ScrubbingOptions,
  { file, offset, found }: Rot,
  place: SnapshotPlace,
): void {
  const where = { file, offset, reason: found };
  trace.event("error", "a snapshot is rotten: it is put aside, and a new one is taken", where);
  snapshots.putAside(place, (result) => {
    if (result === true) {
      onAside?.();
      return takeSnapshot(() => {});
    }
    const reason = result === false ? "it is whole when it is read again" : describeError(result);
    trace.event("warn", "a rotten snapshot is not put aside", { file, reason });
  });
}

function coverSegment(
  { trace, store, snapshots, takeSnapshot, hasPeers, fail }: ScrubbingOptions,
  { file, offset, found, isLoss }: Rot,
  serial: number | null,
): void {
  const where = { file, offset, reason: found };
  const uncovered = () => {
    if (!isLoss) {
      return trace.event("error", "the footer of a segment is rotten, and nothing is lost by it", where);
    }
    if (!hasPeers()) {
      return trace.event("error", "a part of the log is rotten: take a backup, and look at the disk", where);
    }
    fail(
      new Refusal(
        ExitCode.diskIo,
        `rot in ${file} at offset ${offset}: ${found}; what was acknowledged is safe on the other servers; ` +
          `start again: it is repaired from them`,
      ),
    );
  };
  if (serial === null) return uncovered();
  takeSnapshot(() => {
    if (!store.discardThrough(serial, snapshots.newest?.id.index ?? 0)) return uncovered();
    trace.event("error", "a part of the log is rotten: a snapshot stands for it from now on", where);
  });
}
