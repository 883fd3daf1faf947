/**
 * What `raftline serve` is told, checked as a whole.
 *
 * @module
 */
import { ExitCode, Refusal } from "../internal/base/errors.ts";
import { isServerId } from "../internal/codec/admin_command.ts";
import type { Redirection } from "../internal/host/redirected_network.ts";
import { defaultClientLimits } from "../internal/clients/limits.ts";
import { defaultLimits } from "../internal/node/limits.ts";
import type { Address } from "../internal/platform/network.ts";
import type { TraceLevel } from "../internal/platform/trace.ts";
import { defaultSettings, objectionToSettings, type Settings } from "../internal/raft/state.ts";
import { SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN } from "../internal/storage/stable_store.ts";
import { type CommandLine, type Flags, parseAddress, readFlags, showAddress } from "./flags.ts";

export interface Member {
  readonly id: string;
  readonly address: Address;
}

export interface ServeOptions {
  readonly id: string;
  readonly data: string;
  readonly client: Address;
  readonly peer: Address;
  /** What others are told, where that is not where the server listens. */
  readonly advertisePeer: Address | null;
  readonly advertiseClient: Address | null;
  /** Every voter at the cluster's birth, this server among them; empty where it joins a cluster. */
  readonly members: readonly Member[];
  /** Peer addresses of a cluster to join; empty where it is not to join one. */
  readonly join: readonly Address[];
  /** Where other servers are dialled instead of at the addresses that the cluster knows. */
  readonly dial: readonly Redirection[];
  readonly settings: Settings;
  readonly segmentBytes: number;
  readonly freeBytesMin: number;
  /** 0 for none. */
  readonly scrubBytesPerSecond: number;
  readonly scrubPauseMs: number;
  /** Where closed segments are copied to; `null` for nowhere. */
  readonly archive: string | null;
  readonly snapshotEntries: number;
  readonly snapshotLogBytes: number;
  readonly logMemoryEntries: number;
  readonly valueBytesMax: number;
  readonly clientsMax: number;
  readonly requestTimeoutMs: number;
  readonly logLevel: TraceLevel;
  /** End when standard input does: how a parent keeps its children from outliving it. */
  readonly exitWithParent: boolean;
}

const MEMBERS_MAX = 9;
const SCRUB_BYTES = 4 * 1024 * 1024;
const SCRUB_PAUSE_MS = 3_600_000;
const LAN = { heartbeatMs: 50, electionTimeoutMinMs: 300, electionTimeoutMaxMs: 600 };

export const serveCommand: CommandLine = {
  name: "serve",
  summary: "run one server; without options, one that is a cluster of its own",
  usage: "[options]",
  takesWords: false,
  flags: [
    { name: "id", value: "ID", help: "who this server is, for ever", default: "n1" },
    {
      name: "data",
      value: "DIR",
      help: "its data directory, made if it is not there",
      default: "./raftline-data",
    },
    { name: "client", value: "HOST:PORT", help: "where it serves clients", default: "127.0.0.1:7001" },
    {
      name: "peer",
      value: "HOST:PORT",
      help: "where other servers reach it",
      default: "the client address, port + 100",
    },
    {
      name: "cluster",
      value: "ID=HOST:PORT,...",
      help: "at the cluster's birth: every member's id and peer address",
      default: "only this server",
    },
    {
      name: "join",
      value: "HOST:PORT,...",
      help: "instead: peer addresses of a cluster that will add this server (raftline add)",
    },
    {
      name: "advertise-peer",
      value: "HOST:PORT",
      help: "where other servers are told to reach it",
      default: "its word in --cluster, or where it listens",
    },
    {
      name: "advertise-client",
      value: "HOST:PORT",
      help: "where clients are told to reach it",
      default: "where it listens",
    },
    {
      name: "dial",
      value: "HOST:PORT=HOST:PORT,...",
      help: "dial the second where the cluster says the first: through a proxy or a forwarded port",
    },
    {
      name: "profile",
      value: "wan|lan",
      help: "timeouts: wan 100 / 1000 to 2000 ms, lan 50 / 300 to 600 ms",
      default: "wan",
    },
    { name: "heartbeat-ms", value: "MS", help: "how often a leader speaks", default: "100" },
    {
      name: "election-timeout-min-ms",
      value: "MS",
      help: "a server campaigns after a silence of at least",
      default: "1000",
    },
    { name: "election-timeout-max-ms", value: "MS", help: "and at most", default: "2000" },
    {
      name: "request-timeout-ms",
      value: "MS",
      help: "a command without an answer is told so after",
      default: "5000",
    },
    {
      name: "lease-drift-permille",
      value: "N",
      help: "allow reads on a lease; clocks drift apart by at most N thousandths",
      default: "no such reads",
    },
    {
      name: "snapshot-entries",
      value: "COUNT",
      help: "take a snapshot after so many entries",
      default: String(defaultLimits.snapshotEntries),
    },
    {
      name: "snapshot-log-bytes",
      value: "BYTES",
      help: "or after about so many bytes of them, if they are also some 4 times the last snapshot",
      default: String(defaultLimits.snapshotBytes),
    },
    {
      name: "log-memory-entries",
      value: "COUNT",
      help: "entries that stay at hand for followers that lag",
      default: String(defaultLimits.logMemoryEntries),
    },
    {
      name: "segment-bytes",
      value: "BYTES",
      help: "length of one file of the log",
      default: String(SEGMENT_BYTES_DEFAULT),
    },
    {
      name: "free-bytes-min",
      value: "BYTES",
      help: "refuse writes while the disk has less space than this",
      default: "two files of the log",
    },
    {
      name: "scrub-bytes-per-second",
      value: "BYTES",
      help: "how fast the log and the snapshots are read again to look for rot; 0 for never",
      default: String(SCRUB_BYTES),
    },
    {
      name: "scrub-pause-ms",
      value: "MS",
      help: "from the end of such a round to the next",
      default: String(SCRUB_PAUSE_MS),
    },
    {
      name: "archive",
      value: "DIR",
      help: "copy closed segments there, for raftline restore --to-index and --to-time",
    },
    {
      name: "value-bytes-max",
      value: "BYTES",
      help: "longest argument of a command",
      default: String(defaultClientLimits.bulkBytesMax),
    },
    {
      name: "clients-max",
      value: "COUNT",
      help: "clients at a time",
      default: String(defaultClientLimits.clientsMax),
    },
    { name: "log-level", value: "LEVEL", help: "debug, info, warn or error", default: "info" },
    { name: "exit-with-parent", value: null, help: "stop when standard input ends" },
  ],
  examples: [
    "raftline serve",
    "raftline serve --id n1 --data /var/lib/raftline --client 10.0.0.1:7001 --peer 10.0.0.1:7101 \\",
    "    --cluster n1=10.0.0.1:7101,n2=10.0.0.2:7101,n3=10.0.0.3:7101",
  ],
};

/**
 * Reads and checks the options.
 *
 * @throws {Refusal} with exit code 64 where a word cannot be read, 78 where options contradict each other
 */
export function readServeOptions(args: readonly string[]): ServeOptions {
  const flags = readFlags(serveCommand, args);
  const id = flags.text("id") ?? "n1";
  if (!isServerId(id)) {
    throw flags.refuse(`--id is ${id}, it must be 1 to 64 letters, digits, dots, dashes or underscores`);
  }
  const client = flags.address("client", { host: "127.0.0.1", port: 7001 });
  const members = membersOf(flags);
  if (members !== null && flags.has("join")) {
    throw contradiction("--cluster and --join are both given: a cluster is born, or joined");
  }
  const own = members?.find((member) => member.id === id)?.address;
  if (members !== null && own === undefined) {
    throw contradiction(`--cluster does not name --id ${id}`);
  }
  // Port 0 asks for any free one, for peers as for clients.
  const peer = flags.address(
    "peer",
    own ?? { host: client.host, port: client.port === 0 ? 0 : client.port + 100 },
  );
  if (peer.port > 65_535) throw contradiction(`the peer port would be ${peer.port}: give --peer`);
  if (own !== undefined && own.port !== peer.port) {
    throw contradiction(
      `--peer is ${showAddress(peer)}, but --cluster says that ${id} is at ${showAddress(own)}`,
    );
  }
  if (client.host === peer.host && client.port === peer.port && client.port !== 0) {
    throw contradiction(`--client and --peer are both ${showAddress(client)}`);
  }
  const segmentBytes = flags.integer("segment-bytes", SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN, 2 ** 30);
  return {
    id,
    data: flags.text("data") ?? "./raftline-data",
    client,
    peer,
    advertisePeer: flags.has("advertise-peer") ? flags.address("advertise-peer", peer) : own ?? null,
    advertiseClient: flags.has("advertise-client") ? flags.address("advertise-client", client) : null,
    members: members ?? (flags.has("join") ? [] : [{ id, address: peer }]),
    join: flags.addresses("join", []),
    dial: redirectionsOf(flags),
    settings: settingsOf(flags),
    archive: flags.text("archive"),
    segmentBytes,
    scrubBytesPerSecond: flags.integer("scrub-bytes-per-second", SCRUB_BYTES, 0, 2 ** 32),
    scrubPauseMs: flags.integer("scrub-pause-ms", SCRUB_PAUSE_MS, 100, 2 ** 31 - 1),
    freeBytesMin: flags.integer("free-bytes-min", 2 * segmentBytes, 0, 2 ** 40),
    snapshotEntries: flags.integer("snapshot-entries", defaultLimits.snapshotEntries, 10, 1_000_000_000),
    snapshotLogBytes: flags.integer("snapshot-log-bytes", defaultLimits.snapshotBytes, 4096, 2 ** 40),
    logMemoryEntries: flags.integer("log-memory-entries", defaultLimits.logMemoryEntries, 10, 100_000_000),
    valueBytesMax: flags.integer(
      "value-bytes-max",
      defaultClientLimits.bulkBytesMax,
      1024,
      defaultClientLimits.bulkBytesMax,
    ),
    clientsMax: flags.integer("clients-max", defaultClientLimits.clientsMax, 1, 1_000_000),
    requestTimeoutMs: flags.integer("request-timeout-ms", defaultLimits.requestTimeoutMs, 10, 600_000),
    logLevel: flags.choice("log-level", "info", ["debug", "info", "warn", "error"]),
    exitWithParent: flags.has("exit-with-parent"),
  };
}

function settingsOf(flags: Flags): Settings {
  const explicit = ["heartbeat-ms", "election-timeout-min-ms", "election-timeout-max-ms"].filter((name) =>
    flags.has(name)
  );
  const [first] = explicit;
  if (flags.has("profile") && first !== undefined) {
    throw contradiction(`--profile and --${first} are both given: one of them says what the timeouts are`);
  }
  const base = flags.choice("profile", "wan", ["wan", "lan"]) === "lan"
    ? { ...defaultSettings, ...LAN }
    : defaultSettings;
  const settings: Settings = {
    ...base,
    heartbeatMs: flags.integer("heartbeat-ms", base.heartbeatMs, 1, 60_000),
    electionTimeoutMinMs: flags.integer("election-timeout-min-ms", base.electionTimeoutMinMs, 1, 60_000),
    electionTimeoutMaxMs: flags.integer("election-timeout-max-ms", base.electionTimeoutMaxMs, 1, 120_000),
    leaseDriftPermille: flags.has("lease-drift-permille")
      ? flags.integer("lease-drift-permille", 10, 1, 500)
      : null,
  };
  const objection = objectionToSettings(settings);
  if (objection !== null) throw contradiction(objection);
  return settings;
}

export function membersOf(flags: Flags): readonly Member[] | null {
  const text = flags.text("cluster");
  if (text === null) return null;
  const members = text.split(",").map((word): Member => {
    const at = word.indexOf("=");
    const address = parseAddress(word.slice(at + 1));
    if (at < 1 || address === null || !isServerId(word.slice(0, at))) {
      throw flags.refuse(
        `--cluster has ${word || "an empty word"}, it must be ID=HOST:PORT,ID=HOST:PORT,...`,
      );
    }
    return { id: word.slice(0, at), address };
  });
  if (members.length > MEMBERS_MAX) {
    throw contradiction(`--cluster names ${members.length} members, at most ${MEMBERS_MAX} can vote`);
  }
  for (const [i, member] of members.entries()) {
    const before = members.slice(0, i);
    if (before.some((other) => other.id === member.id)) {
      throw contradiction(`--cluster names ${member.id} twice`);
    }
    const twin = before.find((other) => showAddress(other.address) === showAddress(member.address));
    if (twin !== undefined) {
      throw contradiction(`--cluster gives ${twin.id} and ${member.id} the same address`);
    }
  }
  return members;
}

function redirectionsOf(flags: Flags): readonly Redirection[] {
  const words = flags.text("dial")?.split(",") ?? [];
  const redirections = words.map((word): Redirection => {
    const [from, to, ...rest] = word.split("=").map(parseAddress);
    if (from === null || from === undefined || to === null || to === undefined || rest.length > 0) {
      throw flags.refuse(
        `--dial has ${word || "an empty word"}, it must be HOST:PORT=HOST:PORT,HOST:PORT=HOST:PORT,...`,
      );
    }
    return { from, to };
  });
  const names = redirections.map(({ from }) => showAddress(from));
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw contradiction(`--dial names ${twice} twice`);
  return redirections;
}

function contradiction(reason: string): Refusal {
  return new Refusal(ExitCode.configuration, `${reason}; raftline serve --help explains the options`);
}
