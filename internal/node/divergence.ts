/**
 * Whether all servers have the same state: a digest of it every so many entries, agreed upon through the log.
 *
 * Every server tells the leader the digest that it had behind certain entries. When a quorum told the same one, the leader puts it into
 * the log; each server that applies it compares, and one that had another stops: its memory, its disk or its code is not what the
 * others have. So a single server that is wrong is the one that stops, also when it leads.
 *
 * Keeps true: digests are compared at the same index only; a server that has no digest of that index (it got a snapshot meanwhile) says
 * nothing about it.
 *
 * @module
 */
import type { LogIndex, ServerId } from "../raft/types.ts";

/** So many of the latest digests are remembered. */
const REMEMBERED = 16;

export class Divergence {
  readonly #everyEntries: number;
  /** Our own digests, by index. */
  readonly #own = new Map<LogIndex, number>();
  /** What servers told, by index; kept by a leader. */
  readonly #told = new Map<LogIndex, Map<ServerId, number>>();
  /** What was put into the log already, or is on its way. */
  #proposedUpTo: LogIndex = 0;

  constructor(everyEntries: number) {
    this.#everyEntries = everyEntries;
  }

  /** Whether a digest is due behind that entry. */
  isDue(index: LogIndex): boolean {
    return index % this.#everyEntries === 0;
  }

  /** Our state behind that entry has this digest. */
  note(index: LogIndex, digest: number): void {
    this.#own.set(index, digest);
    forgetOldest(this.#own);
  }

  /**
   * A server, or we ourselves, told its digest. Gives the digest that is to be put into the log now, if a quorum told it.
   */
  told(
    from: ServerId,
    index: LogIndex,
    digest: number,
    isQuorum: (servers: ReadonlySet<ServerId>) => boolean,
  ): { readonly index: LogIndex; readonly digest: number } | null {
    const votes = this.#told.get(index) ?? new Map<ServerId, number>();
    this.#told.set(index, votes);
    forgetOldest(this.#told);
    votes.set(from, digest);
    if (index <= this.#proposedUpTo) return null;
    const same = new Set([...votes].filter(([, other]) => other === digest).map(([id]) => id));
    if (!isQuorum(same)) return null;
    this.#proposedUpTo = index;
    return { index, digest };
  }

  /** A digest that a quorum had is applied. Says how ours differed, if it did. */
  agreed(index: LogIndex, digest: number): string | null {
    const own = this.#own.get(index);
    if (own === undefined || own === digest) return null;
    return `behind index ${index} this server's state had the digest ${own}, that of a majority ${digest}`;
  }

  /** A new reign begins: others tell anew. */
  reset(): void {
    this.#told.clear();
    this.#proposedUpTo = 0;
  }
}

function forgetOldest<T>(map: Map<LogIndex, T>): void {
  if (map.size <= REMEMBERED) return;
  for (const index of map.keys()) {
    map.delete(index);
    return;
  }
}
