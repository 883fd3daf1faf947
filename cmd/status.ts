/**
 * `raftline status`: every member, as it sees itself, in one table.
 *
 * @module
 */
import process from "node:process";
import { describeError, ExitCode, Refusal } from "../internal/base/errors.ts";
import type { Address } from "../internal/platform/network.ts";
import { type CommandLine, parseAddress, readFlags, showAddress } from "./flags.ts";
import { askStatus, type RaftStatus } from "./raft_status.ts";
import { connectToAny, NoAnswer, RespClient } from "./resp_client.ts";

const ASK_MS = 2000;
const WATCH_MS = 1000;
/** Clears a terminal and goes to its first place. */
const CLEAR = "\x1b[2J\x1b[H";

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

/** Ends with 1 where a member does not answer. */
export async function status(args: readonly string[]): Promise<number> {
  const flags = readFlags(statusCommand, args);
  const addresses = flags.addresses("connect", DEFAULT_ADDRESSES);
  const show = (rows: readonly Row[]) =>
    flags.has("json") ? JSON.stringify(rows.map(jsonOf), null, 2) : tableOf(rows);
  if (flags.has("watch")) return await watch(async () => show(await look(addresses)));
  const rows = await look(addresses);
  console.log(show(rows));
  return rows.some(({ status }) => status === null) ? 1 : 0;
}

/** Shows it every second, for ever; that nobody answers is a thing to show. */
async function watch(show: () => Promise<string>): Promise<never> {
  while (true) {
    const text = await show().catch((error) => {
      if (!(error instanceof NoAnswer)) throw error;
      return error.message;
    });
    console.log(process.stdout.isTTY === true ? `${CLEAR}${text}` : text);
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  }
}

async function look(addresses: readonly Address[]): Promise<readonly Row[]> {
  const first = await connectToAny(addresses, ASK_MS);
  const seen = await statusFrom(first);
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

/** What a member says of itself; `null` where it does not answer. */
async function ask(client: string | null): Promise<RaftStatus | null> {
  const address = client === null ? null : parseAddress(client);
  if (address === null) return null;
  try {
    return await statusFrom(await RespClient.connect(address, ASK_MS));
  } catch (error) {
    // Shown as unreachable: that is the answer.
    if (error instanceof NoAnswer) return null;
    throw error;
  }
}

async function statusFrom(client: RespClient): Promise<RaftStatus> {
  try {
    return await askStatus(client, ASK_MS);
  } catch (error) {
    if (error instanceof NoAnswer) throw error;
    throw new Refusal(
      ExitCode.unavailable,
      `${showAddress(client.address)} is no raftline server: ${describeError(error)}`,
      { cause: error },
    );
  } finally {
    client.close();
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
    ["node", "client", "role", "term", "leader", "last", "commit", "applied", "snapshot", "lag"],
    ...rows.map(({ id, client, status, lag }) => [
      id,
      shown(client),
      status === null ? "unreachable" : status.isRemoved ? "removed" : status.role,
      shown(status?.term),
      shown(status?.leader),
      shown(status?.lastIndex),
      shown(status?.commitIndex),
      shown(status?.appliedIndex),
      shown(status?.snapshotIndex),
      shown(lag),
    ]),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ??
    [];
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd())
    .join("\n");
}
