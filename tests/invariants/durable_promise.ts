/**
 * Durable promise: a vote, a request for votes (which is a vote for oneself) and an acknowledgement leave only when what they promise is on
 * the disk (3.8; I10, I11; E2, E3, L9).
 *
 * A disk that is in a later term already has seen the promised one end; what was promised there may rightly be gone.
 *
 * @module
 */
import type { Departure, DurableState } from "./disk.ts";
import { Violation } from "./ghost.ts";

export function checkPromise({ server, to, message, acknowledged }: Departure, disk: DurableState): void {
  const { currentTerm, votedFor } = disk.hardState;
  const mustBe = (holds: boolean, what: string) => {
    if (!holds) {
      throw new Violation(
        `${server} sends ${message.kind} of term ${message.term} to ${to} before ${what} is durable`,
      );
    }
  };
  switch (message.kind) {
    case "requestVoteRequest":
      mustBe(
        currentTerm > message.term || (currentTerm === message.term && votedFor === server),
        "its own vote",
      );
      return;
    case "requestVoteResponse":
      mustBe(currentTerm >= message.term, "its term");
      if (message.voteGranted) mustBe(currentTerm > message.term || votedFor === to, "its vote");
      return;
    case "appendEntriesResponse":
    case "installSnapshotResponse":
      mustBe(currentTerm >= message.term, "its term");
      if (message.matchIndex > 0 && currentTerm === message.term) {
        mustBe(
          acknowledged !== undefined && disk.prefixAt(message.matchIndex) === acknowledged,
          `its log up to ${message.matchIndex}`,
        );
      }
  }
}
