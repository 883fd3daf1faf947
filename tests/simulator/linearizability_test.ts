/**
 * Kind: property (simulation of whole servers).
 *
 * Invariant: the history of a simulated run is linearizable; the same with one answer that a broken cluster would give is not, and is explained. Written
 * out, it reads back as the same history.
 *
 * Learnt: over 120 seeds the search takes less than one step for each operation, and 1 to 2 % of the time of the run.
 */
import { assert, assertEquals, assertGreater, assertMatch, assertThrows } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesOfLatin1 } from "../../internal/base/latin1.ts";
import { type Random, SeededRandom } from "../../internal/base/random.ts";
import { loadCrc32c } from "../../internal/codec/crc32c.ts";
import { NULL, type Reply } from "../../internal/codec/reply.ts";
import { Violation } from "../invariants/ghost.ts";
import { parseOperation } from "../linearizability/history_lines.ts";
import { type History, type HistoryOperation, isList } from "./history.ts";
import { checkLinearizable, operationsOf, writeHistory } from "./linearizability.ts";
import { worldOf } from "./run_seed.ts";

const SEEDS = [5, 11, 14, 18];
const FAULTY_MS = 8000;
const TRIES = 4;

async function historyOf(seed: number): Promise<History> {
  await loadCrc32c();
  const world = worldOf(seed, { faultyMs: FAULTY_MS, odds: { reads: "leader", clients: 6, thinkMs: 100 } });
  await world.run();
  return world.history;
}

const isOk = ({ outcome }: HistoryOperation) => outcome === "ok";
const isBefore = (a: HistoryOperation, b: HistoryOperation) =>
  a.key === b.key && a.answeredAt !== null && a.answeredAt < b.askedAt;
const bulk = (text: string): Reply => ({ type: "bulk", bytes: bytesOfLatin1(text) });

function pick(random: Random, from: readonly HistoryOperation[]): HistoryOperation | null {
  return from.length === 0 ? null : from[random.below(from.length)] ?? null;
}

/** An operation and the answer that it must not have. */
type Lie = readonly [HistoryOperation, Reply];
type Broken = (random: Random, operations: readonly HistoryOperation[]) => Lie | null;

/** A read, and two writes before it, one after another. */
function readBehind(
  random: Random,
  operations: readonly HistoryOperation[],
  wantsList: boolean,
): readonly [HistoryOperation, HistoryOperation, HistoryOperation] | null {
  const own = operations.filter((one) => isOk(one) && isList(one.key) === wantsList);
  const writes = own.filter(({ kind }) => kind === "write");
  const read = pick(random, own.filter(({ kind }) => kind === "read"));
  const second = read && pick(random, writes.filter((one) => isBefore(one, read)));
  const first = second && pick(random, writes.filter((one) => isBefore(one, second)));
  return read && second && first && [first, second, read];
}

const BROKEN: Readonly<Record<string, Broken>> = {
  "a stale read": (random, operations) => {
    const [first, , read] = readBehind(random, operations, false) ?? [];
    return first && read ? [read, bulk(first.value)] : null;
  },
  "an acknowledged write that is lost": (random, operations) => {
    const [, , read] = readBehind(random, operations, false) ?? [];
    return read ? [read, NULL] : null;
  },
  "a dirty read of a refused or foreign value": (random, operations) => {
    const [, , read] = readBehind(random, operations, false) ?? [];
    const other = pick(random, operations.filter((one) => one.kind === "write" && one.key !== read?.key));
    return read && other ? [read, bulk(other.value)] : null;
  },
  "a word of a list that is lost": (random, operations) => {
    const [first, , read] = readBehind(random, operations, true) ?? [];
    if (first === undefined || read?.reply?.type !== "bulk") return null;
    return [read, bulk(new TextDecoder().decode(read.reply.bytes).replace(first.value, ""))];
  },
  "a word of a list that was applied twice": (random, operations) => {
    const [first, , read] = readBehind(random, operations, true) ?? [];
    if (first === undefined || read?.reply?.type !== "bulk") return null;
    return [read, bulk(new TextDecoder().decode(read.reply.bytes) + first.value)];
  },
};

for (const seed of SEEDS) {
  Deno.test(`the history of seed ${seed} is linearizable, and with a lie in it is not`, async () => {
    const history = await historyOf(seed);
    checkLinearizable(history);
    let lies = 0;
    for (const [what, broken] of Object.entries(BROKEN)) {
      for (let i = 0; i < TRIES; i++) {
        const lie = broken(new SeededRandom(`lies/${seed}/${what}/${i}`), history.operations);
        if (lie === null) continue;
        const [operation, reply] = lie;
        const truth = operation.reply;
        operation.reply = reply;
        const { message } = assertThrows(() => checkLinearizable(history), Violation);
        assertMatch(message, /the key "[kl]\d" is not linearizable: client \d+ asked/);
        assertMatch(message, /cannot be placed/);
        operation.reply = truth;
        lies++;
      }
    }
    assertGreater(lies, TRIES * 2);
    checkLinearizable(history);
  });
}

Deno.test("a history that is written out reads back as it was", async () => {
  const history = await historyOf(4);
  const directory = mkdtempSync(join(tmpdir(), "raftline-history-"));
  try {
    writeHistory(history, join(directory, "seed-{seed}.jsonl"), 4);
    const lines = readFileSync(join(directory, "seed-4.jsonl"), "utf8").trimEnd().split("\n");
    assertEquals(lines.map(parseOperation), [...operationsOf(history)]);
    assert(lines.length > 100);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
