/**
 * Kind: unit (a table).
 *
 * Invariant: whatever was thrown becomes one line that names the causes, outermost first; a refusal carries the exit code that scripts rely
 * on.
 *
 * Learnt: a cause may be no error, may be itself, and may have line breaks from the operating system.
 */
import { assert, assertEquals } from "@std/assert";
import { CorruptLogError, describeError, ExitCode, Refusal } from "../../internal/base/errors.ts";

function loop(): Error {
  const error = new Error("round");
  error.cause = error;
  return error;
}

function nested(depth: number): Error {
  let error = new Error(String(depth));
  for (let at = depth - 1; at >= 1; at--) error = new Error(String(at), { cause: error });
  return error;
}

const TABLE: readonly (readonly [what: string, thrown: unknown, line: string])[] = [
  ["an error", new Error("no space"), "no space"],
  [
    "an error with causes",
    new Error("cannot start", { cause: new Error("cannot open log", { cause: new Error("EACCES") }) }),
    "cannot start: cannot open log: EACCES",
  ],
  ["a cause that is a text", new Error("outer", { cause: "inner" }), "outer: inner"],
  ["a cause that is a number", new Error("outer", { cause: 0 }), "outer: 0"],
  ["a cause that is null", new Error("outer", { cause: null }), "outer"],
  ["a text", "thrown by hand", "thrown by hand"],
  ["a number", 7, "7"],
  ["line breaks", new Error("a\nb\r\nc", { cause: new Error("d\n\n\re") }), "a b c: d e"],
  ["an error that causes itself", loop(), new Array(8).fill("round").join(": ")],
  ["more causes than one wants to read", nested(20), "1: 2: 3: 4: 5: 6: 7: 8"],
  ["a refusal", new Refusal(ExitCode.noSpace, "disk full"), "disk full"],
  [
    "a refusal with causes, which it names as far as they matter",
    new Refusal(ExitCode.noSpace, "cannot write: disk full", {
      cause: new Error("disk full", { cause: "ENOSPC" }),
    }),
    "cannot write: disk full",
  ],
  [
    "a refusal as a cause",
    new Error("cannot start", { cause: new Refusal(ExitCode.noSpace, "disk full", { cause: "ENOSPC" }) }),
    "cannot start: disk full",
  ],
];

for (const [what, thrown, line] of TABLE) {
  Deno.test(`one line for ${what}`, () => assertEquals(describeError(thrown), line));
}

Deno.test("a refusal keeps its code, its name and its cause", () => {
  const cause = new Error("EACCES");
  const refusal = new Refusal(ExitCode.permission, "cannot write to ./data", { cause });
  assert(refusal instanceof Error);
  assertEquals([refusal.exitCode, refusal.name, refusal.cause], [77, "Refusal", cause]);
});

Deno.test("damaged data says where, what is safe and what to do, and has code 65", () => {
  const error = new CorruptLogError("log/0001", 4096, "checksum does not match");
  assert(error instanceof Refusal);
  assertEquals([error.exitCode, error.file, error.offset], [65, "log/0001", 4096]);
  assertEquals(
    error.message,
    "damaged data in log/0001 at offset 4096: checksum does not match; nothing was changed on disk; " +
      "restore this file from a copy, or remove this server and let it join again empty under a new id",
  );
});

Deno.test("the exit codes are those that scripts rely on", () => {
  assertEquals({ ...ExitCode }, {
    usage: 64,
    verdictUnknown: 2,
    damagedData: 65,
    identityMismatch: 69,
    unavailable: 69,
    brokenInvariant: 70,
    dataDirectoryLocked: 73,
    diskIo: 74,
    noSpace: 75,
    permission: 77,
    configuration: 78,
  });
});
