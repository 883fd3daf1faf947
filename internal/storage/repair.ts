/**
 * Making a damaged log one on which a member of a cluster may stand (docs/repair.md).
 *
 * The order on the disk: first the promises say what was lost (a new epoch, the floor), then the segments that cannot be used get another
 * name, then a new segment goes on where the log is whole. A crash anywhere in between is found at the next start by the epoch of the
 * promises, which is ahead of the log's, and everything is done again.
 *
 * Keeps true: nothing is deleted. What the log holds afterwards was in it before; term and vote are those of the promises or newer.
 *
 * @module
 */
import { CorruptLogError } from "../base/errors.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { ConfigurationValue, LogPosition } from "../raft/types.ts";
import type { Trace } from "../platform/trace.ts";
import { readFileAround } from "./bad_sectors.ts";
import { encodeFooter, footerOf } from "./footer.ts";
import type { Identity } from "./identity.ts";
import { type Loss, newerOf, surveyLoss } from "./loss.ts";
import {
  BEYOND_THE_TERM,
  type FoundPromises,
  type Promises,
  PROMISES_NAME,
  PromisesFile,
} from "./promises.ts";
import { birthOf, type StartingLog } from "./reconcile.ts";
import type { ReadLog, RecoveredLog } from "./recovery.ts";
import { EMPTY_LOG, endsAt, type LogState, segmentName } from "./segment.ts";
import type { SnapshotMeta } from "./snapshot_file.ts";

export interface MendOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly trace: Trace;
}

/**
 * Takes note of what is lost, durably and before anything else is changed, and puts aside what cannot be used.
 *
 * @throws {CorruptLogError} where nobody else has what is lost, or where this server cannot know what it promised
 */
export async function mend(
  { fileSystem, directory, trace }: MendOptions,
  identity: Identity,
  read: ReadLog,
  isGap: boolean,
  snapshot: SnapshotMeta | null,
  { promises, sequence, damages }: FoundPromises,
  damage: CorruptLogError,
): Promise<{ readonly log: StartingLog; readonly sequence: number }> {
  const path = `${directory}/log`;
  const { base, entries } = read.log ?? { base: { index: 0, term: 0 }, entries: [] };
  const whole = Math.max(snapshot?.index ?? 0, isGap ? 0 : base.index + entries.length);
  if (promises === null) {
    const why = `what this server promised is not known either (${PROMISES_NAME}: ${damages[0]?.found})`;
    throw refusalToRepair(damage, whole, why);
  }
  const loss = await surveyLoss(fileSystem, path, identity, read, promises);
  const newest = loss.configuration ?? entries.findLast(({ configuration }) => configuration !== null)
    ?.configuration ??
    snapshot?.configuration ?? birthOf(identity);
  if (isAlone(identity.serverId, newest)) {
    throw refusalToRepair(damage, whole, "no other server has a copy from which to repair it");
  }
  // Without what is before it, the log says nothing that could be used; but its end is known.
  const isWholeBehindGap = isGap && read.damage === null;
  const surveyed = isWholeBehindGap && read.log !== null ? { ...loss, last: read.log.state.last } : loss;
  const kept = isGap ? null : read.log;
  // A repair that was broken off knew more than is left to be seen.
  const lost = isNoted(read.log, kept, loss, promises)
    ? { ...surveyed, last: promises.floor ?? { index: 0, term: 0 } }
    : surveyed;
  const state = stateAfterLoss(read.log, kept, lost, promises);
  const mark = await PromisesFile.open(
    fileSystem,
    directory,
    identity,
    { ...state, lastBatch: kept?.end.lastBatch ?? 0, serial: kept?.end.serial ?? 0 },
    sequence,
  );
  await mark.close();
  await fileSystem.makeDirectory(path);
  const quarantined = await quarantine(fileSystem, path, identity, read.serials, kept, state.epoch);
  trace.event("error", "a part of the log is lost, and will be fetched from the other servers", {
    file: damage.file,
    offset: damage.offset,
    found: damage.found,
    wholeUpTo: whole,
    epoch: state.epoch,
    floorTerm: state.floor?.term ?? 0,
    floorIndex: state.floor?.index ?? 0,
    putAside: quarantined.join(","),
  });
  const firstSerial = Math.max(read.serials.at(-1) ?? 0, promises.serial) + 1;
  const log = kept === null
    ? { base: { index: 0, term: 0 }, entries: [], state, end: null, segments: [], firstSerial }
    : { ...kept, state, end: { ...kept.end, clean: false }, firstSerial };
  return { log, sequence: mark.sequence };
}

/** Whether an earlier repair wrote down where the log had ended, and nothing was written since. */
function isNoted(
  found: RecoveredLog | null,
  kept: RecoveredLog | null,
  loss: Loss,
  { epoch, lastBatch, serial }: Promises,
): boolean {
  return epoch > Math.max(found?.state.epoch ?? 0, loss.epoch) &&
    lastBatch === (kept?.end.lastBatch ?? 0) && serial === (kept?.end.serial ?? 0);
}

/** What the log comes to once it is repaired: `kept` of what was `found` to be whole, and with what was lost in mind. */
function stateAfterLoss(
  found: RecoveredLog | null,
  kept: RecoveredLog | null,
  loss: Loss,
  promises: Promises,
): LogState {
  const known = found?.state ?? EMPTY_LOG;
  let hardState = newerOf(promises.hardState, known.hardState);
  if (loss.hardState !== null) hardState = newerOf(hardState, loss.hardState);
  const end = loss.last ?? { index: BEYOND_THE_TERM, term: hardState.currentTerm };
  const floors = [promises.floor, known.floor, end.term === 0 ? null : end];
  return {
    ...(kept?.state ?? EMPTY_LOG),
    hardState,
    epoch: Math.max(promises.epoch, known.epoch, loss.epoch) + 1,
    floor: floors.reduce(furthest),
  };
}

function furthest(a: LogPosition | null, b: LogPosition | null): LogPosition | null {
  if (a === null || b === null) return a ?? b;
  return a.term > b.term || (a.term === b.term && a.index > b.index) ? a : b;
}

/** Whether nobody else has what is lost: a server that is, by all that is known, the only voter. */
function isAlone(serverId: string, { voters, outgoing }: ConfigurationValue): boolean {
  return outgoing.length === 0 && voters.length === 1 && voters[0] === serverId;
}

/** The damage in the words of a server that does not repair it, and why it does not. */
function refusalToRepair(damage: CorruptLogError, wholeUpTo: number, why: string): CorruptLogError {
  const { file, offset, found, damaged } = damage;
  const text = `${found}; the log is whole up to index ${wholeUpTo}; ${why}`;
  return new CorruptLogError(file, offset, text, { damaged });
}

/**
 * Gives the segments that cannot be used another name, the newest first, and puts a copy of the one of which a part is used beside it.
 * Returns the new names, once they are durable.
 */
async function quarantine(
  fileSystem: FileSystem,
  directory: string,
  owner: Identity,
  serials: readonly number[],
  log: RecoveredLog | null,
  epoch: number,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const serial of [...serials].reverse()) {
    const name = segmentName(serial);
    const path = `${directory}/${name}`;
    const quarantined = `${name}.lost-${epoch}`;
    if (log === null || serial > log.end.serial) {
      await fileSystem.rename(path, `${directory}/${quarantined}`);
      names.push(quarantined);
    } else if (serial === log.end.serial) {
      if (await copyIfUsed(fileSystem, path, `${directory}/${quarantined}`, owner, log)) {
        names.push(quarantined);
      }
    }
  }
  await fileSystem.syncDirectory(directory);
  return names;
}

/** Copies a file of which something stands behind the log, around what cannot be read; tells whether it does. */
async function copyIfUsed(
  fileSystem: FileSystem,
  from: string,
  to: string,
  owner: Identity,
  { end, state }: RecoveredLog,
): Promise<boolean> {
  const source = await fileSystem.openForReading(from);
  try {
    const { bytes } = await readFileAround(source);
    // The footer that it gets is none that is lost.
    const rest = bytes.slice(end.offset);
    const footer = encodeFooter(footerOf(owner, end, end, state.last));
    const at = (end.footerAt ?? Infinity) - end.offset;
    if (footer.every((byte, i) => byte === rest[at + i])) rest.fill(0, at, at + footer.length);
    if (endsAt(rest, 0, end)) return false;
    const copy = await fileSystem.create(`${to}.tmp`);
    try {
      await copy.writeAt(0, bytes);
      await copy.sync();
    } finally {
      await copy.close();
    }
    await fileSystem.rename(`${to}.tmp`, to);
    return true;
  } finally {
    await source.close();
  }
}
