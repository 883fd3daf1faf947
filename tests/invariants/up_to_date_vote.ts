/**
 * Up-to-date vote: who votes for somebody finds everything that it knows to be committed in the other's log (3.6.1; I19).
 *
 * Looked at when the vote is given. The candidate may have gone on since it asked; what is committed it never loses,
 * save to damage of its disk after it asked; then it does not lead any more.
 *
 * @module
 */
import { type Ghost, type Observation, type Property, Violation } from "./ghost.ts";

export class UpToDateVote implements Property {
  readonly name = "up-to-date vote";

  check({ server, is, effects }: Observation, ghost: Ghost): void {
    for (const effect of effects) {
      if (effect.kind !== "send" || effect.message.kind !== "requestVoteResponse") continue;
      if (!effect.message.voteGranted) continue;
      const { commitIndex } = is;
      if (ghost.everHeld(effect.to, commitIndex, ghost.committedHash(commitIndex))) continue;
      throw new Violation(
        `${server} votes for ${effect.to} in term ${effect.message.term}, whose log lacks what is committed up to ${commitIndex}`,
      );
    }
  }
}
