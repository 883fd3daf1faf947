/**
 * Latencies, counted in buckets that grow with the value, so that every percentile is right to within one percent from 1 µs on, and to
 * within 8 ns below.
 *
 * Keeps true: a percentile is never below the true one, and never above the largest value.
 *
 * @module
 */

/** Buckets per doubling, and what the first doubling is cut into: 1 / 128 is less than one percent. */
const STEPS = 128;
/** Up to 2^40 µs, which is twelve days. */
const DOUBLINGS = 40;
const BUCKETS = STEPS * (DOUBLINGS + 1);

export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #total = 0;
  #max = 0;

  /** Counts a value, a number of microseconds that is not negative, so many times. */
  add(value: number, times = 1): void {
    const bucket = bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times;
    this.#total += times;
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
    // The last bucket has no upper end.
    for (let bucket = 0; bucket < BUCKETS - 1; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return Math.min(valueOf(bucket), this.#max);
    }
    return this.#max;
  }
}

function bucketOf(value: number): number {
  if (value < 1) return Math.floor(value * STEPS);
  const doubling = Math.floor(Math.log2(value)) + 1;
  if (doubling > DOUBLINGS) return BUCKETS - 1;
  // Where the logarithm was rounded up to the next doubling, this is the last step of the doubling before.
  return doubling * STEPS + Math.floor((value / 2 ** (doubling - 1) - 1) * STEPS);
}

/** The upper end of a bucket. */
function valueOf(bucket: number): number {
  const doubling = Math.floor(bucket / STEPS);
  const share = (bucket % STEPS + 1) / STEPS;
  return doubling === 0 ? share : 2 ** (doubling - 1) * (1 + share);
}
