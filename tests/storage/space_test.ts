/**
 * Kind: property (a disk with a capacity, filled and freed).
 *
 * Invariant: a store whose disk is full says so before it needs the space, keeps what it has, and still writes term, vote and members;
 * it starts with no byte free, whether its log was closed or cut off in the middle of a batch; when there is space again it says that it
 * takes writes, without a new start, and has its reserve again. What was acknowledged is there in every next life.
 *
 * Learnt: a torn tail needs a new segment at the start, at the very moment at which there may be no space for one.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { lineOf, Machine, type Opened, pathOf, SEGMENT_BYTES, Writer } from "./lab.ts";

const ROOMY = 100 * SEGMENT_BYTES;

function full(machine: Machine): void {
  machine.disk.capacity = 0;
}

function freed(machine: Machine): void {
  machine.disk.capacity = ROOMY;
}

/** Lets the store look, and waits for what comes of it. */
async function look(machine: Machine, { store }: Opened): Promise<void> {
  store.lookAtSpace();
  await new Promise<void>((resolve) => void machine.time.at(machine.time.now + 100, resolve));
}

/** Writes votes: what a member writes whatever its disk is like. */
async function vote(opened: Opened, writer: Writer, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const term = writer.state.hardState.currentTerm + 1;
    opened.store.write(writer.vote(term));
    await opened.until(writer.number);
  }
}

async function begun(): Promise<{ machine: Machine; writer: Writer; opened: Opened }> {
  await loadCrc32c();
  const machine = new Machine("space");
  freed(machine);
  const writer = new Writer(new SeededRandom("space writes"));
  const opened = await machine.run(async () => {
    const opened = await machine.open();
    opened.store.write(writer.entry(600));
    await opened.until(writer.number);
    return opened;
  });
  return { machine, writer, opened };
}

/** The next life has everything. */
async function restartsWith(machine: Machine, writer: Writer): Promise<void> {
  machine.restart("kill");
  await machine.run(async () => {
    assertEquals(lineOf((await machine.open()).recovered), lineOf(writer.state));
  });
}

const fails = ({ events }: Opened) => events.filter((event) => typeof event !== "number");

Deno.test("a full disk is said once, and the end of it", async () => {
  const { machine, opened } = await begun();
  await machine.run(async () => {
    assertEquals([opened.store.isFull, opened.store.takesEntries], [false, true]);
    full(machine);
    await look(machine, opened);
    await look(machine, opened);
    assertEquals([opened.store.isFull, opened.store.takesEntries], [true, true]);
    freed(machine);
    await look(machine, opened);
    assertEquals([opened.store.isFull, opened.store.takesEntries], [false, true]);
    const said = machine.log.said.map(({ event }) => event).filter((event) => /space|disk full/.test(event));
    assertEquals(said, [
      "disk full: writes are refused until there is space",
      "the disk has space again: writes are taken",
    ]);
    await opened.close();
  });
});

Deno.test("entries find room up to three quarters of the last segment, and votes long after", async () => {
  const { machine, writer, opened } = await begun();
  await machine.run(async () => {
    full(machine);
    await look(machine, opened);
    let taken = 0;
    while (opened.store.takesEntries) {
      opened.store.write(writer.entry(600));
      await opened.until(writer.number);
      taken++;
    }
    assertGreaterOrEqual(taken, 10);
    assert(!machine.disk.durablePaths().includes(pathOf(2)), "the next segment has no space");
    // As many as fill the rest of this segment and a part of the one that the reserve becomes.
    await vote(opened, writer, 90);
    assert(machine.disk.durablePaths().includes(pathOf(2)), "the reserve became the next segment");
    assertEquals(fails(opened), []);
    freed(machine);
    await look(machine, opened);
    assertEquals([opened.store.isFull, opened.store.takesEntries], [false, true]);
    assert(machine.disk.durablePaths().includes("data/log/reserve"), "there is a reserve again");
    opened.store.write(writer.entry(600));
    await opened.until(writer.number);
    await opened.close();
  });
  await restartsWith(machine, writer);
});

for (const end of ["kill", "crash", "torn"] as const) {
  Deno.test(`with no byte free a server starts after a ${end}, takes votes, and gets well without another start`, async () => {
    const { machine, writer, opened } = await begun();
    await machine.run(async () => {
      full(machine);
      await look(machine, opened);
      await vote(opened, writer, 3);
    });
    machine.restart(end === "kill" ? "kill" : "crash");
    if (end === "torn") {
      // A part of a batch that nobody was told of.
      machine.damage(pathOf(1), (bytes) => {
        const at = Math.ceil((bytes.findLastIndex((byte) => byte !== 0) + 1) / 8) * 8;
        bytes.set(bytes.subarray(bytes.length - 20).fill(7), at);
        return bytes.fill(0, bytes.length - 20);
      });
    }
    await machine.run(async () => {
      const next = await machine.open();
      assertEquals(lineOf(next.recovered), lineOf(writer.state));
      assertEquals(next.store.isFull, true);
      writer.number = 0;
      await vote(next, writer, 3);
      assertEquals(fails(next), []);
      freed(machine);
      await look(machine, next);
      assertEquals(next.store.isFull, false);
      assert(machine.disk.durablePaths().includes("data/log/reserve"));
      await next.close();
    });
    await restartsWith(machine, writer);
  });
}

Deno.test("at any capacity writes are refused before the log fails, and nothing acknowledged is lost", async () => {
  let filled = 0;
  for (let capacity = 5 * SEGMENT_BYTES; capacity < 9 * SEGMENT_BYTES; capacity += 1500) {
    const { machine, writer, opened } = await begun();
    await machine.run(async () => {
      machine.disk.capacity = capacity;
      await look(machine, opened);
      for (let i = 0; i < 200 && !opened.store.isFull; i++) {
        opened.store.write(writer.entry(600));
        await opened.until(writer.number);
      }
      if (opened.store.isFull) filled++;
      await vote(opened, writer, 5);
      assertEquals(fails(opened), [], `capacity ${capacity}`);
    });
    machine.restart("crash");
    await restartsWith(machine, writer);
  }
  assertGreaterOrEqual(filled, 20);
});

Deno.test("what was half made when the space ended is gone, and made anew", async () => {
  const { machine, writer, opened } = await begun();
  await machine.run(async () => {
    const makes = (operation: string, path: string) => operation === "write" && path.endsWith("/next.tmp");
    let attempts = 0;
    machine.disk.fault = (operation, path) => makes(operation, path) && attempts++ < 2 ? "ENOSPC" : null;
    for (let i = 0; i < 16; i++) {
      opened.store.write(writer.entry(600));
      await opened.until(writer.number);
    }
    // The next segment is made as soon as half of this one is used.
    assertEquals([attempts, opened.store.isFull], [1, true]);
    await look(machine, opened);
    assertEquals([attempts, opened.store.isFull], [2, true]);
    assert(!machine.disk.paths().includes("data/log/next.tmp"));
    await look(machine, opened);
    assertEquals([attempts, opened.store.isFull], [3, false]);
    assert(machine.disk.paths().includes("data/log/next.tmp"));
    await opened.close();
  });
  await restartsWith(machine, writer);
});
