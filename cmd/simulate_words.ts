/**
 * What `raftline simulate` says: of a seed, on the way, and at the end.
 *
 * @module
 */
import type { SeedSummary, Tally } from "../tests/simulator/summary.ts";

const COLUMNS = 110;
const HOUR_MS = 3_600_000;

/** A number with its thousands apart. */
export function grouped(value: number, digits = 0): string {
  const [whole = "", rest] = value.toFixed(digits).split(".");
  return whole.replaceAll(/\B(?=(\d{3})+$)/g, " ") + (rest === undefined ? "" : `.${rest}`);
}

/** A time that somebody waits for. */
function shownWait(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function heldLine(
  { seed, simulatedMs, events, served, asked, servedMs, fired }: SeedSummary,
  traceHash: string,
  tookMs: number,
): string {
  const faults = fired.reduce((sum, [, count]) => sum + count, 0);
  return `seed ${seed}: everything held for ${grouped(simulatedMs / 1000, 3)} simulated seconds: ${
    grouped(events)
  } events, ${grouped(faults)} faults, ${grouped(served)} of ${
    grouped(asked)
  } operations served; well again ${grouped(servedMs)} ms after the last fault; trace ${traceHash}; took ${
    (tookMs / 1000).toFixed(2)
  } s`;
}

const WHAT = {
  held: "held",
  correctness: "a promise is broken",
  liveness: "no progress",
  crash: "an unexpected end",
} as const;

/** What was false, and the command that shows it again. */
export function brokenLine({ seed, verdict, reason, simulatedMs }: SeedSummary, command: string): string {
  return `seed ${seed}: ${WHAT[verdict]} at ${simulatedMs.toFixed(3)} ms: ${
    reason.replaceAll(/\s+/g, " ")
  }; again: ${command}`;
}

/** Faults by class, in lines that are not too long. */
function faultLines(tally: Tally): readonly string[] {
  const lines: string[] = [];
  let line = "  faults:";
  for (const [name, count] of tally.coverage.counts) {
    if (count === 0) continue;
    const word = ` ${name} ${grouped(count)},`;
    if (line.length + word.length > COLUMNS) {
      lines.push(line);
      line = "   ";
    }
    line += word;
  }
  lines.push(line.replace(/,$/, ""));
  return lines;
}

function brokenCount({ broken }: Tally): string {
  return broken.length === 0 ? "" : `, ${grouped(broken.length)} did not hold`;
}

/** How far it is: seeds, simulated hours, speed, the time that is left, and faults by class. */
export function progressLines(tally: Tally, count: number, tookMs: number): string {
  const { seeds, simulatedMs, faults } = tally;
  const left = seeds === 0 ? "?" : shownWait(tookMs / seeds * (count - seeds));
  return [
    `${grouped(seeds)} of ${grouped(count)} seeds (${Math.floor(seeds / count * 100)} %)${
      brokenCount(tally)
    }, ${(simulatedMs / HOUR_MS).toFixed(2)} simulated hours at ${
      grouped(simulatedMs / tookMs)
    } x real time, ${(seeds / tookMs * 1000).toFixed(1)} seeds/s, ${grouped(faults)} faults, ${left} left`,
    ...faultLines(tally),
  ].join("\n");
}

/** The coverage matrix, and what it all came to. */
export function totalLines(tally: Tally, first: number, tookMs: number): string {
  const { coverage, seeds, simulatedMs, events, served, asked, faults, recoveryMs: [median, longest] } =
    tally;
  const { missing } = coverage;
  const pairs = missing.filter((name) => name.includes(" with ")).length;
  const never = missing.filter((name) => !name.includes(" with "));
  return [
    coverage.table,
    never.length === 0
      ? `every class of faults fired, and ${pairs === 0 ? "every pair met" : `${pairs} pairs never met`}`
      : `never fired: ${never.join(", ")}; ${pairs} pairs of the others never met`,
    `well again after the last fault: half of them within ${grouped(median)} ms, all within ${
      grouped(longest)
    } ms`,
    `${grouped(seeds)} ${seeds === 1 ? "seed" : "seeds"} from ${first} on${
      tally.broken.length === 0 ? ", all held" : brokenCount(tally)
    }: ${(simulatedMs / HOUR_MS).toFixed(2)} simulated hours, ${grouped(events)} events, ${
      grouped(faults)
    } faults, ${grouped(served)} of ${grouped(asked)} operations served; ${shownWait(tookMs)}, ${
      (seeds / tookMs * 1000).toFixed(1)
    } seeds/s, ${grouped(simulatedMs / tookMs)} x real time`,
  ].join("\n");
}
