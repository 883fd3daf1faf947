/**
 * Ordering: snapshot ≤ commit ≤ last, and durable ≤ last (I14). What is applied is between snapshot and commit; that is
 * looked at where entries are applied (state_machine_safety.ts).
 *
 * @module
 */
import { type Observation, type Property, Violation } from "./ghost.ts";

export class Ordering implements Property {
  readonly name = "ordering";

  check({ server, is }: Observation): void {
    const { snapshotIndex, commitIndex, lastIndex, durableIndex } = is;
    if (snapshotIndex <= commitIndex && commitIndex <= lastIndex && durableIndex <= lastIndex) return;
    throw new Violation(
      `${server} has snapshot ${snapshotIndex}, commit ${commitIndex}, durable ${durableIndex}, last ${lastIndex}: out of order`,
    );
  }
}
