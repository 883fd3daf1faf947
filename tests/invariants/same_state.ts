/**
 * Same state: state machines apply the same commands in the same order, give the same replies, and hold the same in the end (I5, I23); what
 * comes out of a snapshot is the state behind some command of that order (I24).
 *
 * @module
 */
import { Violation } from "./ghost.ts";

export class SameState {
  readonly #commands: Uint8Array[] = [];
  readonly #replies: string[] = [];
  /** The digest of the state behind so many commands. */
  readonly #digests: number[] = [];

  /** How many commands are in the common order. */
  get count(): number {
    return this.#commands.length;
  }

  /** A machine is about to apply a command as its `place`-th, from 0; tells whether it is the first machine to do so. */
  applies(place: number, command: Uint8Array, who: string): boolean {
    const before = this.#commands[place];
    if (before === undefined) {
      if (place !== this.#commands.length) {
        throw new Violation(`${who} applies command ${place}, the order has ${this.#commands.length}`);
      }
      this.#commands.push(command);
      return true;
    }
    if (!isEqual(before, command)) {
      throw new Violation(`${who} applies another command as its ${place}-th than was applied before`);
    }
    return false;
  }

  /** What the machine answered. */
  replied(place: number, reply: string, who: string): void {
    const before = this.#replies[place];
    if (before === undefined) this.#replies[place] = reply;
    else if (before !== reply) {
      throw new Violation(`${who} answers command ${place} with ${reply}, another answered ${before}`);
    }
  }

  /** The digest of a machine's state behind so many commands. */
  holds(count: number, digest: number, who: string): void {
    const before = this.#digests[count];
    if (before === undefined) this.#digests[count] = digest;
    else if (before !== digest) {
      throw new Violation(
        `${who} has digest ${digest} behind ${count} commands, another had ${before}`,
      );
    }
  }
}

/** At the end: the whole content of each machine that has applied the same commands. */
export function checkContents(contents: ReadonlyMap<string, string>): void {
  let first: readonly [who: string, content: string] | null = null;
  for (const [who, content] of contents) {
    first ??= [who, content];
    if (content !== first[1]) {
      throw new Violation(`${who} and ${first[0]} applied the same and hold different data`);
    }
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
