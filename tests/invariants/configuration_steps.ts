/**
 * Configurations change step by step (chapter 4; I20; that quorums of neighbours meet is in neighbouring_quorums.ts): from one set of voters to another only through a joint configuration, which names the old
 * voters as outgoing and gives way to the new ones alone; never while the one before is not committed, and never before the leader
 * committed an entry of its own term (M1, M4). The configuration in force is the newest in the log, from when it is appended until it
 * is removed (M2, M3).
 *
 * This property also writes down, for all others, which configurations were committed.
 *
 * @module
 */
import { NO_MEMBERS } from "../../internal/raft/configuration.ts";
import type { ConfigurationValue, LogIndex, ServerId } from "../../internal/raft/types.ts";
import { type Ghost, type Observation, type PrefixHash, type Property, Violation } from "./ghost.ts";

/** A configuration at its place in some log. */
export interface PlacedConfiguration {
  readonly index: LogIndex;
  /** The hash of the log that ends with it. */
  readonly hash: PrefixHash;
  readonly configuration: ConfigurationValue;
}

type Place = (index: LogIndex, configuration: ConfigurationValue) => PlacedConfiguration;

export class ConfigurationSteps implements Property {
  readonly name = "configurations change step by step";
  /** The configurations in each server's log, oldest first; that of the snapshot or of the birth in front. */
  readonly #logs = new Map<ServerId, PlacedConfiguration[]>();
  /** Every configuration that was ever appended, by its place. */
  readonly #appended = new Map<LogIndex, PlacedConfiguration[]>();
  readonly #committed: PlacedConfiguration[] = [];
  #lookedUpTo: LogIndex = 0;

  /** Every configuration that is known to be committed, in the order of the log. */
  get committed(): readonly PlacedConfiguration[] {
    return this.#committed;
  }

  /** The configuration in front of the newest one in a server's log; `null` where it is not known. */
  beforeNewest(server: ServerId): ConfigurationValue | null {
    return this.#logs.get(server)?.at(-2)?.configuration ?? null;
  }

  check(observation: Observation, ghost: Ghost): void {
    const { server, was, is } = observation;
    const prefix = ghost.prefixOf(server);
    const place = (index: LogIndex, configuration: ConfigurationValue): PlacedConfiguration => ({
      index,
      hash: prefix[index] ?? -1,
      configuration,
    });
    if (was === null) this.#starts(observation, place);
    const log = this.#logs.get(server) ?? [];
    if (was !== null) this.#steps(observation, log, place);
    const newest = log.at(-1);
    if (newest === undefined) log.push(place(is.configurationIndex, is.configuration));
    else if (newest.index !== is.configurationIndex || !isSame(newest.configuration, is.configuration)) {
      throw new Violation(
        `${server} goes by the configuration of index ${is.configurationIndex}; the newest in its log is that of ${newest.index}`,
      );
    }
    this.#follow(ghost);
  }

  /** A server starts with the log that it comes back with. */
  #starts({ server, is, log, entered }: Observation, place: Place): void {
    const found: PlacedConfiguration[] = [];
    for (const { index } of entered) {
      const { configuration } = log.entryAt(index);
      if (configuration !== null) found.push(place(index, configuration));
    }
    this.#logs.set(server, found);
    // The configuration of the birth is committed from the beginning.
    const { configuration, configurationIndex } = is;
    if (this.#committed.length === 0 && configurationIndex === 0 && configuration.voters.length > 0) {
      this.#committed.push({ index: 0, hash: 0, configuration });
    }
  }

  #steps(observation: Observation, log: PlacedConfiguration[], place: Place): void {
    const { server, effects, removed } = observation;
    if (removed !== null) { while ((log.at(-1)?.index ?? 0) >= removed.index) log.pop(); }
    for (const effect of effects) {
      if (effect.kind !== "write") continue;
      if (effect.reset !== null) log.length = 0;
      for (const { index, configuration } of effect.append) {
        if (configuration === null) continue;
        const before = log.at(-1);
        if (before !== undefined) {
          checkStep(server, before.configuration, configuration);
          checkMoment(observation, before.index);
        }
        const placed = place(index, configuration);
        log.push(placed);
        this.#append(placed);
      }
    }
  }

  #append(placed: PlacedConfiguration): void {
    const there = this.#appended.get(placed.index) ?? [];
    this.#appended.set(placed.index, there);
    if (!there.some(({ hash }) => hash === placed.hash)) there.push(placed);
  }

  /** Writes down what was committed since. */
  #follow(ghost: Ghost): void {
    while (this.#lookedUpTo < ghost.committedIndex) {
      const index = ++this.#lookedUpTo;
      const there = this.#appended.get(index);
      const placed = there?.find(({ hash }) => hash === ghost.committedHash(index));
      if (placed !== undefined) this.#committed.push(placed);
    }
  }
}

/** Whether a leader may change the configuration now. Followers take what it sends: it knows when it may. */
function checkMoment({ server, was, is, log }: Observation, before: LogIndex): void {
  if (is.role !== "leader" || was?.role !== "leader" || was.currentTerm !== is.currentTerm) return;
  if (before > is.commitIndex) {
    throw new Violation(
      `${server} changes the configuration of index ${before}, which is not committed; commit is ${is.commitIndex}`,
    );
  }
  if (log.termAt(is.commitIndex) !== is.currentTerm) {
    throw new Violation(
      `${server} changes the configuration before it committed an entry of term ${is.currentTerm}`,
    );
  }
}

/** Whether one configuration may follow another in a log. */
function checkStep(server: ServerId, from: ConfigurationValue, to: ConfigurationValue): void {
  // A server that waits to be added knows of nobody, until it is told.
  if (from.voters.length === 0) return;
  const fail = (why: string) => {
    throw new Violation(`${server} goes from ${showVoters(from)} to ${showVoters(to)}: ${why}`);
  };
  if (from.outgoing.length > 0) {
    if (to.outgoing.length > 0) fail("both are joint");
    if (!isSameSet(from.voters, to.voters)) fail("a joint configuration leads to its own new voters");
  } else if (to.outgoing.length > 0) {
    if (!isSameSet(to.outgoing, from.voters)) fail("the outgoing voters are those that there were");
  } else if (!isSameSet(from.voters, to.voters)) fail("voters change without a joint configuration");
  if (to.learners.some((id) => to.voters.includes(id))) fail("a learner has a vote");
}

export function showVoters({ voters, outgoing }: ConfigurationValue): string {
  return outgoing.length === 0 ? `{${voters.join(" ")}}` : `{${voters.join(" ")}}+{${outgoing.join(" ")}}`;
}

function isSameSet(a: readonly ServerId[], b: readonly ServerId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}

function isSame(a: ConfigurationValue, b: ConfigurationValue): boolean {
  return a === b || a === NO_MEMBERS && b.members.length === 0 ||
    isSameSet(a.voters, b.voters) && isSameSet(a.outgoing, b.outgoing) && isSameSet(a.learners, b.learners);
}
