/**
 * States of a list, a key that only APPEND changes, looked at by its length or as a whole: the length of the value, or `MISSING`.
 *
 * On a list each value begins with every value before it. So the value must be no longer than what any operation that is not placed has to
 * find, and each whole value that a read still wants must begin with it. This decides which of many unknown appends took effect without
 * trying their subsets: the next value that was read spells them out.
 *
 * Keeps true: at every state that is not hopeless, the value is the beginning of the shortest value that is still wanted. So its length says
 * what it is, and where nothing is wanted any more, nobody can tell. No value is ever put together, and an append costs its tail.
 *
 * @module
 */
import type { Problem } from "./problem.ts";
import { IMPOSSIBLE_STATE, type States } from "./states.ts";
import type { Value } from "./string_model.ts";

const MISSING = -1;

/** Operations in the order of what they have to find; knows the first that is not placed. */
class Waiting {
  readonly order: readonly number[];
  readonly #placeOf: Int32Array;
  readonly #isPlaced: Uint8Array;
  #first = 0;

  constructor(order: readonly number[], operations: number) {
    this.order = order;
    this.#placeOf = new Int32Array(operations).fill(-1);
    this.#isPlaced = new Uint8Array(order.length);
    for (const [place, operation] of order.entries()) this.#placeOf[operation] = place;
  }

  /** The first; -1 where all are placed. */
  get first(): number {
    return this.order[this.#first] ?? -1;
  }

  took(operation: number): void {
    const place = this.#placeOf[operation] ?? -1;
    if (place < 0) return;
    this.#isPlaced[place] = 1;
    while (this.#isPlaced[this.#first] === 1) this.#first++;
  }

  undid(operation: number): void {
    const place = this.#placeOf[operation] ?? -1;
    if (place < 0) return;
    this.#isPlaced[place] = 0;
    if (place < this.#first) this.#first = place;
  }
}

export class ListStates implements States {
  readonly initial = MISSING;
  readonly #steps: Problem["steps"];
  readonly #lengths: Waiting;
  readonly #values: Waiting;

  /** Whether the key is of that kind. */
  static fits({ steps }: Problem): boolean {
    return steps.every(({ isReadOnly, tail, findsLength }) =>
      isReadOnly ? findsLength !== undefined : tail !== undefined
    );
  }

  constructor({ steps }: Problem) {
    this.#steps = steps;
    // A missing key comes before an empty one.
    const sizeOf = (operation: number) => {
      const step = steps[operation];
      return step?.finds === null ? MISSING : step?.findsLength ?? 0;
    };
    const bySize = (a: number, b: number) => sizeOf(a) - sizeOf(b);
    const all = steps.map((_, operation) => operation);
    const lengths = all.filter((i) => steps[i]?.findsLength !== undefined);
    const values = all.filter((i) => steps[i]?.finds !== undefined);
    this.#lengths = new Waiting(lengths.sort(bySize), steps.length);
    this.#values = new Waiting(values.sort(bySize), steps.length);
  }

  after(operation: number, state: number): number {
    const step = this.#steps[operation];
    if (step === undefined) return IMPOSSIBLE_STATE;
    const { finds, findsLength, tail } = step;
    const length = Math.max(state, 0);
    if (findsLength !== undefined && findsLength !== length) return IMPOSSIBLE_STATE;
    if (tail !== undefined) return length + tail.length;
    // A whole value that is wanted has the shortest one for its beginning, and that has the value of the key: of the same length, it is that.
    if (finds !== undefined && (finds === null) !== (state === MISSING)) return IMPOSSIBLE_STATE;
    return state;
  }

  took(operation: number): void {
    this.#lengths.took(operation);
    this.#values.took(operation);
  }

  undid(operation: number): void {
    this.#lengths.undid(operation);
    this.#values.undid(operation);
  }

  /** Every whole value that is wanted must be a beginning of the next longer one. */
  isHopelessAtFirst(): boolean {
    let shorter: Value = null;
    for (const operation of this.#values.order) {
      const value: Value = this.#steps[operation]?.finds ?? null;
      // Comparing a slice costs a small part of what startsWith does.
      if (value !== null && shorter !== null && value.slice(0, shorter.length) !== shorter) return true;
      shorter = value;
    }
    return false;
  }

  isHopeless(operation: number, before: number, now: number): boolean {
    const needed = this.#steps[this.#lengths.first]?.findsLength;
    if (needed !== undefined && now > needed) return true;
    if (this.#values.first < 0) return false;
    const wanted = this.#shortest();
    if (wanted === null) return now !== MISSING;
    const tail = this.#steps[operation]?.tail;
    return tail !== undefined && !wanted.startsWith(tail, Math.max(before, 0));
  }

  remembered(state: number): number {
    return state;
  }

  /** The shortest value that is wanted. */
  #shortest(): Value {
    return this.#steps[this.#values.first]?.finds ?? null;
  }
}
