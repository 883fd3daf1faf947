/**
 * Round after round of everything that strikes, on one cluster, for as long as is asked for; and a verdict.
 *
 * Keeps true: each round's history is checked and every write of it looked up before the next one begins, and its keys go then, so that
 * neither the servers nor the checker have a reason to grow; one server is never killed, so that what leaks in a long life is seen;
 * the first round that fails ends it, with everything kept.
 *
 * @module
 */
import { ErrorAnswer } from "../client.ts";
import { eventually, type Program } from "../harness.ts";
import { Arena } from "./arena.ts";
import type { Clients } from "./clients.ts";
import { FAULT_CLASSES } from "./faults.ts";
import type { History } from "./history.ts";
import { keep } from "./keep.ts";
import { runRound } from "./round.ts";
import { verify } from "./verify.ts";
import { Watcher } from "./watcher.ts";

const CLIENTS = 8;
const STRIKERS = 2;
const KEYS_AT_ONCE = 500;
/** Fewer operations a second, on average, show nothing. */
const RATE_MIN = 10;

export interface SoakOptions {
  readonly seed: string;
  readonly seconds: number;
  readonly roundSeconds: number;
  readonly program: Program;
  readonly profile: "lan" | "wan";
}

/** Where a soak is, at a moment. */
export interface SoakFigures {
  readonly seconds: number;
  readonly round: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  /** By class of faults, and by fault. */
  readonly classes: ReadonlyMap<string, number>;
  readonly strikes: ReadonlyMap<string, number>;
  readonly failovers: number;
  /** The longest time without an acknowledged operation, whatever struck meanwhile. */
  readonly worstGapMs: number;
  /** The longest time from when all was healed until every server served again. */
  readonly worstRecoveryMs: number;
  readonly leader: string | null;
  readonly servers: readonly {
    readonly id: string;
    readonly pid: number;
    readonly memoryBytes: number;
    readonly descriptors: number;
  }[];
}

export interface SoakVerdict {
  readonly figures: SoakFigures;
  /** Nothing, if all is well. */
  readonly problems: readonly string[];
  /** What was found about growth, a line for each process that lived long enough. */
  readonly growth: readonly string[];
  /** Where everything is kept, if there are problems. */
  readonly kept: string | null;
}

export class Soak {
  readonly #options: SoakOptions;
  readonly #arena: Arena;
  readonly #watcher: Watcher;
  readonly #startedAt = performance.now();
  readonly #strikes = new Map<string, number>();
  #now: { readonly clients: Clients; readonly history: History } | null = null;
  #round = 0;
  #done = { acknowledged: 0, refused: 0, unknown: 0, worstGapMs: 0 };
  #isEnding = false;

  private constructor(options: SoakOptions, arena: Arena) {
    this.#options = options;
    this.#arena = arena;
    arena.spared.add("n1");
    this.#watcher = new Watcher(arena);
  }

  static async start(options: SoakOptions): Promise<Soak> {
    const { program, seed, profile } = options;
    const arena = await Arena.start({
      programs: [program, program, program, program],
      spares: 1,
      seed,
      profile,
      args: ["--request-timeout-ms", "1500", "--snapshot-entries", "1000", "--log-memory-entries", "500"],
    });
    return new Soak(options, arena);
  }

  /** Ends after the round that is under way. */
  end(): void {
    this.#isEnding = true;
  }

  get figures(): SoakFigures {
    const done = this.#done;
    const { history, clients } = this.#now ?? {};
    const classes = Object.entries(FAULT_CLASSES).map(([name, faults]) =>
      [name, faults.reduce((sum, fault) => sum + (this.#strikes.get(fault.name) ?? 0), 0)] as const
    );
    return {
      seconds: (performance.now() - this.#startedAt) / 1000,
      round: this.#round,
      acknowledged: done.acknowledged + (history?.count("ok") ?? 0),
      refused: done.refused + (history?.count("fail") ?? 0),
      unknown: done.unknown + (history?.count("unknown") ?? 0),
      classes: new Map(classes),
      strikes: this.#strikes,
      failovers: this.#watcher.failovers,
      worstGapMs: Math.max(done.worstGapMs, clients?.worstGapMs ?? 0),
      worstRecoveryMs: Math.max(0, ...this.#arena.recoveries),
      leader: this.#watcher.leader,
      servers: this.#watcher.newest.map(({ id, pid, memory, descriptors }) => ({
        id,
        pid,
        memoryBytes: memory.at(-1) ?? 0,
        descriptors: descriptors.at(-1) ?? 0,
      })),
    };
  }

  /** What happened so far, a line each. */
  get events(): readonly string[] {
    return this.#arena.events;
  }

  async run(): Promise<SoakVerdict> {
    const { seconds, roundSeconds } = this.#options;
    const problems: string[] = [];
    let kept: string | null = null;
    try {
      while (problems.length === 0 && (this.#round === 0 || this.#left(seconds) > 0)) {
        this.#round++;
        const isLast = this.#isEnding || this.#left(seconds) <= roundSeconds * 1.5;
        const length = isLast ? Math.max(5, Math.min(roundSeconds, this.#left(seconds))) : roundSeconds;
        const found = await this.#runRound(length, isLast);
        problems.push(...found.problems);
        if (problems.length > 0) kept = keep(this.#arena, found.history, "soak");
        if (isLast) break;
      }
      await this.#watcher.stop();
      const { acknowledged, seconds: ran } = this.figures;
      if (acknowledged < ran * RATE_MIN) {
        problems.push(
          `only ${acknowledged} operations succeeded in ${ran.toFixed(0)} s, which shows nothing`,
        );
      }
      problems.push(...this.#growth().filter(({ grows }) => grows).map(({ line }) => line));
      const growth = this.#growth().map(({ line }) => line);
      return { figures: this.figures, problems, growth, kept };
    } finally {
      await this.#watcher.stop();
      await this.#arena.stop();
    }
  }

  #left(seconds: number): number {
    return this.#isEnding ? 0 : seconds - (performance.now() - this.#startedAt) / 1000;
  }

  async #runRound(
    seconds: number,
    isLast: boolean,
  ): Promise<{ readonly problems: readonly string[]; readonly history: History }> {
    const arena = this.#arena;
    const result = await runRound({
      arena,
      seed: `${this.#options.seed}/${this.#round}`,
      seconds,
      clients: CLIENTS,
      prefix: `${this.#round}:`,
      strikers: STRIKERS,
      successor: "by a transfer",
      onStrike: (name) => this.#strikes.set(name, (this.#strikes.get(name) ?? 0) + 1),
      onClients: (clients, history) => this.#now = { clients, history },
    });
    const problems = [...result.problems];
    const clients = this.#now?.clients;
    if (problems.length === 0) {
      try {
        if (isLast && clients !== undefined) {
          problems.push(...await this.#afterPowerLoss(clients, result.history));
        }
        await this.#forget(result.history);
      } catch (error) {
        problems.push(error instanceof Error ? error.message : String(error));
      }
    }
    const { acknowledged, refused, unknown, worstGapMs } = this.#done;
    this.#done = {
      acknowledged: acknowledged + result.acknowledged,
      refused: refused + result.refused,
      unknown: unknown + result.unknown,
      worstGapMs: Math.max(worstGapMs, result.worstGapMs),
    };
    this.#now = null;
    return { problems, history: result.history };
  }

  /** All servers at once, at the end, the spared one too. */
  async #afterPowerLoss(clients: Clients, history: History): Promise<readonly string[]> {
    const arena = this.#arena;
    await this.#watcher.stop();
    await Promise.all(arena.ids.map((id) => arena.kill(id)));
    return await verify(arena, clients, history);
  }

  /** Removes a round's keys. */
  async #forget(history: History): Promise<void> {
    const keys = [...new Set(history.operations.map(({ key }) => key))];
    for (let from = 0; from < keys.length; from += KEYS_AT_ONCE) {
      const batch = keys.slice(from, from + KEYS_AT_ONCE);
      await eventually("the keys of the round are removed", 10_000, async () => {
        const client = await this.#arena.cluster.client(await this.#arena.cluster.leader());
        try {
          return !(await client.within(3000, client.send("DEL", ...batch)) instanceof ErrorAnswer);
        } finally {
          client.close();
        }
      });
    }
  }

  #growth(): readonly { readonly grows: boolean; readonly line: string }[] {
    const megabytes = (bytes: number) => (bytes / 1024 / 1024).toFixed(0);
    return this.#watcher.growths().map(({ life, memory, descriptors }) => {
      const grows = memory.grows || descriptors.grows;
      return {
        grows,
        line: `${life.id} (process ${life.pid}, ${life.memory.length} s): memory ${
          memory.medians.map(megabytes).join(" > ")
        } MiB${memory.grows ? ", GROWS" : ""}; descriptors ${descriptors.medians.join(" > ")}${
          descriptors.grows ? ", GROW" : ""
        }`,
      };
    });
  }
}
