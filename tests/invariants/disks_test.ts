/**
 * Kind: unit (table-driven).
 *
 * Invariant: the properties that look at disks (I7, I10, I11, I12, I16, I32, I33) catch a hand-made violation and let the legal neighbour
 * pass.
 *
 * Learnt: a disk in a later term has left the one in which something was promised, so what was promised there may be gone from it.
 */
import { assertThrows } from "@std/assert";
import type { WriteEffect } from "../../internal/raft/effect.ts";
import type { Message } from "../../internal/raft/message.ts";
import type { Recovered } from "../../internal/raft/types.ts";
import { birth } from "../scenarios/stage.ts";
import { CommittedIsDurable } from "./committed_is_durable.ts";
import type { DurableState } from "./disk.ts";
import { checkPromise } from "./durable_promise.ts";
import { checkFiles } from "./expected_files.ts";
import { chain, Violation } from "./ghost.ts";
import { checkStart } from "./legal_start.ts";
import { MatchIsTrue } from "./match_is_true.ts";
import { StateMachineSafety } from "./state_machine_safety.ts";
import { checkStories, entriesOf, leader, type Story } from "./story.ts";

/** A disk with that log, and the hash of each prefix of it. */
function diskOf(log: string, currentTerm = 0, votedFor: string | null = null): DurableState {
  const hashes = [0];
  for (const entry of entriesOf(log)) hashes.push(chain(hashes.at(-1) ?? 0, entry));
  return {
    hardState: { currentTerm, votedFor },
    lastIndex: hashes.length - 1,
    prefixAt: (index) => hashes[index],
  };
}

/* ---- promises ---- */

const ack = (term: number, matchIndex: number): Message => ({
  kind: "appendEntriesResponse",
  term,
  requestTerm: term,
  success: matchIndex > 0,
  prevLogIndex: 0,
  round: 0,
  matchIndex,
  hintIndex: 0,
  hintTerm: 0,
  epoch: 0,
});
const installed = (term: number, matchIndex: number): Message => ({
  kind: "installSnapshotResponse",
  term,
  requestTerm: term,
  round: 0,
  matchIndex,
  epoch: 0,
});
const vote = (term: number, voteGranted: boolean): Message => ({
  kind: "requestVoteResponse",
  term,
  voteGranted,
});
const campaign = (term: number): Message => ({
  kind: "requestVoteRequest",
  term,
  lastLogIndex: 0,
  lastLogTerm: 0,
  transfer: false,
});

const LOG = "1:1 2:1 3:2";

interface PromiseCase {
  readonly name: string;
  readonly message: Message;
  /** What was in memory when an acknowledgement was made. */
  readonly memory?: string;
  readonly kept: DurableState;
  readonly broken: DurableState;
  readonly says: string;
}

const PROMISES: readonly PromiseCase[] = [
  {
    name: "a request for votes waits for the own vote",
    message: campaign(3),
    kept: diskOf("", 3, "n1"),
    broken: diskOf("", 3, null),
    says: "n1 sends requestVoteRequest of term 3 to n2 before its own vote is durable",
  },
  {
    name: "a request for votes waits for the term",
    message: campaign(3),
    kept: diskOf("", 4, null),
    broken: diskOf("", 2, "n1"),
    says: "its own vote",
  },
  {
    name: "a vote waits for the disk",
    message: vote(3, true),
    kept: diskOf("", 3, "n2"),
    broken: diskOf("", 3, null),
    says: "before its vote is durable",
  },
  {
    name: "a vote for one is no vote for another",
    message: vote(3, true),
    kept: diskOf("", 4, "n3"),
    broken: diskOf("", 3, "n3"),
    says: "before its vote is durable",
  },
  {
    name: "a refusal tells of a term, which waits too",
    message: vote(3, false),
    kept: diskOf("", 3, "n3"),
    broken: diskOf("", 2, "n3"),
    says: "before its term is durable",
  },
  {
    name: "an acknowledgement waits for the log",
    message: ack(2, 3),
    memory: LOG,
    kept: diskOf(LOG, 2),
    broken: diskOf("1:1 2:1", 2),
    says: "n1 sends appendEntriesResponse of term 2 to n2 before its log up to 3 is durable",
  },
  {
    name: "as long a log is not the same log",
    message: ack(2, 3),
    memory: LOG,
    kept: diskOf(`${LOG} 4:2`, 2),
    broken: diskOf("1:1 2:1 3:2x", 2),
    says: "its log up to 3",
  },
  {
    name: "what was acknowledged in a term that is over may be gone",
    message: ack(2, 3),
    memory: LOG,
    kept: diskOf("1:1", 3),
    broken: diskOf("1:1", 2),
    says: "its log up to 3",
  },
  {
    name: "an acknowledgement tells of a term, which waits too",
    message: ack(2, 0),
    kept: diskOf("", 2),
    broken: diskOf("", 1),
    says: "its term",
  },
  {
    name: "what a snapshot covers is acknowledged when it is durable",
    message: installed(2, 3),
    memory: LOG,
    kept: diskOf(LOG, 2),
    broken: diskOf("1:1 2:1", 2),
    says: "its log up to 3",
  },
];

for (const { name, message, memory = "", kept, broken, says } of PROMISES) {
  Deno.test(`durable promise: ${name}`, () => {
    const matchIndex = "matchIndex" in message ? message.matchIndex : -1;
    const departure = { server: "n1", to: "n2", message, acknowledged: diskOf(memory).prefixAt(matchIndex) };
    checkPromise(departure, kept);
    assertThrows(() => checkPromise(departure, broken), Violation, says);
  });
}

/* ---- what is committed, and what is believed ---- */

/** Disks that a story changes as it goes. */
class Disks {
  readonly #disks = new Map<string, DurableState>();
  readonly of = (id: string) => this.#disks.get(id) ?? diskOf("");

  sync(id: string, log: string, term = 0): void {
    this.#disks.set(id, diskOf(log, term));
  }
}

let disks = new Disks();
const onDisk = (id: string, log: string, term = 0) => (story: Story) => {
  disks.sync(id, log, term);
  return story;
};
const durable = () => {
  disks = new Disks();
  return [new StateMachineSafety(), new CommittedIsDurable(disks.of)];
};

checkStories("committed is durable", durable, [
  {
    name: "a quorum has it on disk, not in memory",
    given: (story) => {
      story.starts("n1", LOG).starts("n2", LOG).steps("n1", leader(2));
      onDisk("n1", LOG)(story);
    },
    legal: (story) => onDisk("n2", LOG)(story).steps("n1", { commitIndex: 3 }),
    broken: (story) => onDisk("n2", "1:1 2:1")(story).steps("n1", { commitIndex: 3 }),
    says: "n1 takes 3 for committed in term 2; it is durable on 1 of 3 servers",
  },
  {
    name: "another log of that length does not count",
    given: (story) => {
      story.starts("n1", LOG).steps("n1", leader(2));
      onDisk("n1", LOG)(story);
    },
    legal: (story) => onDisk("n3", `${LOG} 4:2`)(story).steps("n1", { commitIndex: 3 }),
    broken: (story) => onDisk("n3", "1:1x 2:1 3:2")(story).steps("n1", { commitIndex: 3 }),
    says: "it is durable on 1 of 3 servers",
  },
  {
    name: "in a joint configuration both halves count",
    given: (story) => {
      const configuration = {
        ...birth(["n1", "n2", "n3"]).configuration,
        voters: ["n1", "n2", "n3"],
        outgoing: ["n1", "n4", "n5"],
      };
      story.starts("n1", LOG).steps("n1", { ...leader(2), configuration });
      onDisk("n1", LOG)(story);
      onDisk("n2", LOG)(story);
    },
    legal: (story) => onDisk("n4", LOG)(story).steps("n1", { commitIndex: 3 }),
    broken: (story) => onDisk("n3", LOG)(story).steps("n1", { commitIndex: 3 }),
    says: "it is durable on 1 of 3 servers",
  },
]);

Deno.test("committed is durable: nothing is acknowledged beyond what a quorum was seen to have", () => {
  const property = new CommittedIsDurable(() => diskOf(LOG));
  assertThrows(
    () => property.replied(1, "v1;"),
    Violation,
    "v1; is acknowledged at index 1; no quorum was seen",
  );
});

const matching = () => {
  disks = new Disks();
  return [new MatchIsTrue(disks.of)];
};
const believes = (matchIndex: number) => ({ matchIndexes: new Map([["n2", matchIndex]]) });

checkStories("match is true", matching, [
  {
    name: "what a leader believes of a follower is on its disk",
    given: (story) => {
      story.starts("n1", LOG).steps("n1", leader(2));
      onDisk("n2", "1:1 2:1", 2)(story);
    },
    legal: (story) => story.steps("n1", believes(2)),
    broken: (story) => story.steps("n1", believes(3)),
    says: "n1 believes that n2 has its log up to 3; on its disk it has not",
  },
  {
    name: "a follower in a later term is not the leader's any more",
    given: (story) => story.starts("n1", LOG).steps("n1", leader(2)),
    legal: (story) => onDisk("n2", "1:1", 3)(story).steps("n1", believes(3)),
    broken: (story) => onDisk("n2", "1:1", 2)(story).steps("n1", believes(3)),
    says: "on its disk it has not",
  },
  {
    name: "each rise is looked at",
    given: (story) => {
      story.starts("n1", LOG).steps("n1", leader(2));
      onDisk("n2", "1:1 2:1", 2)(story).steps("n1", believes(2));
    },
    legal: (story) => onDisk("n2", LOG, 2)(story).steps("n1", believes(3)),
    broken: (story) => story.steps("n1", believes(3)),
    says: "on its disk it has not",
  },
]);

/* ---- starts ---- */

const recovered = (log: string, currentTerm: number, votedFor: string | null = null): Recovered => ({
  hardState: { currentTerm, votedFor },
  ...birth(["n1", "n2", "n3"]),
  entries: entriesOf(log),
});
const write = (append: string, change: Partial<WriteEffect> = {}): WriteEffect => ({
  kind: "write",
  number: 1,
  hardState: null,
  reset: null,
  truncateFrom: null,
  append: entriesOf(append),
  commitIndex: 0,
  ...change,
});

const PENDING = [
  write("4:2"),
  write("", { hardState: { currentTerm: 3, votedFor: "n3" } }),
  write("3:3", { truncateFrom: 3 }),
];

for (
  const start of [
    recovered(LOG, 2),
    recovered(`${LOG} 4:2`, 2),
    recovered(`${LOG} 4:2`, 3, "n3"),
    recovered("1:1 2:1 3:3", 3, "n3"),
  ]
) {
  Deno.test(`legal start: ${start.entries.length} entries in term ${start.hardState.currentTerm}`, () =>
    checkStart("n1", start, diskOf(LOG, 2), PENDING, () => 0));
}

for (
  const [name, start] of [
    ["the end of the log is lost", recovered("1:1 2:1", 2)],
    ["the log is another one", recovered("1:1 2:1x 3:2", 2)],
    ["the term is lost", recovered(LOG, 1)],
    ["the vote is another one", recovered(`${LOG} 4:2`, 3, "n2")],
    ["a later write is there and an earlier one is not", recovered(LOG, 3, "n3")],
    ["what is written is there, and what it replaces too", recovered(`${LOG} 4:2`, 3, null)],
    ["more than was written", recovered("1:1 2:1 3:3 4:3", 3, "n3")],
  ] as const
) {
  Deno.test(`no legal start: ${name}`, () => {
    assertThrows(
      () => checkStart("n1", start, diskOf(LOG, 2), PENDING, () => 0),
      Violation,
      "n1 would start with",
    );
  });
}

/** The hashes of what was committed: the log of the disk, and one entry more. */
const COVERED = diskOf(`${LOG} 4:2x`);
/** A snapshot of that index and term, and entries behind it. */
const behind = (
  snapshotIndex: number,
  snapshotTerm: number,
  log: string,
  currentTerm: number,
): Recovered => ({
  ...recovered("", currentTerm),
  snapshotIndex,
  snapshotTerm,
  entries: entriesOf(log).filter(({ index }) => index > snapshotIndex),
});

for (
  const [name, start, legal] of [
    ["a snapshot of a part of the log, and the rest", behind(2, 1, LOG, 2), true],
    ["a snapshot ahead of the log", behind(4, 2, "", 2), true],
    ["a snapshot ahead of the log and of its term", behind(4, 3, "", 3), true],
    ["a snapshot, and the rest is lost", behind(2, 1, "1:1 2:1", 2), false],
    ["a snapshot of what nobody committed", behind(5, 2, "", 2), false],
    ["a snapshot, and its term is lost", behind(4, 3, "", 2), false],
  ] as const
) {
  Deno.test(`${legal ? "" : "no "}legal start: ${name}`, () => {
    const check = () => checkStart("n1", start, diskOf(LOG, 2), [], COVERED.prefixAt);
    if (legal) check();
    else assertThrows(check, Violation, "n1 would start with");
  });
}

/* ---- files ---- */

const FILES = [
  "data/identity",
  "data/log/reserve",
  "data/log/log-0000000001.seg",
  "data/log/log-0000000002.seg",
  "data/snapshots/snap-0000000000000007-2.snap",
];
const TEMPORARY = [
  "data/log/next.tmp",
  "data/log/log-0000000003.seg.tmp",
  "data/snapshots/taking.tmp",
  "data/snapshots/receiving.tmp",
  "data/log/reserve.tmp",
  "data/identity.tmp",
];

Deno.test("expected files: identity, segments, snapshots and a few temporary ones are all there is", () => {
  checkFiles("n1", [...FILES, ...TEMPORARY.slice(0, 5)], new Set());
  checkFiles("n1", [...FILES, "data/log/notes.txt"], new Set(["data/log/notes.txt"]));
  for (
    const path of [
      "identity",
      "data/log/log-1.seg",
      "data/other",
      "data/log/next",
      "data/log/sub/next.tmp",
      "data/snapshots/snap-7-2.snap",
      "data/snap-0000000000000007-2.snap",
    ]
  ) {
    assertThrows(() => checkFiles("n1", [...FILES, path], new Set()), Violation, `n1 made a file ${path}`);
  }
  assertThrows(
    () => checkFiles("n1", [...FILES, ...TEMPORARY], new Set()),
    Violation,
    "n1 has 6 temporary files",
  );
  const snapshots = Array.from({ length: 9 }, (_, i) => `data/snapshots/snap-000000000000000${i}-1.snap`);
  assertThrows(() => checkFiles("n1", snapshots, new Set()), Violation, "n1 keeps 9 snapshots");
  const spares = Array.from({ length: 18 }, (_, i) => `data/log/spare-${String(i).padStart(10, "0")}.tmp`);
  checkFiles("n1", spares.slice(1), new Set());
  assertThrows(() => checkFiles("n1", spares, new Set()), Violation, "n1 keeps 18 spare segments");
});
