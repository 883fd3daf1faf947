/**
 * A server that lost its disk and comes back under its old id does not count (O2, M11): the others know the birth that it had and do not listen
 * to it, so it never learns that anything is committed, and never leads.
 *
 * @module
 */
import type { StateView } from "../../internal/raft/raft.ts";
import { Violation } from "./ghost.ts";

export function checkDoesNotCount(
  { id, role, commitIndex }: Pick<StateView, "id" | "role" | "commitIndex">,
): void {
  if (role === "leader") throw new Violation(`${id} lost its disk and leads`);
  if (commitIndex > 0) {
    throw new Violation(`${id} lost its disk and is told that ${commitIndex} is committed`);
  }
}
