/**
 * Whether a series of measurements grows without end.
 *
 * What a process takes while it warms up is no leak, nor is what comes and goes with its garbage collector. So the first third of a series
 * counts for nothing, the rest is cut into windows, and only medians of windows are compared: what leaks is more in each window than in
 * the one before, and in the end by more than is allowed.
 *
 * @module
 */

const WINDOWS = 4;
const SAMPLES_PER_WINDOW_MIN = 5;

export interface Allowance {
  /** Of the first window's median, in thousandths. */
  readonly permille: number;
  /** And so much more. */
  readonly slack: number;
}

export interface Growth {
  /** The median of each window, oldest first. */
  readonly medians: readonly number[];
  readonly grows: boolean;
}

/** `null` where there are too few measurements to tell. */
export function growthOf(samples: readonly number[], { permille, slack }: Allowance): Growth | null {
  const warm = samples.slice(Math.ceil(samples.length / 3));
  const size = Math.floor(warm.length / WINDOWS);
  if (size < SAMPLES_PER_WINDOW_MIN) return null;
  const medians = Array.from({ length: WINDOWS }, (_, i) => {
    const end = warm.length - (WINDOWS - 1 - i) * size;
    return median(warm.slice(end - size, end));
  });
  const [first = 0] = medians;
  const last = medians.at(-1) ?? 0;
  const rises = medians.every((value, i) => i === 0 || value > (medians[i - 1] ?? 0));
  return { medians, grows: rises && last > first + first * permille / 1000 + slack };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}
