/**
 * What `INFO` and `RAFT STATUS` say.
 *
 * `RAFT STATUS` is text for people and for `raftline status`: lines `key:value`, then one line per member
 * `member:id=n2,peer=H:P,client=H:P,connected=1,match_index=12`; what is not known is `-`.
 *
 * @module
 */
import type { NodeStatus } from "./backend.ts";

/** The Redis version whose commands this server speaks a part of; clients look at it. */
export const REDIS_VERSION = "7.0.0";

/** What only the process knows. */
export interface ProcessInfo {
  readonly version: string;
  readonly runtime: string;
  readonly processId: number;
  readonly port: number;
  memoryBytes(): number;
}

/** What the clients' room counts. */
export interface ClientCounts {
  connected: number;
  connectionsReceived: number;
  connectionsRefused: number;
  commandsProcessed: number;
}

export interface InfoSubject {
  readonly status: NodeStatus;
  readonly host: ProcessInfo;
  readonly counts: Readonly<ClientCounts>;
  readonly uptimeSeconds: number;
}

type Section = readonly (readonly [string, string | number])[];

function sectionsOf(
  { status, host, counts, uptimeSeconds }: InfoSubject,
): Readonly<Record<string, Section>> {
  const isLeader = status.role === "leader";
  return {
    server: [
      ["redis_version", REDIS_VERSION],
      ["redis_mode", "standalone"],
      ["raftline_version", host.version],
      ["runtime", host.runtime],
      ["process_id", host.processId],
      ["tcp_port", host.port],
      ["uptime_in_seconds", uptimeSeconds],
    ],
    clients: [["connected_clients", counts.connected]],
    memory: [["used_memory", host.memoryBytes()], ["used_memory_rss", host.memoryBytes()], [
      "maxmemory",
      0,
    ]],
    persistence: [["loading", 0], ["aof_enabled", 1]],
    stats: [
      ["total_connections_received", counts.connectionsReceived],
      ["rejected_connections", counts.connectionsRefused],
      ["total_commands_processed", counts.commandsProcessed],
    ],
    // Any server takes writes, so to a Redis client each of them is a master.
    replication: [["role", "master"], ["connected_slaves", isLeader ? status.members.length - 1 : 0]],
    raft: [
      ["raft_id", status.id],
      ["raft_cluster_id", status.clusterId],
      ["raft_role", status.role],
      ["raft_term", status.term],
      ["raft_leader", status.leaderId ?? ""],
      ["raft_leader_client", status.leaderClientAddress ?? ""],
      ["raft_first_index", status.firstIndex],
      ["raft_last_index", status.lastIndex],
      ["raft_commit_index", status.commitIndex],
      ["raft_applied_index", status.appliedIndex],
      ["raft_members", status.members.map(({ id }) => id).join(",")],
    ],
    keyspace: status.keys === 0 ? [] : [["db0", `keys=${status.keys},expires=0,avg_ttl=0`]],
  };
}

/** The text of `INFO`; `wanted` are section names in lower case, none for all. */
export function infoText(subject: InfoSubject, wanted: readonly string[]): string {
  const all = wanted.length === 0 || wanted.some((name) => ["all", "default", "everything"].includes(name));
  return Object.entries(sectionsOf(subject))
    .filter(([name]) => all || wanted.includes(name))
    .map(([name, lines]) =>
      [`# ${name.charAt(0).toUpperCase()}${name.slice(1)}`, ...lines.map(([key, value]) => `${key}:${value}`)]
        .join("\r\n")
    )
    .join("\r\n\r\n") + "\r\n";
}

/** The text of `RAFT STATUS`. */
export function raftStatusText(status: NodeStatus): string {
  const known = (value: string | number | null) => value === null ? "-" : String(value);
  const lines = [
    `id:${status.id}`,
    `cluster_id:${status.clusterId}`,
    `role:${status.role}`,
    `term:${status.term}`,
    `leader:${known(status.leaderId)}`,
    `leader_client:${known(status.leaderClientAddress)}`,
    `first_index:${status.firstIndex}`,
    `last_index:${status.lastIndex}`,
    `commit_index:${status.commitIndex}`,
    `applied_index:${status.appliedIndex}`,
    `snapshot_index:${status.snapshotIndex}`,
    `configuration_index:${status.configurationIndex}`,
    `configuration_settled:${status.isConfigurationSettled ? 1 : 0}`,
    `removed:${status.isRemoved ? 1 : 0}`,
    `keys:${status.keys}`,
  ];
  for (const { id, standing, peerAddress, clientAddress, connected, matchIndex } of status.members) {
    lines.push(
      `member:id=${id},standing=${standing},peer=${peerAddress},client=${known(clientAddress)},connected=${
        connected ? 1 : 0
      },match_index=${known(matchIndex)}`,
    );
  }
  return lines.join("\r\n") + "\r\n";
}

/** The text of `RAFT CONFIG`: one line for the whole, one for each member. */
export function raftConfigText({ configurationIndex, isConfigurationSettled, members }: NodeStatus): string {
  const lines = [`index:${configurationIndex}`, `settled:${isConfigurationSettled ? 1 : 0}`];
  for (const { id, standing, peerAddress, priority } of members) {
    lines.push(`member:id=${id},standing=${standing},peer=${peerAddress},priority=${priority}`);
  }
  return lines.join("\r\n") + "\r\n";
}
