/**
 * Mutants of leadership transfer (catalogue 3.6).
 *
 * Keeps true: what mutant.ts says.
 *
 * @module
 */
import { type Mutant, scenario, transcript } from "./mutant.ts";

const TRANSFER = "internal/raft/transfer.ts";
const ELECTION = "internal/raft/election.ts";

export const transferMutants: readonly Mutant[] = [
  {
    name: "work-during-transfer",
    catalogue: ["T1", "T2"],
    breaks: "a leader takes writes and reads while it hands over",
    file: "internal/raft/membership.ts",
    find: "return state.transfer !== null || !state.configuration.isVoter(state.id);",
    replace: "return !state.configuration.isVoter(state.id);",
    killer: transcript("T1, T2: "),
  },
  {
    name: "change-during-transfer",
    catalogue: ["T1", "T4"],
    breaks: "a leader changes the members while it hands over",
    file: "internal/raft/membership.ts",
    find: '  if (state.transfer !== null) return outbox.refused(requestId, "transferring");\n',
    replace: "",
    killer: transcript("T1, T2: "),
  },
  {
    name: "transfer-without-end",
    catalogue: ["T2", "T4"],
    breaks: "a transfer to a server that does not take over never ends",
    file: TRANSFER,
    find: ": state.now >= transfer.deadline",
    replace: ": state.now >= Infinity",
    killer: transcript("T1, T2: "),
  },
  {
    name: "target-without-the-log",
    catalogue: ["T3"],
    breaks: "the target is asked to campaign before it has everything",
    file: TRANSFER,
    find: "  if (state.progress.get(transfer.to)?.matchIndex !== state.log.lastIndex) return false;\n",
    replace: "",
    killer: transcript("T3: "),
  },
  {
    name: "target-campaigns-unready",
    catalogue: ["T3", "E22"],
    breaks: "a target campaigns although what it was told of is not on its disk",
    file: ELECTION,
    find: "  if (!isComplete) return;\n",
    replace: "",
    killer: scenario("elections", "T3, T6: who is asked to take over by its leader, and lacks"),
  },
  {
    name: "transfer-to-learner",
    catalogue: ["T3", "E17"],
    breaks: "the lead is handed to a server that does not vote",
    file: TRANSFER,
    find: "if (to !== null && !state.configuration.isVoter(to)) {",
    replace: "if (to !== null && !state.configuration.isMember(to)) {",
    killer: transcript("T4: a transfer ends when"),
  },
  {
    name: "transfer-outlives-its-target",
    catalogue: ["T4"],
    breaks: "a transfer goes on although its target is no voter any more",
    file: TRANSFER,
    find: "!state.configuration.isVoter(transfer.to)\n",
    replace: "transfer.to === state.id\n",
    killer: transcript("T4: a transfer ends as soon"),
  },
  {
    name: "stickiness-blocks-transfer",
    catalogue: ["T5"],
    breaks: "followers are loyal against the election that their leader asked for",
    file: ELECTION,
    find: '  if (message.kind === "requestVoteRequest" && message.transfer) return false;\n',
    replace: "",
    killer: transcript("T5: "),
  },
  {
    name: "anybody-may-ask-to-take-over",
    catalogue: ["T6"],
    breaks: "a server that does not lead can make another one campaign",
    file: ELECTION,
    find: 'if (state.role !== "follower" || state.leaderId !== from || !mayCampaign(state)) return;',
    replace: 'if (state.role !== "follower" || !mayCampaign(state)) return;',
    killer: scenario("elections", "T3, T6: who is asked to take over by somebody"),
  },
  {
    name: "lead-to-the-laggard",
    catalogue: ["T3"],
    breaks: "where nobody is named, the lead goes to whoever lacks most",
    file: TRANSFER,
    find: "matchIndex > best.matchIndex ||",
    replace: "matchIndex < best.matchIndex ||",
    killer: transcript("The lead goes to whoever lacks least"),
  },
];
