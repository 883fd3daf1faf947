/**
 * Kind: unit (table-driven) and property (every bit of the identity).
 *
 * Invariant: a server never starts on the data of another server, nor on a part of its own, nor while another process has it. What it refuses,
 * it leaves as it is. A birth that was cut short is begun again, and a birth happens once.
 *
 * Learnt: the cluster id is compared with the log's, not with the command line's, since addresses may change in the life of a cluster.
 */
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { writeUint32 } from "../../internal/base/bytes.ts";
import { CorruptLogError, ExitCode, Refusal } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { crc32c, loadCrc32c } from "../../internal/codec/crc32c.ts";
import { FileError } from "../../internal/platform/file_system.ts";
import type { Identity } from "../../internal/storage/identity.ts";
import { EMPTY, lineOf, Machine, OWNER, pathOf, SEGMENT_BYTES, type Wanted, Writer } from "./lab.ts";

const IDENTITY = "data/identity";

/** A data directory that was written to and closed. */
async function inhabited(name: string, wanted: Wanted = {}): Promise<{ machine: Machine; line: string }> {
  await loadCrc32c();
  const machine = new Machine(name);
  const writer = new Writer(new SeededRandom(name));
  await machine.run(async () => {
    const { store, close } = await machine.open(wanted);
    for (let i = 0; i < 5; i++) store.write(writer.any());
    await close();
  });
  return { machine, line: lineOf(writer.state) };
}

function textAt(machine: Machine, path: string): string {
  return new TextDecoder().decode(must(machine.disk.durableBytes(path), "It is there"));
}

/** An identity file with that first line, under a checksum that is right. */
function identityOf(line: string): Uint8Array {
  const checksum = crc32c(new TextEncoder().encode(line)).toString(16).padStart(8, "0");
  return new TextEncoder().encode(`${line}\ncrc32c ${checksum}\n`);
}

/** The identity with some of its fields changed. */
function changeIdentity(machine: Machine, change: Readonly<Record<string, unknown>>): void {
  const [line] = textAt(machine, IDENTITY).split("\n");
  const value: unknown = JSON.parse(line ?? "");
  assert(typeof value === "object" && value !== null);
  machine.disk.replace(IDENTITY, identityOf(JSON.stringify({ ...value, ...change })));
}

/** The first segment of a log, as of a program that writes another format. */
function ofFormat(bytes: Uint8Array, version: number): Uint8Array {
  assertEquals(bytes[17], 2, "the version is the first field of the CBOR array");
  bytes[17] = version;
  writeUint32(bytes, 8, crc32c(bytes.subarray(12, 4096)));
  return bytes;
}

interface Case {
  readonly what: string;
  readonly wanted?: Wanted;
  readonly exitCode: number;
  readonly message: RegExp;
  /** Where the damage is; left out where it is none. */
  readonly at?: readonly [string, number];
  do?(machine: Machine): void;
}

const CASES: readonly Case[] = [
  {
    what: "another server's data",
    wanted: { serverId: "n2" },
    exitCode: ExitCode.identityMismatch,
    message: /belongs to server n1 of cluster lab, not to n2/,
  },
  {
    what: "an identity of another cluster than its log",
    exitCode: ExitCode.damagedData,
    message: /belongs to server n1 of cluster lab, not to n1 of other/,
    at: [pathOf(1), 0],
    do: (machine) => changeIdentity(machine, { clusterId: "other" }),
  },
  {
    what: "an identity of another server than its log",
    wanted: { serverId: "n3" },
    exitCode: ExitCode.damagedData,
    message: /belongs to server n1 of cluster lab, not to n3 of lab/,
    at: [pathOf(1), 0],
    do: (machine) => changeIdentity(machine, { serverId: "n3" }),
  },
  {
    what: "an identity of a format to come",
    exitCode: ExitCode.damagedData,
    message: /the identity's format is 2, this program reads 1/,
    at: [IDENTITY, 0],
    do: (machine) => changeIdentity(machine, { format: 2 }),
  },
  {
    what: "a log of a format to come",
    exitCode: ExitCode.damagedData,
    message: /the format version is 4, this program reads 1 and 2 and 3/,
    at: [pathOf(1), 0],
    do: (machine) => machine.damage(pathOf(1), (bytes) => ofFormat(bytes, 4)),
  },
  {
    what: "a log without an identity",
    exitCode: ExitCode.damagedData,
    message: /the identity is missing, though there is a log/,
    at: [IDENTITY, 0],
    do: (machine) => machine.damage(IDENTITY, () => null),
  },
  {
    what: "an identity without a log",
    exitCode: ExitCode.damagedData,
    message: /the log is missing, though this server was born/,
    at: ["data/log", 0],
    do: (machine) => {
      machine.damage(pathOf(1), () => null);
      machine.damage("data/promises", () => null);
    },
  },
  {
    what: "a log that begins with its second segment, without an identity",
    exitCode: ExitCode.damagedData,
    message: /the identity is missing, though there is a log/,
    at: [IDENTITY, 0],
    do: (machine) => {
      machine.disk.replace(pathOf(2), must(machine.disk.durableBytes(pathOf(1)), "There").slice());
      machine.damage(pathOf(1), () => null);
      machine.damage(IDENTITY, () => null);
    },
  },
  {
    what: "a damaged log without an identity",
    exitCode: ExitCode.damagedData,
    message: /the identity is missing, though there is a log/,
    at: [IDENTITY, 0],
    do: (machine) => {
      machine.damage(pathOf(1), (bytes) => bytes.fill(0, 0, 100));
      machine.damage(IDENTITY, () => null);
    },
  },
  {
    what: "an empty identity",
    exitCode: ExitCode.damagedData,
    message: /the identity's checksum does not match/,
    at: [IDENTITY, 0],
    do: (machine) => machine.disk.replace(IDENTITY, new Uint8Array(0)),
  },
  {
    what: "an identity of zeros",
    exitCode: ExitCode.damagedData,
    message: /the identity's checksum does not match/,
    at: [IDENTITY, 0],
    do: (machine) => machine.damage(IDENTITY, (bytes) => bytes.fill(0)),
  },
  {
    what: "an identity that is much too long",
    exitCode: ExitCode.damagedData,
    message: /the identity's checksum does not match/,
    at: [IDENTITY, 0],
    do: (machine) => machine.disk.replace(IDENTITY, new Uint8Array(1024 * 1024).fill(65)),
  },
  ...["[]", "null", "7", '"identity"', '{"format":1}'].map((line): Case => ({
    what: `an identity that says ${line}`,
    exitCode: ExitCode.damagedData,
    message: /the identity (lacks a field|'s fields)/,
    at: [IDENTITY, 0],
    do: (machine) => machine.disk.replace(IDENTITY, identityOf(line)),
  })),
  ...[{ members: "n1" }, { members: ["n1", 2] }, { members: [{ id: "n1" }] }, { serverId: 1 }, {
    clusterId: null,
  }, { incarnation: [] }]
    .map((change): Case => ({
      what: `an identity with ${JSON.stringify(change)}`,
      exitCode: ExitCode.damagedData,
      message: /the identity's fields are not what they should be/,
      at: [IDENTITY, 0],
      do: (machine) => changeIdentity(machine, change),
    })),
];

for (const { what, wanted, exitCode, message, at, do: change } of CASES) {
  Deno.test(`${what}: refused with exit code ${exitCode}, and nothing is changed`, async () => {
    const { machine, line } = await inhabited("refused");
    const healthy = machine.durable();
    change?.(machine);
    const before = machine.durable();
    await machine.run(async () => {
      const error = await assertRejects(() => machine.open(wanted), Refusal);
      assertEquals(error.exitCode, exitCode);
      assertMatch(error.message, message);
      assertEquals(error.message.split("\n").length, 1, "one line");
      assertEquals(error instanceof CorruptLogError ? [error.file, error.offset] : undefined, at);
      machine.restart("crash");
      assertEquals(machine.durable(), before);
      // What was taken away is put back, and the server is there again: nothing was thrown away meanwhile.
      for (const path of before.keys()) machine.disk.replace(path, null);
      for (const [path, bytes] of healthy) machine.disk.replace(path, bytes);
      assertEquals(lineOf((await machine.open()).recovered), line);
    });
  });
}

Deno.test("an identity of which any bit was changed, or any length is left, is damage", async () => {
  const { machine } = await inhabited("identity bits");
  const bytes = must(machine.disk.durableBytes(IDENTITY), "It is there").slice();
  const variants: (readonly [string, Uint8Array])[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    variants.push([`bit ${bit}`, changed]);
  }
  for (let length = 0; length < bytes.length; length++) {
    variants.push([`${length} bytes`, bytes.slice(0, length)]);
  }
  await machine.run(async () => {
    for (const [what, variant] of variants) {
      machine.disk.replace(IDENTITY, variant);
      const error = await machine.open().then(() => null, (error) => error);
      assert(error instanceof CorruptLogError, `${what}: ${error}`);
      assertEquals([error.file, error.offset], [IDENTITY, 0], what);
    }
    machine.disk.replace(IDENTITY, bytes);
    await machine.open();
  });
});

Deno.test("a directory has one server at a time: the second is refused, until the first is closed or dead", async () => {
  await loadCrc32c();
  const machine = new Machine("second");
  await machine.run(async () => {
    const first = await machine.open();
    const before = machine.durable();
    const error = await assertRejects(() => machine.open(), Refusal, "in use by another process");
    assertEquals([error.exitCode, machine.durable()], [ExitCode.dataDirectoryLocked, before]);
    await first.close();
    await machine.open();
    machine.restart("kill");
    await machine.open();
  });
});

Deno.test("who is refused for another reason gives the claim back", async () => {
  const { machine } = await inhabited("given back");
  await machine.run(async () => {
    await assertRejects(() => machine.open({ serverId: "n2" }), Refusal, "belongs to server n1");
    const { close } = await machine.open();
    await close();
  });
});

Deno.test("an identity is for ever: it is drawn at birth, and differs from birth to birth", async () => {
  const { machine } = await inhabited("first");
  const { machine: other } = await inhabited("second");
  const identities: Identity[] = [];
  for (
    const { machine: at, wanted } of [
      { machine, wanted: {} },
      {
        machine,
        wanted: { clusterId: "the addresses are others now", members: [{ id: "n9", address: "n9:1" }] },
      },
      { machine: other, wanted: {} },
    ]
  ) {
    await at.run(async () => {
      const { identity, close } = await at.open(wanted);
      identities.push(identity);
      await close();
    });
  }
  const [first, again, another] = identities;
  assertEquals([first?.clusterId, first?.serverId, first?.members], ["lab", "n1", OWNER.members]);
  assertMatch(first?.incarnation ?? "", /^[0-9a-f]{16}$/);
  assertEquals(again, first);
  assertNotEquals(another?.incarnation, first?.incarnation);
});

Deno.test("a birth that was cut short after its first segment is begun again", async () => {
  await loadCrc32c();
  const { machine } = await inhabited("stillborn");
  const empty = new Machine("empty");
  await empty.run(async () => {
    const { close } = await empty.open();
    await close();
  });
  // The first segment as it is before any batch, with leftovers of the birth around it.
  empty.disk.replace(IDENTITY, null);
  empty.disk.replace(`${IDENTITY}.tmp`, new TextEncoder().encode("half an ident"));
  empty.disk.replace("data/log/log-0000000001.seg.tmp", new Uint8Array(SEGMENT_BYTES));
  const before = must(empty.disk.durableBytes(pathOf(1)), "It is there").slice();
  await empty.run(async () => {
    const { recovered, identity } = await empty.open();
    assertEquals([lineOf(recovered), identity.serverId], [lineOf(EMPTY), "n1"]);
    assertEquals((await empty.files.readDirectory("data")).sort(), [
      "identity",
      "log",
      "promises",
      "snapshots",
    ]);
    assertEquals((await empty.files.readDirectory("data/log")).sort(), ["log-0000000001.seg", "reserve"]);
  });
  assertNotEquals(empty.disk.durableBytes(pathOf(1)), before, "it is a new segment, with a nonce of its own");
  // One batch in the log, and it is nobody's stillbirth.
  machine.disk.replace(IDENTITY, null);
  await machine.run(async () => {
    await assertRejects(() => machine.open(), CorruptLogError, "the identity is missing");
  });
});

for (
  const [code, exitCode] of [
    ["EACCES", ExitCode.permission],
    ["EROFS", ExitCode.permission],
    ["ENOSPC", ExitCode.noSpace],
    ["EIO", ExitCode.diskIo],
  ] as const
) {
  Deno.test(`a directory that cannot be made or claimed because of ${code}: exit code ${exitCode}`, async () => {
    await loadCrc32c();
    for (const operation of ["create", "open"] as const) {
      const machine = new Machine("cannot");
      machine.disk.fault = (asked) => asked === operation ? code : null;
      await machine.run(async () => {
        const error = await assertRejects(() => machine.open(), Refusal, "use the data directory data");
        assertEquals(error.exitCode, exitCode);
        assert(error.cause instanceof FileError);
      });
    }
  });
}
