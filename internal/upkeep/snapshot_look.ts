/**
 * A snapshot file read from its first byte to its last, for people: of which place it is, who the members were, how many keys it has.
 *
 * Keeps true: what is told of a file was checked: every chunk, the whole, and the digest of the state that comes out of it. It only reads,
 * and holds one state in memory at a time.
 *
 * @module
 */
import { KeyValueMachine } from "../machine/kv.ts";
import type { FileHandle, FileSystem } from "../platform/file_system.ts";
import {
  SnapshotDamage,
  type SnapshotId,
  type SnapshotMeta,
  SnapshotReader,
} from "../storage/snapshot_file.ts";

export interface SnapshotLook {
  readonly file: string;
  readonly meta: SnapshotMeta;
  readonly id: SnapshotId;
  readonly chunks: number;
  readonly keys: number;
}

/** A state that came out of a snapshot, and of which place it is. */
export interface LoadedSnapshot extends SnapshotLook {
  readonly machine: KeyValueMachine;
}

/**
 * Reads a snapshot, and the state out of it.
 *
 * @throws {SnapshotDamage} where it is not what was written
 * @throws {FileError} where it cannot be read
 */
export async function loadSnapshot(fileSystem: FileSystem, path: string): Promise<LoadedSnapshot> {
  const file = await fileSystem.openForReading(path);
  try {
    return await loadFrom(file);
  } finally {
    await file.close();
  }
}

async function loadFrom(file: FileHandle): Promise<LoadedSnapshot> {
  const reader = await SnapshotReader.open(file);
  const machine = new KeyValueMachine();
  const restoration = machine.restore();
  for (let chunks = 0;; chunks++) {
    const next = await reader.next();
    if (next instanceof Uint8Array) {
      const objection = restoration.take(next);
      if (objection !== null) throw new SnapshotDamage(file.path, 0, objection);
      continue;
    }
    const objection = restoration.finish(reader.meta.digest);
    if (objection !== null) throw new SnapshotDamage(file.path, 0, objection);
    return { file: file.path, meta: reader.meta, id: next, chunks, keys: machine.size(), machine };
  }
}
