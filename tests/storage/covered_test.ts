/**
 * Kind: unit (a table; a simulated disk, a server that has nobody from whom to repair its log).
 *
 * Invariant: rot in segments of which a snapshot covers all, and all that is before them, keeps nobody from starting, and loses nothing: the log
 * is read from the first segment on behind which it is whole. Where that begins behind what is covered, the server stops and changes nothing.
 *
 * Learnt: the newest snapshot covers more than the log lets go of, since an older one is kept with the log behind it.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { CorruptLogError } from "../../internal/base/errors.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { verify } from "../../internal/upkeep/verify.ts";
import { Machine, type Opened, OWNER, pathOf, Writer } from "./lab.ts";

/** Eight of them fill a segment. */
const ENTRY_BYTES = 16 * 1024 / 12;

async function snapshot({ snapshots, recovered: { configuration } }: Opened, index: number): Promise<void> {
  const { clusterId } = OWNER;
  const meta = { clusterId, index, term: 1, configurationIndex: 0, configuration, digest: 0 };
  await snapshots.take(meta, () => null);
}

/** What becomes of the segments of a server that is alone, while it is down; segments of eight entries, of which the snapshot has the first so many. */
const ROT: readonly {
  readonly what: string;
  readonly covered: number;
  readonly spoil: (machine: Machine) => void;
  /** The segment at which it stops; `null` where it starts with all that it had. */
  readonly stopsAt: number | null;
}[] = [
  { what: "a batch", covered: 20, spoil: (machine) => rotIn(machine, 1), stopsAt: null },
  { what: "a header", covered: 20, spoil: (machine) => rotIn(machine, 1, 20), stopsAt: null },
  {
    what: "batches of two",
    covered: 20,
    spoil: (machine) => [1, 2].map((one) => rotIn(machine, one)),
    stopsAt: null,
  },
  {
    what: "a header behind a batch",
    covered: 20,
    spoil: (machine) => (rotIn(machine, 1), rotIn(machine, 2, 20)),
    stopsAt: null,
  },
  {
    what: "one that is missing",
    covered: 20,
    spoil: (machine) => machine.damage(pathOf(2), () => null),
    stopsAt: null,
  },
  {
    what: "bad sectors",
    covered: 20,
    spoil: (machine) => machine.disk.spoil(pathOf(2), 6000, 6100),
    stopsAt: null,
  },
  { what: "all that is covered", covered: 16, spoil: (machine) => rotIn(machine, 2), stopsAt: null },
  {
    what: "a batch and more than is covered",
    covered: 15,
    spoil: (machine) => rotIn(machine, 2),
    stopsAt: 2,
  },
  { what: "what is not covered", covered: 20, spoil: (machine) => rotIn(machine, 3), stopsAt: 3 },
  {
    what: "what is covered and what is not",
    covered: 20,
    spoil: (machine) => [1, 4].map((one) => rotIn(machine, one)),
    stopsAt: 1,
  },
];

function rotIn(machine: Machine, serial: number, at = 6000): void {
  machine.damage(pathOf(serial), (bytes) => bytes.fill(7, at, at + 100));
}

for (const { what, covered, spoil, stopsAt } of ROT) {
  Deno.test(`rot in segments at a start, ${what}: where a snapshot covers all before a whole log, ${stopsAt === null ? "it stands for it" : "but here"}`, async () => {
    await loadCrc32c();
    const machine = new Machine("covered at a start");
    const members = OWNER.members.slice(0, 1);
    const writer = new Writer(new SeededRandom("covered"));
    const write = async (opened: Opened, count: number) => {
      for (let i = 0; i < count; i++) {
        opened.store.write(writer.entry(ENTRY_BYTES));
        await opened.until(writer.number);
      }
    };
    await machine.run(async () => {
      const opened = await machine.open({ members });
      await write(opened, 40);
      await snapshot(opened, covered);
      await opened.close();
    });
    machine.restart("crash");
    spoil(machine);
    const before = machine.durable();
    await machine.run(async () => {
      if (stopsAt !== null) {
        const error = await assertRejects(
          () => machine.open({ members }),
          CorruptLogError,
          "no other server",
        );
        assertEquals(error.file, pathOf(stopsAt));
        assertEquals(machine.durable(), before);
        return;
      }
      // Again and again, as long as it is there.
      for (let life = 0; life < 2; life++) {
        const opened = await machine.open({ members });
        const { snapshotIndex, entries, epoch, floor } = opened.recovered;
        assertEquals([snapshotIndex, entries.length, epoch, floor], [covered, 40 + life - covered, 0, null]);
        assertEquals(
          machine.log.all("a part of the log is damaged: a snapshot stands for it from now on").length,
          life + 1,
        );
        writer.number = 0;
        await write(opened, 1);
        await opened.close();
        machine.restart("crash");
      }
      // It goes as if it were whole.
      const opened = await machine.open({ members });
      await snapshot(opened, 41);
      assertEquals(opened.store.discardThrough(2, 41), true);
      for (const path of [1, 2].map(pathOf)) {
        while (machine.disk.paths().includes(path)) await machine.files.readDirectory("data/log");
      }
      await opened.close();
      machine.restart("crash");
      const { recovered } = await machine.open({ members });
      assertEquals([recovered.snapshotIndex, recovered.entries.length], [41, 1]);
      const { findings } = await verify(machine.files, "data");
      assertEquals(findings.filter(({ level }) => level === "damage"), []);
    });
  });
}
