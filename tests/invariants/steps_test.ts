/**
 * Kind: unit (tables of short stories).
 *
 * Invariant: the properties of single steps (I8, I14, I17, I18, I19) catch a hand-made violation at the step that commits it, and let the
 * legal neighbour pass.
 *
 * Learnt: a truncation must be compared with what stood there before it; afterwards the log looks innocent.
 */
import type { AppendEntriesRequest, Message } from "../../internal/raft/message.ts";
import { CommitRule } from "./commit_rule.ts";
import { HonestMessages } from "./honest_messages.ts";
import { NeverTruncateCommitted } from "./never_truncate_committed.ts";
import { Ordering } from "./ordering.ts";
import { StateMachineSafety } from "./state_machine_safety.ts";
import { checkStories, entriesOf, follower, leader, type Story } from "./story.ts";
import { UpToDateVote } from "./up_to_date_vote.ts";

checkStories("commit rule", () => [new CommitRule()], [
  {
    name: "a leader commits what is of its own term, and what is before it",
    given: (story) => story.starts("n1", "1:1 2:1").steps("n1", { ...leader(2), append: "3:2" }),
    legal: (story) => story.steps("n1", { commitIndex: 3 }),
    broken: (story) => story.steps("n1", { commitIndex: 2 }),
    says: "n1 leads term 2 and commits up to 2, which is of term 1",
  },
  {
    name: "a follower commits what it is told",
    given: (story) => story.starts("n1", "1:1 2:1").steps("n1", follower(3)),
    legal: (story) => story.steps("n1", { commitIndex: 2 }),
    broken: (story) => story.steps("n1", leader(3)).steps("n1", { commitIndex: 2 }),
    says: "n1 leads term 3 and commits up to 2, which is of term 1",
  },
  {
    name: "each rise is looked at, in each reign",
    given: (story) =>
      story.starts("n1", "1:1").steps("n1", { ...leader(2), append: "2:2 3:2" })
        .steps("n1", { commitIndex: 2 }).steps("n1", follower(3)).steps("n1", leader(4)),
    legal: (story) => story.steps("n1", { append: "4:4", commitIndex: 4 }),
    broken: (story) => story.steps("n1", { append: "4:4", commitIndex: 3 }),
    says: "commits up to 3, which is of term 2",
  },
]);

checkStories("ordering", () => [new Ordering()], [
  {
    name: "what is committed is in the log",
    given: (story) => story.starts("n1", "1:1 2:1"),
    legal: (story) => story.steps("n1", { commitIndex: 2, durableIndex: 2 }),
    broken: (story) => story.steps("n1", { commitIndex: 3 }),
    says: "n1 has snapshot 0, commit 3, durable 0, last 2: out of order",
  },
  {
    name: "what is durable is in the log",
    given: (story) => story.starts("n1", "1:1 2:1"),
    legal: (story) => story.steps("n1", { durableIndex: 2 }),
    broken: (story) => story.steps("n1", { durableIndex: 3 }),
    says: "out of order",
  },
  {
    name: "what a snapshot covers is committed",
    given: (story) => story.starts("n1", "1:1 2:1"),
    legal: (story) => story.steps("n1", { snapshotIndex: 1, commitIndex: 1 }),
    broken: (story) => story.steps("n1", { snapshotIndex: 2, commitIndex: 1 }),
    says: "out of order",
  },
]);

checkStories("never truncate committed", () => [new NeverTruncateCommitted(), new StateMachineSafety()], [
  {
    name: "what one server knows to be committed, no other removes",
    given: (story) =>
      story.starts("n1", "1:1 2:1 3:1").starts("n2", "1:1 2:1 3:1").steps("n1", { commitIndex: 2 }),
    legal: (story) => story.steps("n2", { truncateFrom: 3 }),
    broken: (story) => story.steps("n2", { truncateFrom: 2 }),
    says: "n2 removes its log from 2 on, which is committed",
  },
  {
    name: "another entry at a committed place may go",
    given: (story) =>
      story.starts("n1", "1:1 2:2").starts("n2", "1:1 2:1").steps("n1", { ...leader(2), commitIndex: 2 }),
    legal: (story) => story.steps("n2", { truncateFrom: 2, append: "2:2" }),
    broken: (story) => story.steps("n2", { truncateFrom: 1, append: "1:1 2:2" }),
    says: "n2 removes its log from 1 on",
  },
  {
    name: "that the same comes again in the same step excuses nothing",
    given: (story) => story.starts("n1", "1:1 2:1").steps("n1", { commitIndex: 2 }),
    legal: (story) => story.steps("n1", { append: "3:1" }).steps("n1", { truncateFrom: 3, append: "3:2" }),
    broken: (story) => story.steps("n1", { truncateFrom: 2, append: "2:1" }),
    says: "n1 removes its log from 2 on",
  },
]);

const append = (story: Story, change: Partial<AppendEntriesRequest>): Message => ({
  kind: "appendEntriesRequest",
  term: 2,
  prevLogIndex: 1,
  prevLogTerm: 1,
  entries: story.entries("n1", 2, 3),
  leaderCommit: 1,
  round: 0,
  health: { diskMs: 0, loopMs: 0 },
  epoch: 0,
  ...change,
});
const leads = (story: Story) =>
  story.starts("n1", "1:1 2:2 3:2").starts("n2").steps("n1", { ...leader(2), commitIndex: 1 });
const sends = (change: Partial<AppendEntriesRequest>) => (story: Story) =>
  story.steps("n1", { send: [["n2", append(story, change)]] });

checkStories("honest messages", () => [new HonestMessages()], [
  {
    name: "nobody speaks of a term that is not its own",
    given: leads,
    legal: (story) =>
      story.steps("n1", {
        ...follower(3),
        send: [["n2", { kind: "requestVoteResponse", term: 3, voteGranted: false }]],
      }),
    broken: (story) =>
      story.steps("n1", { send: [["n2", { kind: "requestVoteResponse", term: 3, voteGranted: false }]] }),
    says: "n1 tells n2 of term 3 and is itself in term 2",
  },
  {
    name: "only a leader sends entries, for its own term",
    given: leads,
    legal: sends({}),
    broken: sends({ term: 1 }),
    says: "for term 1, in which it does not lead",
  },
  {
    name: "a follower sends no entries",
    given: leads,
    legal: sends({}),
    broken: (story) => story.steps("n1", { ...follower(2), send: [["n2", append(story, {})]] }),
    says: "in which it does not lead",
  },
  {
    name: "no commit index beyond its own",
    given: leads,
    legal: sends({ leaderCommit: 0 }),
    broken: sends({ leaderCommit: 2 }),
    says: "with commit index 2, its own is 1",
  },
  {
    name: "what is said to be before the entries is there",
    given: leads,
    legal: sends({ entries: [], prevLogIndex: 3, prevLogTerm: 2 }),
    broken: sends({ entries: [], prevLogIndex: 3, prevLogTerm: 1 }),
    says: "after 3:1, which its log does not have",
  },
  {
    name: "nothing is said to be before the entries that the log does not have",
    given: leads,
    legal: sends({ entries: [], prevLogIndex: 0, prevLogTerm: 0 }),
    broken: sends({ entries: [], prevLogIndex: 4, prevLogTerm: 2 }),
    says: "after 4:2, which its log does not have",
  },
  {
    name: "entries are the log's own",
    given: leads,
    legal: (story) =>
      story.steps("n1", { send: [["n2", append(story, { entries: story.entries("n1", 2, 2) })]] }),
    broken: sends({ entries: entriesOf("2:2 3:2x") }),
    says: "with an entry 2:2 that is not its own",
  },
  {
    name: "entries are contiguous",
    given: leads,
    legal: sends({ entries: [] }),
    broken: (story) =>
      story.steps("n1", { send: [["n2", append(story, { entries: story.entries("n1", 3, 3) })]] }),
    says: "with entry 3 in the place of 2",
  },
]);

const grants = (to: string, term: number): Message => ({
  kind: "requestVoteResponse",
  term,
  voteGranted: to !== "",
});

checkStories("up-to-date vote", () => [new UpToDateVote(), new StateMachineSafety()], [
  {
    name: "who votes finds what it knows to be committed",
    given: (story) =>
      story.starts("n1", "1:1 2:1").starts("n2", "1:1 2:1").starts("n3", "1:1").steps("n1", {
        commitIndex: 2,
      }),
    legal: (story) => story.steps("n1", { send: [["n2", grants("n2", 0)]] }),
    broken: (story) => story.steps("n1", { send: [["n3", grants("n3", 0)]] }),
    says: "n1 votes for n3 in term 0, whose log lacks what is committed up to 2",
  },
  {
    name: "who refuses may refuse anybody",
    given: (story) => story.starts("n1", "1:1").starts("n3").steps("n1", { commitIndex: 1 }),
    legal: (story) => story.steps("n1", { send: [["n3", grants("", 0)]] }),
    broken: (story) => story.steps("n1", { send: [["n3", grants("n3", 0)]] }),
    says: "n1 votes for n3",
  },
  {
    name: "as much, and something else, is not it",
    given: (story) => story.starts("n1", "1:1").starts("n3", "1:1x").steps("n1", { commitIndex: 1 }),
    legal: (story) => story.starts("n3", "1:1 2:1").steps("n1", { send: [["n3", grants("n3", 0)]] }),
    broken: (story) => story.steps("n1", { send: [["n3", grants("n3", 0)]] }),
    says: "n1 votes for n3",
  },
]);
