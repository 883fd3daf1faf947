/**
 * Kind: property (hand-made violations).
 *
 * Invariant: configurations change step by step (I20), who may not lead does not (I22), who lost its disk does not count (O2); each property lets a legal story pass and catches one that breaks it.
 *
 * Learnt: that the log's newest configuration is in force has to be looked at in every step, also where a follower removes one.
 */
import { assertEquals, assertThrows } from "@std/assert";
import type { Raft } from "../../internal/raft/raft.ts";
import { ConfigurationSteps } from "./configuration_steps.ts";
import { Violation } from "./ghost.ts";
import { checkDoesNotCount } from "./lost_disk.ts";
import { MayLead } from "./may_lead.ts";
import { StateMachineSafety } from "./state_machine_safety.ts";
import { checkStories, configurationOf, follower, leader, Story } from "./story.ts";

const at = (index: number, term: number, text: string) => ({
  index,
  term,
  configuration: configurationOf(text),
});

/** n1 leads term 1 and has committed its first entry. */
function leads(story: Story): void {
  story.starts("n1").starts("n2");
  story.steps("n1", { ...leader(1), append: "1:1" }).steps("n1", {
    ...leader(1),
    commitIndex: 1,
    apply: "1:1",
  });
}

const joint = at(2, 1, "n1 n2 n3 n4 / n1 n2 n3");

checkStories("configurations", () => [new StateMachineSafety(), new ConfigurationSteps()], [
  {
    name: "voters change by way of a joint configuration",
    given: leads,
    legal: (story) => story.steps("n1", { ...leader(1), configures: joint }),
    broken: (story) => story.steps("n1", { ...leader(1), configures: at(2, 1, "n1 n2 n3 n4") }),
    says: "n1 goes from {n1 n2 n3} to {n1 n2 n3 n4}: voters change without a joint configuration",
  },
  {
    name: "a joint one names the voters that there were",
    given: leads,
    legal: (story) => story.steps("n1", { ...leader(1), configures: joint }),
    broken: (story) => story.steps("n1", { ...leader(1), configures: at(2, 1, "n1 n2 n3 n4 / n1 n2") }),
    says: "the outgoing voters are those that there were",
  },
  {
    name: "a joint one leads to its own new voters",
    given: (story) => {
      leads(story);
      story.steps("n1", { ...leader(1), configures: joint }).steps("n1", { ...leader(1), commitIndex: 2 });
    },
    legal: (story) => story.steps("n1", { ...leader(1), configures: at(3, 1, "n1 n2 n3 n4") }),
    broken: (story) => story.steps("n1", { ...leader(1), configures: at(3, 1, "n1 n2 n3") }),
    says: "a joint configuration leads to its own new voters",
  },
  {
    name: "two joint ones never follow each other",
    given: (story) => {
      leads(story);
      story.steps("n1", { ...leader(1), configures: joint }).steps("n1", { ...leader(1), commitIndex: 2 });
    },
    legal: (story) => story.steps("n1", { ...leader(1), configures: at(3, 1, "n1 n2 n3 n4") }),
    broken: (story) => story.steps("n1", { ...leader(1), configures: at(3, 1, "n1 n2 / n1 n2 n3 n4") }),
    says: "both are joint",
  },
  {
    name: "one change at a time",
    given: (story) => {
      leads(story);
      story.steps("n1", { ...leader(1), configures: joint });
    },
    legal: (story) =>
      story.steps("n1", { ...leader(1), commitIndex: 2, configures: at(3, 1, "n1 n2 n3 n4") }),
    broken: (story) => story.steps("n1", { ...leader(1), configures: at(3, 1, "n1 n2 n3 n4") }),
    says: "n1 changes the configuration of index 2, which is not committed; commit is 1",
  },
  {
    name: "none before the leader committed an entry of its own term",
    given: (story) => {
      leads(story);
      story.steps("n1", { ...follower(2) }).steps("n1", { ...leader(3), append: "2:3" });
    },
    legal: (story) =>
      story.steps("n1", { ...leader(3), commitIndex: 2, configures: at(3, 3, "n1 n2 n3 n4 / n1 n2 n3") }),
    broken: (story) => story.steps("n1", { ...leader(3), configures: at(3, 3, "n1 n2 n3 n4 / n1 n2 n3") }),
    says: "n1 changes the configuration before it committed an entry of term 3",
  },
  {
    name: "a learner has no vote",
    given: leads,
    legal: (story) => story.steps("n1", { ...leader(1), configures: at(2, 1, "n1 n2 n3 [n4]") }),
    broken: (story) => story.steps("n1", { ...leader(1), configures: at(2, 1, "n1 n2 n3 [n3]") }),
    says: "a learner has a vote",
  },
  {
    name: "a configuration is in force from when it is appended",
    given: leads,
    legal: (story) => story.steps("n1", { ...leader(1), configures: joint }),
    broken: (story) => story.steps("n1", { ...leader(1), configures: joint, configurationIndex: 0 }),
    says: "n1 goes by the configuration of index 0; the newest in its log is that of 2",
  },
  {
    name: "and no longer than it stays in the log",
    given: (story) => {
      leads(story);
      story.steps("n2", { ...follower(1), append: "1:1" });
      story.steps("n2", { ...follower(1), configures: joint });
      story.steps("n2", {
        ...follower(1),
        configures: { ...joint, index: 3 },
        truncateFrom: 2,
        append: "2:1",
      });
    },
    legal: (story) => story.steps("n2", { ...follower(1), truncateFrom: 3, append: "3:1", ...BEFORE }),
    broken: (story) => story.steps("n2", { ...follower(1), truncateFrom: 3, append: "3:1" }),
    says: "n2 goes by the configuration of index 3",
  },
]);

const BEFORE = { configuration: configurationOf("n1 n2 n3"), configurationIndex: 0 };

Deno.test("configurations: those that are committed are written down in the order of the log", () => {
  const steps = new ConfigurationSteps();
  const story = new Story([new StateMachineSafety(), steps]);
  const indexes = () => steps.committed.map(({ index }) => index);
  leads(story);
  story.steps("n1", { ...leader(1), configures: joint });
  assertEquals(indexes(), [0]);
  story.steps("n1", { ...leader(1), commitIndex: 2 });
  story.steps("n1", { ...leader(1), configures: at(3, 1, "n1 n2 n3 n4") });
  assertEquals(indexes(), [0, 2]);
});

const unsettled = at(2, 1, "n2 n3 / n1 n2 n3");

checkStories("may lead", () => {
  const steps = new ConfigurationSteps();
  return [new StateMachineSafety(), steps, new MayLead(steps)];
}, [
  {
    name: "only a voter campaigns",
    given: (story) => void story.starts("n1"),
    legal: (story) => story.steps("n1", { role: "candidate", currentTerm: 1 }),
    broken: (story) =>
      story.starts("n1", "", {
        role: "candidate",
        currentTerm: 1,
        configuration: configurationOf("n2 n3 n4"),
      }),
    says: "n1 is candidate in term 1; that it has no vote is settled at index 0",
  },
  {
    name: "a learner asks nobody whether it would be elected",
    given: leads,
    legal: (story) => story.starts("n4", "1:1", { role: "follower", ...LEARNS }),
    broken: (story) => story.starts("n4", "1:1", { role: "preCandidate", ...LEARNS }),
    says: "n4 is preCandidate in term 0; that it has no vote is settled at index 0",
  },
  {
    name: "who leaves may lead as long as that is not settled",
    given: (story) => {
      leads(story);
      story.steps("n1", { ...leader(1), configures: unsettled }).steps("n1", {
        ...leader(1),
        commitIndex: 2,
      });
      story.steps("n1", { ...leader(1), configures: at(3, 1, "n2 n3") });
    },
    legal: (story) => story.steps("n1", { role: "candidate", currentTerm: 2 }).steps("n1", leader(2)),
    broken: (story) => story.steps("n1", { ...leader(1), commitIndex: 3 }),
    says: "n1 is leader in term 1; that it has no vote is settled at index 3",
  },
  {
    name: "unless it is handing over",
    given: (story) => {
      leads(story);
      story.steps("n1", { ...leader(1), configures: unsettled }).steps("n1", {
        ...leader(1),
        commitIndex: 2,
      });
      story.steps("n1", { ...leader(1), configures: at(3, 1, "n2 n3") });
    },
    legal: (story) => story.steps("n1", { ...leader(1), commitIndex: 3, isTransferring: true }),
    broken: (story) => story.steps("n1", { role: "preCandidate", commitIndex: 3, isTransferring: false }),
    says: "n1 is preCandidate in term 1; that it has no vote is settled at index 3",
  },
  {
    name: "who had no vote before has none for that",
    given: (story) => {
      leads(story);
      story.steps("n2", { ...follower(1), append: "1:1" }).steps("n2", {
        ...follower(1),
        configures: at(2, 1, "n1 n3 / n1 n2 n3"),
      });
      story.steps("n2", { ...follower(1), configures: at(3, 1, "n1 n3") });
      story.steps("n2", { ...follower(1), configures: at(4, 1, "n1 n3 [n2]") });
    },
    legal: (story) => story.steps("n2", follower(1)),
    broken: (story) => story.steps("n2", { role: "candidate", currentTerm: 2 }),
    says: "n2 is candidate in term 2 and neither has nor had a vote",
  },
]);

const LEARNS = { configuration: configurationOf("n1 n2 n3 [n4]"), configurationIndex: 0 };

Deno.test("lost disk: who comes back without it hears of nothing that is committed, and does not lead", () => {
  const view = { id: "n1", role: "follower", commitIndex: 0 } as const;
  const seen = (change: Partial<Pick<ReturnType<Raft["view"]>, "role" | "commitIndex">>) =>
    checkDoesNotCount({ ...view, ...change });
  seen({});
  seen({ role: "preCandidate" });
  assertThrows(() => seen({ role: "leader" }), Violation, "n1 lost its disk and leads");
  assertThrows(() => seen({ commitIndex: 3 }), Violation, "n1 lost its disk and is told that 3 is committed");
});
