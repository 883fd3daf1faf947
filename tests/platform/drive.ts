/**
 * Lets asynchronous work run in virtual time, or in real time with a limit; so that one test can be run on both.
 *
 * @module
 */
import type { VirtualTime } from "../simulator/virtual_time.ts";

/** Runs a piece of work to its end, and makes the time pass that it waits for. */
export type Drive = <T>(work: () => Promise<T>) => Promise<T>;

/** Steps that a chain of continuations may take between two events. */
const CONTINUATIONS = 24;
const REAL_MS_MAX = 10_000;

/** After this, every continuation that could run has run, short chains at least. */
export async function letPromisesRun(): Promise<void> {
  for (let i = 0; i < CONTINUATIONS; i++) await null;
}

/** Runs what is due until then, and the continuations of each event before the next one. */
export async function advance(time: VirtualTime, until: number): Promise<void> {
  await letPromisesRun();
  while (time.step(until)) await letPromisesRun();
  time.now = Math.max(time.now, until);
}

/** Virtual time passes until the work is done. Throws where nothing is left to happen and the work still waits. */
export function virtually(time: VirtualTime): Drive {
  return async (work) => {
    const result = work();
    let isDone = false;
    result.then(() => isDone = true, () => isDone = true);
    while (true) {
      for (let i = 0; i < CONTINUATIONS && !isDone; i++) await null;
      if (isDone) return await result;
      if (time.step(Number.MAX_SAFE_INTEGER)) continue;
      // A long chain of continuations, perhaps; a turn of the runtime lets it run to its end.
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      if (!isDone && !time.step(Number.MAX_SAFE_INTEGER)) {
        throw new Error("nothing is left to happen, and the test still waits");
      }
    }
  };
}

/** Real time passes by itself; too much of it is a failure. */
export const really: Drive = async (work) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting after ${REAL_MS_MAX} ms`)), REAL_MS_MAX);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
};
