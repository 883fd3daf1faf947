/**
 * What a replicated state machine is to the rest of the house.
 *
 * Keeps true: the same commands in the same order give the same replies and the same state on every server, on every engine.
 * So nothing here looks at a clock, at randomness, at a setting, at a locale; and nothing is thrown for what a command says: malformed
 * bytes have a reply, the same one everywhere.
 *
 * @module
 */
import type { Reply } from "../codec/reply.ts";

export interface StateMachine {
  /**
   * These commands come next, the first from `places[0]` to `places[1]`, and so on: whatever they need is brought near, for all of them at once
   * rather than for one after another. Changes nothing, and nothing is promised of it.
   */
  expect(bytes: Uint8Array, places: Int32Array, count: number): void;
  /** Performs the command in [from, to) that changes the state; called in the order of the log, once for each. */
  applyAt(bytes: Uint8Array, from: number, to: number): Reply;
  /** Answers the command in [from, to) that only looks. */
  readAt(bytes: Uint8Array, from: number, to: number): Reply;
  /** The same for bytes that hold one command and nothing else. */
  read(command: Uint8Array): Reply;
  /** About how long the answer to the command in [from, to) would be now; only answers that may be long count. */
  answerBytesAt(bytes: Uint8Array, from: number, to: number): number;
  /** How many keys there are. */
  size(): number;
  /** The state in one number: equal states have equal ones. */
  digest(): number;
  /** The state as it is now, to be read while it goes on changing; one at a time. */
  capture(): Capture;
  /** Begins to take a state from its chunks; nothing changes before it is finished. */
  restore(): Restoration;
}

/** A state of one moment, on its way into a snapshot. */
export interface Capture {
  /** The digest of that moment. */
  readonly digest: number;
  /** The next chunk of about a hundred kilobytes, which stays as it is until the one behind it is asked for; `null` behind the last one. */
  next(): Uint8Array | null;
  /** Behind the last chunk: whether what came out has the digest that it had. */
  readonly isSound: boolean;
  /** Lets go of it, before its end or behind it. */
  release(): void;
}

/** A state on its way out of a snapshot. */
export interface Restoration {
  /** Takes the next chunk, and keeps nothing that the caller may change afterwards; or says why it is none. */
  take(chunk: Uint8Array): string | null;
  /** Puts it in the place of what was there; or says why it cannot be: then everything is as before. */
  finish(digest: number): string | null;
}
