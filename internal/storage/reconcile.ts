/**
 * What a server starts with: its log and its snapshot, put together.
 *
 * Keeps true: log and snapshot agree, or the log begins anew behind the snapshot; what is committed in the one is not contradicted by the
 * other.
 *
 * @module
 */
import { CorruptLogError } from "../base/errors.ts";
import type { ConfigurationValue, HardState, LogPosition, Recovered } from "../raft/types.ts";
import type { Identity } from "./identity.ts";
import type { RecoveredLog } from "./recovery.ts";
import type { SnapshotMeta } from "./snapshot_file.ts";
import type { Kept } from "./settling.ts";
import type { WritableLog } from "./open_segment.ts";

/** A log as a server starts with it: whole, or mended. */
export type StartingLog = WritableLog & Pick<RecoveredLog, "base" | "entries"> & {
  readonly kept?: Kept | null;
};

/** Puts log and snapshot together: the log goes on where it agrees with the snapshot's last entry, and begins anew where not (S3). */
export function reconcile(
  { base, kept = null, entries, state }: Pick<StartingLog, "base" | "kept" | "entries" | "state">,
  snapshot: SnapshotMeta | null,
  birth: ConfigurationValue,
  directory: string,
): {
  readonly recovered: Recovered;
  /** Where the log has to begin anew, if it has to; and in which term, if in a newer one. */
  readonly begin: { readonly position: LogPosition; readonly hardState: HardState | null } | null;
} {
  const { hardState, commitIndex, epoch, floor } = state;
  const { index, term, configuration, configurationIndex } = snapshot ??
    { index: 0, term: 0, configuration: birth, configurationIndex: 0 };
  if (kept !== null && kept.index >= index) {
    // The log agrees with the snapshot, and was let go of up to there: it went into the state machine.
    const newer = kept.configuration !== null && kept.configuration.index > configurationIndex
      ? kept.configuration
      : { index: configurationIndex, value: configuration };
    const recovered = {
      hardState,
      snapshotIndex: kept.index,
      snapshotTerm: kept.term,
      configuration: newer.value,
      configurationIndex: newer.index,
      commitIndex,
      entries,
      epoch,
      floor,
    };
    return { recovered, begin: null };
  }
  const before = kept ?? base;
  const here = index === before.index ? before.term : entries[index - before.index - 1]?.term;
  const common = {
    snapshotIndex: index,
    snapshotTerm: term,
    configuration,
    configurationIndex,
    epoch,
    floor,
  };
  if (here === term) {
    const left = entries.slice(index - before.index);
    const recovered = { ...common, hardState, commitIndex: Math.max(commitIndex, index), entries: left };
    return { recovered, begin: null };
  }
  if (here !== undefined && index <= commitIndex) {
    throw new CorruptLogError(
      `${directory}/snapshots`,
      0,
      `index ${index} is committed with term ${here} in the log, and with term ${term} in a snapshot`,
    );
  }
  // A snapshot may be durable before the log is that it covers: others had the entries, or it came from them.
  const raised = term > hardState.currentTerm ? { currentTerm: term, votedFor: null } : hardState;
  return {
    recovered: { ...common, hardState: raised, commitIndex: index, entries: [] },
    begin: { position: { index, term }, hardState: raised === hardState ? null : raised },
  };
}

/** The configuration of the birth. */
export function birthOf({ members, serverId, incarnation }: Identity): ConfigurationValue {
  const sorted = [...members].sort((a, b) => a.id < b.id ? -1 : 1);
  return {
    voters: sorted.map(({ id }) => id),
    outgoing: [],
    learners: [],
    members: sorted.map(({ id, address }) => ({
      id,
      address,
      incarnation: id === serverId && sorted.length === 1 ? incarnation : "",
      priority: 100,
      promote: false,
      replaces: null,
    })),
  };
}
