/**
 * `raftline serve`: the composition root, the one place that knows both the seams and their real bodies.
 *
 * @module
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { describeError, ExitCode, Refusal } from "../internal/base/errors.ts";
import { SeededRandom } from "../internal/base/random.ts";
import { ClientListener } from "../internal/clients/client_listener.ts";
import { defaultClientLimits } from "../internal/clients/limits.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { DiskFileSystem } from "../internal/host/disk_file_system.ts";
import { StderrTrace } from "../internal/host/stderr_trace.ts";
import { SystemClock } from "../internal/host/system_clock.ts";
import { systemSeed } from "../internal/host/system_seed.ts";
import { TcpNetwork } from "../internal/host/tcp_network.ts";
import { KeyValueMachine } from "../internal/machine/kv.ts";
import { defaultLimits } from "../internal/node/limits.ts";
import { Node } from "../internal/node/node.ts";
import { defaultPeerLimits } from "../internal/peers/limits.ts";
import { Peers } from "../internal/peers/peers.ts";
import { type DataDirectory, openDataDirectory } from "../internal/storage/data_directory.ts";
import { whenParentEnds } from "./exit_with_parent.ts";
import { showAddress } from "./flags.ts";
import { type Member, readServeOptions, type ServeOptions } from "./serve_options.ts";
import { runtimeName, version } from "./version.ts";

/** How long a stop may take before the process ends all the same. */
const STOP_MS = 5000;

export async function serve(args: readonly string[]): Promise<number> {
  const options = readServeOptions(args);
  const ending = endOfService();
  if (options.exitWithParent) whenParentEnds(() => ending.end(null));
  await loadCrc32c();
  const fileSystem = new DiskFileSystem();
  const random = new SeededRandom(systemSeed());
  const trace = new StderrTrace(options.logLevel);
  const { id, members, data, segmentBytes } = options;
  const directory = await openDataDirectory({
    fileSystem,
    directory: data,
    random: random.fork("storage"),
    trace,
    segmentBytes,
    wanted: { serverId: id, clusterId: clusterIdOf(members), members: members.map((member) => member.id) },
  });
  const server = assemble(options, directory, random, trace, (refusal) => ending.end(refusal));
  process.on("uncaughtException", (error) => ending.end(broken(error)));
  process.on("unhandledRejection", (error) => ending.end(broken(error)));
  const refusal = await ending.ended;
  const forced = setTimeout(() => process.exit(refusal?.exitCode ?? 0), STOP_MS);
  trace.event(refusal === null ? "info" : "error", "stopping", { reason: refusal?.message ?? "asked to" });
  server.stop();
  // After a refusal the disk or our own state cannot be trusted: nothing more is written.
  if (refusal === null) await directory.close();
  clearTimeout(forced);
  if (refusal !== null) throw refusal;
  return 0;
}

/** Puts the rooms together around one data directory. */
function assemble(
  options: ServeOptions,
  { identity, store, recovered }: DataDirectory,
  random: SeededRandom,
  trace: StderrTrace,
  fail: (refusal: Refusal) => void,
): { stop(): void } {
  const { id, members, client, peer, settings, requestTimeoutMs, clientsMax, valueBytesMax } = options;
  const clock = new SystemClock();
  const network = new TcpNetwork();
  const clientAddress = showAddress(client);
  const cannotListen = (error: Error) =>
    fail(new Refusal(ExitCode.configuration, error.message, { cause: error }));
  const peers = new Peers({
    network,
    clock,
    random: random.fork("peers"),
    trace,
    limits: defaultPeerLimits,
    self: { clusterId: identity.clusterId, serverId: id, incarnation: identity.incarnation, clientAddress },
    listenAt: peer,
    members: members.filter((member) => member.id !== id),
    onListening: (address) => trace.event("info", "listening for peers", { address: showAddress(address) }),
    onListenError: cannotListen,
  });
  const node = new Node({
    id,
    clusterId: identity.clusterId,
    members: members.map((member) => ({ id: member.id, peerAddress: showAddress(member.address) })),
    clientAddress,
    settings,
    limits: { ...defaultLimits, requestTimeoutMs },
    recovered,
    clock,
    random,
    trace,
    store,
    peers,
    machine: new KeyValueMachine(),
  });
  const clients = new ClientListener({
    network,
    clock,
    trace,
    backend: node,
    limits: { ...defaultClientLimits, clientsMax, bulkBytesMax: valueBytesMax },
    host: {
      version,
      runtime: runtimeName(),
      processId: process.pid,
      port: client.port,
      memoryBytes: () => process.memoryUsage().rss,
    },
  });
  node.start({ onFatal: fail });
  clients.start(client, {
    onListening: (address) => trace.event("info", "listening for clients", { address: showAddress(address) }),
    onListenError: cannotListen,
  });
  return {
    stop: () => {
      clients.stopAccepting();
      node.stop();
      clients.stop();
    },
  };
}

/** Two clusters made of different members or addresses have different ids (O7). */
function clusterIdOf(members: readonly Member[]): string {
  const text = members.map(({ id, address }) => `${id}=${showAddress(address)}`).sort().join(",");
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function broken(error: unknown): Refusal {
  return error instanceof Refusal
    ? error
    : new Refusal(ExitCode.brokenInvariant, `broken invariant: ${describeError(error)}`, { cause: error });
}

/** Waits for a signal, or for a reason to stop. */
function endOfService(): { readonly ended: Promise<Refusal | null>; end(refusal: Refusal | null): void } {
  let resolve: (refusal: Refusal | null) => void = () => {};
  const ended = new Promise<Refusal | null>((settle) => resolve = settle);
  process.on("SIGTERM", () => resolve(null));
  process.on("SIGINT", () => resolve(null));
  return { ended, end: (refusal) => resolve(refusal) };
}
