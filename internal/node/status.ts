/**
 * What an operator may see of this server.
 *
 * @module
 */
import type { NodeStatus } from "../clients/backend.ts";
import type { StateMachine } from "../machine/machine.ts";
import type { StateView } from "../raft/raft.ts";
import type { LogIndex, ServerId } from "../raft/types.ts";
import type { PeerRoom } from "./ports.ts";

interface Subject {
  readonly id: ServerId;
  readonly clusterId: string;
  readonly members: readonly { readonly id: ServerId; readonly peerAddress: string }[];
  readonly clientAddress: string;
  readonly peers: Pick<PeerRoom, "isConnected" | "clientAddressOf">;
  readonly machine: Pick<StateMachine, "size">;
}

export function statusOf(subject: Subject, view: StateView, appliedIndex: LogIndex): NodeStatus {
  const clientAddressOf = (id: ServerId) =>
    id === subject.id ? subject.clientAddress : subject.peers.clientAddressOf(id);
  return {
    id: subject.id,
    clusterId: subject.clusterId,
    role: view.role === "preCandidate" ? "candidate" : view.role,
    term: view.currentTerm,
    leaderId: view.leaderId,
    leaderClientAddress: view.leaderId === null ? null : clientAddressOf(view.leaderId),
    commitIndex: view.commitIndex,
    appliedIndex,
    lastIndex: view.lastIndex,
    firstIndex: view.snapshotIndex + 1,
    keys: subject.machine.size(),
    members: subject.members.map(({ id, peerAddress }) => ({
      id,
      peerAddress,
      clientAddress: clientAddressOf(id),
      connected: id === subject.id || subject.peers.isConnected(id),
      matchIndex: id === subject.id ? view.durableIndex : view.matchIndexes.get(id) ?? null,
    })),
  };
}
