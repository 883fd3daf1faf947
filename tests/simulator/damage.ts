/**
 * Damage at rest, done to a disk while its server is down, where it can be told from a torn tail: whoever starts on it must notice.
 *
 * What cannot be told apart is left alone: the last batch of a log, a log that ends at a batch border, and what a power failure tore in an
 * earlier life, behind which the next segment goes on.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import { decodeFooter, footerPlace } from "../../internal/storage/footer.ts";
import {
  ALIGNMENT,
  BATCH_HEADER_BYTES,
  checkBatchBody,
  decodeBatchHeader,
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  serialOf,
} from "../../internal/storage/segment.ts";
import type { SimDisk } from "./sim_file_system.ts";

export type Damage = "bitRot" | "misplaced" | "missing" | "truncated";

/** A segment as it is durable. */
export interface Segment {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Where its batches begin. */
  readonly batches: readonly number[];
  /** The number of each. */
  readonly numbers: readonly number[];
  /** Where its footer stands; `null` where it has none. */
  readonly footerAt: number | null;
  /** Whether another one follows it. */
  readonly isClosed: boolean;
}

/** Damages what is durable; tells whether there was a place for it. */
export function damage(disk: SimDisk, how: Damage, random: Random): boolean {
  const segments = segmentsOf(disk);
  if (segments.every(({ batches }) => batches.length === 0)) return false;
  switch (how) {
    case "bitRot":
      return flipOneBit(disk, segments, random);
    case "misplaced":
      return misplace(disk, segments, random);
    case "missing": {
      // The oldest segment may rightly be gone: a snapshot may cover it.
      const closed = segments.slice(1).filter(({ isClosed }) => isClosed);
      const paths = [...closed.map(({ path }) => path), "data/identity"];
      const path = paths[random.below(paths.length)];
      if (path === undefined || disk.durableBytes(path) === null) return false;
      disk.replace(path, null);
      return true;
    }
    case "truncated": {
      const segment = anyOf(segments.filter(({ isClosed }) => isClosed), random);
      if (segment === null) return false;
      const last = segment.batches.at(-1) ?? SEGMENT_HEADER_BYTES;
      disk.replace(segment.path, segment.bytes.slice(0, random.below(last + 1)));
      return true;
    }
  }
}

function flipOneBit(disk: SimDisk, segments: readonly Segment[], random: Random): boolean {
  const places = [
    ...segments.map(({ path, bytes, batches }) => ({
      path,
      bytes,
      end: batches.at(-1) ?? SEGMENT_HEADER_BYTES,
    })),
    { path: "data/identity", bytes: disk.durableBytes("data/identity"), end: Infinity },
  ];
  const place = anyOf(places, random);
  if (place === null || place.bytes === null) return false;
  const damaged = place.bytes.slice();
  const at = random.below(Math.min(place.end, damaged.length));
  damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8));
  disk.replace(place.path, damaged);
  return true;
}

/** Whole segments change places, or a batch is written over another one: every checksum of theirs is right. */
function misplace(disk: SimDisk, segments: readonly Segment[], random: Random): boolean {
  const closed = segments.filter(({ isClosed }) => isClosed);
  const one = anyOf(closed, random);
  if (one === null) return false;
  const other = anyOf(segments.filter(({ path }) => path !== one.path), random);
  if (other !== null && random.chance(1, 2)) {
    disk.replace(one.path, other.bytes.slice());
    disk.replace(other.path, one.bytes.slice());
    return true;
  }
  const [from, to] = [random.below(one.batches.length || 1), random.below(one.batches.length || 1)];
  const [source, target] = [one.batches[from], one.batches[to]];
  if (source === undefined || target === undefined || source === target) return false;
  const damaged = one.bytes.slice();
  const end = one.batches[from + 1] ?? source + BATCH_HEADER_BYTES;
  damaged.set(one.bytes.subarray(source, end).slice(0, damaged.length - target), target);
  disk.replace(one.path, damaged);
  return true;
}

/** The names that `leaveBehind` uses. */
export const STRANGE_FILES: ReadonlySet<string> = new Set([
  "data/identity.tmp",
  "data/log/next.tmp",
  "data/log/log-0000000099.seg.tmp",
  "data/log/notes.txt",
  "data/snapshots/taking.tmp",
  "data/snapshots/receiving.tmp",
  "data/snapshots/notes.txt",
]);

/** Files that a crash or a person left behind: no damage, and a server starts beside them. */
export function leaveBehind(disk: SimDisk, random: Random): void {
  const rubbish = Uint8Array.from({ length: 1 + random.below(600) }, () => random.below(256));
  for (const name of STRANGE_FILES) if (random.chance(1, 2)) disk.replace(name, rubbish.slice());
}

/** The segments of its log, oldest first. */
export function segmentsOf(disk: SimDisk): readonly Segment[] {
  const paths = disk.durablePaths().filter((path) =>
    serialOf(path.slice(path.lastIndexOf("/") + 1)) !== null
  );
  return paths.map((path, i) => {
    const bytes = disk.durableBytes(path) ?? new Uint8Array(0);
    const next = paths[i + 1];
    const content = batchesOf(bytes, endOf(disk, next));
    return { path, bytes, ...content, footerAt: footerPlaceIn(bytes), isClosed: next !== undefined };
  });
}

function footerPlaceIn(bytes: Uint8Array): number | null {
  const at = Math.max(0, footerPlace(bytes.length));
  return typeof decodeFooter(bytes.subarray(at)) === "string" ? null : at;
}

/** Where a segment ends by the word of the next one; what is behind it was torn once, and is nobody's any more. */
function endOf(disk: SimDisk, next: string | undefined): number {
  const bytes = next === undefined ? null : disk.durableBytes(next);
  const header = bytes === null ? "there is none" : decodeSegmentHeader(bytes);
  return typeof header === "string" ? Infinity : header.previousEnd;
}

/** Whole batches only: a torn one is no place for damage, since it is passed over. */
function batchesOf(bytes: Uint8Array, end: number): Pick<Segment, "batches" | "numbers"> {
  const header = decodeSegmentHeader(bytes);
  const batches: number[] = [];
  const numbers: number[] = [];
  if (typeof header === "string") return { batches, numbers };
  for (let at = SEGMENT_HEADER_BYTES; at + BATCH_HEADER_BYTES <= bytes.length && at < end; at += ALIGNMENT) {
    if (bytes[at] !== 0x52) continue;
    const batch = decodeBatchHeader(bytes, at, header.nonce);
    if (typeof batch === "string" || typeof checkBatchBody(bytes, at, batch) === "string") continue;
    batches.push(at);
    numbers.push(batch.number);
  }
  return { batches, numbers };
}

function anyOf<T>(items: readonly T[], random: Random): T | null {
  return items[random.below(items.length || 1)] ?? null;
}
