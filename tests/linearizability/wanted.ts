/**
 * Which values of a key are still wanted, and which could still come about.
 *
 * A value is wanted while an operation that is possible at that value only is not placed. It is in reach while the key has that value, or an
 * operation that could leave it is not placed. A value that is wanted and out of reach ends a branch of the search at once: whatever
 * comes, that operation can never be placed. Only placing an operation brings that about, and only for the value that the key had before
 * and for those that the operation could have left; so only these are looked at.
 *
 * Keeps true: "could leave" errs on the side of yes.
 *
 * @module
 */
import type { Problem } from "./problem.ts";
import type { Step, Value } from "./string_model.ts";

/** An operation that could leave more values than this is taken to be able to leave any. */
const LEAVES_MAX = 64;

/** The number of a value that nobody wants. */
export const UNWANTED = -1;

export class Wanted {
  readonly #ids = new Map<Value, number>();
  /** By number. */
  readonly values: readonly Value[];
  /** By operation: the value that it wants, or `UNWANTED`. */
  readonly by: Int32Array;
  /** By operation: the wanted values that it could leave; `null` for any. */
  readonly #leavesOf: readonly (readonly number[] | null)[];
  /** By value: how many operations that are not placed want it, and how many of them could leave it. */
  readonly #wanting: Int32Array;
  readonly #sources: Int32Array;
  /** Operations not placed that could leave any value. */
  #anySources = 0;

  constructor({ steps }: Problem) {
    this.by = new Int32Array(steps.length).fill(UNWANTED);
    for (const [i, { finds }] of steps.entries()) {
      if (finds === undefined) continue;
      const id = this.#ids.get(finds) ?? this.#ids.size;
      this.#ids.set(finds, id);
      this.by[i] = id;
    }
    this.values = [...this.#ids.keys()];
    this.#wanting = new Int32Array(this.#ids.size);
    this.#sources = new Int32Array(this.#ids.size);
    const byLength = new Map<number, number[]>();
    for (const [id, value] of this.values.entries()) {
      const alike = byLength.get(value?.length ?? -1);
      if (alike === undefined) byLength.set(value?.length ?? -1, [id]);
      else alike.push(id);
    }
    this.#leavesOf = steps.map((step) => this.#reachableBy(step, byLength));
    for (let i = 0; i < steps.length; i++) this.#count(i, 1);
  }

  /** The number of a value, or `UNWANTED`. */
  idOf(value: Value): number {
    return this.#ids.get(value) ?? UNWANTED;
  }

  /** How many operations that are not placed want a value. */
  count(id: number): number {
    return id < 0 || id >= this.#wanting.length ? 0 : this.#wanting[id] ?? 0;
  }

  took(operation: number): void {
    this.#count(operation, -1);
  }

  undid(operation: number): void {
    this.#count(operation, 1);
  }

  /** See `States`; values go by their numbers, and those that nobody wants by any other. */
  isHopeless(operation: number, before: number, now: number): boolean {
    if (this.#anySources > 0) return false;
    if (before !== now && this.#isOutOfReach(before)) return true;
    const leaves = this.#leavesOf[operation] ?? NONE;
    for (let i = 0; i < leaves.length; i++) {
      const id = leaves[i] ?? UNWANTED;
      if (id !== now && this.#isOutOfReach(id)) return true;
    }
    return false;
  }

  isHopelessAt(now: number): boolean {
    if (this.#anySources > 0) return false;
    return this.values.some((_, id) => id !== now && this.#isOutOfReach(id));
  }

  #isOutOfReach(id: number): boolean {
    return this.count(id) > 0 && this.#sources[id] === 0;
  }

  #count(operation: number, by: 1 | -1): void {
    const wanted = this.by[operation] ?? UNWANTED;
    if (wanted >= 0) this.#wanting[wanted] = (this.#wanting[wanted] ?? 0) + by;
    const leaves = this.#leavesOf[operation] ?? null;
    if (leaves === null) this.#anySources += by;
    else {
      for (let i = 0; i < leaves.length; i++) {
        const id = leaves[i] ?? 0;
        this.#sources[id] = (this.#sources[id] ?? 0) + by;
      }
    }
  }

  /** The wanted values that a step could leave where it changes something. */
  #reachableBy(
    { isReadOnly, leaves, tail, findsLength }: Step,
    byLength: ReadonlyMap<number, readonly number[]>,
  ): readonly number[] | null {
    if (isReadOnly) return NONE;
    if (leaves !== undefined) {
      const id = this.idOf(leaves);
      return id === UNWANTED ? NONE : [id];
    }
    if (tail === undefined) return null;
    const ids = findsLength === undefined
      ? this.values.keys()
      : byLength.get(findsLength + tail.length) ?? NONE;
    const found: number[] = [];
    for (const id of ids) {
      if (this.values[id]?.endsWith(tail) !== true) continue;
      if (found.push(id) > LEAVES_MAX) return null;
    }
    return found;
  }
}

const NONE: readonly number[] = [];
