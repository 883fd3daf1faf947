/**
 * What an operator may see of this server.
 *
 * @module
 */
import type { MemberStatus, NodeStatus } from "../clients/backend.ts";
import type { StateMachine } from "../machine/machine.ts";
import type { StateView } from "../raft/raft.ts";
import type { ConfigurationValue, LogIndex, ServerId } from "../raft/types.ts";
import type { PeerRoom } from "./ports.ts";

interface Subject {
  readonly id: ServerId;
  readonly clusterId: string;
  readonly self: { readonly clientAddress: string };
  readonly peers: Pick<PeerRoom, "isConnected" | "clientAddressOf">;
  readonly machine: Pick<StateMachine, "size">;
}

/** What only the node itself knows of the moment. */
export interface Moment {
  readonly appliedIndex: LogIndex;
  readonly snapshotIndex: LogIndex;
  readonly isRemoved: boolean;
}

export function statusOf(subject: Subject, view: StateView, moment: Moment): NodeStatus {
  const clientAddressOf = (id: ServerId) =>
    id === subject.id ? subject.self.clientAddress || null : subject.peers.clientAddressOf(id);
  return {
    id: subject.id,
    clusterId: subject.clusterId,
    role: roleOf(subject.id, view),
    term: view.currentTerm,
    leaderId: view.leaderId,
    leaderClientAddress: view.leaderId === null ? null : clientAddressOf(view.leaderId),
    commitIndex: view.commitIndex,
    appliedIndex: moment.appliedIndex,
    lastIndex: view.lastIndex,
    firstIndex: view.snapshotIndex + 1,
    snapshotIndex: moment.snapshotIndex,
    configurationIndex: view.configurationIndex,
    isConfigurationSettled: view.configurationIndex <= view.commitIndex &&
      view.configuration.outgoing.length === 0,
    isRemoved: moment.isRemoved,
    keys: subject.machine.size(),
    members: view.configuration.members.map(({ id, address, priority }) => ({
      id,
      peerAddress: address,
      standing: standingOf(id, view.configuration),
      priority,
      clientAddress: clientAddressOf(id),
      connected: id === subject.id || subject.peers.isConnected(id),
      matchIndex: id === subject.id ? view.durableIndex : view.matchIndexes.get(id) ?? null,
    })),
  };
}

/** A server that does not vote is a learner, whatever it does. */
function roleOf(id: ServerId, { role, configuration }: StateView): string {
  if (role === "leader") return role;
  if (!configuration.voters.includes(id) && !configuration.outgoing.includes(id)) return "learner";
  return role === "preCandidate" ? "candidate" : role;
}

function standingOf(id: ServerId, { voters, outgoing }: ConfigurationValue): MemberStatus["standing"] {
  if (outgoing.length === 0) return voters.includes(id) ? "voter" : "learner";
  if (voters.includes(id)) return outgoing.includes(id) ? "voter" : "joining";
  return outgoing.includes(id) ? "leaving" : "learner";
}
