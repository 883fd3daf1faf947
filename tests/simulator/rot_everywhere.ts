/**
 * Rot on every disk at once, in disjoint places: of no entry that is committed more than one copy is damaged.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import { decodeRecord } from "../../internal/codec/record.ts";
import type { Entry, LogIndex } from "../../internal/raft/types.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from "../../internal/storage/segment.ts";
import { snapshotPlaceOf } from "../../internal/storage/snapshot_file.ts";
import type { Remains } from "../invariants/remains.ts";
import { segmentsOf } from "./damage.ts";
import type { SimDisk } from "./sim_file_system.ts";

interface Batch {
  readonly path: string;
  readonly at: number;
  readonly end: number;
  readonly entries: readonly Entry[];
}

/** Damages one batch on a disk, of entries of which no copy must stay whole there; tells which ones. */
export function rotApart(
  disk: SimDisk,
  maySpoil: (index: LogIndex) => boolean,
  random: Random,
): readonly LogIndex[] {
  const batches = segmentsOf(disk).flatMap(({ path, bytes, batches }) =>
    // Behind the last one of a segment nothing says that it was there.
    batchesIn(path, bytes, batches.slice(0, -1))
  ).filter(({ entries }) => entries.length > 0 && entries.every(({ index }) => maySpoil(index)));
  const batch = batches[random.below(batches.length || 1)];
  const bytes = batch === undefined ? null : disk.durableBytes(batch.path);
  if (batch === undefined || bytes === null) return [];
  const damaged = bytes.slice();
  const at = random.between(batch.at, batch.end - 1);
  damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8));
  disk.replace(batch.path, damaged);
  return batch.entries.map(({ index }) => index);
}

/** Damages every snapshot on a disk, if all that they cover may be lost there; tells which entries that are. */
export function rotSnapshotsApart(
  disk: SimDisk,
  maySpoil: (index: LogIndex) => boolean,
  random: Random,
): readonly LogIndex[] {
  const paths = disk.durablePaths().filter((path) => path.endsWith(".snap"));
  const covered = Math.max(0, ...paths.map((path) => placeOf(path)?.index ?? 0));
  const indexes = Array.from({ length: covered }, (_, i) => i + 1);
  if (!indexes.every(maySpoil)) return [];
  for (const path of paths) {
    const bytes = disk.durableBytes(path);
    if (bytes === null) continue;
    const damaged = bytes.slice();
    const at = random.below(damaged.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8));
    disk.replace(path, damaged);
  }
  return indexes;
}

/** Whatever is whole on a disk. */
export function remainsOn(disk: SimDisk): Remains {
  let snapshotIndex = 0;
  const entries: Entry[] = [];
  for (const path of disk.durablePaths()) {
    snapshotIndex = Math.max(snapshotIndex, placeOf(path)?.index ?? 0);
    const bytes = disk.durableBytes(path);
    if (bytes === null || !/\.seg(?:\.lost-\d+)?$/.test(path)) continue;
    const places: number[] = [];
    for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; at += ALIGNMENT) {
      if (bytes[at] === 0x52) places.push(at);
    }
    for (const batch of batchesIn(path, bytes, places)) entries.push(...batch.entries);
  }
  return { entries, snapshotIndex };
}

function placeOf(path: string): ReturnType<typeof snapshotPlaceOf> {
  return snapshotPlaceOf(path.slice(path.lastIndexOf("/") + 1));
}

/** The whole batches at these places. */
function batchesIn(path: string, bytes: Uint8Array, places: readonly number[]): readonly Batch[] {
  const header = decodeSegmentHeader(bytes);
  if (typeof header === "string") return [];
  const batches: Batch[] = [];
  for (const at of places) {
    const batch = decodeBatchHeader(bytes, at, header.nonce);
    const body = typeof batch === "string" ? batch : checkBatchBody(bytes, at, batch);
    if (typeof body === "string") continue;
    const entries: Entry[] = [];
    for (let place = at + BATCH_HEADER_BYTES; place < body.recordsEnd;) {
      const next = decodeRecord(bytes, place);
      if (typeof next === "string") throw new Error(`A batch with a right checksum holds no record: ${next}`);
      if (next.record.kind === "entry") entries.push(next.record.entry);
      place = next.end;
    }
    batches.push({ path, at, end: body.end, entries });
  }
  return batches;
}
