/**
 * Leader append-only: a leader never overwrites or deletes entries in its log (Figure 3.2; I2).
 *
 * @module
 */
import { type Observation, type Property, Violation } from "./ghost.ts";

export class LeaderAppendOnly implements Property {
  readonly name = "leader append-only";

  check({ server, was, is, effects }: Observation): void {
    if (was === null || was.role !== "leader" || was.currentTerm !== is.currentTerm) return;
    for (const effect of effects) {
      if (effect.kind === "write" && effect.truncateFrom !== null) {
        throw new Violation(
          `${server} leads term ${is.currentTerm} and removes its log from ${effect.truncateFrom}`,
        );
      }
    }
    if (is.lastIndex < was.lastIndex) {
      throw new Violation(
        `${server} leads term ${is.currentTerm} and its log fell from ${was.lastIndex} to ${is.lastIndex}`,
      );
    }
  }
}
