/**
 * The properties that every simulation checks after every step, in the order in which they are checked.
 *
 * `StateMachineSafety` comes before those that ask what is committed, since it writes that down.
 *
 * @module
 */
import { CommitRule } from "./commit_rule.ts";
import { ConfigurationSteps } from "./configuration_steps.ts";
import { ElectionSafety } from "./election_safety.ts";
import type { Property } from "./ghost.ts";
import { HonestMessages } from "./honest_messages.ts";
import { LeaderAppendOnly } from "./leader_append_only.ts";
import { LeaderCompleteness } from "./leader_completeness.ts";
import { LogMatching } from "./log_matching.ts";
import { MayLead } from "./may_lead.ts";
import { Monotonic } from "./monotonic.ts";
import { NeighbouringQuorums } from "./neighbouring_quorums.ts";
import { NeverTruncateCommitted } from "./never_truncate_committed.ts";
import { Ordering } from "./ordering.ts";
import { StateMachineSafety } from "./state_machine_safety.ts";
import { UpToDateVote } from "./up_to_date_vote.ts";

export interface Properties {
  readonly all: readonly Property[];
  /** Wants to hear of every message that leaves. */
  readonly monotonic: Monotonic;
  /** Knows which configurations there were. */
  readonly configurations: ConfigurationSteps;
}

export function raftProperties(): Properties {
  const monotonic = new Monotonic();
  const configurations = new ConfigurationSteps();
  return {
    all: [
      new ElectionSafety(),
      new LeaderAppendOnly(),
      new LogMatching(),
      new Ordering(),
      new NeverTruncateCommitted(),
      new StateMachineSafety(),
      new LeaderCompleteness(),
      new CommitRule(),
      new UpToDateVote(),
      new HonestMessages(),
      new NeighbouringQuorums(),
      configurations,
      new MayLead(configurations),
      monotonic,
    ],
    monotonic,
    configurations,
  };
}
