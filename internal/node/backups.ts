/**
 * Snapshots for those who carry them away: made on demand, named, and given piece by piece.
 *
 * Keeps true: unless it may be stale, a backup has everything that was acknowledged before it was asked for: the leader is asked up to where
 * that is, as for a read, and the snapshot is taken when this server has applied it. Writes go on meanwhile; what is in memory of a
 * backup is one piece.
 *
 * @module
 */
import { describeError } from "../base/errors.ts";
import type { SnapshotName } from "../codec/bulk_message.ts";
import { errorReply, type Reply } from "../codec/reply.ts";
import type { LogIndex } from "../raft/types.ts";
import type { SnapshotRoom } from "./ports.ts";

export interface BackupsOptions {
  readonly room: SnapshotRoom;
  readonly appliedIndex: () => LogIndex;
  /** Asks the leader up to where everything is that was acknowledged by now; a text where nobody can say. */
  readonly askIndex: (done: (index: LogIndex | string) => void) => void;
  readonly whenApplied: (index: LogIndex, done: () => void) => void;
  readonly takeSnapshot: (done: (snapshot: SnapshotName | string) => void) => void;
}

type Answer = (reply: Reply) => void;

export class Backups {
  readonly #options: BackupsOptions;

  constructor(options: BackupsOptions) {
    this.#options = options;
  }

  prepare(mayBeStale: boolean, answer: Answer): void {
    const { askIndex, whenApplied } = this.#options;
    if (mayBeStale) return this.#take(answer);
    askIndex((index) => {
      if (typeof index === "string") answer(errorReply(`NOLEADER ${index}`));
      else whenApplied(index, () => this.#take(answer));
    });
  }

  read(name: SnapshotName, offset: number, length: number, answer: Answer): void {
    if (offset + length > name.bytes) {
      return answer(errorReply(`ERR the snapshot has ${name.bytes} bytes, not ${offset + length}`));
    }
    this.#options.room.read(name, offset, length, (bytes) => {
      if (bytes instanceof Uint8Array && bytes.length === length) return answer({ type: "bulk", bytes });
      const why = bytes instanceof Error ? describeError(bytes) : "it is shorter than that";
      answer(errorReply(`ERR the snapshot of index ${name.index} cannot be read: ${why}; begin anew`));
    });
  }

  #take(answer: Answer): void {
    if (this.#options.appliedIndex() === 0) return answer(errorReply("ERR nothing is applied here yet"));
    this.#options.takeSnapshot((snapshot) => {
      if (typeof snapshot === "string") return answer(errorReply(`ERR ${snapshot}`));
      const { index, term, bytes, checksum } = snapshot;
      answer({
        type: "array",
        items: [index, term, bytes, checksum].map((value) => ({ type: "integer", value })),
      });
    });
  }
}
