/**
 * Kind: property (every crash state of a scripted life).
 *
 * Invariant: power fails at any moment of the life, and of what was not synced, names and sectors of writes, any part is kept: the next start is
 * legal, and repairs nothing; what was said to be durable is there; the start after that finds the same, and the log goes on. A start
 * after a kill is given nothing that a power failure takes back later.
 *
 * Learnt: most moments have few choices, and a few have nearly all of them: a sample by moment finds more than one by state.
 *
 * `RAFTLINE_CRASH_STATES=100000` goes through that many (docs/enumerations.md).
 */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import process from "node:process";
import { SeededRandom } from "../../../internal/base/random.ts";
import { crc32c, loadCrc32c } from "../../../internal/codec/crc32c.ts";
import { decodeFooter, footerPlace } from "../../../internal/storage/footer.ts";
import { type DiskImage, SimDisk } from "../../simulator/sim_file_system.ts";
import { entryOf, Log } from "../lab.ts";
import { choicesOf, spread } from "./choices.ts";
import { ARCHIVED, BIRTH, DATA, segmentBytesOf, Stage, start, type Started } from "./life.ts";
import { endOf, type Window, writesFound } from "./oracle.ts";
import { RestingDisk } from "./resting_disk.ts";

await loadCrc32c();

const STATES = Number(process.env["RAFTLINE_CRASH_STATES"] ?? 6500);
const IS_SAMPLE = STATES < 50_000;
/** Of so many states one is also written on. */
const WRITTEN_ON = 8;

/** How many times as long entries are in further lives, as many of these as are needed: batches of many sectors. */
const SCALES = [8, 7, 6, 5, 4, 9, 10, 11];
/** Of so many states the start is gone through too, crash by crash. */
const STARTED_THROUGH = IS_SAMPLE ? 24 : 1;
/** So many choices of each moment of a start. */
const OF_A_START = IS_SAMPLE ? 6 : Infinity;

const count = {
  moments: 0,
  choices: 0,
  states: 0,
  ofStarts: 0,
  ofLongerBatches: 0,
  notBorn: 0,
  withAllWrites: 0,
  withFewer: 0,
  torn: 0,
  closed: 0,
  behindSnapshot: 0,
  begunAnew: 0,
  writtenOn: 0,
  killsThenCrashes: 0,
};

/** Lets a stage work, and visits each moment at which something differs from the one before. */
function watch(stage: Stage, visit: () => Promise<void>): void {
  stage.continuations = 200;
  let before = "";
  stage.between = async () => {
    const { disk, oracle } = stage;
    const { states, stable, begun, told } = oracle.window();
    const now = JSON.stringify([
      disk.durableVersion,
      disk.unsynced,
      states.length,
      stable,
      begun.length,
      told,
    ]);
    if (now === before) return;
    before = now;
    await visit();
  };
}

/** Goes through the life. */
async function moments(scale: number, visit: (stage: Stage) => Promise<void>): Promise<Stage> {
  const stage = new Stage({ scale });
  watch(stage, () => visit(stage));
  await stage.play();
  if (stage.ended !== null) throw stage.ended.reason;
  return stage;
}

/** How many choices of a moment make about so many together. */
async function choicesEach(scale: number, wanted: number): Promise<number> {
  const sizes: number[] = [];
  await moments(scale, ({ disk }) => {
    sizes.push(choicesOf(disk.unsynced).length);
    return Promise.resolve();
  });
  let each = 1;
  const together = () => sizes.reduce((sum, size) => sum + Math.min(size, each), 0);
  while (together() < wanted && each < Math.max(...sizes)) each++;
  return each;
}

/* ---- a state ---- */

const sums = new WeakMap<Uint8Array, string>();

function sumOf(bytes: Uint8Array): string {
  const known = sums.get(bytes);
  if (known !== undefined) return known;
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum = Math.imul(sum ^ (bytes[i] ?? 0), 0x01000193) + i | 0;
  const made = `${bytes.length}/${crc32c(bytes)}/${sum}`;
  sums.set(bytes, made);
  return made;
}

function nameOf(image: DiskImage): string {
  return [...image].map(([path, bytes]) => `${path}=${sumOf(bytes)}`).sort().join(",");
}

/** The start on a state is legal; tells how many writes it found. */
async function check(
  disk: RestingDisk,
  window: Window,
  log: Log,
  scale: number,
): Promise<{ readonly started: Started; readonly writes: number }> {
  const started = await start(disk, log, { segmentBytes: segmentBytesOf(scale) });
  const writes = writesFound(window, started, BIRTH);
  assert(writes !== null, "no legal start");
  const bad = log.said.filter(({ level }) => level !== "info").map(({ event }) => event);
  assertEquals(bad.filter((event) => event !== "the promises are written anew from the log"), []);
  return { started, writes };
}

async function checkState(image: DiskImage, window: Window, scale: number): Promise<void> {
  const disk = new RestingDisk(image);
  const log = new Log();
  const { started, writes } = await check(disk, window, log, scale);
  const again = await check(new RestingDisk(disk.image()), window, new Log(), scale);
  assertEquals(again.writes, writes, "the second start finds the same");
  if (!image.has(`${DATA}/identity`)) count.notBorn++;
  if (writes === window.asked) count.withAllWrites++;
  else count.withFewer++;
  if (log.all("torn tail is cut").length > 0) count.torn++;
  if (isClosed(image)) count.closed++;
  const { snapshotIndex } = started.recovered;
  if (snapshotIndex > 0) count.behindSnapshot++;
  const state = window.states[writes];
  if (state !== undefined && endOf(state).index < snapshotIndex) count.begunAnew++;
  if (count.states % WRITTEN_ON === 0) await writeOn(disk, started);
}

/** Whether the last segment has its footer, and the next one is not there. */
function isClosed(image: DiskImage): boolean {
  const last = [...image.keys()].filter((path) => path.startsWith(`${DATA}/log/`) && path.endsWith(".seg"))
    .sort().at(-1);
  const bytes = last === undefined ? undefined : image.get(last);
  return bytes !== undefined && typeof decodeFooter(bytes.subarray(footerPlace(bytes.length))) !== "string";
}

/** The log goes on, and the next start has that too. */
async function writeOn(disk: RestingDisk, { store, recovered }: Started): Promise<void> {
  const { hardState, entries, snapshotIndex } = recovered;
  const index = (entries.at(-1)?.index ?? snapshotIndex) + 1;
  const currentTerm = hardState.currentTerm + 1;
  await new Promise<void>((resolve, reject) => {
    store.listen({ onStable: () => resolve(), onFailure: reject });
    store.write({
      kind: "write",
      number: 1,
      hardState: { currentTerm, votedFor: "n1" },
      reset: null,
      truncateFrom: null,
      append: [entryOf(index, currentTerm, new Uint8Array(700).fill(7))],
      commitIndex: 0,
    });
  });
  const { recovered: next } = await start(new RestingDisk(disk.image()), new Log());
  assertEquals(next.hardState, { currentTerm, votedFor: "n1" });
  assertEquals(next.entries.map(({ index, term }) => [index, term]), [
    ...entries.map(({ index, term }) => [index, term]),
    [index, currentTerm],
  ]);
  count.writtenOn++;
}

/** What has the name of an archived segment is the segment, whole. */
function checkArchive(image: DiskImage, archived: ReadonlyMap<string, Uint8Array>): void {
  for (const [path, bytes] of image) {
    if (path.startsWith(ARCHIVED) && path.endsWith(".seg")) {
      assertEquals(sumOf(bytes), sumOf(archived.get(path) ?? bytes.subarray(1)));
    }
  }
}

/** A process is killed; the next one starts on what is in the cache; then power fails, and takes everything that is not synced. */
async function checkKillThenCrash({ disk, oracle, scale }: Stage): Promise<void> {
  const window = oracle.window();
  const next = new Stage({ disk: disk.cloneWithPending(new SeededRandom("kill")), scale });
  next.restart("kill");
  const given = await next.visit((started) => Promise.resolve(writesFound(window, started, BIRTH)));
  assert(given !== null, "no legal start after a kill");
  next.disk.restore(next.disk.imageKeeping({ names: [], sectors: [] }));
  next.restart("kill");
  const left = await next.visit((started) => Promise.resolve(writesFound(window, started, BIRTH)));
  assertEquals(left, given, "a power failure takes back what a start was given");
  count.killsThenCrashes++;
}

/* ---- all of them ---- */

class Survey {
  readonly #seen = new Set<string>();
  readonly #archived: ReadonlyMap<string, Uint8Array>;
  readonly #scale: number;

  constructor(end: Stage) {
    this.#scale = end.scale;
    this.#archived = new Map(
      end.disk.durablePaths().map((
        path,
      ) => [path, end.disk.durableBytes(path)?.slice() ?? new Uint8Array(0)]),
    );
  }

  /** What a crash at this moment may leave, and what is legal then. Tells the states that are new. */
  async moment(disk: SimDisk, window: Window, each: number): Promise<readonly DiskImage[]> {
    const { states, stable, begun, told } = window;
    const legal = [states.length, stable, begun.length, told].join(" ");
    const found: DiskImage[] = [];
    count.moments++;
    for (const kept of spread(choicesOf(disk.unsynced), each)) {
      count.choices++;
      const image = disk.imageKeeping(kept);
      const name = `${legal} ${nameOf(image)}`;
      if (this.#seen.has(name)) continue;
      this.#seen.add(name);
      count.states++;
      found.push(image);
      try {
        await checkState(image, window, this.#scale);
        checkArchive(image, this.#archived);
      } catch (cause) {
        const what = `moment ${count.moments}, ${JSON.stringify(kept)}: ${[...image.keys()].join(" ")}`;
        throw new Error(what, { cause });
      }
    }
    return found;
  }

  /** The start on a state is a life of its own, in which power fails again. What it gives at its end is as good as durable. */
  async start(image: DiskImage, window: Window): Promise<void> {
    const disk = new SimDisk(new SeededRandom("start"));
    disk.restore(image);
    const stage = new Stage({ disk, scale: this.#scale });
    let legal = window;
    const before = count.states;
    watch(stage, async () => void await this.moment(disk, legal, OF_A_START));
    await stage.visit((started) => {
      const writes = writesFound(window, started, BIRTH);
      assert(writes !== null, "no legal start");
      legal = { ...window, stable: writes, told: started.recovered.snapshotIndex };
      return Promise.resolve();
    });
    await stage.between();
    count.ofStarts += count.states - before;
  }
}

Deno.test("the crash states of a scripted life: each is a legal start, nothing durable is lost, the next start finds the same", async () => {
  const nothing = () => Promise.resolve();
  let found = 0;
  const survey = new Survey(await moments(1, nothing));
  await moments(1, async (stage) => {
    const window = stage.oracle.window();
    const images = await survey.moment(stage.disk, window, Infinity);
    await checkKillThenCrash(stage);
    for (const image of images) if (found++ % STARTED_THROUGH === 0) await survey.start(image, window);
  });
  for (const scale of SCALES) {
    if (count.states >= STATES) break;
    const before = count.states;
    const further = new Survey(await moments(scale, nothing));
    const each = IS_SAMPLE ? await choicesEach(scale, 2 * (STATES - count.states)) : Infinity;
    await moments(scale, async ({ disk, oracle }) => void await further.moment(disk, oracle.window(), each));
    count.ofLongerBatches += count.states - before;
  }
  console.log(JSON.stringify(count));
  for (const [what, some] of Object.entries(count)) {
    assertGreaterOrEqual(some, 5, `too few to prove anything: ${what}`);
  }
});
