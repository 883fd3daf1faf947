/**
 * Watches the processes of an arena from outside: memory, descriptors, and who leads.
 *
 * Keeps true: measurements of one process are one series; another process in the same place begins another one.
 *
 * @module
 */
import { pause } from "../cluster.ts";
import type { Arena } from "./arena.ts";
import { type Growth, growthOf } from "./growth.ts";
import { type Vitals, vitalsOf } from "./vitals.ts";

const LOOK_MS = 250;
const SAMPLE_MS = 1000;

/** A process may keep so much more at the end than after its warm-up. */
const MEMORY_ALLOWED = { permille: 100, slack: 24 * 1024 * 1024 };
const DESCRIPTORS_ALLOWED = { permille: 0, slack: 16 };

/** One process, from its start to its end. */
export interface Life {
  readonly id: string;
  readonly pid: number;
  readonly memory: number[];
  readonly descriptors: number[];
}

export interface LifeGrowth {
  readonly life: Life;
  readonly memory: Growth;
  readonly descriptors: Growth;
}

export class Watcher {
  readonly #arena: Arena;
  readonly #lives = new Map<number, Life>();
  #isRunning = true;
  #leader: string | null = null;
  #failovers = 0;
  #peak: Vitals = { memoryBytes: 0, descriptors: 0, cpuMs: 0 };
  readonly #loops: Promise<unknown>;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#loops = Promise.all([this.#lookForLeaders(), this.#measure()]);
  }

  /** How often another server was seen to lead. */
  get failovers(): number {
    return this.#failovers;
  }

  get leader(): string | null {
    return this.#leader;
  }

  /** The most of each that any process ever had. */
  get peak(): Vitals {
    return this.#peak;
  }

  /** The newest process in each place. */
  get newest(): readonly Life[] {
    return this.#arena.ids.flatMap((id) =>
      [...this.#lives.values()].findLast((life) => life.id === id) ?? []
    );
  }

  /** What can be said about processes that lived long enough. */
  growths(): readonly LifeGrowth[] {
    return [...this.#lives.values()].flatMap((life) => {
      const memory = growthOf(life.memory, MEMORY_ALLOWED);
      const descriptors = growthOf(life.descriptors, DESCRIPTORS_ALLOWED);
      return memory === null || descriptors === null ? [] : [{ life, memory, descriptors }];
    });
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#loops;
  }

  async #lookForLeaders(): Promise<void> {
    while (this.#isRunning) {
      const leader = await this.#arena.leaderNow();
      if (leader !== null && leader !== this.#leader) {
        if (this.#leader !== null) this.#failovers++;
        this.#leader = leader;
      }
      await pause(LOOK_MS);
    }
  }

  async #measure(): Promise<void> {
    while (this.#isRunning) {
      for (const id of this.#arena.ids) this.#measureOne(id);
      await pause(SAMPLE_MS);
    }
  }

  #measureOne(id: string): void {
    const pid = this.#arena.pid(id);
    const vitals = pid === null ? null : vitalsOf(pid);
    if (pid === null || vitals === null) return;
    const life = this.#lives.get(pid) ?? { id, pid, memory: [], descriptors: [] };
    this.#lives.set(pid, life);
    life.memory.push(vitals.memoryBytes);
    life.descriptors.push(vitals.descriptors);
    this.#peak = {
      memoryBytes: Math.max(this.#peak.memoryBytes, vitals.memoryBytes),
      descriptors: Math.max(this.#peak.descriptors, vitals.descriptors),
      cpuMs: Math.max(this.#peak.cpuMs, vitals.cpuMs),
    };
  }
}
