/**
 * Subjects that run side by side, and take the same load in turn.
 *
 * Others may use the machine meanwhile, so rounds are short and in turn: what happens to the machine happens to all. Who is not
 * asked stands still but for its heartbeats.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Driver, type Seen } from "./driver_order.ts";
import { loadByRedisBenchmark, type Mode, showMode } from "./load.ts";
import type { Started, Subject } from "./subject.ts";
import { cpuSeconds, residentBytes } from "./usage.ts";
import type { Work } from "./wires/wire.ts";

/** What one round saw. */
export interface Figures extends Seen {
  /** CPU time of all servers together for one operation, and of the busiest one. */
  readonly cpuMicros: number;
  readonly busiestMicros: number;
  /** Of the largest server. */
  readonly megabytes: number;
}

/** Rounds of one subject, in their order. */
export interface Rounds {
  readonly subject: Subject;
  readonly figures: readonly Figures[];
}

interface Runner {
  readonly subject: Subject;
  readonly started: Started;
}

/** How much is under way on each connection of a fill. */
const FILL_CLIENTS = 64;
const FILL_PIPELINE = { resp: 16, etcd: 8, nats: 16, zookeeper: 16 };
/** So many bytes are under way in a fill at the most, so that nobody has to refuse any. */
const FILL_BYTES = 64 * 1024 * 1024;
const FIRST_OPERATIONS = 2000;

export interface FieldOptions {
  /** Where data goes; tests of speed want a disk there, not memory. */
  readonly directory: string;
  /** redis-benchmark for those that it speaks to; else everybody is loaded by the same driver. */
  readonly useRedisBenchmark: boolean;
  /** Behind the fill everybody is loaded so long before anything is measured: who compiles as it goes has done so then. */
  readonly warmSeconds: number;
}

export class Field {
  readonly #driver = new Driver();
  readonly #runners: Runner[] = [];
  readonly #options: FieldOptions;
  readonly #directory: string;
  #seed = 1;

  private constructor(options: FieldOptions) {
    this.#options = options;
    mkdirSync(options.directory, { recursive: true });
    this.#directory = mkdtempSync(join(options.directory, "raftline-compare-"));
  }

  static async start(subjects: readonly Subject[], options: FieldOptions): Promise<Field> {
    const field = new Field(options);
    try {
      for (const [i, subject] of subjects.entries()) {
        const started = await subject.start(join(field.#directory, String(i)));
        field.#runners.push({ subject, started });
      }
      return field;
    } catch (error) {
      await field.stop();
      throw error;
    }
  }

  /** Gives every subject so many keys, each once, and warms it up. */
  async fill(keys: number, valueBytes: number): Promise<void> {
    for (const runner of this.#runners) await this.#fill(runner, keys, valueBytes);
    for (const runner of this.#runners) await this.#warm(runner, keys, valueBytes);
  }

  async #warm(runner: Runner, keys: number, valueBytes: number): Promise<void> {
    const mode: Mode = { work: "set", clients: FILL_CLIENTS, pipeline: 1, spread: false, valueBytes, keys };
    const began = performance.now();
    const left = () => this.#options.warmSeconds - (performance.now() - began) / 1000;
    for (let operations = FIRST_OPERATIONS; left() > 0;) {
      const { perSecond } = await this.#load(runner, mode, operations);
      operations = Math.ceil(perSecond * Math.min(2, Math.max(0.1, left())));
    }
  }

  /** Loads all, or those of these names, in turn, round after round; each round of a subject takes about so many seconds. */
  async rounds(
    mode: Mode,
    rounds: number,
    seconds: number,
    names: readonly string[] | null = null,
  ): Promise<readonly Rounds[]> {
    const runners = this.#runners.filter(({ subject }) =>
      (subject.spreads || !mode.spread) && (names === null || names.includes(subject.name))
    );
    const all: { readonly runner: Runner; readonly operations: number; readonly figures: Figures[] }[] = [];
    for (const runner of runners) {
      // How fast it is, is known after the second look.
      const first = await this.#load(
        runner,
        mode,
        Math.max(FIRST_OPERATIONS, mode.clients * mode.pipeline * 4),
      );
      const second = await this.#load(runner, mode, Math.ceil(first.perSecond * seconds / 2));
      all.push({ runner, operations: Math.ceil(second.perSecond * seconds), figures: [] });
    }
    for (let round = 0; round < rounds; round++) {
      for (const { runner, operations, figures } of all) {
        figures.push(await this.#measure(runner, mode, operations));
      }
    }
    return all.map(({ runner, figures }) => ({ subject: runner.subject, figures }));
  }

  /** Memory of the largest server of each subject, in megabytes. */
  megabytes(): ReadonlyMap<string, number> {
    return new Map(
      this.#runners.map(({ subject, started }) => [
        subject.name,
        Math.max(...started.pids.map(residentBytes)) / 1e6,
      ]),
    );
  }

  async stop(): Promise<void> {
    await Promise.all([this.#driver.stop(), ...this.#runners.map(({ started }) => started.stop())]);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #measure(runner: Runner, mode: Mode, operations: number): Promise<Figures> {
    const { pids } = runner.started;
    const before = pids.map((pid) => cpuSeconds([pid]));
    const seen = await this.#load(runner, mode, operations);
    const used = pids.map((pid, i) => cpuSeconds([pid]) - (before[i] ?? 0));
    return {
      ...seen,
      cpuMicros: used.reduce((a, b) => a + b) / seen.operations * 1e6,
      busiestMicros: Math.max(...used) / seen.operations * 1e6,
      megabytes: Math.max(...pids.map(residentBytes)) / 1e6,
    };
  }

  #load(runner: Runner, mode: Mode, operations: number): Promise<Seen> {
    if (runner.subject.wire === "resp" && this.#options.useRedisBenchmark) {
      return this.#explained(
        runner,
        mode,
        () => loadByRedisBenchmark(mode, runner.started.ports, operations),
      );
    }
    return this.#drive(runner, mode, mode.work, operations);
  }

  async #fill(runner: Runner, keys: number, valueBytes: number): Promise<void> {
    const pipeline = Math.max(
      1,
      Math.min(FILL_PIPELINE[runner.subject.wire], Math.floor(FILL_BYTES / FILL_CLIENTS / valueBytes)),
    );
    const mode: Mode = { work: "set", clients: FILL_CLIENTS, pipeline, spread: false, valueBytes, keys };
    await this.#drive(runner, mode, "fill", keys);
  }

  #drive(runner: Runner, mode: Mode, work: Work, operations: number): Promise<Seen> {
    const { subject, started } = runner;
    const order = {
      wire: subject.wire,
      ports: mode.spread ? started.ports : started.ports.slice(0, 1),
      work,
      clients: mode.clients,
      pipeline: mode.pipeline,
      valueBytes: mode.valueBytes,
      keys: mode.keys,
      firstKey: 0,
      operations,
      seed: this.#seed++,
    };
    return this.#explained(runner, mode, () => this.#driver.run(order));
  }

  async #explained(runner: Runner, mode: Mode, load: () => Promise<Seen>): Promise<Seen> {
    try {
      return await load();
    } catch (cause) {
      const { subject, started } = runner;
      const said = started.said().slice(-2000);
      throw new Error(`${subject.name} failed at ${showMode(mode)}; it said:\n${said}`, { cause });
    }
  }
}
