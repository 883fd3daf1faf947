/**
 * What is done to the bytes of one direction of a connection as they come in: lost, damaged, or followed by a copy of earlier ones.
 *
 * Keeps true: a fault hits whole units (a chunk as it was read, or a frame); copies stand between units, never inside one; what is remembered for
 * copies is what the source sent, before any damage.
 *
 * @module
 */
import type { Random } from "../../../internal/base/random.ts";
import { Flipper } from "./flipper.ts";
import { FrameCutter, type Unit } from "./frame_cutter.ts";
import type { Lane } from "./lane.ts";

/** Copies that wait for the end of a long frame. */
const INSERTS_MAX = 64;

export interface IntakeOptions {
  readonly lane: Lane;
  /** Whether units are frames. */
  readonly isFramed: boolean;
  readonly random: Random;
  /** A generator for the bytes to flip, by the seed that was asked for. */
  readonly flipsOf: (seed: string) => Random;
  /** Takes what goes on. */
  readonly pass: (bytes: Uint8Array) => void;
}

export class Intake {
  readonly #options: IntakeOptions;
  readonly #lane: Lane;
  readonly #cutter: FrameCutter | null;
  #flipper: { readonly fault: unknown; readonly flipper: Flipper } | null = null;
  #isDropping = false;
  #isAtBorder = true;
  #inserts: Uint8Array[] = [];

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#lane = options.lane;
    this.#cutter = options.isFramed ? new FrameCutter() : null;
  }

  take(chunk: Uint8Array): void {
    const units = this.#cutter?.push(chunk) ?? [{ bytes: chunk, begins: true, ends: true }];
    for (const unit of units) this.#takeUnit(unit);
  }

  /** No more will come. */
  end(): void {
    for (const unit of this.#cutter?.flush() ?? []) this.#takeUnit(unit);
  }

  /** Sends a copy of something as soon as no unit is in the way; says whether it could be taken. */
  insert(bytes: Uint8Array): boolean {
    if (this.#inserts.length >= INSERTS_MAX) return false;
    this.#inserts.push(bytes);
    this.#passInserts();
    return true;
  }

  #takeUnit(unit: Unit): void {
    const { lane: { faults, counters, recorder }, random } = this.#options;
    const isWhole = unit.begins && unit.ends;
    if (isWhole) recorder.remember(unit.bytes);
    // The parts of a long frame share its fate.
    if (unit.begins) this.#isDropping = random.uint32() < faults.dropChance * 2 ** 32;
    this.#isAtBorder = unit.ends;
    if (this.#isDropping) counters.dropped += unit.bytes.length;
    else this.#options.pass(this.#damaged(unit.bytes));
    this.#passInserts();
    if (isWhole && random.uint32() < faults.replayChance * 2 ** 32) {
      const earlier = recorder.anyEarlier(random);
      if (earlier !== null) this.insert(earlier);
    }
  }

  #passInserts(): void {
    if (!this.#isAtBorder) return;
    for (const bytes of this.#inserts.splice(0)) {
      this.#lane.counters.replayed++;
      this.#options.pass(bytes);
    }
  }

  #damaged(bytes: Uint8Array): Uint8Array {
    const { flip } = this.#lane.faults;
    if (flip === null) return bytes;
    if (this.#flipper?.fault !== flip) {
      const flipper = new Flipper(flip.chance, this.#options.flipsOf(flip.seed));
      this.#flipper = { fault: flip, flipper };
    }
    const damaged = this.#flipper.flipper.pass(bytes);
    this.#lane.counters.flipped += damaged.flipped;
    return damaged.bytes;
  }
}
