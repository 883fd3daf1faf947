/**
 * Kind: property (random lives from a seed, on the simulated disk), unit.
 *
 * Invariant: segments that are let go of are written again under a new name, once two younger ones rest; whatever stood in them is never taken
 * for a part of the log. A power failure at any moment, in keeping one, in making it ready, in writing or closing it, keeping, losing or
 * tearing what was not synced: the next life opens, is called sound, and has every write that was said to be stable. The end of the log in
 * a reused segment is told from damage as in any other.
 *
 * Learnt: without zeros behind the last batch a lost header of it looks like the end of the log; so zeros are written ahead of the batches, more
 * than two sectors of them.
 */
import { assert, assertEquals, assertGreater, assertGreaterOrEqual } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import type { WriteEffect } from "../../internal/raft/effect.ts";
import type { Entry, HardState } from "../../internal/raft/types.ts";
import { archiveDirectory, Archiver } from "../../internal/storage/archiver.ts";
import { DiskSpace } from "../../internal/storage/disk_space.ts";
import { footerPlace } from "../../internal/storage/footer.ts";
import {
  checkBatchBody,
  decodeBatchHeader,
  decodeSegmentHeader,
  endsAt,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  serialOf,
} from "../../internal/storage/segment.ts";
import { isSpareName, Spares, zerosIn } from "../../internal/storage/spares.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import { advance } from "../platform/drive.ts";
import {
  appending,
  entryOf,
  lineOf,
  Machine,
  type Opened,
  openUntil,
  OWNER,
  pathOf,
  takeSnapshot,
} from "./lab.ts";

await loadCrc32c();

const SEEDS = Number(Deno.env.get("RAFTLINE_STORAGE_SEEDS") ?? 150);
const FIRST = Number(Deno.env.get("RAFTLINE_FIRST_SEED") ?? 1);

const total = { lives: 0, reused: 0, endedInReused: 0, torn: 0, kept: 0, lost: 0, openings: 0 };

interface Model {
  readonly hardState: HardState;
  /** From index 1 on. */
  readonly entries: readonly Entry[];
}

/** Asks for writes, as a core does that knows what is committed. */
class Core {
  model: Model;
  committed = 0;
  number = 0;
  readonly #random: Random;

  constructor(random: Random, model: Model) {
    this.#random = random;
    this.model = model;
  }

  next(): WriteEffect {
    const random = this.#random;
    const { hardState: old, entries } = this.model;
    const hardState = old.currentTerm === 0 || random.chance(1, 12)
      ? { currentTerm: old.currentTerm + 1, votedFor: "n1" }
      : null;
    const { currentTerm } = hardState ?? old;
    const truncateFrom = entries.length > this.committed && random.chance(1, 8)
      ? random.between(this.committed + 1, entries.length)
      : null;
    const left = entries.slice(0, truncateFrom === null ? entries.length : truncateFrom - 1);
    const append = Array.from({ length: random.between(1, 3) }, (_, i) => {
      const payload = new Uint8Array(random.between(1, random.chance(1, 4) ? 1800 : 400)).fill(
        random.below(256),
      );
      return entryOf(left.length + 1 + i, currentTerm, payload);
    });
    this.model = { hardState: hardState ?? old, entries: [...left, ...append] };
    return {
      kind: "write",
      number: ++this.number,
      hardState,
      reset: null,
      truncateFrom,
      append,
      commitIndex: this.committed,
    };
  }
}

const lineBehind = ({ hardState, entries }: Model, index: number) =>
  lineOf({ hardState, entries: entries.slice(index) });

/** The headers of the reused segments on the disk, by path. */
function reusedIn(machine: Machine): Map<string, SegmentHeader> {
  const reused = new Map<string, SegmentHeader>();
  for (const path of machine.disk.durablePaths()) {
    if (!path.endsWith(".seg")) continue;
    const header = decodeSegmentHeader(must(machine.disk.durableBytes(path), "It is there"));
    if (typeof header !== "string" && Number.isFinite(header.zeros)) reused.set(path, header);
  }
  return reused;
}

async function run(random: Random): Promise<void> {
  const machine = new Machine(`reuse/${random.uint32()}`);
  const { time } = machine;
  machine.segmentBytes = random.chance(1, 2) ? 40 * 1024 : random.between(10 * 1024, 16 * 1024);
  if (random.chance(2, 3)) machine.disk.timing = { writeMs: [0.02, 0.1], syncMs: [0.2, 2] };
  /** What the disk may hold: what is promised, then one for each write that was asked for since. */
  let legal: Model[] = [{ hardState: { currentTerm: 0, votedFor: null }, entries: [] }];
  for (let life = random.between(2, 4); life > 0; life--) {
    total.lives++;
    let isCalm = false;
    const opened = await openUntil(machine, time.now + (random.chance(1, 6) ? random.below(400) / 100 : 1e6));
    if (opened === null) total.openings++;
    else {
      const { snapshotIndex } = opened.recovered;
      const lines = legal.map((model) => lineBehind(model, snapshotIndex));
      const at = lines.lastIndexOf(lineOf(opened.recovered));
      assertGreaterOrEqual(at, 0, `found ${lineOf(opened.recovered).slice(0, 200)}, none of ${lines.length}`);
      if (at > 0) total.kept++;
      if (at < lines.length - 1) total.lost++;
      const model = must(legal[at], "It was found");
      legal = [model];
      const core = new Core(random, model);
      core.committed = Math.max(opened.recovered.commitIndex, snapshotIndex);
      let stable = 0;
      machine.onStable = (upTo) => {
        legal.splice(0, upTo - stable);
        stable = upTo;
      };
      for (let i = random.chance(1, 3) ? random.below(20) : random.between(60, 200); i > 0; i--) {
        opened.store.write(core.next());
        legal.push(core.model);
        if (random.chance(1, 2)) await advance(time, time.now + random.below(1000) / 300);
        if (random.chance(1, 6)) {
          // What is stable is committed, a snapshot covers it, and the log goes.
          const last = must(legal[0], "There is one").entries.length;
          const safe = must(legal[0], "There is one").entries.slice(0, last);
          const isFixed = legal.every(({ entries }) => safe.every((entry, j) => entries[j] === entry));
          const entry = safe.at(-1);
          if (!isFixed || entry === undefined || entry.index <= core.committed) continue;
          core.committed = entry.index;
          const taken = takeSnapshot(opened, entry);
          await advance(time, time.now + 20);
          await taken;
          opened.store.discard(opened.snapshots.coveredIndex);
        }
      }
      isCalm = random.chance(1, 3);
      await advance(time, time.now + (isCalm ? 1000 : random.below(1000) / 100));
      assertEquals(opened.events.filter((event) => typeof event !== "number"), []);
    }
    machine.onStable = () => {};
    const reused = reusedIn(machine);
    total.reused += reused.size;
    const last = machine.disk.durablePaths().filter((path) => path.endsWith(".seg")).at(-1) ?? "";
    if (reused.has(last)) total.endedInReused++;
    machine.restart(random.chance(3, 4) ? "crash" : "kill");
    // Whoever looks at it finds nothing wrong, whatever is left.
    if (machine.disk.durablePaths().includes("data/identity")) {
      const looker = machine.copy();
      const { findings } = await looker.run(() => verify(looker.files, "data"));
      const damages = findings.filter(({ level }) => level === "damage");
      assertEquals(damages, [], "it is sound");
      const torn = findings.filter(({ what }) => what.startsWith("torn tail")).length;
      if (isCalm) assertEquals(torn, 0, "nothing was under way, and the log has a clean end");
      total.torn += torn;
    }
  }
}

Deno.test("a power failure at any moment among reused segments leaves a legal start", async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      await run(new SeededRandom(`reuse ${seed}`));
    } catch (error) {
      throw new Error(`seed ${seed} (RAFTLINE_FIRST_SEED=${seed} RAFTLINE_STORAGE_SEEDS=1)`, {
        cause: error,
      });
    }
  }
  console.log(total);
  if (SEEDS < 100) return;
  for (const [what, count] of Object.entries(total)) assertGreater(count, SEEDS / 20, what);
});

/** No segment has it. */
const NO_NONCE = new Uint8Array(8);

/** A machine at rest whose log ends in a reused segment, with what it holds; of small batches, or of long ones. */
async function atRest(
  seed: string,
  payloadBytes: number,
  segmentBytes: number,
  count = payloadBytes > 1000 ? 2 : 5,
): Promise<{ machine: Machine; line: string; path: string }> {
  const machine = new Machine(`reuse at rest ${seed}`);
  machine.segmentBytes = segmentBytes;
  let [line, path] = ["", ""];
  await machine.run(async () => {
    const opened = await machine.open();
    const entries: Entry[] = [];
    const write = async (append: Entry[], number: number) => {
      entries.push(...append);
      opened.store.write(appending(number, append, Math.max(0, number - 2)));
      await opened.until(number);
    };
    for (let index = 1; path === ""; index++) {
      await write([entryOf(index, 1, new Uint8Array(payloadBytes).fill(index))], index);
      if (index % 10 === 0) {
        await takeSnapshot(opened, must(entries.at(-1), "There is one"));
        opened.store.discard(opened.snapshots.coveredIndex);
      }
      // In the middle of it, with older batches behind.
      const last = machine.disk.paths().filter((one) => one.endsWith(".seg")).at(-1) ?? "";
      const bytes = machine.disk.durableBytes(last);
      const isReused = bytes !== null && reusedIn(machine).has(last);
      if (isReused && batchesIn(machine, last).length === count) path = last;
    }
    machine.restart("kill");
  });
  const copy = machine.copy();
  await copy.run(async () => {
    line = lineOf((await copy.open()).recovered);
    assertEquals(copy.log.said.filter(({ event }) => event.startsWith("torn") || event.includes("lost")), []);
  });
  return { machine, line, path };
}

/** Where each batch of that segment begins, and where the last one ends. */
function batchesIn(machine: Machine, path: string): { readonly at: number; readonly end: number }[] {
  const bytes = must(machine.disk.durableBytes(path), "It is there");
  const header = decodeSegmentHeader(bytes);
  if (typeof header === "string") throw new Error(header);
  const batches: { at: number; end: number }[] = [];
  for (let at = SEGMENT_HEADER_BYTES;;) {
    const batch = decodeBatchHeader(bytes, at, header.nonce);
    const body = typeof batch === "string" ? batch : checkBatchBody(bytes, at, batch);
    if (typeof body === "string") return batches;
    batches.push({ at, end: body.end });
    at = body.end;
  }
}

/** What a start finds: all of the log, or that it says that something is not there. */
async function startOn(machine: Machine): Promise<{ readonly line: string; readonly said: boolean }> {
  return await machine.run(async () => {
    const { recovered } = await machine.open();
    const said = machine.log.said.some(({ level, event }) =>
      event === "torn tail is cut" || level === "error"
    );
    return { line: lineOf(recovered), said };
  });
}

for (const payloadBytes of [60, 1500]) {
  Deno.test(`rot in a reused segment is never taken for the end of the log, with entries of ${payloadBytes} bytes`, async () => {
    const segmentBytes = payloadBytes > 1000 ? 40 * 1024 : 16 * 1024;
    const { machine, line, path } = await atRest(String(payloadBytes), payloadBytes, segmentBytes);
    const whole = must(machine.disk.durableBytes(path), "It is there");
    const batches = batchesIn(machine, path);
    const [last, limit] = [must(batches.at(-1), "There is one"), footerPlace(whole.length)];
    const zeros = zerosIn(whole.length);
    assert(!whole.subarray(last.end + zeros, limit).every((byte) => byte === 0), "older bytes follow");
    const tried = { said: 0, whole: 0 };
    const change = async (what: string, mustSay: boolean, spoil: (bytes: Uint8Array) => void) => {
      const copy = machine.copy();
      copy.damage(path, (bytes) => {
        spoil(bytes);
        return bytes;
      });
      const found = await startOn(copy);
      if (mustSay) assertEquals(found.said, true, `${what} went unnoticed`);
      else assertEquals(found, { line, said: false }, what);
      tried[mustSay ? "said" : "whole"]++;
    };
    for (let at = SEGMENT_HEADER_BYTES; at < limit; at += at < last.end + zeros ? 1 : 97) {
      const spoil = (bytes: Uint8Array) => bytes[at] = (bytes[at] ?? 0) ^ 0x20;
      await change(`a bit at ${at}`, at < last.end + zeros, spoil);
    }
    // A sector that went to zeros shows as long as a part of the batch is outside of it.
    for (let from = SEGMENT_HEADER_BYTES; from < last.end; from += 512) {
      if (from <= last.at && last.end <= from + 512) continue;
      await change(`zeros from ${from}`, true, (bytes) => bytes.fill(0, from, from + 512));
    }
    assertGreater(tried.said, 1000);
    assertGreater(tried.whole, 20);
  });
}

Deno.test("zeros follow each batch of a reused segment, also behind a start", async () => {
  const { machine, path } = await atRest("zeros", 60, 48 * 1024);
  let checked = 0;
  const check = () => {
    const bytes = must(machine.disk.durableBytes(path), "It is there");
    const batches = bytes.subarray(0, footerPlace(bytes.length));
    const end = must(batchesIn(machine, path).at(-1), "There is one").end;
    assert(endsAt(batches, end, { zeros: zerosIn(bytes.length), nonce: NO_NONCE }), `zeros follow ${end}`);
    checked++;
    return end < batches.length - 4096;
  };
  for (let goesOn = true; goesOn;) {
    machine.restart("crash");
    goesOn = await machine.run(async () => {
      const opened = await machine.open();
      const { entries, snapshotIndex } = opened.recovered;
      for (let number = 1; number <= 4; number++) {
        const entry = entryOf(snapshotIndex + entries.length + number, 1, new Uint8Array(300).fill(number));
        const [hardState, reset, truncateFrom, commitIndex] = [null, null, null, 0];
        opened.store.write({
          kind: "write",
          number,
          hardState,
          reset,
          truncateFrom,
          append: [entry],
          commitIndex,
        });
        await opened.until(number);
        if (!check()) return false;
      }
      return true;
    });
  }
  assertGreater(checked, 60);
});

Deno.test("the end of a reused segment is where as many zeros are as its header says, or the place of the footer", () => {
  const bytes = new Uint8Array(100);
  bytes[40] = 1;
  for (
    const [at, zeros, expected] of [[10, 30, true], [11, 30, false], [41, 30, true], [90, 30, true], [
      40,
      1,
      false,
    ]] as const
  ) {
    assertEquals(endsAt(bytes, at, { zeros, nonce: NO_NONCE }), expected, `${at} ${zeros}`);
  }
  assertEquals(endsAt(bytes, 10, { zeros: Infinity, nonce: NO_NONCE }), false);
  assertEquals(endsAt(bytes, 41, { zeros: Infinity, nonce: NO_NONCE }), true);
});

/** Fills so many segments with entries of that length, and lets go of all but the last ones. */
async function fillAndLetGo(
  machine: Machine,
  opened: Opened,
  segments: number,
  payloadBytes = 3000,
): Promise<void> {
  const { store } = opened;
  const entries: Entry[] = [];
  const serialNow = () => machine.disk.paths().filter((path) => path.endsWith(".seg")).length;
  const { recovered: { snapshotIndex } } = opened;
  for (let number = 1; serialNow() <= segments; number++) {
    const append = [entryOf(snapshotIndex + number, 1, new Uint8Array(payloadBytes))];
    store.write(appending(number, append));
    await opened.until(number);
    entries.push(...append);
  }
  for (const entry of entries.slice(-2)) await takeSnapshot(opened, entry);
  store.discard(opened.snapshots.coveredIndex);
  while (serialNow() > 2) {
    assertEquals(opened.events.filter((event) => typeof event !== "number"), []);
    await machine.files.readDirectory("data/log");
  }
}

const sparesOf = (machine: Machine) =>
  machine.disk.paths().filter((path) => isSpareName(path.slice(path.lastIndexOf("/") + 1)));

Deno.test("sixteen spares are kept, which go at the next start", async () => {
  const machine = new Machine("spares");
  machine.segmentBytes = 16 * 1024;
  await machine.run(async () => {
    const opened = await machine.open();
    await fillAndLetGo(machine, opened, 24);
    assertEquals(sparesOf(machine).length, 16);
    await opened.close();
  });
  machine.restart("kill");
  await machine.run(async () => {
    await machine.open();
    assertEquals(sparesOf(machine), []);
  });
});

Deno.test("spares go where space gets short, before the disk is full", async () => {
  const machine = new Machine("spares and space");
  machine.segmentBytes = 16 * 1024;
  machine.disk.capacity = 100 * machine.segmentBytes;
  await machine.run(async () => {
    const opened = await machine.open();
    await fillAndLetGo(machine, opened, 8);
    assertGreater(sparesOf(machine).length, 4);
    const look = async () => {
      opened.store.lookAtSpace();
      await new Promise<void>((resolve) => void machine.time.at(machine.time.now + 200, resolve));
    };
    await look();
    assertGreater(sparesOf(machine).length, 4);
    // Less than eight times as much as makes it full, but not that little.
    const used = [...machine.durable().values()].reduce((sum, { length }) => sum + length, 0);
    machine.disk.capacity = used + 15 * machine.segmentBytes;
    await look();
    assertEquals([sparesOf(machine), opened.store.isFull], [[], false]);
    assertEquals(machine.log.said.filter(({ event }) => event.includes("disk full")), []);
    assertEquals(opened.events.filter((event) => typeof event !== "number"), []);
    await opened.close();
  });
});

Deno.test("where a segment cannot be kept for want of space it goes, and the server goes on", async () => {
  const machine = new Machine("no space for a name");
  machine.segmentBytes = 16 * 1024;
  await machine.run(async () => {
    const opened = await machine.open();
    let refused = 0;
    machine.disk.fault = (operation, path) => {
      const isKept = operation === "rename" && path.endsWith(".seg");
      if (isKept) refused++;
      return isKept ? "ENOSPC" : null;
    };
    await fillAndLetGo(machine, opened, 8);
    assertGreater(refused, 4);
    assertEquals(sparesOf(machine), []);
    assertEquals(opened.events.filter((event) => typeof event !== "number"), []);
    await opened.close();
  });
});

Deno.test("eight segments of free space are plenty at least, also where the bound is zero", async () => {
  const machine = new Machine("no bound");
  const { segmentBytes, disk, log: trace, files: fileSystem } = machine;
  for (
    const [freeBytesMin, times, isPlenty] of [[0, 0, false], [0, 7, false], [0, 8, true], [2, 15, false], [
      2,
      16,
      true,
    ]] as const
  ) {
    disk.capacity = times * segmentBytes;
    const space = new DiskSpace({
      fileSystem,
      directory: "data",
      trace,
      freeBytesMin: freeBytesMin * segmentBytes,
      segmentBytes,
    });
    await machine.run(() => space.look());
    assertEquals(space.isPlenty, isPlenty, `${times} segments`);
  }
});

for (
  const [what, spoil] of [
    ["somebody took away", () => null],
    ["has another length", (bytes: Uint8Array) => bytes.slice(0, 9000)],
  ] as const
) {
  Deno.test(`a spare that ${what} is passed over`, async () => {
    const machine = new Machine("spoilt spare");
    machine.segmentBytes = 16 * 1024;
    await machine.run(async () => {
      const opened = await machine.open();
      await fillAndLetGo(machine, opened, 8);
      const spares = sparesOf(machine).sort();
      const spoilt = must(spares[0], "There is one");
      machine.damage(spoilt, spoil);
      let isWritten = false;
      machine.disk.fault = (operation, _path, _number, path) => {
        isWritten ||= operation === "write" && path === spoilt;
        return null;
      };
      const { store } = opened;
      const from = opened.stable();
      for (let i = 1; i <= 8; i++) {
        const append = [
          entryOf(must(opened.snapshots.newest, "There is one").meta.index + i, 1, new Uint8Array(3000)),
        ];
        store.write(appending(from + i, append));
        await opened.until(from + i);
      }
      assertEquals(opened.events.filter((event) => typeof event !== "number"), []);
      assertGreater(reusedIn(machine).size, 0, "the next one is written again");
      assertEquals([isWritten, machine.disk.paths().includes(spoilt)], [false, false]);
      await opened.close();
    });
    machine.restart("crash");
    await machine.run(async () => {
      const { findings } = await verify(machine.files, "data");
      assertEquals(findings.filter(({ level }) => level === "damage"), []);
      await machine.open();
    });
  });
}

Deno.test("zeros with a later batch behind them are no end of a reused segment, however many they are", async () => {
  const { machine, path } = await atRest("run of zeros", 1500, 16 * 1024, 4);
  const bytes = must(machine.disk.durableBytes(path), "It is there");
  const batches = batchesIn(machine, path);
  const [first, , third, last] = batches;
  assert(first !== undefined && third !== undefined && last !== undefined, "There are four");
  assertGreaterOrEqual(third.end - third.at, zerosIn(bytes.length));
  for (const { at, end } of batches.slice(0, -1)) {
    const copy = machine.copy();
    copy.damage(path, (bytes) => bytes.fill(0, at, end));
    const looker = copy.copy();
    const { findings } = await looker.run(() => verify(looker.files, "data"));
    assertGreater(findings.filter(({ level }) => level === "damage").length, 0, `zeros at ${at} are damage`);
    assertEquals((await startOn(copy)).said, true, `zeros at ${at} went unnoticed`);
  }
  // The end of what is lost is behind them.
  const copy = machine.copy();
  const whole = machine.copy();
  const end = await whole.run(async () => {
    const { entries, snapshotIndex } = (await whole.open()).recovered;
    return snapshotIndex + entries.length;
  });
  copy.damage(path, (bytes) => {
    bytes[first.at + 60] = (bytes[first.at + 60] ?? 0) ^ 1;
    return bytes.fill(0, third.at, third.end);
  });
  const floor = await copy.run(async () => (await copy.open()).recovered.floor);
  assertGreaterOrEqual(must(floor, "A part is lost").index, end);
});

Deno.test("a segment that is let go of and written over while it is copied is not archived", async () => {
  const machine = new Machine("archive that stands still");
  machine.segmentBytes = 16 * 1024;
  const { disk, time } = machine;
  const at = archiveDirectory("archive", OWNER.clusterId, OWNER.serverId);
  await machine.run(async () => {
    const opened = await machine.open();
    const { store, snapshots } = opened;
    const archiver = new Archiver({
      fileSystem: machine.files,
      log: "data/log",
      archive: "archive",
      clusterId: OWNER.clusterId,
      serverId: OWNER.serverId,
      trace: machine.log,
      now: () => time.now,
      appliedIndex: () => 0,
      waitingMax: 1,
      onArchived: () => {},
    });
    store.holdBack((serial, written) => archiver.mayRemove(serial, written));
    let stalled: number | null = null;
    disk.fault = (operation, path, number) => {
      if (stalled === null && operation === "create" && path.endsWith(".seg.tmp") && path.startsWith(at)) {
        stalled = number;
      }
      return null;
    };
    disk.stallMs = (number) => number === stalled ? 100_000 : 0;
    let ticking: Promise<void> | null = null;
    for (let number = 1; number <= 60; number++) {
      const entry = entryOf(number, 1, new Uint8Array(3000).fill(number));
      const hardState = number === 1 ? { currentTerm: 1, votedFor: "n1" } : null;
      const [reset, truncateFrom, commitIndex] = [null, null, number - 1];
      store.write({ kind: "write", number, hardState, reset, truncateFrom, append: [entry], commitIndex });
      await opened.until(number);
      if (number === 8) ticking = archiver.tick();
      if (number % 4 !== 0) continue;
      await takeSnapshot(opened, entry);
      store.discard(snapshots.coveredIndex);
    }
    assert(
      reusedIn(machine).size > 0 && stalled !== null && time.now < 100_000,
      "it is written over meanwhile",
    );
    await must(ticking, "It was begun");
    await archiver.close();
    await opened.close();
  });
  for (const path of disk.paths().filter((path) => path.startsWith(at))) {
    const serial = serialOf(path.slice(at.length + 1));
    if (serial === null) continue;
    const header = decodeSegmentHeader(must(disk.durableBytes(path), "It is there"));
    assertEquals(typeof header === "string" ? header : header.serial, serial, path);
  }
});

Deno.test("only what can be written again is kept: not a segment that is longer than others, nor where none would be ready", async () => {
  const machine = new Machine("spares of no use");
  machine.segmentBytes = 16 * 1024;
  await machine.run(async () => {
    const opened = await machine.open();
    await fillAndLetGo(machine, opened, 8, 20_000);
    assertEquals(sparesOf(machine), ["data/log/spare-0000000001.tmp"], "the first one was made before");
    await opened.close();
  });
  const { files: fileSystem } = machine;
  const mebibytes = (segmentBytes: number) => segmentBytes * 1024 * 1024;
  for (const [segmentBytes, takes] of [[16, true], [85, true], [86, false], [200, false]] as const) {
    const random = new SeededRandom("spares");
    const options = { ...OWNER, fileSystem, directory: "data/log", random };
    const spares = new Spares({ ...options, segmentBytes: mebibytes(segmentBytes) });
    const footerAt = footerPlace(mebibytes(segmentBytes));
    assertEquals(spares.takes({ footerAt }), takes, `${segmentBytes} MiB`);
  }
});

for (const when of ["while the server is up", "at a start"] as const) {
  Deno.test(`a segment of which the disk cannot read a part is not written again, found ${when}`, async () => {
    const machine = new Machine("bad sectors");
    machine.segmentBytes = 16 * 1024;
    const { disk } = machine;
    const spoilt = () =>
      disk.durablePaths().filter((path) => path.startsWith("data/log/") && disk.isSpoilt(path));
    let index = 0;
    const write = async (opened: Opened) => {
      const from = opened.stable();
      const entry = entryOf(++index, 1, new Uint8Array(3000).fill(index));
      const hardState = index === 1 ? { currentTerm: 1, votedFor: "n1" } : null;
      const [reset, truncateFrom, commitIndex] = [null, null, index - 1];
      opened.store.write({
        kind: "write",
        number: from + 1,
        hardState,
        reset,
        truncateFrom,
        append: [entry],
        commitIndex,
      });
      await opened.until(from + 1);
      return entry;
    };
    const isNoted = (what: string) => machine.log.said.some(({ event }) => event.startsWith(what));
    const letGo = async (opened: Opened) => {
      for (let i = 0; i < 40; i++) {
        const entry = await write(opened);
        assertEquals(spoilt().filter((path) => path !== pathOf(1)), []);
        if (index % 4 !== 0) continue;
        await takeSnapshot(opened, entry);
        opened.store.discard(opened.snapshots.coveredIndex);
      }
      assertGreater(reusedIn(machine).size, 0);
    };
    await machine.run(async () => {
      const opened = await machine.open();
      for (let i = 0; i < 8; i++) await takeSnapshot(opened, await write(opened));
      disk.spoil(pathOf(1), 9000, 9512);
      if (when === "at a start") return;
      assert(opened.store.discardThrough(1, index));
      await letGo(opened);
      assertEquals(spoilt(), []);
    });
    if (when !== "at a start") return;
    machine.restart("kill");
    await machine.run(async () => {
      const opened = await machine.open();
      assert(isNoted("a part of the log is damaged"));
      assertEquals(spoilt().length, 1);
      await letGo(opened);
      assertEquals(spoilt(), []);
    });
  });
}
