/**
 * Kind: integration (data directories on a real disk), with every operation of a recovery failing once.
 *
 * Invariant: without its word a recovery writes nothing; with it the server has everything that was in its log, as the only voter of a cluster
 * with another id, a higher epoch and a higher term, and what it was before is kept; whatever operation fails, a server started there is
 * the old one with everything, the new one with everything, or none, and the recovery can be brought to its end. What a start would have to
 * repair is refused; what was lost before is told until it is made good.
 */
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../internal/base/assert.ts";
import { Refusal } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { FileError } from "../../internal/platform/file_system.ts";
import type { DataDirectory } from "../../internal/storage/data_directory.ts";
import { type Plan, recover, type RecoveringOptions } from "../../internal/upkeep/recovering.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import { Log } from "../storage/lab.ts";
import { FailingFiles } from "./failing_files.ts";
import { contentOf, files, flip, inTemporary, makeDirectory, openDirectory, segmentsOf } from "./workshop.ts";

await loadCrc32c();

const PLAN = { entries: 70, committed: 65, snapshotsAt: [40], padding: 100 };
const OWNER = { serverId: "n1", clusterId: "workshop", members: ["n1", "n2", "n3"] };

let lives = 0;

async function recovering(directory: string, options: Partial<RecoveringOptions> = {}): Promise<Plan> {
  const plan = await anyRecovering(directory, options);
  assert(!("finished" in plan));
  return plan;
}

function anyRecovering(directory: string, options: Partial<RecoveringOptions> = {}) {
  return recover({
    fileSystem: files,
    directory,
    random: new SeededRandom(`recover ${lives++}`),
    trace: new Log(),
    segmentBytes: 16 * 1024,
    address: null,
    at: "now",
    isMeant: true,
    ...options,
  });
}

async function withDirectory(body: (directory: string, root: string) => Promise<void>): Promise<void> {
  await inTemporary(async (root) => {
    const directory = join(root, "data");
    await makeDirectory(directory, PLAN);
    await body(directory, root);
  });
}

Deno.test("without its word nothing is written, and what would be kept is told", () =>
  withDirectory(async (directory) => {
    const before = contentOf(directory);
    const plan = await recovering(directory, { isMeant: false });
    assertEquals(contentOf(directory), before);
    assertEquals(plan.last, { index: 70, term: 1 });
    assertEquals([plan.commitIndex, plan.snapshotIndex, plan.keys, plan.made], [65, 40, 70, null]);
    assertEquals(plan.configuration.voters, ["n1", "n2", "n3"]);
  }));

Deno.test("a recovered server has all of its log, is alone in a new cluster, and keeps what it was", () =>
  withDirectory(async (directory) => {
    const before = contentOf(directory);
    const { made } = await recovering(directory);
    const { clusterId } = must(made, "It was meant");
    assertNotEquals(clusterId, "workshop");
    const { findings, identity, state } = await verify(files, directory);
    assertEquals(findings, []);
    assertEquals([identity?.clusterId, identity?.members], [clusterId, [{ id: "n1", address: "n1:1" }]]);
    assertEquals([state?.epoch, state?.hardState.currentTerm], [1, 2]);
    const machine = new KeyValueMachine();
    const opened = await openDirectory(directory, machine, OWNER);
    assertEquals(machine.size(), 70);
    assertEquals(opened.recovered.configuration.voters, ["n1"]);
    assertEquals(opened.recovered.commitIndex, 70);
    await opened.close();
    for (const [path, bytes] of before) {
      if (path === "lock") continue;
      const [first = "", ...rest] = path.split("/");
      const kept = [`${first}.before-workshop`, ...rest].join("/");
      assertEquals(new Uint8Array(readFileSync(join(directory, kept))), bytes, kept);
    }
    const origin: unknown = JSON.parse(readFileSync(join(directory, `origin-${clusterId}.json`), "utf8"));
    assert(typeof origin === "object" && origin !== null && "last" in origin && "before" in origin);
    assertEquals([origin.last, origin.before], [{ index: 70, term: 1 }, "workshop"]);
  }));

Deno.test("whatever operation fails, a server is the old one, the new one, or none, and the end can be reached", () =>
  withDirectory(async (whole, root) => {
    let outcomes = "";
    for (let count = 0;; count++) {
      const directory = join(root, `broken ${count}`);
      cpSync(whole, directory, { recursive: true });
      const failing = new FailingFiles(files, count);
      const error = await anyRecovering(directory, { fileSystem: failing }).catch((error: unknown) => error);
      if (!failing.hasFailed) break;
      assert(error instanceof FileError, `${error}`);
      const machine = new KeyValueMachine();
      try {
        const { identity, recovered, close } = await openDirectory(directory, machine, OWNER);
        outcomes += identity.clusterId === "workshop" ? "o" : "n";
        assertEquals(recovered.entries.length + recovered.snapshotIndex, 70);
        await close();
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        outcomes += "r";
      }
      const again = await anyRecovering(directory).catch((error: unknown) => error);
      if (again instanceof Error) assertMatch(again.message, /is the only voter of its cluster/);
      const last = new KeyValueMachine();
      const opened = await openDirectory(directory, last, OWNER);
      assertEquals([last.size(), opened.recovered.configuration.voters], [70, ["n1"]]);
      await opened.close();
    }
    assertMatch(outcomes, /^o{15,}r{8,}n+$/);
  }));

Deno.test("a server in use is refused", () =>
  withDirectory(async (directory) => {
    const lock = must(await files.lockDirectory(directory), "It is free");
    const error = await assertRejects(() => recovering(directory), Refusal);
    assertEquals(error.exitCode, 73);
    await lock.release();
  }));

Deno.test("damage is refused with file and offset", () =>
  withDirectory(async (directory) => {
    flip(must(segmentsOf(directory)[0], "There is one"), 5000);
    const before = contentOf(directory);
    const error = await assertRejects(() => recovering(directory), Refusal);
    assertEquals(error.exitCode, 65);
    assertMatch(error.message, /\.seg at offset \d+/);
    assertEquals(contentOf(directory), before);
  }));

/** The same directory, after a life that does this with the store. */
async function withLife(
  directory: string,
  does: (store: DataDirectory["store"]) => Promise<void>,
): Promise<void> {
  const opened = await openDirectory(directory, new KeyValueMachine(), OWNER);
  opened.store.listen({ onStable: () => {}, onFailure: () => {} });
  await does(opened.store);
  await opened.close();
}

Deno.test("what the promises know to be missing is refused, as at a start", () =>
  withDirectory(async (whole, root) => {
    const losses: readonly (readonly [string, RegExp, (directory: string) => Promise<void> | void])[] = [
      ["the end of the log was never written", /batch 70 was on the disk/, (directory) => {
        const path = must(segmentsOf(directory).at(-1), "There is one");
        const bytes = readFileSync(path);
        const last = bytes.lastIndexOf("RLB1");
        writeFileSync(path, bytes.fill(0, last, bytes.length - 4096));
      }],
      [
        "the last segment is gone",
        /the segment is missing/,
        (directory) => rmSync(must(segmentsOf(directory).at(-1), "There is one")),
      ],
      [
        "a repair was begun",
        /repair was not finished/,
        (directory) => withLife(directory, (store) => new Promise((done) => store.noteLoss(1, done))),
      ],
    ];
    for (const [name, message, lose] of losses) {
      const directory = join(root, name);
      cpSync(whole, directory, { recursive: true });
      await lose(directory);
      const before = contentOf(directory);
      const error = await assertRejects(() => recovering(directory), Refusal);
      assertEquals(error.exitCode, 65, name);
      assertMatch(error.message, message);
      assertEquals(contentOf(directory), before, name);
    }
  }));

Deno.test("what is damaged and covered by a snapshot is not needed", () =>
  inTemporary(async (root) => {
    const directory = join(root, "data");
    await makeDirectory(directory, { ...PLAN, entries: 200, committed: 200, snapshotsAt: [150] });
    flip(must(segmentsOf(directory)[0], "There is one"), 5000);
    const { last, keys } = await recovering(directory);
    assertEquals([last, keys], [{ index: 200, term: 1 }, 200]);
    const machine = new KeyValueMachine();
    const { recovered, close } = await openDirectory(directory, machine, OWNER);
    assertEquals([machine.size(), recovered.commitIndex], [200, 200]);
    await close();
  }));

Deno.test("a loss is told until it is made good", () =>
  withDirectory(async (directory) => {
    await withLife(directory, (store) => new Promise((done) => store.noteLoss(1, done)));
    await withLife(directory, () => Promise.resolve());
    assertEquals((await recovering(directory, { isMeant: false })).floor?.term, 1);
    await withLife(directory, (store) => {
      store.endRepair();
      return Promise.resolve();
    });
    const { floor, epoch } = await recovering(directory, { isMeant: false });
    assertEquals([floor, epoch], [null, 2]);
  }));

Deno.test("who needs nobody, has nothing, or is nobody is not recovered", () =>
  inTemporary(async (root) => {
    await makeDirectory(join(root, "alone"), { ...PLAN, members: ["n1"] });
    await makeDirectory(join(root, "empty"), { entries: 0 });
    mkdirSync(join(root, "nobody"));
    const cases: readonly (readonly [string, RegExp])[] = [
      ["alone", /is the only voter/],
      ["empty", /has no entry/],
      ["nobody", /no data directory/],
    ];
    for (const [name, message] of cases) {
      const error = await assertRejects(() => recovering(join(root, name)), Refusal);
      assertMatch(error.message, message);
    }
  }));
