/**
 * Latencies, counted in buckets that grow with the value, so that every percentile is right to within one percent.
 *
 * @module
 */

/** Buckets per doubling: 1 / 128 is less than one percent. */
const STEPS = 128;
const DOUBLINGS = 40;

export class Histogram {
  readonly #counts = new Float64Array(STEPS * (DOUBLINGS + 1));
  #total = 0;
  #max = 0;

  /** Counts one value, a positive number of microseconds. */
  add(value: number): void {
    this.#counts[bucketOf(value)] = (this.#counts[bucketOf(value)] ?? 0) + 1;
    this.#total++;
    if (value > this.#max) this.#max = value;
  }

  get total(): number {
    return this.#total;
  }

  get max(): number {
    return this.#max;
  }

  /** The value below which that share of all values lies; 0 where there is none. */
  percentile(share: number): number {
    if (this.#total === 0) return 0;
    const rank = Math.max(1, Math.ceil(share * this.#total));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return Math.min(valueOf(bucket), this.#max);
    }
    return this.#max;
  }
}

function bucketOf(value: number): number {
  if (value < STEPS) return Math.max(0, Math.floor(value));
  const doubling = Math.min(DOUBLINGS, Math.floor(Math.log2(value / STEPS)) + 1);
  const low = STEPS * 2 ** (doubling - 1);
  return doubling * STEPS + Math.min(STEPS - 1, Math.floor((value - low) / low * STEPS));
}

/** The upper end of a bucket. */
function valueOf(bucket: number): number {
  const doubling = Math.floor(bucket / STEPS);
  const step = bucket % STEPS;
  if (doubling === 0) return step + 1;
  const low = STEPS * 2 ** (doubling - 1);
  return low + (step + 1) * low / STEPS;
}
