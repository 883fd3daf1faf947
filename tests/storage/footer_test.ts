/**
 * Kind: property and table (every kind of damage to a footer; every length of one that was begun).
 *
 * Invariant: a segment that has a successor has a footer that says what stands in it; it is durable before the successor has a name, and never
 * changes. What is wrong with it is said and takes nothing away. Where no successor is there, a whole footer says where the log ended: what
 * is missing before it is damage and no torn tail; one that was begun is written anew, and the log goes on in a new segment.
 *
 * Learnt: where the last batch has no room left, a log that wrongly goes on in a closed segment looks right: leave some.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { CorruptLogError, ExitCode, Refusal } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import {
  decodeFooter,
  encodeFooter,
  footerPlace,
  type SegmentFooter,
} from "../../internal/storage/footer.ts";
import { encodeBlock } from "../../internal/storage/block.ts";
import { decodeSegmentHeader } from "../../internal/storage/segment.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import { inFirstFormat, lineOf, Machine, OWNER, pathOf, type State, Writer } from "./lab.ts";

const HEADER_BYTES = 4096;
const FOOTER_BYTES = 4096;
const FOOTER_AT = HEADER_BYTES + 1024;
const SEGMENT_BYTES = FOOTER_AT + FOOTER_BYTES;
const DAMAGED = "the footer of a segment is damaged, and nothing is lost by it";
const AGAIN = "a footer that is not whole is written anew";
const LOST = "a part of the log is lost, and will be fetched from the other servers";

interface Home {
  readonly machine: Machine;
  /** The states after 0, 1, … batches. */
  readonly states: readonly State[];
  readonly writer: Writer;
}

/** A log of three segments, of one server of so many, written batch by batch; ended cleanly. */
async function inhabited(members = 3): Promise<Home> {
  await loadCrc32c();
  const machine = new Machine("footers");
  machine.segmentBytes = SEGMENT_BYTES;
  const writer = new Writer(new SeededRandom("footer writes"));
  writer.payloadBytesMax = 150;
  const states: State[] = [writer.state];
  await machine.run(async () => {
    const { store, until, close } = await machine.open({ members: OWNER.members.slice(0, members) });
    for (let behind = 0; behind < 3;) {
      store.write(writer.any());
      await until(writer.number);
      states.push(writer.state);
      if (machine.disk.durablePaths().includes(pathOf(3))) behind++;
    }
    await close();
  });
  machine.restart("crash");
  assert(!machine.disk.durablePaths().includes(pathOf(4)), "the seed and the sizes fit");
  return { machine, states, writer };
}

function copyOf({ machine }: Home, seed: string): Machine {
  const copy = machine.copy(seed);
  copy.segmentBytes = SEGMENT_BYTES;
  return copy;
}

function footerOn(machine: Machine, path: string): SegmentFooter | string {
  const bytes = must(machine.disk.durableBytes(path), "It is there");
  return decodeFooter(bytes.subarray(footerPlace(bytes.length)));
}

/** Every segment but the last one, if it is not of the first format, has a footer that says what is in it; so says who reads it all. */
async function assertClosed(machine: Machine, where: string): Promise<void> {
  const paths = machine.disk.durablePaths().filter((path) => path.endsWith(".seg"));
  for (const path of paths.slice(0, -1)) {
    const header = decodeSegmentHeader(must(machine.disk.durableBytes(path), "It is there"));
    assert(typeof header !== "string");
    if (header.bytes === null) continue;
    assert(typeof footerOn(machine, path) !== "string", `${where}: ${path} has a footer`);
  }
  const { findings } = await verify(machine.files, "data");
  assertEquals(findings.filter(({ level }) => level === "damage"), [], where);
}

/** A log whose second segment was closed, and the disk failed before the third one had its name. */
async function closedAndNotGoneOn(members = 3): Promise<Home> {
  await loadCrc32c();
  const machine = new Machine("closed");
  machine.segmentBytes = SEGMENT_BYTES;
  const writer = new Writer(new SeededRandom("closed writes"));
  const states: State[] = [writer.state];
  await machine.run(async () => {
    const opened = await machine.open({ members: OWNER.members.slice(0, members) });
    machine.disk.fault = (operation) =>
      operation === "rename" && machine.disk.durablePaths().includes(pathOf(2)) ? "EIO" : null;
    const write = async (bytes: number) => {
      opened.store.write(writer.entry(bytes));
      await opened.until(writer.number);
      if (opened.stable() === writer.number) states.push(writer.state);
    };
    while (!machine.disk.durablePaths().includes(pathOf(2))) await write(100);
    for (let i = 0; i < 3; i++) await write(100);
    // There would be room for smaller ones.
    await write(900);
  });
  machine.disk.fault = null;
  machine.restart("crash");
  const footer = footerOn(machine, pathOf(2));
  assert(typeof footer !== "string", "it is closed");
  assertEquals(footer.lastBatch, states.length - 1);
  return { machine, states, writer };
}

/* ---- what it says ---- */

Deno.test("a footer is the bytes that it was, and says where it stands", async () => {
  await loadCrc32c();
  const footer: SegmentFooter = {
    clusterId: "c",
    serverId: "n1",
    serial: 3,
    nonce: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    end: 5000,
    chain: 0xfedcba98,
    lastBatch: 77,
    entries: 4,
    first: { index: 10, term: 2 },
    last: { index: 12, term: 3 },
  };
  const block = encodeFooter(footer);
  assertEquals(decodeFooter(block), footer);
  assertEquals(block.length, 4096);
  assert(block.subarray(512).every((byte) => byte === 0), "all that it says is in one sector");
  assertEquals(
    [16 * 1024 * 1024, 16384, 20_000].map(footerPlace),
    [16 * 1024 * 1024 - 4096, 12288, 15872],
  );
});

Deno.test("a segment is closed with what stands in it, durably, before the next one has a name", async () => {
  const { machine, states } = await inhabited();
  await machine.run(() => assertClosed(machine, "when it is written"));
  for (const serial of [1, 2]) {
    const footer = footerOn(machine, pathOf(serial));
    const next = decodeSegmentHeader(must(machine.disk.durableBytes(pathOf(serial + 1)), "It is there"));
    assert(typeof footer !== "string" && typeof next !== "string");
    assertEquals([footer.end, footer.chain, footer.lastBatch, footer.last], [
      next.previousEnd,
      next.chain,
      next.lastBatch,
      next.state.last,
    ]);
    const { entries } = must(states[footer.lastBatch], "It is a state");
    assertEquals(footer.last.index, entries.length);
    assertGreaterOrEqual(footer.entries, 1);
  }
  assertEquals(typeof footerOn(machine, pathOf(3)), "string", "the last one is open");
});

Deno.test("at every moment at which a segment has a name, the one before it has its footer, and keeps it", async () => {
  await loadCrc32c();
  const machine = new Machine("moments");
  machine.segmentBytes = SEGMENT_BYTES;
  machine.disk.timing = { writeMs: [0.05, 0.1], syncMs: [1, 2] };
  const seen = new Map<string, string>();
  await machine.run(async () => {
    const { store, until } = await machine.open();
    const writer = new Writer(new SeededRandom("moments"));
    machine.disk.fault = () => {
      const image = machine.disk.imageKeeping({
        names: Array.from({ length: machine.disk.unsynced.names }, () => true),
        sectors: [],
      });
      const paths = [...image.keys()].filter((path) => path.endsWith(".seg")).sort();
      for (const path of paths.slice(0, -1)) {
        const bytes = must(image.get(path), "It is there");
        assert(typeof decodeFooter(bytes.subarray(footerPlace(bytes.length))) !== "string", path);
        assertEquals(seen.get(path) ?? String(bytes), String(bytes), `${path} changes no more`);
        seen.set(path, String(bytes));
      }
      return null;
    };
    for (let i = 0; i < 60; i++) {
      store.write(writer.any());
      await until(writer.number);
    }
  });
  assertGreaterOrEqual(seen.size, 3);
});

for (const what of ["a batch that is longer than a segment", "the reserve on a full disk"] as const) {
  Deno.test(`there is room for the footer of a segment that was made for ${what}`, async () => {
    const home = await inhabited();
    const machine = copyOf(home, what);
    await machine.run(async () => {
      const opened = await machine.open();
      const writer = new Writer(new SeededRandom("more"), opened.recovered);
      const write = async (bytes: number) => {
        opened.store.write(writer.entry(bytes));
        await opened.until(writer.number);
      };
      if (what === "the reserve on a full disk") machine.disk.capacity = 0;
      else await write(3 * SEGMENT_BYTES + 5);
      const before = machine.disk.durablePaths().filter((path) => path.endsWith(".seg")).length;
      // Up to the last byte of it.
      for (const bytes of [900, 1024 - 40 - 25 - 8, 1]) {
        if (what !== "the reserve on a full disk") await write(bytes);
      }
      while (
        what === "the reserve on a full disk" &&
        machine.disk.durablePaths().filter((path) => path.endsWith(".seg")).length === before
      ) {
        opened.store.write(writer.vote(writer.state.hardState.currentTerm + 1));
        await opened.until(writer.number);
      }
      assertEquals(opened.events.filter((event) => typeof event !== "number"), []);
      await opened.close();
      machine.disk.capacity = Infinity;
      await assertClosed(machine, what);
      machine.restart("crash");
      assertEquals(lineOf((await machine.open()).recovered), lineOf(writer.state));
    });
  });
}

/* ---- of a segment that has a successor ---- */

/** A footer with other words, under a checksum that holds. */
function reworded(bytes: Uint8Array, change: (footer: SegmentFooter) => Partial<SegmentFooter>): Uint8Array {
  const footer = decodeFooter(bytes.subarray(FOOTER_AT));
  assert(typeof footer !== "string");
  bytes.set(encodeFooter({ ...footer, ...change(footer) }), FOOTER_AT);
  return bytes;
}

interface Kind {
  readonly what: string;
  readonly found: RegExp;
  do(bytes: Uint8Array, machine: Machine): Uint8Array;
}

const KINDS: readonly Kind[] = [
  {
    what: "is zeros",
    found: /^the segment is closed and has no footer$/,
    do: (bytes) => bytes.fill(0, FOOTER_AT),
  },
  {
    what: "has a bit that turned",
    found: /^the footer is not whole: the block's checksum is \d+, its bytes have \d+$/,
    do: (bytes) => {
      bytes[FOOTER_AT + 40] = (bytes[FOOTER_AT + 40] ?? 0) ^ 8;
      return bytes;
    },
  },
  {
    what: "has another beginning",
    found: /^the footer is not whole: the block does not begin as the footer of a segment does$/,
    do: (bytes) => bytes.fill(7, FOOTER_AT, FOOTER_AT + 1),
  },
  {
    what: "is cut off with the end of its file",
    found: /^the footer is not whole: its file is cut short$/,
    do: (bytes) => bytes.slice(0, FOOTER_AT + 600),
  },
  {
    what: "is missing with the end of its file",
    found: /^the footer is not whole: its file is cut short$/,
    do: (bytes) => bytes.slice(0, FOOTER_AT),
  },
  {
    what: "is that of another segment",
    found: /^the footer is not whole: it is the footer of another segment$/,
    do: (bytes, machine) => {
      bytes.set(must(machine.disk.durableBytes(pathOf(2)), "It is there").subarray(FOOTER_AT), FOOTER_AT);
      return bytes;
    },
  },
  {
    what: "is of another server",
    found: /^the footer is not whole: it is the footer of another segment$/,
    do: (bytes) => reworded(bytes, () => ({ serverId: "n7" })),
  },
  {
    what: "lacks a field",
    found: /^the footer is not whole: the footer's fields are not what they should be$/,
    do: (bytes) => {
      bytes.set(encodeBlock("raftfoot", [2, "lab", "n1", 1]), FOOTER_AT);
      return bytes;
    },
  },
  ...([
    ["an earlier end", ({ end }) => ({ end: end - 8 })],
    ["a later end", ({ end }) => ({ end: end + 8 })],
    ["another chain", ({ chain }) => ({ chain: (chain ^ 1) >>> 0 })],
    ["another last batch", ({ lastBatch }) => ({ lastBatch: lastBatch + 1 })],
    ["another number of entries", ({ entries }) => ({ entries: entries - 1 })],
    ["another first entry", ({ first }) => ({ first: { index: (first?.index ?? 0) + 1, term: 1 } })],
    ["another last entry", ({ last }) => ({ last: { ...last, term: last.term + 1 } })],
  ] satisfies readonly (readonly [string, (footer: SegmentFooter) => Partial<SegmentFooter>])[]).map((
    [what, change],
  ): Kind => ({
    what: `says ${what}, under a checksum that holds`,
    found: /^the footer says \d+ entries from .* before offset \d+; the segment has \d+ entries from .*$/,
    do: (bytes) => reworded(bytes, change),
  })),
];

for (const { what, found, do: change } of KINDS) {
  Deno.test(`a footer of a closed segment that ${what}: it is said, with file and offset, and nothing is lost`, async () => {
    for (const members of [1, 3]) {
      const home = await inhabited(members);
      const machine = copyOf(home, what);
      machine.damage(pathOf(1), (bytes) => change(bytes, machine));
      await machine.run(async () => {
        const { findings } = await verify(machine.files, "data");
        const [finding, ...others] = findings.filter(({ level }) => level === "damage");
        assertEquals([finding?.file, finding?.offset, others], [pathOf(1), FOOTER_AT, []]);
        assert(found.test(finding?.what ?? ""), finding?.what);
        const { recovered, close } = await machine.open();
        assertEquals(lineOf(recovered), lineOf(home.writer.state));
        assertEquals(recovered.epoch, 0);
        const [said, ...more] = machine.log.all(DAMAGED);
        assertEquals([said?.level, said?.fields["file"], said?.fields["offset"]], [
          "error",
          pathOf(1),
          FOOTER_AT,
        ]);
        assert(found.test(String(said?.fields["found"])), String(said?.fields["found"]));
        assertEquals(more, []);
        await close();
      });
    }
  });
}

Deno.test("a footer of a format to come stops with 65, and nothing is changed", async () => {
  const home = await inhabited();
  const { machine } = home;
  machine.damage(pathOf(1), (bytes) => {
    bytes.set(encodeBlock("raftfoot", [3, "lab"]), FOOTER_AT);
    return bytes;
  });
  const before = machine.durable();
  await machine.run(async () => {
    const error = await assertRejects(() => machine.open(), CorruptLogError, "the format version is 3");
    assertEquals([error.file, error.offset, error.exitCode], [pathOf(1), FOOTER_AT, ExitCode.damagedData]);
  });
  machine.restart("crash");
  assertEquals(machine.durable(), before);
});

/* ---- of a segment that has none ---- */

Deno.test("a segment that was closed, with none behind it: the log goes on in a new one, and the footer stays", async () => {
  const { machine, states } = await closedAndNotGoneOn();
  const bytes = must(machine.disk.durableBytes(pathOf(2)), "It is there").slice();
  await machine.run(async () => {
    const opened = await machine.open();
    assertEquals(lineOf(opened.recovered), lineOf(must(states.at(-1), "There is one")));
    assertEquals(opened.recovered.epoch, 0);
    const writer = new Writer(new SeededRandom("on"), opened.recovered);
    opened.store.write(writer.vote(7));
    await opened.until(writer.number);
    await opened.close();
    machine.restart("crash");
    assertEquals(String(machine.disk.durableBytes(pathOf(2))), String(bytes), "it is the same");
    assert(machine.disk.durablePaths().includes(pathOf(3)));
    assertEquals(lineOf((await machine.open()).recovered), lineOf(writer.state));
    assertEquals(machine.log.said.filter(({ event }) => event.includes("footer")), []);
    await assertClosed(machine, "gone on");
  });
});

Deno.test("a footer that was begun, of any length: it is written anew, and nothing is lost", async () => {
  const home = await closedAndNotGoneOn();
  const whole = must(home.states.at(-1), "There is one");
  const bytes = must(home.machine.disk.durableBytes(pathOf(2)), "It is there").slice();
  const end = bytes.findLastIndex((byte) => byte !== 0);
  let anew = 0;
  for (let length = FOOTER_AT; length <= end; length++) {
    const machine = copyOf(home, `begun ${length}`);
    machine.damage(pathOf(2), (bytes) => bytes.fill(0, length));
    await machine.run(async () => {
      const { recovered, close } = await machine.open();
      assertEquals([lineOf(recovered), recovered.epoch], [lineOf(whole), 0], `${length}`);
      anew += machine.log.all(AGAIN).length;
      await close();
      if (length > FOOTER_AT) {
        assertEquals(String(machine.disk.durableBytes(pathOf(2))), String(bytes), "it is what it was");
      }
      await assertClosed(machine, `begun up to ${length}`);
    });
  }
  assertEquals(anew, end - FOOTER_AT);
});

/** What is missing of a segment that was closed. */
const MISSING: readonly {
  readonly what: string;
  readonly found: string;
  do(bytes: Uint8Array, end: number): Uint8Array;
}[] = [
  {
    what: "the last batch rotted",
    found: "and the footer says that the segment ends at",
    do: (bytes, end) => bytes.fill(9, end - 20, end - 19),
  },
  {
    what: "the last batch rotted, and a bit of the footer turned",
    found: "and a footer was begun behind it",
    do: (bytes, end) => bytes.fill(9, end - 20, end - 19).fill(9, FOOTER_AT + 60, FOOTER_AT + 61),
  },
  {
    what: "the last batch is zeros",
    found: "and the footer says that the segment ends at",
    do: (bytes, end) => bytes.fill(0, end - 168, end),
  },
  {
    what: "a batch goes beyond what the footer says",
    found: "the footer says that this one ends at",
    do: (bytes) => reworded(bytes, ({ end }) => ({ end: end - 8 })),
  },
  {
    what: "the end is cut off, right behind a batch",
    found: "it is cut short",
    do: (bytes, end) => bytes.slice(0, end),
  },
  {
    what: "the end is cut off, in a batch",
    found: "and a footer was begun behind it (its file is cut short)",
    do: (bytes, end) => bytes.slice(0, end - 9),
  },
];

for (const { what, found, do: change } of MISSING) {
  Deno.test(`a segment that was closed, with none behind it, of which ${what}: damage and no torn tail, though nobody else knows`, async () => {
    for (const members of [1, 3]) {
      const { machine, states } = await closedAndNotGoneOn(members);
      const footer = footerOn(machine, pathOf(2));
      assert(typeof footer !== "string");
      machine.damage(pathOf(2), (bytes) => change(bytes, footer.end));
      await machine.run(async () => {
        if (members === 1) {
          await assertRejects(() => machine.open(), CorruptLogError, found);
          return;
        }
        const { recovered, close } = await machine.open();
        const [said] = machine.log.all(LOST);
        assert(String(said?.fields["found"]).includes(found), String(said?.fields["found"]));
        assertEquals(machine.log.all("torn tail is cut"), []);
        assertEquals(recovered.epoch, 1);
        const last = { index: must(states.at(-1), "There is one").entries.length, term: 1 };
        const floor = must(recovered.floor, "It knows that something is lost");
        assert(floor.index >= last.index && floor.term >= last.term, "the floor is not before the end");
        // Where the footer is whole, it tells the end.
        if (found.includes("the footer says that the segment")) assertEquals(floor, last);
        await close();
        await assertClosed(machine, what);
      });
    }
  });
}

Deno.test("a whole footer that the batches contradict stops with 65, where nobody else says what is right", async () => {
  const { machine } = await closedAndNotGoneOn();
  machine.damage(pathOf(2), (bytes) => reworded(bytes, ({ chain }) => ({ chain: (chain ^ 1) >>> 0 })));
  const before = machine.durable();
  await machine.run(async () => {
    const error = await assertRejects(() => machine.open(), CorruptLogError, "the footer says");
    assertEquals([error.file, error.offset, error.exitCode], [pathOf(2), FOOTER_AT, ExitCode.damagedData]);
  });
  machine.restart("crash");
  assertEquals(machine.durable(), before);
});

/* ---- after a cut and after a repair ---- */

Deno.test("what is behind a torn tail is closed before the log goes on, and so is what is left after a repair", async () => {
  for (const what of ["torn", "repaired", "without a header"] as const) {
    const home = await inhabited();
    const machine = copyOf(home, what);
    const path = what === "torn" ? pathOf(3) : pathOf(2);
    if (what === "torn") machine.damage("data/promises", () => null);
    machine.damage(path, (bytes) => {
      if (what === "without a header") return bytes.fill(9, 20, 30);
      const end = bytes.subarray(0, FOOTER_AT).findLastIndex((byte) => byte !== 0);
      return bytes.fill(9, end - 2, end - 1);
    });
    await machine.run(async () => {
      const opened = await machine.open();
      assertEquals(machine.log.all(what === "torn" ? "torn tail is cut" : LOST).length, 1, what);
      await assertClosed(machine, what);
      const writer = new Writer(new SeededRandom(what), opened.recovered);
      for (let i = 0; i < 30; i++) {
        opened.store.write(writer.any());
        await opened.until(writer.number);
      }
      await opened.close();
      machine.restart("crash");
      const next = await machine.open();
      assertEquals(lineOf(next.recovered), lineOf(writer.state), what);
      assertEquals(machine.log.said.filter(({ event }) => event.includes("footer")), [], what);
      await assertClosed(machine, what);
    });
  }
});

/* ---- where it stands ---- */

Deno.test("a batch that only just fits ends before the place of the footer, however long segments are", async () => {
  await loadCrc32c();
  for (const segmentBytes of [16 * 1024, 16 * 1024 + 64, 16 * 1024 + 511, 20_000]) {
    const fits = segmentBytes - HEADER_BYTES - FOOTER_BYTES;
    for (let bytes = fits - 600; bytes < fits; bytes += 7) {
      const machine = new Machine("just fits");
      machine.segmentBytes = segmentBytes;
      const writer = new Writer(new SeededRandom("just fits"));
      await machine.run(async () => {
        const opened = await machine.open();
        // The second one comes into a segment of its own.
        for (const length of [fits - 600, bytes]) {
          opened.store.write(writer.entry(length));
          await opened.until(writer.number);
        }
        assertEquals(opened.stable(), writer.number);
      });
      machine.restart("crash");
      await machine.run(async () => {
        const { recovered } = await machine.open();
        assertEquals(lineOf(recovered), lineOf(writer.state), `${bytes} in ${segmentBytes}`);
      });
    }
  }
});

Deno.test("a start that cuts a torn tail, and whose footer is written in part: the next one cuts the same, where so much is there that it tells which footer it is", async () => {
  await loadCrc32c();
  const members = OWNER.members.slice(0, 1);
  for (const leaves of [0, 1, 8, 11, 12, 13, 40, 70, 80, FOOTER_BYTES]) {
    const machine = new Machine("torn twice");
    const writer = new Writer(new SeededRandom("torn twice"));
    let before: State = writer.state;
    await machine.run(async () => {
      const opened = await machine.open({ members });
      for (const bytes of [100, 200, 300]) {
        before = writer.state;
        opened.store.write(writer.entry(bytes));
        await opened.until(writer.number);
      }
    });
    machine.restart("crash");
    machine.damage(pathOf(1), (bytes) => {
      const end = bytes.findLastIndex((byte) => byte !== 0);
      return bytes.fill(0, end - 20, end + 1);
    });
    machine.disk.leaves = () => leaves;
    machine.disk.fault = (operation, _, __, name) =>
      operation === "write" && name === pathOf(1) && machine.disk.paths().includes(`${pathOf(2)}.tmp`)
        ? "EIO"
        : null;
    await machine.run(() => assertRejects(() => machine.open({ members }), Refusal, "EIO"));
    machine.disk.fault = null;
    machine.restart("kill");
    await machine.run(async () => {
      if (leaves > 0 && leaves < 12) {
        // It might be that of a segment of which the last batch was durable.
        await assertRejects(() => machine.open({ members }), CorruptLogError, "a footer was begun behind it");
        return;
      }
      assertEquals(lineOf((await machine.open({ members })).recovered), lineOf(before), `${leaves}`);
      await assertClosed(machine, `${leaves}`);
    });
  }
});

/* ---- beside the first format, which has none ---- */

Deno.test("a log of the first format with a torn tail goes on in a segment that has a footer, and gets none itself", async () => {
  const home = await inhabited();
  const machine = copyOf(home, "torn first format");
  for (const path of [1, 2, 3].map(pathOf)) machine.damage(path, inFirstFormat);
  machine.damage("data/promises", () => null);
  machine.damage(pathOf(3), (bytes) => {
    const end = bytes.findLastIndex((byte) => byte !== 0);
    return bytes.fill(9, end - 2, end - 1);
  });
  const before = machine.durable();
  await machine.run(async () => {
    const opened = await machine.open();
    assertEquals(machine.log.all("torn tail is cut").length, 1);
    assertEquals(lineOf(opened.recovered), lineOf(must(home.states.at(-2), "There is one")));
    const writer = new Writer(new SeededRandom("torn"), opened.recovered);
    while (!machine.disk.durablePaths().includes(pathOf(6))) {
      opened.store.write(writer.any());
      await opened.until(writer.number);
    }
    await opened.close();
    for (const path of [1, 2, 3].map(pathOf)) {
      assertEquals(String(machine.disk.durableBytes(path)), String(before.get(path)), "it is not changed");
    }
    machine.restart("crash");
    assertEquals(lineOf((await machine.open()).recovered), lineOf(writer.state));
    assertEquals(machine.log.said.filter(({ event }) => event.includes("footer")), []);
    await assertClosed(machine, "both formats");
  });
});

Deno.test("a log of the first format is read and gone on with, and the segments behind it have footers", async () => {
  const home = await inhabited();
  const machine = copyOf(home, "first format");
  for (const path of [1, 2, 3].map(pathOf)) machine.damage(path, inFirstFormat);
  const before = machine.durable();
  await machine.run(async () => {
    const opened = await machine.open();
    assertEquals(lineOf(opened.recovered), lineOf(home.writer.state));
    const writer = new Writer(new SeededRandom("newer"), opened.recovered);
    while (!machine.disk.durablePaths().includes(pathOf(6))) {
      opened.store.write(writer.any());
      await opened.until(writer.number);
    }
    await opened.close();
    for (const path of [1, 2].map(pathOf)) {
      assertEquals(String(machine.disk.durableBytes(path)), String(before.get(path)), "it is not changed");
    }
    const [last, was] = [machine.disk.durableBytes(pathOf(3)), before.get(pathOf(3))].map((bytes) =>
      must(bytes, "It is there").findLastIndex((byte) => byte !== 0)
    );
    assertGreaterOrEqual(must(last, "It has an end"), must(was, "It has one") + 1);
    assertEquals([3, 4, 5].map((serial) => typeof footerOn(machine, pathOf(serial)) !== "string"), [
      false,
      true,
      true,
    ]);
    machine.restart("crash");
    assertEquals(lineOf((await machine.open()).recovered), lineOf(writer.state));
    assertEquals(machine.log.said.filter(({ level }) => level !== "info"), []);
    await assertClosed(machine, "both formats");
  });
});
