/**
 * Legal start: if power failed at this moment, what the disk gives back is what was durable, or that and a first part of what was being
 * written (I32; D25). A durable snapshot may be ahead of the log: then the log begins behind it.
 *
 * @module
 */
import type { WriteEffect } from "../../internal/raft/effect.ts";
import type { Entry, HardState, Recovered } from "../../internal/raft/types.ts";
import type { DurableState } from "./disk.ts";
import { chain, type PrefixHash, Violation } from "./ghost.ts";

/** A state as one line: equal states have equal lines. */
function lineOf(
  { currentTerm, votedFor }: HardState,
  lastIndex: number,
  hash: PrefixHash | undefined,
): string {
  return `term ${currentTerm}, vote ${votedFor}, log ${lastIndex} #${hash}`;
}

/**
 * Compares what was recovered with the states that may be there. `pending` are the writes that are not durable yet, in order; `covered` tells
 * the hash of what was committed up to an index, which is what a snapshot covers.
 */
export function checkStart(
  server: string,
  recovered: Recovered,
  disk: DurableState,
  pending: readonly WriteEffect[],
  covered: Covered,
): void {
  const { snapshotIndex: index, snapshotTerm: term } = recovered;
  const snapshot = { index, term, hash: covered(index) };
  if (snapshot.hash === undefined) {
    throw new Violation(`${server} would start with a snapshot of ${index}, which nobody committed`);
  }
  let hash = snapshot.hash;
  for (const entry of recovered.entries) hash = chain(hash, entry);
  const found = lineOf(recovered.hardState, recovered.entries.at(-1)?.index ?? recovered.snapshotIndex, hash);
  const legal = legalStarts(disk, pending, snapshot, covered);
  if (legal.includes(found)) return;
  throw new Violation(
    `${server} would start with ${found} if power failed now; legal are: ${legal.join(" | ")}`,
  );
}

/** Where a snapshot ends, and the hash of what it covers. */
interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly hash: PrefixHash | undefined;
}

type Covered = (index: number) => PrefixHash | undefined;

function legalStarts(
  disk: DurableState,
  pending: readonly WriteEffect[],
  snapshot: Snapshot,
  covered: Covered,
): readonly string[] {
  let { hardState, lastIndex } = disk;
  /** What stands behind the durable log, or instead of its end. */
  const hashes = new Map<number, PrefixHash>();
  const hashAt = (index: number) => hashes.get(index) ?? disk.prefixAt(index);
  const append = (entry: Entry) => {
    hashes.set(entry.index, chain(hashAt(entry.index - 1) ?? 0, entry));
    lastIndex = entry.index;
  };
  const line = () => {
    if (lastIndex >= snapshot.index && hashAt(snapshot.index) === snapshot.hash) {
      return lineOf(hardState, lastIndex, hashAt(lastIndex));
    }
    const isNewer = snapshot.term > hardState.currentTerm;
    const raised = isNewer ? { currentTerm: snapshot.term, votedFor: null } : hardState;
    return lineOf(raised, snapshot.index, snapshot.hash);
  };
  const legal = [line()];
  for (const write of pending) {
    if (write.hardState !== null) hardState = write.hardState;
    if (write.reset !== null) {
      lastIndex = write.reset.index;
      hashes.set(lastIndex, covered(lastIndex) ?? -1);
    }
    if (write.truncateFrom !== null) lastIndex = write.truncateFrom - 1;
    for (const entry of write.append) append(entry);
    legal.push(line());
  }
  return legal;
}
