/**
 * Kind: integration (data directories and archives on a real disk), with every operation of the archive failing once.
 *
 * Invariant: a file of the archive that has a segment's name is that segment, whole, whatever failed before; the server is never failed by it,
 * and lets go of nothing that is not archived, within a bound. A backup and the archive give the state behind every committed index between
 * them, and nothing that was not committed; what cannot be given is refused, and nothing is written.
 *
 * Learnt: what is written last is not known to be committed by the log until a later write says so.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { must } from "../../internal/base/assert.ts";
import { readUint32 } from "../../internal/base/bytes.ts";
import { Refusal } from "../../internal/base/errors.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { DiskFileSystem } from "../../internal/host/disk_file_system.ts";
import type { FileHandle, FileSystem } from "../../internal/platform/file_system.ts";
import { archiveDirectory, Archiver, decodeNote } from "../../internal/storage/archiver.ts";
import { footerPlace } from "../../internal/storage/footer.ts";
import { type Archive, indexAt, openArchive } from "../../internal/upkeep/archives.ts";
import { replay } from "../../internal/upkeep/replaying.ts";
import { loadSnapshot } from "../../internal/upkeep/snapshot_look.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import { inFirstFormat, Log } from "../storage/lab.ts";
import { FailingFiles } from "./failing_files.ts";
import {
  checkEntry,
  contentOf,
  files,
  flip,
  Hand,
  inTemporary,
  makeDirectory,
  openDirectory,
  segmentsOf,
  setEntry,
  votersOf,
} from "./workshop.ts";

await loadCrc32c();

const PLAN = { entries: 100, committed: 100, snapshotsAt: [35], padding: 300 };
const OWNER = { serverId: "n1", clusterId: "workshop", members: ["n1", "n2", "n3"] };

/** A disk that turns a bit of what is written to segments, and says nothing. */
class LyingFiles extends DiskFileSystem {
  override async create(path: string): Promise<FileHandle> {
    const file = await super.create(path);
    if (!path.endsWith(".seg.tmp")) return file;
    const write = file.writeAt.bind(file);
    return Object.assign(file, {
      writeAt: (offset: number, bytes: Uint8Array) => {
        const turned = bytes.slice();
        turned[100] = (turned[100] ?? 0) ^ 1;
        return write(offset, turned);
      },
    });
  }
}

class Stage {
  now = Date.parse("2026-11-26T00:00:00Z");
  applied = 10;
  readonly log = new Log();
  readonly archive: string;
  readonly directory: string;
  readonly archiver: Archiver;
  archived = 0;

  constructor(root: string, fileSystem: FileSystem = files) {
    this.archive = join(root, "archive");
    this.directory = archiveDirectory(this.archive, "workshop", "n1");
    this.archiver = new Archiver({
      fileSystem,
      log: join(root, "data", "log"),
      archive: this.archive,
      clusterId: "workshop",
      serverId: "n1",
      trace: this.log,
      now: () => this.now,
      appliedIndex: () => this.applied,
      waitingMax: 3,
      onArchived: () => this.archived++,
    });
  }

  /** The events that were told, without those for information. */
  complaints(): readonly string[] {
    return this.log.said.filter(({ level }) => level !== "info").map(({ event }) => event);
  }
}

async function withDirectory(body: (root: string) => Promise<void>, plan = PLAN): Promise<void> {
  await inTemporary(async (root) => {
    await makeDirectory(join(root, "data"), plan);
    await body(root);
  });
}

/** The segments in a directory, by name. */
function segmentsAt(directory: string): Map<string, Uint8Array> {
  return new Map([...contentOf(directory)].filter(([name]) => name.endsWith(".seg")));
}

/** Where the batches of a segment begin. */
function batchesOf(bytes: Uint8Array): readonly number[] {
  const batches: number[] = [];
  for (let at = 4096; readUint32(bytes, at) === 0x31424c52;) {
    batches.push(at);
    at += Math.ceil((40 + readUint32(bytes, at + 24)) / 8) * 8;
  }
  return batches;
}

/* ---- archiving ---- */

Deno.test("every closed segment is archived, byte for byte, and the one that is written is not", () =>
  withDirectory(async (root) => {
    const stage = new Stage(root);
    await stage.archiver.tick();
    const closed = segmentsOf(join(root, "data")).slice(0, -1);
    assert(closed.length >= 3);
    const wanted = new Map(closed.map((path) => [basename(path), new Uint8Array(readFileSync(path))]));
    assertEquals(segmentsAt(stage.directory), wanted);
    assertEquals(stage.archived, closed.length);
    await stage.archiver.tick();
    assertEquals(stage.archived, closed.length, "once");
    await stage.archiver.close();
    assertEquals(stage.complaints(), []);
  }));

Deno.test("moments are noted when something was applied, and now and then", () =>
  withDirectory(async (root) => {
    const stage = new Stage(root);
    for (const [ms, applied] of [[0, 10], [1000, 10], [1000, 12], [1000, 12], [60_000, 12]] as const) {
      stage.now += ms;
      stage.applied = applied;
      await stage.archiver.tick();
    }
    await stage.archiver.close();
    // The next life goes on behind what the last one wrote, also behind half a line.
    const name = must(readdirSync(stage.directory).find((file) => file.startsWith("times-")), "There is one");
    const path = join(stage.directory, name);
    writeFileSync(path, `${readFileSync(path, "utf8")}{"at":"2026-11-`);
    const next = new Stage(root);
    next.now = stage.now + 1000;
    next.applied = 20;
    await next.archiver.tick();
    await next.archiver.close();
    const { notes } = await openArchive(files, [stage.archive], "workshop", null);
    const begin = Date.parse("2026-11-26T00:00:00Z");
    assertEquals(
      notes.map(({ at, index }) => [at - begin, index]),
      [[0, 10], [2000, 12], [63_000, 12], [64_000, 20]],
    );
    assertEquals(decodeNote('{"at":"2026-11-26T00:00:00.000Z","index":10} 00000000'), null);
  }));

Deno.test("whatever operation fails, a segment's name stands for a whole segment, and the next try goes on", () =>
  withDirectory(async (root) => {
    const closed = segmentsOf(join(root, "data")).slice(0, -1);
    const wanted = new Map(closed.map((path) => [basename(path), new Uint8Array(readFileSync(path))]));
    let failures = 0;
    for (let count = 0;; count++) {
      rmSync(join(root, "archive"), { recursive: true, force: true });
      const failing = new FailingFiles(files, count);
      const stage = new Stage(root, failing);
      await stage.archiver.tick();
      await stage.archiver.close();
      if (!failing.hasFailed) break;
      failures++;
      assertEquals(stage.complaints(), ["cannot archive, and tries again"]);
      try {
        for (const [name, bytes] of segmentsAt(stage.directory)) assertEquals(bytes, wanted.get(name), name);
      } catch (error) {
        // The directory itself was not made yet.
        if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      }
      const next = new Stage(root);
      await next.archiver.tick();
      await next.archiver.close();
      assertEquals(segmentsAt(stage.directory), wanted);
      assertEquals(readdirSync(stage.directory).filter((name) => name.endsWith(".tmp")), []);
    }
    assert(failures >= 15, `${failures}`);
  }));

Deno.test("an archive that cannot be used is told once, tried again, and works as soon as it can", () =>
  withDirectory(async (root) => {
    const stage = new Stage(root);
    writeFileSync(stage.archive, "in the way");
    for (let i = 0; i < 4; i++) {
      stage.now += 6000;
      await stage.archiver.tick();
    }
    assertEquals(stage.complaints(), ["cannot archive, and tries again"]);
    assert(!stage.archiver.mayRemove(1, 2));
    rmSync(stage.archive);
    stage.now += 4000;
    await stage.archiver.tick();
    assertEquals(stage.archived, 0, "it is not tried all the time");
    stage.now += 2000;
    await stage.archiver.tick();
    await stage.archiver.close();
    assertEquals(stage.log.all("the archive works again").length, 1);
    assert(segmentsAt(stage.directory).size >= 3);
    assert(stage.archiver.mayRemove(1, 2));
  }));

Deno.test("the log lets go of what is archived, and of more only where too many wait", () =>
  withDirectory(async (root) => {
    const stage = new Stage(root);
    assertEquals([stage.archiver.mayRemove(1, 2), stage.archiver.mayRemove(1, 4)], [false, false]);
    assertEquals(stage.complaints(), []);
    assert(stage.archiver.mayRemove(1, 5), "three wait already");
    assertEquals(stage.complaints(), ["a segment is let go of that is not archived: the archive has a gap"]);
    await stage.archiver.tick();
    assertEquals([stage.archiver.mayRemove(2, 4), stage.archiver.mayRemove(9, 10)], [true, false]);
    await stage.archiver.close();
  }));

Deno.test("what was not written as it was read gets no name", () =>
  withDirectory(async (root) => {
    const stage = new Stage(root, new LyingFiles());
    await stage.archiver.tick();
    await stage.archiver.close();
    assertMatch(`${stage.log.said[0]?.fields["reason"]}`, /differs from .*log-0000000001\.seg at offset 0/);
    assertEquals(segmentsAt(stage.directory).size, 0);
  }));

Deno.test("another log's segment in the archive is not written over, and nothing is archived beside it", () =>
  withDirectory(async (root) => {
    const stage = new Stage(root);
    mkdirSync(stage.directory, { recursive: true });
    await makeDirectory(join(root, "other"), { ...PLAN, entries: 31, snapshotsAt: [] });
    const other = must(segmentsOf(join(root, "other"))[0], "There is one");
    const path = join(stage.directory, basename(other));
    writeFileSync(path, readFileSync(other));
    await stage.archiver.tick();
    await stage.archiver.tick();
    assertEquals(readdirSync(stage.directory), [basename(other)]);
    assertEquals(new Uint8Array(readFileSync(path)), new Uint8Array(readFileSync(other)));
    assertEquals(stage.complaints(), [
      "the archive has another segment of that name: nothing is archived any more",
    ]);
  }));

Deno.test("a store asks before it lets go, and asks again", () =>
  withDirectory(async (root) => {
    const directory = join(root, "data");
    const { store, close } = await openDirectory(directory, new KeyValueMachine(), OWNER);
    store.listen({ onStable: () => {}, onFailure: () => {} });
    const count = segmentsOf(directory).length;
    let mayGo = false;
    store.holdBack(() => mayGo);
    store.discard(90);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assertEquals(segmentsOf(directory).length, count);
    mayGo = true;
    store.discard(0);
    for (let i = 0; i < 200 && segmentsOf(directory).length === count; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert(segmentsOf(directory).length < count);
    await close();
  }));

/* ---- restoring to a point ---- */

interface Tools {
  readonly root: string;
  readonly archive: Archive;
  /** How many keys there are behind an index, and which index that is. */
  readonly to: (index: number | null) => Promise<readonly [keys: number, index: number, term: number]>;
}

async function withArchive(body: (tools: Tools) => Promise<void>, plan = PLAN): Promise<void> {
  await withDirectory(async (root) => {
    await body(await toolsFor(root, 35));
  }, plan);
}

async function toolsFor(root: string, backupIndex: number): Promise<Tools> {
  const stage = new Stage(root);
  await stage.archiver.tick();
  await stage.archiver.close();
  const archive = await openArchive(files, [stage.archive, join(root, "data", "log")], "workshop", null);
  const name = `snap-${String(backupIndex).padStart(16, "0")}-1.snap`;
  const to = async (index: number | null) => {
    const backup = await loadSnapshot(files, join(root, "data", "snapshots", name));
    const position = await replay(files, backup, archive, index);
    return [backup.machine.size(), position.index, position.term] as const;
  };
  return { root, archive, to };
}

Deno.test("a backup and the archive give the state behind every index between them", () =>
  withArchive(async ({ to }) => {
    for (let index = 35; index <= 100; index += index < 98 ? 7 : 1) {
      assertEquals(await to(index), [index, index, 1]);
    }
    assertEquals(await to(null), [100, 100, 1]);
  }));

Deno.test("what is before the backup, or not known to be committed, is refused", () =>
  withArchive(async ({ to }) => {
    assertEquals(await to(null), [97, 97, 1]);
    assertMatch((await assertRejects(() => to(34), Refusal)).message, /the backup is of index 35/);
    assertMatch(
      (await assertRejects(() => to(98), Refusal)).message,
      /up to index 97 to be committed, not up to 98/,
    );
  }, { ...PLAN, committed: 97 }));

Deno.test("damage and gaps are refused where they are in the way, and only there", () =>
  withArchive(async ({ root, archive, to }) => {
    const [, second, third] = [...archive.segments.values()];
    assert(second !== undefined && third !== undefined);
    flip(third, 9000);
    assertEquals(await to(50), [50, 50, 1]);
    const damaged = await assertRejects(() => to(90), Refusal);
    assertEquals(damaged.exitCode, 65);
    assertMatch(
      damaged.message,
      /log-0000000003\.seg is damaged at offset \d+: .*the log is whole up to index \d+/,
    );
    flip(third, 9000);
    rmSync(third);
    rmSync(must(segmentsOf(join(root, "data"))[2], "There is one"));
    const others = await openArchive(
      files,
      [join(root, "archive"), join(root, "data", "log")],
      "workshop",
      null,
    );
    const backup = await loadSnapshot(files, join(root, "data", "snapshots", "snap-0000000000000035-1.snap"));
    const gap = await assertRejects(() => replay(files, backup, others, null), Refusal);
    assertMatch(gap.message, /the segment is missing/);
  }));

Deno.test("what is before a gap is whole, wherever the segment in the gap ended", () =>
  withArchive(async ({ root }) => {
    const directory = archiveDirectory(join(root, "archive"), "workshop", "n1");
    const paths = segmentsOf(join(root, "data")).map((path) => join(directory, basename(path)));
    for (const path of paths.slice(1, -2)) {
      const bytes = readFileSync(path);
      rmSync(path);
      const { findings } = await verify(files, directory);
      assertEquals(findings.map(({ file, what }) => [file, what]), [[path, "the segment is missing"]]);
      writeFileSync(path, bytes);
    }
  }));

interface Incomplete {
  readonly what: string;
  readonly found: RegExp;
  do(path: string, bytes: Uint8Array, batches: readonly number[]): void;
}

/** What makes the last archived segment one of which nobody knows that it is complete. */
const INCOMPLETE: readonly Incomplete[] = [
  {
    what: "has no footer",
    found: /the segment is closed and has no footer$/,
    do: (path, bytes) => writeFileSync(path, bytes.fill(0, footerPlace(bytes.length))),
  },
  {
    what: "has a footer that rotted",
    found: /the footer is not whole: the block's checksum is \d+, its bytes have \d+$/,
    do: (path, bytes) => {
      const at = footerPlace(bytes.length) + 20;
      writeFileSync(path, bytes.fill(7, at, at + 1));
    },
  },
  {
    what: "was copied while it was written: it lacks a batch, and the footer",
    found: /the segment is closed and has no footer$/,
    do: (path, bytes, batches) => writeFileSync(path, bytes.fill(0, batches.at(-1))),
  },
  {
    what: "lacks its last batch",
    found: /no batch begins here; the log of this segment ends at \d+$/,
    do: (path, bytes, batches) =>
      writeFileSync(path, bytes.fill(0, batches.at(-1), footerPlace(bytes.length))),
  },
  {
    what: "is cut short at a batch",
    found: /it is cut short$/,
    do: (path, bytes, batches) => writeFileSync(path, bytes.subarray(0, batches.at(-1))),
  },
];

for (const { what, found, do: change } of INCOMPLETE) {
  Deno.test(`a last archived segment that ${what} is found, with file and offset, and restores stop before it`, () =>
    inTemporary(async (root) => {
      await makeDirectory(join(root, "data"), PLAN);
      const stage = new Stage(root);
      await stage.archiver.tick();
      await stage.archiver.close();
      const archive = await openArchive(files, [stage.archive], "workshop", null);
      const last = must([...archive.segments.values()].at(-1), "There is one");
      const name = "snap-0000000000000035-1.snap";
      const to = async (index: number | null) => {
        const backup = await loadSnapshot(files, join(root, "data", "snapshots", name));
        return (await replay(files, backup, archive, index)).index;
      };
      const { findings } = await verify(files, stage.directory);
      assertEquals(findings, [], "as it was archived it is sound, and complete");
      const whole = await to(null);
      const bytes = new Uint8Array(readFileSync(last));
      change(last, bytes.slice(), batchesOf(bytes));
      const damaged = (await verify(files, stage.directory)).findings;
      assertEquals(damaged.map(({ level, file }) => [level, file]), [["damage", last]]);
      assertMatch(damaged[0]?.what ?? "", found);
      const refusal = await assertRejects(() => to(null), Refusal);
      assertEquals(refusal.exitCode, 65);
      assertStringIncludes(
        refusal.message,
        `${last} is damaged at offset ${damaged[0]?.offset}: ${damaged[0]?.what}`,
      );
      const known = Number(/whole up to index (\d+)/.exec(refusal.message)?.[1]);
      assert(known > 50 && known <= whole, refusal.message);
      assertEquals(await to(known), known);
    }));
}

Deno.test("a footer that rotted in an archive, with the next segment there, is told, and keeps no restore from anything", () =>
  withArchive(async ({ root, archive, to }) => {
    const [, second] = [...archive.segments.values()];
    assert(second !== undefined);
    const whole = await to(null);
    flip(second, footerPlace(readFileSync(second).length) + 20);
    const { findings } = await verify(files, join(root, "archive", "workshop", "n1"));
    assertEquals(findings.map(({ level, file }) => [level, file]), [["damage", second]]);
    assertEquals(await to(null), whole);
  }));

Deno.test("of one segment alone it is known whether it is complete", () =>
  withArchive(async ({ root, archive }) => {
    const third = must([...archive.segments.values()][2], "There is one");
    const alone = join(root, "alone");
    mkdirSync(alone);
    const copy = join(alone, basename(third));
    const bytes = new Uint8Array(readFileSync(third));
    writeFileSync(copy, bytes);
    assertEquals((await verify(files, alone)).findings, []);
    writeFileSync(copy, bytes.slice().fill(0, must(batchesOf(bytes).at(-1), "It has some")));
    const [finding, ...others] = (await verify(files, alone)).findings;
    assertEquals([finding?.level, others], ["note", []]);
    assertMatch(finding?.what ?? "", /has no footer: it was still written, or its end is missing/);
    writeFileSync(copy, inFirstFormat(bytes));
    assertMatch((await verify(files, alone)).findings[0]?.what ?? "", /format 1.*nobody knows/);
  }));

Deno.test("an archive that begins behind the backup is refused", () =>
  withArchive(async ({ archive, to }) => {
    const [first, second] = [...archive.segments];
    assert(first !== undefined && second !== undefined && archive.segments instanceof Map);
    archive.segments.delete(first[0]);
    archive.segments.delete(second[0]);
    assertMatch(
      (await assertRejects(() => to(null), Refusal)).message,
      /begins behind index 35 of the backup/,
    );
  }));

Deno.test("an entry that was cut away before it was committed is never applied", () =>
  inTemporary(async (root) => {
    const machine = new KeyValueMachine();
    const opened = await openDirectory(join(root, "data"), machine, OWNER);
    const hand = new Hand(opened, machine);
    for (let index = 1; index <= 5; index++) {
      const entry = setEntry(index, 1, 2000);
      const hardState = index === 1 ? { currentTerm: 1, votedFor: "n1" } : null;
      await hand.write({ hardState, append: [entry], commitIndex: index });
      hand.apply(entry);
    }
    await hand.snapshot(1, votersOf(OWNER.members));
    for (let index = 6; index <= 14; index++) await hand.write({ append: [setEntry(index, 1, 2000)] });
    await hand.write({ hardState: { currentTerm: 2, votedFor: null } });
    // Of ten entries of the old leader, two survive; the new one's no-op is among the others.
    const noop = { ...setEntry(8, 2), kind: "noop", payload: new Uint8Array(0) } as const;
    await hand.write({ truncateFrom: 8, append: [noop], commitIndex: 7 });
    for (let index = 9; index <= 12; index++) {
      await hand.write({ append: [setEntry(index, 2, 2000)], commitIndex: index - 1 });
    }
    await opened.close();
    const { to } = await toolsFor(root, 5);
    assertEquals(await to(7), [7, 7, 1]);
    assertEquals(await to(8), [7, 8, 2]);
    assertEquals(await to(null), [10, 11, 2]);
  }));

Deno.test("a backup of another term than the log has is refused", () =>
  inTemporary(async (root) => {
    const machine = new KeyValueMachine();
    const opened = await openDirectory(join(root, "data"), machine, OWNER);
    const hand = new Hand(opened, machine);
    await hand.write({ hardState: { currentTerm: 3, votedFor: null } });
    for (let index = 1; index <= 9; index++) {
      const entry = setEntry(index, 1);
      await hand.write({ append: [entry], commitIndex: index });
      hand.apply(entry);
      if (index === 5) await hand.snapshot(2, votersOf(OWNER.members));
    }
    await opened.close();
    const archive = await openArchive(files, [join(root, "data", "log")], "workshop", null);
    const backup = await loadSnapshot(files, join(root, "data", "snapshots", "snap-0000000000000005-2.snap"));
    const error = await assertRejects(() => replay(files, backup, archive, null), Refusal);
    assertMatch(error.message, /entry 5 has term 1 in the archive and 2 in the backup/);
    const { findings } = await verify(files, join(root, "data"));
    assertMatch(`${findings[0]?.what}`, /index 5 is committed with term 1 in the log, here with term 2/);
    assertEquals(findings.length, 1);
  }));

for (const isRight of [true, false]) {
  Deno.test(`a digest that the servers agreed upon ${isRight ? "is met" : "and the state does not have is refused"}`, () =>
    inTemporary(async (root) => {
      const machine = new KeyValueMachine();
      const opened = await openDirectory(join(root, "data"), machine, OWNER);
      const hand = new Hand(opened, machine);
      let digest = 0;
      for (let index = 1; index <= 9; index++) {
        const entry = index === 8 ? checkEntry(8, 6, isRight ? digest : digest + 1) : setEntry(index, 1);
        const hardState = index === 1 ? { currentTerm: 1, votedFor: null } : null;
        await hand.write({ hardState, append: [entry], commitIndex: index });
        hand.apply(entry);
        if (index === 6) digest = machine.digest();
        if (index === 5) await hand.snapshot(1, votersOf(OWNER.members));
      }
      await opened.close();
      const archive = await openArchive(files, [join(root, "data", "log")], "workshop", null);
      const backup = await loadSnapshot(
        files,
        join(root, "data", "snapshots", "snap-0000000000000005-1.snap"),
      );
      if (isRight) assertEquals((await replay(files, backup, archive, null)).index, 9);
      else {
        const error = await assertRejects(() => replay(files, backup, archive, null), Refusal);
        assertEquals(error.exitCode, 65);
        assertMatch(error.message, /behind index 6 the state has the digest/);
      }
    }));
}

Deno.test("the archives of another cluster, of an unknown server, or none are refused", () =>
  withArchive(async ({ root }) => {
    const open = (directory: string, clusterId = "workshop", server: string | null = null) =>
      openArchive(files, [join(root, directory)], clusterId, server);
    assertMatch(
      (await assertRejects(() => open("data/log", "other"), Refusal)).message,
      /are of cluster workshop/,
    );
    assertMatch(
      (await assertRejects(() => open("archive", "other"), Refusal)).message,
      /there is no segment/,
    );
    assertMatch((await assertRejects(() => open("archive", "workshop", "n9"), Refusal)).message, /server n9/);
    assertEquals((await open("archive", "workshop", "n1")).serverId, "n1");
  }));

const notes = [[10, 1], [20, 5], [30, 5], [25, 7], [40, 9]].map(([at = 0, index = 0]) => ({ at, index }));

for (const [at, index] of [[10, 1], [19, 1], [20, 5], [29, 5], [30, 7], [39, 7], [40, 9]] as const) {
  Deno.test(`at ${at} the index was ${index}, though the clock was set back once`, () => {
    assertEquals(indexAt(notes, at), index);
  });
}

for (const at of [9, 41]) {
  Deno.test(`at ${at} nobody knows what was applied`, () => {
    assertThrows(() => indexAt(notes, at), Refusal);
  });
}
