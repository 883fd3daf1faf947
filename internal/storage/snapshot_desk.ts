/**
 * The snapshots as the node minds them: asked for in one turn, told in a later one.
 *
 * Keeps true: one piece of work at a time, in the order in which it was asked, so that snapshots never take more than one thread from
 * the log; every question is answered once, and none from inside the call that asked it; nothing is told after `close`.
 *
 * @module
 */
import type { StoredSnapshot } from "./snapshot_store.ts";
import type { SnapshotId, SnapshotMeta } from "./snapshot_file.ts";
import type { Begin, SnapshotStore } from "./snapshot_store.ts";

export class SnapshotDesk {
  readonly #store: SnapshotStore;
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(store: SnapshotStore) {
    this.#store = store;
  }

  /** The newest whole snapshot. */
  get newest(): StoredSnapshot | null {
    return this.#store.newest;
  }

  /** Up to which index the log on disk is not needed any more, whichever of the kept snapshots turns out to be damaged. */
  get coveredIndex(): number {
    return this.#store.coveredIndex;
  }

  /** Writes a snapshot from its chunks. */
  take(
    meta: SnapshotMeta,
    next: () => Uint8Array | null,
    done: (result: StoredSnapshot | Error) => void,
  ): void {
    this.#queue(() => this.#store.take(meta, next), done);
  }

  /** Puts a snapshot aside if it is damaged; tells whether it was. */
  putAside(
    place: { readonly index: number; readonly term: number },
    done: (result: boolean | Error) => void,
  ): void {
    this.#queue(() => this.#store.putAside(place), done);
  }

  /** Bytes of a snapshot, for another server. */
  read(id: SnapshotId, offset: number, length: number, done: (result: Uint8Array | Error) => void): void {
    this.#queue(() => this.#store.read(id, offset, length), done);
  }

  /** Begins to receive a snapshot, or goes on with it; tells from which offset on. */
  receive(id: SnapshotId, done: (result: number | Error) => void): void {
    this.#queue(() => this.#store.receive(id), done);
  }

  /** Takes the next piece; after the last one the whole is checked, handed to `begin` chunk by chunk, and told. */
  received(
    id: SnapshotId,
    offset: number,
    bytes: Uint8Array,
    begin: Begin,
    done: (result: StoredSnapshot | null | Error) => void,
  ): void {
    this.#queue(() => this.#store.received(id, offset, bytes, begin), done);
  }

  /** Finishes what is under way, and gives the files back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    await this.#store.close();
  }

  #queue<T>(work: () => Promise<T>, done: (result: T | Error) => void): void {
    this.#last = this.#last.then(async () => {
      if (this.#isClosed) return;
      let result: T | Error;
      try {
        result = await work();
      } catch (error) {
        result = error instanceof Error ? error : new Error(String(error));
      }
      if (!this.#isClosed) done(result);
    });
  }
}
