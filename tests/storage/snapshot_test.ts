/**
 * Kind: unit (golden bytes, every bit, every length) and property (power failures and failing operations from a seed).
 *
 * Invariant: what has a snapshot's name is whole and durable; a snapshot that was told of is there after any crash, or a newer one is; what
 * is damaged is named, put aside, never restored and never removed, and the one before it is taken; a receipt goes on where it broke, and only what its name says
 * becomes a snapshot.
 *
 * Learnt: a name that a killed process gave without syncing the directory is as good as durable for the life that finds it, so that life
 * syncs it first. A whole snapshot takes no more than one pass to check and to restore, since the machine takes it apart as it is read.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { joined, readUint32, writeUint32 } from "../../internal/base/bytes.ts";
import { CorruptLogError } from "../../internal/base/errors.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { crc32c, loadCrc32c } from "../../internal/codec/crc32c.ts";
import { FileError } from "../../internal/platform/file_system.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import { SnapshotDesk } from "../../internal/storage/snapshot_desk.ts";
import {
  SnapshotDamage,
  SnapshotEncoder,
  type SnapshotMeta,
  snapshotName,
  snapshotPlaceOf,
} from "../../internal/storage/snapshot_file.ts";
import { type Begin, SnapshotStore, type StoredSnapshot } from "../../internal/storage/snapshot_store.ts";
import { letPromisesRun } from "../platform/drive.ts";
import { Machine } from "./lab.ts";

await loadCrc32c();

const DIRECTORY = "snapshots";
const NOTHING: Uint8Array = new Uint8Array(0);

function metaOf(index: number, term = 1): SnapshotMeta {
  return {
    clusterId: "lab",
    index,
    term,
    configurationIndex: 0,
    configuration: configurationOfVoters(["n1", "n2"]),
    digest: index * 7,
  };
}

/** Chunks that can be told from those of another index. */
function chunksOf(index: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => new Uint8Array(30 + i).fill(index * 16 + i));
}

/** Hands out chunks one by one. */
function each(chunks: readonly Uint8Array[]): () => Uint8Array | null {
  let at = 0;
  return () => chunks[at++] ?? null;
}

/** What a machine was given. */
class Taker {
  meta: SnapshotMeta | null = null;
  chunks: Uint8Array[] = [];
  isFinished = false;
  refuses: string | null = null;

  readonly begin: Begin = (meta) => {
    this.meta = meta;
    this.chunks = [];
    this.isFinished = false;
    return {
      take: (chunk) => {
        this.chunks.push(chunk.slice());
        return null;
      },
      finish: () => {
        this.isFinished = true;
        return this.refuses;
      },
    };
  };
}

async function open(machine: Machine, taker = new Taker()) {
  const options = { fileSystem: machine.files, directory: DIRECTORY, trace: machine.log, clusterId: "lab" };
  const opened = await SnapshotStore.open(
    options,
    taker.begin,
    machine.disk.paths().some((path) => path.startsWith(`${DIRECTORY}/`)),
  );
  await opened.store.prepare();
  return opened;
}

function bytesOf(meta: SnapshotMeta, chunks: readonly Uint8Array[]): Uint8Array {
  const encoder = new SnapshotEncoder();
  const parts = [encoder.head(meta), ...chunks.flatMap((chunk) => encoder.chunk(chunk)), encoder.foot()];
  return joined(parts);
}

const hexOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/* ---- the file ---- */

Deno.test("the bytes of a snapshot never change", () => {
  const configuration = { voters: ["a"], outgoing: [], learners: [], members: [] };
  const meta = { clusterId: "c", index: 5, term: 2, configurationIndex: 1, configuration, digest: 9 };
  assertEquals(
    hexOf(bytesOf(meta, [Uint8Array.of(1, 2, 3)])),
    "72616674736e6170" + // raftsnap
      "975f728310000000" + // checksum and length of the head
      "87016163050201478481616180808009" + // version, cluster, index, term, configuration's index, configuration, digest
      "03000000514e6f92010203" + // a chunk
      "000000005eb08fe40100000000000000" + // no chunk; checksum of the foot, one chunk,
      "4700000000000000198fb760", // 71 bytes, checksum over the checksums
  );
});

Deno.test("names sort as places do, and only whole names have a place", () => {
  const places = [{ index: 9, term: 12 }, { index: 10, term: 1 }, { index: 123_456_789, term: 3 }];
  const names = places.map(snapshotName);
  assertEquals([...names].sort(), names);
  assertEquals(names.map(snapshotPlaceOf), places);
  for (const name of ["taking.tmp", "snap-1-1.snap", `${names[0]}.tmp`, "", "snap-0000000000000009-.snap"]) {
    assertEquals(snapshotPlaceOf(name), null, name);
  }
});

/* ---- taking and restoring ---- */

Deno.test("a snapshot that was taken is restored by the next life, chunk by chunk", async () => {
  const machine = new Machine("take");
  await machine.run(async () => {
    const { store, restored } = await open(machine);
    assertEquals([restored, store.newest, store.coveredIndex], [null, null, 0]);
    const taken = await store.take(metaOf(8), each(chunksOf(8, 3)));
    assertEquals([store.newest, taken.id.index, taken.meta], [taken, 8, metaOf(8)]);
    machine.restart("crash");
    const taker = new Taker();
    const again = await open(machine, taker);
    assertEquals([again.restored, taker.chunks, taker.isFinished], [metaOf(8), chunksOf(8, 3), true]);
    assertEquals(again.store.newest, taken);
  });
});

Deno.test("a state of nothing is a snapshot without chunks", async () => {
  const machine = new Machine("empty");
  await machine.run(async () => {
    const { store } = await open(machine);
    await store.take(metaOf(1), () => null);
    const taker = new Taker();
    assertEquals([(await open(machine, taker)).restored, taker.chunks], [metaOf(1), []]);
  });
});

Deno.test("the newest two are kept, and the log may go up to where the older of them is", async () => {
  const machine = new Machine("keep");
  await machine.run(async () => {
    const { store } = await open(machine);
    const covered: number[] = [];
    for (const index of [3, 7, 12, 20]) {
      await store.take(metaOf(index), each(chunksOf(index, 1)));
      covered.push(store.coveredIndex);
    }
    assertEquals(covered, [0, 3, 7, 12]);
    assertEquals(machine.disk.paths().filter((path) => path.endsWith(".snap")), [
      `${DIRECTORY}/${snapshotName({ index: 12, term: 1 })}`,
      `${DIRECTORY}/${snapshotName({ index: 20, term: 1 })}`,
    ]);
  });
});

Deno.test("one that is being read stays while newer ones come, within a bound, and the log goes all the same", async () => {
  const machine = new Machine("read");
  await machine.run(async () => {
    const { store } = await open(machine);
    const taken: StoredSnapshot[] = [];
    const isHere = async ({ id }: StoredSnapshot) => {
      try {
        return (await store.read(id, 0, 8)).length === 8;
      } catch (error) {
        assert(error instanceof FileError && error.code === "ENOENT");
        return false;
      }
    };
    for (let index = 1; index <= 6; index++) {
      taken.push(await store.take(metaOf(index), each(chunksOf(index, 2))));
      assertEquals(store.coveredIndex, index - 1);
      // The first three are read all the time, as far as they are there.
      for (const one of taken.slice(0, 3)) await isHere(one);
    }
    const here: number[] = [];
    for (const one of taken) if (await isHere(one)) here.push(one.id.index);
    assertEquals(here, [2, 3, 5, 6], "the newest two, and of those that are read the newest two");
  });
});

Deno.test("two servers that take the same state write the same bytes, with the same id", async () => {
  const ids: unknown[] = [];
  for (const seed of ["one", "other"]) {
    const machine = new Machine(seed);
    await machine.run(async () => {
      const { store } = await open(machine);
      ids.push((await store.take(metaOf(8), each(chunksOf(8, 4)))).id);
    });
  }
  assertEquals(ids[0], ids[1]);
});

/* ---- damage ---- */

/** A machine with a snapshot of 4 and one of 8, and the durable bytes of the newer one. */
async function twoSnapshots(): Promise<{ machine: Machine; path: string; bytes: Uint8Array }> {
  const machine = new Machine("damage");
  await machine.run(async () => {
    const { store } = await open(machine);
    await store.take(metaOf(4), each(chunksOf(4, 2)));
    await store.take(metaOf(8), each(chunksOf(8, 2)));
  });
  machine.restart("crash");
  const path = `${DIRECTORY}/${snapshotName({ index: 8, term: 1 })}`;
  return { machine, path, bytes: must(machine.disk.durableBytes(path), "It is there") };
}

async function restoredFrom(machine: Machine): Promise<readonly [number | undefined, number]> {
  return await machine.run(async () => {
    const taker = new Taker();
    const { restored, damaged } = await open(machine, taker);
    if (restored !== null) assertEquals(taker.chunks, chunksOf(restored.index, 2));
    return [restored?.index, damaged.length] as const;
  });
}

Deno.test("every single bit that turns is found, and the snapshot before it is taken", async () => {
  const { machine, path, bytes } = await twoSnapshots();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = machine.copy();
    copy.damage(path, (found) => {
      found[bit >> 3] = (found[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return found;
    });
    assertEquals(await restoredFrom(copy), [4, 1], `bit ${bit}`);
    assertEquals(copy.log.all("a snapshot is damaged").length, 1);
    const aside = asideOf(copy, path);
    assertEquals(aside.map(([name]) => name), [`${path}.lost-1`], "what is damaged is put aside");
    assertEquals(differingBits(must(aside[0], "It is one")[1], bytes), 1, "as it is");
    if (bit % 64 !== 0) continue;
    copy.restart("crash");
    assertEquals(await restoredFrom(copy), [4, 0], `bit ${bit}, the next start`);
  }
});

/** What was put aside of a snapshot, durably, by name. */
function asideOf(machine: Machine, path: string): readonly (readonly [string, Uint8Array])[] {
  return [...machine.durable()].filter(([name]) => name.startsWith(path)).sort();
}

function differingBits(a: Uint8Array, b: Uint8Array): number {
  let count = Math.abs(a.length - b.length) * 8;
  for (const [i, byte] of a.entries()) {
    for (let left = byte ^ (b[i] ?? 0); left > 0; left >>= 1) count += left & 1;
  }
  return count;
}

Deno.test("what rots while the server is up is put aside, is not offered any more, and its place can be taken again, and again", async () => {
  const { machine, path, bytes } = await twoSnapshots();
  await machine.run(async () => {
    const { store } = await open(machine);
    const place = { index: 8, term: 1 };
    assertEquals(await store.putAside(place), false, "it is whole");
    assertEquals(await store.putAside({ index: 9, term: 1 }), false, "there is none");
    assertEquals([store.newest?.id.index, store.coveredIndex], [8, 4]);
    for (const number of [1, 2]) {
      machine.damage(path, (found) => found.fill(number, 80, 81));
      assertEquals(await store.putAside(place), true);
      assertEquals([store.newest?.id.index, store.coveredIndex], [4, 0], "the log is kept for the other one");
      const aside = asideOf(machine, path);
      assertEquals(aside.map(([name]) => name), [1, 2].slice(0, number).map((n) => `${path}.lost-${n}`));
      assertEquals(aside.map(([, bytes]) => bytes[80]), [1, 2].slice(0, number));
      await store.take(metaOf(8), each(chunksOf(8, 2)));
      assertEquals([store.newest?.id.index, store.coveredIndex], [8, 4]);
      assertEquals(machine.disk.durableBytes(path), bytes);
    }
  });
});

Deno.test("power fails while a damaged snapshot is put aside: it is there under one of its names", async () => {
  const { machine, path, bytes } = await twoSnapshots();
  for (let failing = 0, isOver = false; !isOver; failing++) {
    const copy = machine.copy(`aside/${failing}`);
    copy.damage(path, (found) => found.fill(1, 80, 81));
    let asked = 0;
    copy.disk.fault = () => asked++ >= failing ? "EIO" : null;
    await copy.run(async () => {
      try {
        await open(copy);
        isOver = true;
      } catch (error) {
        assert(error instanceof FileError, String(error));
      }
    });
    copy.disk.fault = null;
    copy.restart("crash");
    const names = asideOf(copy, path);
    assertEquals(names.length, 1, `operation ${failing}`);
    assertEquals(names[0]?.[1].length, bytes.length);
    await copy.run(() => open(copy));
    assertEquals(asideOf(copy, path).map(([name]) => name), [`${path}.lost-1`], `operation ${failing}`);
  }
});

Deno.test("a whole snapshot of another format version is not damaged: the server does not start, and nothing is put aside", async () => {
  const { machine, path } = await twoSnapshots();
  machine.damage(path, (bytes) => {
    // The head's value begins behind 16 bytes, with an array of seven of which the version is the first.
    bytes[17] = 2;
    writeUint32(bytes, 8, crc32c(bytes.subarray(12, 16 + readUint32(bytes, 12))));
    return bytes;
  });
  const before = [...machine.durable()];
  const error = await assertRejects(() => machine.run(() => open(machine)), CorruptLogError);
  assertStringIncludes(error.message, "is of another version of raftline: the format version is 2");
  assertEquals([...machine.durable()], before);
});

Deno.test("every length but its own is found", async () => {
  const { machine, path, bytes } = await twoSnapshots();
  for (let length = 0; length < bytes.length; length++) {
    const copy = machine.copy();
    copy.damage(path, (found) => found.slice(0, length));
    assertEquals(await restoredFrom(copy), [4, 1], `length ${length}`);
  }
  for (const more of [NOTHING, Uint8Array.of(0), new Uint8Array(28), bytes]) {
    const copy = machine.copy();
    copy.damage(path, (found) => Uint8Array.from([...found, ...more]));
    assertEquals(await restoredFrom(copy), more.length === 0 ? [8, 0] : [4, 1], `${more.length} more`);
  }
});

Deno.test("a snapshot of another cluster, or under the name of another place, is none", async () => {
  const { machine, path } = await twoSnapshots();
  const foreign = machine.copy();
  foreign.damage(path, () => bytesOf({ ...metaOf(8), clusterId: "other" }, chunksOf(8, 2)));
  assertEquals(await restoredFrom(foreign), [4, 1]);
  const misnamed = machine.copy();
  misnamed.damage(path, () => bytesOf(metaOf(9), chunksOf(9, 2)));
  assertEquals(await restoredFrom(misnamed), [4, 1]);
});

Deno.test("a snapshot that the machine refuses is damaged for it", async () => {
  const { machine } = await twoSnapshots();
  await machine.run(async () => {
    const taker = new Taker();
    taker.refuses = "the digest is another one";
    const { restored, damaged } = await open(machine, taker);
    assertEquals([restored, damaged.length], [null, 2]);
    assert(damaged[0]?.message.includes("the digest is another one"));
  });
});

Deno.test("a file that cannot be read is not taken for damaged, nor for absent", async () => {
  const { machine } = await twoSnapshots();
  machine.disk.fault = (operation, path) =>
    operation === "read" && path.includes("0000000008") ? "EIO" : null;
  await assertRejects(() => machine.run(() => open(machine)), Error, "EIO");
});

/* ---- power failures, and operations that fail ---- */

Deno.test("a power failure at any moment leaves the newest that was told of, or a newer one, whole", async () => {
  const count = { taken: 0, kept: 0, newer: 0, failed: 0 };
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(`snapshots/${seed}`);
    const machine = new Machine(`machine/${seed}`);
    machine.disk.timing = { writeMs: [0.02, 0.1], syncMs: [0.5, 2] };
    let told = 0;
    let asked = 0;
    for (let life = 0; life < 4; life++) {
      const taker = new Taker();
      const { store, restored, damaged } = await machine.run(() => open(machine, taker));
      const found = restored?.index ?? 0;
      assertEquals(damaged, [], `seed ${seed}`);
      assert(found >= told && found <= asked, `seed ${seed}: ${found}, told ${told}, asked ${asked}`);
      if (found > 0) assertEquals(taker.chunks, chunksOf(found, 3));
      if (found > told) count.newer++;
      else if (found > 0) count.kept++;
      told = asked = found;
      await hurriedLife(machine, random, store, (index) => {
        asked = index;
        return () => {
          told = index;
          count.taken++;
        };
      });
      count.failed += machine.disk.fault === null ? 0 : 1;
      machine.disk.fault = null;
      machine.restart(random.chance(3, 4) ? "crash" : "kill");
    }
  }
  assert(Object.values(count).every((times) => times > 50), JSON.stringify(count));
});

/** Takes snapshots one behind another until the power fails, or an operation does. */
async function hurriedLife(
  machine: Machine,
  random: Random,
  store: SnapshotStore,
  asks: (index: number) => () => void,
): Promise<void> {
  const until = machine.time.now + random.below(3000) / 100;
  const failing = random.chance(1, 3) ? random.below(20) : Infinity;
  let operations = 0;
  if (failing !== Infinity) machine.disk.fault = () => operations++ === failing ? "EIO" : null;
  let isOver = false;
  const work = async () => {
    for (let index = (store.newest?.id.index ?? 0) + 1; !isOver; index++) {
      const told = asks(index);
      try {
        await store.take(metaOf(index), each(chunksOf(index, 3)));
      } catch (error) {
        assert(error instanceof Error && error.message.includes("EIO"), String(error));
        return;
      }
      if (!isOver) told();
    }
  };
  void work();
  do await letPromisesRun(); while (machine.time.step(until));
  isOver = true;
}

Deno.test("an operation that fails costs the snapshot, not the one before, and the next one can be taken", async () => {
  for (let failing = 0; failing < 40; failing++) {
    const machine = new Machine(`fail/${failing}`);
    await machine.run(async () => {
      const { store } = await open(machine);
      const before = await store.take(metaOf(4), each(chunksOf(4, 2)));
      let operations = 0;
      machine.disk.fault = () => operations++ === failing ? "ENOSPC" : null;
      const result = await store.take(metaOf(8), each(chunksOf(8, 2))).catch((error: unknown) => error);
      machine.disk.fault = null;
      if (result instanceof Error) assertEquals(store.newest, before, `operation ${failing}`);
      const next = await store.take(metaOf(9), each(chunksOf(9, 2)));
      assertEquals(store.newest, next);
      const taker = new Taker();
      assertEquals([(await open(machine, taker)).restored?.index, taker.chunks], [9, chunksOf(9, 2)]);
    });
  }
});

/* ---- receiving ---- */

/** A snapshot on another machine, with its bytes. */
async function remote(index: number, chunks = 3): Promise<{ stored: StoredSnapshot; bytes: Uint8Array }> {
  const machine = new Machine("remote");
  return await machine.run(async () => {
    const { store } = await open(machine);
    const stored = await store.take(metaOf(index), each(chunksOf(index, chunks)));
    return { stored, bytes: await store.read(stored.id, 0, Infinity) };
  });
}

Deno.test("a snapshot arrives in pieces of any size, and is restored as it becomes one", async () => {
  const { stored, bytes } = await remote(8);
  for (const size of [1, 7, 100, bytes.length]) {
    const machine = new Machine(`receive/${size}`);
    await machine.run(async () => {
      const { store } = await open(machine);
      const taker = new Taker();
      assertEquals(await store.receive(stored.id), 0);
      let result: StoredSnapshot | null = null;
      for (let at = 0; at < bytes.length; at += size) {
        assertEquals(result, null);
        result = await store.received(stored.id, at, bytes.subarray(at, at + size), taker.begin);
      }
      assertEquals([result, store.newest, taker.chunks], [stored, stored, chunksOf(8, 3)]);
      assertEquals([taker.meta, taker.isFinished], [metaOf(8), true]);
    });
  }
});

Deno.test("S9: a snapshot that was received is there after a power failure", async () => {
  const { stored, bytes } = await remote(8);
  for (let seed = 1; seed <= 20; seed++) {
    const machine = new Machine(`received/${seed}`);
    await machine.run(async () => {
      const { store } = await open(machine);
      await store.receive(stored.id);
      assertEquals(await store.received(stored.id, 0, bytes, new Taker().begin), stored);
      machine.restart("crash");
      const { restored, damaged } = await open(machine);
      assertEquals([restored?.index, damaged], [8, []], `seed ${seed}`);
    });
  }
});

Deno.test("a receipt of which an operation fails begins anew, and arrives", async () => {
  const { stored, bytes } = await remote(8);
  for (let failing = 0; failing < 12; failing++) {
    const machine = new Machine(`receive/fail/${failing}`);
    await machine.run(async () => {
      const { store } = await open(machine);
      let operations = 0;
      machine.disk.fault = () => operations++ === failing ? "EIO" : null;
      const receive = async () => {
        const taker = new Taker();
        let result: StoredSnapshot | null = null;
        for (let at = await store.receive(stored.id); at < bytes.length; at += 50) {
          result = await store.received(stored.id, at, bytes.subarray(at, at + 50), taker.begin);
        }
        return result === null ? null : taker.chunks;
      };
      const first = await receive().catch((error: unknown) => error);
      machine.disk.fault = null;
      if (first instanceof Error) assertEquals(await receive(), chunksOf(8, 3), `operation ${failing}`);
      else assertEquals(first, chunksOf(8, 3));
      assertEquals(store.newest, stored);
    });
  }
});

Deno.test("a receipt goes on where it broke; another snapshot begins anew; a piece out of turn changes nothing", async () => {
  const [first, second] = [await remote(8), await remote(9)];
  const machine = new Machine("resume");
  await machine.run(async () => {
    const { store } = await open(machine);
    const taker = new Taker();
    await store.receive(first.stored.id);
    await store.received(first.stored.id, 0, first.bytes.subarray(0, 50), taker.begin);
    assertEquals(await store.receive(first.stored.id), 50);
    assertEquals(await store.received(first.stored.id, 60, first.bytes.subarray(60), taker.begin), null);
    assertEquals(await store.received(second.stored.id, 50, first.bytes.subarray(50), taker.begin), null);
    assertEquals(await store.receive(first.stored.id), 50);
    assertEquals(await store.receive(second.stored.id), 0);
    assertEquals(await store.received(first.stored.id, 50, first.bytes.subarray(50), taker.begin), null);
    const whole = await store.received(second.stored.id, 0, second.bytes, taker.begin);
    assertEquals([whole, taker.chunks], [second.stored, chunksOf(9, 3)]);
    await store.close();
  });
});

Deno.test("what is received and not what its id says never becomes a snapshot", async () => {
  const { stored, bytes } = await remote(8);
  for (let at = 0; at < bytes.length; at += 3) {
    const machine = new Machine(`lie/${at}`);
    await machine.run(async () => {
      const { store } = await open(machine);
      await store.receive(stored.id);
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      const taker = new Taker();
      await assertRejects(() => store.received(stored.id, 0, damaged, taker.begin), SnapshotDamage);
      assertEquals([store.newest, await store.receive(stored.id)], [null, 0]);
      assertEquals(await store.received(stored.id, 0, bytes, taker.begin), stored);
    });
  }
});

Deno.test("a whole snapshot, but another one than was announced, is none", async () => {
  const { stored, bytes } = await remote(8);
  const machine = new Machine("another");
  await machine.run(async () => {
    const { store } = await open(machine);
    const announced = { ...stored.id, checksum: stored.id.checksum ^ 1 };
    await store.receive(announced);
    const error = await assertRejects(
      () => store.received(announced, 0, bytes, new Taker().begin),
      SnapshotDamage,
    );
    assert(error.message.includes("it is another one than was announced"));
    assertEquals(store.newest, null);
  });
});

Deno.test("what was half received or half taken is gone after a restart", async () => {
  const { stored, bytes } = await remote(8);
  const machine = new Machine("leftover");
  await machine.run(async () => {
    const { store } = await open(machine);
    await store.receive(stored.id);
    await store.received(stored.id, 0, bytes.subarray(0, 50), new Taker().begin);
    machine.restart("kill");
    const again = await open(machine);
    assertEquals(machine.disk.paths(), []);
    assertEquals(await again.store.receive(stored.id), 0);
    await again.store.close();
  });
});

/* ---- the desk ---- */

Deno.test("the desk answers each question once, in order, in a later turn, and none after it is closed", async () => {
  const machine = new Machine("desk");
  await machine.run(async () => {
    const { store } = await open(machine);
    const desk = new SnapshotDesk(store);
    const heard: string[] = [];
    let isInside = true;
    const note = (what: string) => (result: unknown) => {
      assert(!isInside, "nothing is told from inside the call that asked");
      heard.push(`${what} ${result instanceof Error ? "fails" : "succeeds"}`);
    };
    desk.take(metaOf(4), each(chunksOf(4, 2)), note("take 4"));
    desk.take(metaOf(8), each(chunksOf(8, 2)), note("take 8"));
    desk.read({ ...metaOf(5), bytes: 10, checksum: 0 }, 0, 10, note("read of one that is not there"));
    isInside = false;
    await new Promise<void>((resolve) =>
      desk.receive({ index: 9, term: 1, bytes: 5, checksum: 1 }, () => resolve())
    );
    assertEquals(heard, ["take 4 succeeds", "take 8 succeeds", "read of one that is not there fails"]);
    assertEquals([desk.newest?.id.index, desk.coveredIndex], [8, 4]);
    desk.take(metaOf(9), each(chunksOf(9, 2)), note("take 9"));
    await desk.close();
    assertEquals(heard.length, 3);
  });
});
