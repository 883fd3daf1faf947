/**
 * Mutants of reads (catalogue 3.3).
 *
 * Keeps true: what mutant.ts says.
 *
 * @module
 */
import { type Mutant, scenario, transcript } from "./mutant.ts";

const READS = "internal/raft/reads.ts";

export const readMutants: readonly Mutant[] = [
  {
    name: "read-without-a-round",
    catalogue: ["R1"],
    breaks: "a leader answers reads without asking whether it still leads",
    file: READS,
    find: "if (lease && holdsLease(state)) return",
    replace: "if (state.commitIndex >= state.termStartIndex) return",
    killer: scenario("reads", "R1: "),
  },
  {
    name: "read-before-own-commit",
    catalogue: ["R2"],
    breaks: "a new leader reads at a commit index that is behind what its predecessor acknowledged",
    file: READS,
    find: "index: Math.max(state.commitIndex, state.termStartIndex) });",
    replace: "index: state.commitIndex });",
    killer: scenario("reads", "R2: "),
  },
  {
    name: "round-is-used-again",
    catalogue: ["R3"],
    breaks: "reads that come later are confirmed by the answers to an earlier round",
    file: READS,
    find: "  noteRound(state);\n  state.readRounds.push",
    replace: "  if (state.round === 0) noteRound(state);\n  state.readRounds.push",
    killer: scenario("reads", "R3: reads that arrive while"),
  },
  {
    name: "older-round-confirms",
    catalogue: ["R3"],
    breaks: "the round before the one that carries a read confirms it",
    file: READS,
    find: "    if (round > confirmed) break;\n    for (const { requestId, index } of reads)",
    replace: "    if (round > confirmed + 1) break;\n    for (const { requestId, index } of reads)",
    killer: scenario("reads", "R1: "),
  },
  {
    name: "late-read-joins-round",
    catalogue: ["R3"],
    breaks: "a read that comes while a round is under way is released with it",
    file: READS,
    find: "  if (state.readRounds.length === 0) startReadRound(state, outbox);\n}\n\n/** Whether nobody else",
    replace:
      "  const open = state.readRounds.pop();\n  if (open === undefined) return startReadRound(state, outbox);\n" +
      "  state.readRounds.push({ round: open.round, reads: [...open.reads, ...state.readsWaiting] });\n" +
      "  state.readsWaiting = [];\n}\n\n/** Whether nobody else",
    killer: scenario("reads", "R3: reads that arrive while"),
  },
  {
    name: "round-that-never-was",
    catalogue: ["R3", "R7"],
    breaks: "an answer that names a round which was never begun is believed",
    file: "internal/raft/replication.ts",
    find:
      "  if (message.round > state.round) {\n    return outbox.objected(from, `answers round ${message.round}, we only began ${state.round}`);\n  }\n" +
      "  if (message.success && ",
    replace: "  if (message.success && ",
    killer: scenario("reads", "R3: an answer that names a round"),
  },
  {
    name: "read-before-applied",
    catalogue: ["R4"],
    breaks: "a read is answered before its index is applied",
    file: "internal/node/applier.ts",
    find: "if (index <= this.#appliedIndex) {\n      this.#answer(reads);",
    replace: "if (index > 0) {\n      this.#answer(reads);",
    killer: { file: "tests/node/local_reads_test.ts", test: "a linearizable read here asks the leader" },
  },
  {
    name: "lease-over-transfer",
    catalogue: ["R5"],
    breaks: "a leader reads on its lease after it asked another server to campaign",
    file: READS,
    find: "state.transferTried || ",
    replace: "",
    killer: transcript("R5: there is no lease"),
  },
  {
    name: "lease-kept-when-transfer-begins",
    catalogue: ["R5"],
    breaks: "the lease from before a transfer is good again when it came to nothing",
    file: READS,
    find: "drift === null || state.transferTried || ",
    replace: "drift === null || state.transfer !== null || ",
    killer: transcript("R5: there is no lease"),
  },
  {
    name: "lease-from-the-answer",
    catalogue: ["R5"],
    breaks: "a lease runs from when a round was answered, not from when it was sent",
    file: READS,
    find: "state.leaseFrom = startedAt;",
    replace: "state.leaseFrom = state.now;",
    killer: scenario("reads", "R5: a lease runs from"),
  },
  {
    name: "lease-without-drift",
    catalogue: ["R5", "P8"],
    breaks: "a lease is as long as an election timeout, as if clocks did not drift",
    file: READS,
    find: "electionTimeoutMinMs * (1000 - drift) / (1000 + drift);",
    replace: "electionTimeoutMinMs;",
    killer: scenario("reads", "R5: a lease runs from"),
  },
  {
    name: "votes-in-a-lease-after-restart",
    catalogue: ["R6"],
    breaks: "a server that was started again votes while its leader may hold a lease",
    file: "internal/raft/state.ts",
    find: "settings.leaseDriftPermille === null ? -Infinity : now,",
    replace: "-Infinity,",
    killer: transcript("R6: whoever may have heard"),
  },
  {
    name: "lease-without-check-quorum",
    catalogue: ["R6"],
    breaks: "leases may be on where followers vote at any time",
    file: "internal/raft/state.ts",
    find: "if (drift !== null && !s.checkQuorum) return",
    replace: "if (drift !== null && s.checkQuorum === null) return",
    killer: scenario("reads", "R6: settings"),
  },
  {
    name: "reads-survive-the-reign",
    catalogue: ["R7"],
    breaks: "reads of an earlier reign wait on when the lead is lost",
    file: "internal/raft/role.ts",
    find:
      "  state.readRounds = [];\n  state.readsWaiting = [];\n  state.openRounds = [];\n  state.leaseFrom = -Infinity;\n  if (state.transfer",
    replace: "  state.openRounds = [];\n  state.leaseFrom = -Infinity;\n  if (state.transfer",
    killer: scenario("reads", "R7: "),
  },
  {
    name: "lone-voter-never-answers",
    catalogue: ["R8"],
    breaks: "a lone voter waits for others to confirm its reads",
    file: READS,
    find: "  speakToAll(state, outbox);\n  confirmReads(state, outbox);\n",
    replace: "  speakToAll(state, outbox);\n",
    killer: scenario("reads", "R8: "),
  },
  {
    name: "joint-read-by-one-half",
    catalogue: ["R9", "M5"],
    breaks: "in a joint configuration the new half alone confirms reads and commits",
    file: "internal/raft/configuration.ts",
    find: "return outgoing.length === 0 ? number : Math.min(number, majorityReached(outgoing, reached));",
    replace: "return number;",
    killer: transcript("R9, M5: "),
  },
  {
    name: "read-hangs",
    catalogue: ["R10", "C9"],
    breaks: "commands whose deadline passed are not told",
    file: "internal/node/node.ts",
    find: "next !== null && next.deadline <= now;",
    replace: "next !== null && next.deadline <= 0;",
    killer: { file: "tests/node/certainty_test.ts", test: "more commands than may wait" },
  },
];
