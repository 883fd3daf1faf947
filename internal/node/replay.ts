/**
 * What is committed of a server's own log, applied while it is read at the start; the node goes on from there.
 *
 * Keeps true: what a node would do with these entries is done: they are applied in order (I15), digests are noted and compared where they
 * are due, and what was applied since the snapshot is counted.
 *
 * @module
 */
import { assert, must } from "../base/assert.ts";
import type { StateMachine } from "../machine/machine.ts";
import type { Entry, LogIndex } from "../raft/types.ts";
import { Applier } from "./applier.ts";
import { Divergence } from "./divergence.ts";
import type { NodeLimits } from "./limits.ts";

export class Replay {
  readonly memory: { readonly bytes: number; readonly entries: number };
  readonly #machine: StateMachine;
  readonly #divergenceEntries: number;
  /** The digest of the state before anything was applied. */
  readonly #nothing: number;
  #divergence: Divergence;
  #applier: Applier | null = null;
  #entries = 0;
  #bytes = 0;
  #difference: string | null = null;

  constructor(
    machine: StateMachine,
    limits: Pick<NodeLimits, "divergenceEntries" | "logMemoryBytes" | "logMemoryEntries">,
  ) {
    this.#machine = machine;
    this.#nothing = machine.digest();
    this.#divergenceEntries = limits.divergenceEntries;
    this.#divergence = new Divergence(limits.divergenceEntries);
    this.memory = { bytes: limits.logMemoryBytes, entries: limits.logMemoryEntries };
  }

  /** Where nothing was restored, the state is that of a machine that applied nothing, whatever it applied before. */
  begins(index: LogIndex): void {
    if (this.#entries > 0) this.#forget(index);
    this.#applier = new Applier(this.#machine, index, (at, digest) => {
      this.#difference ??= this.#divergence.agreed(at, digest);
    });
  }

  #forget(index: LogIndex): void {
    this.#entries = 0;
    this.#bytes = 0;
    this.#difference = null;
    this.#divergence = new Divergence(this.#divergenceEntries);
    if (index > 0) return;
    const objection = this.#machine.restore().finish(this.#nothing);
    assert(objection === null, "A state of nothing has the digest that it had");
  }

  take(entry: Entry): void {
    must(this.#applier, "A replay begins before its first entry").apply(entry);
    this.#entries++;
    this.#bytes += entry.payload.length;
    if (this.#divergence.isDue(entry.index)) this.#divergence.note(entry.index, this.#machine.digest());
  }

  /** The digests so far, for whoever goes on. */
  get divergence(): Divergence {
    return this.#divergence;
  }

  /** How far the state has come. */
  get appliedIndex(): LogIndex {
    return must(this.#applier, "A log was read").appliedIndex;
  }

  /** What was applied since the snapshot. */
  get applied(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#entries, bytes: this.#bytes };
  }

  /** How a digest that was agreed upon differed from ours, if one did. */
  get difference(): string | null {
    return this.#difference;
  }
}
