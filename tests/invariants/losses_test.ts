/**
 * Kind: unit (table-driven).
 *
 * Invariant: a server that lost a part of its log is held to what it has now, and its leaders to what they may know (docs/repair.md): each
 * property catches a hand-made violation and lets the legal neighbour pass.
 *
 * Learnt: an acknowledgement from before the loss may be under way for long; a leader that hears it before it hears of the loss is right to
 * count it, and only then.
 */
import { assertEquals, assertThrows } from "@std/assert";
import type { Message } from "../../internal/raft/message.ts";
import { CommittedIsDurable } from "./committed_is_durable.ts";
import { type Back, type Before, checkLoss } from "./confessed_loss.ts";
import type { DurableState } from "./disk.ts";
import { chain, Violation } from "./ghost.ts";
import { LostLogs } from "./lost_logs.ts";
import { MatchIsTrue } from "./match_is_true.ts";
import { checkRemains } from "./remains.ts";
import { StateMachineSafety } from "./state_machine_safety.ts";
import { checkStories, entriesOf, leader, type Story } from "./story.ts";

function hashesOf(log: string): number[] {
  const hashes = [0];
  for (const entry of entriesOf(log)) hashes.push(chain(hashes.at(-1) ?? 0, entry));
  return hashes;
}

function diskOf(log: string, currentTerm: number): DurableState {
  const hashes = hashesOf(log);
  return {
    hardState: { currentTerm, votedFor: null },
    lastIndex: hashes.length - 1,
    prefixAt: (index) => hashes[index],
  };
}

const LOG = "1:1 2:1 3:2";

/* ---- who comes back says what it lost ---- */

const REPLACED = "1:1 2:1 3:1 4:1";

const BEFORE: Before = {
  epoch: 1,
  last: { index: 3, term: 2 },
  prefix: hashesOf(LOG),
  held: new Set([...hashesOf(REPLACED), ...hashesOf(LOG)]),
};

const back = (log: string, change: Partial<Back> = {}): Back => {
  const prefix = hashesOf(log);
  return {
    epoch: 2,
    floor: { index: 3, term: 2 },
    snapshotIndex: 0,
    lastIndex: prefix.length - 1,
    prefix,
    ...change,
  };
};

const LEGAL: readonly (readonly [what: string, back: Back, isLost: boolean])[] = [
  ["all is there", back(LOG, { epoch: 1, floor: null }), false],
  ["all is there, and it was more careful than it had to be", back(LOG), false],
  ["the last entry is lost", back("1:1 2:1"), true],
  ["everything is lost", back(""), true],
  ["what replaced an older end is lost, and that end is there", back(REPLACED), true],
  ["the floor is beyond the term", back("1:1", { floor: { index: 2 ** 53 - 1, term: 2 } }), true],
  ["an older and higher floor stands", back("1:1", { floor: { index: 1, term: 3 } }), true],
  [
    "a snapshot reaches further than the log did",
    back("1:1 2:1 3:2 4:2", { epoch: 1, floor: null, snapshotIndex: 4 }),
    false,
  ],
];

for (const [what, one, isLost] of LEGAL) {
  Deno.test(`a loss that is confessed: ${what}`, () => assertEquals(checkLoss("n1", BEFORE, one), isLost));
}

const BROKEN: readonly (readonly [what: string, back: Back, says: string])[] = [
  [
    "no new epoch",
    back("1:1 2:1", { epoch: 1 }),
    "n1 lost a part of its log up to 3, and comes back in epoch 1 after 1",
  ],
  ["an older epoch", back(LOG, { epoch: 0 }), "comes back in epoch 0 after 1"],
  ["an older end, and no word of it", back(REPLACED, { epoch: 1 }), "comes back in epoch 1 after 1"],
  ["no floor", back("1:1", { floor: null }), "comes back with no floor"],
  ["a floor that is too low", back("1:1", { floor: { index: 2, term: 2 } }), "with a floor of 2:2"],
  ["a floor of an earlier term", back("1:1", { floor: { index: 9, term: 1 } }), "with a floor of 9:1"],
  ["another log", back("1:1 2:1x"), "comes back with a log up to 2 that it never had"],
  ["more than there was", back("1:1 2:1 3:2 4:2"), "comes back with a log up to 4 that it never had"],
];

for (const [what, one, says] of BROKEN) {
  Deno.test(`a loss that is not confessed is caught: ${what}`, () => {
    assertThrows(() => checkLoss("n1", BEFORE, one), Violation, says);
  });
}

/* ---- how long leaders may count on what was lost ---- */

const heard = (term: number, epoch: number): Message => ({
  kind: "appendEntriesRequest",
  term,
  prevLogIndex: 3,
  prevLogTerm: 2,
  entries: [],
  leaderCommit: 0,
  round: 0,
  health: { diskMs: 0, loopMs: 0 },
  epoch,
});

/** n2 lost its log behind the first entry; its disk is what is left. */
function properties(epoch: number | null) {
  const lost = new LostLogs();
  lost.struck("n2", hashesOf(LOG));
  if (epoch !== null) lost.isBack("n2", epoch);
  const disks = (id: string) => diskOf(id === "n1" ? LOG : id === "n2" ? "1:1" : "", 2);
  return [
    new StateMachineSafety(),
    lost,
    new CommittedIsDurable(disks, lost),
    new MatchIsTrue(disks, lost),
  ];
}

const leads = (story: Story) => story.starts("n2").starts("n3").starts("n1", LOG, leader(2));
const commits = (story: Story) => story.steps("n1", { ...leader(2), commitIndex: 3 });
const believes = (story: Story) => story.steps("n1", { ...leader(2), matchIndexes: new Map([["n2", 3]]) });
const hears = (story: Story, epoch: number) =>
  story.steps("n1", { ...leader(2), send: [["n2", heard(2, epoch)]] });

for (
  const [name, act, says] of [
    ["committed is durable", commits, "n1 takes 3 for committed in term 2; it is durable on 1 of 3 servers"],
    ["match is true", believes, "n1 believes that n2 has its log up to 3; on its disk it has not"],
  ] as const
) {
  checkStories(name, () => properties(1), [
    {
      name: "who does not know of the loss may count what was there",
      given: leads,
      legal: act,
      broken: (story) => act(hears(story, 1)),
      says,
    },
    {
      name: "a loss is its own: to have heard of one is not to have heard of the next",
      given: (story) => hears(leads(story), 0),
      legal: act,
      broken: (story) => act(hears(story, 2)),
      says,
    },
  ]);
  checkStories(name, () => properties(null), [{
    name: "nobody can have heard of a loss of who is not back",
    given: leads,
    legal: act,
    broken: (story) =>
      act(story.steps("n1", { ...leader(2), append: "4:2" })).steps("n1", { ...leader(2), commitIndex: 4 }),
    says: "",
  }]);
}

/* ---- what remains ---- */

const committed = hashesOf(LOG);
const remains = (log: string, snapshotIndex = 0) => ({ entries: entriesOf(log), snapshotIndex });

for (
  const [what, disks] of [
    ["on one disk", [remains(LOG)]],
    ["apart, on several", [remains("3:2"), remains("1:1"), remains("2:1 3:1")]],
    ["in a snapshot, and behind it", [remains("", 2), remains("3:2")]],
  ] as const
) {
  Deno.test(`all that was committed remains: ${what}`, () =>
    checkRemains(disks, 3, (index) => committed[index]));
}

for (
  const [what, disks, says] of [
    ["nobody has it", [remains("1:1 3:2"), remains("1:1")], "what was committed at 2 is on no disk any more"],
    [
      "another entry stands there",
      [remains("1:1 2:1x 3:2")],
      "what was committed at 2 is on no disk any more",
    ],
    ["the snapshot is too old", [remains("3:2", 1)], "what was committed at 2 is on no disk any more"],
  ] as const
) {
  Deno.test(`what was committed and is gone is missed: ${what}`, () => {
    assertThrows(() => checkRemains(disks, 3, (index) => committed[index]), Violation, says);
  });
}
