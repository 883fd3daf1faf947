/**
 * States of any key: each value has a number, the wanted ones the first.
 *
 * @module
 */
import type { Problem } from "./problem.ts";
import { IMPOSSIBLE_STATE, type States } from "./states.ts";
import type { Value } from "./string_model.ts";
import { Wanted } from "./wanted.ts";

export class StringStates implements States {
  readonly initial: number;
  readonly #steps: Problem["steps"];
  readonly #wanted: Wanted;
  readonly #values: Value[];
  readonly #ids: Map<Value, number>;

  constructor(problem: Problem) {
    this.#steps = problem.steps;
    this.#wanted = new Wanted(problem);
    this.#values = [...this.#wanted.values];
    this.#ids = new Map(this.#values.map((value, id) => [value, id]));
    this.initial = this.#idOf(null);
  }

  after(operation: number, state: number): number {
    const value = this.#steps[operation]?.after(this.#values[state] ?? null);
    return value === undefined ? IMPOSSIBLE_STATE : this.#idOf(value);
  }

  took(operation: number): void {
    this.#wanted.took(operation);
  }

  undid(operation: number): void {
    this.#wanted.undid(operation);
  }

  isHopelessAtFirst(): boolean {
    return this.#wanted.isHopelessAt(this.initial);
  }

  isHopeless(operation: number, before: number, now: number): boolean {
    return this.#wanted.isHopeless(operation, before, now);
  }

  remembered(state: number): number {
    return state;
  }

  #idOf(value: Value): number {
    const known = this.#ids.get(value);
    if (known !== undefined) return known;
    const id = this.#values.push(value) - 1;
    this.#ids.set(value, id);
    return id;
  }
}
