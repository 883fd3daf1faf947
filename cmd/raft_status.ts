/**
 * Reads what `RAFT STATUS` says (clients/info.ts describes the format).
 *
 * @module
 */
import type { RespClient } from "./resp_client.ts";
import { textOf } from "./resp_client.ts";

export interface MemberLine {
  readonly id: string;
  /** voter, learner, joining or leaving. */
  readonly standing: string;
  readonly peer: string;
  /** `null` where the server does not know. */
  readonly client: string | null;
  readonly connected: boolean;
  readonly matchIndex: number | null;
}

export interface RaftStatus {
  readonly id: string;
  readonly clusterId: string;
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  readonly configurationIndex: number;
  /** Whether no change of the members is under way. */
  readonly isConfigurationSettled: boolean;
  readonly isRemoved: boolean;
  readonly keys: number;
  readonly members: readonly MemberLine[];
}

/** @throws {NoAnswer} where none comes within `withinMs` */
export async function askStatus(client: RespClient, withinMs: number): Promise<RaftStatus> {
  return parseStatus(textOf(await client.send(["RAFT", "STATUS"], withinMs)));
}

export function parseStatus(text: string): RaftStatus {
  const fields = new Map<string, string>();
  const members: MemberLine[] = [];
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(":");
    if (at < 0) continue;
    const [key, value] = [line.slice(0, at), line.slice(at + 1)];
    if (key === "member") members.push(memberOf(value));
    else fields.set(key, value);
  }
  const field = (name: string) => {
    const value = fields.get(name);
    if (value === undefined) throw new Error(`the status lacks ${name}`);
    return value;
  };
  return {
    id: field("id"),
    clusterId: field("cluster_id"),
    role: field("role"),
    term: Number(field("term")),
    leader: known(field("leader")),
    lastIndex: Number(field("last_index")),
    commitIndex: Number(field("commit_index")),
    appliedIndex: Number(field("applied_index")),
    snapshotIndex: Number(field("snapshot_index")),
    configurationIndex: Number(field("configuration_index")),
    isConfigurationSettled: field("configuration_settled") === "1",
    isRemoved: field("removed") === "1",
    keys: Number(field("keys")),
    members,
  };
}

function memberOf(text: string): MemberLine {
  const fields = new Map(
    text.split(",").map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)] as const;
    }),
  );
  const field = (name: string) => fields.get(name) ?? "-";
  const matchIndex = known(field("match_index"));
  return {
    id: field("id"),
    standing: field("standing"),
    peer: field("peer"),
    client: known(field("client")),
    connected: field("connected") === "1",
    matchIndex: matchIndex === null ? null : Number(matchIndex),
  };
}

function known(text: string): string | null {
  return text === "-" ? null : text;
}
