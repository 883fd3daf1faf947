/**
 * Kind: property (every operation of a scripted life × every error).
 *
 * Invariant: whichever operation of the disk fails, and however, the server does what docs/disks.md says; what was acknowledged before is
 * there at the next start, after a kill and after a power failure; and what failed to be synced is never synced again.
 *
 * Learnt: what is to be done depends on who asked and for what, and on nothing else; so the rule is five lines, and every line of the table
 * that is printed is an instance of it.
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { must } from "../../../internal/base/assert.ts";
import { ExitCode, Refusal } from "../../../internal/base/errors.ts";
import { loadCrc32c } from "../../../internal/codec/crc32c.ts";
import { FileError, type FileErrorCode } from "../../../internal/platform/file_system.ts";
import type { Operation } from "../../simulator/sim_file_system.ts";
import { type Actor, BIRTH, CANNOT_ARCHIVE, Stage } from "./life.ts";
import { endOf, type Folded, writesFound } from "./oracle.ts";
import { Table } from "./table.ts";

await loadCrc32c();

/** What may go wrong with an operation. */
const ERRORS = ["EIO", "ENOSPC", "EROFS", "EACCES", "short write", "10 s stall"] as const;
type Wrong = (typeof ERRORS)[number];
const STALL_MS = 10_000;

/** One operation of the life. */
interface Step {
  readonly operation: Operation;
  readonly path: string;
  readonly actor: Actor;
  /** In which of the four lives. */
  readonly life: number;
  /** Whether it was asked for after a failure had been told. */
  readonly isLate: boolean;
}

interface Outcome {
  readonly stage: Stage;
  readonly steps: readonly Step[];
}

/** The life, in which the operation with that number goes wrong, and no other. */
async function live(failing: number | null, wrong: Wrong): Promise<Outcome> {
  const stage = new Stage();
  const steps: Step[] = [];
  const { disk } = stage;
  disk.leaves = (length) => wrong === "short write" ? length >> 1 : 0;
  disk.fault = (operation, _path, _number, path) => {
    steps.push({ operation, path, actor: stage.actor, life: stage.life, isLate: stage.ended !== null });
    return steps.length - 1 === failing ? codeOf(wrong) : null;
  };
  disk.stallMs = () => wrong === "10 s stall" && steps.length - 1 === failing ? STALL_MS : 0;
  await stage.play();
  disk.fault = null;
  disk.stallMs = null;
  return { stage, steps };
}

function codeOf(wrong: Wrong): FileErrorCode | null {
  switch (wrong) {
    case "10 s stall":
      return null;
    case "short write":
      // What the platform says when it asks for the rest, and nothing more is written.
      return "EIO";
    default:
      return wrong;
  }
}

const EXIT_CODES: Readonly<Record<Wrong, number>> = {
  "EIO": ExitCode.diskIo,
  "ENOSPC": ExitCode.noSpace,
  "EROFS": ExitCode.permission,
  "EACCES": ExitCode.permission,
  "short write": ExitCode.diskIo,
  "10 s stall": 0,
};

/* ---- what docs/disks.md says ---- */

const MUTATES: readonly Operation[] = ["create", "write", "sync", "rename", "remove", "syncDirectory"];

/** What is to happen. */
function documented(steps: readonly Step[], at: number, wrong: Wrong): string {
  const { operation, path, actor, life } = must(steps[at], "It is a step of the life");
  // The power fails before the last batch of the second life comes to anything.
  const isCutOff = (from: number) => actor === "log" && life !== steps[from + 1]?.life;
  if (wrong === "10 s stall") {
    const isBeforeTheTear = life === 2 && actor === "log" && isMadeAhead(steps, at);
    return isBeforeTheTear || isCutOff(at) || isCutOff(at + 1) ? "goes on" : "waits";
  }
  if (isCutOff(at)) return "goes on";
  const isOfSpace = wrong === "ENOSPC" &&
    (["create", "write", "sync"].includes(operation) || isSpareOpened(operation, path));
  if (isOfSpace && isMadeAhead(steps, at)) return "goes on, disk full";
  if (isOfSpace && life > 1 && actor === "start" && isNewSegment(steps, at)) {
    return "goes on, by the reserve";
  }
  if (wrong === "EIO" && operation === "read" && isReadAgain(steps, at)) return "reads again";
  // A segment that is let go of gets another name, or goes where there is no space for one.
  if (wrong === "ENOSPC" && operation === "rename" && actor === "log" && path.endsWith(".seg")) {
    return "goes on";
  }
  switch (actor) {
    case "start":
      return `does not start, ${EXIT_CODES[wrong]}`;
    case "log":
      return `stops, ${EXIT_CODES[wrong]}`;
    case "snapshots":
      // What is superfluous may stay.
      return operation === "remove" && path.endsWith(".snap") ? "told, goes on" : "told, done again";
    case "archive":
      return "told, done again";
    case "last archive":
      return "told, goes on";
    case "end":
      return "ends with an error";
  }
}

/** Whether it reads what has checksums. Who archives compares what was written with what was read, and begins anew. */
function isReadAgain(steps: readonly Step[], at: number): boolean {
  const { path, actor } = must(steps[at], "It is a step of the life");
  return actor !== "archive" && actor !== "last archive" &&
    /(?:\.seg|\/promises|\/snapshots\/.*)$/.test(path);
}

/** Whether it makes a file ahead of need: one that is whole is the log itself. */
function isMadeAhead(steps: readonly Step[], at: number): boolean {
  const { operation, path } = must(steps[at], "It is a step of the life");
  if (operation === "create") return /\/(?:next|reserve)\.tmp$/.test(path);
  const before = steps.slice(0, at).filter((step) => step.path === path);
  // A spare was made long ago.
  const made = before.slice(Math.max(0, before.findLastIndex(({ operation }) => operation === "create")));
  return /\/(?:next|reserve|spare-\d+)\.tmp$/.test(path) &&
    !made.some(({ operation }) => operation === "sync");
}

/** Whether it makes room for a segment that was not made ahead: where its zeros are durable, its header needs none. */
function isNewSegment(steps: readonly Step[], at: number): boolean {
  const { path } = must(steps[at], "It is a step of the life");
  const isSynced = steps.slice(0, at).some((step) => step.path === path && step.operation === "sync");
  return path.endsWith(".seg.tmp") && !isSynced;
}

/** Whether it is the next segment, which is made beside the batches: anew, or out of a spare. */
function isNext(path: string): boolean {
  return /\/(?:next|spare-\d+)\.tmp$/.test(path);
}

/** No system says at that time that there is no space; it is what it would be if one did. */
function isSpareOpened(operation: Operation, path: string): boolean {
  return (operation === "open" || operation === "size") && /\/spare-\d+\.tmp$/.test(path);
}

/** Whether batches go on meanwhile, as long as they find room: the next segment is made beside them. */
function isBesideBatches(steps: readonly Step[], at: number, wrong: Wrong): boolean {
  const { path, actor } = must(steps[at], "It is a step of the life");
  return wrong === "10 s stall" && actor === "log" && isNext(path) && isMadeAhead(steps, at);
}

/* ---- what happened ---- */

function happened({ stage, steps }: Outcome, at: number, wrong: Wrong, whole: Stage): string {
  const { ended, log, oracle } = stage;
  const told = (event: string) => log.all(event).length > 0;
  if (ended === null) {
    assertEquals(lineOfState(oracle.now), lineOfState(whole.oracle.now), "it did everything");
    if (told("disk full: writes are refused until there is space")) return "goes on, disk full";
    if (stage.triedAgain > 0) return "told, done again";
    if (told("an old snapshot cannot be removed") || told(CANNOT_ARCHIVE)) return "told, goes on";
    if (steps.some(({ operation, path }) => operation === "rename" && path.endsWith("/reserve"))) {
      return "goes on, by the reserve";
    }
    if (wrong === "EIO" && wasReadAgain(steps, at)) return "reads again";
    return stage.time.now >= whole.time.now + 0.9 * STALL_MS ? "waits" : "goes on";
  }
  const { actor, reason } = ended;
  if (actor === "end" && reason instanceof FileError) return "ends with an error";
  if (!(reason instanceof Refusal)) throw reason;
  assertEquals(reason.message.split("\n").length, 1, "one line");
  return `${actor === "start" ? "does not start" : "stops"}, ${reason.exitCode}`;
}

/** A part is read again once it is known how long the file is. */
function wasReadAgain(steps: readonly Step[], at: number): boolean {
  const failed = must(steps[at], "It is a step of the life");
  const later = steps.slice(at + 1, at + 8).filter(({ path }) => path === failed.path)
    .map(({ operation }) => operation);
  return failed.operation === "read" && later.includes("size") &&
    later.indexOf("size") < later.lastIndexOf("read");
}

function lineOfState({ hardState, base, entries }: Folded): string {
  return JSON.stringify([hardState, base, entries.map(({ index, term }) => [index, term])]);
}

/** What is done to the disk behind a failure; what was half made for want of space may go. */
function changesBehind(steps: readonly Step[], at: number, wrong: Wrong): readonly string[] {
  const failed = must(steps[at], "It is a step of the life");
  const isBeside = isNext(failed.path);
  // The next segment is made beside the batches: what of either was asked for before the failure was told is no answer to it.
  const behind = steps.slice(at + 1).filter(({ path, isLate }) => isLate || !(isBeside || isNext(path)));
  // The sync of a batch that was being written belongs to it, and so does the rest of a step of the next segment.
  while (behind[0] !== undefined && (isBeside ? behind[0].path.endsWith(".seg") : isNext(behind[0].path))) {
    behind.shift();
  }
  return behind.filter(({ operation, path }) =>
    MUTATES.includes(operation) && !(wrong === "ENOSPC" && operation === "remove" && path === failed.path)
  ).map(({ operation, path }) => `${operation} ${path}`);
}

/** Whether a file that failed to be synced is, in that life and without being made anew. Of the times, lines that are cut short are none. */
function isSyncedAgain(steps: readonly Step[], at: number): boolean {
  const failed = must(steps[at], "It is a step of the life");
  if (failed.operation !== "sync" || failed.path.endsWith(".jsonl")) return false;
  const later = steps.slice(at + 1).filter(({ path, life }) => path === failed.path && life === failed.life);
  const sync = later.findIndex(({ operation }) => operation === "sync");
  return sync >= 0 && !later.slice(0, sync).some(({ operation }) => operation === "create");
}

/** The start after the machine went in that way is legal, and the one after that like it. */
async function nextStarts(
  { stage }: Outcome,
  end: "kill" | "crash",
  isTwice: boolean,
  where: string,
): Promise<void> {
  const window = stage.oracle.window();
  let found: number | null = null;
  for (const again of isTwice ? [false, true] : [false]) {
    stage.restart(again ? "crash" : end);
    const writes = await stage.visit(async (started) => {
      const writes = writesFound(window, started, BIRTH);
      await started.close();
      return writes;
    });
    assert(writes !== null, `${where}: after a ${end} no legal start`);
    if (again) assertEquals(writes, found, `${where}: the second start after a ${end} is like the first`);
    found = writes;
  }
}

function titleOf({ operation, path, actor }: Step): string {
  const name = must(path.split("/").at(-1), "It has a name");
  const isDirectory = !/[.]|reserve|identity|promises/.test(name);
  const what = isDirectory
    ? "a directory"
    : name.endsWith(".jsonl")
    ? "the times"
    : /^(?:next|reserve|spare-\d+|log-\d+\.seg)\.tmp$|^reserve$/.test(name)
    ? path.startsWith("archive/") ? "a segment" : "what is made ahead"
    : name.endsWith(".seg")
    ? "a segment"
    : /^(?:snap-|taking|receiving)/.test(name)
    ? "a snapshot"
    : name.replace(".tmp", "");
  return `${actor}: ${operation} ${what}`;
}

Deno.test("every operation of a scripted life × every error: what is documented, nothing lost, no sync tried again", async () => {
  const whole = await live(null, "EIO");
  const { steps } = whole;
  assertEquals(whole.stage.ended, null);
  assertEquals(endOf(whole.stage.oracle.now).index, 37);
  const said = whole.stage.log.said.map(({ event }) => event);
  assertEquals(said.filter((event) => event === "torn tail is cut").length, 1);
  const table = new Table(["operation", "of them", ...ERRORS]);
  const reactions = new Map<string, number>();
  const objections: string[] = [];
  let cases = 0;
  for (const [at, step] of steps.entries()) {
    const title = titleOf(step);
    table.add(title, "of them");
    for (const wrong of ERRORS) {
      if (wrong === "short write" && step.operation !== "write") continue;
      const where = `${wrong} at operation ${at}, ${title} (${step.path})`;
      const outcome = await live(at, wrong);
      const reaction = happened(outcome, at, wrong, whole.stage);
      const wanted = isBesideBatches(steps, at, wrong) && reaction === "goes on"
        ? reaction
        : documented(steps, at, wrong);
      if (reaction !== wanted) objections.push(`${where}: ${reaction}; documented: ${wanted}`);
      const changes = changesBehind(outcome.steps, at, wrong);
      if (/^(?:stops|does not start)/.test(reaction) && changes.length > 0) {
        objections.push(`${where}: then ${changes.join(", ")}`);
      }
      if (codeOf(wrong) !== null && isSyncedAgain(outcome.steps, at)) {
        objections.push(`${where}: synced again`);
      }
      await nextStarts(outcome, cases % 2 === 0 ? "kill" : "crash", cases % 4 > 1, where);
      table.add(title, wrong, reaction);
      reactions.set(reaction, (reactions.get(reaction) ?? 0) + 1);
      cases++;
    }
  }
  assertEquals(objections, []);
  console.log(`${steps.length} operations, ${cases} cases`);
  console.log(table.text());
  for (const [reaction, count] of [...reactions].sort()) {
    console.log(`${String(count).padStart(6)}  ${reaction}`);
  }
  assertGreaterOrEqual(cases, 2500);
});
