/**
 * Election safety: at most one leader can be elected in a given term (Figure 3.2, 3.4; I1).
 *
 * @module
 */
import { type Observation, type Property, Violation } from "./ghost.ts";
import type { ServerId, Term } from "../../internal/raft/types.ts";

export class ElectionSafety implements Property {
  readonly name = "election safety";
  readonly #leaders = new Map<Term, ServerId>();

  check({ server, is }: Observation): void {
    if (is.role !== "leader") return;
    const other = this.#leaders.get(is.currentTerm);
    if (other !== undefined && other !== server) {
      throw new Violation(`Two leaders in term ${is.currentTerm}: ${other} and ${server}`);
    }
    this.#leaders.set(is.currentTerm, server);
  }
}
