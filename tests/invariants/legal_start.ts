/**
 * Legal start: if power failed at this moment, what the disk gives back is what was durable, or that and a first part of what was being
 * written (I32; D25).
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

/** Compares what was recovered with the states that may be there. `pending` are the writes that are not durable yet, in order. */
export function checkStart(
  server: string,
  recovered: Recovered,
  disk: DurableState,
  pending: readonly WriteEffect[],
): void {
  let hash: PrefixHash = 0;
  for (const entry of recovered.entries) hash = chain(hash, entry);
  const found = lineOf(recovered.hardState, recovered.entries.at(-1)?.index ?? recovered.snapshotIndex, hash);
  const legal = legalStarts(disk, pending);
  if (legal.includes(found)) return;
  throw new Violation(
    `${server} would start with ${found} if power failed now; legal are: ${legal.join(" | ")}`,
  );
}

function legalStarts(disk: DurableState, pending: readonly WriteEffect[]): readonly string[] {
  let { hardState, lastIndex } = disk;
  /** What stands behind the durable log, or instead of its end. */
  const hashes = new Map<number, PrefixHash>();
  const hashAt = (index: number) => hashes.get(index) ?? disk.prefixAt(index);
  const append = (entry: Entry) => {
    hashes.set(entry.index, chain(hashAt(entry.index - 1) ?? 0, entry));
    lastIndex = entry.index;
  };
  const legal = [lineOf(hardState, lastIndex, hashAt(lastIndex))];
  for (const write of pending) {
    if (write.hardState !== null) hardState = write.hardState;
    if (write.reset !== null) lastIndex = write.reset.index;
    if (write.truncateFrom !== null) lastIndex = write.truncateFrom - 1;
    for (const entry of write.append) append(entry);
    legal.push(lineOf(hardState, lastIndex, hashAt(lastIndex)));
  }
  return legal;
}
