/**
 * Kind: unit.
 *
 * Invariant: one batch is in flight at a time, and everything that arrives meanwhile joins the next one; so the syncs are as few as the
 * load allows, the completions come in order, and none comes before its sync returned.
 *
 * Learnt: the store says the last number of a batch only; whoever waits for a lower one must take `upTo` at its word.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import type { StableStore } from "../../internal/storage/stable_store.ts";
import { lineOf, Machine, type Opened, Writer } from "./lab.ts";

/** Counts what the disk is asked for, from now on. */
function counting(machine: Machine) {
  const counts = { write: 0, sync: 0, inFlight: 0 };
  machine.disk.fault = (operation, path) => {
    if (path.endsWith(".seg") && (operation === "write" || operation === "sync")) counts[operation]++;
    return null;
  };
  return counts;
}

/** Segments so large that nothing else goes on. */
async function onMachine(
  name: string,
  test: (machine: Machine, opened: Opened, writer: Writer) => Promise<void>,
): Promise<void> {
  await loadCrc32c();
  const machine = new Machine(name);
  machine.segmentBytes = 256 * 1024;
  machine.disk.timing = { writeMs: [0.1, 0.1], syncMs: [5, 5] };
  const writer = new Writer(new SeededRandom(name));
  await machine.run(async () => {
    const opened = await machine.open();
    await test(machine, opened, writer);
    await opened.close();
    assertEquals(lineOf((await machine.open()).recovered), lineOf(writer.state));
  });
}

/** Writes the first term, so that what follows promises nothing new. */
async function begun(opened: Opened, writer: Writer): Promise<void> {
  opened.store.write(writer.entry(10));
  await opened.until(1);
}

Deno.test("the writes of one turn share a sync, and complete as one", () =>
  onMachine("turn", async (machine, opened, writer) => {
    const counts = counting(machine);
    for (let i = 0; i < 20; i++) opened.store.write(writer.any());
    assertEquals(opened.events, [], "nothing is said from inside the call");
    await opened.until(20);
    assertEquals([opened.events, counts.write, counts.sync], [[20], 1, 1]);
  }));

Deno.test("what was queued goes at once where nothing else is to join it, and one batch at a time all the same", () =>
  onMachine("begin", async (machine, opened, writer) => {
    await begun(opened, writer);
    const counts = counting(machine);
    opened.store.begin();
    opened.store.write(writer.entry(10));
    assertEquals(counts.write, 0, "the rest of the turn may join it");
    opened.store.begin();
    assertEquals(counts.write, 1);
    for (let i = 0; i < 3; i++) {
      opened.store.write(writer.entry(10));
      opened.store.begin();
    }
    assertEquals(counts.write, 1);
    await opened.until(5);
    assertEquals([opened.events, counts.write, counts.sync], [[1, 2, 5], 2, 2]);
  }));

Deno.test("what was queued is durable when the store is closed in the same turn", () =>
  onMachine("closed at once", async (_, opened, writer) => {
    await begun(opened, writer);
    opened.store.write(writer.entry(10));
    const closed = opened.store.close();
    await opened.until(2);
    await closed;
    assertEquals(opened.events, [1, 2]);
  }));

Deno.test("everything that arrives while a sync is under way joins the next one", () =>
  onMachine("join", async (machine, opened, writer) => {
    const counts = counting(machine);
    opened.store.write(writer.any());
    for (let i = 0; i < 50; i++) {
      // Spread over most of the first sync.
      machine.time.at(machine.time.now + 0.2 + i * 0.08, () => opened.store.write(writer.any()));
    }
    await opened.until(1);
    assertEquals([opened.events, writer.number, counts.sync], [[1], 51, 1]);
    await opened.until(51);
    assertEquals([opened.events, counts.write, counts.sync], [[1, 51], 2, 2]);
  }));

Deno.test("a write that is asked for when another completes goes at once", () =>
  onMachine("chain", async (machine, opened, writer) => {
    await begun(opened, writer);
    const counts = counting(machine);
    machine.onStable = (upTo) => upTo < 7 && opened.store.write(writer.entry(10));
    const start = machine.time.now;
    opened.store.write(writer.entry(10));
    await opened.until(7);
    assertEquals([opened.events, counts.sync], [[1, 2, 3, 4, 5, 6, 7], 6]);
    assert(machine.time.now - start < 6 * 5.2, "nothing waits between two batches");
  }));

Deno.test("a completion comes after the sync of its batch, never before", () =>
  onMachine("after", async (machine, opened, writer) => {
    await begun(opened, writer);
    const saidAt: number[] = [];
    machine.onStable = () => saidAt.push(machine.time.now);
    const start = machine.time.now;
    opened.store.write(writer.entry(10));
    machine.time.at(start + 1, () => opened.store.write(writer.entry(10)));
    await opened.until(3);
    assertEquals(saidAt.map((at) => Math.round((at - start) * 10) / 10), [5.1, 10.2]);
  }));

Deno.test("a vote or a term completes when both copies of the promises are durable too, one after the other", () =>
  onMachine("promised", async (machine, opened, writer) => {
    const start = machine.time.now;
    opened.store.write(writer.entry(10));
    await opened.until(1);
    assertEquals(Math.round((machine.time.now - start) * 10) / 10, 15.3);
  }));

Deno.test("a batch is bounded: what is beyond four megabytes goes into the next one, in order", () =>
  onMachine("bounded", async (machine, opened, writer) => {
    const megabytes = 1024 * 1024;
    opened.store.write(writer.entry(10));
    machine.time.at(machine.time.now + 1, () => {
      for (const size of [3, 3, 3, 6, 1]) opened.store.write(writer.entry(size * megabytes));
    });
    await opened.until(6);
    assertEquals(opened.events.at(-1), 6);
    assertGreaterOrEqual(opened.events.length, 3);
    assertEquals(opened.events, opened.events.toSorted((a, b) => Number(a) - Number(b)));
  }));

Deno.test("the bytes that wait are told, and are none when everything is durable", () =>
  onMachine("pending", async (_, opened, writer) => {
    assertEquals(opened.store.bytesPending, 0);
    opened.store.write(writer.entry(1000));
    opened.store.write(writer.entry(500));
    assertEquals(opened.store.bytesPending, 1000 + 500 + 2 * 25);
    await opened.until(2);
    assertEquals(opened.store.bytesPending, 0);
  }));

Deno.test("no batch waits for the next segment, which is made beside them", () =>
  onMachine("prepare", async (machine, opened, writer) => {
    opened.store.write(writer.entry(140 * 1024));
    await opened.until(1);
    const asked: string[] = [];
    machine.disk.fault = (operation, path) => {
      if (operation === "sync" || operation === "write") {
        asked.push(`${operation} ${path.endsWith("next.tmp") ? "next" : "segment"}`);
      }
      return null;
    };
    const start = machine.time.now;
    // Half is used, so the next segment is being made now.
    machine.onStable = (upTo) => upTo < 4 && opened.store.write(writer.entry(100));
    opened.store.write(writer.entry(100));
    await opened.until(4);
    assertEquals(asked.filter((step) => step.endsWith("segment")).length, 6);
    assert(asked.slice(1, -1).includes("sync next"), asked.join(", "));
    assertEquals(Math.round((machine.time.now - start) * 10) / 10, 15.3);
  }));

Deno.test("under a load that leaves the disk no time, segments that nobody needs go all the same", async () => {
  await loadCrc32c();
  const machine = new Machine("no time");
  machine.disk.timing = { writeMs: [0.1, 0.1], syncMs: [5, 5] };
  const writer = new Writer(new SeededRandom("no time"));
  await machine.run(async () => {
    const { store, until } = await machine.open();
    let most = 0;
    machine.onStable = (upTo) => {
      const segments = [...machine.durable().keys()].filter((path) => path.endsWith(".seg")).length;
      most = Math.max(most, segments);
      if (upTo >= 60) return;
      // There is always another write, and of what is durable nothing is needed any more.
      store.discard(upTo);
      store.write(writer.entry(5000));
    };
    store.write(writer.entry(5000));
    await until(60);
    assertLessOrEqual(most, 4);
  });
});

/** Writes that never leave the disk a pause, from `first` on: each batch that is stable brings the next write. */
function withoutAPause(
  machine: Machine,
  store: StableStore,
  writer: Writer,
  upTo: number,
  bytes: number,
): void {
  machine.onStable = (number) => {
    if (number < upTo) store.write(writer.entry(bytes));
  };
  store.write(writer.entry(bytes));
}

Deno.test("under a load that leaves the disk no time, the next segment is there when it is needed", async () => {
  await loadCrc32c();
  const machine = new Machine("made ahead");
  machine.disk.timing = { writeMs: [0.1, 0.1], syncMs: [5, 5] };
  await machine.run(async () => {
    const { store, until } = await machine.open();
    const made: string[] = [];
    machine.disk.fault = (operation, path) => {
      if (operation === "create") made.push(path.endsWith("/next.tmp") ? "ahead" : "late");
      return null;
    };
    withoutAPause(machine, store, new Writer(new SeededRandom("made ahead")), 200, 5000);
    await until(200);
    assert(made.length > 2, made.join(" "));
    assertEquals(made.filter((one) => one === "late"), []);
  });
});

Deno.test("where the next segment cannot be made the store fails once, and no batch beside it is stable afterwards", async () => {
  await loadCrc32c();
  for (const failing of ["create", "write", "sync"]) {
    const machine = new Machine(`fails beside ${failing}`);
    machine.disk.timing = { writeMs: [0.1, 0.1], syncMs: [5, 5] };
    await machine.run(async () => {
      const { store, until, events } = await machine.open();
      machine.disk.fault = (operation, path) =>
        operation === failing && path.endsWith("/next.tmp") ? "EIO" : null;
      withoutAPause(machine, store, new Writer(new SeededRandom("beside")), 200, 5000);
      await until(200);
      assertEquals(events.filter((event) => typeof event !== "number").length, 1, failing);
      assert(typeof events.at(-1) !== "number", failing);
    });
  }
});
