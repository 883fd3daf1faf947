/**
 * A hash over everything that happens in a world, in order: two runs with the same hash were the same run.
 *
 * Integer arithmetic only; the same on every engine.
 *
 * @module
 */
import type { StateView } from "../../internal/raft/raft.ts";

const PRIME = 0x01000193;

export class TraceHash {
  #high = 0x811c9dc5;
  #low = 0x9e3779b9;

  get text(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }

  number(value: number): void {
    this.#high = Math.imul(this.#high ^ value, PRIME);
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 15), 0x85ebca6b);
  }

  word(text: string): void {
    for (let i = 0; i < text.length; i++) this.number(text.charCodeAt(i));
  }

  /** A server took a step. */
  step(place: number, at: number, view: StateView, effects: number): void {
    this.number(place);
    this.number(Math.floor(at * 1000));
    this.number(view.currentTerm);
    this.number(view.lastIndex);
    this.number(view.commitIndex);
    this.number(effects);
  }
}
