/**
 * Kind: property (every bit of a small data directory, every length of its files, every file gone or another).
 *
 * Invariant: whatever happens to the files of a server that is down: one that is alone starts with all that it had, or does not start, says which
 * file and where, and changes nothing. One of three starts with all that it had, or notes what it may lack and has the same as the others
 * when it has caught up; it does not start where nobody knows who it is or what it promised. After a kill, the last batches, of which
 * nobody wrote down that they were durable, may look as if they had never been. There is no fourth outcome.
 *
 * Learnt: most bits of a directory are zeros that fill up a block, and all of them are under its checksum.
 *
 * `RAFTLINE_ROT_BYTES=65536` takes every bit of a directory of that length (docs/enumerations.md).
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import process from "node:process";
import { CorruptLogError } from "../../../internal/base/errors.ts";
import { loadCrc32c } from "../../../internal/codec/crc32c.ts";
import type { LogPosition, Recovered } from "../../../internal/raft/types.ts";
import type { DiskImage } from "../../simulator/sim_file_system.ts";
import { Log } from "../lab.ts";
import { catchUp, cuts, type Damage, flips, type Home, inhabited, truthOf, wholeFiles } from "./home.ts";
import { start, type Started } from "./life.ts";
import { endOf, type Folded, lineOfRecovered, viewOf, writesFound } from "./oracle.ts";
import { RestingDisk } from "./resting_disk.ts";
import { Table } from "./table.ts";

await loadCrc32c();

const BYTES = Number(process.env["RAFTLINE_ROT_BYTES"] ?? 4096);
const IS_SAMPLE = BYTES < 60_000;
const LOST = "a part of the log is lost, and will be fetched from the other servers";
/** Of the repairs that look the same, one in so many is followed to its end. */
const FOLLOWED = 64;

const OUTCOMES = [
  "as if never written",
  "nothing is missing",
  "repaired",
  "stops, 65",
  "told, nothing is missing",
];
const SERVERS = ["alone, ended", "alone, killed", "of three, ended", "of three, killed"] as const;
type Server = (typeof SERVERS)[number];

async function homeOf(server: Server): Promise<Home> {
  const scale = Math.max(1, Math.round(BYTES / 3640));
  return await inhabited(
    server.startsWith("alone") ? 1 : 3,
    server.endsWith("ended") ? "close" : "kill",
    scale,
  );
}

/* ---- outcomes ---- */

/** One way to start, which is neither refused nor another one than those that are told. */
class Judge {
  readonly #home: Home;
  readonly #server: Server;
  readonly #truth: Folded;
  /** How often each repair was seen. */
  readonly #repairs = new Map<string, number>();
  followed = 0;

  constructor(home: Home, server: Server) {
    this.#home = home;
    this.#server = server;
    this.#truth = truthOf(home);
  }

  /** What becomes of a start on that damage. */
  async outcome({ image, paths }: Damage): Promise<string> {
    const disk = new RestingDisk(image);
    const log = new Log();
    const { members, segmentBytes } = this.#home;
    let started: Started;
    try {
      started = await start(disk, log, { members, segmentBytes });
    } catch (error) {
      // Whatever else is thrown is an outcome that nobody told of.
      if (!(error instanceof CorruptLogError)) throw error;
      assertEquals(error.message.split("\n").length, 1, "one line");
      assertSame(disk.image(), image);
      if (this.#server.startsWith("of three")) {
        const isPersonal = paths.some((path) => /(?:identity|promises)$/.test(path));
        assert(isPersonal, `one of three stops: ${error.message}`);
      }
      return "stops, 65";
    }
    if (log.all(LOST).length > 0) return await this.#repaired(disk, started, paths);
    return this.#looksWhole(started, log);
  }

  #looksWhole(started: Started, log: Log): string {
    const { window, birth, noted } = this.#home;
    // A damaged snapshot takes nothing away where an older one and the log have the same.
    const found = writesFound({ ...window, stable: noted, told: 0 }, started, birth);
    assert(found !== null, "neither what it had, nor what it wrote down, and nothing is said");
    assertEquals(
      found === window.asked || this.#server.endsWith("killed"),
      true,
      "a write is gone without a word",
    );
    if (found < window.asked) return "as if never written";
    const isTold = log.said.some(({ level, event }) => level !== "info" || event === "torn tail is cut");
    return isTold ? "told, nothing is missing" : "nothing is missing";
  }

  async #repaired(disk: RestingDisk, started: Started, paths: readonly string[]): Promise<string> {
    assert(this.#server.startsWith("of three"), "nobody else has a copy");
    const { recovered } = started;
    const { window, birth, members, segmentBytes } = this.#home;
    const truth = this.#truth;
    assertEquals(recovered.hardState, truth.hardState, "term and vote are kept");
    assertEquals(recovered.epoch, 1);
    assert(
      recovered.floor !== null && !isBefore(recovered.floor, endOf(truth)),
      "the floor is where the log ended, or behind it",
    );
    const isOfOurs = recovered.entries.length === 0 ||
      window.states.some((state) =>
        [null, ...window.begun].some((known) => {
          const view = viewOf(state, known, birth);
          return view !== null && sameLog(view.recovered, recovered);
        })
      );
    assert(isOfOurs, "what is kept was the log at some time");
    const what = [paths.join(" "), lineOfRecovered(started)].join(": ");
    const seen = this.#repairs.get(what) ?? 0;
    this.#repairs.set(what, seen + 1);
    if (seen % FOLLOWED > 0) return "repaired";
    this.followed++;
    const again = await start(new RestingDisk(disk.image()), new Log(), { members, segmentBytes });
    assertEquals(lineOfRecovered(again), lineOfRecovered(started), "the second start knows no less");
    const { recovered: whole } = await catchUp(this.#home, truth, disk, started);
    assertEquals([whole.epoch, whole.floor], [1, null]);
    const [last, ...others] = whole.entries.toReversed();
    assertEquals(last?.kind, "noop");
    const wanted = truth.entries.filter(({ index }) => index > whole.snapshotIndex);
    assertEquals(linesOf({ ...whole, entries: others.toReversed() }), linesOf({ ...whole, entries: wanted }));
    return "repaired";
  }
}

function isBefore(a: LogPosition, b: LogPosition): boolean {
  return a.term !== b.term ? a.term < b.term : a.index < b.index;
}

function sameLog(a: Recovered, b: Recovered): boolean {
  return a.snapshotIndex === b.snapshotIndex && linesOf(a) === linesOf(b);
}

function linesOf(recovered: Recovered): string {
  const plain = {
    ...recovered,
    hardState: { currentTerm: 0, votedFor: null },
    commitIndex: 0,
    epoch: 0,
    floor: null,
  };
  return lineOfRecovered({ recovered: plain, restored: null });
}

function assertSame(now: DiskImage, before: DiskImage): void {
  assertEquals([...now.keys()].sort(), [...before.keys()].sort(), "nothing is changed");
  for (const [path, bytes] of before) assert(now.get(path) === bytes, `${path} is not changed`);
}

/* ---- all of them ---- */

const table = new Table(["what", ...SERVERS]);
const totals = new Map<string, number>();
/** How many of the servers were gone through. */
let lived = 0;

async function all(server: Server, home: Home, damages: Iterable<Damage>): Promise<void> {
  const judge = new Judge(home, server);
  for (const damage of damages) {
    try {
      const outcome = await judge.outcome(damage);
      table.add(damage.title, server, outcome);
      totals.set(outcome, (totals.get(outcome) ?? 0) + 1);
    } catch (cause) {
      throw new Error(`${server}: ${damage.where}`, { cause });
    }
  }
  if (server.startsWith("of three")) assertGreaterOrEqual(judge.followed, 5);
}

for (const server of SERVERS) {
  Deno.test(`every bit, every length and every file of a server, ${server}: what is documented, and never another state without a word`, async () => {
    const home = await homeOf(server);
    const total = [...home.image.values()].reduce((sum, bytes) => sum + bytes.length, 0);
    await all(server, home, wholeFiles(home));
    // In the long run, too, what is killed differs from what ended in its last batches only.
    const isSample = IS_SAMPLE || server.endsWith("killed");
    await all(server, home, cuts(home, isSample ? 64 : 1));
    await all(server, home, flips(home, isSample ? 16 : 1));
    lived++;
    console.log(`${server}: ${total} bytes in ${home.image.size} files`);
  });
}

Deno.test("the outcomes, counted", () => {
  console.log(table.text());
  for (const [outcome, count] of [...totals].sort()) console.log(`${String(count).padStart(8)}  ${outcome}`);
  const found = [...totals.keys()].sort();
  assertEquals(found.filter((outcome) => !OUTCOMES.includes(outcome)), []);
  if (lived === SERVERS.length) assertEquals(found, OUTCOMES);
});
