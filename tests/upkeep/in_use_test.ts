/**
 * Kind: integration (a data directory on a real disk that is written to at every point of being looked at).
 *
 * Invariant: a directory in use is sound, wherever in the reading its server rolls its log, takes snapshots, and lets go of segments and of
 * snapshots that were listed a moment ago; what was let go of is told as that. A segment that is missing while an older one is there is
 * damage all the same.
 *
 * Learnt: a test on real processes met the one moment that matters once in hundreds of looks, on another machine. Here the server lives at
 * each operation of the reader, so every moment is met in every run.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { cpSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { must } from "../../internal/base/assert.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import type { FileHandle, FileSystem } from "../../internal/platform/file_system.ts";
import { decodeSegmentHeader } from "../../internal/storage/segment.ts";
import type { Finding } from "../../internal/upkeep/log_scan.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import {
  files,
  Hand,
  inTemporary,
  makeDirectory,
  openDirectory,
  segmentsOf,
  setEntry,
  votersOf,
} from "./workshop.ts";

await loadCrc32c();

/** Entries that are written together. */
const AT_ONCE = 7;
const MEMBERS = ["n1", "n2", "n3"];
const PLAN = { entries: 140, committed: 140, snapshotsAt: [50, 80] };
const OWNER = { serverId: "n1", clusterId: "workshop", members: MEMBERS };

/** The file system of a reader, at whose operations something happens. */
class WatchedReader implements FileSystem {
  operations = 0;
  readonly #happens: (operation: number) => Promise<void>;

  constructor(happens: (operation: number) => Promise<void>) {
    this.#happens = happens;
  }

  async #before<T>(work: () => Promise<T>): Promise<T> {
    await this.#happens(++this.operations);
    return await work();
  }

  readDirectory(path: string): Promise<string[]> {
    return this.#before(() => files.readDirectory(path));
  }

  async openForReading(path: string): Promise<FileHandle> {
    const file = await this.#before(() => files.openForReading(path));
    return {
      path: file.path,
      size: () => this.#before(() => file.size()),
      links: () => file.links(),
      readAt: (offset, length) => this.#before(() => file.readAt(offset, length)),
      writeAt: writes,
      writeSynced: writes,
      sync: writes,
      close: () => file.close(),
    };
  }

  openForWriting = writes;
  create = writes;
  makeDirectory = writes;
  rename = writes;
  remove = writes;
  syncDirectory = writes;
  lockDirectory = writes;
  freeBytes = (path: string) => files.freeBytes(path);
}

function writes(): Promise<never> {
  return Promise.reject(new Error("who looks writes nothing"));
}

/** A server that lives a little more whenever it is told to. */
class Life {
  readonly #directory: string;
  readonly #hand: Hand;
  #last = PLAN.entries;

  private constructor(directory: string, hand: Hand) {
    this.#directory = directory;
    this.#hand = hand;
  }

  static async on(directory: string): Promise<Life> {
    const machine = new KeyValueMachine();
    const opened = await openDirectory(directory, machine, OWNER);
    // The state of the newest snapshot came with the directory.
    const restored = must(PLAN.snapshotsAt.at(-1), "There is one");
    const hand = new Hand(opened, machine, restored);
    for (let index = restored + 1; index <= PLAN.entries; index++) hand.apply(setEntry(index, 1, 300));
    return new Life(directory, hand);
  }

  /** Fills so many segments, takes two snapshots, and lets go of everything but the last segments. */
  async goesOn(entries = 70): Promise<void> {
    const oldest = basename(must(segmentsOf(this.#directory)[0], "There is one"));
    for (const half of [1, 2]) {
      const upTo = this.#last + Math.ceil(entries / 2);
      for (let from = this.#last + 1; from <= upTo; from += AT_ONCE) {
        const count = Math.min(AT_ONCE, upTo - from + 1);
        const append = Array.from({ length: count }, (_, i) => setEntry(from + i, 1, 300));
        await this.#hand.write({ append, commitIndex: from + count - 1 });
        for (const entry of append) this.#hand.apply(entry);
      }
      this.#last = upTo;
      await this.#hand.snapshot(1, votersOf(MEMBERS));
      if (half === 1) this.#hand.directory.store.discard(upTo);
    }
    for (let tries = 0; tries < 400; tries++) {
      if (basename(segmentsOf(this.#directory)[0] ?? "") !== oldest) return;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error(`${oldest} was not let go of`);
  }

  async ends(): Promise<void> {
    await this.#hand.directory.close();
  }
}

const shown = (findings: readonly Finding[]) =>
  findings.map(({ level, file, offset, what }) => `${level} ${file}:${offset} ${what}`);

/** Looks at a directory in which a server lives at certain operations of the look; how many operations it took. */
async function look(
  original: string,
  lives: (operation: number) => boolean,
): Promise<{ readonly operations: number; readonly findings: readonly Finding[] }> {
  const directory = `${original}.lived`;
  rmSync(directory, { recursive: true, force: true });
  cpSync(original, directory, { recursive: true });
  const life = await Life.on(directory);
  try {
    const reader = new WatchedReader((operation) => lives(operation) ? life.goesOn() : Promise.resolve());
    const { findings } = await verify(reader, directory);
    return { operations: reader.operations, findings };
  } finally {
    await life.ends();
  }
}

Deno.test("a directory is sound in which its server lets go of segments and snapshots at any operation of the look", () =>
  inTemporary(async (root) => {
    const directory = join(root, "data");
    await makeDirectory(directory, PLAN);
    const { operations: count } = await look(directory, () => false);
    assertGreater(count, 20, "there is something to read");
    let letGo = 0;
    for (let at = 1; at <= count; at++) {
      const { findings } = await look(directory, (operation) => operation === at);
      assertEquals(findings.filter(({ level }) => level === "damage"), [], `operation ${at}`);
      for (const { what } of findings) {
        if (what === "it was let go of meanwhile") letGo++;
        else assert(what.startsWith("torn tail") || what.startsWith("left over"), shown(findings).join("\n"));
      }
    }
    assertGreater(letGo, 10, "the sizes fit");
  }));

Deno.test("it is sound also where its server lives at every third operation, so that lists are old when they are used", () =>
  inTemporary(async (root) => {
    const directory = join(root, "data");
    await makeDirectory(directory, PLAN);
    for (const from of [0, 1, 2]) {
      // At some time it has to rest, or there is always something new.
      const { findings } = await look(
        directory,
        (operation) => operation < 40 && operation % 3 === from,
      );
      assertEquals(findings.filter(({ level }) => level === "damage"), [], shown(findings).join("\n"));
    }
  }));

Deno.test("a segment that goes while an older one is there is missing, whenever it goes", () =>
  inTemporary(async (root) => {
    const original = join(root, "data");
    await makeDirectory(original, PLAN);
    const directory = `${original}.torn`;
    for (const at of [1, 8, 12]) {
      rmSync(directory, { recursive: true, force: true });
      cpSync(original, directory, { recursive: true });
      const last = must(segmentsOf(directory).at(-2), "There is one");
      const reader = new WatchedReader((operation) => {
        if (operation === at) rmSync(last);
        return Promise.resolve();
      });
      const { findings } = await verify(reader, directory);
      const told = shown(findings.filter(({ file }) => file === last));
      assertEquals(told.length, 1, shown(findings).join("\n"));
      assert(/^damage .*(the segment is missing|it is gone)$/.test(told[0] ?? ""), told[0]);
    }
  }));

Deno.test("an archive is listed a few times only, since nothing of it is written over", () =>
  inTemporary(async (root) => {
    const directory = join(root, "data");
    await makeDirectory(directory, PLAN);
    const archive = join(root, "archive");
    cpSync(join(directory, "log"), archive, { recursive: true });
    writeFileSync(join(archive, "times-0000000001.jsonl"), "");
    let lists = 0;
    const reader = new WatchedReader(() => Promise.resolve());
    const { readDirectory } = reader;
    reader.readDirectory = (path) => {
      lists++;
      return readDirectory.call(reader, path);
    };
    const { segments } = await verify(reader, archive);
    assertGreater(segments, 4);
    assertEquals(lists, 3);
  }));

Deno.test("a copy by hard links stays as it was, however many segments are written again", () =>
  inTemporary(async (root) => {
    const directory = join(root, "data");
    await makeDirectory(directory, PLAN);
    const life = await Life.on(directory);
    try {
      const linked = join(root, "linked");
      mkdirSync(linked);
      const before = new Map<string, string>();
      for (const path of segmentsOf(directory).slice(0, -1)) {
        const copy = join(linked, basename(path));
        linkSync(path, copy);
        before.set(copy, String(readFileSync(copy)));
      }
      assertGreater(before.size, 2);
      for (let i = 0; i < 5; i++) await life.goesOn(100);
      const reused = segmentsOf(directory).filter((path) => {
        const header = decodeSegmentHeader(readFileSync(path));
        return typeof header !== "string" && Number.isFinite(header.zeros);
      });
      assertGreater(reused.length, 0, "others are written again");
      for (const [copy, bytes] of before) {
        assert(String(readFileSync(copy)) === bytes, `${copy} was written over`);
      }
    } finally {
      await life.ends();
    }
  }));
