/**
 * The liveness phase: what becomes of a world when the faults end.
 *
 * A core of servers, a quorum at least, is healed: up, connected, with disks and clocks that work. The rest stays as it is for ever: well,
 * dead, asleep or cut off. In bounded time the core must elect a leader, serve a write and a read through each of its servers, answer
 * everybody who waits, and converge (I34, I35, I36, I23).
 *
 * @module
 */
import { checkLinearizable } from "./linearizability.ts";
import type { Random } from "../../internal/base/random.ts";
import type { StateView } from "../../internal/raft/raft.ts";
import { BEYOND_THE_TERM, type ConfigurationValue, type Term } from "../../internal/raft/types.ts";
import { type PlacedConfiguration, showVoters } from "../invariants/configuration_steps.ts";
import { missingToConverge, Stalled } from "../invariants/convergence.ts";
import { decides } from "../invariants/quorum.ts";
import { checkContents } from "../invariants/same_state.ts";
import { StableLeader } from "../invariants/stable_leader.ts";
import type { Configurations } from "./checks.ts";
import { contentOf, type History } from "./history.ts";
import type { Odds } from "./odds.ts";
import type { Server } from "./server.ts";
import { calmNetwork, type SimNetwork } from "./sim_network.ts";
import type { Workload } from "./workload.ts";

/** From the end of the faults until every server of the core has served, in election time-outs. */
const SERVE_TIMEOUTS = 20;
/** From then on until everybody is answered and the core has converged: the longest that a client waits, and some more. */
const CONVERGE_MS = 12_000;
const LOOK_MS = 50;
/** A probe that was refused is tried again after this time. */
const AGAIN_MS = 50;
/** Probes come from clients with numbers from here on. */
const PROBE_CLIENT = 1000;

/** Leaders and terms from the end of the faults on, at most (I34). */
const CHANGES_MAX = 2;
/** Votes are split again and again where every vote of the core is needed and messages take a tenth of an election time-out. */
const TERMS_MAX = 12;
/** More where a change of the members or of the lead was under way: whoever leads may be about to go. */
const OPERATED_MORE = 2;
/** And more where disks were full: whoever leads with a full disk offers the lead to others, who may have found out no sooner. */
const FULL_MORE = 2;

export interface LivenessOptions {
  readonly odds: Odds;
  readonly servers: readonly Server[];
  readonly workload: Workload;
  readonly history: History;
  readonly network: SimNetwork;
  readonly now: () => number;
  readonly later: (ms: number, act: () => void) => void;
  readonly calmMs: number;
  /** The highest term that any of these servers was seen in. */
  readonly highestTerm: (ids: readonly string[]) => Term;
  readonly configurations: () => Configurations;
}

export class Liveness {
  readonly lookEveryMs = LOOK_MS;
  readonly #options: LivenessOptions;
  readonly #leader: StableLeader;
  #core: readonly Server[] = [];
  #healedAt = 0;
  /** Servers outside the core that are left in their state, as long as the core can do without them. */
  #resting: readonly Server[] = [];
  /** Servers of the core that did not serve yet. */
  readonly #unserved = new Set<string>();
  #servedAt: number | null = null;
  #stoppedAt: number | null = null;
  #wellAt: number | null = null;
  #standsStill = false;

  constructor(options: LivenessOptions) {
    this.#options = options;
    const { operatorEveryMs, decay } = options.odds;
    const more = (operatorEveryMs > 0 ? OPERATED_MORE : 0) +
      (decay.strikes.includes("diskFull") ? FULL_MORE : 0);
    this.#leader = new StableLeader(CHANGES_MAX + more, TERMS_MAX + more);
  }

  /** How long it took from the end of the faults, in milliseconds, and what it took. */
  get seen(): {
    readonly servedMs: number;
    readonly wellMs: number;
    readonly changes: number;
    readonly terms: number;
  } {
    return {
      servedMs: (this.#servedAt ?? 0) - this.#healedAt,
      wellMs: (this.#wellAt ?? 0) - this.#healedAt,
      ...this.#leader.seen,
    };
  }

  get #coreIds(): readonly string[] {
    return this.#core.map(({ id }) => id);
  }

  /** Ends the faults; gives the core. */
  heal(random: Random): readonly Server[] {
    const { network, odds, workload, now } = this.#options;
    const servers = this.#options.servers.filter(({ isSpare }) => !isSpare);
    const core = this.#chosen(servers.filter(({ isWiped }) => !isWiped), random);
    network.heal();
    network.faults = { ...calmNetwork, latencyMs: odds.network.latencyMs };
    for (const server of servers) {
      server.mend();
      if (core.includes(server)) server.start();
      else this.#leave(server, core);
    }
    this.#resting = odds.rest === "well" ? [] : servers.filter((server) => !core.includes(server));
    this.#core = core;
    this.#healedAt = now();
    this.#leader.healed(this.#options.highestTerm(core.map(({ id }) => id)));
    const members = this.#membersOf(core);
    workload.moveTo(members.map(({ id }) => id));
    for (const { id } of members) {
      this.#unserved.add(id);
      this.#probe(id);
    }
    return core;
  }

  /**
   * A change of the members that was under way when the faults ended may leave the core without a quorum: nobody can serve then before the
   * others come back, and so they do, once, from when on time is counted anew.
   */
  #bringBack(): void {
    const { network, now } = this.#options;
    const { committed, views } = this.#options.configurations();
    const newest = committed.at(-1);
    if (this.#resting.length === 0 || newest === undefined) return;
    if (configurationsInForce(newest, views.values()).every((one) => decides(one, this.#coreIds))) return;
    network.heal();
    const back = this.#resting.filter(({ isWiped }) => !isWiped);
    for (const server of back) {
      server.isRetired = false;
      server.start();
      server.life?.clock.resume();
    }
    this.#core = [...this.#core, ...back];
    this.#resting = [];
    this.#healedAt = now();
    if (this.#stoppedAt !== null) this.#stoppedAt = now();
  }

  /**
   * Whether nobody can ever decide again: a change was accepted just after the disk of a server was lost whose vote it needs. No cluster
   * can go on from there by itself (`raftline recover`), so that nothing but safety is asked of it.
   */
  get #isLost(): boolean {
    if (this.#standsStill) return true;
    const { servers } = this.#options;
    return !this.#isDecidedBy(servers.filter(({ isWiped }) => !isWiped));
  }

  /** Whether each configuration that may be in force has a quorum of these. */
  #isDecidedBy(servers: readonly Server[]): boolean {
    const { committed, views } = this.#options.configurations();
    const newest = committed.at(-1);
    const ids = servers.map(({ id }) => id);
    return newest === undefined ||
      configurationsInForce(newest, views.values()).every((one) => decides(one, ids));
  }

  /**
   * There is no progress in time. Where a vote is needed of a server that lost a part of its log, nobody may be able to lead, and nobody can
   * help (docs/repair.md): from then on nothing but safety is asked. But where every server lost a part of its own, and a quorum knows where
   * its logs ended, they give each other what they lost.
   */
  #stalled(why: string): false {
    if (this.#isDecidedBy(this.#core.filter(({ keepsAll }) => keepsAll))) throw new Stalled(why);
    const { decay } = this.#options.odds;
    const knowsEnd = ({ floor }: Server) => floor === null || floor.index < BEYOND_THE_TERM;
    if (decay.everywhereAt !== null && this.#isDecidedBy(this.#core.filter(knowsEnd))) throw new Stalled(why);
    this.#standsStill = true;
    this.#options.history.stop();
    this.#stoppedAt = this.#options.now();
    return false;
  }

  /** Whether nobody leads any more, since too much was lost. */
  get standsStill(): boolean {
    return this.#standsStill;
  }

  /** Servers without which nothing is missing: each configuration that may be in force has a quorum among them. */
  #chosen(servers: readonly Server[], random: Random): readonly Server[] {
    if (this.#options.odds.rest === "well") return servers;
    const { committed, views } = this.#options.configurations();
    const newest = committed.at(-1);
    if (newest === undefined) return servers;
    const inForce = configurationsInForce(newest, views.values());
    const core = [...servers];
    const fewest = random.between(1, servers.length - 1);
    for (const server of shuffled(servers, random)) {
      const left = core.filter((other) => other !== server);
      const whole = left.filter(({ keepsAll }) => keepsAll).map(({ id }) => id);
      if (left.length >= fewest && inForce.every((one) => decides(one, whole))) {
        core.splice(core.indexOf(server), 1);
      }
    }
    return core;
  }

  /** Those of them that are members by now: the others do not serve, and need not be up to date. */
  #membersOf(core: readonly Server[]): readonly Server[] {
    const members = this.#options.configurations().committed.at(-1)?.configuration.members ?? [];
    return core.filter((server) => members.some(({ id }) => id === server.id));
  }

  /** What is missing until these are well; `null` for nothing. */
  #missing(): string | null {
    const { committed } = this.#options.configurations();
    const configuration = committed.at(-1)?.configuration;
    if (configuration !== undefined && configuration.outgoing.length > 0) {
      return `the members are those of a joint configuration, ${showVoters(configuration)}`;
    }
    const members = this.#membersOf(this.#core);
    const mending = members.find(({ keepsAll }) => !keepsAll);
    return missing(members) ??
      (mending === undefined ? null : `${mending.id} does not have again what it lost`);
  }

  /** A server outside the core is left in its state. */
  #leave(server: Server, core: readonly Server[]): void {
    const { odds, network, workload } = this.#options;
    switch (odds.rest) {
      case "well":
        return;
      case "down":
        server.end("left down");
        server.isRetired = true;
        return;
      case "asleep":
        server.start();
        server.life?.clock.pause();
        server.isRetired = true;
        return;
      case "cutOff":
        server.start();
        for (const other of [...core.map(({ id }) => id), ...workload.names]) {
          network.cut(server.id, other);
          network.cut(other, server.id);
        }
    }
  }

  /** A server leads. */
  leads(id: string, term: Term): void {
    if (this.#coreIds.includes(id)) this.#leader.leads(term);
  }

  /** Whether everything that had to happen did. Throws where the time for it is over. */
  isWell(): boolean {
    const { history, odds, now, calmMs } = this.#options;
    // A change may arrive late, when all have served already.
    if (this.#isLost) {
      if (this.#stoppedAt === null) {
        history.stop();
        this.#stoppedAt = now();
      }
      if (history.pending === 0) return true;
      if (now() - this.#stoppedAt <= CONVERGE_MS) return false;
      throw new Stalled(`${CONVERGE_MS} ms after the last question: ${history.pending} operations wait`);
    }
    this.#bringBack();
    if (this.#servedAt === null) {
      const members = this.#membersOf(this.#core).map(({ id }) => id);
      for (const id of this.#unserved) if (!members.includes(id)) this.#unserved.delete(id);
      if (this.#unserved.size === 0) this.#servedAt = now();
      else if (now() - this.#healedAt > SERVE_TIMEOUTS * odds.electionMs[1]) {
        return this.#stalled(
          `${SERVE_TIMEOUTS} election time-outs after the faults ended nothing is served by ${
            [...this.#unserved].join(", ")
          }; ${this.#missing() ?? "the core has converged"}`,
        );
      }
      return false;
    }
    if (this.#stoppedAt === null) {
      if (now() - this.#healedAt < calmMs) return false;
      history.stop();
      this.#stoppedAt = now();
    }
    const why = history.pending > 0 ? `${history.pending} operations wait` : this.#missing();
    if (why === null) {
      this.#wellAt = now();
      return true;
    }
    if (now() - this.#stoppedAt > CONVERGE_MS) {
      return this.#stalled(`${CONVERGE_MS} ms after the last question: ${why}`);
    }
    return false;
  }

  /** At the end: nothing acknowledged is missing, and everybody holds the same. */
  check(): void {
    this.#options.history.check();
    checkLinearizable(this.#options.history);
    if (this.#isLost) return;
    const contents = this.#membersOf(this.#core).flatMap(({ id, machine }) =>
      machine === null ? [] : [[id, contentOf(machine)] as const]
    );
    checkContents(new Map(contents));
  }

  /** Asks a server of the core for a write and a read, until it serves both. */
  #probe(id: string): void {
    const { workload, later } = this.#options;
    let served = 0;
    let answered = 0;
    workload.probe(PROBE_CLIENT + this.#coreIds.indexOf(id), id, ({ outcome }) => {
      answered++;
      if (outcome === "ok") served++;
      if (answered < 2) return;
      if (served === 2) this.#unserved.delete(id);
      else if (!this.#isLost) later(AGAIN_MS, () => this.#probe(id));
    });
  }
}

/** The newest configuration that is committed, and those that stand behind it in somebody's log and may come to be. */
export function configurationsInForce(
  newest: PlacedConfiguration,
  views: Iterable<StateView>,
): readonly ConfigurationValue[] {
  const found = [newest.configuration];
  for (const { configuration, configurationIndex } of views) {
    if (configurationIndex > newest.index) found.push(configuration);
  }
  return found;
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}

function missing(core: readonly Server[]): string | null {
  return missingToConverge(core.map(({ id, life }) => {
    const node = life?.node ?? null;
    if (node === null) return { id, role: null };
    const { role, currentTerm, lastIndex, commitIndex } = node.raft.view();
    return { id, role, term: currentTerm, lastIndex, commitIndex, appliedIndex: node.status().appliedIndex };
  }));
}
