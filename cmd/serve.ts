/**
 * `raftline serve`: the composition root, the one place that knows both the seams and their real bodies.
 *
 * @module
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { copyLongBy } from "../internal/base/copy.ts";
import { describeError, ExitCode, Refusal } from "../internal/base/errors.ts";
import { SeededRandom } from "../internal/base/random.ts";
import { ClientListener } from "../internal/clients/client_listener.ts";
import { defaultClientLimits } from "../internal/clients/limits.ts";
import { loadCrc32c } from "../internal/codec/crc32c.ts";
import { DiskFileSystem } from "../internal/host/disk_file_system.ts";
import { RedirectedNetwork } from "../internal/host/redirected_network.ts";
import { StderrTrace } from "../internal/host/stderr_trace.ts";
import { SystemClock } from "../internal/host/system_clock.ts";
import { systemCopy } from "../internal/host/system_copy.ts";
import { systemNetwork } from "../internal/host/system_network.ts";
import { systemSeed } from "../internal/host/system_seed.ts";
import { KeyValueMachine } from "../internal/machine/kv.ts";
import { defaultLimits } from "../internal/node/limits.ts";
import { Node } from "../internal/node/node.ts";
import { Replay } from "../internal/node/replay.ts";
import type { Network } from "../internal/platform/network.ts";
import { defaultPeerLimits } from "../internal/peers/limits.ts";
import { Peers } from "../internal/peers/peers.ts";
import {
  type DataDirectory,
  LOG,
  lookAtIdentity,
  openDataDirectory,
  SNAPSHOTS,
} from "../internal/storage/data_directory.ts";
import { Archiver } from "../internal/storage/archiver.ts";
import { Scrubber } from "../internal/storage/scrubber.ts";
import { startScrubbing } from "../internal/storage/scrubbing.ts";
import { SnapshotDesk } from "../internal/storage/snapshot_desk.ts";
import { Advertised } from "./advertised.ts";
import { whenParentEnds } from "./exit_with_parent.ts";
import { showAddress } from "./flags.ts";
import { keepFreedMemory } from "./freed_memory.ts";
import { clusterToJoin } from "./joining.ts";
import { type Member, readServeOptions, type ServeOptions } from "./serve_options.ts";
import { runtimeName, version } from "./version.ts";

/** How long a stop may take before the process ends all the same; a container's runtime gives ten seconds. */
const STOP_MS = 9000;
/** How long clients that come back after the stop are told to go elsewhere. */
const LAST_WORDS_MS = 500;
/** How often the space on the disk is looked at. */
const SPACE_MS = 1000;
/** How often the archive is looked after. */
const ARCHIVE_MS = 1000;
/** So many closed segments wait for the archive before the log lets go of one that is not there. */
const ARCHIVE_WAITING_MAX = 64;
/** How long clients have to take their last answers. */
const LAST_ANSWERS_MS = 1000;

export async function serve(args: readonly string[]): Promise<number> {
  const options = readServeOptions(args);
  const notAnew = keepFreedMemory();
  const ending = endOfService();
  if (options.exitWithParent) whenParentEnds(() => ending.end(null));
  await loadCrc32c();
  if (systemCopy !== null) copyLongBy(systemCopy);
  const random = new SeededRandom(systemSeed());
  const trace = new StderrTrace(options.logLevel);
  if (notAnew !== null) {
    trace.event("warn", "freed memory goes back at once", { reason: describeError(notAnew) });
  }
  const { id, members, data, segmentBytes, freeBytesMin } = options;
  const network = new RedirectedNetwork(systemNetwork(), options.dial);
  const host: Host = { fileSystem: new DiskFileSystem(), clock: new SystemClock(), network };
  const clusterId = await clusterIdOf(options, host, trace, ending.ended);
  if (clusterId === null) return 0;
  const machine = new KeyValueMachine();
  const { logMemoryEntries } = options;
  const replay = new Replay(machine, { ...defaultLimits, logMemoryEntries });
  const directory = await openDataDirectory({
    fileSystem: host.fileSystem,
    directory: data,
    random: random.fork("storage"),
    trace,
    segmentBytes,
    freeBytesMin,
    wanted: {
      serverId: id,
      clusterId,
      members: members.map(({ id, address }) => ({ id, address: showAddress(address) })),
    },
    restore: ({ digest }) => {
      const restoration = machine.restore();
      return { take: (chunk) => restoration.take(chunk), finish: () => restoration.finish(digest) };
    },
    replay,
  });
  const server = assemble(
    options,
    host,
    directory,
    machine,
    replay,
    random,
    trace,
    (refusal) => ending.end(refusal),
  );
  process.on("uncaughtException", (error) => ending.end(broken(error)));
  process.on("unhandledRejection", (error) => ending.end(broken(error)));
  const refusal = await ending.ended;
  const forced = setTimeout(() => process.exit(refusal?.exitCode ?? 0), STOP_MS);
  trace.event(refusal === null ? "info" : "error", "stopping", { reason: refusal?.message ?? "asked to" });
  if (refusal === null) await server.retire();
  await server.stop();
  // After a refusal the disk or our own state cannot be trusted: nothing more is written.
  if (refusal === null) await server.close();
  clearTimeout(forced);
  if (refusal !== null) throw refusal;
  return 0;
}

/** The parts of the machine that this server runs on. */
interface Host {
  readonly fileSystem: DiskFileSystem;
  readonly clock: SystemClock;
  readonly network: Network;
}

interface Server {
  /** Leaves without leaving anybody in doubt. */
  retire(): Promise<void>;
  /** Ends everything but the disk. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** Puts the rooms together around one data directory. */
function assemble(
  options: ServeOptions,
  { clock, network }: Host,
  directory: DataDirectory,
  machine: KeyValueMachine,
  replay: Replay,
  random: SeededRandom,
  trace: StderrTrace,
  fail: (refusal: Refusal) => void,
): Server {
  const { id, client, peer, settings, requestTimeoutMs, clientsMax, valueBytesMax } = options;
  const { snapshotEntries, snapshotLogBytes: snapshotBytes, logMemoryEntries } = options;
  const { identity: { clusterId, incarnation }, store, recovered } = directory;
  const peerAt = new Advertised(peer, options.advertisePeer);
  const clientAt = new Advertised(client, options.advertiseClient);
  const cannotListen = (error: Error) =>
    fail(new Refusal(ExitCode.configuration, error.message, { cause: error }));
  const self = {
    clusterId,
    serverId: id,
    incarnation,
    get peerAddress() {
      return peerAt.text;
    },
    get clientAddress() {
      return clientAt.text;
    },
  };
  const peers = new Peers({
    network,
    clock,
    random: random.fork("peers"),
    trace,
    limits: defaultPeerLimits,
    self,
    listenAt: peer,
    onListening: (address) => {
      peerAt.bound(address);
      trace.event("info", "listening for peers", { address: showAddress(address) });
    },
    onListenError: cannotListen,
  });
  const snapshots = new SnapshotDesk(directory.snapshots);
  const node = new Node({
    id,
    clusterId,
    self,
    settings,
    limits: { ...defaultLimits, requestTimeoutMs, snapshotEntries, snapshotBytes, logMemoryEntries },
    recovered,
    clock,
    random,
    trace,
    store,
    snapshots,
    remnants: directory.remnants,
    peers,
    machine,
    replay,
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
  const archiving = options.archive === null
    ? null
    : startArchive(options.archive, directory, options, trace, () => node.status().appliedIndex);
  const scrubbing = options.scrubBytesPerSecond === 0 ? null : startScrubbing({
    clock,
    scrubber: new Scrubber({
      fileSystem: new DiskFileSystem(),
      log: `${options.data}/${LOG}`,
      snapshots: `${options.data}/${SNAPSHOTS}`,
    }),
    bytesPerSecond: options.scrubBytesPerSecond,
    pauseMs: options.scrubPauseMs,
    trace,
    hasPeers: () => node.raft.view().configuration.voters.length > 1,
    store,
    snapshots,
    takeSnapshot: (done) => node.takeSnapshot(done),
    fail,
  });
  const space = setInterval(() => store.lookAtSpace(), SPACE_MS);
  node.start({ onFatal: fail });
  if (directory.snapshots.wasDamaged) node.takeSnapshot(() => {});
  clients.start(client, {
    onListening: (address) => {
      clientAt.bound(address);
      trace.event("info", "listening for clients", { address: showAddress(address) });
    },
    onListenError: cannotListen,
  });
  return {
    retire: async () => {
      clients.stopAccepting();
      await new Promise<void>((resolve) => node.retire(resolve));
      node.stop();
      await new Promise((resolve) => setTimeout(resolve, clients.isIdle ? 0 : LAST_WORDS_MS));
    },
    stop: () => {
      node.stop();
      return new Promise((resolve) => {
        setTimeout(resolve, LAST_ANSWERS_MS);
        clients.stop(resolve);
      });
    },
    close: async () => {
      clearInterval(space);
      await scrubbing?.stop();
      await archiving?.stop();
      await snapshots.close();
      await directory.close();
    },
  };
}

/** Copies closed segments as they come, as long as the server is up. */
function startArchive(
  archive: string,
  { identity: { clusterId, serverId }, store }: DataDirectory,
  { data }: ServeOptions,
  trace: StderrTrace,
  appliedIndex: () => number,
): { stop(): Promise<void> } {
  const archiver = new Archiver({
    fileSystem: new DiskFileSystem(),
    log: `${data}/${LOG}`,
    archive,
    clusterId,
    serverId,
    trace,
    now: () => Date.now(),
    appliedIndex,
    waitingMax: ARCHIVE_WAITING_MAX,
    onArchived: () => store.discard(0),
  });
  store.holdBack((serial, written) => archiver.mayRemove(serial, written));
  let isWorking = false;
  let working: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    if (isWorking) return;
    isWorking = true;
    working = archiver.tick().finally(() => isWorking = false);
  }, ARCHIVE_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await working;
      // What was applied until now, and what was closed.
      await archiver.tick();
      await archiver.close();
    },
  };
}

/**
 * Of which cluster this server is: of the one that it was born into, of the one that it is told to join, or of the one that its members
 * make up. `null` where it was told to stop before anybody answered.
 */
async function clusterIdOf(
  { id, data, join, members }: ServeOptions,
  { fileSystem, clock, network }: Host,
  trace: StderrTrace,
  ended: Promise<Refusal | null>,
): Promise<string | null> {
  const identity = await lookAtIdentity(fileSystem, data);
  if (identity !== null) return identity.clusterId;
  if (join.length === 0) return clusterIdOfMembers(members);
  const stopped = new AbortController();
  void ended.then(() => stopped.abort());
  const { handshakeMs } = defaultPeerLimits;
  try {
    return await clusterToJoin({
      network,
      clock,
      trace,
      handshakeMs,
      serverId: id,
      addresses: join,
      signal: stopped.signal,
    });
  } catch (error) {
    if (stopped.signal.aborted) return null;
    throw error;
  }
}

/** Two clusters made of different members or addresses have different ids (O7). */
function clusterIdOfMembers(members: readonly Member[]): string {
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
