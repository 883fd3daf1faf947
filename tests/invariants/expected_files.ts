/**
 * Expected files: nothing lies outside the data directory, and in it only what belongs there, temporary files few (I33).
 *
 * @module
 */
import { Violation } from "./ghost.ts";

const KNOWN =
  /^data\/(?:identity|promises|log\/(?:reserve|log-\d{10}\.seg(?:\.lost-\d+)?)|snapshots\/snap-\d{16}-\d+\.snap\.lost-\d+)$/;
const SNAPSHOT = /^data\/snapshots\/snap-\d{16}-\d+\.snap$/;
const SPARE = /^data\/log\/spare-\d{10}\.tmp$/;
const TEMPORARY =
  /^data\/(?:(?:identity|promises)\.tmp|log\/(?:next|reserve|log-\d{10}\.seg(?:\.lost-\d+)?)\.tmp|snapshots\/(?:taking|receiving)\.tmp)$/;

/**
 * At most this many temporary files of a server's own making at a time: the next segment, the reserve, one that gets its name, a snapshot that is taken,
 * and one that is received.
 */
const TEMPORARY_MAX = 5;

/** Segments that are kept to be written again, and one that is made ready. */
const SPARES_MAX = 17;

/** Snapshots, at most: two that are kept, and some that could not be removed, or that came back when power failed. */
const SNAPSHOTS_MAX = 8;

/** Looks at all paths of a server's disk; `strange` ones were put there by somebody else and must be left alone. */
export function checkFiles(server: string, paths: readonly string[], strange: ReadonlySet<string>): void {
  let temporary = 0;
  let [snapshots, spares] = [0, 0];
  for (const path of paths) {
    if (KNOWN.test(path) || strange.has(path)) continue;
    if (SNAPSHOT.test(path)) {
      snapshots++;
      continue;
    }
    if (SPARE.test(path)) {
      spares++;
      continue;
    }
    if (!TEMPORARY.test(path)) throw new Violation(`${server} made a file ${path}`);
    temporary++;
  }
  if (temporary > TEMPORARY_MAX) throw new Violation(`${server} has ${temporary} temporary files`);
  if (spares > SPARES_MAX) throw new Violation(`${server} keeps ${spares} spare segments`);
  if (snapshots > SNAPSHOTS_MAX) throw new Violation(`${server} keeps ${snapshots} snapshots`);
}
