/**
 * A random mix of faults for a set time, and the reckoning.
 *
 * Keeps true: which faults strike, whom and for how long is drawn from the seed; what else happens is the machine's doing, so a seed constrains a
 * run and does not replay it to the letter.
 *
 * @module
 */
import { SeededRandom } from "../../../internal/base/random.ts";
import { pause } from "../cluster.ts";
import type { Arena } from "./arena.ts";
import { Clients } from "./clients.ts";
import { FAULTS } from "./faults.ts";
import { History } from "./history.ts";
import { type Successor, verify } from "./verify.ts";

export interface RoundOptions {
  readonly arena: Arena;
  readonly seed: string;
  readonly seconds: number;
  readonly clients: number;
  /** Before the names of its keys, so that rounds on one cluster do not meet. */
  readonly prefix: string;
  /** Faults at a time. */
  readonly strikers: number;
  /** How the second look at the end comes about. */
  readonly successor: Successor;
  /** Told of each fault that begins. */
  onStrike?(name: string): void;
  /** Told once, when clients begin. */
  onClients?(clients: Clients, history: History): void;
}

export interface RoundResult {
  readonly problems: readonly string[];
  readonly history: History;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  /** The longest time without any acknowledgement. */
  readonly worstGapMs: number;
  /** How often each fault struck. */
  readonly strikes: ReadonlyMap<string, number>;
}

export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const { arena, seed, seconds, strikers, prefix } = options;
  const random = new SeededRandom(seed);
  const history = new History();
  const clients = new Clients({
    arena,
    history,
    random: random.fork("clients"),
    count: options.clients,
    readers: 2 * arena.ids.length,
    thinkMs: 3,
    prefix,
  });
  options.onClients?.(clients, history);
  const strikes = new Map<string, number>();
  const until = performance.now() + seconds * 1000;
  const striker = async (number: number) => {
    const own = random.fork(`striker/${number}`);
    for (let i = 0; performance.now() < until; i++) {
      await pause(own.between(0, 500));
      const fault = FAULTS[own.below(FAULTS.length)];
      if (fault === undefined) continue;
      options.onStrike?.(fault.name);
      strikes.set(fault.name, (strikes.get(fault.name) ?? 0) + 1);
      const { what, undo } = await fault.begin({ arena, random: own.fork(`strike/${i}`) });
      arena.note(`${number} begins ${fault.name}: ${what}`);
      await pause(Math.min(own.between(50, 2500), Math.max(0, until - performance.now())));
      await undo();
      arena.note(`${number} ends   ${fault.name}`);
    }
  };
  const problems: string[] = [];
  try {
    await Promise.all(Array.from({ length: strikers }, (_, i) => striker(i)));
    problems.push(...await verify(arena, clients, history, options.successor));
  } catch (error) {
    // It did not come back, or did not answer: that is a result, and what is known of the data still counts.
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    problems.push(`${error instanceof Error ? error.message : String(error)}${cause}`, ...arena.surprises);
  } finally {
    await clients.stop();
  }
  return {
    problems,
    history,
    acknowledged: history.count("ok"),
    refused: history.count("fail"),
    unknown: history.count("unknown"),
    worstGapMs: clients.tally().worstGapMs,
    strikes,
  };
}
