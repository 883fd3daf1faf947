/**
 * Kind: property (rot put at many places under a store that is open).
 *
 * Invariant: a scrub of a sound log finds nothing, whatever is written meanwhile, and reads no more at a time than it may; a flipped bit
 * anywhere in the batches or the footer of a closed segment is found; a segment that goes while it is read is no rot.
 *
 * Learnt: how far a closed segment goes only its successor says; what is behind that is of nobody.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { configurationOfVoters } from "../../internal/raft/configuration.ts";
import { footerPlace } from "../../internal/storage/footer.ts";
import { type Rot, Scrubber } from "../../internal/storage/scrubber.ts";
import { Machine, type Opened, pathOf, Writer } from "./lab.ts";

const HEADER_BYTES = 4096;

async function written(entries: number): Promise<{ machine: Machine; opened: Opened; writer: Writer }> {
  await loadCrc32c();
  const machine = new Machine("scrubs");
  const writer = new Writer(new SeededRandom("scrub writes"));
  const opened = await machine.run(async () => {
    const opened = await machine.open();
    for (let i = 0; i < entries; i++) {
      opened.store.write(writer.entry(600));
      await opened.until(writer.number);
    }
    return opened;
  });
  return { machine, opened, writer };
}

function scrubberOf(machine: Machine): Scrubber {
  return new Scrubber({ fileSystem: machine.files, log: "data/log", snapshots: "data/snapshots" });
}

async function scrub(machine: Machine): Promise<Rot | "done"> {
  const scrubber = scrubberOf(machine);
  for (let steps = 0; steps < 10_000; steps++) {
    const found = await scrubber.step(1000);
    if (found !== "more") return found;
  }
  throw new Error("it does not come to an end");
}

Deno.test("a sound log is read in small steps, again and again, while it is written", async () => {
  const { machine, opened, writer } = await written(60);
  await machine.run(async () => {
    const scrubber = scrubberOf(machine);
    let [steps, rounds] = [0, 0];
    while (rounds < 2) {
      const found = await scrubber.step(1000);
      assert(found === "more" || found === "done", JSON.stringify(found));
      steps++;
      if (found === "done") rounds++;
      opened.store.write(writer.entry(100));
      await opened.until(writer.number);
    }
    assertGreaterOrEqual(steps, 40);
    await scrubber.close();
  });
});

Deno.test("every flipped bit in a closed segment is found, in its file and not behind its place", async () => {
  const { machine } = await written(60);
  const bytes = machine.disk.durableBytes(pathOf(1))?.slice() ?? new Uint8Array(0);
  const end = bytes.subarray(0, footerPlace(bytes.length)).findLastIndex((byte) => byte !== 0);
  let tried = 0;
  for (let at = HEADER_BYTES; at < end - 700; at += 97) {
    machine.damage(pathOf(1), () => {
      const rotten = bytes.slice();
      rotten[at] = (rotten[at] ?? 0) ^ (1 << at % 8);
      return rotten;
    });
    const found = await machine.run(() => scrub(machine));
    assert(found !== "done", `at ${at}`);
    assertEquals([found.file, found.offset <= at, found.isLoss], [pathOf(1), true, true], `at ${at}`);
    tried++;
  }
  assertGreaterOrEqual(tried, 50);
});

Deno.test("a footer that rots is found, in its place, and is no loss; and one that is gone", async () => {
  const { machine } = await written(60);
  const bytes = machine.disk.durableBytes(pathOf(1))?.slice() ?? new Uint8Array(0);
  const at = footerPlace(bytes.length);
  for (let place = at; place < bytes.length; place += place < at + 200 ? 1 : 97) {
    machine.damage(pathOf(1), () => {
      const rotten = bytes.slice();
      rotten[place] = (rotten[place] ?? 0) ^ (1 << place % 8);
      return rotten;
    });
    const found = await machine.run(() => scrub(machine));
    assert(found !== "done", `at ${place}`);
    assertEquals([found.file, found.offset, found.isLoss], [pathOf(1), at, false], `at ${place}`);
  }
  for (
    const [change, what] of [
      [() => bytes.slice(0, at + 9), "the footer is not whole: its file is cut short"],
      [() => bytes.slice().fill(0, at), "the segment is closed and has no footer"],
    ] as const
  ) {
    machine.damage(pathOf(1), change);
    const found = await machine.run(() => scrub(machine));
    assertEquals(found, { file: pathOf(1), offset: at, found: what, isLoss: false });
  }
  machine.damage(pathOf(1), () => bytes);
  machine.disk.spoil(pathOf(1), at + 9, at + 10);
  const found = await machine.run(() => scrub(machine));
  assert(found !== "done");
  assertEquals([found.offset, found.isLoss], [at, false]);
});

Deno.test("a segment that is missing between others is found once in a round, the others are read all the same, and letting go of it fails nobody", async () => {
  const { machine, opened } = await written(60);
  await machine.run(async () => {
    machine.disk.replace(pathOf(2), null);
    machine.damage(pathOf(3), (bytes) => bytes.fill(7, HEADER_BYTES, HEADER_BYTES + 9));
    const scrubber = scrubberOf(machine);
    const told: unknown[] = [];
    for (let found: Rot | "more" | "done" = "more"; found !== "done"; found = await scrubber.step(1e6)) {
      if (found !== "more") told.push(found.file);
    }
    assertEquals(told, [pathOf(2), pathOf(3)]);
    assertEquals(opened.store.discardThrough(3, 60), true);
    while (machine.disk.paths().includes(pathOf(3))) await machine.files.readDirectory("data/log");
    assertEquals(opened.events.filter((event) => typeof event !== "number"), []);
  });
});

Deno.test("a segment that is let go of while it is read is no rot", async () => {
  const { machine } = await written(60);
  await machine.run(async () => {
    const scrubber = scrubberOf(machine);
    assertEquals(await scrubber.step(1000), "more");
    machine.disk.replace(pathOf(1), null);
    machine.disk.replace(pathOf(2), null);
    for (let found = await scrubber.step(1000); found !== "done"; found = await scrubber.step(1000)) {
      assertEquals(found, "more");
    }
  });
});

Deno.test("a rotten snapshot is found, told once in a round, and what else there is is read all the same", async () => {
  const { machine, opened } = await written(60);
  await machine.run(async () => {
    const chunks = [new Uint8Array(3000).fill(1), new Uint8Array(3000).fill(2)];
    const configuration = configurationOfVoters(["n1", "n2", "n3"]);
    const place = { clusterId: "lab", index: 5, term: 1, configurationIndex: 0, configuration, digest: 0 };
    await opened.snapshots.take(place, () => chunks.shift() ?? null);
  });
  assertEquals(await machine.run(() => scrub(machine)), "done");
  const path = machine.disk.durablePaths().find((name) => name.endsWith(".snap")) ?? "";
  machine.damage(path, (bytes) => bytes.fill(7, bytes.length / 2, bytes.length / 2 + 1));
  await machine.run(async () => {
    const scrubber = scrubberOf(machine);
    const found: string[] = [];
    for (let rounds = 0; rounds < 2;) {
      const step = await scrubber.step(1000);
      if (step === "done") rounds++;
      else if (step !== "more") found.push(step.file);
    }
    assertEquals(found, [path, path]);
  });
});
