/**
 * The properties that every simulation checks after every step, in the order in which they are checked.
 *
 * `StateMachineSafety` comes before `LeaderCompleteness`, since it writes down what is committed.
 *
 * @module
 */
import { ElectionSafety } from "./election_safety.ts";
import type { Property } from "./ghost.ts";
import { LeaderAppendOnly } from "./leader_append_only.ts";
import { LeaderCompleteness } from "./leader_completeness.ts";
import { LogMatching } from "./log_matching.ts";
import { Monotonic } from "./monotonic.ts";
import { StateMachineSafety } from "./state_machine_safety.ts";

export interface Properties {
  readonly all: readonly Property[];
  /** Wants to hear of every message that leaves. */
  readonly monotonic: Monotonic;
}

export function raftProperties(): Properties {
  const monotonic = new Monotonic();
  return {
    all: [
      new ElectionSafety(),
      new LeaderAppendOnly(),
      new LogMatching(),
      new StateMachineSafety(),
      new LeaderCompleteness(),
      monotonic,
    ],
    monotonic,
  };
}
