/**
 * `raftline status`: every member, as it sees itself, in one table.
 *
 * @module
 */
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import type { Address } from "../internal/platform/network.ts";
import { type CommandLine, parseAddress, readFlags } from "./flags.ts";
import { askStatus, type RaftStatus } from "./raft_status.ts";
import { connectToAny, RespClient } from "./resp_client.ts";

const ASK_MS = 2000;

export const statusCommand: CommandLine = {
  name: "status",
  summary: "show every member: role, term, log, and how far each follower lags",
  usage: "[options]",
  takesWords: false,
  flags: [
    {
      name: "connect",
      value: "HOST:PORT,...",
      help: "servers to ask, until one answers",
      default: "127.0.0.1:7001,7002,7003",
    },
    { name: "json", value: null, help: "as JSON" },
    { name: "watch", value: null, help: "again every second, until Ctrl-C" },
  ],
  examples: ["raftline status", "raftline status --connect 10.0.0.1:7001 --json"],
};

export const DEFAULT_ADDRESSES: readonly Address[] = [7001, 7002, 7003].map((port) => ({
  host: "127.0.0.1",
  port,
}));

interface Row {
  readonly id: string;
  readonly client: string | null;
  /** `null` where it does not answer. */
  readonly status: RaftStatus | null;
  /** Entries behind the leader's log, as the leader knows. */
  readonly lag: number | null;
}

export async function status(args: readonly string[]): Promise<number> {
  const flags = readFlags(statusCommand, args);
  const addresses = flags.addresses("connect", DEFAULT_ADDRESSES);
  while (true) {
    const rows = await look(addresses);
    if (flags.has("watch")) console.log("\x1b[2J\x1b[H");
    console.log(flags.has("json") ? JSON.stringify(rows.map(jsonOf), null, 2) : tableOf(rows));
    if (!flags.has("watch")) return rows.some(({ status }) => status === null) ? 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

async function look(addresses: readonly Address[]): Promise<readonly Row[]> {
  let first: RespClient;
  try {
    first = await connectToAny(addresses, ASK_MS);
  } catch (error) {
    throw new Refusal(ExitCode.unavailable, error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
  const seen = await askStatus(first).finally(() => first.close());
  const rows = await Promise.all(seen.members.map(async ({ id, client }) => {
    const own = id === seen.id ? seen : await ask(client);
    return { id, client, status: own };
  }));
  const leader = rows.map(({ status }) => status).filter((status) => status?.role === "leader")
    .sort((a, b) => (b?.term ?? 0) - (a?.term ?? 0))[0];
  return rows.map(({ id, client, status }) => {
    const matchIndex = leader?.members.find((member) => member.id === id)?.matchIndex ?? null;
    const lag = leader === undefined || leader === null || matchIndex === null || leader.id === id
      ? null
      : leader.lastIndex - matchIndex;
    return { id, client, status, lag };
  });
}

/** What a member says of itself; `null` where it cannot be asked. */
async function ask(client: string | null): Promise<RaftStatus | null> {
  const address = client === null ? null : parseAddress(client);
  if (address === null) return null;
  let connection: RespClient | null = null;
  try {
    connection = await RespClient.connect(address, ASK_MS);
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error("no answer")), ASK_MS).unref();
    });
    return await Promise.race([askStatus(connection), late]);
  } catch {
    // Shown as unreachable: that is the answer.
    return null;
  } finally {
    connection?.close();
  }
}

function jsonOf({ id, client, status, lag }: Row) {
  return { id, client, reachable: status !== null, ...(status ?? {}), lag };
}

/** The table; every column as wide as its widest cell. */
function tableOf(rows: readonly Row[]): string {
  const shown = (value: string | number | null | undefined) =>
    value === null || value === undefined ? "-" : String(value);
  const cells = [
    ["node", "client", "role", "term", "leader", "last", "commit", "applied", "lag"],
    ...rows.map(({ id, client, status, lag }) => [
      id,
      shown(client),
      status?.role ?? "unreachable",
      shown(status?.term),
      shown(status?.leader),
      shown(status?.lastIndex),
      shown(status?.commitIndex),
      shown(status?.appliedIndex),
      shown(lag),
    ]),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ??
    [];
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd())
    .join("\n");
}
