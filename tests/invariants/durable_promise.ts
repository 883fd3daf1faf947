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

export function checkPromise(departure: Departure, disk: DurableState): void {
  const missing = missingFor(departure, disk);
  if (missing === null) return;
  const { server, to, message } = departure;
  throw new Violation(
    `${server} sends ${message.kind} of term ${message.term} to ${to} before ${missing} is durable`,
  );
}

/** What is promised and not on the disk; `null` where nothing is missing. */
function missingFor({ server, to, message, acknowledged }: Departure, disk: DurableState): string | null {
  switch (message.kind) {
    case "requestVoteRequest": {
      const { currentTerm, votedFor } = disk.hardState;
      const holds = currentTerm > message.term || (currentTerm === message.term && votedFor === server);
      return holds ? null : "its own vote";
    }
    case "requestVoteResponse": {
      const { currentTerm, votedFor } = disk.hardState;
      if (currentTerm < message.term) return "its term";
      const holds = !message.voteGranted || currentTerm > message.term || votedFor === to;
      return holds ? null : "its vote";
    }
    case "appendEntriesResponse":
    case "installSnapshotResponse": {
      const { currentTerm } = disk.hardState;
      if (currentTerm < message.term) return "its term";
      if (message.matchIndex === 0 || currentTerm > message.term) return null;
      const holds = acknowledged !== undefined && disk.prefixAt(message.matchIndex) === acknowledged;
      return holds ? null : `its log up to ${message.matchIndex}`;
    }
    default:
      return null;
  }
}
