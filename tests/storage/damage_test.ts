/**
 * Kind: property (every bit and every length of a small log, exhaustively).
 *
 * Invariant: a log of which one bit was changed, or whose last segment is shorter, is never read as something else without a word. Either it is
 * refused as damage, with file and offset and nothing changed; or what is behind the last whole batch is cut as a torn tail, which is said;
 * or the bit is one that nothing rests on. What is recovered is always the fold of the first batches, whole.
 *
 * Learnt: two things look like a log that was never longer, and are not told apart: a last segment that was cut exactly where
 * a batch ends, and a last segment that is missing as a whole.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { readUint32 } from "../../internal/base/bytes.ts";
import { CorruptLogError, ExitCode } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { FileError, type FileHandle, type FileSystem } from "../../internal/platform/file_system.ts";
import type { HardState } from "../../internal/raft/types.ts";
import { BatchMemory } from "../../internal/storage/batch_memory.ts";
import type { BirthMember } from "../../internal/storage/identity.ts";
import { recoverLog } from "../../internal/storage/recovery.ts";
import {
  BATCH_HEADER_BYTES,
  decodeBatchHeader,
  decodeSegmentHeader,
  encodeBatch,
  encodeSegmentHeader,
  type SegmentHeader,
} from "../../internal/storage/segment.ts";
import { EMPTY, inFirstFormat, lineOf, Log, Machine, OWNER, pathOf, type State, Writer } from "./lab.ts";

/** A batch of the log: where it stands, and the state after it. */
interface Batch {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  readonly state: State;
}

/** Of a server that is the only one. */
const ALONE = OWNER.members.slice(0, 1);

interface SmallLog {
  readonly machine: Machine;
  readonly batches: readonly Batch[];
  readonly last: string;
}

const HEADER_BYTES = 4096;
const FOOTER_BYTES = 4096;
const FOOTER_AT = HEADER_BYTES + 1024;
const SMALL_SEGMENT_BYTES = FOOTER_AT + FOOTER_BYTES;
const FOOTER_DAMAGED = "the footer of a segment is damaged, and nothing is lost by it";
const FOOTER_AGAIN = "a footer that is not whole is written anew";

/** A log of two segments, the first closed, with a few batches in each. */
async function smallLog(members: readonly BirthMember[] = OWNER.members): Promise<SmallLog> {
  await loadCrc32c();
  const machine = new Machine("small");
  machine.segmentBytes = SMALL_SEGMENT_BYTES;
  const writer = new Writer(new SeededRandom("small writes"));
  writer.payloadBytesMax = 150;
  const batches: Batch[] = [];
  await machine.run(async () => {
    const { store, until, close } = await machine.open({ members });
    while (batches.filter(({ path }) => path === pathOf(2)).length < 4) {
      store.write(writer.any());
      await until(writer.number);
      const path = must(
        machine.disk.durablePaths().findLast((path) => path.endsWith(".seg")),
        "There is one",
      );
      assert(path <= pathOf(2), "the seed and the sizes fit");
      const bytes = must(machine.disk.durableBytes(path), "It is there");
      const before = batches.at(-1);
      const from = before?.path === path ? before.to : HEADER_BYTES;
      const to = from + Math.ceil((40 + readUint32(bytes, from + 24)) / 8) * 8;
      batches.push({ path, from, to, state: writer.state });
    }
    await close();
  });
  assertGreaterOrEqual(batches.filter(({ path }) => path === pathOf(1)).length, 3);
  return { machine, batches, last: pathOf(2) };
}

/** Files in memory that can be read only; everything else fails. So that recovery can be asked a hundred thousand times. */
class ReadOnlyFiles implements FileSystem {
  readonly #files: ReadonlyMap<string, Uint8Array>;

  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.#files = files;
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(0);
  }

  readDirectory(path: string): Promise<string[]> {
    const names = [...this.#files.keys()].filter((name) => name.startsWith(`${path}/`));
    return Promise.resolve(names.map((name) => name.slice(path.length + 1)));
  }

  openForReading(path: string): Promise<FileHandle> {
    const bytes = this.#files.get(path);
    if (bytes === undefined) return Promise.reject(new FileError("ENOENT", path));
    return Promise.resolve({
      path,
      size: () => Promise.resolve(bytes.length),
      links: () => Promise.resolve(1),
      readAt: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
      writeAt: refuse,
      writeSynced: refuse,
      sync: refuse,
      close: () => Promise.resolve(),
    });
  }

  readonly openForWriting = refuse;
  readonly create = refuse;
  readonly rename = refuse;
  readonly remove = refuse;
  readonly makeDirectory = refuse;
  readonly syncDirectory = refuse;
  readonly lockDirectory = refuse;
}

function refuse(): Promise<never> {
  return Promise.reject(new FileError("EROFS", "recovery changes nothing"));
}

interface Outcome {
  /** The state that was recovered, or the damage that was found. */
  readonly found: State | CorruptLogError;
  /** What was said of footers. */
  readonly footers: readonly (readonly [event: string, file: unknown, offset: unknown])[];
  readonly torn: readonly { readonly file: unknown; readonly offset: unknown }[];
}

/** Reads a log; throws whatever is neither a log nor damage. */
async function recover(files: ReadonlyMap<string, Uint8Array>): Promise<Outcome> {
  const log = new Log();
  let found: State | CorruptLogError;
  try {
    const { state, entries } = await recoverLog(new ReadOnlyFiles(files), "data/log", OWNER, log);
    found = { hardState: state.hardState, entries };
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    found = error;
  }
  const torn = log.all("torn tail is cut").map(({ fields }) => ({
    file: fields["file"],
    offset: fields["offset"],
  }));
  const footers = log.said.filter(({ event }) => event.includes("footer"))
    .map(({ event, fields }) => [event, fields["file"], fields["offset"]] as const);
  return { found, torn, footers };
}

function segmentsOf(machine: Machine): Map<string, Uint8Array> {
  return new Map([...machine.durable()].filter(([path]) => path.endsWith(".seg")));
}

/** The state after that many batches. */
function after(batches: readonly Batch[], count: number): string {
  return lineOf(count === 0 ? EMPTY : must(batches[count - 1], "There are that many").state);
}

/** Where the batch or header begins that a byte of a segment belongs to; `null` behind the last batch. */
function partOf(batches: readonly Batch[], path: string, offset: number): number | null {
  if (offset < HEADER_BYTES) return 0;
  return batches.find((batch) => batch.path === path && offset >= batch.from && offset < batch.to)?.from ??
    null;
}

Deno.test("every single bit of a closed and of a last segment: damage, a torn tail, or nothing at all", async () => {
  const { machine, batches, last } = await smallLog();
  const whole = after(batches, batches.length);
  const files = segmentsOf(machine);
  const untouched = await recover(files);
  assertEquals(untouched.found instanceof CorruptLogError ? "damage" : lineOf(untouched.found), whole);
  const lastBatch = must(batches.at(-1), "There are some");
  const counts = { damage: 0, torn: 0, nothing: 0, footer: 0 };
  for (const [path, bytes] of files) {
    for (let offset = 0; offset < bytes.length; offset++) {
      const part = partOf(batches, path, offset);
      for (let bit = 0; bit < 8; bit++) {
        // The zeros of a header block are covered by one checksum: a bit of each byte is enough.
        const inFooter = offset - FOOTER_AT;
        if ((part === 0 || inFooter >= 0) && offset % HEADER_BYTES >= 256 && bit !== offset % 8) continue;
        bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
        const { found, torn, footers } = await recover(files);
        bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
        const where = `bit ${bit} of byte ${offset} of ${path}`;
        if (path === last && part === lastBatch.from) {
          assert(!(found instanceof CorruptLogError), where);
          assertEquals(lineOf(found), after(batches, batches.length - 1), where);
          assertEquals(torn, [{ file: path, offset: part }], where);
          counts.torn++;
        } else if (part !== null) {
          assert(found instanceof CorruptLogError, `${where} was not noticed`);
          assertEquals([found.file, found.offset, found.exitCode], [path, part, ExitCode.damagedData], where);
          assertEquals(torn, [], where);
          counts.damage++;
        } else if (inFooter >= 0) {
          // Whatever is wrong with a footer, what it says is said by others too.
          assert(!(found instanceof CorruptLogError), where);
          assertEquals(lineOf(found), whole, where);
          const what = path === last ? FOOTER_AGAIN : FOOTER_DAMAGED;
          assertEquals([torn, footers], [[], [[what, path, FOOTER_AT]]], where);
          counts.footer++;
        } else {
          // Behind the last batch: nothing rests on it. In the last segment it is said all the same.
          assert(!(found instanceof CorruptLogError), where);
          assertEquals(lineOf(found), whole, where);
          assertEquals(torn, path === last ? [{ file: path, offset: lastBatch.to }] : [], where);
          counts.nothing++;
        }
      }
    }
  }
  assertGreaterOrEqual(counts.damage, 10_000);
  assertGreaterOrEqual(counts.torn, 8 * 40);
  assertGreaterOrEqual(counts.nothing, 8);
  assertGreaterOrEqual(counts.footer, 2 * FOOTER_BYTES);
});

Deno.test("every length of the last segment is damage where a batch may be gone: the file was longer when it got its name", async () => {
  const { machine, batches, last } = await smallLog();
  const files = segmentsOf(machine);
  const bytes = must(files.get(last), "It is there");
  for (let length = 0; length < bytes.length; length++) {
    const { found, footers } = await recover(new Map([...files, [last, bytes.subarray(0, length)]]));
    const end = batches.findLast(({ path, to }) => path === last && to <= length)?.to ?? HEADER_BYTES;
    const isCut = !bytes.subarray(end, length).every((byte) => byte === 0);
    const where = `${length} bytes of ${bytes.length}`;
    if (length > end && !isCut) {
      // No batch begins with a zero.
      assert(!(found instanceof CorruptLogError), where);
      assertEquals(lineOf(found), after(batches, batches.length), where);
      assertEquals(footers, [[FOOTER_AGAIN, last, FOOTER_AT]], where);
      continue;
    }
    assert(found instanceof CorruptLogError, where);
    assertEquals([found.file, found.offset], [last, length < HEADER_BYTES ? 0 : end], where);
  }
});

Deno.test("every length of the last segment in format 1: refused, or whole batches with the rest cut and said", async () => {
  const { machine, batches, last } = await smallLog();
  const files = new Map([...segmentsOf(machine)].map(([path, bytes]) => [path, inFirstFormat(bytes)]));
  const bytes = must(files.get(last), "It is there");
  const inFirst = batches.filter(({ path }) => path !== last).length;
  for (let length = 0; length < bytes.length; length++) {
    const { found, torn } = await recover(new Map([...files, [last, bytes.subarray(0, length)]]));
    const where = `${length} bytes of ${bytes.length}`;
    if (length < HEADER_BYTES) {
      assert(found instanceof CorruptLogError, where);
      assertEquals([found.file, found.offset], [last, 0], where);
      continue;
    }
    assert(!(found instanceof CorruptLogError), where);
    const there = batches.filter(({ path, to }) => path === last && to <= length);
    assertEquals(lineOf(found), after(batches, inFirst + there.length), where);
    // A part of a batch is always said. Zeros alone, or nothing at all, are no part of one.
    const end = there.at(-1)?.to ?? HEADER_BYTES;
    const isCut = !bytes.subarray(end, length).every((byte) => byte === 0);
    assertEquals(torn, isCut ? [{ file: last, offset: end }] : [], where);
  }
});

Deno.test("every length of a closed segment is damage, up to where the next one says that it ended", async () => {
  const { machine, batches, last } = await smallLog();
  const files = segmentsOf(machine);
  const first = pathOf(1);
  const bytes = must(files.get(first), "It is there");
  const end = must(batches.findLast(({ path }) => path === first), "There are some").to;
  assert(last !== first);
  for (let length = 0; length < end; length++) {
    const { found } = await recover(new Map([...files, [first, bytes.subarray(0, length)]]));
    assert(found instanceof CorruptLogError, `${length} bytes`);
    assertEquals(
      [found.file, found.offset],
      [first, partOf(batches, first, length) ?? -1],
      `${length} bytes`,
    );
  }
});

Deno.test("after every cut of the last segment the server starts, goes on, and says the cut once", async () => {
  const { machine, batches, last } = await smallLog();
  const lastBatch = must(batches.at(-1), "There are some");
  const content = must(machine.disk.durableBytes(last), "It is there").subarray(0, lastBatch.to);
  const end = content.findLastIndex((byte) => byte !== 0);
  for (let length = lastBatch.from + 1; length <= end; length += 3) {
    const copy = machine.copy(`cut/${length}`);
    copy.segmentBytes = machine.segmentBytes;
    copy.damage(last, (bytes) => bytes.fill(0, length));
    // Nobody wrote down that the last batch was durable.
    copy.damage("data/promises", () => null);
    await copy.run(async () => {
      const opened = await copy.open();
      assertEquals(lineOf(opened.recovered), after(batches, batches.length - 1));
      assertEquals(copy.log.all("torn tail is cut").length, 1);
      const writer = new Writer(new SeededRandom(`more/${length}`), opened.recovered);
      for (let i = 0; i < 6; i++) {
        opened.store.write(writer.any());
        await opened.until(writer.number);
      }
      await opened.close();
      copy.restart("crash");
      assertEquals(lineOf((await copy.open()).recovered), lineOf(writer.state), `${length} bytes`);
      assertEquals(copy.log.all("torn tail is cut").length, 1);
    });
  }
});

/** The last batch once more, in another dress, with checksums that hold. */
type Dress = { readonly number: number; readonly nonce: Uint8Array; readonly chain: number };

for (
  const [what, change] of [
    ["of another segment", (dress) => ({ ...dress, nonce: dress.nonce.map((byte) => byte ^ 1) })],
    ["that does not go on from the one before it", (dress) => ({ ...dress, chain: (dress.chain ^ 1) >>> 0 })],
    ["with a number that is not its turn", (dress) => ({ ...dress, number: dress.number + 1 })],
    ["as it was", (dress) => dress],
  ] satisfies readonly (readonly [string, (dress: Dress) => Dress])[]
) {
  Deno.test(`W8: a last batch ${what}, under checksums that hold, is ${what === "as it was" ? "a" : "no"} batch`, async () => {
    const { machine, batches, last } = await smallLog();
    const { from, to } = must(batches.at(-1), "There are some");
    machine.damage(last, (bytes) => {
      const segment = decodeSegmentHeader(bytes);
      assert(typeof segment !== "string");
      const header = decodeBatchHeader(bytes, from, segment.nonce);
      assert(typeof header !== "string");
      const records = bytes.slice(from + BATCH_HEADER_BYTES, from + BATCH_HEADER_BYTES + header.recordBytes);
      const { number, chain } = header;
      const again =
        encodeBatch([records], change({ number, chain, nonce: segment.nonce }), new BatchMemory()).bytes;
      assertEquals(again.length, to - from);
      bytes.set(again, from);
      return bytes;
    });
    const { found, torn } = await recover(segmentsOf(machine));
    assert(!(found instanceof CorruptLogError));
    const isWhole = what === "as it was";
    assertEquals(lineOf(found), after(batches, isWhole ? batches.length : batches.length - 1));
    assertEquals(torn.length, isWhole ? 0 : 1);
  });
}

Deno.test("W3: what a torn tail leaves behind is not in the way of what comes after it", async () => {
  await loadCrc32c();
  const machine = new Machine("rubbish");
  await machine.run(async () => {
    const { store, until, close } = await machine.open();
    const writer = new Writer(new SeededRandom("rubbish"));
    store.write(writer.entry(50));
    await until(writer.number);
    const whole = writer.state;
    store.write(writer.entry(3000));
    await until(writer.number);
    await close();
    machine.damage(pathOf(1), (bytes) => flip(bytes, bytes.findLastIndex((byte) => byte !== 0)));
    // Nobody wrote down that the last batch was durable.
    machine.damage("data/promises", () => null);
    machine.restart("crash");
    const opened = await machine.open();
    assertEquals(lineOf(opened.recovered), lineOf(whole));
    const later = new Writer(new SeededRandom("later"), whole);
    opened.store.write(later.entry(50));
    await opened.until(later.number);
    await opened.close();
    machine.restart("crash");
    assertEquals(lineOf((await machine.open()).recovered), lineOf(later.state));
    assertEquals(machine.log.all("torn tail is cut").length, 1);
  });
});

/* ---- damage as an operator meets it: the whole server is asked, and nothing may be changed ---- */

interface Damage {
  readonly what: string;
  readonly file: string;
  readonly offset: (batches: readonly Batch[]) => number;
  readonly found: string;
  do(machine: Machine, batches: readonly Batch[]): void;
}

function flip(bytes: Uint8Array, offset: number): Uint8Array {
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  return bytes;
}

/** The batch of a segment with that number, from 0. */
function batchOf(batches: readonly Batch[], path: string, number: number): Batch {
  return must(batches.filter((batch) => batch.path === path)[number], "There is such a batch");
}

type Reheading = (header: SegmentHeader) => SegmentHeader;

function withHardState(old: SegmentHeader, change: Partial<HardState>): SegmentHeader {
  return { ...old, state: { ...old.state, hardState: { ...old.state.hardState, ...change } } };
}

/** Gives the second segment another header, with a checksum that fits. */
function reheader(machine: Machine, change: Reheading): void {
  machine.damage(pathOf(2), (bytes) => {
    const header = decodeSegmentHeader(bytes);
    assert(typeof header !== "string");
    bytes.set(encodeSegmentHeader({ ...change(header), bytes: bytes.length }));
    return bytes;
  });
}

const HEADERS: readonly (readonly [string, string, Reheading])[] = [
  ["that it is another segment", "the header says segment 3, the name 2", (old) => ({ ...old, serial: 3 })],
  ["that another segment is before it", "segment 5 is before it", (old) => ({ ...old, previousSerial: 5 })],
  [
    "that a batch is missing before it",
    "the log before ends with",
    (old) => ({ ...old, lastBatch: old.lastBatch + 1 }),
  ],
  [
    "that another log is before it",
    "the header goes on after batch",
    (old) => ({ ...old, chain: (old.chain ^ 1) >>> 0 }),
  ],
  [
    "another term",
    "the log before came to",
    (old) => withHardState(old, { currentTerm: old.state.hardState.currentTerm + 1 }),
  ],
  [
    "another vote",
    "the log before came to",
    (old) => withHardState(old, { votedFor: "n9" }),
  ],
  ["another cluster", "belongs to server n1 of cluster other", (old) => ({ ...old, clusterId: "other" })],
  ["another server", "belongs to server n7 of cluster lab", (old) => ({ ...old, serverId: "n7" })],
];

const DAMAGES: readonly Damage[] = [
  {
    what: "a batch of the last segment with others behind it",
    file: pathOf(2),
    offset: (batches) => batchOf(batches, pathOf(2), 1).from,
    found: "checksum of the batch's records",
    do: (machine, batches) =>
      machine.damage(pathOf(2), (bytes) => flip(bytes, batchOf(batches, pathOf(2), 1).from + 45)),
  },
  {
    what: "the last batch of a closed segment",
    file: pathOf(1),
    offset: (batches) => must(batches.findLast(({ path }) => path === pathOf(1)), "Some").from,
    found: "the log goes on in the next segment",
    do: (machine, batches) =>
      machine.damage(
        pathOf(1),
        (bytes) => flip(bytes, must(batches.findLast(({ path }) => path === pathOf(1)), "Some").from + 41),
      ),
  },
  {
    what: "a batch that is zeros now, with others behind it",
    file: pathOf(2),
    offset: (batches) => batchOf(batches, pathOf(2), 0).from,
    found: "no batch begins here",
    do: (machine, batches) =>
      machine.damage(pathOf(2), (bytes) => {
        const { from, to } = batchOf(batches, pathOf(2), 0);
        return bytes.fill(0, from, to);
      }),
  },
  {
    what: "a batch that was copied to where the next one was",
    file: pathOf(2),
    offset: (batches) => batchOf(batches, pathOf(2), 1).from,
    found: "follows batch",
    do: (machine, batches) =>
      machine.damage(pathOf(2), (bytes) => {
        const { from, to } = batchOf(batches, pathOf(2), 0);
        bytes.copyWithin(to, from, to);
        return bytes;
      }),
  },
  {
    what: "an empty segment file",
    file: pathOf(2),
    offset: () => 0,
    found: "the file 0",
    do: (machine) => machine.damage(pathOf(2), () => new Uint8Array(0)),
  },
  {
    what: "a segment of zeros",
    file: pathOf(2),
    offset: () => 0,
    found: "does not begin as a segment of the log does",
    do: (machine) => machine.damage(pathOf(2), (bytes) => bytes.fill(0)),
  },
  {
    what: "a segment under the name of another",
    file: pathOf(1),
    offset: () => 0,
    found: "the header says segment 2, the name 1",
    do: (machine) =>
      machine.damage(pathOf(1), () => must(machine.disk.durableBytes(pathOf(2)), "There").slice()),
  },
  ...HEADERS.map(([what, found, change]): Damage => ({
    what: `a header that says ${what}, under a checksum that is right`,
    file: pathOf(2),
    offset: () => 0,
    found,
    do: (machine) => reheader(machine, change),
  })),
  ...[-8, 8].map((by): Damage => ({
    what: `a header that says that the segment before ends ${by} bytes later than it does`,
    file: pathOf(1),
    offset: (batches) => must(batches.findLast(({ path }) => path === pathOf(1)), "Some").to,
    found: by < 0 ? "the next segment says that this one ends at" : "the log goes on in the next segment",
    do: (machine) => reheader(machine, (header) => ({ ...header, previousEnd: header.previousEnd + by })),
  })),
];

for (const { what, file, offset, found, do: damage } of DAMAGES) {
  Deno.test(`${what} is damage: a server that is alone says where, does not start, and changes nothing`, async () => {
    const { machine, batches } = await smallLog(ALONE);
    damage(machine, batches);
    machine.restart("crash");
    const before = machine.durable();
    await machine.run(async () => {
      const error = await assertRejects(() => machine.open(), CorruptLogError, found);
      assertEquals([error.file, error.offset, error.exitCode], [file, offset(batches), ExitCode.damagedData]);
      machine.restart("crash");
      assertEquals(machine.durable(), before);
      // The claim was given back: it is the same damage again, and not "in use".
      await assertRejects(() => machine.open(), CorruptLogError, found);
    });
  });
}

Deno.test("a first segment that is missing, with no snapshot that covers it, is damage, and nothing is changed", async () => {
  const { machine } = await smallLog(ALONE);
  machine.damage(pathOf(1), () => null);
  machine.restart("crash");
  const before = machine.durable();
  await machine.run(async () => {
    await assertRejects(() => machine.open(), CorruptLogError, "the log begins behind index 1");
    machine.restart("crash");
    assertEquals(machine.durable(), before);
  });
});
