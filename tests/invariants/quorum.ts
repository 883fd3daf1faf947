/**
 * Who can decide, for checkers: so that it rests on nothing that the product counts with.
 *
 * @module
 */
import type { ConfigurationValue, ServerId } from "../../internal/raft/types.ts";

/** Whether these servers can decide: more than half of the voters, and in a joint configuration of the outgoing ones too. */
export function decides({ voters, outgoing }: ConfigurationValue, servers: readonly ServerId[]): boolean {
  return [voters, outgoing].every((half) =>
    half.length === 0 || 2 * half.filter((id) => servers.includes(id)).length > half.length
  );
}
