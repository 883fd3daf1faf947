/**
 * Kind: chaos (real processes behind a proxy).
 *
 * Invariant: each fault alone loses nothing and confuses nobody: every acknowledged write is there, nothing that was refused is, nothing happens twice,
 * no read goes back; where a majority can speak, the cluster serves during the fault; and when it is over, every server serves again.
 *
 * RAFTLINE_CHAOS_SEED sets whom and how hard; RAFTLINE_FAULT names the only fault to run; RAFTLINE_FAULT_ROUNDS (1) is how often each strikes.
 *
 * Learnt: a server that was cut off while it led shows a stale read only to a client that stays with it and asks again and again; hence the readers.
 */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { SeededRandom } from "../../internal/base/random.ts";
import { Arena } from "./chaos/arena.ts";
import { Clients } from "./chaos/clients.ts";
import { type Fault, FAULTS } from "./chaos/faults.ts";
import { History } from "./chaos/history.ts";
import { keep } from "./chaos/keep.ts";
import { verify } from "./chaos/verify.ts";
import { pause } from "./cluster.ts";
import { compiled, electionTimeoutMaxMs, eventually, missingBinary } from "./harness.ts";

const skipped = missingBinary();
if (skipped !== null) console.log(`skipped: tests/process/faults_test.ts: ${skipped}`);

const seed = process.env["RAFTLINE_CHAOS_SEED"] ?? String(Date.now() % 1_000_000);
const only = process.env["RAFTLINE_FAULT"];
const rounds = Number(process.env["RAFTLINE_FAULT_ROUNDS"] ?? "1");

/** So long a fault lasts; a new leader is there by then, unless the machine is busy. */
const FAULT_MS = 2 * electionTimeoutMaxMs;
/** At least so many operations succeed in the second part of it, however long that takes on a busy machine. */
const SERVED_MIN = 20;
const SERVED_WITHIN_MS = 8000;

/** Faults under which a majority can speak and be reached: then writes go on. */
const SERVES = new Set([
  "partition: one apart",
  "partition: leader apart",
  "partition: leader receives only",
  "one-byte segments",
  "replayed frames",
  "old frames late",
  "clients: cut off from the leader",
  "clients: cut off from all but the leader",
  "partition: leader sends only",
  "partition: leader and one cannot speak",
  "partition: bridge",
  "kill -9: one",
  "kill -9: the leader",
  "freeze: one",
  "freeze: the leader",
  "crash loop",
  "rolling restart",
  "members: one more",
  "members: one less",
  "members: one replaced",
  "members: one without a vote",
  "snapshots taken",
]);

interface Finding {
  readonly fault: string;
  readonly line: string;
  readonly problems: readonly string[];
}

/** One fault on a cluster that is well before and afterwards. */
async function strike(arena: Arena, fault: Fault, round: number): Promise<Finding> {
  const random = new SeededRandom(`${seed}/${fault.name}/${round}`);
  const history = new History();
  const clients = new Clients({
    arena,
    history,
    random: random.fork("clients"),
    count: 6,
    readers: 3,
    thinkMs: 8,
    prefix: `${fault.name.replaceAll(/\W+/g, "-")}.${round}:`,
  });
  const problems: string[] = [];
  let line = "";
  try {
    await pause(200);
    const { what, undo } = await fault.begin({ arena, random: random.fork("fault") });
    arena.note(`${fault.name}: ${what}`);
    await pause(FAULT_MS);
    let { acknowledged } = clients.tally();
    if (SERVES.has(fault.name)) {
      await eventually(
        `${SERVED_MIN} operations succeed during it (${what})`,
        SERVED_WITHIN_MS,
        () => Promise.resolve(clients.acknowledged >= SERVED_MIN),
      );
      acknowledged += clients.tally().acknowledged;
    }
    await undo();
    const healedAt = performance.now();
    problems.push(...await verify(arena, clients, history));
    const ms = (performance.now() - healedAt).toFixed(0);
    const short = what.length > 90 ? `${what.slice(0, 90)}...` : what;
    line = `${fault.name.padEnd(42)} ${
      String(acknowledged).padStart(5)
    } succeeded during it, all well ${ms} ms after it  ${short}`;
  } catch (error) {
    problems.push(error instanceof Error ? `${error.message}: ${String(error.cause ?? "")}` : String(error));
  } finally {
    await clients.stop();
  }
  if (problems.length > 0) problems.push(`kept in ${keep(arena, history, "fault")}`);
  return { fault: fault.name, line, problems };
}

async function startArena(lane: string): Promise<Arena> {
  return await Arena.start({
    programs: [compiled, compiled, compiled, compiled],
    spares: 1,
    seed: `${seed}/${lane}`,
    args: ["--request-timeout-ms", "1500", "--snapshot-entries", "300", "--log-memory-entries", "200"],
  });
}

/** Faults one after another on one cluster; a new cluster after one that failed. */
async function lane(name: string, faults: readonly Fault[]): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  let arena = await startArena(name);
  try {
    for (let round = 0; round < rounds; round++) {
      for (const fault of faults) {
        const finding = await strike(arena, fault, round);
        findings.push(finding);
        if (finding.problems.length === 0) continue;
        await arena.stop();
        arena = await startArena(name);
      }
    }
  } finally {
    await arena.stop();
  }
  return findings;
}

Deno.test({
  name: `each fault alone, seed ${seed}: nothing acknowledged is lost, and the cluster serves again`,
  ignore: skipped !== null,
  fn: async () => {
    const wanted = FAULTS.filter(({ name }) => only === undefined || name === only);
    assert(
      wanted.length > 0,
      `there is no fault ${only}; there are: ${FAULTS.map(({ name }) => name).join(", ")}`,
    );
    // Most of the time is waiting, so a few clusters at a time.
    const lanes = [0, 1, 2].map((number) => wanted.filter((_, i) => i % 3 === number)).filter((own) =>
      own.length > 0
    );
    const findings = (await Promise.all(lanes.map((own, i) => lane(`lane-${i}`, own)))).flat();
    for (const { line } of findings) if (line !== "") console.log(`    ${line}`);
    const bad = findings.filter(({ problems }) => problems.length > 0);
    const told = bad.map(({ fault, problems }) =>
      `${fault}:\n  ${
        problems.join("\n  ")
      }\n  to repeat it: RAFTLINE_FAULT="${fault}" RAFTLINE_CHAOS_SEED=${seed} ` +
      `deno test -A --no-check tests/process/faults_test.ts`
    );
    if (told.length > 0) throw new Error(told.join("\n"));
    assertEquals(findings.length, wanted.length * rounds);
  },
});
