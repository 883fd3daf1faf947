/**
 * Convergence: some time after the last fault the healed core has one leader, the same log, committed and applied (I35). Not to get there is
 * a failure of liveness, not of safety.
 *
 * @module
 */
import type { LogIndex, Role, ServerId, Term } from "../../internal/raft/types.ts";

/** A promise of progress that was not kept in time. */
export class Stalled extends Error {
  override readonly name = "Stalled";
}

/** How a server of the core stands; `null` where it is not up. */
export interface Standing {
  readonly id: ServerId;
  readonly role: Role;
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
}

/** Says what is still missing, or `null` once the core has converged. */
export function missingToConverge(
  core: readonly (Standing | { readonly id: ServerId; readonly role: null })[],
): string | null {
  const standings: Standing[] = [];
  for (const standing of core) {
    if (standing.role === null) return `${standing.id} is not up`;
    standings.push(standing);
  }
  const leaders = standings.filter(({ role }) => role === "leader");
  if (leaders.length !== 1) return `${leaders.length} servers of the core lead`;
  const numbers = standings.map(({ term, lastIndex, commitIndex, appliedIndex }) =>
    `term ${term}, last ${lastIndex}, commit ${commitIndex}, applied ${appliedIndex}`
  );
  if (new Set(numbers).size !== 1) return standings.map(({ id }, i) => `${id}: ${numbers[i]}`).join("; ");
  const [one] = standings;
  if (one !== undefined && (one.commitIndex !== one.lastIndex || one.appliedIndex !== one.lastIndex)) {
    return `the log ends at ${one.lastIndex}, commit ${one.commitIndex}, applied ${one.appliedIndex}`;
  }
  return null;
}
