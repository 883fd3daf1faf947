/**
 * Rot: damage to files at rest, wherever a server can tell that something is lost, and can go on with what is left (docs/repair.md).
 *
 * Keeps true: of what is damaged in a log either something valid stands behind it, or somebody wrote down that it was there; one copy of the
 * promises stays whole where the log is damaged. The identity is left alone: without it nobody goes on.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import { BLOCK_BYTES } from "../../internal/storage/block.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../../internal/storage/segment.ts";
import { type Segment, segmentsOf } from "./damage.ts";
import { promisesOn } from "./durable_promises.ts";
import type { SimDisk } from "./sim_file_system.ts";

export type RottenThing = "log" | "snapshot" | "promises" | "sector";

const SECTOR = 512;
/** In so many bytes of a footer there is more than zeros. */
const FOOTER_SAID_BYTES = 100;
const PROMISES = "data/promises";

/** Damages what is durable; tells which file, or `null` where there was no place for it. */
export function rot(disk: SimDisk, thing: RottenThing, random: Random): string | null {
  switch (thing) {
    case "log":
      return rotInLog(disk, random);
    case "snapshot":
      return rotInSnapshots(disk, random);
    case "promises":
      return rotInPromises(disk, random);
    case "sector":
      return badSectors(disk, random);
  }
}

/** Of a server that runs: only what it does not write to any more. */
export function rotUnderneath(disk: SimDisk, thing: "log" | "snapshot", random: Random): string | null {
  if (thing === "snapshot") return rotInSnapshots(disk, random);
  const segment = anyOf(segmentsOf(disk).filter(({ isClosed }) => isClosed), random);
  const end = segment?.batches.at(-1);
  if (segment === null || end === undefined) return null;
  const { footerAt } = segment;
  const isOfFooter = footerAt !== null && random.chance(1, 6);
  const at = isOfFooter ? footerAt + random.below(FOOTER_SAID_BYTES) : random.below(end);
  disk.decay(segment.path, spoilt(segment.bytes, at, random));
  return segment.path;
}

function rotInLog(disk: SimDisk, random: Random): string | null {
  const segments = segmentsOf(disk);
  const segment = anyOf(segments, random);
  if (segment === null) return null;
  const { path, bytes, isClosed } = segment;
  switch (random.below(7)) {
    case 6:
      // Whoever starts on it lost nothing, and says so.
      if (!isClosed || segment.footerAt === null) return null;
      disk.replace(path, spoilt(bytes, segment.footerAt + random.below(FOOTER_SAID_BYTES), random));
      return path;
    case 0:
      // A last segment with a batch in it is known to be there.
      if (!isClosed && segment.batches.length === 0) return null;
      disk.replace(path, null);
      return path;
    case 1:
      if (!isClosed && segment.batches.length === 0) return null;
      disk.replace(path, new Uint8Array(0));
      return path;
    case 2: {
      const end = tellableEnd(disk, segment);
      if (end === null) return null;
      // Cut between two batches it looks whole, but for what was written down.
      const between = segment.batches.filter((at) => at <= end);
      const at = random.chance(1, 2) ? anyOf(between, random) ?? end : random.below(end);
      disk.replace(path, bytes.slice(0, at));
      return path;
    }
    case 3: {
      const header = bytes.slice();
      header.set(spoilt(bytes.subarray(0, SEGMENT_HEADER_BYTES), random.below(SEGMENT_HEADER_BYTES), random));
      if (!isClosed && segment.batches.length === 0) return null;
      disk.replace(path, header);
      return path;
    }
    default: {
      // The last batch stands behind it.
      const end = segment.batches.at(-1);
      if (end === undefined || end <= SEGMENT_HEADER_BYTES) return null;
      const at = random.between(SEGMENT_HEADER_BYTES, end - 1);
      disk.replace(path, spoilt(bytes, at, random, end));
      return path;
    }
  }
}

/** Before which place a segment may be cut short: of what stands behind it alone nobody might know that it was there, but for its length. */
function tellableEnd(disk: SimDisk, { bytes, batches, numbers, isClosed }: Segment): number | null {
  const header = decodeSegmentHeader(bytes);
  if (isClosed || (typeof header !== "string" && header.bytes !== null)) return batches.at(-1) ?? null;
  const noted = promisesOn(disk)?.lastBatch ?? 0;
  const place = numbers.findLastIndex((number) => number <= noted);
  return batches[place] ?? null;
}

function rotInSnapshots(disk: SimDisk, random: Random): string | null {
  const paths = disk.durablePaths().filter((path) => path.endsWith(".snap"));
  const hit = random.chance(1, 4) ? paths : [anyOf(paths, random)];
  let first: string | null = null;
  for (const path of hit) {
    const bytes = path === null ? null : disk.durableBytes(path);
    if (path === null || bytes === null) continue;
    first ??= path;
    disk.decay(
      path,
      random.chance(1, 4) ? bytes.slice(0, random.below(bytes.length)) : flipped(bytes, random),
    );
  }
  return first;
}

function rotInPromises(disk: SimDisk, random: Random): string | null {
  const bytes = disk.durableBytes(PROMISES);
  if (bytes === null || bytes.length !== 2 * BLOCK_BYTES) return null;
  switch (random.below(4)) {
    case 0:
      disk.replace(PROMISES, null);
      break;
    case 1:
      disk.replace(PROMISES, bytes.slice(0, random.below(bytes.length)));
      break;
    default:
      disk.replace(PROMISES, flipped(bytes, random));
  }
  return PROMISES;
}

/** Up to eight sectors in a row, anywhere: what cannot be read is never taken for the end of the log. */
function badSectors(disk: SimDisk, random: Random): string | null {
  const path = anyOf(disk.durablePaths().filter((path) => /\.(?:seg|snap)$/.test(path)), random);
  const bytes = path === null ? null : disk.durableBytes(path);
  // Where nothing of a file can be read, it is the disk that is bad, and not a sector.
  if (path === null || bytes === null || bytes.length < 4 * BLOCK_BYTES) return null;
  if (disk.isSpoilt(path)) return null;
  // Most of a segment is empty; so most often it is where something was written.
  const used = segmentsOf(disk).find((segment) => segment.path === path)?.batches.at(-1);
  const from = random.below(used === undefined || random.chance(1, 4) ? bytes.length : used + SECTOR);
  const at = from - from % SECTOR;
  disk.spoil(path, at, at + SECTOR * random.between(1, 8));
  return path;
}

/** The whole file with one bit wrong. */
function flipped(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice();
  const at = random.below(Math.max(1, copy.length));
  copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
  return copy;
}

/** The whole file with a bit wrong at a place, or the rest of its sector up to `end` gone to zeros or to anything. */
function spoilt(bytes: Uint8Array, at: number, random: Random, end = Infinity): Uint8Array {
  const copy = bytes.slice();
  const to = Math.min(copy.length, end, at + SECTOR - at % SECTOR);
  switch (random.below(3)) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      break;
    case 1:
      copy.fill(0, at, to);
      break;
    default:
      for (let i = at; i < to; i++) copy[i] = random.below(256);
  }
  return copy;
}

function anyOf<T>(items: readonly T[], random: Random): T | null {
  return items[random.below(items.length || 1)] ?? null;
}
