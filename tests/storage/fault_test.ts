/**
 * Kind: property (a fault at every single operation of a life).
 *
 * Invariant: a failed write, sync or any other operation of the disk is final. It is told once, as a refusal with the exit code that fits;
 * nothing is acknowledged afterwards, nothing is written and, above all, nothing is synced again; and whatever was acknowledged
 * before is there in the next life. A disk that cannot be read is not taken for damaged data. Only a read is tried again.
 *
 * Space that is missing for what is made ahead is the exception: nothing rests on it yet, so the server goes on and takes no more writes.
 *
 * Learnt: the store says the failure from its own turn, so a caller that writes in between must be ignored, not answered.
 */
import { assert, assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import { must } from "../../internal/base/assert.ts";
import { CorruptLogError, ExitCode, Refusal } from "../../internal/base/errors.ts";
import { SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { FileError, type FileErrorCode } from "../../internal/platform/file_system.ts";
import type { Operation } from "../simulator/sim_file_system.ts";
import { EMPTY, lineOf, Machine, type Opened, type State, Writer } from "./lab.ts";
import { NEXT_NAME } from "../../internal/storage/open_segment.ts";

const WRITES = 14;

/** What one life did, and how it ended. */
interface Life {
  readonly machine: Machine;
  /** The states after 0, 1, … writes. */
  readonly states: readonly State[];
  readonly opened: Opened | null;
  /** What opening or closing rejected with. */
  readonly rejected: unknown;
  /** Every operation that the disk was asked for, and whether a failure had been told by then. */
  readonly asked: readonly {
    readonly operation: Operation;
    readonly path: string;
    readonly isLate: boolean;
  }[];
  readonly failedAt: number | null;
}

/** A birth, writes over two segments and a close; the operation with that number fails, and no other. */
async function live(
  failing: number | null,
  code: FileErrorCode,
  machine = new Machine("faults"),
): Promise<Life> {
  machine.segmentBytes = 13 * 1024;
  const writer = new Writer(new SeededRandom("fault writes"));
  const asked: { operation: Operation; path: string; isLate: boolean }[] = [];
  const states: State[] = [EMPTY];
  let failedAt: number | null = null;
  let opened: Opened | null = null;
  let rejected: unknown = null;
  machine.disk.fault = (operation, _, __, name) => {
    asked.push({ operation, path: name, isLate: typeof opened?.events.at(-1) === "object" });
    if (asked.length - 1 !== failing) return null;
    failedAt = failing;
    return code;
  };
  await machine.run(async () => {
    try {
      opened = await machine.open();
      for (let i = 0; i < WRITES; i++) {
        opened.store.write(writer.entry(600));
        states.push(writer.state);
        if (i % 3 !== 1) await opened.until(writer.number);
      }
      await opened.close();
    } catch (error) {
      rejected = error;
    }
  });
  machine.disk.fault = null;
  return { machine, states, opened, rejected, asked, failedAt };
}

async function operationsOfALife(): Promise<Life["asked"]> {
  await loadCrc32c();
  const { asked, opened, rejected, machine } = await live(null, "EIO");
  assertEquals([rejected, opened?.stable()], [null, WRITES]);
  assertGreaterOrEqual(machine.disk.durablePaths().length, 3);
  return asked;
}

const EXITS = [
  ["EIO", ExitCode.diskIo],
  ["EOTHER", ExitCode.diskIo],
  ["EMFILE", ExitCode.diskIo],
  ["ENOSPC", ExitCode.noSpace],
  ["EDQUOT", ExitCode.noSpace],
  ["EACCES", ExitCode.permission],
  ["EPERM", ExitCode.permission],
  ["EROFS", ExitCode.permission],
] as const;

/** Operations by which data would become durable, or seem so. Files may be closed, and the claim given back. */
function changesOf(asked: Life["asked"]): readonly string[] {
  return asked.filter(({ operation }) =>
    !["open", "close", "read", "size", "readDirectory"].includes(operation)
  )
    .map(({ operation, path }) => `${operation} ${path}`);
}

/** Whether a server goes on when there is no space for this: a file that is made ahead of need, or that the reserve can stand in for. */
function isMadeAhead(operations: Life["asked"], number: number): boolean {
  const { operation, path } = must(operations[number], "Within the life");
  const before = operations.slice(0, number).filter((one) => one.path === path);
  // From then on it is the log itself that is written.
  const isWhole = operation !== "create" &&
    before.slice(before.findLastIndex((one) => one.operation === "create"))
      .some((one) =>
        one.operation === "rename" || (one.operation === "sync" && path.endsWith(`/${NEXT_NAME}`))
      );
  return !isWhole && /\/(?:next|reserve|log-0000000002\.seg)\.tmp$/.test(path) &&
    ["create", "write", "sync"].includes(operation);
}

/** Whether this was a read that was asked for once more at once: reads may be, and nothing else. */
function isTriedAgain(asked: Life["asked"], number: number): boolean {
  const [failed, next] = [asked[number], asked[number + 1]];
  return failed?.operation === "read" && next?.operation === "size" && next.path === failed.path;
}

for (const [code, exitCode] of [["EIO", ExitCode.diskIo], ["ENOSPC", ExitCode.noSpace]] as const) {
  Deno.test(`${code} at any operation of a life: told once, final, and nothing acknowledged is lost`, async () => {
    const operations = await operationsOfALife();
    const seen = { opening: 0, writing: 0, closing: 0, ahead: 0, again: 0 };
    for (let failing = 0; failing < operations.length; failing++) {
      const { machine, states, opened, rejected, asked, failedAt } = await live(failing, code);
      const failed = must(operations[failing], "Within the life");
      const where = `operation ${failing}, ${failed.operation} ${failed.path}`;
      assertEquals(failedAt, failing, where);

      let stable = 0;
      const isAgain = code === "EIO" && isTriedAgain(asked, failing);
      const goesOn = isAgain || (code === "ENOSPC" && isMadeAhead(operations, failing));
      // The next segment is made beside the batches: what else is under way comes to its end, and nothing is begun once the failure is told.
      const isBeside = failed.path.endsWith(`/${NEXT_NAME}`);
      // What was half made for lack of space may be removed: that is no attempt to make it after all.
      const later = changesOf(
        asked.slice(failing + 1).filter(({ path, isLate }) =>
          isBeside ? isLate : !path.endsWith(`/${NEXT_NAME}`)
        ),
      ).filter((change) => code !== "ENOSPC" || change !== `remove ${failed.path}`);
      // The sync of a batch that was being written belongs to it.
      if (isBeside && /^sync .*\.seg$/.test(later[0] ?? "")) later.shift();
      if (!goesOn) assertEquals(later, [], `after ${where}`);
      if (goesOn) {
        if (isAgain) seen.again++;
        else seen.ahead++;
        assertEquals([rejected, opened?.stable()], [null, WRITES], where);
        stable = WRITES;
      } else if (opened === null) {
        seen.opening++;
        assert(rejected instanceof Refusal, where);
        assertEquals(rejected.exitCode, exitCode, where);
      } else {
        const failures = opened.events.filter((event) => event instanceof Refusal);
        if (rejected === null) {
          seen.writing++;
          assertEquals(failures.map((failure) => failure.exitCode), [exitCode], where);
          assertEquals(opened.events.at(-1), failures[0], `${where}: nothing is said after the failure`);
        } else {
          // A close that fails takes nothing back; everything was durable before.
          seen.closing++;
          assert(rejected instanceof FileError && rejected.code === code, where);
          assertEquals([failures, opened.stable()], [[], WRITES], where);
        }
        stable = opened.stable();
      }

      for (const end of ["kill", "crash"] as const) {
        machine.restart(end);
        await machine.run(async () => {
          const next = await machine.open();
          const lines = states.map(lineOf);
          const at = lines.indexOf(lineOf(next.recovered));
          assert(
            at >= stable,
            `${where}: ${stable} writes were promised, and after a ${end} there are ${at}`,
          );
          // What a life was given is promised from then on.
          stable = at;
          await next.close();
        });
      }
    }
    assertGreaterOrEqual(seen.opening, 20);
    assertGreaterOrEqual(seen.writing, 20);
    assertGreaterOrEqual(seen.closing, 1);
    assertEquals([seen.ahead > 0, seen.again > 0], [code === "ENOSPC", code === "EIO"]);
  });
}

Deno.test("whatever the code, the exit code is the one that an operator's script expects", async () => {
  const operations = await operationsOfALife();
  const lastSync = operations.findLastIndex(({ operation, path }) =>
    operation === "sync" && path.endsWith(".seg")
  );
  const birth = operations.findIndex(({ operation }) => operation === "sync");
  for (const [code, exitCode] of EXITS) {
    for (const failing of [birth, lastSync]) {
      const { opened, rejected } = await live(failing, code);
      const refusal = opened === null ? rejected : opened.events.at(-1);
      assert(refusal instanceof Refusal, code);
      assertEquals(refusal.exitCode, exitCode, code);
      assertStringIncludes(refusal.message, code);
      assertEquals(refusal.message.split("\n").length, 1, "one line");
    }
  }
});

Deno.test("a store that failed ignores writes, and can be closed", async () => {
  await loadCrc32c();
  const machine = new Machine("ignored");
  const writer = new Writer(new SeededRandom("ignored writes"));
  await machine.run(async () => {
    const opened = await machine.open();
    const asked: string[] = [];
    let hasFailed = false;
    machine.disk.fault = (operation) => {
      if (hasFailed) asked.push(operation);
      if (operation !== "sync" || hasFailed) return null;
      hasFailed = true;
      return "EIO";
    };
    opened.store.write(writer.any());
    // Asked for while the sync is under way: its batch never begins.
    machine.time.at(machine.time.now + 0.15, () => opened.store.write(writer.any()));
    await opened.until(1);
    opened.store.write(writer.any());
    await new Promise<void>((resolve) => void machine.time.at(machine.time.now + 100, resolve));
    assertEquals(opened.events.length, 1);
    assert(opened.events[0] instanceof Refusal);
    await opened.close();
    assertEquals(asked.filter((operation) => operation !== "close"), []);
    assertEquals(opened.events.length, 1);
  });
});

Deno.test("a fault at any operation of a recovery is a refusal of the disk, never damage, and changes nothing that counts; a read is tried again", async () => {
  await loadCrc32c();
  const { machine, states } = await live(null, "EIO");
  const whole = lineOf(must(states.at(-1), "There is one"));
  // A torn tail, so that recovery has something to cut.
  const last = must(machine.disk.durablePaths().findLast((path) => path.endsWith(".seg")), "There is one");
  const cut = lineOf(must(states.at(-2), "There are some"));
  machine.damage(last, (bytes) => {
    const end = bytes.findLastIndex((byte) => byte !== 0);
    return bytes.fill(0, end);
  });
  let operations = 0;
  const first = machine.copy();
  first.segmentBytes = 13 * 1024;
  await first.run(async () => {
    first.disk.fault = () => {
      operations++;
      return null;
    };
    const opened = await first.open();
    assertEquals(lineOf(opened.recovered), cut);
    assert(cut !== whole);
  });
  assertGreaterOrEqual(operations, 20);
  const seen = { again: 0, refused: 0 };
  for (let failing = 0; failing < operations; failing++) {
    const copy = machine.copy(`recovery/${failing}`);
    copy.segmentBytes = 9000;
    await copy.run(async () => {
      let asked = 0;
      let failed = "";
      copy.disk.fault = (operation, path) => {
        if (asked++ !== failing) return null;
        // What was put aside is looked at as far as it can be, and nothing rests on it.
        failed = /\.lost-\d+$/.test(path) ? "read" : operation;
        return "EIO";
      };
      try {
        const { recovered } = await copy.open();
        assertEquals(lineOf(recovered), cut, `operation ${failing}, which is tried again`);
        assertEquals(failed, "read", `operation ${failing}`);
        seen.again++;
      } catch (error) {
        assert(
          error instanceof Refusal && !(error instanceof CorruptLogError),
          `operation ${failing}: ${error}`,
        );
        assertEquals(error.exitCode, ExitCode.diskIo);
        seen.refused++;
      }
      copy.disk.fault = null;
      for (const end of ["kill", "crash"] as const) {
        copy.restart(end);
        assertEquals(lineOf((await copy.open()).recovered), cut, `operation ${failing}, then a ${end}`);
      }
    });
  }
  assertGreaterOrEqual(seen.again, 5);
  assertGreaterOrEqual(seen.refused, 15);
});
