/**
 * Kind: integration (data directories on a real disk), with every operation of a restore failing once.
 *
 * Invariant: a restored directory is one on which a server of a new cluster starts with exactly what the backup has; servers of one
 * new cluster begin with the same bytes; an existing directory is never written over; whatever operation fails, what is left is no
 * directory on which an empty server starts.
 *
 * Learnt: a directory with a snapshot and without an identity was a fresh start to the storage room.
 */
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Refusal } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { DiskFileSystem } from "../../internal/host/disk_file_system.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { type DirectoryLock, FileError } from "../../internal/platform/file_system.ts";
import { restore, type Restored, type RestoringOptions } from "../../internal/upkeep/restoring.ts";
import { SnapshotDamage } from "../../internal/storage/snapshot_file.ts";
import { loadSnapshot } from "../../internal/upkeep/snapshot_look.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import { Log } from "../storage/lab.ts";
import { FailingFiles } from "./failing_files.ts";
import { contentOf, files, flip, inTemporary, makeDirectory, openDirectory } from "./workshop.ts";

await loadCrc32c();

const THREE = ["n1", "n2", "n3"].map((id) => ({ id, address: `${id}:9` }));

/** A backup of 40 entries, and a way to restore it. */
async function withBackup(
  body: (tools: {
    readonly root: string;
    readonly backup: string;
    readonly to: (directory: string, options?: Partial<RestoringOptions>) => Promise<Restored>;
  }) => Promise<void>,
): Promise<void> {
  await inTemporary(async (root) => {
    await makeDirectory(join(root, "old"), { entries: 60, snapshotsAt: [40] });
    const backup = join(root, "old", "snapshots", "snap-0000000000000040-1.snap");
    let lives = 0;
    const to = async (directory: string, options: Partial<RestoringOptions> = {}) =>
      await restore({
        fileSystem: files,
        directory: join(root, directory),
        random: new SeededRandom(`restore ${lives++}`),
        trace: new Log(),
        segmentBytes: 16 * 1024,
        serverId: "n1",
        members: [{ id: "n1", address: "n1:9" }],
        clusterId: null,
        at: "now",
        ...options,
      }, await loadSnapshot(files, backup));
    await body({ root, backup, to });
  });
}

Deno.test("a server of a new cluster starts on it, with what the backup has and nobody else a member", () =>
  withBackup(async ({ root, to }) => {
    const { clusterId, index, term, keys } = await to("new");
    assertEquals([index, term, keys], [40, 1, 40]);
    assertMatch(clusterId, /^[0-9a-f]{16}$/);
    const directory = join(root, "new");
    assertEquals((await verify(files, directory)).findings, []);
    const machine = new KeyValueMachine();
    const opened = await openDirectory(directory, machine, {
      serverId: "n1",
      clusterId: "other",
      members: [],
    });
    assertEquals(opened.identity.clusterId, clusterId);
    assertEquals(machine.size(), 40);
    const { snapshotIndex, commitIndex, entries, configuration, hardState } = opened.recovered;
    assertEquals([snapshotIndex, commitIndex, entries.length, hardState.currentTerm], [40, 40, 0, 1]);
    assertEquals(configuration.voters, ["n1"]);
    assertEquals(configuration.members[0]?.incarnation, opened.identity.incarnation);
    await opened.close();
  }));

Deno.test("each restore makes another cluster", () =>
  withBackup(async ({ to }) => {
    assertNotEquals((await to("a")).clusterId, (await to("b")).clusterId);
  }));

Deno.test("the servers of one new cluster begin with the same bytes, and those of another state are refused", () =>
  withBackup(async ({ root, backup, to }) => {
    const { clusterId } = await to("a", { members: THREE });
    await to("b", { members: [...THREE].reverse(), serverId: "n2", clusterId });
    const snapshots = ["a", "b"].map((name) => [...contentOf(join(root, name, "snapshots")).values()]);
    assertEquals(snapshots[0], snapshots[1]);
    await assertRejects(() => to("c", { members: THREE.slice(1), serverId: "n3", clusterId }), Refusal);
    rmSync(backup);
    await makeDirectory(join(root, "older"), { entries: 40, snapshotsAt: [39] });
    const older = await loadSnapshot(files, join(root, "older", "snapshots", "snap-0000000000000039-1.snap"));
    const error = await assertRejects(
      () =>
        restore({
          fileSystem: files,
          directory: join(root, "d"),
          random: new SeededRandom("d"),
          trace: new Log(),
          segmentBytes: 16 * 1024,
          serverId: "n3",
          members: THREE,
          clusterId,
          at: "now",
        }, older),
      Refusal,
    );
    assertMatch(error.message, /another state or for other members/);
  }));

Deno.test("an existing directory is refused and left as it is", () =>
  withBackup(async ({ root, to }) => {
    for (const name of ["identity", "notes.txt", "log", "identity.new"]) {
      const directory = join(root, `full of ${name}`);
      mkdirSync(directory);
      writeFileSync(join(directory, name), "mine");
      const error = await assertRejects(() => to(`full of ${name}`), Refusal);
      assertEquals(error.exitCode, 78);
      assertEquals([...contentOf(directory).keys()], [name]);
    }
  }));

Deno.test("what came into the directory before it was claimed is left as it is", () =>
  withBackup(async ({ root, to }) => {
    const directory = join(root, "raced");
    mkdirSync(directory);
    class Raced extends DiskFileSystem {
      override async lockDirectory(path: string): Promise<DirectoryLock | null> {
        writeFileSync(join(path, "identity"), "another's");
        return await super.lockDirectory(path);
      }
    }
    await assertRejects(() => to("raced", { fileSystem: new Raced() }), Refusal);
    assertEquals([...contentOf(directory).keys()], ["identity", "lock"]);
  }));

Deno.test("a damaged backup is refused before anything is written", () =>
  withBackup(async ({ root, backup, to }) => {
    flip(backup, 4000);
    await assertRejects(() => to("new"), SnapshotDamage);
    assert(!contentOf(root).has("new/lock"));
  }));

Deno.test("whatever operation fails, no server starts empty on what is left", () =>
  withBackup(async ({ root, to }) => {
    let outcomes = "";
    for (let count = 0;; count++) {
      const directory = join(root, `broken ${count}`);
      mkdirSync(directory);
      const failing = new FailingFiles(files, count);
      const error = await to(`broken ${count}`, { fileSystem: failing }).catch((error: unknown) => error);
      if (!failing.hasFailed) break;
      assert(error instanceof FileError, `${error}`);
      const machine = new KeyValueMachine();
      try {
        const owner = { serverId: "n1", clusterId: "other", members: ["n1"] };
        await (await openDirectory(directory, machine, owner)).close();
        // Nothing was written yet, or all was.
        const names = contentOf(directory);
        outcomes += machine.size() === 40 ? "s" : "0";
        assert(machine.size() === 40 || ![...names.keys()].some((name) => name.includes(".new")));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        outcomes += "r";
      }
    }
    assertMatch(outcomes, /^0+r{20,}s*$/);
  }));
