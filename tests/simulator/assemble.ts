/**
 * One server's rooms put together as `cmd/serve.ts` does it, on simulated seams. The one place of the simulator that knows how the rooms are
 * made.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import type { Refusal } from "../../internal/base/errors.ts";
import { ClientListener } from "../../internal/clients/client_listener.ts";
import { defaultClientLimits } from "../../internal/clients/limits.ts";
import type { StateMachine } from "../../internal/machine/machine.ts";
import { defaultLimits } from "../../internal/node/limits.ts";
import { Node } from "../../internal/node/node.ts";
import { Replay } from "../../internal/node/replay.ts";
import type { PeerRoom, SnapshotRoom, Store } from "../../internal/node/ports.ts";
import { defaultPeerLimits } from "../../internal/peers/limits.ts";
import { Peers } from "../../internal/peers/peers.ts";
import type { Network } from "../../internal/platform/network.ts";
import type { Trace } from "../../internal/platform/trace.ts";
import { defaultSettings, type Settings } from "../../internal/raft/state.ts";
import type { LogIndex } from "../../internal/raft/types.ts";
import {
  type DataDirectory,
  LOG,
  openDataDirectory,
  SNAPSHOTS,
} from "../../internal/storage/data_directory.ts";
import { Scrubber } from "../../internal/storage/scrubber.ts";
import { startScrubbing } from "../../internal/storage/scrubbing.ts";
import type { StableStore } from "../../internal/storage/stable_store.ts";
import { SnapshotDesk } from "../../internal/storage/snapshot_desk.ts";
import type { WatchedMachine } from "./history.ts";
import { CLOCKS_WITHIN_PERMILLE, type Odds } from "./odds.ts";
import type { SimDisk } from "./sim_file_system.ts";
import type { LifeClock } from "./virtual_time.ts";

export const CLIENT_PORT = 7001;
const PEER_PORT = 7101;
export const CLUSTER_ID = "world";
export const DIRECTORY = "data";

/** How often the space on the disk is looked at. */
const SPACE_MS = 1000;

const SILENT: Trace = { event: () => {} };

/** One life of one server, as far as its rooms mind. */
export interface LifeOptions {
  readonly id: string;
  /** The voters of the birth, if this server is one of them; nobody for a server that waits to be added. */
  readonly ids: readonly string[];
  readonly odds: Odds;
  readonly clock: LifeClock;
  readonly random: Random;
}

/** What stands around the rooms and looks at what passes. */
export interface Around {
  store(store: Store): Store;
  snapshots(snapshots: SnapshotRoom): SnapshotRoom;
  peers(peers: PeerRoom): PeerRoom;
  machine(machine: StateMachine): WatchedMachine;
  /** The process ends by itself, outside its node. */
  stopped(refusal: Refusal): void;
  /** A snapshot is found to be rotten. */
  rotten(): void;
  /** Something cannot be that only the harness could cause. */
  fail(error: Error): void;
}

export function settingsOf({ heartbeatMs, electionMs, narrow, reads }: Odds): Settings {
  const settings: Settings = {
    ...defaultSettings,
    heartbeatMs,
    electionTimeoutMinMs: electionMs[0],
    electionTimeoutMaxMs: electionMs[1],
    leaseDriftPermille: reads === "leader" ? null : CLOCKS_WITHIN_PERMILLE,
  };
  if (!narrow) return settings;
  return {
    ...settings,
    appendBytesMax: 200,
    appendEntriesMax: 3,
    inFlightMessagesMax: 2,
    inFlightBytesMax: 400,
    uncommittedEntriesMax: 6,
  };
}

export function peerAddressOf(id: string): string {
  return `${id}:${PEER_PORT}`;
}

/** Opens the data directory of a life, as it starts, and restores the machine. */
export function openDisk(
  disk: SimDisk,
  { id, ids, odds, clock, random }: LifeOptions,
  machine: StateMachine,
  replay: Replay,
  restores: (index: LogIndex) => void = () => {},
  trace: Trace = SILENT,
): Promise<DataDirectory> {
  return openDataDirectory({
    fileSystem: disk.mount(clock),
    directory: DIRECTORY,
    random: random.fork("storage"),
    trace,
    segmentBytes: odds.segmentBytes,
    wanted: {
      serverId: id,
      clusterId: CLUSTER_ID,
      members: ids.map((other) => ({ id: other, address: peerAddressOf(other) })),
    },
    restore: ({ digest, index }) => {
      restores(index);
      const restoration = machine.restore();
      return { take: (chunk) => restoration.take(chunk), finish: () => restoration.finish(digest) };
    },
    replay: {
      memory: replay.memory,
      begins: (index) => {
        // Where nothing was restored, nothing was applied either.
        if (index === 0) restores(0);
        replay.begins(index);
      },
      take: (entry) => replay.take(entry),
    },
  });
}

/** Little of the log stays in memory, as the odds have it. */
export function replayOf(machine: StateMachine, { logMemoryEntries, divergenceEntries }: Odds): Replay {
  return new Replay(machine, { ...defaultLimits, logMemoryEntries, divergenceEntries });
}

function lookAtSpace(clock: LifeClock, store: DataDirectory["store"]): void {
  clock.wakeAt(clock.now() + SPACE_MS, () => {
    store.lookAtSpace();
    lookAtSpace(clock, store);
  });
}

/** Files are read again so fast that a round is over in a moment. */
const SCRUB_BYTES_PER_SECOND = 2 * 1024 * 1024;

function scrub(
  disk: SimDisk,
  { clock, odds }: LifeOptions,
  node: Node,
  store: StableStore,
  snapshots: SnapshotDesk,
  around: Around,
): void {
  if (odds.decay.scrubPauseMs === 0) return;
  startScrubbing({
    clock,
    scrubber: new Scrubber({
      fileSystem: disk.mount(clock, true),
      log: `${DIRECTORY}/${LOG}`,
      snapshots: `${DIRECTORY}/${SNAPSHOTS}`,
    }),
    bytesPerSecond: SCRUB_BYTES_PER_SECOND,
    pauseMs: odds.decay.scrubPauseMs,
    trace: SILENT,
    hasPeers: () => node.raft.view().configuration.voters.length > 1,
    store,
    snapshots,
    takeSnapshot: (done) => node.takeSnapshot(done),
    onAside: () => around.rotten(),
    fail: around.stopped,
  });
}

export function assemble(
  disk: SimDisk,
  life: LifeOptions,
  { identity: { incarnation }, store, snapshots, recovered, remnants }: DataDirectory,
  machine: StateMachine,
  replay: Replay,
  network: Network,
  around: Around,
): Node {
  const { id, odds, clock, random } = life;
  const self = {
    clusterId: CLUSTER_ID,
    serverId: id,
    incarnation,
    peerAddress: peerAddressOf(id),
    clientAddress: `${id}:${CLIENT_PORT}`,
  };
  const peers = new Peers({
    network,
    clock,
    random: random.fork("peers"),
    trace: SILENT,
    limits: defaultPeerLimits,
    self,
    listenAt: { host: id, port: PEER_PORT },
    onListening: () => {},
    onListenError: around.fail,
  });
  const desk = new SnapshotDesk(snapshots);
  const node = new Node({
    id,
    clusterId: CLUSTER_ID,
    self,
    settings: settingsOf(odds),
    limits: {
      ...defaultLimits,
      requestTimeoutMs: 3000,
      snapshotProgressMs: 2000,
      snapshotEntries: odds.snapshotEntries,
      logMemoryEntries: odds.logMemoryEntries,
      snapshotPieceBytes: odds.pieceBytes,
      snapshotPiecesMax: odds.pieces,
      divergenceEntries: odds.divergenceEntries,
      ...(odds.narrow ? NARROW : {}),
    },
    recovered,
    clock,
    random,
    trace: SILENT,
    store: around.store(store),
    snapshots: around.snapshots(desk),
    remnants,
    peers: around.peers(peers),
    machine,
    replay,
  });
  lookAtSpace(clock, store);
  scrub(disk, life, node, store, desk, around);
  const clients = new ClientListener({
    network,
    clock,
    trace: SILENT,
    backend: node,
    limits: { ...defaultClientLimits, ...(odds.narrow ? { commandsWaitingMax: 3 } : {}) },
    host: { version: "0", runtime: "simulated", processId: 1, port: CLIENT_PORT, memoryBytes: () => 0 },
  });
  clients.start({ host: id, port: CLIENT_PORT }, { onListening: () => {}, onListenError: around.fail });
  return node;
}

/** A node's own queues, so small that their ends are reached. */
const NARROW = {
  gatherCommandsMin: 2,
  pendingCommandsMax: 6,
  entryCommandsMax: 2,
  entryBytesMax: 64,
  forwardCommandsMax: 2,
  forwardBytesMax: 128,
};
