/**
 * A backup and the archived log behind it, brought together: the state as it was behind a later index.
 *
 * Keeps true: only what the log itself knows to be committed is applied, in order, without a gap; the log has to agree with the backup about the
 * backup's last entry, and the state with the digests that the servers agreed upon; damage and gaps matter only where what is wanted lies behind them, and then they are refused with file and offset.
 * Memory holds the state and what is not committed yet, not the log.
 *
 * @module
 */
import { ExitCode, Refusal } from "../base/errors.ts";
import type { StateMachine } from "../machine/machine.ts";
import { Applier } from "../node/applier.ts";
import type { FileSystem } from "../platform/file_system.ts";
import type { Entry, LogIndex, LogPosition, Term } from "../raft/types.ts";
import { type Archive, headerAt } from "./archives.ts";
import { type RecordSight, scanSegments } from "./log_scan.ts";
import type { LoadedSnapshot } from "./snapshot_look.ts";

/** The servers agree on digests of states that are no older than this. */
const DIGESTS_MAX = 65_536;

/**
 * Applies the archive to the state that a backup holds, up to an index, or, where that is `null`, as far as entries are known to be committed;
 * gives the place that the state is of then.
 *
 * @throws {Refusal} where that cannot be done
 */
export async function replay(
  fileSystem: FileSystem,
  backup: LoadedSnapshot,
  archive: Archive,
  toIndex: LogIndex | null,
): Promise<LogPosition> {
  const { index, term, clusterId } = backup.meta;
  if (toIndex !== null && toIndex < index) {
    throw refusal(`the backup is of index ${index}, which is later than ${toIndex}: take an older one`);
  }
  if (toIndex === index) return { index, term };
  const serials = await serialsFor(fileSystem, archive, { index, term });
  const replaying = new Replaying(backup, toIndex);
  const pathOf = (serial: number) => archive.segments.get(serial) ?? `segment ${serial}`;
  const owner = { clusterId, serverId: archive.serverId };
  for await (const sight of scanSegments(fileSystem, serials, pathOf, owner, archive.whence)) {
    switch (sight.kind) {
      case "segment":
        replaying.committed(sight.header.state.commitIndex);
        break;
      case "record":
        replaying.take(sight);
        break;
      case "finding": {
        const { level, file, offset, what } = sight.finding;
        if (level === "note" || !sight.isLoss) break;
        throw new Refusal(
          ExitCode.damagedData,
          `${file} is damaged at offset ${offset}: ${what}; nothing was changed; ` +
            `the log is whole up to index ${replaying.position.index} (--to-index)`,
        );
      }
      case "footer":
      case "end":
        break;
    }
    if (replaying.isThere) break;
  }
  if (toIndex !== null && !replaying.isThere) {
    throw refusal(
      `the archive knows entries up to index ${replaying.position.index} to be committed, not up to ${toIndex}`,
    );
  }
  return replaying.position;
}

/** The segments from the last one on that begins no later than the backup. */
async function serialsFor(
  fileSystem: FileSystem,
  { segments }: Archive,
  { index, term }: LogPosition,
): Promise<readonly number[]> {
  const serials = [...segments.keys()];
  for (let i = serials.length - 1; i >= 0; i--) {
    const path = segments.get(serials[i] ?? 0) ?? "";
    const { state: { last } } = await headerAt(fileSystem, path);
    if (last.index > index) continue;
    if (last.index < index || last.term === term) return serials.slice(i);
  }
  throw refusal(
    `the archive begins behind index ${index} of the backup: what is between them is missing; take a newer backup`,
  );
}

function refusal(reason: string): Refusal {
  return new Refusal(ExitCode.usage, `${reason}; nothing was changed`);
}

class Replaying {
  readonly #backup: LogPosition;
  readonly #to: LogIndex;
  readonly #applier: Applier;
  /** Behind the last one that was applied. */
  readonly #waiting = new Map<LogIndex, Entry>();
  #commitIndex = 0;
  /** The term of the backup's last entry in the log, as far as the log has it. */
  #termThere: Term | null = null;
  /** The digests of the states behind the last entries. */
  readonly #digests = new Map<LogIndex, number>();
  readonly #machine: StateMachine;
  position: LogPosition;

  constructor({ meta: { index, term }, machine }: LoadedSnapshot, toIndex: LogIndex | null) {
    this.#backup = { index, term };
    this.#to = toIndex ?? Infinity;
    this.#machine = machine;
    this.#applier = new Applier(machine, index, (at, digest) => this.#compare(at, digest));
    this.position = { index, term };
  }

  get isThere(): boolean {
    return this.position.index === this.#to;
  }

  take({ file, offset, record }: RecordSight): void {
    switch (record.kind) {
      case "entry":
        if (record.entry.index === this.#backup.index) this.#termThere = record.entry.term;
        if (record.entry.index > this.position.index) this.#waiting.set(record.entry.index, record.entry);
        return;
      case "truncate":
        if (record.from <= this.#backup.index) this.#termThere = null;
        for (const index of this.#waiting.keys()) if (index >= record.from) this.#waiting.delete(index);
        return;
      case "reset":
        this.#waiting.clear();
        if (record.position.index <= this.position.index) return;
        throw refusal(
          `the server whose archive this is got a snapshot of index ${record.position.index} at ${file}:${offset}, ` +
            `and lacks what is before it; the log is whole up to index ${this.position.index} (--to-index)`,
        );
      case "commit":
        return this.committed(record.index);
      case "hardState":
        return;
    }
  }

  /** Everything up to there is committed. */
  committed(index: LogIndex): void {
    this.#commitIndex = Math.max(this.#commitIndex, index);
    while (this.position.index < Math.min(this.#commitIndex, this.#to)) {
      const next = this.#waiting.get(this.position.index + 1);
      if (next === undefined) return;
      if (this.#termThere !== null && this.#termThere !== this.#backup.term) {
        throw refusal(
          `entry ${this.#backup.index} has term ${this.#termThere} in the archive and ${this.#backup.term} in the backup: ` +
            `they are not of one log`,
        );
      }
      this.#waiting.delete(next.index);
      this.#applier.apply(next);
      this.position = { index: next.index, term: next.term };
      this.#digests.set(next.index, this.#machine.digest());
      this.#digests.delete(next.index - DIGESTS_MAX);
    }
  }

  /** The servers agreed on what the state behind that entry was. */
  #compare(index: LogIndex, digest: number): void {
    const own = this.#digests.get(index);
    if (own === undefined || own === digest) return;
    throw new Refusal(
      ExitCode.damagedData,
      `behind index ${index} the state has the digest ${own}, that of the servers was ${digest}; nothing was changed; ` +
        `take another backup, or another server's archive`,
    );
  }
}
