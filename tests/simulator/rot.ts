/**
 * Bit rot at rest, where it can be told from a torn tail: in front of the last batch of a log, in a header, or in the identity.
 *
 * @module
 */
import type { Random } from "../../internal/base/random.ts";
import { BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES } from "../../internal/storage/segment.ts";
import type { SimDisk } from "./sim_file_system.ts";

/** Flips one bit of what is durable; tells whether there was a place for it. */
export function flipOneBit(disk: SimDisk, random: Random): boolean {
  const places = disk.durablePaths()
    .map((path) => ({ path, bytes: disk.durableBytes(path) ?? new Uint8Array(0) }))
    .map(({ path, bytes }) => ({ path, bytes, end: lastPlace(path, bytes) }))
    .filter(({ end }) => end > 0);
  const place = places[random.below(places.length || 1)];
  if (place === undefined) return false;
  const at = random.below(place.end);
  const damaged = place.bytes.slice();
  damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8));
  disk.replace(place.path, damaged);
  return true;
}

/** Up to where every bit counts. */
function lastPlace(path: string, bytes: Uint8Array): number {
  if (path.endsWith("/identity")) return bytes.length;
  if (!path.endsWith(".seg")) return 0;
  let last = SEGMENT_HEADER_BYTES;
  for (let at = SEGMENT_HEADER_BYTES; at + BATCH_HEADER_BYTES <= bytes.length; at += 8) {
    if (bytes[at] === 0x52 && bytes[at + 1] === 0x4c && bytes[at + 2] === 0x42 && bytes[at + 3] === 0x31) {
      last = at;
    }
  }
  return last;
}
