/**
 * Neighbouring quorums: every quorum of a configuration shares a server with every quorum of the one before it in the log (4.3; I21), and a
 * leader begins no change before the one before it is committed (4.1, 4.3; I20).
 *
 * Each configuration is known by the hash of the log up to where it stands, so one that stands in many logs is looked at once.
 *
 * @module
 */
import { Configuration } from "../../internal/raft/configuration.ts";
import type { ConfigurationValue, LogIndex, ServerId } from "../../internal/raft/types.ts";
import { type Ghost, type Observation, type PrefixHash, type Property, Violation } from "./ghost.ts";

export class NeighbouringQuorums implements Property {
  readonly name = "neighbouring quorums";
  readonly #known = new Map<PrefixHash, ConfigurationValue>();

  check({ server, was, is, entered, log }: Observation, ghost: Ghost): void {
    const prefix = ghost.prefixOf(server);
    if (was === null) this.#noteBase(is.snapshotIndex, is.configurationIndex, is.configuration, prefix);
    for (const { index, hash } of entered) {
      if (index <= is.snapshotIndex || index > is.lastIndex) continue;
      const { configuration } = log.entryAt(index);
      if (configuration === null) continue;
      const before = this.#before(index, prefix);
      const leads = is.role === "leader" && was?.role === "leader" && was.currentTerm === is.currentTerm;
      if (leads && before !== null && before.index > is.commitIndex) {
        throw new Violation(
          `${server} changes the members at ${index}, before the change at ${before.index} is committed`,
        );
      }
      if (this.#known.has(hash)) continue;
      this.#known.set(hash, configuration);
      const apart = before === null ? null : quorumsApart(before.configuration, configuration);
      if (apart === null) continue;
      throw new Violation(
        `${server} has a configuration at ${index} of which ${apart[1]} is a quorum, before which ${
          apart[0]
        } was one`,
      );
    }
  }

  /** The configuration where a log begins stands in nobody's log: it is taken for what it is. */
  #noteBase(
    snapshotIndex: LogIndex,
    index: LogIndex,
    configuration: ConfigurationValue,
    prefix: readonly PrefixHash[],
  ): void {
    const hash = prefix[index];
    if (index > snapshotIndex || hash === undefined || configuration.voters.length === 0) return;
    if (!this.#known.has(hash)) this.#known.set(hash, configuration);
  }

  #before(index: LogIndex, prefix: readonly PrefixHash[]) {
    for (let place = index - 1; place >= 0; place--) {
      const configuration = this.#known.get(prefix[place] ?? -1);
      if (configuration !== undefined) return { index: place, configuration };
    }
    return null;
  }
}

/** Two quorums, one of each configuration, that share nobody; `null` if there are none. */
function quorumsApart(one: ConfigurationValue, other: ConfigurationValue): readonly [string, string] | null {
  const ids = [...new Set([...one.voters, ...one.outgoing, ...other.voters, ...other.outgoing])];
  const [first, second] = [new Configuration(one), new Configuration(other)];
  for (let bits = 0; bits < 2 ** ids.length; bits++) {
    const inside = new Set<ServerId>();
    const outside = new Set<ServerId>();
    for (const [place, id] of ids.entries()) ((bits >> place) & 1 ? inside : outside).add(id);
    // If any quorum of the second shares nobody with this one, then all that are not in this one are a quorum.
    if (first.isQuorum(inside) && second.isQuorum(outside)) return [[...inside].join(), [...outside].join()];
  }
  return null;
}
