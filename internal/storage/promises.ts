/**
 * What a server promised, kept apart from its log, so that damage to the log does not take it along (docs/repair.md).
 *
 * `DIR/promises` is two copies of one block (block.ts), one behind the other, under the letters `raftpact`: format version, cluster id,
 * server id, sequence number, current term, voted for, epoch, index and term of the floor (0 and 0 for none), number of the last batch,
 * serial of the segment that is written, index and term of the log's last entry at that batch (missing in what older programs wrote, and
 * passed over by them). The whole copy with the higher sequence number counts.
 *
 * It is written behind the log, never before it: what it says to be in the log was there, durably. So a log that has less was damaged.
 *
 * Keeps true: `write` changes one copy after the other, each synced, so that neither a crash nor one rotten copy takes what was promised.
 * `note` changes one copy only: it carries nothing that was promised, only how far the log was.
 *
 * @module
 */
import { CorruptLogError } from "../base/errors.ts";
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import type { HardState, LogPosition } from "../raft/types.ts";
import { holeBetween, readAround, wordsOf } from "./bad_sectors.ts";
import { BLOCK_BYTES, decodeBlock, encodeBlock, isOfOtherVersion } from "./block.ts";

export const PROMISES_NAME = "promises";
const FORMAT_VERSION = 1;
const LETTERS = "raftpact";

/** The index of a floor of which no more is known than its term: no entry of that term reaches it. */
export const BEYOND_THE_TERM = Number.MAX_SAFE_INTEGER;

export interface Promises {
  readonly hardState: HardState;
  /** How often a part of the log was lost. */
  readonly epoch: number;
  /** Where the log ended that was lost, or a place that is no earlier; `null` where nothing is missing. */
  readonly floor: LogPosition | null;
  /** A batch that was durable, and the segment that was written then. */
  readonly lastBatch: number;
  readonly serial: number;
  /** Where the log ended with that batch; `null` where nobody wrote it down. */
  readonly last: LogPosition | null;
}

interface Owner {
  readonly clusterId: string;
  readonly serverId: string;
}

/** What was found in the file: what it says, or `null` where neither copy is whole. */
export interface FoundPromises {
  readonly promises: Promises | null;
  /** The copies that are not whole. */
  readonly damages: readonly { readonly offset: number; readonly found: string }[];
  readonly sequence: number;
}

/** Reads the promises of a server. A file that is not there is one without a whole copy. */
export async function readPromises(
  fileSystem: FileSystem,
  directory: string,
  owner: Owner,
): Promise<FoundPromises> {
  const names = await fileSystem.readDirectory(directory);
  if (!names.includes(PROMISES_NAME)) {
    return { promises: null, damages: [{ offset: 0, found: "the file is missing" }], sequence: 0 };
  }
  const file = await fileSystem.openForReading(`${directory}/${PROMISES_NAME}`);
  try {
    const { bytes, holes } = await readAround(file, 0, 2 * BLOCK_BYTES);
    const copies = [0, 1].map((i) => {
      const [from, to] = [i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES];
      const hole = holeBetween(holes, from, to);
      return hole === null ? decodeCopy(bytes.subarray(from, to), owner) : wordsOf(hole);
    });
    let best: Copy | null = null;
    const damages: { offset: number; found: string }[] = [];
    for (const [i, copy] of copies.entries()) {
      if (typeof copy === "string" && isOfOtherVersion(copy)) throw new CorruptLogError(file.path, 0, copy);
      if (typeof copy === "string") damages.push({ offset: i * BLOCK_BYTES, found: copy });
      else if (best === null || copy.sequence > best.sequence) best = copy;
    }
    return { promises: best, damages, sequence: best?.sequence ?? 0 };
  } finally {
    await file.close();
  }
}

/** The file, open for writing. */
export class PromisesFile {
  readonly #file: FileHandle;
  readonly #owner: Owner;
  #sequence: number;

  private constructor(file: FileHandle, owner: Owner, sequence: number) {
    this.#file = file;
    this.#owner = owner;
    this.#sequence = sequence;
  }

  /** Opens it, and makes it where it is missing or shorter than it should be. */
  static async open(
    fileSystem: FileSystem,
    directory: string,
    owner: Owner,
    promises: Promises,
    sequence: number,
    name = PROMISES_NAME,
  ): Promise<PromisesFile> {
    const path = `${directory}/${name}`;
    if (await isThere(fileSystem, directory, name)) {
      const there = new PromisesFile(await fileSystem.openForWriting(path), owner, sequence);
      await there.write(promises);
      // A process that was killed may have left the name in the operating system's cache only.
      await fileSystem.syncDirectory(directory);
      return there;
    }
    if ((await fileSystem.readDirectory(directory)).includes(`${name}.tmp`)) {
      await fileSystem.remove(`${path}.tmp`);
    }
    const made = new PromisesFile(await fileSystem.create(`${path}.tmp`), owner, sequence);
    await made.write(promises);
    await fileSystem.rename(`${path}.tmp`, path);
    await fileSystem.syncDirectory(directory);
    return made;
  }

  /** The sequence number of the newest copy. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Returns when both copies are durable. */
  async write(promises: Promises): Promise<void> {
    await this.#writeCopy(promises);
    await this.#writeCopy(promises);
  }

  /** How far the log is; the hard state, epoch and floor are those that were written last. */
  async note(promises: Promises): Promise<void> {
    await this.#writeCopy(promises);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #writeCopy({ hardState, epoch, floor, lastBatch, serial, last }: Promises): Promise<void> {
    this.#sequence++;
    const block = encodeBlock(LETTERS, [
      FORMAT_VERSION,
      this.#owner.clusterId,
      this.#owner.serverId,
      this.#sequence,
      hardState.currentTerm,
      hardState.votedFor,
      epoch,
      floor?.index ?? 0,
      floor?.term ?? 0,
      lastBatch,
      serial,
      ...(last === null ? [] : [last.index, last.term]),
    ]);
    await this.#file.writeSynced(this.#sequence % 2 * BLOCK_BYTES, block);
  }
}

async function isThere(fileSystem: FileSystem, directory: string, name: string): Promise<boolean> {
  if (!(await fileSystem.readDirectory(directory)).includes(name)) return false;
  const file = await fileSystem.openForReading(`${directory}/${name}`);
  try {
    return await file.size() === 2 * BLOCK_BYTES;
  } finally {
    await file.close();
  }
}

interface Copy extends Promises {
  readonly sequence: number;
}

function decodeCopy(block: Uint8Array, owner: Owner): Copy | string {
  const fields = decodeBlock(block, {
    letters: LETTERS,
    versions: [FORMAT_VERSION],
    what: "a copy of the promises",
  });
  if (typeof fields === "string") return fields;
  const [
    ,
    clusterId,
    serverId,
    sequence,
    currentTerm,
    votedFor,
    epoch,
    floorIndex,
    floorTerm,
    lastBatch,
    serial,
    lastIndex,
    lastTerm,
  ] = fields;
  if (clusterId !== owner.clusterId || serverId !== owner.serverId) {
    return `the promises are of server ${String(serverId)} of cluster ${String(clusterId)}`;
  }
  if (
    typeof sequence !== "number" || typeof currentTerm !== "number" ||
    (votedFor !== null && typeof votedFor !== "string") || typeof epoch !== "number" ||
    typeof floorIndex !== "number" || typeof floorTerm !== "number" || typeof lastBatch !== "number" ||
    typeof serial !== "number"
  ) return "the fields of the promises are not what they should be";
  return {
    sequence,
    hardState: { currentTerm, votedFor },
    epoch,
    floor: floorIndex === 0 ? null : { index: floorIndex, term: floorTerm },
    lastBatch,
    serial,
    last: typeof lastIndex === "number" && typeof lastTerm === "number"
      ? { index: lastIndex, term: lastTerm }
      : null,
  };
}
