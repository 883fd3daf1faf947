/**
 * Which classes of faults fired, how often, and which of them met in one seed.
 *
 * A simulator that has a fault and never shows it tests less than it says; so the matrix is printed at the end of many seeds, and CI demands
 * that it has no empty cell.
 *
 * @module
 */
import { decaysDrawn, type StrikeName, strikes, strikesDrawn } from "./strikes.ts";
import type { World } from "./world.ts";

/** Faults that are no strikes, with the rows of the fault model. */
const others = {
  loss: "N1",
  duplicate: "N4",
  break: "N10 N12",
  replay: "N3 N4",
  corrupt: "N11",
  split: "N12",
  delay: "N2 N3",
  lostWrite: "D2",
  tornWrite: "D1 D3",
  undoneName: "D17",
  drift: "P3",
  add: "M1 M5",
  addLearner: "M9",
  remove: "M6 M7",
  replace: "M5",
  promote: "M14",
  demote: "M14",
  transfer: "E14",
  snapshot: "S1",
  priority: "E18",
  readFollower: "R1",
  readLease: "R6",
  readStale: "R7",
  lostAndRepaired: "D4 2.3",
  foundInLog: "D4 D5",
  foundInSnapshot: "D4 S14",
  busyFull: "D13",
  restDown: "I35",
  restAsleep: "I35",
  restCutOff: "I35",
} as const;

export type FaultClass = StrikeName | keyof typeof others;

/** All classes, in the order of the matrix. */
export const faultClasses: readonly FaultClass[] = [
  ...strikesDrawn,
  ...decaysDrawn,
  ...(Object.keys(others) as (keyof typeof others)[]),
];

/** The rows of the fault model that a class stands for. */
export function rowsOf(name: FaultClass): string {
  return name in others ? others[name as keyof typeof others] : strikes[name as StrikeName].rows;
}

/** How often each class fired in a world. */
export function firedIn(world: World): ReadonlyMap<FaultClass, number> {
  const { network: { counts }, losses, odds, strikes: struck } = world;
  const fired = new Map<FaultClass, number>([
    ...struck,
    ...world.deeds,
    ["wiped", world.servers.filter(({ isWiped }) => isWiped).length],
    ["readFollower", world.reads.follower],
    ["readLease", world.reads.lease],
    ["readStale", world.reads.stale],
    ["lostAndRepaired", world.counts.losses],
    ["foundInLog", world.found.log],
    ["foundInSnapshot", world.found.snapshot],
    ["busyFull", world.history.counts.full],
    ["loss", counts.lost],
    ["duplicate", counts.duplicated],
    ["break", counts.broken],
    ["replay", counts.replayed],
    ["corrupt", counts.corrupted],
    ["split", counts.split],
    ["delay", counts.delayed],
    ["lostWrite", losses.lost],
    ["tornWrite", losses.torn],
    ["undoneName", losses.undone],
    ["drift", odds.driftPermille > 0 ? 1 : 0],
    ["restDown", odds.rest === "down" ? 1 : 0],
    ["restAsleep", odds.rest === "asleep" ? 1 : 0],
    ["restCutOff", odds.rest === "cutOff" ? 1 : 0],
  ]);
  return new Map([...fired].filter(([, count]) => count > 0));
}

/** What came of faults: each is to be seen, but not with everything else. */
const OUTCOMES: ReadonlySet<FaultClass> = new Set(["foundInLog", "foundInSnapshot", "busyFull"]);

/** Of each set only one can be in a seed. */
const EXCLUSIVE: readonly ReadonlySet<FaultClass>[] = [
  new Set(["restDown", "restAsleep", "restCutOff"]),
  new Set(["suspend", "readFollower"]),
  new Set(["suspend", "readLease"]),
  new Set(["suspend", "readStale"]),
];

/** The matrix as plain data, so that it can travel between processes. */
export interface CoverageData {
  readonly seeds: number;
  /** How often each class fired, in all. */
  readonly counts: readonly number[];
  /** In how many seeds two classes fired, row by row; the diagonal says in how many one did. */
  readonly pairs: readonly (readonly number[])[];
}

export class Coverage {
  #seeds = 0;
  readonly #counts: number[] = faultClasses.map(() => 0);
  readonly #pairs: number[][] = faultClasses.map(() => faultClasses.map(() => 0));

  add(fired: ReadonlyMap<FaultClass, number>): void {
    this.#seeds++;
    const places = faultClasses.flatMap((name, i) => fired.has(name) ? [i] : []);
    for (const i of places) {
      this.#counts[i] = (this.#counts[i] ?? 0) + (fired.get(faultClasses[i] ?? "loss") ?? 0);
      for (const j of places) this.#addPair(i, j, 1);
    }
  }

  merge({ seeds, counts, pairs }: CoverageData): void {
    this.#seeds += seeds;
    counts.forEach((count, i) => this.#counts[i] = (this.#counts[i] ?? 0) + count);
    pairs.forEach((row, i) => row.forEach((count, j) => this.#addPair(i, j, count)));
  }

  get data(): CoverageData {
    return { seeds: this.#seeds, counts: this.#counts, pairs: this.#pairs };
  }

  /** How often each class fired. */
  get counts(): ReadonlyMap<FaultClass, number> {
    return new Map(faultClasses.map((name, i) => [name, this.#counts[i] ?? 0]));
  }

  /** Classes that never fired, and pairs that never met, as far as they can. */
  get missing(): readonly string[] {
    const missing: string[] = [];
    faultClasses.forEach((name, i) => {
      if (this.#counts[i] === 0) missing.push(name);
      for (const [j, other] of faultClasses.entries()) {
        if (OUTCOMES.has(name) || OUTCOMES.has(other)) continue;
        if (j >= i || EXCLUSIVE.some((set) => set.has(name) && set.has(other))) continue;
        if (this.#counts[i] !== 0 && this.#counts[j] !== 0 && this.#pairs[i]?.[j] === 0) {
          missing.push(`${other} with ${name}`);
        }
      }
    });
    return missing;
  }

  /** The matrix for people: a line for each class, a sign for each pair. */
  get table(): string {
    const width = Math.max(...faultClasses.map((name) => name.length));
    const lines = faultClasses.map((name, i) => {
      const pairs = faultClasses.slice(0, i).map((_, j) => signOf(this.#pairs[i]?.[j] ?? 0)).join("");
      const numbers = [this.#counts[i], this.#pairs[i]?.[i]].map((number) => String(number).padStart(9)).join(
        "",
      );
      return `${String(i + 1).padStart(3)} ${name.padEnd(width)} ${
        rowsOf(name).padEnd(16)
      }${numbers}  ${pairs}`;
    });
    return [
      `${" ".repeat(4)}${"class".padEnd(width)} ${
        "fault model".padEnd(16)
      }    fired    seeds  met in so many seeds: . none, 1 to 9, x 10, c 100, m 1000 or more`,
      ...lines,
    ].join("\n");
  }

  #addPair(i: number, j: number, count: number): void {
    const row = this.#pairs[i];
    if (row !== undefined) row[j] = (row[j] ?? 0) + count;
  }
}

function signOf(count: number): string {
  if (count === 0) return ".";
  return count < 10 ? String(count) : count < 100 ? "x" : count < 1000 ? "c" : "m";
}
