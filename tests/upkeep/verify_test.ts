/**
 * Kind: integration (data directories on a real disk, damaged in every file).
 *
 * Invariant: a directory on which a server starts is called sound; one in which any byte that counts was changed, or any file is
 * missing, is not, and the finding names the file and a place not behind the byte; what is damaged at several places has a finding for each.
 * Nothing is written, whatever is found.
 *
 * Learnt: behind a damaged batch the header of the next segment tells the state of the log anew, so that damage there is not told twice.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertMatch } from "@std/assert";
import { cpSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../internal/base/assert.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { KeyValueMachine } from "../../internal/machine/kv.ts";
import type { Finding } from "../../internal/upkeep/log_scan.ts";
import { footerPlace } from "../../internal/storage/footer.ts";
import { readIdentity } from "../../internal/storage/identity.ts";
import { PromisesFile, readPromises } from "../../internal/storage/promises.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import { contentOf, files, flip, inTemporary, makeDirectory, openDirectory, segmentsOf } from "./workshop.ts";

await loadCrc32c();

const HEADER_BYTES = 4096;
/** About thirty of its entries fill a segment. */
const PLAN = { entries: 140, committed: 138, snapshotsAt: [50, 80], discardTo: 50 };

const damagesOf = (findings: readonly Finding[]) => findings.filter(({ level }) => level === "damage");
const shown = (findings: readonly Finding[]) =>
  findings.map(({ level, file, offset, what }) => `${level} ${file}:${offset} ${what}`);

/** Where the log of a segment ends. */
function endOf(path: string): number {
  const bytes = readFileSync(path);
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  return end;
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  await inTemporary(async (root) => {
    const directory = join(root, "data");
    await makeDirectory(directory, PLAN);
    await body(directory);
  });
}

Deno.test("a directory on which a server starts is sound, and what it holds is told", () =>
  withDirectory(async (directory) => {
    const before = contentOf(directory);
    const { findings, identity, base, state, snapshots, segments, records } = await verify(files, directory);
    assertEquals(shown(findings), []);
    assertEquals(identity?.serverId, "n1");
    assertGreaterOrEqual(segments, 3);
    assertGreaterOrEqual(records, 70);
    assert(must(base, "It is whole").index > 0, "the first segments are gone");
    assertEquals(state?.last, { index: 140, term: 1 });
    assertEquals(state?.commitIndex, 138);
    assertEquals(snapshots.map(({ meta, keys }) => [meta.index, keys]), [[80, 80], [50, 50]]);
    assertEquals(contentOf(directory), before, "nothing was written");
  }));

Deno.test("it is sound while a server has it open, and the claim is left alone", () =>
  withDirectory(async (directory) => {
    const owner = { serverId: "n1", clusterId: "workshop", members: ["n1", "n2", "n3"] };
    const opened = await openDirectory(directory, new KeyValueMachine(), owner);
    try {
      assertEquals(shown((await verify(files, directory)).findings), []);
    } finally {
      await opened.close();
    }
  }));

Deno.test("segments alone, as in an archive, are read by themselves", () =>
  withDirectory(async (directory) => {
    const { findings, state } = await verify(files, join(directory, "log"));
    assertEquals(damagesOf(findings), []);
    assertEquals(findings.map(({ what }) => what), [
      "the last segment has no footer: it was still written, or its end is missing",
    ]);
    assertEquals(state?.last.index, 140);
  }));

Deno.test("every changed byte that counts is found, in the file and not behind its place", () =>
  withDirectory(async (directory) => {
    const last = must(segmentsOf(directory).at(-1), "There is one");
    let tried = 0;
    for (const [path, bytes] of contentOf(directory)) {
      // The reserve is written over before it is used.
      if (path === "lock" || path === "log/reserve" || path.endsWith(".tmp")) continue;
      const original = join(directory, path);
      const isSegment = path.endsWith(".seg");
      const end = isSegment ? endOf(original) : bytes.length;
      // Where a batch of the last segment was the last one, damage looks like a write that was torn.
      const counted = original === last ? end - 700 : end;
      const step = isSegment ? 397 : path === "identity" ? 23 : 1571;
      for (let offset = 0; offset < counted; offset += step) {
        if (isSegment && offset > 600 && offset < HEADER_BYTES - step) continue;
        // What is between the batches and the footer is nobody's.
        if (isSegment && bytes.subarray(offset, footerPlace(bytes.length)).every((byte) => byte === 0)) {
          if (offset < footerPlace(bytes.length)) continue;
        }
        flip(original, offset);
        const damages = damagesOf((await verify(files, directory)).findings);
        flip(original, offset);
        tried++;
        assert(
          damages.some(({ file, offset: at }) => file === original && at <= offset),
          `${path}:${offset}: ${shown(damages)}`,
        );
      }
    }
    assertGreaterOrEqual(tried, 150);
  }));

Deno.test("behind a header that is damaged everything else is read, by what the footer says", () =>
  withDirectory(async (directory) => {
    const [, second] = segmentsOf(directory);
    assert(second !== undefined);
    flip(second, 20);
    const before = (await verify(files, directory)).findings;
    assertEquals(damagesOf(before).map(({ file, offset }) => [file, offset]), [[second, 0]]);
    // Not the first batch says whose batches they are, which may be damaged too.
    flip(second, HEADER_BYTES + 10);
    const { findings } = await verify(files, directory);
    assertEquals(damagesOf(findings).map(({ file, offset }) => [file, offset]), [
      [second, 0],
      [second, HEADER_BYTES],
    ]);
  }));

Deno.test("damage at several places has a finding for each, and is not told twice", () =>
  withDirectory(async (directory) => {
    const segments = segmentsOf(directory);
    const [first, second] = segments;
    const last = must(segments.at(-1), "There is one");
    assert(first !== undefined && second !== undefined && last !== second, "there are three segments");
    flip(first, 6000);
    flip(first, 10_000);
    flip(second, 20);
    flip(second, 9000);
    flip(join(directory, "snapshots", "snap-0000000000000050-1.snap"), 700);
    const damages = damagesOf((await verify(files, directory)).findings);
    assertEquals(
      damages.map(({ file }) => file.slice(directory.length + 1)),
      [
        ...[first, first, second, second].map((path) => path.slice(directory.length + 1)),
        "snapshots/snap-0000000000000050-1.snap",
      ],
      shown(damages).join("\n"),
    );
  }));

Deno.test("a last batch that rotted after a clean end is damage: the promises say that it was durable", () =>
  withDirectory(async (directory) => {
    const last = must(segmentsOf(directory).at(-1), "There is one");
    flip(last, endOf(last) - 1);
    const { findings } = await verify(files, directory);
    assert(
      shown(damagesOf(findings)).some((line) => line.includes("was on the disk")),
      shown(findings).join("\n"),
    );
  }));

Deno.test("a torn tail is told, and is no damage", () =>
  withDirectory(async (directory) => {
    const last = must(segmentsOf(directory).at(-1), "There is one");
    flip(last, endOf(last) - 1);
    // As after a kill: nobody wrote down that the last batch was durable.
    const { clusterId, serverId } = await readIdentity(files, directory);
    const found = await readPromises(files, directory, { clusterId, serverId });
    const promises = { ...must(found.promises, "They are there"), lastBatch: 1 };
    const file = await PromisesFile.open(files, directory, { clusterId, serverId }, promises, found.sequence);
    await file.close();
    const { findings } = await verify(files, directory);
    assertEquals(findings.map(({ level, file }) => [level, file]), [["note", last]]);
    assert(must(findings[0], "There is one").what.startsWith("torn tail"));
  }));

/** What is done to a directory, and in which file the finding is. */
const missing: readonly {
  readonly name: string;
  readonly change: (directory: string) => void;
  readonly finding: RegExp;
}[] = [
  {
    name: "a segment in the middle",
    change: (directory) => rmSync(must(segmentsOf(directory)[1], "There is one")),
    finding: /log-0{9}\d\.seg:0 the segment is missing/,
  },
  {
    name: "the first segment, which the snapshots do not cover",
    change: (directory) => {
      const [first, second] = segmentsOf(directory);
      rmSync(must(first, "There is one"));
      rmSync(must(second, "There is one"));
    },
    finding: /snapshots:0 the log begins behind index \d+, and only a snapshot of index 80/,
  },
  {
    name: "all snapshots",
    change: (directory) => rmSync(join(directory, "snapshots"), { recursive: true }),
    finding: /snapshots:0 the log begins behind index \d+, and no whole snapshot covers/,
  },
  {
    name: "the identity",
    change: (directory) => rmSync(join(directory, "identity")),
    finding: /identity:0 the identity is missing/,
  },
  {
    name: "the log",
    change: (directory) => rmSync(join(directory, "log"), { recursive: true }),
    finding: /log:0 the log is missing/,
  },
  {
    name: "the end of a closed segment",
    change: (directory) => truncateSync(must(segmentsOf(directory)[0], "There is one"), 8000),
    finding: /\.seg:\d+ .*the log of this segment ends at \d+/,
  },
  {
    name: "the end of a snapshot",
    change: (directory) => truncateSync(join(directory, "snapshots", "snap-0000000000000080-1.snap"), 9000),
    finding: /snap-0000000000000080-1\.snap:\d+ /,
  },
  {
    name: "the right name of a segment",
    change: (directory) => {
      const [first, second] = segmentsOf(directory).map((path) => must(path, "There is one"));
      assert(first !== undefined && second !== undefined);
      renameSync(first, `${first}.away`);
      renameSync(second, first);
      renameSync(`${first}.away`, second);
    },
    finding: /the header says segment \d+, the name \d+/,
  },
];

for (const { name, change, finding } of missing) {
  Deno.test(`what is missing is found: ${name}`, () =>
    withDirectory(async (directory) => {
      change(directory);
      const lines = shown(damagesOf((await verify(files, directory)).findings));
      assert(lines.some((line) => finding.test(line)), lines.join("\n"));
    }));
}

Deno.test("a segment of another life is told from the one that was there, though all else fits", () =>
  withDirectory(async (directory) => {
    const other = `${directory} of another life`;
    await makeDirectory(other, PLAN);
    const [first, second] = [directory, other].map((one) => must(segmentsOf(one)[1], "There is one"));
    assert(first !== undefined && second !== undefined);
    cpSync(second, first);
    const lines = shown(damagesOf((await verify(files, directory)).findings));
    assertMatch(lines[0] ?? "", /\.seg:0 the header goes on after batch \d+, the log before ends with \d+/);
  }));

Deno.test("what is left over and what is unknown is told, and is no damage", () =>
  withDirectory(async (directory) => {
    writeFileSync(join(directory, "log", "log-0000000009.seg.tmp"), "half");
    writeFileSync(join(directory, "log", "README"), "hello");
    writeFileSync(join(directory, "snapshots", "taking.tmp"), "half");
    const { findings } = await verify(files, directory);
    assertEquals(findings.map(({ level }) => level), ["note", "note", "note"]);
  }));
