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
  /** Performs a command that changes the state; called in the order of the log, once for each. */
  apply(command: Uint8Array): Reply;
  /** Answers a command that only looks. */
  read(command: Uint8Array): Reply;
  /** How many keys there are. */
  size(): number;
}
