/**
 * Kind: unit.
 *
 * Invariant: two logs have the same hash at an index only if they agree in every entry up to there, in every part of each entry; what was
 * committed is written down in order and once.
 *
 * Learnt: the hash is the eye of three properties; a part of the entry that it leaves out is a part in which logs may differ unseen.
 */
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import type { Entry } from "../../internal/raft/types.ts";
import { Stage } from "../scenarios/stage.ts";
import { chain, Ghost, type Observation, Violation } from "./ghost.ts";

const entry: Entry = {
  index: 3,
  term: 2,
  kind: "command",
  payload: Uint8Array.of(1, 2, 3),
  configuration: null,
  record: null,
};

const CHANGES: readonly (readonly [what: string, change: Partial<Entry>])[] = [
  ["the index", { index: 4 }],
  ["the term", { term: 3 }],
  ["the kind", { kind: "noop" }],
  ["a configuration", { configuration: configurationOfVoters(["A"]) }],
  ["one byte", { payload: Uint8Array.of(1, 2, 4) }],
  ["the order of bytes", { payload: Uint8Array.of(2, 1, 3) }],
  ["a byte more", { payload: Uint8Array.of(1, 2, 3, 0) }],
  ["a byte less", { payload: Uint8Array.of(1, 2) }],
];

for (const [what, change] of CHANGES) {
  Deno.test(`${what} makes another hash`, () => {
    assertNotEquals(chain(7, { ...entry, ...change }), chain(7, entry));
  });
}

Deno.test("the same entry behind another past has another hash, and how it is stored does not matter", () => {
  assertNotEquals(chain(8, entry), chain(7, entry));
  assertNotEquals(chain(7 + 2 ** 40, entry), chain(7, entry));
  assertEquals(
    chain(7, { ...entry, payload: entry.payload.slice(), record: Uint8Array.of(9) }),
    chain(7, entry),
  );
});

Deno.test("hashes are exact numbers, and 100,000 of them are all different", () => {
  const random = new SeededRandom("chain");
  const seen = new Set<number>();
  let hash = 0;
  for (let index = 1; index <= 100_000; index++) {
    hash = chain(hash, { ...entry, index, payload: Uint8Array.of(random.below(2)) });
    seen.add(hash);
    if (!(Number.isSafeInteger(hash) && hash >= 0)) throw new Error(`${hash} is no exact number`);
  }
  assertEquals(seen.size, 100_000);
});

Deno.test("the ghost follows a log through its writes, and starts anew with a server", () => {
  const hashes = (log: string) => {
    const ghost = new Ghost([]);
    ghost.started("A", new Stage({ term: 9, log }).raft);
    return ghost.prefixOf("A");
  };
  const stage = new Stage({ term: 1, log: "1:1 2:1" });
  const ghost = new Ghost([]);
  ghost.started("A", stage.raft);
  const follow = () => ghost.stepped("A", stage.raft, stage.heard());
  stage.hears("B", {
    kind: "appendEntriesRequest",
    term: 2,
    prevLogIndex: 1,
    prevLogTerm: 1,
    entries: [2, 3].map((index) => ({ ...entry, index, term: 2, payload: Uint8Array.of(index, 2) })),
    leaderCommit: 0,
    health: { diskMs: 0, loopMs: 0 },
    epoch: 0,
    round: 0,
  });
  follow();
  assertEquals(stage.log, "1:1 2:2 3:2");
  assertEquals(ghost.prefixOf("A"), hashes("1:1 2:2 3:2"));
  assertNotEquals(ghost.prefixOf("A")[2], hashes("1:1 2:1")[2]);
  ghost.started("A", new Stage({ term: 1, log: "1:1" }).raft);
  assertEquals(ghost.prefixOf("A"), hashes("1:1"));
  assertThrows(() => ghost.prefixOf("B"), Error, "never started");
});

Deno.test("a write with a gap is a violation by itself", () => {
  const stage = new Stage({ term: 1, log: "1:1" });
  const ghost = new Ghost([]);
  ghost.started("A", stage.raft);
  const write = (index: number) => () =>
    ghost.stepped("A", stage.raft, [
      {
        kind: "write",
        number: 1,
        hardState: null,
        reset: null,
        truncateFrom: null,
        append: [{ ...entry, index }],
        commitIndex: 0,
      },
    ]);
  assertThrows(write(3), Violation, "Log gap: entry 3 follows 1");
  write(2)();
});

Deno.test("what is committed is known with the term in which it was first seen, and only grows", () => {
  const ghost = new Ghost([]);
  assertEquals([ghost.committedIndex, ghost.committedBefore(9)], [0, 0]);
  ghost.commit(1, 11, 1);
  ghost.commit(2, 22, 3);
  ghost.commit(3, 33, 3);
  assertEquals([ghost.committedIndex, ghost.committedHash(2), ghost.committedHash(4)], [3, 22, undefined]);
  assertEquals([1, 2, 3, 4].map((term) => ghost.committedBefore(term)), [0, 1, 1, 3]);
  assertThrows(() => ghost.commit(3, 34, 4), Error, "Cannot commit 3 after 3");
  assertThrows(() => ghost.commit(5, 55, 4), Error, "Cannot commit 5 after 3");
});

Deno.test("every property sees every look, with what was before and what is now", () => {
  const seen: Observation[] = [];
  const ghost = new Ghost([{ name: "watch", check: (observation) => void seen.push(observation) }]);
  const stage = new Stage({});
  ghost.started("A", stage.raft);
  ghost.stepped("A", stage.raft, stage.timeout().heard());
  assertEquals(seen.map(({ was, is }) => [was?.role ?? null, is.role]), [
    [null, "follower"],
    ["follower", "candidate"],
  ]);
  assertEquals(seen[1]?.effects.some(({ kind }) => kind === "write"), true);
  assertEquals(ghost.views.get("A")?.currentTerm, 1);
  ghost.started("A", new Stage({ term: 1 }).raft);
  assertEquals(seen.at(-1)?.was, null);
});

Deno.test("a look tells what entered the log: all of it after a start, what was written in a step, also what was removed again", () => {
  const looks: string[] = [];
  const watch = {
    name: "watch",
    check: ({ server, entered }: Observation, ghost: Ghost) => {
      const prefix = ghost.prefixOf(server);
      looks.push(
        entered.map(({ index, term, hash }) => `${index}:${term}${hash === prefix[index] ? "" : " gone"}`)
          .join(" "),
      );
    },
  };
  const ghost = new Ghost([watch]);
  const stage = new Stage({ term: 1, log: "1:1 2:1" });
  const write = (truncateFrom: number | null, ...append: Entry[]) =>
    ({
      kind: "write",
      number: 1,
      hardState: null,
      reset: null,
      truncateFrom,
      append,
      commitIndex: 0,
    }) as const;
  ghost.started("A", stage.raft);
  ghost.stepped("A", stage.raft, []);
  ghost.stepped("A", stage.raft, [
    write(null, entry, { ...entry, index: 4 }),
    write(4, { ...entry, index: 4, term: 3 }),
  ]);
  ghost.stepped("A", stage.raft, [write(2)]);
  assertEquals(looks, ["1:1 2:1", "", "3:2 4:2 gone 4:3", ""]);
});
