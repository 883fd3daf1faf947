/**
 * Kind: unit (tables of short stories).
 *
 * Invariant: each property that the simulations rest on catches a hand-made violation at the step that commits it, and lets the legal
 * neighbour pass, which differs in that step alone.
 *
 * Learnt: a checker that never fires looks like a system that never fails.
 */
import { assertEquals } from "@std/assert";
import type { Message } from "../../internal/raft/message.ts";
import { ElectionSafety } from "./election_safety.ts";
import { LeaderAppendOnly } from "./leader_append_only.ts";
import { LeaderCompleteness } from "./leader_completeness.ts";
import { LogMatching } from "./log_matching.ts";
import { Monotonic } from "./monotonic.ts";
import { raftProperties } from "./properties.ts";
import { StateMachineSafety } from "./state_machine_safety.ts";
import { checkStories, follower, leader, Story } from "./story.ts";

checkStories("election safety", () => [new ElectionSafety()], [
  {
    name: "another leader is one of another term",
    given: (story) => story.starts("n1").starts("n2").steps("n1", leader(2)),
    legal: (story) => story.steps("n2", leader(3)).steps("n1", leader(2)),
    broken: (story) => story.steps("n2", leader(2)),
    says: "Two leaders in term 2: n1 and n2",
  },
  {
    name: "another candidate of the term is none, and a leader that fell is remembered",
    given: (story) =>
      story.starts("n1").starts("n2").steps("n1", leader(2)).starts("n1").steps("n1", follower(3)),
    legal: (story) => story.steps("n2", { role: "candidate", currentTerm: 2 }),
    broken: (story) => story.steps("n2", leader(2)),
    says: "Two leaders in term 2: n1 and n2",
  },
  {
    name: "leading on is no second leader, and an older term counts like a newer one",
    given: (story) => story.starts("n1").starts("n2").steps("n1", leader(4)).steps("n1", leader(5)),
    legal: (story) => story.steps("n1", leader(5)).steps("n2", leader(3)),
    broken: (story) => story.steps("n2", leader(4)),
    says: "Two leaders in term 4: n1 and n2",
  },
]);

checkStories("leader append-only", () => [new LeaderAppendOnly()], [
  {
    name: "a leader appends and does not overwrite",
    given: (story) => story.starts("n1", "1:1 2:2").steps("n1", leader(2)),
    legal: (story) => story.steps("n1", { append: "3:2" }),
    broken: (story) => story.steps("n1", { truncateFrom: 2, append: "2:2x" }),
    says: "n1 leads term 2 and removes its log from 2",
  },
  {
    name: "a follower may remove",
    given: (story) => story.starts("n1", "1:1 2:1").steps("n1", { currentTerm: 2 }),
    legal: (story) => story.steps("n1", { truncateFrom: 2, append: "2:2" }),
    broken: (story) => story.steps("n1", leader(2)).steps("n1", { truncateFrom: 2, append: "2:2" }),
    says: "n1 leads term 2 and removes its log from 2",
  },
  {
    name: "a leader that gives way in this step removes as a follower",
    given: (story) => story.starts("n1", "1:1 2:2").steps("n1", leader(2)),
    legal: (story) => story.steps("n1", { ...follower(3), truncateFrom: 2 }),
    broken: (story) => story.steps("n1", { truncateFrom: 2 }),
    says: "n1 leads term 2 and removes its log from 2",
  },
  {
    name: "a log that shrinks without a write is noticed",
    given: (story) => story.starts("n1", "1:1 2:2").steps("n1", leader(2)),
    legal: (story) => story.steps("n1", { lastIndex: 2 }),
    broken: (story) => story.steps("n1", { lastIndex: 1 }),
    says: "its log fell from 2 to 1",
  },
]);

checkStories("log matching", () => [new LogMatching()], [
  {
    name: "the same place holds the same entry",
    given: (story) => story.starts("n1").starts("n2").steps("n1", { append: "1:1 2:1" }),
    legal: (story) => story.steps("n2", { append: "1:1" }).steps("n2", { append: "2:1" }),
    broken: (story) => story.steps("n2", { append: "1:1x" }),
    says: "n1 and n2 both have 1:1, with different prefixes",
  },
  {
    name: "the same place has the same past",
    given: (story) =>
      story.starts("n1").starts("n2").steps("n1", { append: "1:1 2:3" }).steps("n2", { append: "1:2" }),
    legal: (story) => story.steps("n2", { append: "2:2" }),
    broken: (story) => story.steps("n2", { append: "2:3" }),
    says: "n1 and n2 both have 2:3, with different prefixes",
  },
  {
    name: "what was removed long ago still counts",
    given: (story) =>
      story.starts("n1").starts("n2")
        .steps("n1", { append: "1:1 2:1" }).steps("n1", { truncateFrom: 2, append: "2:2" }),
    legal: (story) =>
      story.steps("n2", { append: "1:1 2:1" }).steps("n2", { truncateFrom: 2, append: "2:2" }),
    broken: (story) => story.steps("n2", { append: "1:1 2:1x" }),
    says: "n1 and n2 both have 2:1",
  },
  {
    name: "one server does not put another entry at the same place either",
    given: (story) => story.starts("n1").steps("n1", { append: "1:1 2:1" }),
    legal: (story) => story.steps("n1", { truncateFrom: 2, append: "2:1" }),
    broken: (story) => story.steps("n1", { truncateFrom: 2, append: "2:1x" }),
    says: "n1 and n1 both have 2:1",
  },
  {
    name: "a log that came back from disk counts like one that was written",
    given: (story) => story.starts("n1", "1:1 2:1"),
    legal: (story) => story.starts("n2", "1:1 2:1"),
    broken: (story) => story.starts("n2", "1:1 2:1x"),
    says: "n1 and n2 both have 2:1",
  },
  {
    name: "what came back from disk binds what is written later, and the other way round",
    given: (story) => story.starts("n1", "1:1").steps("n1", { append: "2:1" }),
    legal: (story) => story.starts("n1", "1:1 2:1").starts("n2").steps("n2", { append: "1:1" }),
    broken: (story) => story.starts("n1", "1:1 2:1x"),
    says: "n1 and n1 both have 2:1",
  },
]);

const completeness = () => [new StateMachineSafety(), new LeaderCompleteness()];

checkStories("leader completeness", completeness, [
  {
    name: "a later leader has what was committed",
    given: (story) => story.starts("n1").steps("n1", { ...leader(1), append: "1:1 2:1", commitIndex: 2 }),
    legal: (story) => story.starts("n2", "1:1 2:1 3:1").steps("n2", leader(2)),
    broken: (story) => story.starts("n2", "1:1").steps("n2", leader(2)),
    says: "n2 leads term 2 without the entries up to 2, committed before",
  },
  {
    name: "as many entries are not the same entries",
    given: (story) => story.starts("n1").steps("n1", { ...leader(1), append: "1:1 2:1", commitIndex: 2 }),
    legal: (story) => story.starts("n2", "1:1 2:1").steps("n2", leader(2)),
    broken: (story) => story.starts("n2", "1:1 2:1x").steps("n2", leader(2)),
    says: "n2 leads term 2 without the entries up to 2",
  },
  {
    name: "what is only written may be missing",
    given: (story) => story.starts("n1").steps("n1", { ...leader(1), append: "1:1 2:1", commitIndex: 1 }),
    legal: (story) => story.starts("n2", "1:1").steps("n2", leader(2)),
    broken: (story) => story.starts("n2").steps("n2", leader(2)),
    says: "n2 leads term 2 without the entries up to 1",
  },
  {
    name: "a sleeper may win its old term while a newer one commits",
    given: (story) =>
      story.starts("n1").steps("n1", { ...leader(1), append: "1:1", commitIndex: 1 })
        .steps("n1", follower(2)).steps("n1", { ...leader(3), append: "2:3", commitIndex: 2 }),
    legal: (story) => story.starts("n2", "1:1").steps("n2", leader(2)),
    broken: (story) => story.starts("n2", "1:1").steps("n2", leader(4)),
    says: "n2 leads term 4 without the entries up to 2",
  },
  {
    name: "each new reign is looked at, also of the same server",
    given: (story) =>
      story.starts("n1").starts("n2", "1:1").steps("n2", leader(1))
        .steps("n1", { currentTerm: 2, append: "1:1 2:2", commitIndex: 2 }),
    legal: (story) => story.steps("n2", leader(1)),
    broken: (story) => story.steps("n2", leader(3)),
    says: "n2 leads term 3 without the entries up to 2",
  },
]);

checkStories("state machine safety", () => [new StateMachineSafety()], [
  {
    name: "what one server has committed, the others commit too",
    given: (story) => story.starts("n1", "1:1 2:1").starts("n2", "1:1 2:1x").steps("n1", { commitIndex: 2 }),
    legal: (story) => story.steps("n2", { commitIndex: 1 }),
    broken: (story) => story.steps("n2", { commitIndex: 2 }),
    says: "n2 takes another entry at 2 for committed",
  },
  {
    name: "committed is committed for ever, across a restart too",
    given: (story) => story.starts("n1", "1:1").steps("n1", { commitIndex: 1 }),
    legal: (story) => story.starts("n1", "1:1").steps("n1", { commitIndex: 1 }),
    broken: (story) => story.starts("n1", "1:2").steps("n1", { commitIndex: 1 }),
    says: "n1 takes another entry at 1 for committed",
  },
  {
    name: "the same term and another content is another entry",
    given: (story) =>
      story.starts("n1", "1:1").starts("n2", "1:1x").starts("n3", "1:1").steps("n1", { commitIndex: 1 }),
    legal: (story) => story.steps("n3", { commitIndex: 1 }),
    broken: (story) => story.steps("n2", { commitIndex: 1 }),
    says: "n2 takes another entry at 1 for committed",
  },
  {
    name: "nothing is left out",
    given: (story) => story.starts("n1", "1:1 2:1 3:1").steps("n1", { commitIndex: 3, apply: "1:1" }),
    legal: (story) => story.steps("n1", { apply: "2:1 3:1" }),
    broken: (story) => story.steps("n1", { apply: "3:1" }),
    says: "n1 applies 3 after 1",
  },
  {
    name: "nothing is applied twice in one life",
    given: (story) => story.starts("n1", "1:1 2:1").steps("n1", { commitIndex: 2, apply: "1:1" }),
    legal: (story) => story.starts("n1", "1:1 2:1").steps("n1", { commitIndex: 2, apply: "1:1 2:1" }),
    broken: (story) => story.steps("n1", { apply: "1:1" }),
    says: "n1 applies 1 after 1",
  },
  {
    name: "nothing is applied before it is committed",
    given: (story) => story.starts("n1", "1:1 2:1"),
    legal: (story) => story.steps("n1", { commitIndex: 1, apply: "1:1" }),
    broken: (story) => story.steps("n1", { commitIndex: 1, apply: "1:1 2:1" }),
    says: "n1 applies 2, which is not committed",
  },
  {
    name: "what is applied is what is committed, not only at its place",
    given: (story) => story.starts("n1", "1:1 2:1"),
    legal: (story) => story.steps("n1", { commitIndex: 2, apply: "1:1 2:1" }),
    broken: (story) => story.steps("n1", { commitIndex: 2, apply: "1:1 2:1x" }),
    says: "n1 applies another entry at 2 than was committed",
  },
  {
    name: "what one server applies is what another committed",
    given: (story) =>
      story.starts("n1", "1:1").starts("n2", "1:1").steps("n1", { commitIndex: 1, apply: "1:1" }),
    legal: (story) => story.steps("n2", { commitIndex: 1, apply: "1:1" }),
    broken: (story) => story.steps("n2", { commitIndex: 1, apply: "1:2" }),
    says: "n2 applies another entry at 1 than was committed",
  },
  {
    name: "nobody commits what it does not have",
    given: (story) => story.starts("n1", "1:1"),
    legal: (story) => story.steps("n1", { append: "2:1", commitIndex: 2 }),
    broken: (story) => story.steps("n1", { commitIndex: 2 }),
    says: "n1 commits 2, and its log ends at 1",
  },
  {
    name: "nobody comes back with more committed than it has",
    given: (story) => story.starts("n1", "1:1 2:1").steps("n1", { commitIndex: 2 }),
    legal: (story) => story.starts("n1", "1:1 2:1", { commitIndex: 2 }),
    broken: (story) => story.starts("n1", "1:1", { commitIndex: 2 }),
    says: "n1 commits 2, and its log ends at 1",
  },
]);

const heartbeat = (term: number): Message => ({
  kind: "appendEntriesRequest",
  term,
  prevLogIndex: 0,
  prevLogTerm: 0,
  entries: [],
  leaderCommit: 0,
  health: { diskMs: 0, loopMs: 0 },
  epoch: 0,
  round: 0,
});
const vote = (term: number, voteGranted = true): Message => ({
  kind: "requestVoteResponse",
  term,
  voteGranted,
});
const askVote = (term: number): Message => ({
  kind: "requestVoteRequest",
  term,
  lastLogIndex: 0,
  lastLogTerm: 0,
  transfer: false,
});
const matched = (matchIndex: number) => ({ matchIndexes: new Map([["n2", matchIndex], ["n3", 1]]) });

checkStories("term and vote monotone", () => [new Monotonic()], [
  {
    name: "the term does not fall",
    given: (story) => story.starts("n1").steps("n1", follower(3)),
    legal: (story) => story.steps("n1", follower(3)).steps("n1", follower(7)),
    broken: (story) => story.steps("n1", follower(2)),
    says: "n1 went from term 3 to 2",
  },
  {
    name: "a vote is given once in a term",
    given: (story) => story.starts("n1").steps("n1", follower(3)).steps("n1", { votedFor: "n2" }),
    legal: (story) => story.steps("n1", { ...follower(4), votedFor: "n3" }),
    broken: (story) => story.steps("n1", { votedFor: "n3" }),
    says: "n1 took its vote for n2 back in term 3",
  },
  {
    name: "a vote is not forgotten in its term",
    given: (story) => story.starts("n1").steps("n1", { ...follower(3), votedFor: "n1" }),
    legal: (story) => story.steps("n1", { ...follower(4), votedFor: null }),
    broken: (story) => story.steps("n1", { votedFor: null }),
    says: "n1 took its vote for n1 back in term 3",
  },
  {
    name: "the commit index does not fall while a server runs",
    given: (story) => story.starts("n1", "1:1 2:1").steps("n1", { commitIndex: 2 }),
    legal: (story) => story.starts("n1", "1:1 2:1").steps("n1", { commitIndex: 1 }),
    broken: (story) => story.steps("n1", { commitIndex: 1 }),
    says: "n1 went from commit index 2 to 1",
  },
  {
    name: "what a follower is known to have does not shrink in a reign",
    given: (story) => story.starts("n1").steps("n1", leader(2)).steps("n1", matched(5)),
    legal: (story) => story.steps("n1", matched(5)).steps("n1", { ...leader(3), ...matched(0) }),
    broken: (story) => story.steps("n1", matched(4)),
    says: "n1 lowers matchIndex of n2 from 5 to 4",
  },
  {
    name: "who stops leading forgets what its followers have",
    given: (story) => story.starts("n1").steps("n1", leader(2)).steps("n1", matched(5)),
    legal: (story) => story.steps("n1", { ...follower(3), matchIndexes: new Map() }),
    broken: (story) => story.steps("n1", { matchIndexes: new Map() }),
    says: "n1 lowers matchIndex of n2 from 5 to 0",
  },
  {
    name: "a term that others were told survives a restart",
    given: (story) => story.starts("n1").steps("n1", follower(5)).tells("n1", "n2", heartbeat(5)),
    legal: (story) => story.starts("n1", "", follower(5)),
    broken: (story) => story.starts("n1", "", follower(4)),
    says: "n1 told others of term 5 and came back in term 4",
  },
  {
    name: "a term that nobody heard of may be forgotten",
    given: (story) =>
      story.starts("n1").steps("n1", follower(4)).tells("n1", "n2", vote(4, false)).steps("n1", follower(5)),
    legal: (story) => story.starts("n1", "", follower(4)),
    broken: (story) => story.tells("n1", "n2", vote(5, false)).starts("n1", "", follower(4)),
    says: "n1 told others of term 5 and came back in term 4",
  },
  {
    name: "a vote that was told survives a restart",
    given: (story) =>
      story.starts("n1").steps("n1", { ...follower(3), votedFor: "n2" }).tells("n1", "n2", vote(3)),
    legal: (story) => story.starts("n1", "", { ...follower(3), votedFor: "n2" }),
    broken: (story) => story.starts("n1", "", { ...follower(3), votedFor: null }),
    says: "n1 voted for n2 in term 3 and came back with null",
  },
  {
    name: "a vote of an earlier term binds nobody",
    given: (story) =>
      story.starts("n1").steps("n1", { ...follower(3), votedFor: "n2" }).tells("n1", "n2", vote(3)),
    legal: (story) => story.starts("n1", "", { ...follower(4), votedFor: "n3" }),
    broken: (story) => story.starts("n1", "", { ...follower(3), votedFor: "n3" }),
    says: "n1 voted for n2 in term 3 and came back with n3",
  },
  {
    name: "two servers do not hear the same vote",
    given: (story) => story.starts("n1").tells("n1", "n2", vote(3)),
    legal: (story) =>
      story.tells("n1", "n2", vote(3)).tells("n1", "n3", vote(3, false)).tells("n1", "n3", vote(4)),
    broken: (story) => story.tells("n1", "n3", vote(3)),
    says: "n1 votes for n2 and for n3 in term 3",
  },
  {
    name: "who asks for votes has voted for itself",
    given: (story) => story.starts("n1").tells("n1", "n2", askVote(3)).tells("n1", "n3", askVote(3)),
    legal: (story) => story.tells("n1", "n2", vote(4)),
    broken: (story) => story.tells("n1", "n2", vote(3)),
    says: "n1 votes for n1 and for n2 in term 3",
  },
]);

Deno.test("all properties are checked, and what is committed is written down before it is asked for", () => {
  const { all, monotonic } = raftProperties();
  assertEquals(
    all.map(({ name }) => name).sort(),
    [
      "commit rule",
      "configurations change step by step",
      "election safety",
      "honest messages",
      "leader append-only",
      "leader completeness",
      "log matching",
      "neighbouring quorums",
      "never truncate committed",
      "ordering",
      "state machine safety",
      "term and vote monotone",
      "up-to-date vote",
      "who may not lead does not",
    ],
  );
  assertEquals(all.includes(monotonic), true);
  const place = (wanted: typeof StateMachineSafety | typeof LeaderCompleteness) =>
    all.findIndex((property) => property instanceof wanted);
  assertEquals(place(StateMachineSafety) < place(LeaderCompleteness), true);
});

Deno.test("a whole legal history breaks no property", () => {
  const story = new Story(raftProperties().all);
  for (const server of ["n1", "n2", "n3"]) story.starts(server);
  story.steps("n1", { role: "candidate", currentTerm: 1, votedFor: "n1" })
    .tells("n1", "n2", askVote(1))
    .steps("n2", { currentTerm: 1, votedFor: "n1" })
    .tells("n2", "n1", vote(1))
    .steps("n1", { role: "leader", append: "1:1" })
    .steps("n1", { append: "2:1 3:1x" })
    .steps("n2", { append: "1:1 2:1" })
    .steps("n1", { commitIndex: 2, apply: "1:1 2:1", matchIndexes: new Map([["n2", 2]]) })
    .steps("n3", { role: "candidate", currentTerm: 2, votedFor: "n3" })
    .starts("n2", "1:1 2:1", { currentTerm: 1, votedFor: "n1" })
    .steps("n2", { role: "candidate", currentTerm: 3, votedFor: "n2" })
    .tells("n2", "n3", askVote(3))
    .steps("n3", { role: "follower", currentTerm: 3, votedFor: "n2" })
    .steps("n2", { role: "leader", append: "3:3" })
    .steps("n3", { append: "1:1 2:1 3:3" })
    .steps("n2", { commitIndex: 3, apply: "1:1 2:1 3:3" })
    .steps("n1", { role: "follower", currentTerm: 3, votedFor: null, truncateFrom: 3, append: "3:3" })
    .steps("n1", { commitIndex: 3, apply: "3:3" });
});
