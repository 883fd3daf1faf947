/**
 * Kind: property (random writes from a seed) and integration (a real disk).
 *
 * Invariant: what is reopened is the fold of what was written, exactly: entries, hard state and truncations, over any number of segments. What is
 * said to be stable is on the disk at that very moment. A closed segment is never changed again.
 *
 * Learnt: nothing yet that is not in the design.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { DiskFileSystem } from "../../internal/host/disk_file_system.ts";
import type { WriteEffect } from "../../internal/raft/effect.ts";
import { openDataDirectory } from "../../internal/storage/data_directory.ts";
import {
  EMPTY,
  folded,
  lineOf,
  Log,
  Machine,
  NO_MACHINE,
  OWNER,
  pathOf,
  SEGMENT_BYTES,
  type State,
  Writer,
} from "./lab.ts";

const SEEDS = 60;

Deno.test(`random writes over ${SEEDS} seeds, closed and reopened again and again, come back as their fold`, async () => {
  await loadCrc32c();
  let segments = 0;
  let truncations = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new SeededRandom(`round trip/${seed}`);
    const machine = new Machine(`machine/${seed}`);
    const writer = new Writer(random);
    if (seed % 5 === 0) writer.payloadBytesMax = 2 * SEGMENT_BYTES;
    await machine.run(async () => {
      for (let life = 0; life < 4; life++) {
        const opened = await machine.open();
        assertEquals(lineOf(opened.recovered), lineOf(writer.state), `seed ${seed}, life ${life}`);
        for (let i = random.below(25); i > 0; i--) {
          const write = writer.any();
          if (write.truncateFrom !== null) truncations++;
          opened.store.write(write);
          if (random.chance(1, 3)) await opened.until(write.number);
        }
        await opened.close();
        assertEquals(opened.events.filter((event) => typeof event !== "number"), []);
        // A life without a write has nothing to say.
        if (opened.events.length > 0) {
          assertEquals(opened.stable(), writer.number, "close waits for the queue");
        }
      }
    });
    segments += machine.disk.durablePaths().length - 1;
    assertEquals(machine.log.all("torn tail is cut"), []);
  }
  assertGreaterOrEqual(segments, 3 * SEEDS);
  assertGreaterOrEqual(truncations, 2 * SEEDS);
});

Deno.test("what is said to be stable is durable at that moment, and nothing that was not asked for", async () => {
  await loadCrc32c();
  const machine = new Machine("stable");
  const writer = new Writer(new SeededRandom("stable writes"));
  const states: State[] = [EMPTY];
  const checks: { readonly upTo: number; readonly then: Machine }[] = [];
  machine.onStable = (upTo) => checks.push({ upTo, then: machine.copy() });
  await machine.run(async () => {
    const { store, until, close } = await machine.open();
    for (let i = 0; i < 60; i++) {
      const write = writer.any();
      states.push(writer.state);
      store.write(write);
      if (i % 3 === 0) await until(write.number);
    }
    await close();
  });
  assertGreaterOrEqual(checks.length, 20);
  for (const { upTo, then } of checks) {
    await then.run(async () => {
      assertEquals(lineOf((await then.open()).recovered), lineOf(states[upTo] ?? EMPTY), `write ${upTo}`);
    });
  }
});

Deno.test("segments are numbered without a gap, and one that was left is never changed", async () => {
  await loadCrc32c();
  const machine = new Machine("roll");
  const writer = new Writer(new SeededRandom("roll writes"));
  let before = new Map<string, Uint8Array>();
  await machine.run(async () => {
    const { store, until, close } = await machine.open();
    for (let i = 0; i < 60; i++) {
      store.write(writer.entry(1000));
      await until(writer.number);
      const paths = machine.disk.durablePaths().filter((path) => path.endsWith(".seg"));
      assertEquals(paths, paths.map((_, i) => pathOf(i + 1)));
      // The last one is being written, all others are closed.
      for (const path of paths.slice(0, -1)) {
        const now = machine.disk.durableBytes(path);
        assertEquals(now?.length, SEGMENT_BYTES);
        const then = before.get(path);
        if (then !== undefined) assert(now?.every((byte, i) => byte === then[i]), `${path} was changed`);
      }
      before = new Map([...machine.durable()].filter(([path]) => paths.slice(0, -1).includes(path)));
    }
    assertGreaterOrEqual(before.size, 4);
    await close();
    const { recovered } = await machine.open();
    assertEquals(lineOf(recovered), lineOf(writer.state));
  });
});

Deno.test("a write that is longer than a segment gets one that fits, and the next ones are as ever", async () => {
  await loadCrc32c();
  for (const bytes of [SEGMENT_BYTES - 2 * 4096 - 40 - 25 - 8, SEGMENT_BYTES, 5 * SEGMENT_BYTES + 3]) {
    for (const before of [0, 500, 9000]) {
      const machine = new Machine(`long/${bytes}`);
      const writer = new Writer(new SeededRandom("long writes"));
      await machine.run(async () => {
        const { store, until, close } = await machine.open();
        for (const size of [before, bytes, 10, 9000, 9000]) {
          store.write(writer.entry(size));
          await until(writer.number);
        }
        await close();
        const { recovered } = await machine.open();
        assertEquals(lineOf(recovered), lineOf(writer.state), `${bytes} bytes after ${before}`);
      });
    }
  }
});

Deno.test("whatever the segments' size, the log reads the same, and it may change from life to life", async () => {
  await loadCrc32c();
  const machine = new Machine("sizes");
  const writer = new Writer(new SeededRandom("sizes writes"));
  await machine.run(async () => {
    for (const segmentBytes of [SEGMENT_BYTES, 9216, 64 * 1024, 8704, 3 * 1024 * 1024]) {
      machine.segmentBytes = segmentBytes;
      const { recovered, store, close } = await machine.open();
      assertEquals(lineOf(recovered), lineOf(writer.state));
      for (let i = 0; i < 15; i++) store.write(writer.any());
      await close();
    }
    assertEquals(lineOf((await machine.open()).recovered), lineOf(writer.state));
  });
});

Deno.test("what a life prepared and did not use is removed, what is not ours is left alone and said", async () => {
  await loadCrc32c();
  const machine = new Machine("leftovers");
  const writer = new Writer(new SeededRandom("leftovers writes"));
  await machine.run(async () => {
    const { store, close } = await machine.open();
    store.write(writer.entry(9000));
    await close();
    for (const name of ["next.tmp", "log-0000000002.seg.tmp", "notes.txt", "log-1.seg"]) {
      machine.disk.replace(`data/log/${name}`, new Uint8Array(SEGMENT_BYTES));
    }
    const opened = await machine.open();
    assertEquals(lineOf(opened.recovered), lineOf(writer.state));
    assertEquals(
      (await machine.files.readDirectory("data/log")).sort(),
      ["log-0000000001.seg", "log-1.seg", "notes.txt", "reserve"],
    );
    const warned = machine.log.said.filter(({ level }) => level === "warn").map(({ fields }) =>
      fields["name"]
    );
    assertEquals([...new Set(warned)].sort(), ["log-1.seg", "notes.txt"]);
    for (let i = 0; i < 5; i++) opened.store.write(writer.entry(5000));
    await opened.close();
    assertEquals(lineOf((await machine.open()).recovered), lineOf(writer.state));
  });
});

Deno.test("real disk: random writes over five lives come back as their fold, and the claim is given back", async () => {
  await loadCrc32c();
  const root = await Deno.makeTempDir({ prefix: "raftline-storage-" });
  try {
    const random = new SeededRandom("real disk");
    const writer = new Writer(random);
    for (let life = 0; life < 5; life++) {
      const { recovered, store, close } = await openDataDirectory({
        fileSystem: new DiskFileSystem(),
        directory: `${root}/deep/data`,
        random: random.fork(`life/${life}`),
        trace: new Log(),
        segmentBytes: SEGMENT_BYTES,
        wanted: OWNER,
        restore: NO_MACHINE,
      });
      assertEquals(lineOf(recovered), lineOf(writer.state), `life ${life}`);
      const stable: number[] = [];
      store.listen({
        onStable: (upTo) => stable.push(upTo),
        onFailure: (refusal) => Promise.reject(refusal),
      });
      for (let i = 0; i < 30; i++) store.write(writer.any());
      await close();
      assertEquals(stable.at(-1), writer.number);
    }
    assertGreaterOrEqual([...Deno.readDirSync(`${root}/deep/data/log`)].length, 2);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("the writes that these tests draw are of every kind", () => {
  const writer = new Writer(new SeededRandom("kinds"));
  const writes: WriteEffect[] = Array.from({ length: 1000 }, () => writer.any());
  const kinds = [
    writes.filter(({ hardState, append }) => hardState !== null && append.length === 0),
    writes.filter(({ hardState, append }) => hardState === null && append.length > 0),
    writes.filter(({ hardState, truncateFrom, append }) =>
      hardState !== null && truncateFrom !== null && append.length > 0
    ),
    writes.filter(({ truncateFrom }) => truncateFrom === 1),
    writes.filter(({ append }) => append.some(({ payload }) => payload.length === 0)),
    writes.filter(({ append }) => append.some(({ payload }) => payload.length > 1000)),
  ];
  for (const kind of kinds) assertGreaterOrEqual(kind.length, 3);
  assertEquals(lineOf(writes.reduce(folded, EMPTY)), lineOf(writer.state));
});
