/**
 * Kind: property (every file damaged in every way, on one disk of three).
 *
 * Invariant: a member of a cluster starts on a damaged log with what is whole of it, under a new epoch, with a floor that is not before the
 * end of what was lost, and with the term and vote that it had. That is durable before anything else is changed, and nothing is deleted. It
 * says so in one line, once; the next start finds a whole log. A server that is alone, or that cannot know what it promised, does not start.
 *
 * Learnt: a log that lost its end looks whole by itself. What the promises say was durable tells, and after a clean end they say all.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { footerPlace } from "../../internal/storage/footer.ts";
import { joined, readUint32 } from "../../internal/base/bytes.ts";
import { CorruptLogError, Refusal } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { encodeBlock } from "../../internal/storage/block.ts";
import { BEYOND_THE_TERM, type LogPosition, type Recovered } from "../../internal/raft/types.ts";
import { advance, letPromisesRun } from "../platform/drive.ts";
import { EMPTY, lineOf, Machine, OWNER, pathOf, type State, Writer } from "./lab.ts";

const HEADER_BYTES = 4096;
const FOOTER_BYTES = 4096;
const SEGMENTS = [1, 2, 3].map(pathOf);
const LOST = "a part of the log is lost, and will be fetched from the other servers";
const PROMISES = "data/promises";

interface Home {
  readonly machine: Machine;
  /** The states after 0, 1, … batches. */
  readonly states: readonly State[];
  /** What was durable at some moment in between, when the second segment was being written. */
  readonly earlier: ReadonlyMap<string, Uint8Array>;
}

/** A log of three segments of one server of so many, written batch by batch; ended cleanly or by a kill. */
async function inhabited(members: number, end: "close" | "kill"): Promise<Home> {
  await loadCrc32c();
  const machine = new Machine("repair");
  machine.segmentBytes = HEADER_BYTES + 1024 + FOOTER_BYTES;
  const writer = new Writer(new SeededRandom("repair writes"));
  writer.payloadBytesMax = 150;
  const states: State[] = [EMPTY];
  const earlier = new Map<string, Uint8Array>();
  await machine.run(async () => {
    const { store, until, close } = await machine.open({ members: OWNER.members.slice(0, members) });
    for (let behind = 0; behind < 4;) {
      store.write(writer.any());
      await until(writer.number);
      states.push(writer.state);
      const paths = machine.disk.durablePaths();
      if (paths.includes(pathOf(2)) && earlier.size === 0) {
        for (const [path, bytes] of machine.durable()) earlier.set(path, bytes);
      }
      if (paths.includes(pathOf(3))) behind++;
    }
    if (end === "close") await close();
  });
  machine.restart("kill");
  machine.disk.crash();
  const paths = machine.disk.durablePaths().filter((path) => path.endsWith(".seg"));
  assertEquals(paths, SEGMENTS, "the seed and the sizes fit");
  return { machine, states, earlier };
}

function end({ entries }: Pick<State, "entries">): LogPosition {
  const last = entries.at(-1);
  return { index: last?.index ?? 0, term: last?.term ?? 0 };
}

function isOlder(a: LogPosition, b: LogPosition): boolean {
  return a.term !== b.term ? a.term < b.term : a.index < b.index;
}

/** What a server must come back with that lost something; gives how many batches were whole. */
function checkMended({ states }: Home, recovered: Recovered, where: string): number {
  const truth = must(states.at(-1), "There are some");
  assertEquals(recovered.hardState, truth.hardState, `${where}: term and vote are kept`);
  assertGreaterOrEqual(recovered.epoch, 1, where);
  const floor = recovered.floor ?? { index: 0, term: 0 };
  assert(!isOlder(floor, end(truth)), `${where}: the floor is not before the end of what was lost`);
  const lines = states.map(({ entries }) => lineOf({ hardState: truth.hardState, entries }));
  const whole = lines.lastIndexOf(lineOf(recovered));
  assert(whole >= 0, `${where}: what is kept was the log at some time`);
  return whole;
}

/** Where the batches of a segment begin. */
function batchesOf(bytes: Uint8Array): number[] {
  const batches: number[] = [];
  for (let at = HEADER_BYTES; at + 40 <= bytes.length && readUint32(bytes, at) === 0x31424c52;) {
    batches.push(at);
    at += Math.ceil((40 + readUint32(bytes, at + 24)) / 8) * 8;
  }
  return batches;
}

interface Damage {
  readonly what: string;
  do(machine: Machine, home: Home): void;
}

/** Every way in which the files of a log are damaged that is told in the fault model. */
function* damages({ machine, earlier }: Home): Generator<Damage> {
  for (const [i, path] of SEGMENTS.entries()) {
    const bytes = must(machine.disk.durableBytes(path), "It is there").slice();
    yield { what: `${path} removed`, do: (machine) => machine.damage(path, () => null) };
    yield { what: `${path} emptied`, do: (machine) => machine.damage(path, () => new Uint8Array(0)) };
    yield { what: `${path} zeroed`, do: (machine) => machine.damage(path, (bytes) => bytes.fill(0)) };
    const neighbour = SEGMENTS[(i + 1) % SEGMENTS.length] ?? path;
    yield {
      what: `${path} and ${neighbour} swapped`,
      do: (machine) => {
        const other = must(machine.disk.durableBytes(neighbour), "It is there").slice();
        machine.disk.replace(neighbour, bytes.slice());
        machine.disk.replace(path, other);
      },
    };
    yield {
      what: `${neighbour} as a copy of ${path}`,
      do: (machine) => machine.disk.replace(neighbour, bytes.slice()),
    };
    const old = earlier.get(path);
    if (old !== undefined && String(old) !== String(bytes)) {
      yield { what: `an older ${path}`, do: (machine) => machine.disk.replace(path, old.slice()) };
    }
    for (
      const at of [0, 20, 100, ...batchesOf(bytes).flatMap((from) => [from, from + 5, from + 36, from + 41])]
    ) {
      yield {
        what: `a bit of byte ${at} of ${path}`,
        do: (machine) =>
          machine.damage(path, (bytes) => {
            bytes[at] = (bytes[at] ?? 0) ^ 4;
            return bytes;
          }),
      };
    }
    for (const length of batchesOf(bytes).flatMap((from) => [from, from + 21])) {
      yield {
        what: `${path} cut to ${length}`,
        do: (machine) => machine.damage(path, (bytes) => bytes.slice(0, length)),
      };
    }
    for (const from of batchesOf(bytes)) {
      yield {
        what: `${path} never written from ${from} on`,
        do: (machine) => machine.damage(path, (bytes) => bytes.fill(0, from, footerPlace(bytes.length))),
      };
    }
    const [first, second] = batchesOf(bytes);
    if (first === undefined || second === undefined) continue;
    yield {
      what: `a batch of ${path} written over the next one`,
      do: (machine) => machine.damage(path, (bytes) => bytes.copyWithin(second, first, second)),
    };
  }
  yield {
    what: "all segments removed",
    do: (machine) => SEGMENTS.forEach((path) => machine.damage(path, () => null)),
  };
  yield {
    what: "the last two segments removed",
    do: (machine) => SEGMENTS.slice(1).forEach((path) => machine.damage(path, () => null)),
  };
}

Deno.test("after a clean end, whatever happens to the segments of one of three: it keeps what is whole, and knows what it may lack", async () => {
  const home = await inhabited(3, "close");
  const seen = { cases: 0, unchanged: 0, kept: new Set<number>() };
  for (const { what, do: damage } of damages(home)) {
    const machine = home.machine.copy(what);
    machine.segmentBytes = home.machine.segmentBytes;
    damage(machine, home);
    const before = machine.durable();
    await machine.run(async () => {
      const opened = await machine.open();
      seen.cases++;
      const whole = checkMended(home, opened.recovered, what);
      seen.kept.add(whole);
      assertEquals(machine.log.all(LOST).length, 1, `${what}: it is said once`);
      // Nothing is deleted: what was not used is there under another name, or where it was.
      const there = [...machine.durable().values()].map((bytes) => String(bytes));
      for (const [path, bytes] of before) {
        if (!path.endsWith(".seg")) continue;
        const name = must(path.split("/").at(-1), "It has one");
        // The one that the log goes on behind may have got a footer, behind all that it had.
        const used = bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1);
        const now = machine.disk.durableBytes(path)?.subarray(0, used.length);
        assert(
          there.includes(String(bytes)) || String(now) === String(used),
          `${what}: ${name} is still there`,
        );
      }
      // It goes on, and the next start finds nothing wrong.
      const writer = new Writer(new SeededRandom(what), opened.recovered);
      for (let i = 0; i < 4; i++) {
        opened.store.write(writer.any());
        await opened.until(writer.number);
      }
      machine.restart("crash");
      const next = await machine.open();
      assertEquals(lineOf(next.recovered), lineOf(writer.state), what);
      assertEquals([next.recovered.epoch, next.recovered.floor], [
        opened.recovered.epoch,
        opened.recovered.floor,
      ]);
      assertEquals(machine.log.all(LOST).length, 1, what);
      // The mark goes when the log is repaired, for good.
      next.store.endRepair();
      await next.close();
      machine.restart("crash");
      const last = await machine.open();
      assertEquals([last.recovered.epoch, last.recovered.floor], [opened.recovered.epoch, null], what);
      assertEquals(lineOf(last.recovered), lineOf(writer.state), what);
    });
  }
  assertGreaterOrEqual(seen.cases, 100);
  assertGreaterOrEqual(seen.kept.size, 8, "damage was at many places");
});

Deno.test("after a kill, what happens to the segments is repaired, or looks like a write that never was", async () => {
  const home = await inhabited(3, "kill");
  const truth = must(home.states.at(-1), "There are some");
  const seen = { repaired: 0, torn: 0 };
  for (const { what, do: damage } of damages(home)) {
    const machine = home.machine.copy(what);
    machine.segmentBytes = home.machine.segmentBytes;
    damage(machine, home);
    await machine.run(async () => {
      const { recovered } = await machine.open();
      if (machine.log.all(LOST).length > 0) {
        seen.repaired++;
        checkMended(home, recovered, what);
        return;
      }
      // Only entries behind the last promise can look as if they had never been; a term or a vote never.
      seen.torn++;
      assertEquals(recovered.hardState, truth.hardState, what);
      const lines = home.states.map(lineOf);
      const at = lines.indexOf(lineOf(recovered));
      const promised = home.states.findIndex(({ hardState }) => hardState === truth.hardState);
      assertGreaterOrEqual(at, promised, what);
    });
  }
  assertGreaterOrEqual(seen.repaired, 60);
  console.log(`after a kill: ${seen.repaired} repaired, ${seen.torn} looked like a write that never was`);
});

Deno.test("a log that is damaged, and of which the last segment was cut as well, does not take that for its end", async () => {
  const home = await inhabited(3, "kill");
  const [first, , last] = SEGMENTS.map((path) => must(home.machine.disk.durableBytes(path), "It is there"));
  const cuts = batchesOf(must(last, "There are three"));
  const [at] = batchesOf(must(first, "There are three"));
  assertGreaterOrEqual(cuts.length, 4);
  for (const length of cuts) {
    for (const behind of [0, 1]) {
      const what = `cut at ${length}, and ${behind} bytes left behind it`;
      const machine = home.machine.copy(what);
      machine.segmentBytes = home.machine.segmentBytes;
      machine.damage(SEGMENTS[0] ?? "", (bytes) => {
        bytes[at ?? 0] = (bytes[at ?? 0] ?? 0) ^ 4;
        return bytes;
      });
      machine.damage(SEGMENTS[2] ?? "", (bytes) => bytes.slice(0, length + behind));
      await machine.run(async () => {
        const { recovered } = await machine.open();
        checkMended(home, recovered, what);
      });
    }
  }
});

Deno.test("power fails at any moment of a repair: the next start ends it, and knows no less", async () => {
  const home = await inhabited(3, "close");
  const damage = (machine: Machine) => {
    machine.damage(pathOf(2), (bytes) => {
      const at = must(batchesOf(bytes)[1], "There are two") + 41;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes;
    });
  };
  const whole = new Machine("whole", { disk: home.machine.disk.clone(new SeededRandom("whole")) });
  whole.segmentBytes = home.machine.segmentBytes;
  damage(whole);
  let kept = 0;
  const begun = whole.time.now;
  await whole.run(async () => {
    kept = checkMended(home, (await whole.open()).recovered, "undisturbed");
  });
  const length = whole.time.now - begun;
  let crashes = 0;
  for (let seed = 0; seed < 300; seed++) {
    const machine = home.machine.copy(`crash/${seed}`);
    machine.segmentBytes = home.machine.segmentBytes;
    damage(machine);
    let done = false;
    machine.open().then(() => done = true);
    await letPromisesRun();
    await advance(machine.time, machine.time.now + length * (seed % 100) / 100);
    if (!done) crashes++;
    machine.restart(seed % 3 === 0 ? "kill" : "crash");
    await machine.run(async () => {
      const again = checkMended(home, (await machine.open()).recovered, `crash ${seed}`);
      assert(again <= kept, "what is kept was whole");
      assertGreaterOrEqual(again, kept, `crash ${seed}: what is whole is kept`);
    });
  }
  assertGreaterOrEqual(crashes, 200);
});

Deno.test("any operation of a repair fails: a refusal, and the next start ends it", async () => {
  const home = await inhabited(3, "close");
  const damaged = () => {
    const machine = home.machine.copy("failing");
    machine.segmentBytes = home.machine.segmentBytes;
    machine.damage(pathOf(2), (bytes) => bytes.fill(7, 4200, 4300));
    return machine;
  };
  const first = damaged();
  let operations = 0;
  await first.run(async () => {
    first.disk.fault = () => {
      operations++;
      return null;
    };
    await first.open();
  });
  for (let failing = 0; failing < operations; failing++) {
    const machine = damaged();
    let failed: string | null = null;
    let isOfRemnants = false;
    await machine.run(async () => {
      let asked = 0;
      machine.disk.fault = (operation, path) => {
        const number = asked++;
        if (number === failing) {
          failed = operation;
          isOfRemnants = /^(?:read|size)$/.test(operation) && path.includes(".lost-");
        }
        // A read that fails is tried again: here it fails for good.
        const isFailing = number === failing ||
          (number > failing && failed === "read" && operation === "read");
        return isFailing ? "EIO" : null;
      };
      const refusal = await machine.open().then(() => null, (error: unknown) => error);
      // What was put aside is read when all is mended, and nobody needs it to start.
      assertEquals(refusal instanceof Refusal, !isOfRemnants, `operation ${failing}: ${refusal}`);
      machine.disk.fault = null;
      machine.restart(failing % 2 === 0 ? "kill" : "crash");
      checkMended(home, (await machine.open()).recovered, `operation ${failing}`);
    });
  }
  assertGreaterOrEqual(operations, 40);
});

for (
  const { what, members, promises, why } of [
    { what: "that is alone", members: 1, promises: null, why: "no other server has a copy" },
    {
      what: "whose promises are gone",
      members: 3,
      promises: () => null,
      why: "what this server promised is not known either (promises: the file is missing)",
    },
    {
      what: "whose promises are damaged, both copies",
      members: 3,
      promises: (bytes: Uint8Array) => bytes.fill(9, 30, 5000),
      why: "what this server promised is not known either",
    },
  ] as const
) {
  Deno.test(`a server ${what} does not start on a damaged log: it says where, up to which index it is whole, and changes nothing`, async () => {
    const home = await inhabited(members, "close");
    for (const { what, do: damage } of damages(home)) {
      const machine = home.machine.copy(what);
      damage(machine, home);
      if (promises !== null) machine.damage(PROMISES, promises);
      const before = machine.durable();
      await machine.run(async () => {
        const error = await machine.open().then(() => null, (error: unknown) => error);
        if (error === null && promises !== null) {
          // Without the promises a log that lost its end looks whole.
          assertEquals(machine.log.all(LOST), [], what);
          return;
        }
        assert(error instanceof CorruptLogError, `${what}: ${error}`);
        assert(error.message.includes("the log is whole up to index "), error.message);
        assert(error.message.includes(why), error.message);
        machine.restart("crash");
        assertEquals(machine.durable(), before, what);
      });
    }
  });
}

Deno.test("one rotten copy of the promises takes nothing away, with the log whole and with the log damaged", async () => {
  const home = await inhabited(3, "close");
  for (let at = 0; at < 8192; at += 13) {
    for (const isDamaged of [false, true]) {
      const machine = home.machine.copy(`${at}`);
      machine.segmentBytes = home.machine.segmentBytes;
      machine.damage(PROMISES, (bytes) => {
        bytes[at] = (bytes[at] ?? 0) ^ 16;
        return bytes;
      });
      if (isDamaged) machine.damage(pathOf(2), (bytes) => bytes.fill(7, 4200, 4300));
      await machine.run(async () => {
        const { recovered, close } = await machine.open();
        if (isDamaged) checkMended(home, recovered, `byte ${at}`);
        else assertEquals(lineOf(recovered), lineOf(must(home.states.at(-1), "There is one")), `byte ${at}`);
        await close();
        assertEquals(machine.log.all("the promises are written anew from the log").length, isDamaged ? 0 : 1);
      });
    }
  }
});

/** What the promises say after three entries and a vote, as an older program wrote it: not where the log ended. */
function promisesOfOld(): Uint8Array {
  const copy = encodeBlock("raftpact", [1, OWNER.clusterId, OWNER.serverId, 99, 5, "n1", 0, 0, 0, 4, 1]);
  return joined([copy, copy]);
}

for (
  const { what, spoilt, last, old = false } of [
    { what: "only a vote follows what is damaged", spoilt: [2], last: { index: 3, term: 1 } },
    { what: "what followed the vote is damaged too", spoilt: [2, 4], last: null },
    { what: "the batch that they are of is damaged itself", spoilt: [2, 3, 4], last: null },
    { what: "an older program wrote them", spoilt: [2], last: null, old: true },
  ]
) {
  Deno.test(`where ${what} the promises ${last === null ? "do not say" : "say"} where the log had ended`, async () => {
    await loadCrc32c();
    const machine = new Machine("vote behind");
    const writer = new Writer(new SeededRandom("vote behind"));
    await machine.run(async () => {
      const { store, until } = await machine.open();
      const entry = () => writer.entry(50);
      for (
        const write of [entry, entry, entry, () => writer.vote(5), ...(spoilt.includes(4) ? [entry] : [])]
      ) {
        store.write(write());
        await until(writer.number);
      }
    });
    machine.restart("kill");
    machine.damage(pathOf(1), (bytes) => {
      const batches = batchesOf(bytes);
      for (const batch of spoilt) {
        bytes.fill(0xa5, must(batches[batch], "It is there") + 44, (batches[batch] ?? 0) + 48);
      }
      return bytes;
    });
    if (old) machine.damage(PROMISES, promisesOfOld);
    // Power fails at any moment of the repair: the next start knows no less.
    for (let steps = 0; steps < 40; steps++) {
      const copy = machine.copy(`${what} ${steps}`);
      void copy.open();
      await letPromisesRun();
      await advance(copy.time, copy.time.now + steps / 4);
      copy.restart(steps % 2 === 0 ? "kill" : "crash");
      await copy.run(async () => {
        const { recovered } = await copy.open();
        assertEquals(recovered.floor, last ?? { index: BEYOND_THE_TERM, term: 5 }, `after ${steps} steps`);
      });
    }
    await machine.run(async () => {
      const { recovered } = await machine.open();
      assertEquals(recovered.entries.length, 2);
      assertEquals(recovered.hardState.currentTerm, 5);
      assertEquals(recovered.floor, last ?? { index: BEYOND_THE_TERM, term: 5 });
    });
  });
}

Deno.test("what was written behind a repair, and lost with its segment, is not covered by what the repair had noted", async () => {
  const { machine } = await inhabited(3, "close");
  await machine.run(async () => {
    machine.damage(pathOf(2), (bytes) => {
      const at = must(batchesOf(bytes)[1], "There are two") + 41;
      return bytes.fill(1, at, at + 8);
    });
    const { recovered, store, until } = await machine.open();
    assert(
      recovered.floor !== null && recovered.floor.index < BEYOND_THE_TERM,
      "the end of the first loss is known",
    );
    const writer = new Writer(new SeededRandom("behind"), recovered);
    for (let i = 0; i < 40; i++) {
      store.write(writer.entry(20));
      await until(writer.number);
    }
    const truth = end(writer.state);
    machine.restart("kill");
    const newest = machine.disk.durablePaths().filter((path) => path.endsWith(".seg"));
    for (const path of newest.slice(2)) machine.damage(path, (bytes) => bytes.fill(2, 30, 40));
    const again = await machine.open();
    assertEquals(again.recovered.epoch, 2);
    assert(again.recovered.floor !== null && !isOlder(again.recovered.floor, truth));
  });
});

Deno.test("each loss has an epoch of its own, and the floors add up", async () => {
  const home = await inhabited(3, "close");
  const { machine } = home;
  await machine.run(async () => {
    const floors: (LogPosition | null)[] = [];
    for (let epoch = 1; epoch <= 3; epoch++) {
      const newest = machine.disk.durablePaths().findLast((path) => path.endsWith(".seg"));
      machine.damage(must(newest, "There is one"), (bytes) => bytes.fill(epoch, 30, 40));
      const { recovered, close } = await machine.open();
      assertEquals(recovered.epoch, epoch);
      floors.push(recovered.floor);
      await close();
      machine.restart("kill");
    }
    const before = floors[0];
    assert(before !== undefined && before !== null);
    for (const floor of floors) assert(floor !== null && !isOlder(floor, before), "no floor is forgotten");
  });
});

Deno.test("a loss that somebody else knows of is noted behind what was written, and the next start knows of it: all that is there stays", async () => {
  const home = await inhabited(3, "close");
  const truth = must(home.states.at(-1), "There are some");
  for (const crashed of [false, true]) {
    const machine = home.machine.copy(`noted ${crashed}`);
    machine.segmentBytes = home.machine.segmentBytes;
    await machine.run(async () => {
      const opened = await machine.open();
      const writer = new Writer(new SeededRandom("noted"), truth);
      opened.store.write(writer.vote(truth.hardState.currentTerm + 5));
      let isNoted = false;
      await new Promise<void>((resolve) =>
        opened.store.noteLoss(3, () => {
          isNoted = true;
          resolve();
        })
      );
      assertEquals(isNoted, true);
      const { operations } = machine.disk;
      opened.store.write(writer.any());
      opened.store.endRepair();
      await letPromisesRun();
      assertEquals(machine.disk.operations, operations, "nothing is written afterwards");
      if (!crashed) await opened.close();
      machine.restart("crash");
      const { recovered } = await machine.open();
      assertEquals(recovered.hardState, { currentTerm: truth.hardState.currentTerm + 5, votedFor: "n1" });
      assertEquals(recovered.entries.length, truth.entries.length, "nothing is put aside");
      assertGreaterOrEqual(recovered.epoch, 3);
      assertEquals(recovered.floor, {
        index: Number.MAX_SAFE_INTEGER,
        term: recovered.hardState.currentTerm,
      });
    });
  }
});
