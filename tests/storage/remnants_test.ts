/**
 * Kind: property (a batch damaged at every place of random logs, with and without truncations).
 *
 * Invariant: every remnant is a piece of a log that this server had at some time: entries that stood one after another, never joined over a
 * place that is not known. Behind damage without truncations the remnants have all that is whole. They are read again at every start while
 * something is lost, and no more when nothing is.
 *
 * Learnt: indexes that follow each other are no proof: behind a lost batch that replaced entries, the next index belongs to another log. What
 * is only good to have must not keep a server from starting.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { readUint32 } from "../../internal/base/bytes.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import type { WriteEffect } from "../../internal/raft/effect.ts";
import type { Entry, LogPosition, Remnant } from "../../internal/raft/types.ts";
import { PromisesFile, readPromises } from "../../internal/storage/promises.ts";
import { readRemnants } from "../../internal/storage/remnants.ts";
import { EMPTY, entryOf, lineOf, Machine, type Opened, OWNER, pathOf, type State, Writer } from "./lab.ts";

const HEADER_BYTES = 4096;
const FOOTER_BYTES = 4096;
const SEGMENT_BYTES = HEADER_BYTES + 1536 + FOOTER_BYTES;

interface Home {
  readonly machine: Machine;
  /** The states after 0, 1, … batches. */
  readonly states: readonly State[];
}

/** A log of several segments, written batch by batch. */
async function inhabited(seed: string, writes: number, truncates: boolean): Promise<Home> {
  await loadCrc32c();
  const machine = new Machine(seed);
  machine.segmentBytes = SEGMENT_BYTES;
  const writer = new Writer(new SeededRandom(seed));
  writer.payloadBytesMax = 150;
  const states: State[] = [EMPTY];
  await machine.run(async () => {
    const { store, until, close } = await machine.open();
    for (let i = 0; i < writes; i++) {
      store.write(truncates ? writer.any() : writer.entry(100));
      await until(writer.number);
      states.push(writer.state);
    }
    await close();
  });
  machine.restart("kill");
  machine.disk.crash();
  return { machine, states };
}

/** Where every batch of every segment begins. */
function batchesOf(machine: Machine): { readonly path: string; readonly at: number }[] {
  const batches: { path: string; at: number }[] = [];
  for (const path of machine.disk.durablePaths().filter((path) => path.endsWith(".seg"))) {
    const bytes = must(machine.disk.durableBytes(path), "It is there");
    for (let at = HEADER_BYTES; at + 40 <= bytes.length && readUint32(bytes, at) === 0x31424c52;) {
      batches.push({ path, at });
      at += Math.ceil((40 + readUint32(bytes, at + 24)) / 8) * 8;
    }
  }
  return batches;
}

function spoilBatch(machine: Machine, { path, at }: { readonly path: string; readonly at: number }): void {
  machine.damage(path, (bytes) => bytes.fill(0xa5, at + 41, at + 45));
}

async function opened<T>({ machine }: Home, damage: (machine: Machine) => void, look: (opened: Opened) => T) {
  const copy = machine.copy("damaged");
  copy.segmentBytes = SEGMENT_BYTES;
  damage(copy);
  return await copy.run(async () => await look(await copy.open()));
}

function line(entries: readonly Entry[]): string {
  return lineOf({ hardState: EMPTY.hardState, entries });
}

/** Whether those entries stood one after another in that log. */
function isPieceOf({ after, entries }: Remnant, { entries: all }: State): boolean {
  const first = must(entries[0], "A remnant is not empty");
  const before = { index: first.index - 1, term: all[first.index - 2]?.term ?? 0 };
  if (after !== null && (after.index !== before.index || after.term !== before.term)) return false;
  return line(all.slice(before.index, before.index + entries.length)) === line(entries);
}

Deno.test("whatever is damaged, a remnant is a piece of a log that was", async () => {
  const seen = { remnants: 0, several: 0, behindKnown: 0 };
  for (let seed = 0; seed < 12; seed++) {
    const home = await inhabited(`remnants/${seed}`, 60, true);
    const batches = batchesOf(home.machine);
    for (let i = 0; i < batches.length; i += 3) {
      const damaged = [batches[i], batches[(i * 7 + 5) % batches.length]].filter((batch) =>
        batch !== undefined
      );
      await opened(
        home,
        (machine) => damaged.forEach((batch) => spoilBatch(machine, batch)),
        ({ remnants }) => {
          if (remnants.length > 2) seen.several++;
          for (const remnant of remnants) {
            seen.remnants++;
            if (remnant.after !== null) seen.behindKnown++;
            const where = `seed ${seed}, batch ${i}, from ${remnant.entries[0]?.index}`;
            assert(home.states.some((state) => isPieceOf(remnant, state)), where);
          }
        },
      );
    }
  }
  assertGreaterOrEqual(seen.remnants, 300);
  assertGreaterOrEqual(seen.several, 10);
  assertGreaterOrEqual(seen.behindKnown, 10);
});

Deno.test("where nothing was replaced, all that is whole behind the damage is there, and its end is the floor", async () => {
  const home = await inhabited("whole", 60, false);
  const truth = must(home.states.at(-1), "There are some").entries;
  const batches = batchesOf(home.machine);
  assertEquals(batches.length, 60, "one entry each");
  // Behind the last one nothing is whole.
  for (const [i, batch] of batches.slice(0, -1).entries()) {
    await opened(home, (machine) => spoilBatch(machine, batch), ({ recovered, remnants }) => {
      const behind = must(remnants.at(-1), `batch ${i}`).entries;
      assertEquals(recovered.entries.length, i, "what is before it is kept");
      assertEquals(line(behind), line(truth.slice(i + 1)), `batch ${i}`);
      assertEquals(recovered.floor, { index: 60, term: 1 });
    });
  }
});

Deno.test("they are read again at every start while something is lost, whatever was lost since, and no longer", async () => {
  const home = await inhabited("again", 60, false);
  const batches = batchesOf(home.machine);
  await opened(home, (machine) => {
    spoilBatch(machine, must(batches[40], "It is there"));
  }, () => {});
  const machine = home.machine.copy("again");
  machine.segmentBytes = SEGMENT_BYTES;
  spoilBatch(machine, must(batches[40], "It is there"));
  await machine.run(async () => {
    const spans = ({ remnants }: Opened) =>
      remnants.map(({ entries }) => `${entries[0]?.index}-${entries.at(-1)?.index}`).sort();
    const first = await machine.open();
    assert(spans(first).includes("42-60"), spans(first).join());
    await first.close();
    machine.restart("crash");
    // Another batch rots before the first loss is made good.
    spoilBatch(machine, must(batches[10], "It is there"));
    const second = await machine.open();
    assertEquals(second.recovered.epoch, 2);
    assert(["12-40", "42-60"].every((span) => spans(second).includes(span)), spans(second).join());
    second.store.endRepair();
    await second.close();
    machine.restart("crash");
    assertEquals((await machine.open()).remnants, []);
  });
});

Deno.test("a batch that is lost may have replaced what is before it: the next index is no proof that it follows", async () => {
  await loadCrc32c();
  const machine = new Machine("replaced");
  const entry = (index: number, term: number) => entryOf(index, term, new Uint8Array(20).fill(term));
  let number = 0;
  const write = (truncateFrom: number | null, term: number, ...indexes: number[]) => ({
    kind: "write" as const,
    number: ++number,
    hardState: { currentTerm: term, votedFor: null },
    reset: null,
    truncateFrom,
    append: indexes.map((index) => entry(index, term)),
    commitIndex: 0,
  });
  await machine.run(async () => {
    const { store, until, close } = await machine.open({ members: OWNER.members });
    for (const one of [write(null, 1, 1), write(null, 2, 2, 3), write(2, 3, 2, 3), write(null, 4, 4, 5)]) {
      store.write(one);
      await until(one.number);
    }
    await close();
  });
  machine.restart("crash");
  // The first one is lost, and the one in which term 3 replaced what term 2 had made.
  const batches = batchesOf(machine);
  for (const i of [0, 2]) spoilBatch(machine, must(batches[i], "It is there"));
  await machine.run(async () => {
    const { remnants } = await machine.open();
    const terms = remnants.map(({ entries }) =>
      entries.map(({ index, term }) => `${index}:${term}`).join(" ")
    );
    assertEquals(terms, ["2:2 3:2", "4:4 5:4"]);
  });
});

for (
  const { what, spoilt, words } of [
    { what: "a segment begins with it", spoilt: [1], words: ["2:1 | 3:2 4:2 5:2 6:2", "9:2 | 10:3"] },
    {
      what: "and not behind a batch that is lost and may have replaced something",
      spoilt: [1, 4],
      words: ["2:1 | 3:1 4:1", "? | 5:2 6:2", "9:2 | 10:3"],
    },
    {
      what: "the log begins anew with it",
      spoilt: [1, 4, 5, 6],
      words: ["2:1 | 3:1 4:1", "9:2 | 10:3"],
    },
  ]
) {
  Deno.test(`what was before an entry is told where a segment or the log begins with it: ${what}`, async () => {
    await loadCrc32c();
    const machine = new Machine("before");
    machine.segmentBytes = HEADER_BYTES + FOOTER_BYTES + 1024;
    let number = 0;
    const write = (bytes: number, words: string, more: Partial<WriteEffect> = {}): WriteEffect => {
      const hardState = number === 0 ? { currentTerm: 4, votedFor: null } : null;
      const append = words.split(" ").map((word) => {
        const [index = 0, term = 0] = word.split(":").map(Number);
        return entryOf(index, term, new Uint8Array(bytes));
      });
      return {
        kind: "write",
        number: ++number,
        hardState,
        reset: null,
        truncateFrom: null,
        append,
        commitIndex: 0,
        ...more,
      };
    };
    await machine.run(async () => {
      const { store, until, close } = await machine.open({ members: OWNER.members });
      for (
        const one of [
          write(860, "1:1"),
          write(860, "2:1"),
          write(860, "3:1"),
          write(860, "4:1"),
          write(20, "3:2 4:2", { truncateFrom: 3 }),
          write(20, "5:2"),
          write(20, "6:2"),
          write(20, "10:3", { reset: { index: 9, term: 2 } }),
        ]
      ) {
        store.write(one);
        await until(one.number);
      }
      await close();
    });
    machine.restart("crash");
    const batches = batchesOf(machine);
    const pathsOf = (from: number, to: number) =>
      new Set(batches.slice(from, to).map(({ path }) => path)).size;
    assertEquals([pathsOf(0, 4), pathsOf(4, 8), pathsOf(0, 8)], [4, 1, 5], "the sizes fit");
    for (const i of spoilt) spoilBatch(machine, must(batches[i], "It is there"));
    await machine.run(async () => {
      const { remnants } = await machine.open();
      const place = ({ index, term }: LogPosition) => `${index}:${term}`;
      assertEquals(
        remnants.map(({ after, entries }) =>
          `${after === null ? "?" : place(after)} | ${entries.map(place).join(" ")}`
        ),
        words,
      );
    });
  });
}

Deno.test("where a snapshot reaches over the damage, and not to the next segment, what is left has its last entry and goes on from there", async () => {
  const home = await inhabited("covered", 60, false);
  await home.machine.run(async () => {
    const { snapshots, close } = await home.machine.open();
    const configuration = configurationOfVoters(["n1", "n2", "n3"]);
    const place = { clusterId: "lab", index: 23, term: 1, configurationIndex: 0, configuration, digest: 0 };
    await snapshots.take(place, () => null);
    await close();
  });
  home.machine.restart("crash");
  const batch = must(batchesOf(home.machine)[20], "It is there");
  await opened(home, (machine) => spoilBatch(machine, batch), ({ recovered, remnants }) => {
    assertEquals([recovered.snapshotIndex, recovered.entries], [23, []]);
    const rest = must(remnants.at(-1), "There is some").entries;
    assertEquals([rest[0]?.index, rest.find(({ index }) => index === 23)?.term, rest.at(-1)?.index], [
      22,
      1,
      60,
    ]);
  });
});

Deno.test("a segment whose header is lost is read all the same where its footer is whole: it says whose batches they are", async () => {
  for (const isWhole of [true, false]) {
    const { machine } = await inhabited("header", 60, false);
    machine.segmentBytes = SEGMENT_BYTES;
    const inThird = batchesOf(machine).findIndex(({ path }) => path === pathOf(3));
    const inFourth = batchesOf(machine).findIndex(({ path }) => path === pathOf(4));
    machine.damage(pathOf(3), (bytes) => {
      if (!isWhole) bytes.fill(9, SEGMENT_BYTES - FOOTER_BYTES, SEGMENT_BYTES - FOOTER_BYTES + 1);
      return bytes.fill(9, 20, 21);
    });
    await machine.run(async () => {
      const { recovered, remnants } = await machine.open();
      assertEquals(recovered.entries.length, inThird);
      assertEquals(recovered.floor, { index: 60, term: 1 });
      assertEquals(remnants.map(({ entries }) => [entries[0]?.index, entries.at(-1)?.index]), [
        [isWhole ? inThird + 1 : inFourth + 1, 60],
      ]);
    });
  }
});

Deno.test("where the last segment has a footer and no header, its end is known, and nothing of it is lost", async () => {
  const { machine } = await inhabited("closed", 60, false);
  machine.segmentBytes = SEGMENT_BYTES;
  const paths = machine.disk.durablePaths().filter((path) => path.endsWith(".seg"));
  const [before, last] = paths.slice(-2);
  const first = batchesOf(machine).findIndex(({ path }) => path === before);
  const count = batchesOf(machine).filter(({ path }) => path !== last).length;
  // As if power had failed when the last but one was closed; the promises know of no more than it began with.
  machine.damage(must(last, "There are some"), () => null);
  machine.damage(must(before, "There are some"), (bytes) => bytes.fill(9, 20, 21));
  const { promises, sequence } = await machine.run(() => readPromises(machine.files, "data", OWNER));
  const known = { ...must(promises, "They are there"), lastBatch: first, serial: paths.length - 1 };
  await machine.run(async () => {
    await (await PromisesFile.open(machine.files, "data", OWNER, known, sequence)).close();
    machine.restart("crash");
    const { recovered, remnants } = await machine.open();
    assertEquals([recovered.entries.length, recovered.floor], [first, { index: count, term: 1 }]);
    assertEquals(remnants.map(({ entries }) => [entries[0]?.index, entries.at(-1)?.index]), [[
      first + 1,
      count,
    ]]);
  });
});

Deno.test("what was put aside and cannot be read keeps nobody from starting: it only is no remnant", async () => {
  const { machine } = await inhabited("unreadable", 60, false);
  machine.segmentBytes = SEGMENT_BYTES;
  spoilBatch(machine, must(batchesOf(machine)[10], "It is there"));
  await machine.run(async () => {
    await (await machine.open()).close();
    machine.restart("crash");
    machine.disk.unreadable = must(
      machine.disk.durablePaths().find((path) => path.includes(".lost-")),
      "One",
    );
    const { recovered, remnants } = await machine.open();
    assertEquals(recovered.floor, { index: 60, term: 1 });
    assertEquals(remnants.at(-1)?.entries.at(-1)?.index, 60, "the others are");
  });
});

Deno.test("where more was put aside than is held in memory, what is read of it counts, and the newest loss goes first", async () => {
  const { machine } = await inhabited("much", 60, false);
  machine.segmentBytes = SEGMENT_BYTES;
  const batches = batchesOf(machine);
  const spanOf = async (bytesMax: number) => {
    const found = await readRemnants(machine.files, "data/log", OWNER, { event: () => {} }, bytesMax);
    return found.map(({ entries }) => `${entries[0]?.index}-${entries.at(-1)?.index}`);
  };
  await machine.run(async () => {
    for (const i of [30, 10]) {
      spoilBatch(machine, must(batches[i], "It is there"));
      await (await machine.open()).close();
      machine.restart("crash");
    }
    assertEquals(await spanOf(Infinity), ["9-10", "12-30", "32-35", "27-30", "32-60"]);
    assertEquals(await spanOf(3 * SEGMENT_BYTES), ["9-10", "12-30", "32-35"]);
    assertEquals(await spanOf(1), ["9-10", "12-17"]);
  });
});
