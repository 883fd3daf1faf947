/**
 * Finds a command by its name as it stands in the bytes that arrived, in whatever case, and makes nothing of it.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import type { CommandSpec } from "./command_spec.ts";

/** In ASCII a small letter is the large one with this bit set. */
const SMALL = 32;

interface Named {
  readonly letters: Uint8Array;
  readonly spec: CommandSpec;
}

export class CommandNames {
  readonly #byHash = new Map<number, Named>();

  constructor(specs: readonly CommandSpec[]) {
    for (const spec of specs) {
      assert(/^[a-z]+$/.test(spec.name), "A command's name is made of small letters");
      const letters = new TextEncoder().encode(spec.name);
      const hash = hashOf(letters, 0, letters.length);
      assert(!this.#byHash.has(hash), "No two commands have the same hash");
      this.#byHash.set(hash, { letters, spec });
    }
  }

  /** The command whose name stands in these bytes. */
  find(bytes: Uint8Array, from: number, to: number): CommandSpec | undefined {
    const named = this.#byHash.get(hashOf(bytes, from, to));
    if (named === undefined || named.letters.length !== to - from) return undefined;
    // Only a letter becomes a small letter by the bit.
    for (let i = 0; i < named.letters.length; i++) {
      if (((bytes[from + i] ?? 0) | SMALL) !== named.letters[i]) return undefined;
    }
    return named.spec;
  }
}

/** Looks at the first letters only: no name of ours needs more, and what a client says has no length. */
const HASHED_LETTERS = 9;

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = to - from;
  const end = Math.min(to, from + HASHED_LETTERS);
  for (let at = from; at < end; at++) hash = Math.imul(hash, 31) + ((bytes[at] ?? 0) | SMALL) | 0;
  return hash;
}
