/**
 * One server goes on alone, after the quorum is lost for good.
 *
 * What it holds becomes the first state of a new cluster of which it is the only voter: everything in its log, committed or not, since what it
 * cannot prove to be uncommitted may have been acknowledged. What others acknowledged and this server never got is lost, and nobody can
 * tell from here what that is; that is why the plan is shown before anything is done, and why the server whose log reaches furthest is the one
 * to recover.
 *
 * Keeps true: planning writes nothing; what a start would have to repair is refused; a server in use is refused; the old data is kept beside the new; the new
 * cluster has an id of its own and a record of where it came from, so that members of the old one are refused when they come back.
 *
 * @module
 */
import { ExitCode, Refusal } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { KeyValueMachine } from "../machine/kv.ts";
import { Applier } from "../node/applier.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { Trace } from "../platform/trace.ts";
import type { ConfigurationValue, LogIndex, LogPosition, Recovered } from "../raft/types.ts";
import { readSoundLog, SNAPSHOTS } from "../storage/data_directory.ts";
import { birthOf, reconcile } from "../storage/reconcile.ts";
import { type Identity, IDENTITY_NAME, readIdentity, SUCCESSOR } from "../storage/identity.ts";
import { SnapshotStore } from "../storage/snapshot_store.ts";
import { isHalfDone, ORIGIN, prepare, takePlace } from "./planting.ts";
import { claim, hexOf } from "./restoring.ts";

const PRIORITY_DEFAULT = 100;

export interface RecoveringOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly random: Random;
  readonly trace: Trace;
  readonly segmentBytes: number;
  /** Where others will reach it; `null` for where they did. */
  readonly address: string | null;
  /** For the record. */
  readonly at: string;
  /** Whether to do it, or to tell only. */
  readonly isMeant: boolean;
}

/** What a server has, and what would become of it. */
export interface Plan {
  readonly identity: Identity;
  readonly term: number;
  readonly epoch: number;
  readonly last: LogPosition;
  /** Up to where it knows entries to be committed. */
  readonly commitIndex: LogIndex;
  readonly snapshotIndex: LogIndex;
  /** Where an entry was lost that may have been acknowledged, by an earlier loss; `null` for nowhere. */
  readonly floor: LogPosition | null;
  readonly configuration: ConfigurationValue;
  readonly keys: number;
  /** The new cluster, if it was made. */
  readonly made: { readonly clusterId: string; readonly before: string } | null;
}

/**
 * Tells what recovering a data directory means, and does it where it is meant.
 *
 * @throws {Refusal} where it cannot or should not be done
 * @throws {FileError} where the disk fails
 */
export async function recover(options: RecoveringOptions): Promise<Plan | { readonly finished: string }> {
  const { fileSystem, directory } = options;
  if (!(await fileSystem.readDirectory(directory)).some((name) => name.startsWith(IDENTITY_NAME))) {
    throw new Refusal(ExitCode.usage, `${directory} is no data directory: there is no identity in it`);
  }
  const lock = await claim(fileSystem, directory);
  try {
    if (isHalfDone(await fileSystem.readDirectory(directory))) return await finish(options);
    return await recoverWhole(options);
  } finally {
    await lock.release();
  }
}

async function recoverWhole(options: RecoveringOptions): Promise<Plan> {
  const { fileSystem, directory, isMeant } = options;
  const identity = await readIdentity(fileSystem, directory);
  const machine = new KeyValueMachine();
  const { recovered, configuration } = await read(options, identity, machine);
  const { hardState, epoch, floor, commitIndex, snapshotIndex, snapshotTerm, entries } = recovered;
  const last = entries.at(-1) ?? { index: snapshotIndex, term: snapshotTerm };
  const plan: Plan = {
    identity,
    term: hardState.currentTerm,
    epoch,
    last: { index: last.index, term: last.term },
    commitIndex,
    snapshotIndex,
    floor,
    configuration,
    keys: machine.size(),
    made: null,
  };
  const { voters, outgoing } = configuration;
  if ([...voters, ...outgoing].every((id) => id === identity.serverId) && voters.length > 0) {
    throw new Refusal(
      ExitCode.configuration,
      `server ${identity.serverId} is the only voter of its cluster: it needs nobody, start it; nothing was changed`,
    );
  }
  if (plan.last.index === 0) {
    throw new Refusal(
      ExitCode.configuration,
      `the log in ${directory} has no entry: there is nothing to recover; nothing was changed`,
    );
  }
  return isMeant ? { ...plan, made: await make(options, plan, machine) } : plan;
}

/** Reads log and snapshots as a server does at its start, and the state that they come to with every entry applied. */
async function read(
  options: RecoveringOptions,
  identity: Identity,
  machine: KeyValueMachine,
): Promise<{ readonly recovered: Recovered; readonly configuration: ConfigurationValue }> {
  const { fileSystem, directory, trace } = options;
  const { restored, damaged } = await SnapshotStore.open(
    { fileSystem, directory: `${directory}/${SNAPSHOTS}`, trace, clusterId: identity.clusterId },
    ({ digest }) => {
      const restoration = machine.restore();
      return { take: (chunk) => restoration.take(chunk), finish: () => restoration.finish(digest) };
    },
    (await fileSystem.readDirectory(directory)).includes(SNAPSHOTS),
  );
  const snapshot = { index: restored?.index ?? 0, term: restored?.term ?? 0 };
  const log = await readSoundLog(options, identity, snapshot);
  if (log.base.index > snapshot.index) {
    const why = damaged[0]?.message ?? "no snapshot covers what is before it";
    throw new Refusal(
      ExitCode.damagedData,
      `the log in ${directory} begins behind index ${log.base.index}: ${why}; nothing was changed; ` +
        `recover another server, or restore a backup`,
    );
  }
  const { recovered } = reconcile(log, restored, birthOf(identity), directory);
  const applier = new Applier(machine, recovered.snapshotIndex, () => {});
  let { configuration } = recovered;
  for (const entry of recovered.entries) {
    applier.apply(entry);
    configuration = entry.configuration ?? configuration;
  }
  return { recovered, configuration };
}

async function make(
  options: RecoveringOptions,
  plan: Plan,
  machine: KeyValueMachine,
): Promise<{ readonly clusterId: string; readonly before: string }> {
  const { fileSystem, directory, random, trace, segmentBytes } = options;
  const { serverId, clusterId: before } = plan.identity;
  const clusterId = hexOf(random, 16);
  const incarnation = hexOf(random, 16);
  const known = plan.configuration.members.find(({ id }) => id === serverId);
  const address = options.address ?? known?.address ?? "";
  const configuration: ConfigurationValue = {
    voters: [serverId],
    outgoing: [],
    learners: [],
    members: [{
      id: serverId,
      address,
      incarnation,
      priority: PRIORITY_DEFAULT,
      promote: false,
      replaces: null,
    }],
  };
  await prepare({
    fileSystem,
    directory,
    random,
    trace,
    segmentBytes,
    identity: { clusterId, serverId, incarnation, members: [{ id: serverId, address }] },
    machine,
    position: plan.last,
    configuration,
    currentTerm: plan.term + 1,
    epoch: plan.epoch + 1,
    origin: {
      kind: "recover",
      at: options.at,
      clusterId,
      before,
      epoch: plan.epoch + 1,
      term: plan.term,
      last: plan.last,
      commitIndex: plan.commitIndex,
      snapshotIndex: plan.snapshotIndex,
      floor: plan.floor,
      digest: machine.digest(),
      configuration: plan.configuration,
    },
  });
  await takePlace(fileSystem, directory, clusterId, before);
  return { clusterId, before };
}

/** Brings a recovery or a restore to its end that was broken off when the new server was whole already. */
async function finish(
  { fileSystem, directory, isMeant }: RecoveringOptions,
): Promise<{ readonly finished: string }> {
  const { clusterId } = await readIdentity(fileSystem, directory, `${IDENTITY_NAME}${SUCCESSOR}`);
  if (isMeant) await takePlace(fileSystem, directory, clusterId, await beforeOf(fileSystem, directory));
  return { finished: clusterId };
}

/** Of which cluster the old data is, if it is still in its place. */
async function beforeOf(fileSystem: FileSystem, directory: string): Promise<string | null> {
  const name = `${ORIGIN}${SUCCESSOR}`;
  if (!(await fileSystem.readDirectory(directory)).includes(name)) return null;
  const file = await fileSystem.openForReading(`${directory}/${name}`);
  try {
    const origin: unknown = JSON.parse(new TextDecoder().decode(await file.readAt(0, await file.size())));
    const before = typeof origin === "object" && origin !== null && "before" in origin ? origin.before : null;
    return typeof before === "string" ? before : null;
  } finally {
    await file.close();
  }
}
