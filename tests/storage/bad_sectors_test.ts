/**
 * Kind: property (bad sectors at every place of every file that a start reads).
 *
 * Invariant: what the disk cannot read is damage like any other: never the end of the log, and never a reason to cut a tail. A member of a
 * cluster keeps what is whole, with a floor; a server that is alone stops with 74, names file and offset, and changes nothing. A disk that
 * reads nothing of a file, or stops reading, has no bad sector: the server stops with 74 and changes nothing, as it does for every other
 * error. A disk that stumbles and then reads has lost nothing.
 *
 * Learnt: a last batch that rotted looks torn where nobody wrote down that it was durable; one that cannot be read does not, so that a member
 * gets a floor where rot would have gone unnoticed. World seed 26: a start that found damage read everything once more, and a snapshot that had
 * a bad sector the first time was whole the second: the log was gone through behind another snapshot than the state was restored from.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertRejects, assertStringIncludes } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { CorruptLogError, ExitCode, Refusal } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import { BEYOND_THE_TERM, type LogPosition } from "../../internal/raft/types.ts";
import { readAround } from "../../internal/storage/bad_sectors.ts";
import { Scrubber } from "../../internal/storage/scrubber.ts";
import { FileError, type FileErrorCode } from "../../internal/platform/file_system.ts";
import { EMPTY, lineOf, Machine, OWNER, pathOf, type State, Writer } from "./lab.ts";

const HEADER_BYTES = 4096;
const PIECE_BYTES = 4096;
const SEGMENT_BYTES = 5 * PIECE_BYTES;
const FOOTER_DAMAGED = "the footer of a segment is damaged, and nothing is lost by it";
const FOOTER_AGAIN = "a footer that is not whole is written anew";
const LOST = "a part of the log is lost, and will be fetched from the other servers";

interface Home {
  readonly machine: Machine;
  /** The states after 0, 1, … batches. */
  readonly states: readonly State[];
}

/** A log of three segments of one server of so many, written batch by batch. */
async function inhabited(members: number, end: "close" | "kill"): Promise<Home> {
  await loadCrc32c();
  const machine = new Machine("sectors");
  machine.segmentBytes = SEGMENT_BYTES;
  const writer = new Writer(new SeededRandom("sector writes"));
  const states: State[] = [EMPTY];
  await machine.run(async () => {
    const { store, until, close } = await machine.open({ members: OWNER.members.slice(0, members) });
    while (!machine.disk.durablePaths().includes(pathOf(3)) || states.length % 20 !== 0) {
      // One entry that the first segment has no room for leaves a part of it unused.
      store.write(states.length === 4 ? writer.entry(12_000) : writer.any());
      await until(writer.number);
      states.push(writer.state);
    }
    if (end === "close") return await close();
    // More than a piece of what nobody writes down to be durable.
    for (let i = 0; i < 8; i++) {
      store.write(writer.entry(600));
      await until(writer.number);
      states.push(writer.state);
    }
  });
  machine.restart("kill");
  machine.disk.crash();
  return { machine, states };
}

function copyOf({ machine }: Home, seed: string): Machine {
  const copy = machine.copy(seed);
  copy.segmentBytes = SEGMENT_BYTES;
  return copy;
}

/** The first byte behind the last one that is not zero, but for the footer. */
function endOf(machine: Machine, path: string): number {
  const bytes = must(machine.disk.durableBytes(path), "It is there");
  return bytes.subarray(0, SEGMENT_BYTES - PIECE_BYTES).findLastIndex((byte) => byte !== 0) + 1;
}

function isOlder(a: LogPosition, b: LogPosition): boolean {
  return a.term !== b.term ? a.term < b.term : a.index < b.index;
}

interface Piece {
  readonly path: string;
  readonly at: number;
  /** Whether something of the log is in it. */
  readonly isUsed: boolean;
  /** Whether it is in the last segment. */
  readonly isLast: boolean;
  /** Whether it is the place of a footer. */
  readonly isFooter: boolean;
}

/** Every piece of every segment. */
function* pieces(machine: Machine): Generator<Piece> {
  const paths = machine.disk.durablePaths().filter((path) => path.endsWith(".seg"));
  for (const path of paths) {
    for (let at = 0; at < SEGMENT_BYTES; at += PIECE_BYTES) {
      const isFooter = at === SEGMENT_BYTES - PIECE_BYTES;
      yield { path, at, isUsed: at < endOf(machine, path), isLast: path === paths.at(-1), isFooter };
    }
  }
}

Deno.test("a bad sector anywhere in the log of one of three: it keeps what is whole, and knows what it may lack", async () => {
  const home = await inhabited(3, "close");
  const truth = must(home.states.at(-1), "There are some");
  const newest = must(truth.entries.at(-1), "There are some");
  const seen = { mended: 0, unused: 0, beyond: 0, footers: 0 };
  for (const { path, at, isUsed, isLast, isFooter } of pieces(home.machine)) {
    const where = `${path} at ${at}`;
    const machine = copyOf(home, where);
    machine.disk.spoil(path, at + 100, at + 101);
    await machine.run(async () => {
      const { recovered, store, until, close } = await machine.open();
      if (isFooter) {
        assertEquals([lineOf(recovered), recovered.epoch], [lineOf(truth), 0], where);
        assertEquals(machine.log.all(isLast ? FOOTER_AGAIN : FOOTER_DAMAGED).length, 1, where);
        seen.footers++;
        await close();
        machine.restart("crash");
        const next = await machine.open();
        assertEquals([lineOf(next.recovered), next.recovered.epoch], [lineOf(truth), 0], where);
        return await next.close();
      }
      if (!isUsed && !isLast) {
        // Its successor says that nothing is there.
        assertEquals([lineOf(recovered), recovered.epoch], [lineOf(truth), 0], where);
        assertEquals(machine.log.all(LOST), [], where);
        seen.unused++;
        return await close();
      }
      const [said] = machine.log.all(LOST);
      assertStringIncludes(
        String(said?.fields["found"]),
        `the disk cannot read the bytes from ${at} to ${at + PIECE_BYTES - 1}`,
      );
      assertEquals(machine.log.all("torn tail is cut"), [], where);
      assertEquals([recovered.hardState, recovered.epoch], [truth.hardState, 1], where);
      const floor = must(recovered.floor, where);
      assert(!isOlder(floor, newest), `${where}: the floor is not before what was lost`);
      if (floor.index === BEYOND_THE_TERM) seen.beyond++;
      if (isLast) assertEquals(floor.index, BEYOND_THE_TERM, `${where}: nobody knows what was there`);
      const lines = home.states.map(({ entries }) => lineOf({ hardState: truth.hardState, entries }));
      assert(lines.includes(lineOf(recovered)), `${where}: what is kept was the log at some time`);
      seen.mended++;
      // It goes on, and the sector is in nobody's way.
      const writer = new Writer(new SeededRandom(where), recovered);
      for (let i = 0; i < 4; i++) {
        store.write(writer.any());
        await until(writer.number);
      }
      machine.restart("crash");
      const next = await machine.open();
      assertEquals([lineOf(next.recovered), next.recovered.epoch], [lineOf(writer.state), 1], where);
      await next.close();
    });
  }
  assertGreaterOrEqual(seen.mended, 9);
  assertGreaterOrEqual(seen.unused, 1);
  assertGreaterOrEqual(seen.beyond, 2);
  assertGreaterOrEqual(seen.footers, 3);
});

Deno.test("after a kill, a last batch that cannot be read is damage: it may be all that there was of what was acknowledged", async () => {
  const home = await inhabited(3, "kill");
  const last = must(home.machine.disk.durablePaths().findLast((path) => path.endsWith(".seg")), "It has one");
  const end = endOf(home.machine, last);
  const rotten = copyOf(home, "rotten");
  rotten.damage(last, (bytes) => bytes.fill(7, end - end % PIECE_BYTES, end));
  await rotten.run(async () => {
    assertEquals((await rotten.open()).recovered.epoch, 0, "nothing says that it was durable");
  });
  const machine = copyOf(home, "last");
  machine.disk.spoil(last, end - 1, end);
  await machine.run(async () => {
    const { recovered } = await machine.open();
    const floor = { index: BEYOND_THE_TERM, term: recovered.hardState.currentTerm };
    assertEquals([recovered.epoch, recovered.floor], [1, floor]);
    assertEquals(machine.log.all("torn tail is cut"), []);
  });
});

Deno.test("a server that is alone stops with 74, names file and offset, and changes nothing", async () => {
  const home = await inhabited(1, "close");
  let stops = 0;
  for (const { path, at, isUsed, isLast, isFooter } of pieces(home.machine)) {
    const where = `${path} at ${at}`;
    const machine = copyOf(home, where);
    machine.disk.spoil(path, at, at + PIECE_BYTES);
    const before = [...machine.durable()];
    await machine.run(async () => {
      if (isFooter || (!isUsed && !isLast)) return await (await machine.open()).close();
      const error = await assertRejects(() => machine.open(), CorruptLogError);
      assertEquals([error.exitCode, error.file], [ExitCode.diskIo, path], where);
      assert(error.offset <= at + PIECE_BYTES, `${where}: ${error.offset}`);
      assertStringIncludes(error.message, `cannot read ${path} at offset ${error.offset}`);
      assertStringIncludes(error.message, "no other server has a copy from which to repair it");
      assertEquals([...machine.durable()], before, `${where}: nothing is changed`);
      stops++;
    });
  }
  assertGreaterOrEqual(stops, 9);
});

Deno.test("bad sectors all over a file are damage as long as one piece of it is read", async () => {
  const home = await inhabited(3, "close");
  for (let sound = 0; sound < SEGMENT_BYTES; sound += PIECE_BYTES) {
    const machine = copyOf(home, `all but ${sound}`);
    for (let at = 0; at < SEGMENT_BYTES; at += PIECE_BYTES) {
      if (at !== sound) machine.disk.spoil(pathOf(2), at + 10, at + 20);
    }
    await machine.run(async () => {
      const { recovered } = await machine.open();
      assertEquals([recovered.epoch, machine.log.all(LOST).length], [1, 1], `all but ${sound}`);
    });
  }
});

Deno.test("a disk that reads nothing of a file, or no longer, has no bad sector: 74, and nothing is changed", async () => {
  const home = await inhabited(3, "close");
  const paths = home.machine.disk.durablePaths().filter((path) => /\.seg$|promises$|identity$/.test(path));
  assertGreaterOrEqual(paths.length, 5);
  for (const path of paths) {
    const machine = copyOf(home, path);
    machine.disk.spoil(path, 0, SEGMENT_BYTES);
    await refuses(machine, "EIO", ExitCode.diskIo, path);
  }
  // It reads for a while, and then nothing any more.
  for (let limit = 0, isOver = false; !isOver; limit++) {
    const machine = copyOf(home, `limit ${limit}`);
    let reads = 0;
    machine.disk.fault = (operation) => operation === "read" && reads++ >= limit ? "EIO" : null;
    await machine.run(async () => {
      try {
        await (await machine.open()).close();
        isOver = true;
      } catch (error) {
        assert(error instanceof Refusal && !(error instanceof CorruptLogError), `${limit}: ${error}`);
        assertEquals(error.exitCode, ExitCode.diskIo);
        machine.disk.fault = null;
        machine.restart("crash");
        assertEquals((await machine.open()).recovered.epoch, 0, `after ${limit}`);
      }
    });
    assert(limit < 100);
  }
});

for (
  const { what, from, to, bad } of [
    { what: "of a whole file", from: 0, to: 6 * PIECE_BYTES, bad: Infinity },
    { what: "of a part of a file", from: PIECE_BYTES, to: 4 * PIECE_BYTES, bad: Infinity },
    { what: "of a file with a bad sector", from: 0, to: 6 * PIECE_BYTES, bad: 2 * PIECE_BYTES },
  ]
) {
  Deno.test(`a disk that reads nothing ${what} for a while, whenever that begins and ends: no hole comes of it`, async () => {
    const content = Uint8Array.from({ length: 6 * PIECE_BYTES }, (_, i) => i % 251);
    const holes = bad === Infinity ? [] : [{ from: bad, to: bad + PIECE_BYTES }];
    let reads = 0;
    for (let begin = 0; begin < 12; begin++) {
      for (let end = begin + 1; end < 24; end++) {
        let asked = 0;
        const file = {
          size: () => Promise.resolve(content.length),
          links: () => Promise.resolve(1),
          readAt: (offset: number, length: number) => {
            const number = asked++;
            const isBad = (number >= begin && number < end) || (offset <= bad && bad < offset + length);
            return isBad
              ? Promise.reject(new FileError("EIO", `read ${number}`))
              : Promise.resolve(content.slice(offset, offset + length));
          },
        };
        try {
          assertEquals((await readAround(file, from, to - from)).holes, holes, `${begin} to ${end}`);
          reads++;
        } catch (error) {
          if (!(error instanceof FileError)) throw error;
        }
      }
    }
    assertGreaterOrEqual(reads, 30);
  });
}

Deno.test("an error that says nothing of the bytes is never damage, wherever it comes up", async () => {
  const home = await inhabited(3, "close");
  const codes: [FileErrorCode, ExitCode][] = [
    ["EACCES", ExitCode.permission],
    ["EMFILE", ExitCode.diskIo],
    ["EOTHER", ExitCode.diskIo],
  ];
  for (const [code, exitCode] of codes) {
    for (let failing = 0, isOver = false; !isOver; failing++) {
      const machine = copyOf(home, `${code} ${failing}`);
      let asked = 0;
      let isMet = false;
      machine.disk.fault = (operation) => {
        if (!["read", "open", "readDirectory"].includes(operation) || asked++ !== failing) return null;
        isMet = true;
        return code;
      };
      const before = [...machine.durable()];
      await machine.run(async () => {
        let error: unknown = null;
        try {
          const { recovered } = await machine.open();
          assertEquals(recovered.epoch, 0);
        } catch (thrown) {
          error = thrown;
        }
        isOver = !isMet;
        if (isOver || error === null) return;
        assert(
          error instanceof Refusal && !(error instanceof CorruptLogError),
          `${code} ${failing}: ${error}`,
        );
        assertEquals(error.exitCode, exitCode);
        const after = [...machine.durable()].filter(([path]) => path.endsWith(".seg"));
        assertEquals(after, before.filter(([path]) => path.endsWith(".seg")), `${code} ${failing}`);
      });
    }
  }
});

Deno.test("a copy of the promises that cannot be read does as well as one that rotted", async () => {
  const home = await inhabited(3, "close");
  const truth = must(home.states.at(-1), "There are some");
  for (const copy of [0, 1]) {
    const machine = copyOf(home, "promises");
    machine.disk.spoil("data/promises", copy * HEADER_BYTES + 50, copy * HEADER_BYTES + 60);
    await machine.run(async () => {
      const { recovered, close } = await machine.open();
      assertEquals([lineOf(recovered), recovered.epoch], [lineOf(truth), 0]);
      await close();
      // Both copies were written anew, and a write mends the sector.
      machine.restart("crash");
      const said = machine.log.said.length;
      await (await machine.open()).close();
      assert(!machine.log.said.slice(said).some(({ event }) => event.includes("promises")));
    });
  }
});

Deno.test("a snapshot of which a part cannot be read is passed over like one that rotted", async () => {
  const home = await inhabited(3, "close");
  const configuration = configurationOfVoters(["n1", "n2", "n3"]);
  const paths: string[] = [];
  await home.machine.run(async () => {
    const { snapshots, close } = await home.machine.open();
    for (const index of [2, 3]) {
      const chunks = [1, 2, 3].map((byte) => new Uint8Array(PIECE_BYTES).fill(byte));
      const term = must(home.states.at(-1)?.entries[index - 1], "It is there").term;
      const place = { clusterId: "lab", index, term, configurationIndex: 0, configuration, digest: 0 };
      const { id } = await snapshots.take(place, () => chunks.shift() ?? null);
      paths.push(`data/snapshots/snap-${String(id.index).padStart(16, "0")}-${id.term}.snap`);
    }
    await close();
  });
  home.machine.restart("crash");
  const newest = must(paths[1], "Two were taken");
  for (const at of [0, PIECE_BYTES, 3 * PIECE_BYTES]) {
    const machine = copyOf(home, "snapshots");
    machine.disk.spoil(newest, at, at + 1);
    await machine.run(async () => {
      const { recovered, snapshots } = await machine.open();
      assertEquals([recovered.snapshotIndex, snapshots.newest?.id.index, recovered.epoch], [2, 2, 0]);
    });
  }
});

Deno.test("a snapshot that can be read the second time and not the first is no ground to stand on: 74, and nothing is changed", async () => {
  const home = await inhabited(3, "close");
  const configuration = configurationOfVoters(["n1", "n2", "n3"]);
  const term = must(home.states.at(-1)?.entries[2], "It is there").term;
  await home.machine.run(async () => {
    const { snapshots, close } = await home.machine.open();
    const chunks = [1, 2, 3].map((byte) => new Uint8Array(PIECE_BYTES).fill(byte));
    const place = { clusterId: "lab", index: 3, term, configurationIndex: 0, configuration, digest: 0 };
    await snapshots.take(place, () => chunks.shift() ?? null);
    await close();
  });
  home.machine.restart("crash");
  const path = must(home.machine.disk.durablePaths().find((path) => path.endsWith(".snap")), "It was taken");
  const bytes = must(home.machine.disk.durableBytes(path), "It is there").slice();
  const machine = copyOf(home, "twice");
  // The log is damaged, so that everything is read once more.
  machine.disk.spoil(pathOf(2), HEADER_BYTES, HEADER_BYTES + 1);
  machine.disk.spoil(path, PIECE_BYTES, PIECE_BYTES + 1);
  let isWell = false;
  machine.disk.fault = (operation, read) => {
    if (operation === "read" && read.endsWith(".seg") && !isWell) {
      isWell = true;
      machine.disk.replace(path, bytes);
    }
    return null;
  };
  const before = [...machine.durable()];
  await machine.run(async () => {
    const replay = { memory: { bytes: 1e6, entries: 1e6 }, begins: () => {}, take: () => {} };
    const error = await assertRejects(() => machine.open({}, replay), Refusal, "read differently");
    assertEquals(error.exitCode, ExitCode.diskIo);
    assertEquals([...machine.durable()], before, "nothing is changed");
    machine.restart("kill");
    assertEquals((await machine.open({}, replay)).recovered.snapshotIndex, 3);
  });
});

Deno.test("the scrubber tells a bad sector of a closed segment, and waits where the disk reads nothing", async () => {
  const home = await inhabited(3, "close");
  const scrubberOf = (machine: Machine) =>
    new Scrubber({ fileSystem: machine.files, log: "data/log", snapshots: "data/snapshots" });
  for (const at of [0, HEADER_BYTES + 100]) {
    const machine = copyOf(home, "scrub");
    machine.disk.spoil(pathOf(2), at, at + 1);
    await machine.run(async () => {
      const found = await scrubberOf(machine).step(1e6);
      assert(found !== "more" && found !== "done", `${at}: ${found}`);
      assertEquals([found.file, found.found.includes("the disk cannot read")], [pathOf(2), true]);
    });
  }
  const machine = copyOf(home, "scrub");
  machine.disk.spoil(pathOf(2), 0, SEGMENT_BYTES);
  await machine.run(async () => {
    const error = await assertRejects(() => scrubberOf(machine).step(1e6), FileError, "EIO");
    assertEquals(error.code, "EIO");
  });
});

/** A start is refused for the disk, as no damage, and changes nothing. */
async function refuses(
  machine: Machine,
  code: FileErrorCode,
  exitCode: ExitCode,
  where: string,
): Promise<void> {
  const before = [...machine.durable()];
  await machine.run(async () => {
    const error = await assertRejects(() => machine.open(), Refusal, code);
    assert(!(error instanceof CorruptLogError), `${where}: ${error.message}`);
    assertEquals(error.exitCode, exitCode, where);
    assertEquals([...machine.durable()], before, `${where}: nothing is changed`);
  });
}
