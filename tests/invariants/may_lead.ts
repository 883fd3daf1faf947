/**
 * Who may not lead does not (4.2, E17, M7, M14, M15; I22): whoever campaigns or leads is a voter of the configuration in force, or was one of the
 * configuration before as long as it does not know the newer one to be committed (4.2.2). A leader that has no vote any more goes once that
 * is settled, unless it is handing over.
 *
 * @module
 */
import type { ConfigurationSteps } from "./configuration_steps.ts";
import { type Observation, type Property, Violation } from "./ghost.ts";

export class MayLead implements Property {
  readonly name = "who may not lead does not";
  readonly #configurations: ConfigurationSteps;

  /** `configurations` sees each step first. */
  constructor(configurations: ConfigurationSteps) {
    this.#configurations = configurations;
  }

  check({ server, is }: Observation): void {
    const { id, role, configuration, configurationIndex, commitIndex, currentTerm } = is;
    if (role === "follower") return;
    const votes = ({ voters, outgoing }: typeof configuration) =>
      voters.includes(id) || outgoing.includes(id);
    if (votes(configuration)) return;
    if (configurationIndex <= commitIndex) {
      if (role === "leader" && is.isTransferring) return;
      throw new Violation(
        `${server} is ${role} in term ${currentTerm}; that it has no vote is settled at index ${configurationIndex}`,
      );
    }
    const before = this.#configurations.beforeNewest(server);
    if (before !== null && !votes(before)) {
      throw new Violation(`${server} is ${role} in term ${currentTerm} and neither has nor had a vote`);
    }
  }
}
