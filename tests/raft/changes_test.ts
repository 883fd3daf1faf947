/**
 * Kind: property (exhaustive: all sequences of two changes over four ids, with a crash of the leader after each message).
 *
 * Invariant: whatever two changes of members follow each other, and wherever the leader dies meanwhile: the Raft properties hold after every
 * step, quorums of neighbouring configurations meet, each change is done wholly or not at all, and the cluster ends live: it has a leader,
 * no change is left half done, a write is committed and every member hears of it. What may not be asked for is refused.
 *
 * Learnt: the first run found a cluster that stayed without a leader for ever, in each beginning in which the leader leaves by the change:
 * it alone had the entry that says so, did not campaign since it was no member any more, and nobody else could win without its vote
 * (transcript m7_leaver_campaigns). The crash right after a change was asked for counts as a place of its own: without it no change ever
 * came to nothing, since the first message had always arrived.
 */
import { assert, assertEquals } from "@std/assert";
import type { MakeRaft } from "./life.ts";
import { mutant } from "./mutant.ts";
import { Changes, changesOf, type Crash, type Planned, type Shape, shown } from "./changes.ts";

/** All up to the names, with A a voter. */
const STARTS: readonly Shape[] = [
  "A/",
  "A/B",
  "A/BC",
  "A/BCD",
  "AB/",
  "AB/C",
  "AB/CD",
  "ABC/",
  "ABC/D",
  "ABCD/",
].map((text) => {
  const [voters = "", learners = ""] = text.split("/");
  return { voters: voters.split(""), learners: learners === "" ? [] : learners.split("") };
});

/** What may be in the end, where any of the changes may have come to nothing. */
function possible(start: Shape, changes: readonly Planned[]): readonly string[] {
  const [first, second] = changes;
  return [start, first?.leadsTo ?? start].flatMap((shape) => {
    const later = changesOf(shape).find(({ name }) => name === second?.name);
    return [shown(shape), shown(later?.leadsTo ?? shape)];
  });
}

/** What the dead leader sent arrives, or is lost; then any of the others may campaign first. Or it lives, and nobody hears of it. */
const WAYS_TO_DIE = [
  { isCutOff: false, isSilent: false, heir: 0 },
  { isCutOff: false, isSilent: true, heir: 0 },
  { isCutOff: false, isSilent: true, heir: 1 },
  { isCutOff: false, isSilent: true, heir: 2 },
  { isCutOff: true, isSilent: true, heir: 0 },
];

class Survey {
  readonly count = { sequences: 0, refused: 0, crashes: 0, undone: 0 };
  readonly bad: string[] = [];
  readonly #makeRaft: MakeRaft | undefined;

  constructor(makeRaft?: MakeRaft) {
    this.#makeRaft = makeRaft;
  }

  from(start: Shape): this {
    for (const first of changesOf(start)) {
      for (const second of changesOf(first.leadsTo ?? start)) this.#look(start, [first, second]);
    }
    return this;
  }

  #look(start: Shape, changes: readonly Planned[]): void {
    const name = `${shown(start)}: ${changes.map((one) => one.name).join(", ")}`;
    const wanted = shown(changes.findLast(({ leadsTo }) => leadsTo !== null)?.leadsTo ?? start);
    const refusals = changes.filter(({ leadsTo }) => leadsTo === null).length;
    this.count.sequences++;
    const calm = this.#run(name, start, null, changes, [wanted]);
    if (calm === null) return;
    if (calm.refused.length !== refusals) this.bad.push(`${name}: refused ${calm.refused.join("; ")}`);
    // What is refused says nothing to anybody; the other change is looked at in another sequence.
    if (refusals > 0) {
      this.count.refused++;
      return;
    }
    for (let after = 1; after <= calm.events; after++) {
      for (const way of WAYS_TO_DIE) {
        const where = `${name}, crash after ${after} ${JSON.stringify(way)}`;
        const run = this.#run(where, start, { after, ...way }, changes, possible(start, changes));
        this.count.crashes++;
        if (run !== null && shown(run.end) !== wanted) this.count.undone++;
      }
    }
  }

  #run(
    name: string,
    start: Shape,
    crash: Crash | null,
    changes: readonly Planned[],
    ends: readonly string[],
  ) {
    try {
      const run = new Changes(start, crash, this.#makeRaft).run(changes);
      if (!ends.includes(shown(run.end))) this.bad.push(`${name}: ends as ${shown(run.end)}`);
      if (crash !== null && !run.hasCrashed) this.bad.push(`${name}: nobody crashed`);
      return run;
    } catch (error) {
      this.bad.push(`${name}: ${error}`);
      return null;
    }
  }
}

for (const start of STARTS) {
  Deno.test(`From ${shown(start)}, any two changes of members end well, wherever the leader dies`, () => {
    const { count, bad } = new Survey().from(start);
    console.log(
      `${
        shown(start)
      }: ${count.sequences} sequences of two changes, ${count.refused} of them with a refusal; ` +
        `${count.crashes} runs in which the leader dies or is cut off, after ${count.undone} of which a change had come to nothing; ${bad.length} objections`,
    );
    assertEquals(bad.slice(0, 20), []);
  });
}

for (
  const { name, mutation, says } of [
    {
      name: "changes its voters in one step",
      mutation: {
        file: "membership.ts",
        text: "return { ...value, voters, outgoing: value.voters, learners };",
        becomes: "return pruned({ ...value, voters, learners });",
      },
      says: "of which B is a quorum, before which A was one",
    },
    {
      name: "never campaigns once it left",
      mutation: {
        file: "membership.ts",
        text: "configuration.isVoter(id) || configurationIndex <= commitIndex",
        becomes: "true",
      },
      says: "nobody leads",
    },
  ]
) {
  Deno.test(`The changes of members find a core that ${name}`, async () => {
    const { bad } = new Survey(await mutant(mutation)).from({ voters: ["A"], learners: ["B", "C", "D"] });
    console.log(`a core that ${name}: ${bad.length} objections, the first: ${bad[0]}`);
    assert(bad.some((one) => one.includes(says)), bad[0] ?? "nothing was found");
  });
}
