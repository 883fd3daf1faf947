/**
 * Kind: integration (one suite on the real disk and on the simulated one), with units for what only one of them has.
 *
 * Invariant: the contract of `FileSystem`: bytes stand where they were written, a name leads to one file, every failure is a `FileError`
 * with the documented code, and one directory has one owner. On the simulated disk also: what was synced survives every crash, what
 * was not may be kept, lost or torn.
 *
 * Learnt: a process with all rights (root) meets EACCES in /sys only, ENOSPC at /dev/full and EIO at /proc/self/mem; so these three are
 * real failures of the real kernel here, and no mock. The two bodies agree on the codes in `SHARED_FAILURES` only; what stands
 * in `DISK_FAILURES` the simulated disk does not refuse, or refuses with ENOENT.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertRejects, assertStringIncludes } from "@std/assert";
import { SeededRandom } from "../../internal/base/random.ts";
import { DiskFileSystem } from "../../internal/host/disk_file_system.ts";
import {
  FileError,
  type FileErrorCode,
  type FileHandle,
  type FileSystem,
} from "../../internal/platform/file_system.ts";
import { missingProgram } from "../process/harness.ts";
import { SimDisk } from "../simulator/sim_file_system.ts";
import { LifeClock, VirtualTime } from "../simulator/virtual_time.ts";
import { advance, letPromisesRun, really, virtually } from "./drive.ts";

/** A file system with an empty directory of our own. */
interface Bench {
  readonly files: FileSystem;
  readonly root: string;
}

interface Body {
  readonly name: string;
  use(test: (bench: Bench) => Promise<void>): Promise<void>;
}

const disk: Body = {
  name: "real disk",
  async use(test) {
    const root = await Deno.makeTempDir({ prefix: "raftline-files-" });
    try {
      await really(() => test({ files: new DiskFileSystem(), root }));
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
};

const simulated: Body = {
  name: "simulated disk",
  async use(test) {
    const time = new VirtualTime();
    const files = new SimDisk(new SeededRandom("files")).mount(new LifeClock(time));
    await virtually(time)(async () => {
      await files.makeDirectory("root");
      await test({ files, root: "root" });
    });
  },
};

const text = new TextEncoder();

function bytesOf(value: string): Uint8Array {
  return text.encode(value);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function content(file: FileHandle): Promise<string> {
  return textOf(await file.readAt(0, await file.size()));
}

/** Makes a file with that content and closes it. */
async function put(files: FileSystem, path: string, value: string): Promise<void> {
  const file = await files.create(path);
  await file.writeAt(0, bytesOf(value));
  await file.close();
}

async function get(files: FileSystem, path: string): Promise<string> {
  const file = await files.openForReading(path);
  try {
    return await content(file);
  } finally {
    await file.close();
  }
}

interface Failure {
  readonly what: string;
  readonly code: FileErrorCode;
  run(bench: Bench): Promise<unknown>;
}

/** `root/file` is a file, `root/dir` an empty directory, `root/no` is not there. */
const SHARED_FAILURES: readonly Failure[] = [
  { what: "open a missing file for reading", code: "ENOENT", run: at("no", "openForReading") },
  { what: "open a missing file for writing", code: "ENOENT", run: at("no", "openForWriting") },
  { what: "remove a missing file", code: "ENOENT", run: at("no", "remove") },
  {
    what: "rename a missing file",
    code: "ENOENT",
    run: ({ files, root }) => files.rename(`${root}/no`, `${root}/to`),
  },
  { what: "create a file that is there", code: "EEXIST", run: at("file", "create") },
];

const DISK_FAILURES: readonly Failure[] = [
  { what: "list a missing directory", code: "ENOENT", run: at("no", "readDirectory") },
  { what: "sync a missing directory", code: "ENOENT", run: at("no", "syncDirectory") },
  { what: "lock a missing directory", code: "ENOENT", run: at("no", "lockDirectory") },
  { what: "create in a missing directory", code: "ENOENT", run: at("no/file", "create") },
  { what: "list a file", code: "ENOTDIR", run: at("file", "readDirectory") },
  { what: "lock a file", code: "ENOTDIR", run: at("file", "lockDirectory") },
  { what: "open below a file", code: "ENOTDIR", run: at("file/below", "openForReading") },
  { what: "make a directory below a file", code: "ENOTDIR", run: at("file/below", "makeDirectory") },
  { what: "make a directory where a file is", code: "EEXIST", run: at("file", "makeDirectory") },
  { what: "create a file where a directory is", code: "EEXIST", run: at("dir", "create") },
  { what: "open a directory for writing", code: "EISDIR", run: at("dir", "openForWriting") },
  {
    what: "read a directory as a file",
    code: "EISDIR",
    run: ({ files, root }) => withFile(files.openForReading(`${root}/dir`), (file) => file.readAt(0, 1)),
  },
  {
    what: "rename a file to a directory",
    code: "EISDIR",
    run: ({ files, root }) => files.rename(`${root}/file`, `${root}/dir`),
  },
  {
    what: "write to a file that was opened for reading",
    code: "EOTHER",
    run: ({ files, root }) =>
      withFile(files.openForReading(`${root}/file`), (file) => file.writeAt(0, bytesOf("x"))),
  },
  {
    what: "write to a full device",
    code: "ENOSPC",
    run: ({ files }) => withFile(files.openForWriting("/dev/full"), (file) => file.writeAt(0, bytesOf("x"))),
  },
  {
    what: "read what cannot be read",
    code: "EIO",
    run: ({ files }) => withFile(files.openForReading("/proc/self/mem"), (file) => file.readAt(0, 1)),
  },
  {
    what: "write what cannot be written",
    code: "EIO",
    run: ({ files }) =>
      withFile(files.openForWriting("/proc/self/mem"), (file) => file.writeAt(0, bytesOf("x"))),
  },
  { what: "create without permission", code: "EACCES", run: ({ files }) => files.create("/sys/file") },
  { what: "lock without permission", code: "EACCES", run: ({ files }) => files.lockDirectory("/sys") },
];

type OfOnePath = Exclude<keyof FileSystem, "rename">;

function at(path: string, operation: OfOnePath): Failure["run"] {
  return ({ files, root }) => files[operation](`${root}/${path}`);
}

async function withFile<T>(opening: Promise<FileHandle>, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await opening;
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function failureTest(body: Body, { what, code, run }: Failure, ignore: boolean): void {
  Deno.test({
    name: `${body.name}: to ${what} fails with ${code}, and changes nothing`,
    ignore,
    fn: () =>
      body.use(async (bench) => {
        const { files, root } = bench;
        await put(files, `${root}/file`, "as it was");
        await files.makeDirectory(`${root}/dir`);
        const error = await assertRejects(() => run(bench), FileError);
        assertEquals(error.code, code);
        assertEquals((await files.readDirectory(root)).sort(), ["dir", "file"]);
        assertEquals(await get(files, `${root}/file`), "as it was");
      }),
  });
}

/* ---- the suite ---- */

const WRITES: readonly {
  readonly what: string;
  readonly writes: readonly (readonly [number, string])[];
  readonly becomes: string;
}[] = [
  { what: "nothing", writes: [], becomes: "" },
  { what: "no bytes at all", writes: [[0, ""]], becomes: "" },
  { what: "appended pieces", writes: [[0, "one"], [3, "two"], [6, "three"]], becomes: "onetwothree" },
  { what: "bytes written over others", writes: [[0, "abcdef"], [2, "XY"]], becomes: "abXYef" },
  { what: "bytes written over the end", writes: [[0, "abc"], [2, "XYZ"]], becomes: "abXYZ" },
  { what: "a gap", writes: [[0, "a"], [4, "b"]], becomes: "a\0\0\0b" },
  { what: "pieces from behind to front", writes: [[4, "cd"], [2, "b "], [0, "a "]], becomes: "a b cd" },
];

const READS: readonly (readonly [number, number, string])[] = [
  [0, 10, "0123456789"],
  [3, 4, "3456"],
  [8, 5, "89"],
  [0, 100, "0123456789"],
  [10, 1, ""],
  [99, 1, ""],
  [4, 0, ""],
];

function conformance(body: Body): void {
  const test = (what: string, run: (bench: Bench) => Promise<void>) =>
    Deno.test(`${body.name}: ${what}`, () => body.use(run));

  test("a directory is made with those above it, and again without harm", async ({ files, root }) => {
    await files.makeDirectory(`${root}/a/b/c`);
    await put(files, `${root}/a/b/c/file`, "kept");
    await files.makeDirectory(`${root}/a/b/c`);
    await files.makeDirectory(`${root}/a`);
    assertEquals(await get(files, `${root}/a/b/c/file`), "kept");
  });

  test("a directory lists its own names and no others", async ({ files, root }) => {
    assertEquals(await files.readDirectory(root), []);
    await files.makeDirectory(`${root}/dir/inner`);
    await put(files, `${root}/dir/file`, "");
    await put(files, `${root}/dir.seg`, "");
    assertEquals((await files.readDirectory(root)).sort(), ["dir", "dir.seg"]);
    assertEquals((await files.readDirectory(`${root}/dir`)).sort(), ["file", "inner"]);
  });

  test("a new file is empty, and can be written and read", async ({ files, root }) => {
    const file = await files.create(`${root}/new`);
    assertEquals([file.path, await file.size(), await content(file)], [`${root}/new`, 0, ""]);
    await file.writeAt(0, bytesOf("abc"));
    assertEquals([await file.size(), await content(file)], [3, "abc"]);
    await file.close();
  });

  for (const { what, writes, becomes } of WRITES) {
    test(`a file of ${what} reads as written, at once, after a sync and when opened anew`, async ({ files, root }) => {
      const file = await files.create(`${root}/file`);
      for (const [offset, value] of writes) await file.writeAt(offset, bytesOf(value));
      assertEquals([await content(file), await file.size()], [becomes, becomes.length]);
      await file.sync();
      await files.syncDirectory(root);
      assertEquals(await content(file), becomes);
      await file.close();
      assertEquals(await get(files, `${root}/file`), becomes);
    });
  }

  test("a read gives fewer bytes only where the file ends", async ({ files, root }) => {
    await put(files, `${root}/file`, "0123456789");
    const file = await files.openForReading(`${root}/file`);
    for (const [offset, length, expected] of READS) {
      assertEquals(textOf(await file.readAt(offset, length)), expected, `${length} bytes at ${offset}`);
      for (const room of [0, length, length + 3]) {
        const memory = new Uint8Array(room).fill(65);
        const found = await file.readAt(offset, length, memory);
        assertEquals(textOf(found), expected, `${length} bytes at ${offset}, into ${room}`);
        if (room >= length) assert(found.buffer === memory.buffer, "memory that is long enough is used");
      }
    }
    await file.close();
  });

  test("a file that is opened for writing keeps its bytes, and is read and appended to", async ({ files, root }) => {
    await put(files, `${root}/file`, "abc");
    const file = await files.openForWriting(`${root}/file`);
    assertEquals(await content(file), "abc");
    await file.writeAt(3, bytesOf("def"));
    await file.close();
    assertEquals(await get(files, `${root}/file`), "abcdef");
  });

  test("three megabytes are written and read in one piece", async ({ files, root }) => {
    const random = new SeededRandom("megabytes");
    const bytes = new Uint8Array(3 * 1024 * 1024 + 17).map(() => random.below(256));
    const file = await files.create(`${root}/large`);
    await file.writeAt(5, bytes);
    await file.sync();
    const found = await file.readAt(5, bytes.length);
    assert(found.length === bytes.length && found.every((byte, i) => byte === bytes[i]));
    await file.close();
  });

  test("a synced write stands where it was written, also when the file has another name since", async ({ files, root }) => {
    const file = await files.create(`${root}/old`);
    await file.writeSynced(2, bytesOf("cd"));
    await files.rename(`${root}/old`, `${root}/new`);
    await put(files, `${root}/old`, "another");
    await file.writeSynced(0, bytesOf("ab"));
    await file.writeSynced(4, new Uint8Array(0));
    assertEquals(await content(file), "abcd");
    await file.close();
    assertEquals([await get(files, `${root}/new`), await get(files, `${root}/old`)], ["abcd", "another"]);
  });

  test("a renamed file has its new name only, and its handle goes with it", async ({ files, root }) => {
    const file = await files.create(`${root}/old`);
    await file.writeAt(0, bytesOf("abc"));
    await files.rename(`${root}/old`, `${root}/new`);
    await file.writeAt(3, bytesOf("def"));
    await file.close();
    assertEquals(await files.readDirectory(root), ["new"]);
    assertEquals(await get(files, `${root}/new`), "abcdef");
  });

  test("a rename replaces what had the name", async ({ files, root }) => {
    await put(files, `${root}/to`, "old and longer");
    await put(files, `${root}/from`, "new");
    await files.rename(`${root}/from`, `${root}/to`);
    assertEquals([await files.readDirectory(root), await get(files, `${root}/to`)], [["to"], "new"]);
  });

  test("a removed name is free, and who has the file open still reads it", async ({ files, root }) => {
    await put(files, `${root}/file`, "first");
    const first = await files.openForReading(`${root}/file`);
    await files.remove(`${root}/file`);
    assertEquals(await files.readDirectory(root), []);
    await put(files, `${root}/file`, "second");
    assertEquals([await content(first), await get(files, `${root}/file`)], ["first", "second"]);
    await first.close();
  });

  test("a directory has one owner, until it is released", async ({ files, root }) => {
    await files.makeDirectory(`${root}/a`);
    await files.makeDirectory(`${root}/b`);
    const first = await files.lockDirectory(`${root}/a`);
    assert(first !== null);
    assertEquals(await files.lockDirectory(`${root}/a`), null);
    const other = await files.lockDirectory(`${root}/b`);
    assert(other !== null, "another directory is another claim");
    await first.release();
    const second = await files.lockDirectory(`${root}/a`);
    assert(second !== null);
    assertEquals(await files.lockDirectory(`${root}/a`), null);
    await second.release();
    await other.release();
  });

  for (const failure of SHARED_FAILURES) failureTest(body, failure, false);
}

conformance(disk);
conformance(simulated);

/* ---- the real disk alone ---- */

for (const failure of DISK_FAILURES) failureTest(disk, failure, Deno.build.os !== "linux");

Deno.test("real disk: a failure names the operation and the path", () =>
  disk.use(async ({ files, root }) => {
    const error = await assertRejects(() => files.openForReading(`${root}/no`), FileError);
    assertStringIncludes(error.message, `open ${root}/no`);
  }));

Deno.test("real disk: nobody but the owner may read what is made", () =>
  disk.use(async ({ files, root }) => {
    await files.makeDirectory(`${root}/a/b`);
    await put(files, `${root}/a/b/file`, "");
    const modes = ["a", "a/b", "a/b/file"].map((name) =>
      ((Deno.statSync(`${root}/${name}`).mode ?? 0) & 0o777).toString(8)
    );
    assertEquals(modes, ["700", "700", "600"]);
  }));

Deno.test("real disk: a claim excludes another process, and dies with the process that has it", () =>
  disk.use(async ({ files, root }) => {
    const module = new URL("../../internal/host/disk_file_system.ts", import.meta.url);
    const script = `
      const { DiskFileSystem } = await import(${JSON.stringify(module.href)});
      const lock = await new DiskFileSystem().lockDirectory(${JSON.stringify(root)});
      console.log(lock === null ? "refused" : "held");
      setInterval(() => lock, 1000);`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", script],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    assertEquals(textOf(value ?? new Uint8Array(0)).trim(), "held");
    assertEquals(await files.lockDirectory(root), null);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    const lock = await files.lockDirectory(root);
    assert(lock !== null);
    await lock.release();
  }));

Deno.test({
  name: "real disk: on Bun a synced write goes through a descriptor that syncs, of the same file",
  ignore: Deno.build.os !== "linux" || missingProgram("bun") !== null,
  fn: () =>
    disk.use(async ({ root }) => {
      const module = new URL("../../internal/host/disk_file_system.ts", import.meta.url);
      const script = `
        import { readdirSync, readFileSync, readlinkSync } from "node:fs";
        const { DiskFileSystem } = await import(${JSON.stringify(module.href)});
        const files = new DiskFileSystem();
        const open = () => readdirSync("/proc/self/fd").filter((fd) => {
          try { return readlinkSync("/proc/self/fd/" + fd).endsWith("/new"); } catch { return false; }
        });
        const flagsOf = (fd) => parseInt(/flags:\\s+(\\d+)/.exec(readFileSync("/proc/self/fdinfo/" + fd, "utf8"))[1], 8);
        const file = await files.create(${JSON.stringify(root)} + "/old");
        await files.rename(${JSON.stringify(root)} + "/old", ${JSON.stringify(root)} + "/new");
        await file.writeSynced(0, new TextEncoder().encode("synced"));
        const synced = open().filter((fd) => flagsOf(fd) & 0o10000).length;
        await file.close();
        console.log(synced, open().length, readFileSync(${JSON.stringify(root)} + "/new", "utf8"));`;
      const { stdout, stderr } = await new Deno.Command("bun", { args: ["-e", script] }).output();
      assertEquals(textOf(stderr) + textOf(stdout).trim(), "1 0 synced");
    }),
});

/* ---- the simulated disk alone: what a crash takes ---- */

/** A simulated disk, and a life that uses it. */
function machine(seed: string) {
  const time = new VirtualTime();
  const body = new SimDisk(new SeededRandom(seed));
  const clock = new LifeClock(time);
  return { time, body, clock, files: body.mount(clock), run: virtually(time) };
}

Deno.test("simulated disk: what was synced survives every crash; what was not is kept, lost or torn by sectors", async () => {
  const sectors = 8;
  const fates = { kept: 0, lost: 0, torn: 0 };
  for (let seed = 0; seed < 100; seed++) {
    const { body, files, run } = machine(`crash/${seed}`);
    await run(async () => {
      const file = await files.create("d/file");
      if (seed % 2 === 0) await file.writeSynced(0, bytesOf("S".repeat(512)));
      else {
        await file.writeAt(0, bytesOf("S".repeat(512)));
        await file.sync();
      }
      await files.syncDirectory("d");
      await file.writeAt(512, bytesOf("u".repeat(512 * sectors)));
    });
    body.crash();
    const found = textOf(body.durableBytes("d/file") ?? new Uint8Array(0));
    assertEquals(found.slice(0, 512), "S".repeat(512));
    const isThere = Array.from({ length: sectors }, (_, i) => found.slice(512 * (i + 1), 512 * (i + 2)))
      .map((sector) => {
        assert(sector === "u".repeat(512) || /^\0*$/.test(sector), "a sector is there or it is not");
        return sector.startsWith("u");
      });
    const count = isThere.filter((there) => there).length;
    fates[count === 0 ? "lost" : count === sectors ? "kept" : "torn"]++;
  }
  for (const count of Object.values(fates)) assertGreaterOrEqual(count, 10, JSON.stringify(fates));
});

Deno.test("simulated disk: names that were not synced may be undone, synced ones never", async () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const { body, files, run } = machine(`names/${seed}`);
    await run(async () => {
      await put(files, "d/synced", "");
      await files.syncDirectory("d");
      await put(files, "d/first", "");
      await put(files, "d/second", "");
      await files.remove("d/first");
    });
    body.crash();
    outcomes.add(body.durablePaths().join(" "));
  }
  assertEquals([...outcomes].sort(), [
    "d/first d/second d/synced",
    "d/first d/synced",
    "d/second d/synced",
    "d/synced",
  ]);
});

Deno.test("simulated disk: a sync covers what was written before it began, not what came later", async () => {
  const found = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const { body, files, run } = machine(`sync/${seed}`);
    await run(async () => {
      const file = await files.create("d/file");
      await files.syncDirectory("d");
      await file.writeAt(0, bytesOf("before "));
      const sync = file.sync();
      const write = file.writeAt(7, bytesOf("after"));
      await Promise.all([sync, write]);
    });
    body.crash();
    found.add(textOf(body.durableBytes("d/file") ?? new Uint8Array(0)));
  }
  assertEquals([...found].sort(), ["before ", "before after"]);
});

Deno.test("simulated disk: a killed process leaves the cache whole and its claim free, and nothing of it completes", async () => {
  const { time, body, clock, files, run } = machine("kill");
  const file = await run(async () => {
    assert(await files.lockDirectory("d") !== null);
    const file = await files.create("d/file");
    await file.writeAt(0, bytesOf("unsynced"));
    return file;
  });
  let completed = false;
  file.sync().then(() => completed = true);
  clock.die();
  body.kill();
  await advance(time, time.now + 1000);
  await letPromisesRun();
  assertEquals([completed, body.durablePaths()], [false, []]);
  const next = body.mount(new LifeClock(time));
  await run(async () => {
    assert(await next.lockDirectory("d") !== null);
    assertEquals(await get(next, "d/file"), "unsynced");
  });
});

Deno.test("simulated disk: zeros in a row are one thing that a crash keeps or loses, but over other bytes", async () => {
  const { body, files, run } = machine("zeros");
  await run(async () => {
    const file = await files.create("d/file");
    await file.writeAt(0, new Uint8Array(2048));
    assertEquals(body.unsynced.sectors, [1]);
    await file.writeAt(512, new Uint8Array(512).fill(7));
    assertEquals(body.unsynced.sectors, [3, 1], "the middle one may be either");
    await file.sync();
    await file.writeAt(0, new Uint8Array(2048));
    assertEquals(body.unsynced.sectors, [3]);
    const sectors = [[true, false, true]];
    const names = body.unsynced.names === 0 ? [] : [true];
    const kept = body.imageKeeping({ names, sectors }).get("d/file") ?? new Uint8Array(0);
    assertEquals([kept[0], kept[512], kept[1024], kept.length], [0, 7, 0, 2048]);
  });
});

Deno.test("simulated disk: a rename that is made to fail has no effect, a write that fails may have written a part", async () => {
  const lengths = new Set<number>();
  for (let seed = 0; seed < 30; seed++) {
    const { body, files, run } = machine(`fault/${seed}`);
    await run(async () => {
      const file = await files.create("d/file");
      body.fault = () => "ENOSPC";
      for (const run of [() => files.rename("d/file", "d/other"), () => file.writeAt(0, bytesOf("abc"))]) {
        const error = await assertRejects(run, FileError);
        assertEquals(error.code, "ENOSPC");
      }
      body.fault = null;
      const found = await content(file);
      assert("abc".startsWith(found), found);
      lengths.add(found.length);
      assertEquals(await files.readDirectory("d"), ["file"]);
    });
  }
  assertEquals([...lengths].sort(), [0, 1, 2, 3]);
});

Deno.test("simulated disk: what a failed sync left is never written by a later one, though the cache shows it", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { body, files, run } = machine(`gate/${seed}`);
    await run(async () => {
      const file = await files.create("d/file");
      await files.syncDirectory("d");
      await file.writeAt(0, bytesOf("lost"));
      body.fault = (operation) => operation === "sync" ? "EIO" : null;
      await assertRejects(() => file.sync(), FileError, "EIO");
      body.fault = null;
      await file.sync();
      assertEquals(await content(file), "lost");
      await file.writeAt(4, bytesOf("kept"));
      await file.sync();
    });
    body.crash();
    assertEquals(textOf(body.durableBytes("d/file") ?? new Uint8Array(0)), "\0\0\0\0kept");
  }
});
