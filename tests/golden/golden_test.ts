/**
 * Kind: integration (golden data).
 *
 * Invariant: the data directories of every format version that was ever written are opened by this version: every entry byte for byte, hard
 * state, members, snapshot and state are what they were, and the server goes on from there. What a newer version wrote is refused in one line
 * that says so, and stays as it is.
 *
 * Learnt: a new format gets a directory of its own (tools/golden.ts); those that are here change no more.
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "../../internal/base/assert.ts";
import { Refusal } from "../../internal/base/errors.ts";
import { encodeCommand, Operation } from "../../internal/codec/command.ts";
import { crc32c, loadCrc32c } from "../../internal/codec/crc32c.ts";
import { recordOf } from "../../internal/codec/record.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import { Applier } from "../../internal/node/applier.ts";
import type { DataDirectory } from "../../internal/storage/data_directory.ts";
import { decodeSegmentHeader } from "../../internal/storage/segment.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import {
  contentOf,
  files,
  inTemporary,
  openDirectory,
  SEGMENT_BYTES,
  segmentsOf,
  setEntry,
} from "../upkeep/workshop.ts";

await loadCrc32c();

const root = fileURLToPath(new URL(".", import.meta.url));
const versions = readdirSync(root).filter((name) => /^v\d+$/.test(name)).sort();

interface Content {
  readonly entries: readonly string[];
  readonly commitIndex: number;
  readonly pairs: Readonly<Record<string, string>>;
}

function contentIn(version: string, name: string): Content {
  return JSON.parse(readFileSync(join(root, version, `${name}.json`), "utf8"));
}

/** A copy that may be changed. */
async function onCopy(
  version: string,
  name: string,
  body: (directory: string) => Promise<void>,
): Promise<void> {
  await inTemporary(async (temporary) => {
    const directory = join(temporary, name);
    cpSync(join(root, version, name), directory, { recursive: true });
    await body(directory);
  });
}

async function opened(
  directory: string,
  serverId: string,
  body: (opened: DataDirectory, machine: KeyValueMachine) => Promise<void> | void,
) {
  const machine = new KeyValueMachine();
  const data = await openDirectory(directory, machine, { serverId, clusterId: "golden", members: [] });
  try {
    await body(data, machine);
  } finally {
    await data.close();
  }
}

/** Everything is as it was; `from` is where the entries begin. */
function assertContent(
  { recovered }: DataDirectory,
  machine: KeyValueMachine,
  { entries, commitIndex, pairs }: Content,
): void {
  const wanted = entries.filter((line) => Number(line.split(":")[0]) > recovered.snapshotIndex);
  assertEquals(
    recovered.entries.map((entry) => `${entry.index}:${entry.term} ${entry.kind} ${crc32c(recordOf(entry))}`),
    wanted,
  );
  assertEquals(recovered.commitIndex, commitIndex);
  const applier = new Applier(machine, recovered.snapshotIndex, () => {});
  for (const entry of recovered.entries) if (entry.index <= commitIndex) applier.apply(entry);
  assertEquals(machine.size(), Object.keys(pairs).length);
  for (const [key, value] of Object.entries(pairs)) {
    const reply = machine.read(encodeCommand(Operation.get, [new TextEncoder().encode(key)]));
    assertEquals(reply.type === "bulk" ? new TextDecoder().decode(reply.bytes) : reply.type, value, key);
  }
}

for (const version of versions) {
  Deno.test(`${version}: a voter's directory gives back everything`, () =>
    onCopy(version, "voter", async (directory) => {
      const { findings } = await verify(files, directory);
      assertEquals(findings.filter(({ level }) => level === "damage"), []);
      await opened(directory, "n1", (data, machine) => {
        assertContent(data, machine, contentIn(version, "voter"));
        const { recovered, identity } = data;
        assertEquals(recovered.hardState, { currentTerm: 3, votedFor: "n1" });
        assertEquals([recovered.snapshotIndex, recovered.snapshotTerm, recovered.configurationIndex], [
          40,
          3,
          8,
        ]);
        assertEquals([recovered.epoch, recovered.floor], [0, null]);
        assertEquals([recovered.configuration.learners, identity.clusterId, identity.members.length], [
          ["n4"],
          "golden",
          3,
        ]);
        const last = recovered.entries.findLast(({ configuration }) => configuration !== null)?.configuration;
        assertEquals(last?.voters, ["n1", "n2", "n4"]);
        assertEquals(last?.members.find(({ id }) => id === "n4")?.priority, 200);
      });
    }));

  Deno.test(`${version}: without the segments that its snapshot covers it gives back the same`, () =>
    onCopy(version, "voter", async (directory) => {
      rmSync(must(segmentsOf(directory)[0], "There is one"));
      await opened(
        directory,
        "n1",
        (data, machine) => assertContent(data, machine, contentIn(version, "voter")),
      );
    }));

  Deno.test(`${version}: without its snapshot it gives back the same from the log alone`, () =>
    onCopy(version, "voter", async (directory) => {
      rmSync(join(directory, "snapshots"), { recursive: true });
      await opened(directory, "n1", (data, machine) => {
        assertEquals(data.recovered.snapshotIndex, 0);
        assertContent(data, machine, contentIn(version, "voter"));
      });
    }));

  Deno.test(`${version}: a learner's directory, which began anew behind a snapshot, gives back everything`, () =>
    onCopy(version, "learner", (directory) =>
      opened(directory, "n4", (data, machine) => {
        assertContent(data, machine, contentIn(version, "learner"));
        assertEquals([data.recovered.snapshotIndex, data.recovered.configurationIndex], [40, 40]);
        assertEquals(data.identity.members, []);
      })));

  Deno.test(`${version}: a server goes on from there, and finds it at its next start`, () =>
    onCopy(version, "voter", async (directory) => {
      const { entries } = contentIn(version, "voter");
      const index = entries.length + 1;
      await opened(directory, "n1", async ({ store }) => {
        const durable = new Promise<void>((resolve, reject) =>
          store.listen({ onStable: () => resolve(), onFailure: reject })
        );
        store.write({
          kind: "write",
          number: 1,
          hardState: { currentTerm: 4, votedFor: null },
          reset: null,
          truncateFrom: null,
          append: [setEntry(index, 4)],
          commitIndex: 0,
        });
        await durable;
      });
      assertEquals((await verify(files, directory)).findings, []);
      await opened(directory, "n1", ({ recovered }) => {
        assertEquals(recovered.hardState.currentTerm, 4);
        assertEquals(recovered.entries.at(-1)?.index, index);
      });
    }));

  Deno.test(`${version}: a server goes on into further segments, which are of the newest format, and finds all of it`, () =>
    onCopy(version, "voter", async (directory) => {
      const { entries } = contentIn(version, "voter");
      const before = segmentsOf(directory);
      const closed = before.slice(0, -1).map((path) => [path, String(readFileSync(path))]);
      let index = entries.length;
      await opened(directory, "n1", async ({ store }) => {
        let resolve = () => {};
        store.listen({
          onStable: () => resolve(),
          onFailure: (refusal) => {
            throw refusal;
          },
        });
        while (segmentsOf(directory).length < before.length + 2) {
          index++;
          const durable = new Promise<void>((done) => resolve = done);
          store.write({
            kind: "write",
            number: index,
            hardState: null,
            reset: null,
            truncateFrom: null,
            append: [setEntry(index, 3)],
            commitIndex: 0,
          });
          await durable;
        }
      });
      for (const [path, content] of closed) {
        assertEquals(String(readFileSync(must(path, "It has a path"))), content, "closed is closed");
      }
      const bytesOf = (path: string) => {
        const header = decodeSegmentHeader(readFileSync(path));
        return typeof header === "string" ? header : header.bytes;
      };
      const later = segmentsOf(directory).slice(before.length);
      assertEquals(later.map(bytesOf), later.map(() => SEGMENT_BYTES));
      assertEquals(bytesOf(must(before[0], "There is one")), version === "v1" ? null : 16 * 1024);
      assertEquals((await verify(files, directory)).findings, []);
      await opened(directory, "n1", ({ recovered }) => {
        assertEquals(recovered.entries.at(-1)?.index, index);
      });
    }));
}

for (const version of versions.filter((version) => existsSync(join(root, version, "reused")))) {
  Deno.test(`${version}: a directory whose segments were older ones before gives back everything, and a server goes on from there`, () =>
    onCopy(version, "reused", async (directory) => {
      const content = contentIn(version, "reused");
      const zerosOf = (path: string) => {
        const header = decodeSegmentHeader(readFileSync(path));
        return typeof header === "string" ? header : header.zeros;
      };
      const zeros = segmentsOf(directory).map(zerosOf);
      assertEquals([zeros.includes(Infinity), zeros.at(-1)], [true, 1024], "there are both kinds");
      assertEquals((await verify(files, directory)).findings, []);
      const index = content.entries.length + 1;
      await opened(directory, "n1", async (data, machine) => {
        assertContent(data, machine, content);
        assertEquals(data.recovered.snapshotIndex, 100);
        const durable = new Promise<void>((resolve, reject) =>
          data.store.listen({ onStable: () => resolve(), onFailure: reject })
        );
        const append = [setEntry(index, 3)];
        const [hardState, reset, truncateFrom, commitIndex] = [null, null, null, 0];
        data.store.write({ kind: "write", number: 1, hardState, reset, truncateFrom, append, commitIndex });
        await durable;
      });
      assertEquals((await verify(files, directory)).findings, []);
      await opened(directory, "n1", ({ recovered }) => {
        assertEquals(recovered.entries.at(-1)?.index, index);
      });
    }));
}

Deno.test("what a newer version wrote is refused in one line, and stays as it is", () =>
  onCopy(must(versions.at(-1), "There is a version"), "newer", async (directory) => {
    const before = contentOf(directory);
    const error = await assertRejects(() => opened(directory, "n1", () => {}), Refusal);
    assertEquals(error.exitCode, 65);
    assertMatch(
      error.message,
      /^\S+identity is of another version of raftline: the identity's format is \d+, this program reads \d+; [^\n]*start the version that wrote it/,
    );
    const after = contentOf(directory);
    after.delete("lock");
    assertEquals(after, before);
  }));
